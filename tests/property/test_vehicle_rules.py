"""Rules that hold for every vehicle, whatever it tells."""

from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from typing import Any, NewType, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from domain import events as e
from domain import paths
from domain.observation import CONFIRM_US
from domain.places import POSITION
from domain.signals import SignalBatch, SignalValue
from domain.state import Known
from domain.trips import Leg, Trip, change, gather
from domain.units import KilowattHours, Metres, Micros
from tests.support.batches import DESTINATION, T0, Stream, cuts, interleaved, shown_by, stories, streams_of
from tests.support.given import Car, of_type

EXAMPLES = settings(max_examples=100)
PAIRS = (POSITION, DESTINATION)
NAMES = "ab"

_TOLD_BY = {
    e.OdometerAdvanced: (paths.ODOMETER, "odometer_m"),
    e.MediaSourceSelected: (paths.MEDIA_SOURCE, "source"),
    e.TrackStarted: (paths.MEDIA_TITLE, "title"),
    e.PlaybackStateChanged: (paths.MEDIA_ACTION, "state"),
    e.VolumeChanged: (paths.MEDIA_VOLUME, "volume_percent"),
}


def history(events: list[e.VehicleEvent]) -> Iterator[tuple[str, Known]]:
    """Give every sample that events record, with its path."""
    for event in events:
        if not isinstance(event, e.StreamEvent):
            continue
        name = (event.stream_id, event.sequence)
        if isinstance(event, (e.SignalsSampled, e.LateSamplesRecorded)):
            for path, at, value, quality in zip(event.path, event.sampled_at, event.value, event.quality, strict=True):
                yield path, Known(at, *name, value, quality)
        elif isinstance(event, e.TrackExtended):
            for at, latitude, longitude in zip(
                event.fix_captured_at, event.latitude_deg, event.longitude_deg, strict=True
            ):
                yield paths.LATITUDE, Known(at, *name, latitude, 0)
                yield paths.LONGITUDE, Known(at, *name, longitude, 0)
        elif isinstance(event, e.DestinationSet):
            yield paths.DESTINATION_LATITUDE, Known(event.captured_at, *name, event.latitude_deg, 0)
            yield paths.DESTINATION_LONGITUDE, Known(event.captured_at, *name, event.longitude_deg, 0)
        elif type(event) in _TOLD_BY:
            path, field = _TOLD_BY[type(event)]
            yield path, Known(event.captured_at, *name, getattr(event, field), 0)


def same(one: SignalValue | None, other: SignalValue | None) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


# --- history ----------------------------------------------------------------------------------------------------------


@EXAMPLES
@given(streams_of("a"))
def test_an_unchanged_value_is_recorded_at_its_heartbeat_at_most(batches: list[SignalBatch]) -> None:
    car = Car()
    car.observe(*batches)
    recorded: dict[str, dict[Micros, Known]] = {}
    for path, known in history(car.events):
        recorded.setdefault(path, {})[known.captured_at] = known
    for path, points in recorded.items():
        pair = next((pair for pair in PAIRS if path in pair), None)
        for before, after in pairwise(points[at] for at in sorted(points)):
            news = after.quality != before.quality or not same(after.value, before.value)
            due = after.captured_at - before.captured_at >= CONFIRM_US
            beside = pair and all(after.captured_at in recorded.get(half, ()) for half in pair)
            assert news or due or beside


@EXAMPLES
@given(streams_of("a"))
def test_what_is_recorded_was_told_and_every_change_is_recorded(batches: list[SignalBatch]) -> None:
    car = Car()
    car.observe(*batches)
    told = {(each.path, each.captured_at): each for batch in batches for each in batch.samples}
    recorded = {(path, known.captured_at): known for path, known in history(car.events)}

    assert recorded.keys() <= told.keys()
    last: dict[str, Any] = {}
    for place, each in told.items():
        before = last.get(each.path)
        if before is None or before.quality != each.quality or not same(before.value, each.value):
            assert same(recorded[place].value, each.value)
            assert recorded[place].quality == each.quality
        last[each.path] = each


@EXAMPLES
@given(st.data())
def test_the_current_value_is_the_newest_that_was_recorded(data: st.DataObject) -> None:
    car = Car()
    for batch in data.draw(interleaved([data.draw(streams_of(name)) for name in NAMES])):
        before = dict(car.vehicle.state.signals)
        car.observe(batch)
        for path, known in before.items():
            assert car.vehicle.state.signals[path][:3] >= known[:3]
    newest: dict[str, Known] = {}
    for path, known in history(car.events):
        if path not in newest or newest[path][:3] <= known[:3]:
            newest[path] = known

    assert car.vehicle.state.signals == newest


@EXAMPLES
@given(st.data())
def test_trips_and_values_do_not_depend_on_how_a_stream_is_cut_into_batches(data: st.DataObject) -> None:
    story = data.draw(stories())
    one, other = Car(), Car()
    one.observe(*data.draw(cuts("a", story, final=True)))
    other.observe(*data.draw(cuts("a", story, final=True)))

    def outcome(car: Car) -> tuple[Any, ...]:
        values = {path: known._replace(sequence=0) for path, known in car.vehicle.state.signals.items()}
        trips = [trip._replace(legs=()) for trip in car.vehicle.state.trips]
        return values, trips, {key: (code.held, code.status) for key, code in car.vehicle.state.codes.items()}

    assert outcome(one) == outcome(other)


# --- clocks -----------------------------------------------------------------------------------------------------------

FAULTS_S = st.sampled_from([0, 0, -T0 / 1e6, -T0 / 1e6 + 5_000, 365 * 86_400, 7_200])


@st.composite
def streams_with_wrong_clocks(draw: st.DrawFn) -> list[tuple[SignalBatch, SignalBatch]]:
    """Draw batches that are received within half a minute, each true and as the car's clock shows it."""
    story = draw(stories(codes=False))
    times = sorted({each.captured_at for each in story})
    stream, batches = Stream("a"), []
    while times:
        until = times[0] + 25_000_000
        entries = [each for each in story if times[0] <= each.captured_at < until]
        received_s = (entries[-1].captured_at - T0) / 1e6 + draw(st.sampled_from([0, 1, 30]))
        batch = stream.batch(entries, received=received_s)
        (shown,) = shown_by(draw(FAULTS_S), [batch])
        batches.append((batch, shown))
        times = [each for each in times if each >= until]
    return batches


@EXAMPLES
@given(streams_with_wrong_clocks())
def test_times_by_a_wrong_clock_stay_recoverable(batches: list[tuple[SignalBatch, SignalBatch]]) -> None:
    car = Car()
    for _, shown in batches:
        new = car.observe(shown)
        times = {each.captured_at for each in shown.samples}
        for event in new:
            if isinstance(event, (e.SignalsSampled, e.LateSamplesRecorded)):
                assert {at - event.clock_offset_us for at in event.sampled_at} <= times
            elif isinstance(event, tuple(_TOLD_BY)):
                assert isinstance(event, e.StreamEvent)
                assert event.captured_at - event.clock_offset_us in times
    car.check()


@EXAMPLES
@given(streams_with_wrong_clocks())
def test_a_wrong_clock_never_reorders_what_a_stream_tells(batches: list[tuple[SignalBatch, SignalBatch]]) -> None:
    right, wrong = Car(), Car()
    for true, shown in batches:
        right.observe(true)
        wrong.observe(shown)

    def values(car: Car) -> dict[str, tuple[Any, Any]]:
        return {path: (known.value, known.quality) for path, known in car.vehicle.state.signals.items()}

    assert values(wrong) == values(right)


@EXAMPLES
@given(streams_with_wrong_clocks())
def test_a_right_time_is_never_changed(batches: list[tuple[SignalBatch, SignalBatch]]) -> None:
    car = Car()
    for true, shown in batches:
        for event in car.observe(shown):
            if true == shown and isinstance(event, (e.SignalsSampled, e.LateSamplesRecorded)):
                assert event.clock_offset_us == 0
                assert set(event.sampled_at) <= {each.captured_at for each in true.samples}


# --- trips ------------------------------------------------------------------------------------------------------------

LEGS = st.builds(
    lambda start, length, stream, closed, is_open: Leg(
        Micros(start * 60_000_000),
        stream,
        Micros((start + length) * 60_000_000),
        closed,
        is_open and not closed,
        Metres(length * 600.0),
        KilowattHours(length / 4),
    ),
    st.integers(0, 40),
    st.integers(0, 6),
    st.sampled_from("abc"),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=500)
@given(st.lists(LEGS, max_size=12))
def test_leg_by_leg_the_same_trips_come_out_as_from_all_legs_at_once(legs: list[Leg]) -> None:
    trips: list[Trip] = []
    known: dict[tuple[Any, ...], Leg] = {}
    for leg in legs:
        before = known.get(leg[:2])
        grown = leg if before is None else leg._replace(ended_at=max(leg.ended_at, before.ended_at))
        known[leg[:2]] = grown
        made = change(trips, grown)
        trips[made.low : made.high] = made.after
        assert grown in made.trip.legs
        assert made.trip in made.after

        assert trips == list(gather(known.values()))
        assert len({trip.started_at for trip in trips}) == len(trips)


# --- events as data ---------------------------------------------------------------------------------------------------


def fits(value: object, annotation: Any) -> bool:
    """Whether a value is exactly of the type that its schema knows, so that a round trip through bytes keeps it."""
    while isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    if get_origin(annotation) is list:
        return type(value) is list and all(fits(each, get_args(annotation)[0]) for each in value)
    if get_origin(annotation) is dict:
        kinds = get_args(annotation)
        return type(value) is dict and all(fits(k, kinds[0]) and fits(v, kinds[1]) for k, v in value.items())
    options = get_args(annotation)
    return any(fits(value, option) for option in options) if options else type(value) is annotation


HINTS = {event_type: get_type_hints(event_type) for event_type in e.EVENT_TYPES}


@EXAMPLES
@given(st.data())
def test_every_event_is_exactly_what_its_schema_can_say(data: st.DataObject) -> None:
    car = Car()
    car.observe(*data.draw(interleaved([data.draw(streams_of(name)) for name in NAMES])))
    for event in car.events:
        for field in fields(event):
            value = getattr(event, field.name)
            if field.name != "quality":
                assert fits(value, HINTS[type(event)][field.name]), (type(event).__name__, field.name, value)


# --- a vehicle, step by step ------------------------------------------------------------------------------------------


class VehicleMachine(RuleBasedStateMachine):
    """Batches come, come twice, come late, and the process dies; the fold of the events is the oracle."""

    waiting: Bundle[SignalBatch] = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.car = Car()
        self.taken: list[SignalBatch] = []
        self.streams = 0

    @rule(target=waiting, data=st.data())
    def begin_a_stream(self, data: st.DataObject) -> Any:
        if self.streams == 3:
            return multiple()
        self.streams += 1
        return multiple(*data.draw(streams_of("abc"[self.streams - 1], acts_max=4)))

    @rule(batch=consumes(waiting))
    def take(self, batch: SignalBatch) -> None:
        before = self.car.progress.get(batch.stream_id)
        new = self.car.observe(batch)
        gaps = of_type(new, e.TelemetryGapDetected)
        last = before.last_sequence if before else 0
        expected = [(last + 1, batch.sequence - 1)] if batch.sequence > last + 1 else []
        assert [(gap.first_missing, gap.last_missing) for gap in gaps] == expected
        assert all(event.received_at == batch.received_at for event in new)
        self.taken.append(batch)

    @rule(data=st.data())
    def take_again(self, data: st.DataObject) -> None:
        if self.taken:
            assert self.car.observe(data.draw(st.sampled_from(self.taken))) == []

    @rule()
    def die(self) -> None:
        self.car.reload()

    @invariant()
    def the_fold_of_the_events_is_the_state(self) -> None:
        self.car.check()

    @invariant()
    def every_batch_is_accounted_for(self) -> None:
        for stream_id, progress in self.car.progress.items():
            taken = {batch.sequence for batch in self.taken if batch.stream_id == stream_id}
            missing = {n for first, last in progress.missing for n in range(first, last + 1)}
            assert taken | missing == set(range(1, progress.last_sequence + 1))
            assert not taken & missing

    @invariant()
    def trips_are_apart_and_named_by_their_start(self) -> None:
        state = self.car.vehicle.state
        ids: set[UUID] = set()
        for before, after in pairwise(state.trips):
            assert before.ended_at <= after.started_at
            assert before.started_at < after.started_at
        for trip_id, started_at in state.open_trips.items():
            assert state.trip_from(started_at).started_at == started_at
            ids.add(trip_id)
        assert len(ids) == len(state.open_trips)

    @invariant()
    def the_legs_of_a_stream_follow_each_other(self) -> None:
        legs = sorted(leg for trip in self.car.vehicle.state.trips for leg in trip.legs)
        for stream_id in "abc":
            mine = [leg for leg in legs if leg.stream_id == stream_id]
            assert all(before.ended_at < after.started_at for before, after in pairwise(mine))
            assert sum(leg.open for leg in mine) <= 1


VehicleMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=20)
TestVehicleMachine = VehicleMachine.TestCase
