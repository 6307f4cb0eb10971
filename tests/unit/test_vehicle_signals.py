"""Which samples of a signal are recorded, and where those go that are not news."""

import pytest

from domain import events as e
from domain import paths
from domain.errors import RejectedCommandError
from domain.signals import Quality, SignalValue
from tests.support.batches import CABIN_TEMPERATURE, DOOR, VEHICLE_ID, Stream, at, no_destination, place, sample
from tests.support.given import Car, given, of_type, told


def sampled(path: str, seconds: float, value: SignalValue | None, *, changed: bool = True) -> dict[str, object]:
    return {"path": [path], "sampled_at": [at(seconds)], "value": [value], "changed": [changed]}


def test_a_vehicle_begins_with_its_registration() -> None:
    car = Car()

    assert car.events == [told(e.VehicleRegistered, originator_id=VEHICLE_ID, originator_version=1, model=None)]
    car.check()


def test_a_first_value_is_recorded() -> None:
    stream = Stream()
    given().when(stream.batch(sample(DOOR, 0, value=True))).then(
        told(e.SignalsSampled, captured_at=at(0), received_at=at(1), sequence=1, quality=[0], **sampled(DOOR, 0, True))
    )


def test_an_unchanged_value_is_not_recorded() -> None:
    stream = Stream()
    given(stream.batch(sample(DOOR, 0, value=True))).when(stream.batch(sample(DOOR, 59, value=True))).then_nothing()


def test_an_unchanged_value_within_a_batch_is_not_recorded() -> None:
    stream = Stream()
    given().when(stream.batch(sample(DOOR, 0, value=True), sample(DOOR, 1, value=True))).then(
        told(e.SignalsSampled, **sampled(DOOR, 0, True))
    )


def test_an_unchanged_value_is_confirmed_after_a_minute() -> None:
    stream = Stream()
    given(stream.batch(sample(DOOR, 0, value=True))).when(stream.batch(sample(DOOR, 60, value=True))).then(
        told(e.SignalsSampled, **sampled(DOOR, 60, True, changed=False))
    )


def test_a_changed_value_is_recorded_at_once() -> None:
    stream = Stream()
    given(stream.batch(sample(DOOR, 0, value=True))).when(stream.batch(sample(DOOR, 1, value=False))).then(
        told(e.SignalsSampled, **sampled(DOOR, 1, False))
    )


def test_a_whole_number_is_the_same_as_the_number_without_decimals() -> None:
    stream = Stream()
    given(stream.batch(sample(CABIN_TEMPERATURE, 0, 20))).when(
        stream.batch(sample(CABIN_TEMPERATURE, 1, 20.0))
    ).then_nothing()


def test_true_is_not_one() -> None:
    stream = Stream()
    given(stream.batch(sample(DOOR, 0, value=True))).when(stream.batch(sample(DOOR, 1, 1))).then(
        told(e.SignalsSampled, **sampled(DOOR, 1, 1))
    )


def test_one_signal_makes_no_history_for_another() -> None:
    stream = Stream()
    given(stream.batch(sample(DOOR, 0, value=True), sample(CABIN_TEMPERATURE, 0, 20.0))).when(
        stream.batch(sample(DOOR, 10, value=False), sample(CABIN_TEMPERATURE, 10, 20.0))
    ).then(told(e.SignalsSampled, **sampled(DOOR, 10, False)))


@pytest.mark.parametrize("quality", [Quality.INVALID, Quality.NOT_AVAILABLE])
def test_a_value_that_goes_away_is_recorded_without_a_value(quality: Quality) -> None:
    stream = Stream()
    given(stream.batch(sample(DOOR, 0, value=True))).when(stream.batch(sample(DOOR, 1, None, quality))).then(
        told(e.SignalsSampled, quality=[quality], **sampled(DOOR, 1, None))
    )


def test_a_value_that_stays_away_is_not_recorded_again() -> None:
    stream = Stream()
    given(stream.batch(sample(DOOR, 0, None, Quality.INVALID))).when(
        stream.batch(sample(DOOR, 1, None, Quality.INVALID))
    ).then_nothing()


def test_invalid_and_not_available_are_different_news() -> None:
    stream = Stream()
    given(stream.batch(sample(DOOR, 0, None, Quality.INVALID))).when(
        stream.batch(sample(DOOR, 1, None, Quality.NOT_AVAILABLE))
    ).then(told(e.SignalsSampled, quality=[2], **sampled(DOOR, 1, None)))


def test_each_stream_tells_its_first_value() -> None:
    given(Stream("a").batch(sample(DOOR, 0, value=True))).when(Stream("b").batch(sample(DOOR, 1, value=True))).then(
        told(e.SignalsSampled, stream_id="b", **sampled(DOOR, 1, True))
    )


def test_the_newest_of_two_streams_is_the_current_value() -> None:
    car = Car()
    car.observe(Stream("b").batch(sample(DOOR, 5, value=True)), Stream("a").batch(sample(DOOR, 1, value=False)))
    car.check()

    assert car.vehicle.state.signals[DOOR].value is True


def test_of_two_values_of_one_moment_that_of_the_last_stream_by_name_is_current() -> None:
    for order in ("ab", "ba"):
        car = Car()
        car.observe(*(Stream(name).batch(sample(DOOR, 5, name)) for name in order))

        assert car.vehicle.state.signals[DOOR].value == "b"


# --- the same batch, missing batches, late samples --------------------------------------------------------------------


def test_the_same_batch_a_second_time_changes_nothing() -> None:
    batch = Stream().batch(sample(DOOR, 0, value=True))
    given(batch).when(batch).then_nothing()


def test_a_batch_without_samples_changes_nothing() -> None:
    given().when(Stream().batch()).then_nothing()


def test_a_missing_batch_is_recorded() -> None:
    stream = Stream()
    first, _, _, fourth = [stream.batch(sample(DOOR, n, value=n % 2 == 0)) for n in range(4)]
    given(first).when(fourth).then_among_others(
        told(e.TelemetryGapDetected, first_missing=2, last_missing=3, sequence=4, captured_at=at(0))
    )


def test_a_stream_that_begins_late_has_a_gap_before_it() -> None:
    stream = Stream(sequence=4)
    given().when(stream.batch(received=9)).then(
        told(e.TelemetryGapDetected, first_missing=1, last_missing=4, captured_at=at(9))
    )


def test_the_batch_that_fills_a_gap_is_no_gap() -> None:
    stream = Stream()
    first, second, third = [stream.batch(sample(DOOR, n, value=n % 2 == 0)) for n in range(3)]
    given(first, third).when(second).then(
        told(
            e.LateSamplesRecorded,
            path=[DOOR],
            sampled_at=[at(1)],
            value=[False],
            quality=[0],
            captured_at=at(1),
            sequence=2,
        )
    )


def test_the_batch_that_fills_a_gap_counts_once() -> None:
    stream = Stream()
    first, second, third = [stream.batch(sample(DOOR, n, value=n % 2 == 0)) for n in range(3)]
    given(first, third, second).when(second).then_nothing()


def test_after_a_missing_batch_an_unchanged_value_is_confirmed_since_it_may_have_changed_and_come_back() -> None:
    stream = Stream()
    first, second, third, fourth = [stream.batch(sample(DOOR, n, value=n != 1)) for n in range(4)]
    case = given(first)
    case.when(third).then(told(e.TelemetryGapDetected), told(e.SignalsSampled, **sampled(DOOR, 2, True, changed=False)))
    case.when(fourth).then_nothing()
    case.when(second).then(told(e.LateSamplesRecorded))

    assert case.car.vehicle.state.signals[DOOR].value is True


def test_a_late_sample_is_recorded_and_replaces_nothing() -> None:
    stream = Stream()
    case = given(stream.batch(sample(DOOR, 10, value=True)))
    case.when(stream.batch(sample(DOOR, 9, value=False), received=11)).then(
        told(e.LateSamplesRecorded, path=[DOOR], value=[False], sampled_at=[at(9)])
    )

    assert case.car.vehicle.state.signals[DOOR].value is True


def test_a_late_batch_says_what_is_new_of_signals_that_nothing_later_told() -> None:
    stream = Stream()
    first = stream.batch(sample(DOOR, 0, value=True), sample(CABIN_TEMPERATURE, 0, 20.0))
    second = stream.batch(sample(DOOR, 1, value=False), sample(CABIN_TEMPERATURE, 1, 21.0))
    third = stream.batch(sample(DOOR, 2, value=True))
    given(first, third).when(second).then(
        told(e.SignalsSampled, **sampled(CABIN_TEMPERATURE, 1, 21.0)), told(e.LateSamplesRecorded, path=[DOOR])
    )


def test_of_one_moment_what_the_later_batch_says_stands() -> None:
    stream = Stream()
    second, third = [stream.batch(sample(DOOR, 5, value)) for value in ("before", "after")]
    case = given(third)
    case.when(second).then(told(e.LateSamplesRecorded, value=["before"]))
    case.when(stream.batch(sample(DOOR, 6, "after"))).then_nothing()


def test_a_stream_with_too_many_holes_is_refused() -> None:
    batches = [Stream(sequence=2 * n).batch() for n in range(1, 1_002)]
    given(*batches[:-1]).when(batches[-1]).then_raises(RejectedCommandError, "holes already: batch 2003 is refused")


# --- life -------------------------------------------------------------------------------------------------------------


def test_a_vehicle_is_decommissioned() -> None:
    given().when(lambda vehicle: vehicle.decommission("sold", at=at(5))).then(
        told(e.VehicleDecommissioned, reason="sold", captured_at=at(5), received_at=at(5))
    )


def test_a_vehicle_is_decommissioned_once() -> None:
    given(lambda vehicle: vehicle.decommission("sold", at=at(5))).when(
        lambda vehicle: vehicle.decommission("scrapped", at=at(6))
    ).then_nothing()


def test_a_decommissioned_vehicle_takes_no_telemetry() -> None:
    given(lambda vehicle: vehicle.decommission("sold", at=at(5))).when(
        Stream().batch(sample(DOOR, 0, value=True))
    ).then_raises(RejectedCommandError, "has been decommissioned")


def test_a_decommissioned_vehicle_still_knows_the_batches_that_it_took() -> None:
    batch = Stream().batch(sample(DOOR, 0, value=True))
    given(batch, lambda vehicle: vehicle.decommission("sold", at=at(5))).when(batch).then_nothing()


# --- pairs ------------------------------------------------------------------------------------------------------------


def test_both_halves_of_a_position_are_recorded_when_one_changes() -> None:
    stream = Stream()
    for changed in (place(5, 48.1, 11.0), place(5, 48.0, 11.1), place(5, 48.1)[::-1]):
        case = given(Stream().batch(place(0, 48.0, 11.0)))
        event = case.when(Stream(sequence=1).batch(changed)).then(told(e.SignalsSampled))[0]

        assert isinstance(event, e.SignalsSampled)
        assert sorted(event.path) == [paths.LATITUDE, paths.LONGITUDE]
        assert event.sampled_at == [at(5), at(5)]
    assert stream.sequence == 0


def test_a_position_that_stays_is_not_recorded() -> None:
    stream = Stream()
    given(stream.batch(place(0, 48.0))).when(stream.batch(place(5, 48.0), place(6, 48.0))).then_nothing()


def test_the_same_position_twice_in_a_moment_is_recorded_once() -> None:
    stream = Stream()
    event = given().when(stream.batch(place(0, 48.0), place(0, 48.0))).then(told(e.SignalsSampled))[0]

    assert isinstance(event, e.SignalsSampled)
    assert event.path == [paths.LATITUDE, paths.LONGITUDE]


def test_a_position_is_confirmed_as_a_pair() -> None:
    stream = Stream()
    given(stream.batch(place(0, 48.0), sample(paths.LATITUDE, 30, 48.1))).when(stream.batch(place(61, 48.1))).then(
        told(e.SignalsSampled, path=[paths.LATITUDE, paths.LONGITUDE], sampled_at=[at(61), at(61)])
    )


def test_half_a_position_is_a_signal_like_any_other() -> None:
    stream = Stream()
    given().when(stream.batch(sample(paths.LATITUDE, 0, 48.0))).then(told(e.SignalsSampled, path=[paths.LATITUDE]))


def test_no_rule_takes_what_is_no_number_or_text() -> None:
    stream = Stream()
    odd = [
        sample(path, 0, value="odd") for path in (paths.SPEED, paths.ODOMETER, paths.BATTERY_ENERGY, paths.FUEL_LEVEL)
    ]
    odd += [sample(path, 0, value=7) for path in (paths.MEDIA_TITLE, paths.MEDIA_SOURCE, paths.MEDIA_ACTION)]
    odd += [sample(path, 0, value="odd") for path in (paths.MEDIA_VOLUME, paths.IS_CHARGING, paths.LATITUDE)]
    odd += [sample(path, 0, value="odd") for path in (paths.LONGITUDE, paths.DESTINATION_LATITUDE)]
    odd += [sample(paths.LOW_VOLTAGE_SYSTEM_STATE, 0, "UNDEFINED"), *no_destination(1)]
    event = given().when(stream.batch(odd)).then(told(e.SignalsSampled))[0]

    assert isinstance(event, e.SignalsSampled)
    assert len(event.path) == len(odd)


def test_numbers_are_kept_as_the_events_hold_them() -> None:
    """So that a vehicle that was loaded from the log sees no change where one in memory sees none."""
    stream = Stream()
    case = given(
        stream.batch(
            sample(paths.ODOMETER, 0, 1000), sample(paths.MEDIA_VOLUME, 0, 20), place(0, 48, 11), sample(DOOR, 0, 1)
        )
    )
    assert type(of_type(case.car.events, e.OdometerAdvanced)[0].odometer_m) is float
    assert type(of_type(case.car.events, e.VolumeChanged)[0].volume_percent) is float
    case.when(
        stream.batch(sample(paths.ODOMETER, 1, 1000), sample(paths.MEDIA_VOLUME, 1, 20), place(1, 48, 11))
    ).then_nothing()
