"""Which vehicles a filter chooses, by everything that reads twins: the same as by what was told of each."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.twins import Between, Box, Circle, VehicleFilter
from domain import events as e
from domain import paths
from domain.geo import great_circle_m
from domain.units import Degrees
from tests.contract.test_twin_reader import WORLDS, world_of
from tests.support.twins import SECOND, T0, Car, World

LOW = "STATE_OF_CHARGE_LOW"
NEVER = VehicleFilter(warnings=[])


class Told(NamedTuple):
    """What a vehicle has told of itself; None: nothing."""

    latitude: float | None = None
    longitude: float | None = None
    percent: float | None = None
    low: bool = False


FLEET = {
    1: Told(52.42, 10.78, 80.0),  # Wolfsburg
    2: Told(48.77, 11.42, 9.5, low=True),  # Ingolstadt
    3: Told(-36.85, 174.76, 50.0),  # Auckland
    4: Told(21.31, -157.86, 0.0),  # Honolulu
    5: Told(0.0, 180.0, 100.0),
    6: Told(0.0, -180.0, None, low=True),
    7: Told(90.0, 12.0, 33.0),
    8: Told(52.42, None, 33.0),  # half of a place is none
    9: Told(),
    10: Told(39.9, 116.4, 20.0),
    11: Told(5e-324, -5e-324),
}


def car(number: int, told: Told) -> Car:
    found = Car(number)
    named = {
        paths.LATITUDE: told.latitude,
        paths.LONGITUDE: told.longitude,
        paths.STATE_OF_CHARGE_DISPLAYED: told.percent,
    }
    samples = {path: value for path, value in named.items() if value is not None}
    if samples:
        found.sample(T0 + SECOND, samples)
    raised = {"warning": LOW, "path": paths.STATE_OF_CHARGE_DISPLAYED, "value": 9.0, "limit": 10.0}
    if told.low or number == 10:
        found.tell(e.WarningRaised, T0 + 2 * SECOND, **raised)
    if number == 10:
        found.tell(e.WarningCleared, T0 + 3 * SECOND, **raised)
    return found


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Give the fleet."""
    with world_of(request, [car(number, told) for number, told in FLEET.items()]) as made:
        yield made


def found(world: World, chosen: VehicleFilter) -> set[int]:
    with world.twins.reading() as read:
        ids = {entry.vehicle_id for entry in read.vehicles(100, None, chosen)}
    return {number for number in FLEET if Car(number).id in ids}


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        (VehicleFilter(warnings=[LOW]), {2, 6}),
        (VehicleFilter(warnings=["FUEL_LEVEL_LOW", LOW]), {2, 6}),
        (VehicleFilter(warnings=["FUEL_LEVEL_LOW"]), set()),
        (NEVER, set()),
        (VehicleFilter(state_of_charge=Between(0.0, 20.0)), {2, 4, 10}),
        (VehicleFilter(state_of_charge=Between(20.0, 20.0)), {10}),
        (VehicleFilter(state_of_charge=Between(0.0, 100.0)), {1, 2, 3, 4, 5, 7, 8, 10}),
        (VehicleFilter(box=Box(47.0, 5.0, 55.0, 15.0)), {1, 2}),
        (VehicleFilter(box=Box(-40.0, 170.0, 30.0, -150.0)), {3, 4, 5, 6}),  # across 180°
        (VehicleFilter(box=Box(-40.0, -150.0, 30.0, 170.0)), {11}),
        (VehicleFilter(box=Box(52.42, 10.78, 52.42, 10.78)), {1}),
        (VehicleFilter(circle=Circle(52.4, 10.8, 5_000.0)), {1}),
        (VehicleFilter(circle=Circle(0.0, 179.99, 2_000.0)), {5, 6}),
        (VehicleFilter(circle=Circle(90.0, -77.0, 1.0)), {7}),
        (VehicleFilter(circle=Circle(1e-200, 180.0, 1.0)), {5, 6}),
        (VehicleFilter(circle=Circle(5e-324, 180.0, 1.0)), {5, 6}),
        (VehicleFilter(circle=Circle(0.0, 0.0, 20_037_509.0)), {1, 2, 3, 4, 5, 6, 7, 10, 11}),
        (VehicleFilter(circle=Circle(52.4, 10.8, 500_000.0), state_of_charge=Between(0.0, 10.0)), {2}),
    ],
)
def test_a_filter_chooses_by_what_is_newest(world: World, chosen: VehicleFilter, numbers: set[int]) -> None:
    assert found(world, chosen) == numbers


def expected(chosen: VehicleFilter) -> set[int]:
    """Say the same in other words."""

    def fits(told: Told, number: int) -> bool:
        low = told.low and number != 10
        placed = told.latitude is not None and told.longitude is not None
        place: Any = (told.latitude, told.longitude)
        return (
            (chosen.warnings is None or (low and LOW in chosen.warnings))
            and (
                chosen.state_of_charge is None
                or (
                    told.percent is not None
                    and not told.percent < chosen.state_of_charge.least
                    and not told.percent > chosen.state_of_charge.most
                )
            )
            and (chosen.box is None or (placed and in_box(chosen.box, *place)))
            and (chosen.circle is None or (placed and distance_m(place, chosen.circle) <= chosen.circle.radius_m))
        )

    return {number for number, told in FLEET.items() if fits(told, number)}


def distance_m(place: tuple[float, float], circle: Circle) -> float:
    latitude, longitude, *middle = map(Degrees, (*place, circle.latitude_deg, circle.longitude_deg))
    return great_circle_m(latitude, longitude, *middle)


def in_box(box: Box, latitude: float, longitude: float) -> bool:
    all_round = (box.west, box.east) == (-180.0, 180.0)
    west, east, here = map(Fraction, (box.west, box.east, longitude))  # a float's remainder is not exact
    inside = all_round or (here - west) % 360 <= (east - west) % 360
    return inside and box.south <= latitude <= box.north


DEGREES = st.sampled_from([-180.0, -157.86, -90.0, 0.0, 10.78, 90.0, 116.4, 179.0, 180.0])
PARALLELS = st.lists(st.sampled_from([-90.0, -36.85, 0.0, 21.31, 48.77, 52.42, 90.0]), min_size=2, max_size=2).map(
    sorted
)
FILTERS = st.builds(
    VehicleFilter,
    **dict.fromkeys(
        (
            "vins",
            "brands",
            "models",
            "has_trouble_code",
            "trouble_codes",
            "last_seen_after",
            "last_seen_before",
            "regions",
        ),
        st.none(),
    ),
    warnings=st.none() | st.lists(st.sampled_from([LOW, "FUEL_LEVEL_LOW"]), max_size=2),
    state_of_charge=st.none()
    | st.lists(st.sampled_from([0.0, 9.5, 10.0, 50.0, 100.0]), min_size=2, max_size=2).map(
        lambda it: Between(*sorted(it))
    ),
    box=st.none() | st.tuples(PARALLELS, DEGREES, DEGREES).map(lambda it: Box(it[0][0], it[1], it[0][1], it[2])),
    # no vehicle is so near the edge of one that the last digit of a sine tells
    circle=st.none()
    | st.builds(Circle, st.floats(-90, 90), st.floats(-180, 180), st.sampled_from([1.5e3, 7.77e5, 9.1e6])),
)


@given(FILTERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_everything_that_reads_twins_chooses_the_same(world: World, chosen: VehicleFilter) -> None:
    assert found(world, chosen) == expected(chosen)
