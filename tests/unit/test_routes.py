"""The bundled roads: where they are, how long, and where a car on one is."""

from collections import Counter
from itertools import pairwise
from time import perf_counter
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator.routes import Route, load_routes
from domain.geo import great_circle_m
from domain.units import Degrees

ROUTES: Final = load_routes()
BOXES_DEG: Final = {  # south, north, west, east
    "europe": (36.0, 60.0, -10.0, 25.0),
    "china": (18.0, 54.0, 73.0, 135.0),
    "united_states": (24.5, 49.5, -125.0, -66.9),
}
PLACES_DEG: Final = {  # latitude and longitude in the middle of the town
    "Wolfsburg": (52.4227, 10.7865),
    "Braunschweig": (52.2646, 10.5236),
    "Barcelona": (41.3874, 2.1686),
    "Shanghai": (31.2304, 121.4737),
    "Foshan": (23.0215, 113.1214),
    "Chattanooga": (35.0456, -85.3097),
    "Herndon": (38.9696, -77.3861),
}
EACH_ROUTE: Final = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
ROUTE: Final = st.sampled_from(ROUTES)
DISTANCE_M: Final = st.floats(0, 1e6)


def apart_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    return great_circle_m(Degrees(one[0]), Degrees(one[1]), Degrees(other[0]), Degrees(other[1]))


def points_of(route: Route) -> list[tuple[float, float]]:
    return list(zip(route.latitude_deg.tolist(), route.longitude_deg.tolist(), strict=True))


def place_at(route: Route, distance_m: float) -> tuple[float, float, float]:
    latitude_deg, longitude_deg, heading_deg = route.at(np.array([distance_m]))
    return float(latitude_deg[0]), float(longitude_deg[0]), float(heading_deg[0])


def degrees_between(one_deg: float, other_deg: float) -> float:
    return abs((one_deg - other_deg + 180) % 360 - 180)


def test_every_region_has_six_roads_of_different_names() -> None:
    assert Counter(route.region for route in ROUTES) == {"europe": 6, "china": 6, "united_states": 6}
    assert len({route.name for route in ROUTES}) == len(ROUTES)


@EACH_ROUTE
def test_a_road_is_in_its_region(route: Route) -> None:
    south, north, west, east = BOXES_DEG[route.region]

    assert south < route.latitude_deg.min() <= route.latitude_deg.max() < north
    assert west < route.longitude_deg.min() <= route.longitude_deg.max() < east


@EACH_ROUTE
def test_a_road_is_plausible(route: Route) -> None:
    points = points_of(route)
    steps_m = [apart_m(*pair) for pair in pairwise(points)]

    assert 20_000 < route.length_m < 60_000
    assert 1 < route.length_m / apart_m(points[0], points[-1]) < 1.6
    assert min(steps_m) > 0
    assert max(steps_m) < 9_000
    assert route.distance_m == pytest.approx(np.cumsum([0, *steps_m]), rel=1e-12)
    assert len(set(points)) == len(points)


def test_points_are_close_together_for_a_graph_of_junctions() -> None:
    steps_m = np.concatenate([np.diff(route.distance_m) for route in ROUTES])

    assert len(steps_m) > 900
    assert np.median(steps_m) < 500


@pytest.mark.parametrize("name", PLACES_DEG)
def test_a_road_ends_near_the_places_that_it_names(name: str) -> None:
    ends = [
        end
        for route in ROUTES
        for place, end in ((route.from_place, points_of(route)[0]), (route.to_place, points_of(route)[-1]))
        if place == name
    ]

    assert ends
    assert all(apart_m(PLACES_DEG[name], end) < 2_000 for end in ends)


@EACH_ROUTE
def test_a_car_is_at_the_points_after_their_distances_there_and_back(route: Route) -> None:
    there, back = route.at(route.distance_m), route.at(2 * route.length_m - route.distance_m)

    for positions in (there, back):
        assert positions.latitude_deg == pytest.approx(route.latitude_deg)
        assert positions.longitude_deg == pytest.approx(route.longitude_deg)


def test_the_heading_is_that_of_the_compass() -> None:
    square = Route("square", "europe", "a", "b", np.array([50, 51, 51, 50.0]), np.array([8, 8, 9.0, 9]))
    half_ways_m = (square.distance_m[:-1] + square.distance_m[1:]) / 2

    assert square.at(half_ways_m).heading_deg == pytest.approx([0, 90, 180], abs=0.5)
    assert square.at(2 * square.length_m - half_ways_m).heading_deg == pytest.approx([180, 270, 0], abs=0.5)
    assert square.at(half_ways_m).latitude_deg == pytest.approx([50.5, 51, 50.5])


@given(ROUTE, DISTANCE_M, st.floats(0, 10_000))
def test_a_car_never_jumps(route: Route, from_m: float, driven_m: float) -> None:
    one, other = place_at(route, from_m), place_at(route, from_m + driven_m)

    assert apart_m(one[:2], other[:2]) <= driven_m * (1 + 1e-3) + 1e-3


@given(ROUTE, DISTANCE_M)
def test_a_car_moves_where_it_heads(route: Route, from_m: float) -> None:
    ahead_m = 1.0
    latitude_deg, longitude_deg, heading_deg = place_at(route, from_m)
    there = place_at(route, from_m + ahead_m)
    if there[2] != heading_deg:
        return  # a bend or an end of the road is between
    north = there[0] - latitude_deg
    east = (there[1] - longitude_deg) * np.cos(np.radians(latitude_deg))

    assert degrees_between(float(np.degrees(np.arctan2(east, north))), heading_deg) < 0.2
    assert 0 <= heading_deg < 360


@given(ROUTE, DISTANCE_M)
def test_after_there_and_back_a_car_is_where_it_was(route: Route, distance_m: float) -> None:
    now, later = place_at(route, distance_m), place_at(route, distance_m + 2 * route.length_m)

    assert apart_m(now[:2], later[:2]) < 1e-3


@given(ROUTE, st.lists(DISTANCE_M, max_size=20))
def test_many_cars_at_once_are_where_each_is_alone(route: Route, distances_m: list[float]) -> None:
    together = route.at(np.array(distances_m, np.float64))

    assert list(zip(*(column.tolist() for column in together), strict=True)) == [
        place_at(route, distance_m) for distance_m in distances_m
    ]


def test_nobody_can_change_a_road() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ROUTES[0].distance_m[0] = 1


def test_loading_takes_no_time() -> None:
    def load_s() -> float:
        started_s = perf_counter()
        load_routes()
        return perf_counter() - started_s

    assert min(load_s() for _ in range(5)) < 0.020
