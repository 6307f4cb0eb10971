"""What a vehicle makes of a wrong clock."""

from dataclasses import replace

from domain import events as e
from domain.units import MICROS_PER_SECOND, Micros
from tests.support.batches import DOOR, T0, Stream, at, report, sample, shown_by
from tests.support.given import Car, given, of_type, told

TO_1970_S = -T0 / MICROS_PER_SECOND
YEAR_S = 365 * 86_400


def test_a_right_clock_is_not_corrected() -> None:
    stream = Stream()
    batch = stream.batch(sample(DOOR, 0, value=True), received=-500)  # ours is behind, by less than ten minutes
    given().when(batch).then(told(e.SignalsSampled, captured_at=at(0), clock_offset_us=0))


def test_an_old_recording_is_not_a_wrong_clock() -> None:
    stream = Stream()
    given().when(stream.batch(sample(DOOR, -20 * YEAR_S, value=True), received=0)).then(
        told(e.SignalsSampled, captured_at=at(-20 * YEAR_S), clock_offset_us=0)
    )


def test_a_clock_in_1970_is_corrected_to_shortly_before_the_time_of_receipt() -> None:
    stream = Stream()
    batch = stream.batch(sample(DOOR, 0, value=True), sample(DOOR, 5, value=False), received=67)
    offset_us = T0 + 2 * MICROS_PER_SECOND
    (corrected, sampled) = (
        given()
        .when(*shown_by(TO_1970_S, [batch]))
        .then(
            told(e.ClockCorrected, shown_at=0, reason="past", clock_offset_us=offset_us, captured_at=at(2)),
            told(e.SignalsSampled, sampled_at=[at(2), at(7)], clock_offset_us=offset_us),
        )
    )

    assert corrected.captured_at - offset_us == 0
    assert sampled.captured_at - offset_us == 5 * MICROS_PER_SECOND


def test_a_clock_in_the_future_is_corrected() -> None:
    stream = Stream()
    batch = stream.batch(sample(DOOR, 0, value=True), received=60)
    given().when(*shown_by(YEAR_S, [batch])).then(
        told(e.ClockCorrected, shown_at=at(YEAR_S), reason="future", clock_offset_us=-YEAR_S * MICROS_PER_SECOND),
        told(e.SignalsSampled, captured_at=at(0)),
    )


def test_the_correction_is_told_once() -> None:
    stream = Stream()
    first, second = shown_by(TO_1970_S, [stream.batch(sample(DOOR, n, value=n == 0)) for n in range(2)])
    given(first).when(second).then(told(e.SignalsSampled, captured_at=at(2 - 60)))


def test_a_known_true_time_is_taken_rather_than_the_time_of_receipt() -> None:
    stream = Stream()
    batches = shown_by(TO_1970_S, [stream.batch(sample(DOOR, n, value=n == 0), received=YEAR_S) for n in range(2)])
    batches = [replace(batch, reference_at=at(batch.sequence)) for batch in batches]
    case = given()
    case.when(batches[0]).then(told(e.ClockCorrected), told(e.SignalsSampled, captured_at=at(1)))
    case.when(batches[1]).then(told(e.SignalsSampled, captured_at=at(2)))


def test_wrong_times_never_come_before_what_the_stream_has_told() -> None:
    stream = Stream()
    right = stream.batch(sample(DOOR, 10, value=True))
    wrong = stream.batch(sample(DOOR, 0, value=False), sample(DOOR, 3, value=True), received=11)
    given(right).when(*shown_by(TO_1970_S, [wrong])).then(
        told(e.ClockCorrected, captured_at=at(10)), told(e.SignalsSampled, sampled_at=[at(10), at(13)])
    )


def test_a_wrong_clock_that_is_set_anew_is_corrected_anew() -> None:
    stream = Stream()
    first = shown_by(TO_1970_S + 500, [stream.batch(sample(DOOR, 0, value=True))])
    second = shown_by(TO_1970_S, [stream.batch(sample(DOOR, 20, value=False))])
    given(*first).when(*second).then(
        told(e.ClockCorrected, captured_at=at(21 - 60)), told(e.SignalsSampled, captured_at=at(21 - 60))
    )


def test_a_clock_that_is_set_within_a_batch_is_corrected_up_to_there() -> None:
    stream = Stream()
    batch = stream.batch(sample(DOOR, 0, value=True), sample(DOOR, 5, value=False), received=YEAR_S)
    wrong, right = batch.samples[0]._replace(captured_at=Micros(1_000)), batch.samples[1]
    _, before, _ = (
        given()
        .when(replace(batch, samples=(wrong, right)))
        .then(
            told(e.ClockCorrected),
            told(e.SignalsSampled, captured_at=at(5) - 1),
            told(e.SignalsSampled, captured_at=at(5), clock_offset_us=0),
        )
    )

    assert isinstance(before, e.SignalsSampled)
    assert before.captured_at - before.clock_offset_us == 1_000


def test_right_times_after_a_guess_are_not_late() -> None:
    stream = Stream()
    wrong, right = [stream.batch(sample(DOOR, n, value=n == 0), received=30) for n in range(2)]
    given(*shown_by(TO_1970_S, [wrong])).when(right).then(told(e.SignalsSampled, captured_at=at(1)))


def test_a_batch_with_a_wrong_clock_that_comes_late_is_dated_before_what_came_after_it() -> None:
    stream = Stream()
    first, second, third = [stream.batch(sample(DOOR, n, value=n), received=n) for n in range(3)]
    car = Car()
    car.observe(first, third, *shown_by(TO_1970_S, [replace(second, received_at=at(600))]))
    car.check()

    assert car.vehicle.state.signals[DOOR].value == 2
    assert of_type(car.events, e.LateSamplesRecorded)[0].sampled_at == [at(2) - 1]


def test_reports_of_trouble_codes_are_dated_by_the_same_clock() -> None:
    stream = Stream()
    batch = stream.batch(sample(DOOR, 0, value=True), report(0, "P0301"), received=69)
    given().when(*shown_by(TO_1970_S, [batch])).then(
        told(e.ClockCorrected),
        told(e.SignalsSampled, captured_at=at(9)),
        told(e.TroubleCodesRead, captured_at=at(9), clock_offset_us=at(9)),
        told(e.TroubleCodeRaised, captured_at=at(9), clock_offset_us=at(9)),
    )


def test_a_report_with_a_wrong_clock_alone_is_corrected() -> None:
    stream = Stream()
    given().when(*shown_by(TO_1970_S, [stream.batch(report(0), received=69)])).then(
        told(e.ClockCorrected, captured_at=at(9)), told(e.TroubleCodesRead, captured_at=at(9))
    )
