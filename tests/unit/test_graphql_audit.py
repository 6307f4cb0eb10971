"""Whoever is shown personal data is on record for it, before they see it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import httpx
import pytest

from adapters.access import DEVELOPMENT, OPERATOR, Access, Scope
from adapters.graphql.app import build_app
from adapters.graphql.execution import Api
from adapters.graphql.ids import event_id_of, trip_id_of
from adapters.memory.twin_reader import MemoryTwinReader
from adapters.twins import PageOf
from domain import paths
from domain.errors import StoreError
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, Car, World, full_car, memory_world, vin_of

ACCESS = Access("an app", "somebody", frozenset({"Audi"}), frozenset(Scope))
REQUEST = UUID(int=7)
FIRST, SECOND, STRANGER = full_car(1), full_car(2), full_car(4)
SAMPLED = {paths.SPEED, paths.MEDIA_ARTIST, "Vehicle.CurrentLocation.Heading"}  # and more that is not personal
PLACE = "Vehicle.CurrentLocation.Latitude"


@pytest.fixture
def world() -> World:
    cars = [full_car(1, brand="Audi"), full_car(2, brand="Audi"), Car(3, brand="Audi"), full_car(4, brand="Skoda")]
    return memory_world(*cars)


def records(world: World) -> list[Any]:
    return cast("MemoryTwinReader", world.twins).records


def shown(world: World, document: str, access: Access = ACCESS, **variables: Any) -> dict[UUID, set[str]]:
    """Return what is on record for a document: nothing, or what was shown by vehicle."""
    body = world.api.answer(document, variables, access=access, request_id=REQUEST).body
    assert "errors" not in body, body["errors"]
    if not records(world):
        return {}
    (record,) = records(world)
    assert record[:3] == (REQUEST, access.client, access.subject)
    return {vehicle_id: set(fields) for vehicle_id, fields in record.fields.items()}


def of_first(selection: str) -> str:
    return f'{{ vehicle(vin: "{vin_of(1)}") {{ {selection} }} }}'


TRACKS = "navigation { trips(first: 9) { edges { node { track { pointCount } } } } }"
PLAYED = "media { title { value } playHistory(first: 9) { edges { cursor } } }"


@pytest.mark.parametrize(
    ("selection", "fields"),
    [
        ("navigation { speed { value } latitude { value } }", {paths.SPEED, PLACE}),
        ("navigation { location { latitude } }", {"Vehicle.CurrentLocation"}),
        ("navigation { destination { state } }", {"Navigation.destination"}),
        ("navigation { currentTrip { startedAt } }", {"Navigation.currentTrip"}),
        ("navigation { trips(first: 9) { edges { cursor } } }", {"Navigation.trips"}),
        (TRACKS, {"Navigation.trips", "Trip.track"}),
        (PLAYED, {paths.MEDIA_TITLE, "Media.playHistory"}),
        (f'signal(path: "{paths.SPEED}") {{ value }}', {paths.SPEED}),
        (f'signals(paths: ["{PLACE}", "Vehicle.Exterior.AirTemperature"]) {{ value }}', {PLACE}),
        ("events(first: 100) { edges { node { data } } }", {"Event.data", *SAMPLED}),
    ],
)  # fmt: skip
def test_places_trips_and_media_that_are_shown_are_on_record(world: World, selection: str, fields: set[str]) -> None:
    assert shown(world, of_first(selection)) == {FIRST.id: fields}


@pytest.mark.parametrize(
    "selection",
    [
        "id vin brand model lastSeenAt",
        "diagnostics { odometer { value } troubleCodes { code } chargingSessions(first: 20) { edges { cursor } } }",
        'signal(path: "Vehicle.Exterior.AirTemperature") { value }',
        'events(first: 100, types: ["vehicle.trouble_code_raised.v1"]) { edges { node { data } } }',
        "events(first: 100) { edges { node { type capturedAt } } }",
    ],
)
def test_what_is_not_personal_is_not(world: World, selection: str) -> None:
    assert shown(world, of_first(selection)) == {}


def test_each_vehicle_of_a_list_is_on_record_in_one_record(world: World) -> None:
    document = "{ vehicles(first: 2) { edges { node { vin media { title { value } } } } } }"
    assert len(shown(world, document)) == 2
    document = "{ vehicles(first: 100) { edges { node { vin navigation { speed { value } } } } } }"
    records(world).clear()
    found = shown(world, document)
    assert found == {car.id: {paths.SPEED} for car in (FIRST, SECOND, Car(3))}


def test_what_was_held_back_is_not_on_record(world: World) -> None:
    access = ACCESS._replace(scopes=frozenset({Scope.MEDIA_READ}))
    trips = "trips(first: 9) { edges { cursor } }"
    selection = f"navigation {{ speed {{ value }} location {{ latitude }} {trips} }} media {{ title {{ value }} }}"
    assert shown(world, of_first(selection), access) == {FIRST.id: {paths.MEDIA_TITLE}}


def test_a_vehicle_that_is_not_shown_is_not_on_record(world: World) -> None:
    assert shown(world, f'{{ vehicle(vin: "{vin_of(4)}") {{ navigation {{ speed {{ value }} }} }} }}') == {}


def test_a_path_that_nobody_has_is_not_on_record(world: World) -> None:
    document = of_first('signal(path: "Vehicle.Location.Nonsense") { value }')
    assert world.api.answer(document, access=ACCESS).body["errors"]
    assert records(world) == []


def test_nodes_and_explanations_are_on_record(world: World) -> None:
    with world.twins.reading() as read:
        (trip,) = read.trips([FIRST.id], PageOf(1))
    for document, fields in (
        (f'{{ node(id: "{trip_id_of(FIRST.id, trip.trip_id)}") {{ id }} }}', {"Query.node(Trip)"}),
        (
            f'{{ node(id: "{event_id_of(FIRST.id, 2)}") {{ ... on Event {{ data }} }} }}',
            SAMPLED,
        ),
        (f'{{ explain(vehicle: "{vin_of(1)}", path: "{paths.SPEED}") {{ value {{ value }} }} }}', {paths.SPEED}),
    ):
        records(world).clear()
        assert shown(world, document) == {FIRST.id: fields}


def test_who_asks_without_a_token_is_on_record_and_the_operator_is_not(world: World) -> None:
    document = of_first("navigation { speed { value } }")
    assert shown(world, document, DEVELOPMENT)
    records(world).clear()
    assert shown(world, document, OPERATOR) == {}


class Unwritable:
    """Twins that take no record."""

    def __init__(self, world: World) -> None:
        self._world = world

    @contextmanager
    def reading(self, brands: Any = None) -> Iterator[Any]:
        with self._world.twins.reading(brands) as read:

            def put_on_record(_: Any) -> None:
                raise StoreError("no room")

            read.put_on_record = put_on_record  # type: ignore[assignment,method-assign]
            yield read


def test_what_cannot_be_put_on_record_is_not_shown(world: World) -> None:
    api = Api(cast("Any", Unwritable(world)), CATALOGUE, CODEC.decode)
    body = api.answer(of_first("vin navigation { speed { value } }"), access=ACCESS).body
    assert body["data"] is None
    assert body["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    assert "no room" not in str(body)
    assert api.answer(of_first("vin"), access=ACCESS).body == {"data": {"vehicle": {"vin": vin_of(1)}}}


def test_the_answer_has_the_id_of_its_request(world: World) -> None:
    app = build_app(world.twins, CATALOGUE, CODEC.decode, REGISTRY)

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.post("/graphql", json={"query": of_first("navigation { speed { value } }")})

    response = asyncio.run(asked())
    assert [str(each.request_id) for each in records(world)] == [response.headers["x-request-id"]]
    assert records(world)[0].client == "development"


def test_a_trip_of_another_brand_is_neither_shown_nor_on_record(world: World) -> None:
    with world.twins.reading() as read:
        (trip,) = read.trips([STRANGER.id], PageOf(1))
    assert shown(world, f'{{ node(id: "{trip_id_of(STRANGER.id, trip.trip_id)}") {{ id }} }}') == {}


HERE = "within: { south: 40, west: 0, north: 60, east: 30 }"
ELSEWHERE = "within: { south: -40, west: 0, north: -30, east: 30 }"
CHOSEN = "Query.vehicles(filter: place)"


@pytest.mark.parametrize("order", ["", ", orderBy: { field: VIN, direction: ASC }"])
def test_the_vehicle_that_a_page_says_follows_is_on_record_for_its_place(world: World, order: str) -> None:
    document = f"{{ vehicles(first: 1{order}, filter: {{ {HERE} }}) {{ pageInfo {{ hasNextPage }} }} }}"
    assert shown(world, document) == {FIRST.id: {CHOSEN}, SECOND.id: {CHOSEN}}


@pytest.mark.parametrize("order", ["", ", orderBy: { field: VIN, direction: ASC }"])
def test_named_vehicles_that_are_not_at_a_place_are_on_record_for_it(world: World, order: str) -> None:
    vins = f'vins: ["{vin_of(1)}", "{vin_of(4)}", "{vin_of(777)}"]'
    page = f"vehicles(first: 1{order}, filter: {{ {vins}, {ELSEWHERE} }}) {{ edges {{ cursor }} }}"
    count = f"fleet(filter: {{ {vins}, {ELSEWHERE} }}) {{ vehicles }}"
    assert shown(world, f"{{ {page} }}") == {FIRST.id: {CHOSEN}}
    records(world).clear()
    assert shown(world, f"{{ {count} }}") == {FIRST.id: {"Query.fleet(filter: place)"}}
