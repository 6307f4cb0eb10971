"""Trips made of legs."""

from uuid import UUID

from domain.trips import HALT_MAX_US, JOIN_GAP_US, Leg, Trip, change, gather, trip_id
from domain.units import MICROS_PER_SECOND, KilowattHours, Metres, Micros

JOIN_S = JOIN_GAP_US // MICROS_PER_SECOND


def leg(
    start_s: float,
    end_s: float,
    stream_id: str = "a",
    *,
    closed: bool = False,
    is_open: bool = False,
    distance_m: float | None = None,
    energy_kwh: float | None = None,
) -> Leg:
    """Return a leg driven at 10 m/s."""
    return Leg(
        Micros(int(start_s * MICROS_PER_SECOND)),
        stream_id,
        Micros(int(end_s * MICROS_PER_SECOND)),
        closed,
        is_open,
        Metres((end_s - start_s) * 10 if distance_m is None else distance_m),
        None if energy_kwh is None else KilowattHours(energy_kwh),
    )


def spans(trips: tuple[Trip, ...]) -> list[tuple[float, float]]:
    return [(trip.started_at / MICROS_PER_SECOND, trip.ended_at / MICROS_PER_SECOND) for trip in trips]


def test_no_legs_make_no_trips() -> None:
    assert gather([]) == ()


def test_legs_that_follow_within_the_gap_are_one_trip() -> None:
    assert spans(gather([leg(0, 10), leg(10 + JOIN_S, 200, "b")])) == [(0, 200)]


def test_legs_that_follow_later_are_two_trips() -> None:
    assert spans(gather([leg(0, 10), leg(11 + JOIN_S, 200, "b")])) == [(0, 10), (11 + JOIN_S, 200)]


def test_a_leg_that_the_ignition_closed_is_not_gone_on_with() -> None:
    assert spans(gather([leg(0, 10, closed=True), leg(10, 20, "b")])) == [(0, 10), (10, 20)]


def test_a_closed_leg_within_another_closes_nothing() -> None:
    (trip,) = gather([leg(0, 100), leg(10, 50, "b", closed=True), leg(60, 70, "c")])

    assert not trip.closed


def test_of_legs_that_end_together_one_that_is_closed_closes_the_trip() -> None:
    (trip,) = gather([leg(0, 100, closed=True), leg(10, 100, "b")])

    assert trip.closed


def test_no_two_trips_start_together() -> None:
    assert spans(gather([leg(0, 0, closed=True), leg(0, 10, "b")])) == [(0, 10)]


def test_a_moment_is_a_trip_with_the_distance_of_its_leg() -> None:
    (trip,) = gather([leg(5, 5, distance_m=3)])

    assert trip.distance_m == 3.0


def test_what_two_legs_cover_counts_once() -> None:
    (trip,) = gather([leg(0, 100, energy_kwh=2), leg(50, 150, "b", energy_kwh=4), leg(20, 90, "c")])

    assert trip.distance_m == 1_500.0
    assert trip.energy_kwh == 4.0


def test_of_two_legs_with_the_same_beginning_the_longer_counts() -> None:
    for names in ("ab", "ba"):
        (trip,) = gather([leg(0, 100, names[0]), leg(0, 50, names[1], distance_m=9_999)])
        assert trip.distance_m == 1_000.0


def test_a_trip_without_energy_has_none() -> None:
    (trip,) = gather([leg(0, 100), leg(100, 200, "b")])

    assert trip.energy_kwh is None


def test_a_trip_is_over_when_the_ignition_closed_it() -> None:
    (trip,) = gather([leg(0, 10, closed=True), leg(0, 9, "b", is_open=True)])

    assert trip.is_over(None)


def test_a_trip_is_over_when_no_stream_may_go_on_with_it() -> None:
    assert gather([leg(0, 10)])[0].is_over(None)
    assert not gather([leg(0, 10, is_open=True)])[0].is_over(None)


def test_a_trip_is_over_when_a_halt_would_have_been_too_long() -> None:
    (trip,) = gather([leg(0, 10, is_open=True)])

    assert not trip.is_over(Micros(trip.ended_at + HALT_MAX_US))
    assert trip.is_over(Micros(trip.ended_at + HALT_MAX_US + 1))


def test_a_leg_that_grows_replaces_what_was_known_of_it() -> None:
    trips = list(gather([leg(0, 10), leg(500, 600, "b")]))
    made = change(trips, leg(0, 20))

    assert (made.low, made.high) == (0, 1)
    assert made.after == (made.trip,) == gather([leg(0, 20)])


def test_trips_have_permanent_names() -> None:
    """Names in the log of a trip that began a microsecond apart are different, and never change."""
    vehicle_id = UUID(int=1)

    assert trip_id(vehicle_id, Micros(5)) == UUID("238d2c73-30e0-552b-b0e7-8d13dc041717")
    assert trip_id(vehicle_id, Micros(6)) != trip_id(vehicle_id, Micros(5))
