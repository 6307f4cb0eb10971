"""Streams of one vehicle: whatever way their batches come, the same vehicle results."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain.signals import SignalBatch
from domain.state import VehicleState
from domain.trips import gather
from domain.units import Micros
from tests.support.batches import CABIN_TEMPERATURE as OTHER
from tests.support.batches import DOOR, Stream, cuts, interleaved, sample, stories, streams_of
from tests.support.given import Car, of_type

EXAMPLES = settings(max_examples=100)
NAMES = "abc"


def outcome(state: VehicleState) -> dict[str, Any]:
    """Return what does not depend on the order of streams: all of the vehicle's own state."""
    return {
        "signals": state.signals,
        "trips": state.trips,
        "open trips": state.open_trips,
        "codes": state.codes,
        "readings": state.readings,
        "warnings": state.warnings,
        "newest": state.newest_at,
        "lanes": state.lanes,
    }


def car_after(batches: Iterable[SignalBatch]) -> Car:
    car = Car()
    car.observe(*batches)
    car.check()
    return car


@st.composite
def several_streams(draw: st.DrawFn, *, final: bool | None = None) -> list[list[SignalBatch]]:
    return [draw(streams_of(name, final=final)) for name in NAMES[: draw(st.integers(2, 3))]]


def check_trips(car: Car) -> None:
    """Check that trips are what all legs make up, and that each trip whose end is untold is one that is not over."""
    state = car.vehicle.state
    assert state.trips == list(gather(leg for trip in state.trips for leg in trip.legs))
    spoke_last = next(reversed(state.lanes), None)
    untold = {
        trip.started_at
        for trip in state.trips
        if not trip.is_over(state.newest_at) or any(leg.open and leg.stream_id == spoke_last for leg in trip.legs)
    }
    assert set(state.open_trips.values()) <= untold
    assert {trip.started_at for trip in state.trips if not trip.is_over(state.newest_at)} <= set(
        state.open_trips.values()
    )


@EXAMPLES
@given(st.data())
def test_any_interleaving_of_streams_ends_in_one_state(data: st.DataObject) -> None:
    streams = data.draw(several_streams(final=True))
    one = car_after(chain(*streams))
    other = car_after(data.draw(interleaved(streams)))

    check_trips(one)
    assert outcome(one.vehicle.state) == outcome(other.vehicle.state)


@EXAMPLES
@given(st.data())
def test_streams_that_have_not_ended_differ_only_in_whose_trip_may_go_on(data: st.DataObject) -> None:
    streams = data.draw(several_streams())
    one = car_after(chain(*streams))
    other = car_after(data.draw(interleaved(streams)))

    check_trips(one)
    check_trips(other)
    before, after = outcome(one.vehicle.state), outcome(other.vehicle.state)
    del before["open trips"], after["open trips"]
    assert before == after


@EXAMPLES
@given(st.data())
def test_the_order_in_which_whole_streams_are_ingested_changes_nothing(data: st.DataObject) -> None:
    streams = data.draw(several_streams(final=True))
    one = car_after(chain(*streams))
    other = car_after(chain(*data.draw(st.permutations(streams))))

    assert outcome(one.vehicle.state) == outcome(other.vehicle.state)


@EXAMPLES
@given(st.data())
def test_the_same_batch_twice_changes_nothing_the_second_time(data: st.DataObject) -> None:
    batches = data.draw(interleaved(data.draw(several_streams())))
    car = Car()
    taken: list[SignalBatch] = []
    for batch in batches:
        car.observe(batch)
        taken.append(batch)
        again = data.draw(st.sampled_from(taken))
        assert car.observe(again) == []


@EXAMPLES
@given(st.data())
def test_the_same_drive_under_two_names_is_one_drive(data: st.DataObject) -> None:
    story = data.draw(stories())
    once = data.draw(cuts("a", story, final=True))
    again = data.draw(cuts("b", story, final=True))
    one = car_after(once).vehicle.state
    two = car_after(data.draw(interleaved([once, again]))).vehicle.state

    def told(state: VehicleState) -> list[tuple[Any, ...]]:
        return [(trip.started_at, trip.ended_at, trip.closed, trip.distance_m, trip.energy_kwh) for trip in state.trips]

    def values(state: VehicleState) -> dict[str, tuple[Any, Any]]:
        return {path: (known.value, known.quality) for path, known in state.signals.items()}

    assert told(two) == told(one)
    assert values(two) == values(one)
    assert {key: code.held for key, code in two.codes.items()} == {key: code.held for key, code in one.codes.items()}


@EXAMPLES
@given(st.data())
def test_out_of_order_within_a_stream_the_current_values_end_the_same(data: st.DataObject) -> None:
    batches = data.draw(cuts("a", data.draw(stories())))
    shuffled = data.draw(st.permutations(batches))
    one, other = car_after(batches), car_after(shuffled)

    def values(state: VehicleState) -> dict[str, tuple[Any, Any]]:
        return {path: (known.value, known.quality) for path, known in state.signals.items()}

    assert values(other.vehicle.state) == values(one.vehicle.state)
    ours, theirs = one.vehicle.state, other.vehicle.state
    assert {key: code.held for key, code in theirs.codes.items()} == {
        key: code.held for key, code in ours.codes.items()
    }
    assert {name: warning.raised for name, warning in theirs.warnings.items()} == {
        name: warning.raised for name, warning in ours.warnings.items()
    }
    missing, known = set[int](), 0
    for event in of_type(other.events, e.TelemetryGapDetected):
        missing |= set(range(event.first_missing, event.last_missing + 1))
    for batch in shuffled:
        assert (
            batch.sequence == known + 1 or batch.sequence in missing or set(range(known + 1, batch.sequence)) <= missing
        )
        known = max(known, batch.sequence)
    assert other.progress["a"].missing == ()
    assert other.progress["a"].last_sequence == len(batches)


@EXAMPLES
@given(
    st.lists(st.lists(st.sampled_from(["", "off", "on"]), min_size=2, max_size=2), min_size=3, max_size=6), st.data()
)
def test_signals_that_change_and_come_back_end_the_same_in_any_order(
    moments: list[list[str]], data: st.DataObject
) -> None:
    """Each moment a batch, in which a signal may be missing: what an unchanged value hides is found out."""
    stream = Stream("a")
    batches = [
        stream.batch([sample(path, n, value) for path, value in zip((DOOR, OTHER), moment, strict=True) if value])
        for n, moment in enumerate(moments)
    ]
    one, other = car_after(batches), car_after(data.draw(st.permutations(batches)))

    def values(car: Car) -> dict[str, Any]:
        return {path: known.value for path, known in car.vehicle.state.signals.items()}

    assert values(other) == values(one)


@EXAMPLES
@given(st.data())
def test_a_crash_after_any_batch_changes_nothing(data: st.DataObject) -> None:
    batches = data.draw(interleaved(data.draw(several_streams())))
    undisturbed = car_after(batches)
    car = Car()
    for batch in batches:
        car.observe(batch)
        if data.draw(st.booleans()):
            car.reload()

    assert car.events == undisturbed.events
    assert car.vehicle.state == undisturbed.vehicle.state


@EXAMPLES
@given(st.data())
def test_only_the_clock_of_receipt_differs_when_all_is_received_later(data: st.DataObject) -> None:
    stream = data.draw(streams_of("a", final=False))
    later = [replace(batch, received_at=Micros(batch.received_at + 86_400_000_000)) for batch in stream]
    one, other = car_after(stream), car_after(later)

    assert outcome(one.vehicle.state) == outcome(other.vehicle.state)
