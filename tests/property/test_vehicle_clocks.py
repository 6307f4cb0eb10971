"""However wrong the clock of a car is, and however often it jumps, nothing is dated where it would hide good data."""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain import events as e
from domain.clocks import CLOCK_AHEAD_MAX_US, CLOCK_FLOOR
from domain.signals import SignalBatch
from domain.units import Micros
from tests.support.batches import DOOR, T0, Stream, at, sample, streams_of
from tests.support.given import Car, of_type

JUMPS_US = st.sampled_from([0, 0, 0, -T0, -T0 + 10**12, 10**15, 400 * 86_400 * 10**6, 3 * 10**15])


def times(event: e.StreamEvent) -> Iterator[Micros]:
    yield event.captured_at
    if isinstance(event, (e.SignalsSampled, e.LateSamplesRecorded)):
        yield from event.sampled_at
    if isinstance(event, e.TrackExtended):
        yield from (event.leg_started_at, event.leg_ended_at, event.trip_ended_at, *event.fix_captured_at)


@st.composite
def jumping(draw: st.DrawFn) -> list[SignalBatch]:
    """Draw a stream whose clock jumps at every sample as it likes."""
    batches = []
    for batch in draw(streams_of("a")):
        samples = [x._replace(captured_at=Micros(x.captured_at + draw(JUMPS_US))) for x in batch.samples]
        codes = [x._replace(captured_at=Micros(x.captured_at + draw(JUMPS_US))) for x in batch.trouble_codes]
        reference_at = draw(st.sampled_from([None, None, batch.received_at]))
        batches.append(replace(batch, samples=tuple(samples), trouble_codes=tuple(codes), reference_at=reference_at))
    return batches


@given(jumping(), st.booleans())
def test_no_time_is_ever_dated_into_the_future(batches: list[SignalBatch], backwards: bool) -> None:
    car = Car()
    car.observe(*(reversed(batches) if backwards else batches))
    car.check()

    for event in car.events:
        if isinstance(event, e.StreamEvent):
            assert max(times(event)) <= max(batch.received_at for batch in batches) + CLOCK_AHEAD_MAX_US


def test_a_known_true_time_of_one_clock_does_not_date_what_another_clock_showed() -> None:
    batch = Stream().batch(sample(DOOR, 0, value=True), sample(DOOR, 10, value=False), reference_at=at(11))
    never_set = batch.samples[0]._replace(captured_at=Micros(0))
    car = Car()
    car.observe(replace(batch, samples=(never_set, batch.samples[1])))

    (corrected,) = of_type(car.events, e.ClockCorrected)
    assert (corrected.shown_at, corrected.reason) == (0, "past")
    assert CLOCK_FLOOR < corrected.captured_at < at(10)
    assert car.vehicle.state.signals[DOOR][:4] == (at(10), "a", 1, False)


def test_a_clock_that_leaps_within_a_batch_is_not_led_into_the_future() -> None:
    stream = Stream()
    right = stream.batch(sample(DOOR, 0, value=True))
    leaping = stream.batch(sample(DOOR, 5, value=False), sample(DOOR, 6, value=True), received=10)
    shown = [x._replace(captured_at=Micros(n * 10**14)) for n, x in enumerate(leaping.samples)]  # three years apart
    car = Car()
    car.observe(right, replace(leaping, samples=tuple(shown)), stream.batch(sample(DOOR, 700, value=False)))

    assert car.vehicle.state.signals[DOOR][:4] == (at(700), "a", 3, False)
