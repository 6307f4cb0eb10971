"""What a Vehicle is: the fold of its events. Nothing here decides anything.

Two kinds of state. A *lane* is what one stream has told: what is recorded of a stream depends on its own lane only, so
that it does not depend on how streams interleave. The rest is the vehicle's: each value is that with the newest
(captured_at, stream, sequence), trips are a function of the legs of all lanes, trouble codes one of all readings,
warnings one of all values; so the order in which streams come does not change it either.
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from domain import events as e
from domain import paths, trips
from domain.legs import Fix, OpenLeg
from domain.signals import Quality, SignalValue
from domain.trips import Change, Leg, Trip
from domain.units import Degrees, KilowattHours, Micros
from domain.warnings import WARNING_BY_PATH

LANES_MAX: Final = 32  # streams of a vehicle that are remembered; the one silent for longest is forgotten first
READINGS_MAX: Final = 64  # readings of an ECU's trouble codes that are remembered


class Known(NamedTuple):
    """A value and its place in time: the first three fields order values of one signal."""

    captured_at: Micros
    stream_id: str
    sequence: int
    value: SignalValue | None
    quality: int


class CodeKey(NamedTuple):
    """What makes a trouble code one trouble code."""

    ecu: str
    service: str
    code: str
    failure_type: int | None

    @property
    def text(self) -> str:
        """The code as a list of codes names it, e.g. "C1812-87"."""
        return self.code if self.failure_type is None else f"{self.code}-{self.failure_type:02X}"


class CodeState(NamedTuple):
    """What was last said about a trouble code; the first three fields order it."""

    captured_at: Micros  # of the newest report that names it
    stream_id: str
    sequence: int
    status: int | None
    active: bool
    cleared_at: Micros | None = None  # of the first reading after that which does not name it

    @property
    def held(self) -> bool:
        """Whether the ECU still holds the code, as far as is known."""
        return self.cleared_at is None

    def is_cleared_by(self, at: Micros) -> bool:
        """Whether a reading at `at` that does not name the code says something new of it."""
        return self.captured_at < at and (self.cleared_at is None or at < self.cleared_at)


class HeldCodes(NamedTuple):
    """The codes that a stream has told of one ECU and service."""

    captured_at: Micros  # of the newest report that said something new, and
    sequence: int  # its batch: these two order reports
    statuses: dict[CodeKey, int | None]
    complete: bool  # whether the whole list has been told


class Reading(NamedTuple):
    """The whole list of codes that an ECU held; the first three fields order it."""

    captured_at: Micros
    stream_id: str
    sequence: int
    codes: frozenset[str]


class WarningState(NamedTuple):
    """The newest value that decides about a warning; the first three fields order it."""

    captured_at: Micros
    stream_id: str
    sequence: int
    raised: bool


class ChargingSession(NamedTuple):
    """A charging session that has not ended."""

    session_id: UUID
    started_at: Micros
    energy_kwh: KilowattHours | None


@dataclass(slots=True)
class Lane:
    """What one stream has told."""

    last: dict[str, Known] = field(default_factory=dict)  # the newest recorded sample of each signal
    newest_at: Micros | None = None
    clock_offset_us: int = 0
    ignition_on: bool | None = None
    leg: OpenLeg | None = None
    driven_until: Micros | None = None  # where the last leg that is not open any more ended
    destination: tuple[Degrees, Degrees] | None = None
    charging: ChargingSession | None = None
    codes: dict[tuple[str, str], HeldCodes] = field(default_factory=dict)  # by (ecu, service)


@dataclass(slots=True)
class VehicleState:
    """The state that decisions look at."""

    vehicle_id: UUID
    vin: str = ""
    brand: str = ""
    model: str | None = None
    decommissioned: bool = False
    newest_at: Micros | None = None
    lanes: dict[str, Lane] = field(default_factory=dict)  # the one that spoke last is last
    signals: dict[str, Known] = field(default_factory=dict)
    trips: list[Trip] = field(default_factory=list)
    open_trips: dict[UUID, Micros] = field(default_factory=dict)  # id and start of each whose end has not been told
    codes: dict[CodeKey, CodeState] = field(default_factory=dict)
    readings: dict[tuple[str, str], list[Reading]] = field(default_factory=dict)  # by (ecu, service), in order
    warnings: dict[str, WarningState] = field(default_factory=dict)

    def lane(self, stream_id: str) -> Lane:
        """Return the lane of a stream and mark it as the one that spoke last."""
        lane = self.lanes.pop(stream_id, None)
        if lane is None:
            lane = Lane()
            if len(self.lanes) == LANES_MAX:
                del self.lanes[next(iter(self.lanes))]
        self.lanes[stream_id] = lane
        return lane

    def know(self, lane: Lane, path: str, known: Known) -> None:
        """Take a recorded sample into the lane and, if it is the newest, into the vehicle's values."""
        last = lane.last.get(path)
        if last is None or last[:3] <= known[:3]:
            lane.last[path] = known
        current = self.signals.get(path)
        if current is None or current[:3] <= known[:3]:
            self.signals[path] = known

    def warn(self, path: str, known: Known) -> None:
        """Take a value into the state of its warning, if it decides about it and is the newest that does."""
        rule = WARNING_BY_PATH[path]
        raised = rule.verdict(known.value)
        if raised is None:
            return
        state = WarningState(known.captured_at, known.stream_id, known.sequence, raised)
        current = self.warnings.get(rule.warning)
        if current is None or current[:3] <= state[:3]:
            self.warnings[rule.warning] = state

    def seen(self, lane: Lane, at: Micros) -> None:
        """Move the newest times."""
        if lane.newest_at is None or at > lane.newest_at:
            lane.newest_at = at
            if self.newest_at is None or at > self.newest_at:
                self.newest_at = at

    def arrange(self, change: Change) -> None:
        """Put trips in place of others; of those that are new or changed the end has not been told."""
        before = self.trips[change.low : change.high]
        if len(before) != 1 or len(change.after) != 1 or before[0].started_at != change.trip.started_at:
            for trip in before:
                if trip not in change.after:
                    self.open_trips.pop(trips.trip_id(self.vehicle_id, trip.started_at), None)
            for trip in change.after:
                if trip not in before:
                    self.open_trips[trips.trip_id(self.vehicle_id, trip.started_at)] = trip.started_at
        self.trips[change.low : change.high] = change.after

    def trip_from(self, started_at: Micros) -> Trip:
        """Return the trip that starts at `started_at`."""
        trip = self.trips[bisect_left(self.trips, started_at, key=attrgetter("started_at"))]
        assert trip.started_at == started_at
        return trip


def _registered(s: VehicleState, x: e.VehicleRegistered) -> None:
    s.vin, s.brand, s.model = x.vin, x.brand, x.model


def _decommissioned(s: VehicleState, _: e.VehicleDecommissioned) -> None:
    s.decommissioned = True


def _ignition_on(s: VehicleState, x: e.IgnitionTurnedOn) -> None:
    s.lane(x.stream_id).ignition_on = True


def _ignition_off(s: VehicleState, x: e.IgnitionTurnedOff) -> None:
    s.lane(x.stream_id).ignition_on = False


def _sampled(s: VehicleState, x: e.SignalsSampled) -> None:
    lane = s.lane(x.stream_id)
    last, signals, stream_id, sequence = lane.last, s.signals, x.stream_id, x.sequence
    for path, at, value, quality in zip(x.path, x.sampled_at, x.value, x.quality, strict=True):
        known = Known(at, stream_id, sequence, value, quality)
        told = last.get(path)
        if told is None or told[0] < at or told[:3] <= known[:3]:
            last[path] = known
        current = signals.get(path)
        if current is None or current[0] < at or current[:3] <= known[:3]:
            signals[path] = known
        if path in WARNING_BY_PATH:
            s.warn(path, known)
    s.seen(lane, x.captured_at)


def _late(s: VehicleState, x: e.LateSamplesRecorded) -> None:
    s.lane(x.stream_id)
    for path, at, value, quality in zip(x.path, x.sampled_at, x.value, x.quality, strict=True):
        known = Known(at, x.stream_id, x.sequence, value, quality)
        current = s.signals.get(path)
        if current is None or current[:3] <= known[:3]:
            s.signals[path] = known
        if path in WARNING_BY_PATH:
            s.warn(path, known)


def _value(path: str, attribute: str) -> Callable[[VehicleState, Any], None]:
    """Return the fold of an event that tells one signal."""

    def fold(s: VehicleState, x: e.StreamEvent) -> None:
        lane = s.lane(x.stream_id)
        s.know(lane, path, Known(x.captured_at, x.stream_id, x.sequence, getattr(x, attribute), Quality.OK))
        s.seen(lane, x.captured_at)

    return fold


def _track(s: VehicleState, x: e.TrackExtended) -> None:
    lane = s.lane(x.stream_id)
    last_fix = lane.leg.last_fix if lane.leg and lane.leg.started_at == x.leg_started_at else None
    if x.fix_captured_at:
        at, latitude_deg, longitude_deg = x.fix_captured_at[-1], x.latitude_deg[-1], x.longitude_deg[-1]
        last_fix = Fix(at, latitude_deg, longitude_deg, x.heading_deg[-1], x.speed_kmh[-1], x.altitude_m[-1])
        s.know(lane, paths.LATITUDE, Known(at, x.stream_id, x.sequence, latitude_deg, Quality.OK))
        s.know(lane, paths.LONGITUDE, Known(at, x.stream_id, x.sequence, longitude_deg, Quality.OK))
    leg = OpenLeg(
        x.leg_started_at,
        x.leg_ended_at,
        x.leg_closed,
        x.leg_distance_by_fixes_m,
        x.leg_distance_by_speed_m,
        x.leg_speed_until,
        x.leg_energy_kwh,
        x.leg_energy_at_start_kwh,
        last_fix,
    )
    if x.leg_open:
        lane.leg = leg
    else:
        lane.leg, lane.driven_until = None, leg.ended_at
    told = Leg(leg.started_at, x.stream_id, leg.ended_at, leg.closed, x.leg_open, leg.distance_m, leg.energy_kwh)
    s.arrange(trips.change(s.trips, told))
    s.open_trips[x.trip_id] = x.trip_started_at
    s.seen(lane, x.captured_at)


def _trip_ended(s: VehicleState, x: e.TripEnded) -> None:
    s.open_trips.pop(x.trip_id, None)


def _destination(s: VehicleState, x: e.DestinationSet) -> None:
    lane = s.lane(x.stream_id)
    lane.destination = (x.latitude_deg, x.longitude_deg)
    s.know(lane, paths.DESTINATION_LATITUDE, Known(x.captured_at, x.stream_id, x.sequence, x.latitude_deg, Quality.OK))
    s.know(
        lane, paths.DESTINATION_LONGITUDE, Known(x.captured_at, x.stream_id, x.sequence, x.longitude_deg, Quality.OK)
    )
    s.seen(lane, x.captured_at)


def _no_destination(s: VehicleState, x: e.DestinationReached | e.DestinationCleared) -> None:
    s.lane(x.stream_id).destination = None


def _codes_read(s: VehicleState, x: e.TroubleCodesRead) -> None:
    lane, scope = s.lane(x.stream_id), (x.ecu, x.service)
    held = lane.codes.get(scope)
    if held is None or held[:2] <= (x.captured_at, x.sequence):
        statuses = held.statuses if held else {}
        left = {key: status for key, status in statuses.items() if key.text in x.codes}
        lane.codes[scope] = HeldCodes(x.captured_at, x.sequence, left, complete=True)
    readings = s.readings.setdefault(scope, [])
    insort(readings, Reading(x.captured_at, x.stream_id, x.sequence, frozenset(x.codes)), key=lambda r: r[:3])
    del readings[:-READINGS_MAX]
    s.seen(lane, x.captured_at)


def _code_raised(s: VehicleState, x: e.TroubleCodeRaised) -> None:
    lane, scope = s.lane(x.stream_id), (x.ecu, x.service)
    key = CodeKey(x.ecu, x.service, x.code, x.failure_type)
    held = lane.codes.get(scope)
    if held is None or held[:2] <= (x.captured_at, x.sequence):
        statuses = (held.statuses if held else {}) | {key: x.status}
        lane.codes[scope] = HeldCodes(x.captured_at, x.sequence, statuses, complete=held is not None and held.complete)
    state = CodeState(x.captured_at, x.stream_id, x.sequence, x.status, x.active)
    current = s.codes.get(key)
    if current is None or current[:3] <= state[:3]:
        s.codes[key] = state
    s.seen(lane, x.captured_at)


def _code_cleared(s: VehicleState, x: e.TroubleCodeCleared) -> None:
    s.lane(x.stream_id)
    key = CodeKey(x.ecu, x.service, x.code, x.failure_type)
    state = s.codes.get(key)
    if state and state.is_cleared_by(x.captured_at):
        s.codes[key] = state._replace(cleared_at=x.captured_at)


def _charging_started(s: VehicleState, x: e.ChargingStarted) -> None:
    s.lane(x.stream_id).charging = ChargingSession(x.session_id, x.captured_at, x.energy_kwh)


def _charging_ended(s: VehicleState, x: e.ChargingEnded) -> None:
    s.lane(x.stream_id).charging = None


def _clock(s: VehicleState, x: e.ClockCorrected) -> None:
    s.lane(x.stream_id).clock_offset_us = x.clock_offset_us


def _nothing(_: VehicleState, __: e.VehicleEvent) -> None:
    """Change nothing: the event tells readers what other events make true."""


FOLDS: Final[dict[type[e.VehicleEvent], Callable[[VehicleState, Any], None]]] = {
    e.VehicleRegistered: _registered,
    e.VehicleDecommissioned: _decommissioned,
    e.IgnitionTurnedOn: _ignition_on,
    e.IgnitionTurnedOff: _ignition_off,
    e.TripStarted: _nothing,
    e.TrackExtended: _track,
    e.TripEnded: _trip_ended,
    e.TripsRearranged: _nothing,
    e.DestinationSet: _destination,
    e.DestinationReached: _no_destination,
    e.DestinationCleared: _no_destination,
    e.MediaSourceSelected: _value(paths.MEDIA_SOURCE, "source"),
    e.TrackStarted: _value(paths.MEDIA_TITLE, "title"),
    e.PlaybackStateChanged: _value(paths.MEDIA_ACTION, "state"),
    e.VolumeChanged: _value(paths.MEDIA_VOLUME, "volume_percent"),
    e.TroubleCodesRead: _codes_read,
    e.TroubleCodeRaised: _code_raised,
    e.TroubleCodeCleared: _code_cleared,
    e.WarningRaised: _nothing,
    e.WarningCleared: _nothing,
    e.ChargingStarted: _charging_started,
    e.ChargingEnded: _charging_ended,
    e.OdometerAdvanced: _value(paths.ODOMETER, "odometer_m"),
    e.SignalsSampled: _sampled,
    e.TelemetryGapDetected: _nothing,
    e.ClockCorrected: _clock,
    e.LateSamplesRecorded: _late,
}
assert FOLDS.keys() == set(e.EVENT_TYPES)
