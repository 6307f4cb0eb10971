"""One batch of telemetry on its way to becoming events of a Vehicle.

Each sample is late (older than what its stream has told of the same signal), unchanged, or fresh. A fresh one makes the event of a rule, or goes with
the other fresh ones into one `SignalsSampled`. Rules look at the lane of the batch's stream only (see `domain.state`).
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol
from uuid import UUID, uuid5

from domain import clocks, paths, trips
from domain import events as e
from domain.geo import great_circle_m
from domain.legs import EnergySeen, Fix, Growth, IgnitionSeen, LegTracker, Sign, SpeedSeen
from domain.readings import take_report
from domain.signals import Quality, Sample, SignalBatch, SignalValue
from domain.state import ChargingSession, Known, Lane, VehicleState
from domain.trips import TRIP_GAP_US, Leg, Trip
from domain.units import MICROS_PER_SECOND, Degrees, KilometresPerHour, KilowattHours, Metres, Micros
from domain.warnings import WARNING_BY_PATH

CONFIRM_US: Final = 60 * MICROS_PER_SECOND  # an unchanged value is confirmed at most this often
RECENT_US: Final = 90 * MICROS_PER_SECOND  # how old a heading, height or speed may be to go with a fix
ARRIVAL_RADIUS_M: Final = 100.0
POSITION: Final = (paths.LATITUDE, paths.LONGITUDE)
DESTINATION: Final = (paths.DESTINATION_LATITUDE, paths.DESTINATION_LONGITUDE)
PAIR_OF: Final = {path: pair for pair in (POSITION, DESTINATION) for path in pair}
TOLD_AS_NUMBERS: Final = frozenset({*PAIR_OF, paths.ODOMETER, paths.MEDIA_VOLUME})  # by events of their own
_NO_LANE: Final = Lane()  # what a stream that has not told anything has told


class Deciding(Protocol):
    """What an observation needs of the Vehicle."""

    state: VehicleState

    def trigger_event(self, event_class: type[e.VehicleEvent], **fields: object) -> None:
        """Add an event and fold it."""


class Fresh(NamedTuple):
    """A sample to be recorded."""

    path: str
    at: Micros
    value: SignalValue | None
    quality: int
    changed: bool  # False: a confirmation at the heartbeat


class Observation:
    """Takes one batch."""

    def __init__(self, vehicle: Deciding, batch: SignalBatch) -> None:
        self.state = vehicle.state
        self.batch = batch
        self._vehicle = vehicle
        self._offset_us = 0
        self._told: dict[str, Known] = {}  # what this batch has told so far
        self._at: dict[tuple[str, Micros], SignalValue] = {}  # every good value of this batch by signal and time
        self._fresh: list[Fresh] = []
        self._late: list[Sample] = []
        self._signs: list[Sign] = []
        self._rules: dict[str, Callable[[Micros, SignalValue], bool]] = {
            paths.SPEED: self._speed,
            paths.BATTERY_ENERGY: self._energy,
            paths.LOW_VOLTAGE_SYSTEM_STATE: self._ignition,
            paths.LATITUDE: self._position,
        }
        self._change_rules: dict[str, Callable[[Micros, SignalValue], bool]] = {
            paths.ODOMETER: self._odometer,
            paths.IS_CHARGING: self._charging,
            paths.MEDIA_SOURCE: self._media_source,
            paths.MEDIA_TITLE: self._media_title,
            paths.MEDIA_ACTION: self._media_action,
            paths.MEDIA_VOLUME: self._media_volume,
            paths.DESTINATION_LATITUDE: self._destination,
            paths.DESTINATION_LONGITUDE: self._destination_told,
        }

    @property
    def lane(self) -> Lane:
        """What the stream has told so far."""
        return self.state.lanes.get(self.batch.stream_id, _NO_LANE)

    def take(self, missing: tuple[int, int] | None) -> None:
        """Trigger every event that the batch makes; `missing` are the sequence numbers that should have come before it."""
        if missing:
            self.trigger(
                e.TelemetryGapDetected,
                self.lane.newest_at or self.batch.received_at,
                first_missing=missing[0],
                last_missing=missing[1],
            )
        samples = self._correct_clock()
        self._at = {(s.path, s.captured_at): s.value for s in samples if s.value is not None}
        for sample in samples:
            self._take_sample(sample)
        grown = self._tracker().follow(sorted(self._signs, key=lambda sign: sign.captured_at))
        self._tell_samples({fix.captured_at for growth in grown for fix in growth.fixes})
        for growth in grown:
            self._tell_growth(growth)
        for report in self.batch.trouble_codes:
            take_report(self, report._replace(captured_at=self._true_time(report.captured_at)))
        self._tell_late()
        self._end_trips()

    def trigger(self, event_class: type[e.StreamEvent], at: Micros, **fields: object) -> None:
        """Trigger an event of this batch."""
        self._vehicle.trigger_event(
            event_class,
            captured_at=at,
            received_at=self.batch.received_at,
            stream_id=self.batch.stream_id,
            sequence=self.batch.sequence,
            clock_offset_us=self._offset_us,
            **fields,
        )

    def number(self, path: str, *, since: int | None = None) -> float | None:
        """Return the newest good number that the stream has told of a signal, if it is not older than `since`."""
        known = self._last(path)
        if known is None or known.quality != Quality.OK or not isinstance(known.value, (int, float)):
            return None
        return None if since is not None and known.captured_at < since else float(known.value)

    # --- clock ------------------------------------------------------------------------------------------------------------------------------

    def _correct_clock(self) -> tuple[Sample, ...]:
        batch, lane = self.batch, self.lane
        shown = [s.captured_at for s in batch.samples] + [r.captured_at for r in batch.trouble_codes]
        wrong = [at for at in shown if clocks.fault(at, batch.received_at)]
        if not wrong:
            return batch.samples
        found = clocks.correction(
            wrong,
            offset_us=lane.clock_offset_us,
            newest_at=lane.newest_at,
            received_at=batch.received_at,
            reference_at=batch.reference_at,
        )
        self._offset_us = found.offset_us if found else lane.clock_offset_us
        if found:
            self.trigger(
                e.ClockCorrected, Micros(found.shown_at + found.offset_us), shown_at=found.shown_at, reason=found.reason
            )
        return tuple(s._replace(captured_at=self._true_time(s.captured_at)) for s in batch.samples)

    def _true_time(self, shown_at: Micros) -> Micros:
        return Micros(shown_at + self._offset_us) if clocks.fault(shown_at, self.batch.received_at) else shown_at

    # --- samples ----------------------------------------------------------------------------------------------------------------------------

    def _last(self, path: str) -> Known | None:
        return self._told.get(path) or self.lane.last.get(path)

    def _take_sample(self, sample: Sample) -> None:
        path, at, value, quality = sample
        if path in TOLD_AS_NUMBERS and isinstance(value, int):
            value = float(value)  # what the fold of its event will hold
        last = self._last(path)
        if last and at < last.captured_at:
            self._late.append(sample)
            return
        told = False
        if quality == Quality.OK and value is not None and path in self._rules:
            told = self._rules[path](at, value)
        changed = last is None or last.quality != quality or last.value != value or type(last.value) is not type(value)
        if not changed and not self._confirm(path, at, last):
            return
        if quality == Quality.OK and value is not None:
            if changed and path in self._change_rules:
                told = self._change_rules[path](at, value)
            if path in WARNING_BY_PATH and isinstance(value, (int, float)):
                self._warning(path, at, value)
        elif path in DESTINATION and self.lane.destination:
            self.trigger(e.DestinationCleared, at)
        if not told:
            self._fresh.append(Fresh(path, at, value, int(quality), changed))
        self._told[path] = Known(at, self.batch.stream_id, self.batch.sequence, value, int(quality))

    def _confirm(self, path: str, at: Micros, last: Known | None) -> bool:
        """Whether an unchanged value is told all the same: its heartbeat is due, the other half of its pair changed, or a missing batch may have held a change."""
        if last is None or at - last.captured_at >= CONFIRM_US or (path in self.lane.unsure and path not in self._told):
            return True
        pair = PAIR_OF.get(path)
        if pair is None:
            return False
        other = pair[1] if path == pair[0] else pair[0]
        known, partner = self._last(other), self._at.get((other, at))
        return partner is not None and (known is None or known.captured_at == at or partner != known.value)

    def _tell_samples(self, in_track: set[Micros]) -> None:
        """Tell the fresh samples that no rule has told; positions that a leg takes go with its track."""
        fresh = [x for x in self._fresh if not (x.path in POSITION and x.at in in_track and x.quality == Quality.OK)]
        if fresh:
            self.trigger(
                e.SignalsSampled,
                max(x.at for x in fresh),
                path=[x.path for x in fresh],
                sampled_at=[x.at for x in fresh],
                value=[x.value for x in fresh],
                quality=[x.quality for x in fresh],
                changed=[x.changed for x in fresh],
            )

    def _tell_late(self) -> None:
        if self._late:
            self.trigger(
                e.LateSamplesRecorded,
                max(x.captured_at for x in self._late),
                path=[x.path for x in self._late],
                sampled_at=[x.captured_at for x in self._late],
                value=[x.value for x in self._late],
                quality=[int(x.quality) for x in self._late],
            )

    # --- rules on every good sample: signs of driving -----------------------------------------------------------------------------------------

    def _speed(self, at: Micros, value: SignalValue) -> bool:
        assert isinstance(value, (int, float))
        self._signs.append(SpeedSeen(at, KilometresPerHour(float(value))))
        return False

    def _energy(self, at: Micros, value: SignalValue) -> bool:
        assert isinstance(value, (int, float))
        self._signs.append(EnergySeen(at, KilowattHours(float(value))))
        return False

    def _ignition(self, at: Micros, value: SignalValue) -> bool:
        on = value in paths.IGNITION_ON_STATES
        self._signs.append(IgnitionSeen(at, on))
        before = self.lane.ignition_on
        if on != before:
            self.trigger(e.IgnitionTurnedOn if on else e.IgnitionTurnedOff, at, initial=before is None)
        return False

    def _position(self, at: Micros, value: SignalValue) -> bool:
        longitude = self._at.get((paths.LONGITUDE, at))
        if not isinstance(value, (int, float)) or not isinstance(longitude, (int, float)):
            return False
        heading, speed, altitude = (self._beside(path, at) for path in (paths.HEADING, paths.SPEED, paths.ALTITUDE))
        fix = Fix(
            at,
            Degrees(float(value)),
            Degrees(float(longitude)),
            None if heading is None else Degrees(heading),
            None if speed is None else KilometresPerHour(speed),
            None if altitude is None else Metres(altitude),
        )
        self._signs.append(fix)
        destination = self.lane.destination
        if destination:
            left_m = great_circle_m(fix.latitude_deg, fix.longitude_deg, *destination)
            if left_m <= ARRIVAL_RADIUS_M:
                self.trigger(
                    e.DestinationReached,
                    at,
                    latitude_deg=destination[0],
                    longitude_deg=destination[1],
                    distance_left_m=left_m,
                )
        return False

    def _beside(self, path: str, at: Micros) -> float | None:
        """Return a number of the same time, or the newest one if it is recent."""
        value = self._at.get((path, at))
        return float(value) if isinstance(value, (int, float)) else self.number(path, since=at - RECENT_US)

    # --- rules on changes: True where the event tells the value -------------------------------------------------------------------------------

    def _odometer(self, at: Micros, value: SignalValue) -> bool:
        last = self.number(paths.ODOMETER)
        if not isinstance(value, (int, float)) or (last is not None and value <= last):
            return False
        self.trigger(e.OdometerAdvanced, at, odometer_m=Metres(float(value)))
        return True

    def _charging(self, at: Micros, value: SignalValue) -> bool:
        session: ChargingSession | None = self.lane.charging
        soc = self.number(paths.STATE_OF_CHARGE_DISPLAYED)
        soc = self.number(paths.STATE_OF_CHARGE) if soc is None else soc
        energy = self.number(paths.BATTERY_ENERGY)
        if value is True and session is None:
            session_id: UUID = uuid5(self.state.vehicle_id, f"charging:{at}")
            initial = self._last(paths.IS_CHARGING) is None
            self.trigger(
                e.ChargingStarted,
                at,
                session_id=session_id,
                state_of_charge_percent=soc,
                energy_kwh=energy,
                initial=initial,
            )
        elif value is False and session:
            added = None if energy is None or session.energy_kwh is None else energy - session.energy_kwh
            self.trigger(
                e.ChargingEnded,
                at,
                session_id=session.session_id,
                started_at=session.started_at,
                state_of_charge_percent=soc,
                energy_added_kwh=added,
            )
        return False

    def _media_source(self, at: Micros, value: SignalValue) -> bool:
        self.trigger(e.MediaSourceSelected, at, source=str(value), initial=self._last(paths.MEDIA_SOURCE) is None)
        return True

    def _media_title(self, at: Micros, value: SignalValue) -> bool:
        artist, album, source = (
            self._text_beside(path, at) for path in (paths.MEDIA_ARTIST, paths.MEDIA_ALBUM, paths.MEDIA_SOURCE)
        )
        initial = self._last(paths.MEDIA_TITLE) is None
        self.trigger(e.TrackStarted, at, title=str(value), artist=artist, album=album, source=source, initial=initial)
        return True

    def _text_beside(self, path: str, at: Micros) -> str | None:
        """Return a text of the same time, or the newest one."""
        value = self._at.get((path, at))
        known = self._last(path)
        if value is None and known:
            value = known.value
        return None if value is None else str(value)

    def _media_action(self, at: Micros, value: SignalValue) -> bool:
        self.trigger(e.PlaybackStateChanged, at, state=str(value), initial=self._last(paths.MEDIA_ACTION) is None)
        return True

    def _media_volume(self, at: Micros, value: SignalValue) -> bool:
        if not isinstance(value, (int, float)):
            return False
        self.trigger(e.VolumeChanged, at, volume_percent=float(value), initial=self._last(paths.MEDIA_VOLUME) is None)
        return True

    def _destination(self, at: Micros, value: SignalValue) -> bool:
        longitude = self._at.get((paths.DESTINATION_LONGITUDE, at))
        if not isinstance(value, (int, float)) or not isinstance(longitude, (int, float)):
            return False
        if self.lane.destination != (value, longitude):
            self.trigger(
                e.DestinationSet, at, latitude_deg=Degrees(float(value)), longitude_deg=Degrees(float(longitude))
            )
        return True

    def _destination_told(self, at: Micros, value: SignalValue) -> bool:
        latitude = self._at.get((paths.DESTINATION_LATITUDE, at))
        return (
            isinstance(latitude, (int, float)) and isinstance(value, (int, float)) and self._destination(at, latitude)
        )

    def _warning(self, path: str, at: Micros, value: float) -> None:
        rule = WARNING_BY_PATH[path]
        raised = rule.warning in self.lane.warnings
        if rule.state(value, raised=raised) != raised:
            limit = rule.clear_limit if raised else rule.limit
            event = e.WarningCleared if raised else e.WarningRaised
            self.trigger(event, at, warning=rule.warning, path=path, value=float(value), limit=limit)

    # --- driving ----------------------------------------------------------------------------------------------------------------------------

    def _tracker(self) -> LegTracker:
        last = self.lane.last
        speed, latitude, longitude = last.get(paths.SPEED), last.get(paths.LATITUDE), last.get(paths.LONGITUDE)
        last_speed = last_fix = None
        if speed and speed.quality == Quality.OK and isinstance(speed.value, (int, float)):
            last_speed = SpeedSeen(speed.captured_at, KilometresPerHour(float(speed.value)))
        if (
            latitude
            and longitude
            and latitude.captured_at == longitude.captured_at
            and latitude.quality == longitude.quality == Quality.OK
        ):
            assert isinstance(latitude.value, (int, float))
            assert isinstance(longitude.value, (int, float))
            last_fix = Fix(latitude.captured_at, Degrees(float(latitude.value)), Degrees(float(longitude.value)))
        energy = self.lane.number(paths.BATTERY_ENERGY)
        return LegTracker(self.lane.leg, last_speed, last_fix, None if energy is None else KilowattHours(energy))

    def _tell_growth(self, growth: Growth) -> None:
        leg = growth.leg
        before = self.lane.leg
        if growth.open and not growth.fixes and before and before.shows_the_same(leg):
            return
        name = Leg(leg.started_at, self.batch.stream_id, leg.ended_at, leg.closed, leg.distance_m, leg.energy_kwh)
        change = trips.change(self.state.trips, name)
        trip_id = self._trip_id(change.trip)
        self._tell_arrangement(self.state.trips[change.low : change.high], change)
        fixes = growth.fixes
        self.trigger(
            e.TrackExtended,
            max([leg.ended_at, *(fix.captured_at for fix in fixes[-1:])]),
            trip_id=trip_id,
            trip_started_at=change.trip.started_at,
            trip_ended_at=change.trip.ended_at,
            trip_distance_m=change.trip.distance_m,
            trip_energy_kwh=change.trip.energy_kwh,
            leg_started_at=leg.started_at,
            leg_ended_at=leg.ended_at,
            leg_open=growth.open,
            leg_closed=leg.closed,
            leg_distance_by_fixes_m=leg.distance_by_fixes_m,
            leg_distance_by_speed_m=leg.distance_by_speed_m,
            leg_speed_until=leg.speed_until,
            leg_energy_kwh=leg.energy_kwh,
            leg_energy_at_start_kwh=leg.energy_at_start_kwh,
            fix_captured_at=[fix.captured_at for fix in fixes],
            latitude_deg=[fix.latitude_deg for fix in fixes],
            longitude_deg=[fix.longitude_deg for fix in fixes],
            heading_deg=[fix.heading_deg for fix in fixes],
            speed_kmh=[fix.speed_kmh for fix in fixes],
            altitude_m=[fix.altitude_m for fix in fixes],
        )

    def _tell_arrangement(self, before: Iterable[Trip], change: trips.Change) -> None:
        """Tell which trips a leg starts, joins or parts, before it is told itself."""
        ids_before = {self._trip_id(trip) for trip in before}
        ids_after = {self._trip_id(trip) for trip in change.after}
        if ids_before == ids_after:
            return
        if not ids_before:
            self.trigger(
                e.TripStarted,
                change.trip.started_at,
                trip_id=self._trip_id(change.trip),
                started_at=change.trip.started_at,
            )
            return
        self.trigger(
            e.TripsRearranged,
            change.trip.started_at,
            removed_trip_ids=sorted(ids_before - ids_after),
            trip_id=[self._trip_id(trip) for trip in change.after],
            started_at=[trip.started_at for trip in change.after],
            ended_at=[trip.ended_at for trip in change.after],
            distance_m=[trip.distance_m for trip in change.after],
            energy_kwh=[trip.energy_kwh for trip in change.after],
        )

    def _trip_id(self, trip: Trip) -> UUID:
        return trips.trip_id(self.state.vehicle_id, trip.started_at)

    def _end_trips(self) -> None:
        """Tell the end of each trip that is over: by the ignition, because later times have come, or because a stream ended long after it."""
        if not self.state.open_trips:
            return
        newest = self.state.newest_at or Micros(0)
        horizon = max(newest, self.batch.received_at) if self.batch.final else newest
        lane_leg = None if self.batch.final else self.lane.leg
        for trip in [self.state.trip_from(started_at) for started_at in sorted(self.state.open_trips.values())]:
            goes_on = lane_leg and any(
                (leg.started_at, leg.stream_id) == (lane_leg.started_at, self.batch.stream_id) for leg in trip.legs
            )
            if goes_on or not (trip.closed or horizon > trip.ended_at + TRIP_GAP_US):
                continue
            self.trigger(
                e.TripEnded,
                trip.ended_at,
                trip_id=self._trip_id(trip),
                started_at=trip.started_at,
                ended_at=trip.ended_at,
                distance_m=trip.distance_m,
                duration_s=(trip.ended_at - trip.started_at) / MICROS_PER_SECOND,
                energy_kwh=trip.energy_kwh,
                reason="ignition off" if trip.closed else "standstill",
            )
