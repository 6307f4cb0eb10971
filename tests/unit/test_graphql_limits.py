"""Each limit on what may be named at once is met by one more than that, and not by as many."""

import json
from typing import Any

import pytest

from adapters.access import OPERATOR
from adapters.graphql import scopes
from adapters.graphql.compiled import CompiledDocuments
from adapters.graphql.ending import Ending
from adapters.graphql.execution import TIME_IS_UP
from adapters.graphql.lookahead import kept_summary
from adapters.graphql.navigation import POINTS_MAX
from adapters.graphql.query import FILTER_VALUES_MAX, VINS_MAX
from adapters.graphql.vehicle import PATHS_MAX, Region
from domain.errors import UnknownSignalError
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


def of_regions(root: str) -> list[str]:
    """Return the same of regions, which are no texts."""
    counts = (FILTER_VALUES_MAX, FILTER_VALUES_MAX + 1)
    return [root.format(f"regions: [{' '.join([Region.EUROPE.name] * count)}]") for count in counts]


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
        (*of_regions(PAGE), "filter.regions: 1001 values", "give at most 1000"),
        (*of_regions(COUNT), "filter.regions: 1001 values", "give at most 1000"),
        (*of_filter("troubleCodes", ["P0D59"] * len(VALUES)), "filter.troubleCodes: 1001 values", "give at most 1000"),
        (*of_filter("warnings", ["FUEL_LEVEL_LOW"] * len(VALUES)), "filter.warnings: 1001 values", "give at most 1000"),
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


# --- what a request may take, and what is kept of it ------------------------------------------------------------------


def test_no_signal_is_looked_for_when_the_time_of_a_request_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many fields a document has that tell of no signal, and so read nothing that could be cancelled."""
    ending, asked = Ending(), []

    def fact(_: Any, path: str, *, where: str) -> Any:
        asked.append(path)
        ending.ended = True
        raise UnknownSignalError(path, where=where, remedy="")

    monkeypatch.setattr(type(world.api.catalogue), "fact", fact)
    fields = " ".join(f's{number}: signal(path: "Vehicle.X{number}") {{ path }}' for number in range(50))
    answer = world.api.answer(f"{{ {OF_CAR} {{ {fields} }} }}", access=OPERATOR, ending=ending)
    assert (len(asked), answer) == (1, TIME_IS_UP)


def test_no_long_path_is_remembered(world: World) -> None:
    scopes.of_kept_path.cache_clear()
    for path in ("Vehicle." + "x" * scopes.KEPT_CHARACTERS_MAX, "Vehicle.Short"):
        world.api.execute(f'{{ {OF_CAR} {{ signal(path: "{path}") {{ path }} }} }}')
    assert scopes.of_kept_path.cache_info().currsize == 1


def test_of_a_long_document_no_summary_is_kept(world: World) -> None:
    kept_summary.cache_clear()
    for end in ("", f"# {'x' * 10_000}"):
        world.api.execute(f"{{ {OF_CAR} {{ vin }} fleet {{ vehicles }} }} {end}")
    assert kept_summary.cache_info().currsize == 1


def test_nothing_is_made_or_kept_of_a_document_with_long_values_or_a_long_name(world: World) -> None:
    reads: Any = None
    documents = CompiledDocuments(world.api, reads)
    document = f"query($p: [String!]) {{ {OF_CAR} {{ vin signals(paths: $p) {{ status }} }} }}"
    for long in ("x", "x" * 2_000, "y" * 2_000):
        for _ in range(2):
            documents.learn(document, {"p": [long]}, None, access=OPERATOR)
    documents.learn(document, {}, "N" * 10_000, access=OPERATOR)
    ((_, known),) = documents._known.items()  # nothing else tells what is kept
    assert known is not None
    assert len(known.variants) == 1
