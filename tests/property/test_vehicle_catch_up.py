"""Folding a history at once: what later events tell anew is passed over, and the same vehicle results."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from eventsourcing.domain import OriginatorIDError, OriginatorVersionError
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import events as e
from domain import paths
from domain.catch_up import EVENTS_AT_A_TIME, telling
from domain.signals import SignalBatch
from domain.vehicle import Vehicle, project_vehicle
from tests.support.batches import (
    CABIN_TEMPERATURE,
    VEHICLE_ID,
    Stream,
    drive,
    ignition,
    interleaved,
    sample,
    shown_by,
    streams_of,
    trace,
)
from tests.support.given import Car

EXAMPLES = settings(max_examples=200)
DAY_S = 86_400
TEN_YEARS_S = 3_650 * DAY_S


def folded_one_by_one(events: Iterable[e.VehicleEvent]) -> Vehicle:
    vehicle = Vehicle(VEHICLE_ID)
    for event in events:
        vehicle.apply(event)
    return vehicle


def check_same(vehicle: Vehicle | None, events: Sequence[e.VehicleEvent]) -> None:
    """Check that a vehicle is what its events make it when folded one by one."""
    oracle = folded_one_by_one(events)
    assert vehicle is not None
    assert vehicle.version == oracle.version
    assert vehicle.state == oracle.state
    assert list(vehicle.state.lanes) == list(oracle.state.lanes)  # the order in which they are forgotten


def history(batches: Iterable[SignalBatch]) -> Sequence[e.VehicleEvent]:
    car = Car()
    car.observe(*batches)
    return car.events


def long_drive() -> Sequence[e.VehicleEvent]:
    stream = Stream()
    return history(
        stream.batch(
            drive(start, start + 10),
            trace(start, start + 10, first=start // 10),
            sample(CABIN_TEMPERATURE, start, start / 100),
            sample(paths.ODOMETER, start + 5, start),
        )
        for start in range(0, 12_000, 20)
    )


@st.composite
def what_comes(draw: st.DrawFn) -> list[SignalBatch]:
    """Draw batches of several streams, with wrong clocks, in any order, and not all of them."""
    streams = [draw(streams_of(name, acts_max=12)) for name in "abc"[: draw(st.integers(1, 3))]]
    clocks = st.sampled_from([0, 0, 0, -TEN_YEARS_S, 2 * DAY_S])
    streams = [shown_by(draw(clocks), stream) for stream in streams]
    batches = draw(interleaved(streams))
    if draw(st.booleans()):
        batches = draw(st.permutations(batches))
    lost = draw(st.sets(st.integers(0, len(batches) - 1), max_size=2))
    return [batch for number, batch in enumerate(batches) if number not in lost]


@EXAMPLES
@given(what_comes(), st.data())
def test_however_a_history_is_cut_the_vehicle_is_that_of_its_events_one_by_one(
    batches: list[SignalBatch], data: st.DataObject
) -> None:
    events = history(batches)
    places = data.draw(st.lists(st.integers(0, len(events)), max_size=4).map(sorted))
    vehicle: Vehicle | None = None
    for first, last in pairwise([0, *places, len(events)]):
        vehicle = project_vehicle(vehicle, events[first:last])
        if last:
            check_same(vehicle, events[:last])


def test_a_trip_that_two_streams_joined_and_parted_again_is_open_until_its_end_is_told() -> None:
    one, other = Stream("a"), Stream("b")
    events = history(
        [
            other.batch(drive(300, 600), received=10_000, final=True),
            one.batch(drive(0, 150)),
            one.batch(drive(160, 190)),  # within the time that joins it to the other stream's trip
            one.batch(ignition(200, "OFF")),  # which was another one after all
        ]
    )
    assert [type(event) for event in events].count(e.TripsRearranged) == 2
    for count in range(1, len(events) + 1):
        check_same(project_vehicle(None, events[:count]), events[:count])


def test_of_a_long_drive_little_is_folded() -> None:
    events = long_drive()
    assert len(events) > EVENTS_AT_A_TIME
    check_same(project_vehicle(None, iter(events)), events)
    assert len(telling(events)) < 10


def test_a_value_that_decides_about_a_warning_is_not_passed_over_for_one_that_does_not() -> None:
    stream = Stream()
    events = history(stream.batch(sample(paths.LOW_VOLTAGE, at, volts)) for at, volts in [(0, 11.0), (1, 12.0)])
    vehicle = project_vehicle(None, events)
    check_same(vehicle, events)
    assert vehicle is not None
    assert [warning.raised for warning in vehicle.state.warnings.values()] == [True]


@pytest.mark.parametrize("place", [0, 1, EVENTS_AT_A_TIME, EVENTS_AT_A_TIME + 1])
def test_an_event_that_is_missing_is_named(place: int) -> None:
    events = list(long_drive())
    del events[place]
    with pytest.raises(OriginatorVersionError) as raised:
        project_vehicle(None, events)
    assert raised.value.args == (place + 2, place + 1)


def test_an_event_of_another_vehicle_is_refused() -> None:
    events = long_drive()
    other = Vehicle(VEHICLE_ID.__class__(int=1))
    other.version = events[4].originator_version
    other.trigger_event(e.VehicleDecommissioned, captured_at=0, received_at=0, reason="sold")
    with pytest.raises(OriginatorIDError) as raised:
        project_vehicle(None, [*events[:5], *other.collect_events(), *events[6:]])
    assert raised.value.args == (other.id, VEHICLE_ID)
