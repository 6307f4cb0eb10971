"""Every event of a vehicle: frozen data with a permanent name, and no behaviour.

The `TOPIC` of an event outlives the code: it is stored with each event, names the Avro schema in `schemas/avro/` and
the CloudEvents type on the wire. Field names are those of the schema. Times are microseconds since the epoch, UTC.

Architecture invariant: an event never changes its meaning. A new meaning is a new version with a new topic.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

from eventsourcing.domain import CanMutateAggregate
from eventsourcing.utils import register_topic

from domain.signals import SignalValue
from domain.units import Degrees, KilometresPerHour, KilowattHours, Metres, Micros, Percent, Seconds

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class VehicleEvent(CanMutateAggregate[UUID]):
    """What every event of a vehicle says: whose it is, its place in that vehicle's history, and two of its times."""

    TOPIC: ClassVar[str] = ""

    originator_id: UUID  # the vehicle
    originator_version: int  # 1, 2, 3 … per vehicle
    captured_at: Micros  # vehicle clock, corrected where the car's own is wrong
    received_at: Micros  # when it reached us

    @property
    def timestamp(self) -> datetime:  # type: ignore[override]  # the library wants a datetime attribute
        """The time at which the event reached us, as the library's aggregates want it."""
        return _EPOCH + timedelta(microseconds=self.received_at)


@dataclass(frozen=True, kw_only=True)
class StreamEvent(VehicleEvent):
    """An event that a batch of telemetry gave rise to."""

    stream_id: str
    sequence: int  # of the batch in its stream
    clock_offset_us: int = 0  # captured_at minus the time that the car's clock showed


# --- life -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class VehicleRegistered(VehicleEvent):
    """A vehicle became known. The only event that carries the VIN."""

    TOPIC = "vehicle.registered.v1"

    vin: str
    brand: str
    model: str | None


@dataclass(frozen=True, kw_only=True)
class VehicleDecommissioned(VehicleEvent):
    """A vehicle left the fleet; it takes no more telemetry."""

    TOPIC = "vehicle.decommissioned.v1"

    reason: str


# --- driving ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class IgnitionTurnedOn(StreamEvent):
    """The ignition (terminal 15) went on, or was found on where a stream begins (`initial`)."""

    TOPIC = "vehicle.ignition_turned_on.v1"

    initial: bool


@dataclass(frozen=True, kw_only=True)
class IgnitionTurnedOff(StreamEvent):
    """The ignition (terminal 15) went off, or was found off where a stream begins (`initial`)."""

    TOPIC = "vehicle.ignition_turned_off.v1"

    initial: bool


@dataclass(frozen=True, kw_only=True)
class TripStarted(StreamEvent):
    """The vehicle moves, and no trip covers this moment yet."""

    TOPIC = "vehicle.trip_started.v1"

    trip_id: UUID
    started_at: Micros


@dataclass(frozen=True, kw_only=True)
class TrackExtended(StreamEvent):
    """A leg (what one stream knows of a trip) grew; fixes as columns of equal length.

    `leg_*` are totals of the leg so far, `trip_*` totals of the whole trip: all its legs together, and what two streams
    tell counted once.
    """

    TOPIC = "vehicle.track_extended.v1"

    trip_id: UUID
    trip_started_at: Micros
    trip_ended_at: Micros  # the last moment known to belong to the trip so far
    trip_distance_m: Metres
    trip_energy_kwh: KilowattHours | None
    leg_started_at: Micros
    leg_ended_at: Micros  # the last sign of driving
    leg_open: bool  # the next batch of the stream may go on with it
    leg_closed: bool  # the ignition ended it: nothing later belongs to the same trip
    leg_distance_by_fixes_m: Metres | None  # along the fixes; None: fewer than two
    leg_distance_by_speed_m: Metres  # the speed integrated over time, up to `leg_speed_until`
    leg_speed_until: Micros | None
    leg_energy_kwh: KilowattHours | None  # taken from the traction battery
    leg_energy_at_start_kwh: KilowattHours | None
    fix_captured_at: list[Micros]
    latitude_deg: list[Degrees]
    longitude_deg: list[Degrees]
    heading_deg: list[Degrees | None]
    speed_kmh: list[KilometresPerHour | None]
    altitude_m: list[Metres | None]


@dataclass(frozen=True, kw_only=True)
class TripEnded(StreamEvent):
    """A trip is over. Told again with new totals when late data changes a trip that was over already."""

    TOPIC = "vehicle.trip_ended.v1"

    trip_id: UUID
    started_at: Micros
    ended_at: Micros
    distance_m: Metres
    duration_s: Seconds
    energy_kwh: KilowattHours | None
    reason: str  # "ignition off" | "standstill"


@dataclass(frozen=True, kw_only=True)
class TripsRearranged(StreamEvent):
    """Data out of order showed that trips belong together, or apart.

    The trips in `removed_trip_ids` are no more; these are new, or changed (columns of equal length).
    """

    TOPIC = "vehicle.trips_rearranged.v1"

    removed_trip_ids: list[UUID]
    trip_id: list[UUID]
    started_at: list[Micros]
    ended_at: list[Micros]
    distance_m: list[Metres]
    energy_kwh: list[KilowattHours | None]


# --- navigation -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DestinationSet(StreamEvent):
    """The driver set a destination for route guidance."""

    TOPIC = "vehicle.destination_set.v1"

    latitude_deg: Degrees
    longitude_deg: Degrees


@dataclass(frozen=True, kw_only=True)
class DestinationReached(StreamEvent):
    """The vehicle came within the arrival radius of its destination."""

    TOPIC = "vehicle.destination_reached.v1"

    latitude_deg: Degrees
    longitude_deg: Degrees
    distance_left_m: Metres


@dataclass(frozen=True, kw_only=True)
class DestinationCleared(StreamEvent):
    """Route guidance was stopped before the destination was reached."""

    TOPIC = "vehicle.destination_cleared.v1"


# --- media ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MediaSourceSelected(StreamEvent):
    """Another media source plays (VSS Media.Played.Source)."""

    TOPIC = "vehicle.media_source_selected.v1"

    source: str
    initial: bool


@dataclass(frozen=True, kw_only=True)
class TrackStarted(StreamEvent):
    """A piece began to play, or was found playing where a stream begins (`initial`)."""

    TOPIC = "vehicle.media_track_started.v1"

    title: str
    artist: str | None
    album: str | None
    source: str | None
    initial: bool


@dataclass(frozen=True, kw_only=True)
class PlaybackStateChanged(StreamEvent):
    """Playback was started, paused or stopped (VSS Media.Action)."""

    TOPIC = "vehicle.media_playback_changed.v1"

    state: str
    initial: bool


@dataclass(frozen=True, kw_only=True)
class VolumeChanged(StreamEvent):
    """The media volume changed."""

    TOPIC = "vehicle.media_volume_changed.v1"

    volume_percent: Percent
    initial: bool


# --- diagnostics ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TroubleCodesRead(StreamEvent):
    """An ECU's whole list of trouble codes was heard for the first time in a stream, or with other content than before.

    A code that the list does not name was not held at `captured_at`, which is what clears codes, those of data that
    comes later included.
    """

    TOPIC = "vehicle.trouble_codes_read.v1"

    ecu: str
    service: str
    codes: list[str]  # "P0D59-1A": code, and failure type in hex where there is one


@dataclass(frozen=True, kw_only=True)
class TroubleCodeRaised(StreamEvent):
    """An ECU reports a trouble code that it did not report before, or with another status."""

    TOPIC = "vehicle.trouble_code_raised.v1"

    ecu: str
    service: str
    code: str  # SAE J2012
    failure_type: int | None  # SAE J2012-DA
    status: int | None  # ISO 14229-1 D.2
    active: bool
    freeze_frame: dict[str, float]  # numbers that the stream had just told, by VSS path


@dataclass(frozen=True, kw_only=True)
class TroubleCodeCleared(StreamEvent):
    """An ECU no longer reports a trouble code."""

    TOPIC = "vehicle.trouble_code_cleared.v1"

    ecu: str
    service: str
    code: str
    failure_type: int | None


@dataclass(frozen=True, kw_only=True)
class WarningRaised(StreamEvent):
    """The newest value of a signal crossed the limit of a warning."""

    TOPIC = "vehicle.warning_raised.v1"

    warning: str  # `domain.warnings.WARNINGS`
    path: str
    value: float
    limit: float


@dataclass(frozen=True, kw_only=True)
class WarningCleared(StreamEvent):
    """The newest value of a signal came back past the hysteresis of its warning."""

    TOPIC = "vehicle.warning_cleared.v1"

    warning: str
    path: str
    value: float
    limit: float


@dataclass(frozen=True, kw_only=True)
class ChargingStarted(StreamEvent):
    """The traction battery began to charge, or was found charging where a stream begins (`initial`)."""

    TOPIC = "vehicle.charging_started.v1"

    session_id: UUID
    state_of_charge_percent: Percent | None
    energy_kwh: KilowattHours | None
    initial: bool


@dataclass(frozen=True, kw_only=True)
class ChargingEnded(StreamEvent):
    """The traction battery stopped charging."""

    TOPIC = "vehicle.charging_ended.v1"

    session_id: UUID
    started_at: Micros
    state_of_charge_percent: Percent | None
    energy_added_kwh: KilowattHours | None


@dataclass(frozen=True, kw_only=True)
class OdometerAdvanced(StreamEvent):
    """The odometer shows more than before."""

    TOPIC = "vehicle.odometer_advanced.v1"

    odometer_m: Metres


@dataclass(frozen=True, kw_only=True)
class SignalsSampled(StreamEvent):
    """Every other signal whose value changed (`changed` true), or was confirmed at its heartbeat.

    Columns of equal length, in order of time within the batch.
    """

    TOPIC = "vehicle.signals_sampled.v1"

    path: list[str]
    sampled_at: list[Micros]
    value: list[SignalValue | None]
    quality: list[int]  # domain.signals.Quality
    changed: list[bool]


# --- quality ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TelemetryGapDetected(StreamEvent):
    """Batches `first_missing` to `last_missing` of a stream have not come."""

    TOPIC = "vehicle.telemetry_gap_detected.v1"

    first_missing: int
    last_missing: int


@dataclass(frozen=True, kw_only=True)
class ClockCorrected(StreamEvent):
    """The car's clock is wrong: from here on `clock_offset_us` is added to what it shows."""

    TOPIC = "vehicle.clock_corrected.v1"

    shown_at: Micros  # what the car's clock showed
    reason: str  # "past" | "future"


@dataclass(frozen=True, kw_only=True)
class LateSamplesRecorded(StreamEvent):
    """Samples older than what their stream has told of the same signals already; columns of equal length.

    They never replace a newer value.
    """

    TOPIC = "vehicle.late_samples_recorded.v1"

    path: list[str]
    sampled_at: list[Micros]
    value: list[SignalValue | None]
    quality: list[int]


EVENT_TYPES: Final[tuple[type[VehicleEvent], ...]] = (
    VehicleRegistered,
    VehicleDecommissioned,
    IgnitionTurnedOn,
    IgnitionTurnedOff,
    TripStarted,
    TrackExtended,
    TripEnded,
    TripsRearranged,
    DestinationSet,
    DestinationReached,
    DestinationCleared,
    MediaSourceSelected,
    TrackStarted,
    PlaybackStateChanged,
    VolumeChanged,
    TroubleCodesRead,
    TroubleCodeRaised,
    TroubleCodeCleared,
    WarningRaised,
    WarningCleared,
    ChargingStarted,
    ChargingEnded,
    OdometerAdvanced,
    SignalsSampled,
    TelemetryGapDetected,
    ClockCorrected,
    LateSamplesRecorded,
)

for _event_type in EVENT_TYPES:
    register_topic(_event_type.TOPIC, _event_type)
