"""Vehicles, counted: what the API says of how many there are."""

from typing import Any

import pytest

from adapters.access import Access, Scope
from adapters.fleet_counts import GROUPS_MAX
from adapters.memory.twin_reader import MemoryTwinReader
from domain import paths
from tests.support.twins import SECOND, T0, Car, World, full_car, memory_world

ALL = """query ($filter: VehicleFilter) { fleet(filter: $filter) { vehicles
    byBrand { groups { value vehicles } hasMore } byModel { groups { value vehicles } }
    byRegion { groups { value vehicles } }
    byTroubleCode { groups { value vehicles } } byWarning { groups { value vehicles } } } }"""
PLACE = {"near": {"latitude": 30.0, "longitude": 20.0, "distanceM": 1000.0}}


def cars() -> list[Car]:
    made = [full_car(1, brand="Audi"), full_car(2, brand="Skoda", model=None), Car(3, brand="Audi", maker="LSV")]
    made[0].sample(T0 + 99_999 * SECOND, {paths.LATITUDE: 30.0, paths.LONGITUDE: 20.0})
    return made


CARS = cars()


@pytest.fixture
def world() -> World:
    return memory_world(*cars())


def groups(*values: tuple[str | None, int]) -> dict[str, Any]:
    return {"groups": [{"value": value, "vehicles": vehicles} for value, vehicles in values]}


def test_all_are_counted_by_everything(world: World) -> None:
    assert world.ask(ALL)["fleet"] == {
        "vehicles": 3,
        "byBrand": {**groups(("Audi", 2), ("Skoda", 1)), "hasMore": False},
        "byModel": groups(("ID.3", 2), (None, 1)),
        "byRegion": groups(("EUROPE", 2), ("ASIA", 1)),
        "byTroubleCode": groups(("P0D59", 2)),
        "byWarning": groups(("FUEL_LEVEL_LOW", 2)),
    }
    assert world.ask(ALL, filter={"brands": ["Audi"]})["fleet"]["vehicles"] == 2


def test_a_brand_counts_its_own_and_needs_the_scope_for_what_they_tell(world: World) -> None:
    access = Access("app", "app", frozenset({"Skoda"}), frozenset({Scope.NAVIGATION_READ}))
    body = world.api.answer(ALL, access=access).body
    fleet = body["data"]["fleet"]
    assert (fleet["vehicles"], fleet["byBrand"]["groups"]) == (1, [{"value": "Skoda", "vehicles": 1}])
    assert fleet["byTroubleCode"] is fleet["byWarning"] is None
    withheld = {each["field"] for each in body["extensions"]["withheld"]}
    assert withheld == {"Fleet.byTroubleCode", "Fleet.byWarning"}
    refused = world.api.answer(ALL, {"filter": {"troubleCodes": ["P0D59"]}}, access=access).body
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_more_groups_than_are_shown_are_told() -> None:
    for count in (GROUPS_MAX, GROUPS_MAX + 1):
        world = memory_world(*(Car(number, brand=f"Brand {number:03d}") for number in range(count)))
        by_brand = world.ask("{ fleet { byBrand { hasMore groups { value } } } }")["fleet"]["byBrand"]
        assert by_brand["hasMore"] == (count > GROUPS_MAX)
        assert [each["value"] for each in by_brand["groups"]] == [f"Brand {n:03d}" for n in range(GROUPS_MAX)]


def test_what_nobody_asks_for_is_not_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    counted = MemoryTwinReader.counted
    monkeypatch.setattr(MemoryTwinReader, "counted", lambda self, *of: asked.append(of) or counted(self, *of))
    world.ask("{ fleet { vehicles byRegion { hasMore } } }")
    assert [{kind.name for kind in by} for _, by, _, _ in asked] == [{"REGION"}]


@pytest.mark.parametrize("asked", ["fleet(filter: $f) { vehicles }", "vehicles(first: 9, filter: $f) { __typename }"])
def test_who_learns_where_vehicles_are_by_choosing_them_is_on_record(world: World, asked: str) -> None:
    access = Access("app", "app", None, frozenset(Scope))
    document = f"query ($f: VehicleFilter) {{ {asked} }}"
    for chosen, expected in ((PLACE, [CARS[0].id]), ({"brands": ["Audi"]}, [])):
        assert isinstance(world.twins, MemoryTwinReader)
        world.twins.records.clear()
        world.api.answer(document, {"f": chosen}, access=access)
        assert [vehicle_id for record in world.twins.records for vehicle_id in record.fields] == expected


def test_where_vehicles_were_needs_the_scope_of_the_past(world: World) -> None:
    access = Access("app", "app", None, frozenset({Scope.NAVIGATION_READ}))
    asked = "query ($f: VehicleFilter, $t: DateTime) { vehicles(first: 9, filter: $f, knownAt: $t) { __typename } }"
    assert "errors" not in world.api.answer(asked, {"f": PLACE}, access=access).body
    body = world.api.answer(asked, {"f": PLACE, "t": "2026-02-02T02:40:00Z"}, access=access).body
    assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert "navigation:history" in body["errors"][0]["message"]
