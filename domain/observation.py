"""One batch of telemetry on its way to becoming events of a Vehicle.

Each sample is late (older than what its stream has told of the same signal), unchanged, or fresh. A fresh one makes the
event of a rule, or goes with the other fresh ones into one `SignalsSampled`. What is recorded depends on the lane of
the batch's stream only (see `domain.state`).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple, Protocol, TypeVar
from uuid import UUID, uuid5

from domain import clocks, paths, trips
from domain import events as e
from domain.geo import great_circle_m
from domain.legs import EnergySeen, Fix, Growth, IgnitionSeen, LegTracker, PositionLost, Sign, SpeedSeen
from domain.readings import FREEZE_FRAME_PATHS, take_report
from domain.signals import Quality, Sample, SignalBatch, SignalValue, TroubleCodeReport, recordable
from domain.state import Known, Lane, VehicleState, WarningState
from domain.trips import Leg, Trip
from domain.units import MICROS_PER_SECOND, Degrees, KilometresPerHour, KilowattHours, Metres, Micros
from domain.warnings import WARNING_BY_PATH

CONFIRM_US: Final = 60 * MICROS_PER_SECOND  # an unchanged value is confirmed at most this often
RECENT_US: Final = 90 * MICROS_PER_SECOND  # how old a heading, height or speed may be to go with a fix
ARRIVAL_RADIUS_M: Final = 100.0
POSITION: Final = (paths.LATITUDE, paths.LONGITUDE)
DESTINATION: Final = (paths.DESTINATION_LATITUDE, paths.DESTINATION_LONGITUDE)
OTHER_HALF: Final = {half: other for pair in (POSITION, DESTINATION) for half, other in (pair, pair[::-1])}
TOLD_AS_NUMBERS: Final = frozenset({*OTHER_HALF, paths.ODOMETER, paths.MEDIA_VOLUME})  # by events of their own
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


Told = TypeVar("Told", Sample, TroubleCodeReport)  # what has a time by the car's clock


class Observation:
    """Takes one batch."""

    def __init__(
        self, vehicle: Deciding, batch: SignalBatch, last_sequence: int, missing: Sequence[tuple[int, int]]
    ) -> None:
        self.state = vehicle.state
        self.batch = batch
        self._vehicle = vehicle
        self._last_sequence = last_sequence  # of the stream, before this batch
        self._missing = missing  # what the stream lacks up to this batch
        self._offset_us = 0
        self._told: dict[str, Known] = {}  # what this batch has told so far
        self._at: dict[tuple[str, Micros], Sample] = {}  # by signal and time; of two of one time the one heard later
        self._fresh: list[Fresh] = []
        self._late: list[Fresh] = []
        self._signs: list[Sign] = []
        self._frame: list[tuple[str, Micros, SignalValue | None]] = []  # what the freeze frame of a code may show
        if batch.trouble_codes:
            last = self.lane.last
            self._frame = [(path, last[path][0], last[path].value) for path in FREEZE_FRAME_PATHS if path in last]
        self._warned: dict[str, WarningState] = {}
        self._placed: tuple[Micros, tuple[Degrees, Degrees]] | None = None  # the newest fix
        self._destination_set_at: Micros | None = None
        self._rules: dict[str, Callable[[Micros, SignalValue], bool]] = {
            paths.LOW_VOLTAGE_SYSTEM_STATE: self._ignition,
            paths.ODOMETER: self._odometer,
            paths.IS_CHARGING: self._charging,
            paths.MEDIA_SOURCE: self._media_source,
            paths.MEDIA_TITLE: self._media_title,
            paths.MEDIA_ACTION: self._media_action,
            paths.MEDIA_VOLUME: self._media_volume,
        }

    @property
    def lane(self) -> Lane:
        """What the stream has told so far."""
        return self.state.lanes.get(self.batch.stream_id, _NO_LANE)

    def take(self) -> None:
        """Trigger every event that the batch makes."""
        batch = self.batch
        if batch.sequence > self._last_sequence + 1:
            at = batch.received_at if self.lane.newest_at is None else self.lane.newest_at
            self.trigger(
                e.TelemetryGapDetected, at, first_missing=self._last_sequence + 1, last_missing=batch.sequence - 1
            )
        until = batch.received_at if batch.final else Micros(0)
        for samples in self._dated(batch.samples, [sample.captured_at for sample in batch.samples]):
            self._at = {(s.path, s.captured_at): recordable(s) for s in samples if s.path != paths.VIN}
            in_order = sorted(self._at.values(), key=attrgetter("captured_at"))
            for sample in in_order:
                self._take_sample(sample)
            if batch.trouble_codes:
                self._frame += [sample[:3] for sample in in_order if sample.path in FREEZE_FRAME_PATHS]
            until = max(until, *(sample.captured_at for sample in samples))
            self._tell(until)
        if not batch.samples:
            self._tell(until)
        for reports in self._dated(batch.trouble_codes, [report.captured_at for report in batch.trouble_codes]):
            for report in reports:
                take_report(self, report)
        self._end_trips()

    def _tell(self, until: Micros) -> None:
        """Trigger what the samples so far make together; `until` is how far the stream has come."""
        grown = self._tracker().follow(sorted(self._signs, key=lambda sign: sign.captured_at), until)
        self._tell_samples({fix.captured_at for growth in grown for fix in growth.fixes})
        for growth in grown:
            self._tell_growth(growth)
        self._tell_late()
        self._told, self._fresh, self._late, self._signs = {}, [], [], []

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

    def is_unsure(self, sequence: int) -> bool:
        """Whether a batch is missing between the one with this sequence number and the present one."""
        return any(sequence < last and first < self.batch.sequence for first, last in self._missing)

    def number(self, path: str, *, since: int | None = None) -> float | None:
        """Return the newest good number that the stream has told of a signal, if it is not older than `since`."""
        known = self._last(path)
        if known is None or known.quality != Quality.OK or not isinstance(known.value, (int, float)):
            return None
        return None if since is not None and known.captured_at < since else float(known.value)

    def number_by(self, path: str, at: Micros) -> float | None:
        """Return the number that one of `FREEZE_FRAME_PATHS` had at `at`, as far as the stream has told."""
        told = [(told_at, place) for place, (of, told_at, _) in enumerate(self._frame) if of == path and told_at <= at]
        value = self._frame[max(told)[1]][2] if told else None
        return float(value) if isinstance(value, (int, float)) else None

    # --- clock --------------------------------------------------------------------------------------------------------

    def _dated(self, told: Sequence[Told], shown: Sequence[Micros]) -> Iterator[Sequence[Told]]:
        """Give what the batch told in runs under the same clock, with true times; a run without a fault has no offset.

        `shown` are the times as the car's clock showed them.
        """
        received_at = self.batch.received_at
        if not told:
            return
        if min(shown) >= clocks.CLOCK_FLOOR and max(shown) <= received_at + clocks.CLOCK_AHEAD_MAX_US:
            yield told
            return
        runs = [(why, list(run)) for why, run in groupby(told, key=lambda x: clocks.fault(x.captured_at, received_at))]
        for number, (fault, run) in enumerate(runs):
            later = [x.captured_at for why, after in runs[number:] if why is None for x in after]
            offset_us = self._corrected([x.captured_at for x in run], later) if fault else 0
            self._offset_us = offset_us
            yield [x._replace(captured_at=Micros(x.captured_at + offset_us)) for x in run]
        self._offset_us = 0

    def _corrected(self, shown: Sequence[Micros], later: list[Micros]) -> int:
        """Return what to add to wrong times, which have the same fault; tell it where it is new.

        `later` are right times that the batch tells after them.
        """
        batch, lane = self.batch, self.lane
        reference_offset_us = None
        if batch.reference_at is not None:
            times = [sample.captured_at for sample in batch.samples]
            times += [report.captured_at for report in batch.trouble_codes]
            reference_offset_us = batch.reference_at - max(times)
        later += [known.captured_at for known in lane.last.values() if known.sequence > batch.sequence]
        found = clocks.correction(
            shown,
            offset_us=lane.clock_offset_us,
            newest_at=lane.newest_at,
            received_at=batch.received_at,
            reference_offset_us=reference_offset_us,
            before=min(later, default=None),
            late=batch.sequence < self._last_sequence,
        )
        if found is None:
            return lane.clock_offset_us
        self._offset_us = found.offset_us
        at = Micros(found.shown_at + found.offset_us)
        self.trigger(e.ClockCorrected, at, shown_at=found.shown_at, reason=found.reason)
        return found.offset_us

    # --- samples ------------------------------------------------------------------------------------------------------

    def _last(self, path: str) -> Known | None:
        return self._told.get(path) or self.lane.last.get(path)

    def _value_at(self, path: str, at: Micros) -> SignalValue | None:
        sample = self._at.get((path, at))
        return sample.value if sample else None

    def _take_sample(self, sample: Sample) -> None:
        path, at, value, quality = sample
        if path in TOLD_AS_NUMBERS and isinstance(value, int):
            value = float(value)  # what the fold of its event will hold
        last = self._last(path)
        known = Known(at, self.batch.stream_id, self.batch.sequence, value, int(quality))
        if last and known[:3] < last[:3]:
            self._late.append(Fresh(path, at, value, int(quality), changed=False))
            self._warn(path, known)
            return
        changed = last is None or last.quality != quality or not _is_same(last.value, value)
        if not changed and not self._confirm(path, at, last):
            return
        told = False
        good = quality == Quality.OK and value is not None
        if changed and good and value is not None and path in self._rules:
            told = self._rules[path](at, value)
        elif quality == Quality.NOT_AVAILABLE and path in DESTINATION and self.lane.destination:
            self.trigger(e.DestinationCleared, at)
        self._warn(path, known)
        if path in OTHER_HALF and good:
            told = self._half(path, at, value, changed=changed)
        self._note_sign(path, at, known)
        if not told:
            self._fresh.append(Fresh(path, at, value, int(quality), changed))
        self._told[path] = known

    def _note_sign(self, path: str, at: Micros, known: Known) -> None:
        """Note what a sample that is recorded says of driving."""
        if path == paths.SPEED:
            self._signs.append(SpeedSeen(at, _speed_kmh(known)))
        elif path == paths.BATTERY_ENERGY:
            self._signs.append(EnergySeen(at, _energy_kwh(known)))
        elif path in POSITION and (self._placed is None or self._placed[0] != at):
            self._signs.append(PositionLost(at))

    def _is_due(self, at: Micros, last: Known | None) -> bool:
        """Whether a value is told even if it is the same: its heartbeat is due, or a missing batch may have had one."""
        if last is None or at - last.captured_at >= CONFIRM_US:
            return True
        return self.is_unsure(last.sequence)

    def _confirm(self, path: str, at: Micros, last: Known | None) -> bool:
        """Whether an unchanged value is told all the same: it is due, or the other half of its pair is told."""
        if self._is_due(at, last):
            return True
        other = OTHER_HALF.get(path)
        if other is None or (last and last.captured_at == at):
            return False
        known, value = self._last(other), self._value_at(other, at)
        if known and known.captured_at == at:
            return True
        return value is not None and (known is None or known.value != value or self._is_due(at, known))

    def _warn(self, path: str, known: Known) -> None:
        """Tell of a warning that the newest value raises or clears."""
        rule = WARNING_BY_PATH.get(path)
        raised = rule.verdict(known.value) if rule else None
        if rule is None or raised is None:
            return
        assert isinstance(known.value, (int, float))
        before = self._warned.get(rule.warning) or self.state.warnings.get(rule.warning)
        if before and known[:3] < before[:3]:
            return
        self._warned[rule.warning] = WarningState(*known[:3], raised)
        if raised != (before is not None and before.raised):
            limit = rule.limit if raised else rule.clear_limit
            event = e.WarningRaised if raised else e.WarningCleared
            self.trigger(
                event, known.captured_at, warning=rule.warning, path=path, value=float(known.value), limit=limit
            )

    def _tell_samples(self, in_track: set[Micros]) -> None:
        """Tell the fresh samples that no rule has told; positions that a leg takes go with its track."""
        fresh = [x for x in self._fresh if not (x.at in in_track and x.path in POSITION and x.quality == Quality.OK)]
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
                max(x.at for x in self._late),
                path=[x.path for x in self._late],
                sampled_at=[x.at for x in self._late],
                value=[x.value for x in self._late],
                quality=[x.quality for x in self._late],
            )

    # --- rules on pairs: True where the event tells the value ---------------------------------------------------------

    def _half(self, path: str, at: Micros, value: SignalValue | None, *, changed: bool) -> bool:
        """Take half a pair that is to be told: with the other half of the same time it is a fix, or a destination."""
        other = OTHER_HALF[path]
        known = self._last(other)
        partner = self._value_at(other, at)
        if partner is None and known and known.captured_at == at and known.quality == Quality.OK:
            partner = known.value  # from the batch before
        if not isinstance(value, (int, float)) or not isinstance(partner, (int, float)):
            return False
        first, second = (value, partner) if path in (paths.LATITUDE, paths.DESTINATION_LATITUDE) else (partner, value)
        place = Degrees(float(first)), Degrees(float(second))
        if path in DESTINATION:
            changed = changed or known is None or known.quality != Quality.OK or known.value != partner
            return self._destination(at, place, changed=changed)
        if self._placed != (at, place):
            self._placed = (at, place)
            self._position(at, place)
        return False

    def _position(self, at: Micros, place: tuple[Degrees, Degrees]) -> None:
        heading, speed, altitude = (self._beside(path, at) for path in (paths.HEADING, paths.SPEED, paths.ALTITUDE))
        fix = Fix(
            at,
            *place,
            None if heading is None else Degrees(heading),
            None if speed is None else KilometresPerHour(speed),
            None if altitude is None else Metres(altitude),
        )
        self._signs.append(fix)
        destination = self.lane.destination
        if destination:
            left_m = great_circle_m(*place, *destination)
            if left_m <= ARRIVAL_RADIUS_M:
                latitude_deg, longitude_deg = destination
                self.trigger(
                    e.DestinationReached,
                    at,
                    latitude_deg=latitude_deg,
                    longitude_deg=longitude_deg,
                    distance_left_m=left_m,
                )

    def _beside(self, path: str, at: Micros) -> float | None:
        """Return a number of the same time, or the newest one if it is recent."""
        value = self._value_at(path, at)
        return float(value) if isinstance(value, (int, float)) else self.number(path, since=at - RECENT_US)

    def _destination(self, at: Micros, place: tuple[Degrees, Degrees], *, changed: bool) -> bool:
        if changed and self.lane.destination != place:
            self.trigger(e.DestinationSet, at, latitude_deg=place[0], longitude_deg=place[1])
            self._destination_set_at = at
        return self._destination_set_at == at

    # --- rules on changes: True where the event tells the value -------------------------------------------------------

    def _ignition(self, at: Micros, value: SignalValue) -> bool:
        on = value in paths.IGNITION_ON_STATES
        before = self.lane.ignition_on
        if on != before and (on or value in paths.IGNITION_OFF_STATES):
            self._signs.append(IgnitionSeen(at, on))
            self.trigger(e.IgnitionTurnedOn if on else e.IgnitionTurnedOff, at, initial=before is None)
        return False

    def _odometer(self, at: Micros, value: SignalValue) -> bool:
        last = self.number(paths.ODOMETER)
        if not isinstance(value, (int, float)) or (last is None and self._last(paths.ODOMETER)):
            return False
        if last is not None and value <= last:
            return False
        self.trigger(e.OdometerAdvanced, at, odometer_m=Metres(float(value)))
        return True

    def _charging(self, at: Micros, value: SignalValue) -> bool:
        session = self.lane.charging
        soc = self.number(paths.STATE_OF_CHARGE_DISPLAYED)
        soc = self.number(paths.STATE_OF_CHARGE) if soc is None else soc
        energy = self.number(paths.BATTERY_ENERGY)
        if value is True and session is None:
            self.trigger(
                e.ChargingStarted,
                at,
                session_id=uuid5(self.state.vehicle_id, f"charging:{at}"),
                state_of_charge_percent=soc,
                energy_kwh=energy,
                initial=self._last(paths.IS_CHARGING) is None,
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
        if not isinstance(value, str):
            return False
        self.trigger(e.MediaSourceSelected, at, source=value, initial=self._last(paths.MEDIA_SOURCE) is None)
        return True

    def _media_title(self, at: Micros, value: SignalValue) -> bool:
        if not isinstance(value, str):
            return False
        artist, album, source = (
            self._text_beside(path, at) for path in (paths.MEDIA_ARTIST, paths.MEDIA_ALBUM, paths.MEDIA_SOURCE)
        )
        initial = self._last(paths.MEDIA_TITLE) is None
        self.trigger(e.TrackStarted, at, title=value, artist=artist, album=album, source=source, initial=initial)
        return True

    def _text_beside(self, path: str, at: Micros) -> str | None:
        """Return a text of the same time, or the newest one."""
        value = self._value_at(path, at)
        known = self._last(path)
        if value is None and known:
            value = known.value
        return None if value is None else str(value)

    def _media_action(self, at: Micros, value: SignalValue) -> bool:
        if not isinstance(value, str):
            return False
        self.trigger(e.PlaybackStateChanged, at, state=value, initial=self._last(paths.MEDIA_ACTION) is None)
        return True

    def _media_volume(self, at: Micros, value: SignalValue) -> bool:
        if not isinstance(value, float):
            return False
        self.trigger(e.VolumeChanged, at, volume_percent=value, initial=self._last(paths.MEDIA_VOLUME) is None)
        return True

    # --- driving ------------------------------------------------------------------------------------------------------

    def _tracker(self) -> LegTracker:
        lane = self.lane
        speed, latitude, longitude = (lane.last.get(path) for path in (paths.SPEED, *POSITION))
        last_speed = last_fix = None
        if speed:
            last_speed = SpeedSeen(speed.captured_at, _speed_kmh(speed))
        if latitude and longitude and latitude.captured_at == longitude.captured_at:
            good = latitude.quality == longitude.quality == Quality.OK
            if good and isinstance(latitude.value, float) and isinstance(longitude.value, float):
                last_fix = Fix(latitude.captured_at, Degrees(latitude.value), Degrees(longitude.value))
        if last_fix is None and lane.leg:
            last_fix = lane.leg.last_fix
        energy = lane.last.get(paths.BATTERY_ENERGY)
        energy_kwh = _energy_kwh(energy) if energy else None
        return LegTracker(lane.leg, last_speed, last_fix, energy_kwh, lane.driven_until)

    def _tell_growth(self, growth: Growth) -> None:
        leg = growth.leg
        before = self.lane.leg
        if growth.open and not growth.fixes and before and before.shows_the_same(leg):
            return
        told = Leg(
            leg.started_at, self.batch.stream_id, leg.ended_at, leg.closed, growth.open, leg.distance_m, leg.energy_kwh
        )
        change = trips.change(self.state.trips, told)
        self._tell_arrangement(self.state.trips[change.low : change.high], change)
        fixes = growth.fixes
        self.trigger(
            e.TrackExtended,
            max([leg.ended_at, *(fix.captured_at for fix in fixes[-1:])]),
            trip_id=self._trip_id(change.trip),
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

    def _tell_arrangement(self, before: Sequence[Trip], change: trips.Change) -> None:
        """Tell which trips a leg starts, joins or parts, before it is told itself."""
        ids_before = {self._trip_id(trip) for trip in before}
        ids_after = {self._trip_id(trip) for trip in change.after}
        if ids_before == ids_after:
            return
        removed = sorted(ids_before - ids_after)
        changed = [trip for trip in change.after if trip not in before]
        if not removed and changed == [change.trip]:
            at = change.trip.started_at
            self.trigger(e.TripStarted, at, trip_id=self._trip_id(change.trip), started_at=at)
            return
        self.trigger(
            e.TripsRearranged,
            change.trip.started_at,
            removed_trip_ids=removed,
            trip_id=[self._trip_id(trip) for trip in changed],
            started_at=[trip.started_at for trip in changed],
            ended_at=[trip.ended_at for trip in changed],
            distance_m=[trip.distance_m for trip in changed],
            energy_kwh=[trip.energy_kwh for trip in changed],
        )

    def _trip_id(self, trip: Trip) -> UUID:
        return trips.trip_id(self.state.vehicle_id, trip.started_at)

    def _end_trips(self) -> None:
        """Tell the end of each trip that is over, but not while this stream may go on with it."""
        if not self.state.open_trips:
            return
        leg = None if self.batch.final else self.lane.leg
        going_on = leg and (leg.started_at, self.batch.stream_id)
        for trip in [self.state.trip_from(started_at) for started_at in sorted(self.state.open_trips.values())]:
            if not trip.is_over(self.state.newest_at) or any(leg[:2] == going_on for leg in trip.legs):
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


def _speed_kmh(known: Known) -> KilometresPerHour | None:
    """Return a speed without its direction."""
    return KilometresPerHour(abs(float(known.value))) if isinstance(known.value, (int, float)) else None


def _energy_kwh(known: Known) -> KilowattHours | None:
    return KilowattHours(float(known.value)) if isinstance(known.value, (int, float)) else None


def _is_same(one: SignalValue | None, other: SignalValue | None) -> bool:
    """Whether two values say the same; true is not 1, but 1.0 is."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
