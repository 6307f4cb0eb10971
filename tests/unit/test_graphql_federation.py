"""What a router of Apollo Federation 2 asks for: the subgraph, and vehicles by their keys."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from adapters.access import Access, Scope
from adapters.event_log import DirectoryEntry
from adapters.graphql.federation import ENTITIES_MAX, LINK, subgraph_sdl
from adapters.graphql.ids import event_id_of, vehicle_id_of
from adapters.graphql.sdl import text
from adapters.memory.twin_reader import MemoryTwinReader
from tests.support.twins import Car, World, full_car, memory_world

ENTITIES = """query ($keys: [_Any!]!) { _entities(representations: $keys) {
    __typename ... on Vehicle { vin navigation { speed { value status } } diagnostics { odometer { value } } } } }"""
CARS = [full_car(1, brand="Audi"), full_car(2, brand="Skoda"), full_car(3, brand="Audi")]


@pytest.fixture(scope="module")
def world() -> World:
    return memory_world(*CARS)


def by_id(car: Car) -> dict[str, Any]:
    return {"__typename": "Vehicle", "id": vehicle_id_of(car.id)}


def by_vin(car: Car) -> dict[str, Any]:
    return {"__typename": "Vehicle", "vin": car.vin}


def vins(data: Any) -> list[str | None]:
    return [each and each["vin"] for each in data["_entities"]]


def test_the_subgraph_is_the_schema_with_keys_and_without_what_only_a_router_asks(world: World) -> None:
    sdl = world.ask("{ _service { sdl } }")["_service"]["sdl"]
    assert sdl == subgraph_sdl(text())
    assert sdl.startswith(LINK)
    assert 'type Vehicle implements Node @key(fields: "id") @key(fields: "vin") {' in sdl
    assert "type PageInfo @shareable {" in sdl
    assert not any(name in sdl for name in ("_service", "_entities", "_Any", "_Entity", "_Service"))


def test_vehicles_are_found_by_either_key_in_the_order_of_the_keys(world: World) -> None:
    both = {**by_id(CARS[0]), "vin": CARS[0].vin.lower()}
    data = world.ask(ENTITIES, keys=[by_vin(CARS[2]), by_id(CARS[0]), both, by_id(CARS[0])])
    assert vins(data) == [CARS[2].vin, CARS[0].vin, CARS[0].vin, CARS[0].vin]
    assert {each["__typename"] for each in data["_entities"]} == {"Vehicle"}
    assert data["_entities"][0]["diagnostics"]["odometer"]["value"] == 26_998_000.0


def test_an_unknown_vehicle_is_null(world: World) -> None:
    other = {**by_id(CARS[0]), "vin": CARS[1].vin}  # of two vehicles
    keys = [by_id(Car(777)), by_vin(CARS[1]), by_vin(Car(777)), other]
    assert vins(world.ask(ENTITIES, keys=keys)) == [None, CARS[1].vin, None, None]
    assert world.ask(ENTITIES, keys=[]) == {"_entities": []}


def test_a_foreign_vehicle_is_null_and_what_the_token_may_not_read_is_forbidden(world: World) -> None:
    access = Access("app", "app", frozenset({"Audi"}), frozenset({Scope.DIAGNOSTICS_READ}))
    keys = [by_id(CARS[1]), by_vin(CARS[1]), by_id(CARS[0])]
    foreign, foreign_too, own = world.api.answer(ENTITIES, {"keys": keys}, access=access).body["data"]["_entities"]
    assert foreign is foreign_too is None
    assert own["navigation"]["speed"] == {"value": None, "status": "FORBIDDEN"}


def test_what_is_shown_of_places_is_on_record() -> None:
    twins = memory_world(*(full_car(number, brand="Audi") for number in (1, 2)))
    access = Access("app", "app", frozenset({"Audi"}), frozenset(Scope))
    document = ENTITIES.replace("speed {", "latitude {")
    twins.api.answer(document, {"keys": [by_id(CARS[0])]}, access=access)
    assert isinstance(twins.twins, MemoryTwinReader)
    (record,) = twins.twins.records
    assert dict(record.fields) == {CARS[0].id: {"Vehicle.CurrentLocation.Latitude"}}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("x", "no representation of a Vehicle"),
        (None, "null"),
        ({"id": vehicle_id_of(CARS[0].id)}, "no representation of a Vehicle"),
        ({"__typename": "Trip", "id": "x"}, "no representation of a Vehicle"),
        ({"__typename": "Vehicle"}, "no key of a Vehicle"),
        ({"__typename": "Vehicle", "vin": None}, "no key of a Vehicle"),
        ({"__typename": "Vehicle", "id": 7}, "no key of a Vehicle"),
        ({"__typename": "Vehicle", "id": "x"}, "no id of this API"),
        ({"__typename": "Vehicle", "id": event_id_of(CARS[0].id, 1)}, "another kind (event)"),
        ({"__typename": "Vehicle", "vin": "x"}, "a VIN has 17 characters"),
    ],
)
def test_a_wrong_key_is_an_error_of_its_own_and_the_others_are_answered(world: World, key: Any, said: str) -> None:
    answer = world.api.execute(ENTITIES, {"keys": [by_id(CARS[1]), key]})
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert said in error["message"]
    if key is not None:
        assert error["path"] == ["_entities", 1]
        assert vins(answer["data"]) == [CARS[1].vin, None]


def test_a_router_may_name_so_many_and_no_more(world: World) -> None:
    assert len(world.ask(ENTITIES, keys=[by_id(CARS[0])] * ENTITIES_MAX)["_entities"]) == ENTITIES_MAX
    error = world.refused(ENTITIES, keys=[by_id(CARS[0])] * (ENTITIES_MAX + 1))
    assert (error["extensions"]["code"], error["path"]) == ("BAD_USER_INPUT", ["_entities"])


def test_all_are_found_by_one_question(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Sequence[UUID], Sequence[str]]] = []
    named = MemoryTwinReader.vehicles_named

    def counted(self: Any, ids: Sequence[UUID], vins: Sequence[str]) -> Sequence[DirectoryEntry]:
        asked.append((ids, vins))
        return named(self, ids, vins)

    monkeypatch.setattr(MemoryTwinReader, "vehicles_named", counted)
    world.ask(ENTITIES, keys=[by_id(CARS[0]), by_vin(CARS[1]), by_id(CARS[2])])
    assert asked == [(sorted([CARS[0].id, CARS[2].id]), [CARS[1].vin])]
