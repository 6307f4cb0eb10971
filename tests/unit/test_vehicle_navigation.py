"""Destinations of route guidance."""

from domain import events as e
from domain import paths
from domain.signals import Quality
from tests.support.batches import LATITUDE_STEP_DEG, Stream, at, destination, no_destination, place, sample
from tests.support.given import given, told

THERE = 48.01
NEAR = THERE - 0.8 * LATITUDE_STEP_DEG  # 89 m
NOT_NEAR = THERE - LATITUDE_STEP_DEG  # 111 m


def test_a_destination_is_set() -> None:
    given().when(Stream().batch(destination(5, THERE))).then(
        told(e.DestinationSet, latitude_deg=THERE, longitude_deg=11.0, captured_at=at(5))
    )


def test_whichever_half_is_heard_first_a_destination_is_set_once() -> None:
    given().when(Stream().batch(destination(5, THERE)[::-1])).then(told(e.DestinationSet, latitude_deg=THERE))


def test_half_a_destination_is_none() -> None:
    given().when(Stream().batch(sample(paths.DESTINATION_LATITUDE, 5, THERE))).then(told(e.SignalsSampled))


def test_the_same_destination_is_not_set_again() -> None:
    stream = Stream()
    given(stream.batch(destination(0, THERE))).when(stream.batch(destination(5, THERE))).then_nothing()


def test_a_destination_that_is_confirmed_is_not_set_again() -> None:
    stream = Stream()
    given(stream.batch(destination(0, THERE))).when(stream.batch(destination(60, THERE))).then(
        told(e.SignalsSampled, changed=[False, False])
    )


def test_another_destination_replaces_it() -> None:
    stream = Stream()
    given(stream.batch(destination(0, THERE))).when(stream.batch(destination(5, 49.0))).then(
        told(e.DestinationSet, latitude_deg=49.0, longitude_deg=11.0)
    )


def test_a_destination_of_which_one_half_changes_is_another() -> None:
    stream = Stream()
    given(stream.batch(destination(0, THERE))).when(stream.batch(destination(5, THERE, 11.5))).then(
        told(e.DestinationSet, latitude_deg=THERE, longitude_deg=11.5)
    )


def test_a_destination_is_cleared() -> None:
    stream = Stream()
    given(stream.batch(destination(0, THERE))).when(stream.batch(no_destination(5))).then(
        told(e.DestinationCleared, captured_at=at(5)), told(e.SignalsSampled, quality=[2, 2])
    )


def test_without_a_destination_nothing_is_cleared() -> None:
    given().when(Stream().batch(no_destination(5))).then(told(e.SignalsSampled))


def test_a_destination_that_cannot_be_read_is_not_cleared() -> None:
    stream = Stream()
    bad = [sample(path, 5, None, Quality.INVALID) for path in (paths.DESTINATION_LATITUDE, paths.DESTINATION_LONGITUDE)]
    case = given(stream.batch(destination(0, THERE)))
    case.when(stream.batch(bad)).then(told(e.SignalsSampled, quality=[1, 1]))
    case.when(stream.batch(destination(6, THERE))).then(told(e.SignalsSampled, quality=[0, 0]))
    case.when(stream.batch(destination(7, THERE))).then_nothing()


def test_a_destination_may_be_set_again_after_it_was_cleared() -> None:
    stream = Stream()
    given(stream.batch(destination(0, THERE)), stream.batch(no_destination(5))).when(
        stream.batch(destination(6, THERE))
    ).then(told(e.DestinationSet))


def test_a_car_that_comes_near_has_reached_its_destination() -> None:
    stream = Stream()
    (event, *_) = (
        given(stream.batch(destination(0, THERE)))
        .when(stream.batch(place(9, NEAR)))
        .then(
            told(e.DestinationReached, latitude_deg=THERE, longitude_deg=11.0, captured_at=at(9)),
            told(e.SignalsSampled),
        )
    )

    assert isinstance(event, e.DestinationReached)
    assert 85 < event.distance_left_m < 95


def test_a_car_that_is_not_near_has_not_reached_it() -> None:
    stream = Stream()
    given(stream.batch(destination(0, THERE))).when(stream.batch(place(9, NOT_NEAR))).then(told(e.SignalsSampled))


def test_a_destination_is_reached_once() -> None:
    stream = Stream()
    given(stream.batch(destination(0, THERE)), stream.batch(place(9, NEAR))).when(
        stream.batch(place(10, THERE), destination(60, THERE))
    ).then_never(e.DestinationReached, e.DestinationSet)


def test_guidance_that_ends_after_the_arrival_is_not_cleared() -> None:
    stream = Stream()
    given(stream.batch(destination(0, THERE)), stream.batch(place(9, NEAR))).when(
        stream.batch(no_destination(20))
    ).then(told(e.SignalsSampled))


def test_the_destination_of_one_stream_is_not_reached_by_the_position_of_another() -> None:
    """What a stream makes of its samples does not depend on how it interleaves with others."""
    given(Stream("a").batch(destination(0, THERE))).when(Stream("b").batch(place(9, THERE))).then(
        told(e.SignalsSampled)
    )
