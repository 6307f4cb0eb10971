"""What is heard in disorder, within a batch and across batches, and what is never recorded at all."""

from itertools import permutations
from math import inf, nan

import pytest

from domain import events as e
from domain import paths
from domain.signals import INTEGER_MAX, Quality, Sample, SignalBatch, SignalValue
from domain.state import VehicleState
from tests.support.batches import CABIN_TEMPERATURE, DOOR, Stream, at, drive, ignition, place, report, sample
from tests.support.given import Car, given, of_type, told

VIN_OF_A_GUEST = "WVWZZZE1ZMP000002"


def value(state: VehicleState, path: str) -> object:
    return state.signals[path].value


# --- within a batch ---------------------------------------------------------------------------------------------------


def test_samples_of_a_batch_count_in_order_of_their_time() -> None:
    stream = Stream()
    car = Car()
    car.observe(stream.batch(sample(DOOR, 0, value=False), sample(DOOR, 2, value=False), sample(DOOR, 1, value=True)))

    (event,) = of_type(car.events, e.SignalsSampled)
    assert (event.sampled_at, event.value) == ([at(0), at(1), at(2)], [False, True, False])
    assert value(car.vehicle.state, DOOR) is False
    car.check()


def test_a_batch_in_disorder_is_not_late() -> None:
    stream = Stream()
    given().when(stream.batch(sample(DOOR, 2, value=False), sample(DOOR, 1, value=True))).then_never(
        e.LateSamplesRecorded
    )


def test_the_ignition_that_went_on_and_off_is_told_in_order_of_time() -> None:
    stream = Stream()
    given().when(stream.batch(ignition(5, "OFF"), ignition(1, "ON"))).then_among_others(
        told(e.IgnitionTurnedOn, captured_at=at(1), initial=True), told(e.IgnitionTurnedOff, captured_at=at(5))
    )


def test_of_two_values_of_one_moment_the_one_heard_later_counts() -> None:
    stream = Stream()
    past = stream.batch(sample(paths.ODOMETER, 0, 1000.0))
    new = stream.batch(sample(paths.ODOMETER, 60, 1000.0), sample(paths.ODOMETER, 60, 2000.0))
    case = given(past).when(new)

    case.then(told(e.OdometerAdvanced, captured_at=at(60), odometer_m=2000.0))
    assert value(case.car.vehicle.state, paths.ODOMETER) == 2000.0


def test_a_position_of_one_moment_is_the_one_heard_later() -> None:
    stream = Stream()
    given().when(stream.batch(place(0, 48.0), place(0, 48.5))).then(
        told(e.SignalsSampled, path=[paths.LATITUDE, paths.LONGITUDE], value=[48.5, 11.0])
    )


# --- across batches ---------------------------------------------------------------------------------------------------


def test_a_hole_makes_values_unsure_until_it_is_filled_however_many_batches_come_in_between() -> None:
    stream = Stream()
    first = stream.batch(sample(DOOR, 0, value=False))
    filling = stream.batch(sample(DOOR, 1, value=False))
    stream.batch(sample(DOOR, 2, value=True))  # is missing for now
    later = stream.batch(sample(CABIN_TEMPERATURE, 3, 20.0))
    newest = stream.batch(sample(DOOR, 4, value=False))

    given(first, later, filling).when(newest).then(
        told(e.SignalsSampled, path=[DOOR], value=[False], changed=[False], sampled_at=[at(4)])
    )


def test_what_has_been_confirmed_after_a_hole_is_sure_again() -> None:
    stream = Stream()
    first = stream.batch(sample(DOOR, 0, value=False))
    stream.batch(sample(DOOR, 1, value=True))  # is missing
    confirming = stream.batch(sample(DOOR, 2, value=False))
    given(first, confirming).when(stream.batch(sample(DOOR, 3, value=False))).then_nothing()


def test_a_hole_that_was_filled_makes_nothing_unsure() -> None:
    stream = Stream()
    first = stream.batch(sample(DOOR, 0, value=False))
    filling = stream.batch(sample(CABIN_TEMPERATURE, 1, 20.0))
    later = stream.batch(sample(CABIN_TEMPERATURE, 2, 20.0))
    given(first, later, filling).when(stream.batch(sample(DOOR, 3, value=False))).then_nothing()


def batches_with_changes_and_returns() -> list[SignalBatch]:
    stream = Stream()
    return [
        stream.batch(sample(DOOR, 0, value=False), report(0.1, "P0301", status=8)),
        stream.batch(sample(DOOR, 1, value=True), report(1.1)),
        stream.batch(sample(CABIN_TEMPERATURE, 2, 20.0)),
        stream.batch(sample(DOOR, 3, value=False), report(3.1, "P0301", status=8)),
        stream.batch(sample(DOOR, 4, value=False), report(4.1, "P0301", status=9, complete=False), final=True),
    ]


def test_in_whatever_order_the_batches_of_a_stream_come_values_and_codes_end_the_same() -> None:
    ends = set()
    for order in permutations(batches_with_changes_and_returns()):
        car = Car()
        car.observe(*order)
        car.check()
        state = car.vehicle.state
        codes = tuple((key.code, code.held, code.status) for key, code in state.codes.items())
        ends.add((value(state, DOOR), value(state, CABIN_TEMPERATURE), codes))
    assert ends == {(False, 20.0, (("P0301", True, 9),))}


def test_after_a_hole_a_reading_is_told_once() -> None:
    stream = Stream()
    first = stream.batch(report(0, "P0301"))
    stream.batch(report(1))  # is missing
    after = stream.batch(report(2, "P0301"))
    given(first, after).when(stream.batch(report(3, "P0301"))).then_nothing()


def test_an_ignition_that_was_off_before_the_leg_began_does_not_end_it() -> None:
    one, other = Stream("s0"), Stream("s1")
    first = one.batch()
    car = given(first, one.batch(sample(paths.SPEED, 1491, 50.0)), one.batch(ignition(699, "OFF"))).car
    car.observe(other.batch(sample(paths.SPEED, 1480, 50.0)))

    assert all(trip.started_at <= trip.ended_at for trip in car.vehicle.state.trips)
    assert [leg.started_at for trip in car.vehicle.state.trips for leg in trip.legs] == [at(1480), at(1491)]
    car.check()


# --- never recorded ---------------------------------------------------------------------------------------------------


def test_a_vin_that_is_heard_as_a_signal_is_never_recorded() -> None:
    stream = Stream()
    given().when(stream.batch(sample(paths.VIN, 0, VIN_OF_A_GUEST))).then_nothing()


def test_a_vin_among_other_signals_is_left_out() -> None:
    stream = Stream()
    past = stream.batch(sample(DOOR, 5, value=True))
    late = stream.batch(sample(paths.VIN, 0, VIN_OF_A_GUEST), sample(DOOR, 1, value=True), drive(6, 26))
    case = given(past).when(late)

    assert VIN_OF_A_GUEST not in repr(case.new)
    assert paths.VIN not in case.car.vehicle.state.signals
    case.car.check()


@pytest.mark.parametrize("value", [nan, inf, -inf, 1.7e308, 2.0**63, INTEGER_MAX + 1, -INTEGER_MAX - 2, 10**400, None])
def test_a_value_that_nothing_can_hold_is_invalid(value: SignalValue | None) -> None:
    stream = Stream()
    given().when(stream.batch(Sample(CABIN_TEMPERATURE, at(0), value))).then(
        told(e.SignalsSampled, value=[None], quality=[Quality.INVALID])
    )


@pytest.mark.parametrize("value", [INTEGER_MAX, -INTEGER_MAX - 1, 9e18, -(2.0**63), 5e-324, "Škoda 状态 🚗", ""])
def test_a_value_at_the_limits_is_kept(value: SignalValue) -> None:
    stream = Stream()
    given().when(stream.batch(Sample(CABIN_TEMPERATURE, at(0), value))).then(
        told(e.SignalsSampled, value=[value], quality=[Quality.OK])
    )


@pytest.mark.parametrize(("heard", "kept"), [("a\0b\0", "ab"), ("\ud83d!", "?!")])
def test_a_text_loses_what_no_table_can_hold(heard: str, kept: str) -> None:
    stream = Stream()
    given().when(stream.batch(sample(paths.MEDIA_TITLE, 0, heard))).then(told(e.TrackStarted, title=kept))


def test_a_value_that_is_not_good_is_none() -> None:
    stream = Stream()
    given().when(stream.batch(Sample(CABIN_TEMPERATURE, at(0), 655.34, Quality.INVALID))).then(
        told(e.SignalsSampled, value=[None], quality=[Quality.INVALID])
    )


def test_half_a_position_that_is_no_number_makes_no_fix() -> None:
    stream = Stream()
    case = given(stream.batch(drive(0, 20))).when(stream.batch(place(21, 48.0, nan)))
    case.then_never(e.TrackExtended)
    assert case.car.vehicle.state.signals[paths.LONGITUDE].quality == Quality.INVALID
