"""Each limit on what may be named at once is met by one more than that, and not by as many."""

import json
from typing import Any

import pytest

from adapters.graphql.navigation import POINTS_MAX
from adapters.graphql.query import FILTER_VALUES_MAX, VINS_MAX
from adapters.graphql.vehicle import PATHS_MAX
from domain.paths import SPEED
from tests.support.twins import Car, World, full_car, memory_world, vin_of

VINS = [Car(number).vin for number in range(1, VINS_MAX + 2)]
VALUES = [f"value {number}" for number in range(FILTER_VALUES_MAX + 1)]
PAGE = "vehicles(first: 1, filter: {{ {} }}) {{ edges {{ cursor }} }}"
COUNT = "fleet(filter: {{ {} }}) {{ vehicles }}"
OF_CAR = f'vehicle(vin: "{vin_of(1)}")'

TRACK = (
    OF_CAR
    + " {{ navigation {{ trips(first: 1) {{ edges {{ node {{ track(maxPoints: {}) {{ pointCount }} }} }} }} }} }}"
)


@pytest.fixture(scope="module")
def world() -> World:
    return memory_world(full_car(1))


def listed(values: list[str]) -> str:
    return json.dumps(values)


def of_filter(name: str, values: list[str], root: str = PAGE) -> list[str]:
    """Return what names as many values as may be named, and what names one more."""
    return [root.format(f"{name}: {listed(some)}") for some in (values[:-1], values)]


def errors(world: World, root: str) -> list[Any]:
    found: list[Any] = world.api.execute(f"{{ {root} }}").get("errors", [])
    return found


@pytest.mark.parametrize(
    ("allowed", "refused", "said", "remedy"),
    [
        (*of_filter("vins", VINS), "filter.vins: 101 values are too many", "give at most 100"),
        (*of_filter("vins", VINS, COUNT), "filter.vins: 101 values are too many", "give at most 100"),
        (*of_filter("brands", VALUES), "filter.brands: 1001 values are too many", "give at most 1000"),
        (*of_filter("models", VALUES), "filter.models: 1001 values", "give at most 1000"),
        (*of_filter("troubleCodes", VALUES), "filter.troubleCodes: 1001 values", "give at most 1000"),
        (*of_filter("warnings", VALUES), "filter.warnings: 1001 values", "give at most 1000"),
        (
            f"{OF_CAR} {{ signals(paths: {listed([SPEED] * PATHS_MAX)}) {{ path }} }}",
            f"{OF_CAR} {{ signals(paths: {listed([SPEED] * (PATHS_MAX + 1))}) {{ path }} }}",
            "1001",
            "name at most 1000",
        ),
        (
            TRACK.format(POINTS_MAX),
            TRACK.format(POINTS_MAX + 1),
            "a track of 10001 points",
            "1 to 10000",
        ),
    ],
)
def test_one_more_than_is_allowed_is_refused(world: World, allowed: str, refused: str, said: str, remedy: str) -> None:
    assert errors(world, allowed) == []
    (error,) = errors(world, refused)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert said in error["message"]
    assert remedy in error["extensions"]["remedy"]
