"""Whatever two brands ask, neither answer has anything of the other's vehicles (differential test over PostgreSQL)."""

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.access import Access, Scope
from adapters.clock import iso_time
from adapters.graphql.app import build_app
from adapters.graphql.caller import in_turn
from adapters.graphql.ending import REQUEST_S
from adapters.graphql.execution import Answer
from adapters.graphql.ids import cursor_of, event_id_of, trip_id_of, vehicle_id_of
from adapters.graphql.schema import CORE_SCHEMA
from adapters.graphql.streams import ServerEndingError, Stream
from domain import paths
from domain.units import Micros
from tests.support.databases import database, server
from tests.support.operated import Operated
from tests.support.twins import (
    CATALOGUE,
    CODEC,
    REGISTRY,
    SECOND,
    T0,
    Car,
    World,
    full_car,
    memory_world,
    postgres_world,
)

__all__ = ["database", "server"]

BRANDS = ("Audi", "Skoda")
DEPTH_MAX = 6
OF_CLOCKS = {"recordedAt", "projectedAt", "projectedAtIsExact"}  # of the two stores, which are not one
TRIP = 2  # each car has a trip with this number


def cars() -> list[Car]:
    """Return cars that no log has yet; each has told something that no other has."""
    made = []
    for number in range(1, 7):
        car = full_car(number, brand=BRANDS[number % 2])
        car.play(T0 + (20 + number) * 3600 * SECOND, secret(car))
        car.sample(T0 + (20 + number) * 3600 * SECOND, {"Vehicle.VehicleIdentification.VIN": secret(car)})
        made.append(car)
    return made


def operated(world: World) -> World:
    """Let a car of each brand be parked, and the API tell of it."""
    made, every = Operated(world), cars()
    made.write(*every, spoilt=[(car.id, len(car.events)) for car in every[:2]])
    world.api = made.api
    return world


def secret(car: Car) -> str:
    return f"secret of {car.vin}"


CARS = cars()


@pytest.fixture(scope="module")
def worlds(database: str) -> Iterator[tuple[World, World]]:
    with postgres_world(database) as made:
        yield operated(made), operated(memory_world())


# --- documents --------------------------------------------------------------------------------------------------------

CAR = st.sampled_from([*CARS, Car(777)])
TIMES = st.sampled_from(["", f', asOf: "{iso_time(Micros(T0 + 9 * 3600 * SECOND))}"', ", position: 100"])
OF_LISTS = st.sampled_from(["", f', asOf: "{iso_time(Micros(T0 + 9 * 3600 * SECOND))}"'])
NOWHERE = "south: -40, west: 0, north: -30, east: 30"
FILTERS = st.sampled_from(
    [
        "",
        ", filter: { hasTroubleCode: true }",
        ', filter: { brands: ["Audi", "Skoda"] }',
        ', filter: { brands: ["Skoda"] }',
        ", filter: { regions: [EUROPE, ASIA] }",
        f", filter: {{ vins: {json.dumps([car.vin for car in CARS])} }}",
        f', filter: {{ lastSeenAfter: "{iso_time(Micros(T0))}" }}',
        ", filter: { within: { south: -90, west: -180, north: 90, east: 180 } }",
        ", filter: { near: { latitude: 52.5, longitude: 13.4, distanceM: 1000000 } }",
        f", filter: {{ vins: {json.dumps([car.vin for car in CARS])}, within: {{ {NOWHERE} }} }}",
        ", filter: { stateOfCharge: { least: 1 } }",
        ', filter: { warnings: ["STATE_OF_CHARGE_LOW", "FUEL_LEVEL_LOW"] }',
        ', filter: { models: ["ID.3", "Golf"] }',
        ', filter: { troubleCodes: ["P0D59", "P0300"] }',
    ]
)
ORDERS = st.sampled_from(
    [
        "",
        *(f", orderBy: {{ field: {by}, direction: DESC }}" for by in ("VIN", "REGION", "LAST_SEEN", "STATE_OF_CHARGE")),
    ]
)
PAGES = st.sampled_from(["(first: 1)", "(first: 100)", "(first: 3, order: OLDEST_FIRST)"])
PATHS = st.sampled_from([paths.SPEED, paths.MEDIA_TITLE, "Vehicle.VehicleIdentification.VIN"])


@st.composite
def selection(draw: st.DrawFn, type_name: str, depth: int = DEPTH_MAX) -> str:
    """Draw some fields of a type, with what is in them."""
    kind: Any = CORE_SCHEMA.type_map[type_name]
    fields = [name for name, field in kind.fields.items() if (depth > 1 or _is_leaf(field)) and name not in OF_CLOCKS]
    chosen = draw(st.lists(st.sampled_from(fields), min_size=1, max_size=4, unique=True)) if fields else []
    parts = ["__typename"]
    for name in chosen:
        field = kind.fields[name]
        arguments = ""
        if name == "signal":
            arguments = f'(path: "{draw(PATHS)}")'
        elif "first" in field.args:
            arguments = draw(PAGES)
        inner: Any = get_named_type(field.type)
        parts.append(
            name + arguments if _is_leaf(field) else f"{name}{arguments} {{ {draw(selection(inner.name, depth - 1))} }}"
        )
    return " ".join(parts)


def _is_leaf(field: Any) -> bool:
    return not isinstance(get_named_type(field.type), GraphQLObjectType | GraphQLInterfaceType)


@st.composite
def root(draw: st.DrawFn) -> str:
    """Draw a root field that names vehicles of either brand in every way there is."""
    car = draw(CAR)
    name = draw(st.sampled_from(["vehicle", "vehicles", "node", "explain", "_entities", "fleet"]))
    if name == "vehicle":
        which = draw(st.sampled_from([f'vin: "{car.vin}"', f'id: "{vehicle_id_of(car.id)}"']))
        return f"vehicle({which}{draw(TIMES)}) {{ {draw(selection('Vehicle'))} }}"
    if name == "vehicles":
        times = draw(OF_LISTS)
        after = "" if times else draw(st.sampled_from(["", f', after: "{cursor_of("vehicles", car.id)}"']))
        inner = (
            f"edges {{ cursor node {{ id vin {draw(selection('Vehicle'))} }} }} pageInfo {{ endCursor hasNextPage }}"
        )
        order = "" if after else draw(ORDERS)
        return (
            f"vehicles(first: {draw(st.sampled_from([1, 2, 100]))}{after}{order}{times}{draw(FILTERS)}) {{ {inner} }}"
        )
    if name == "node":
        version = draw(st.integers(1, 30))
        ids = [vehicle_id_of(car.id), trip_id_of(car.id, trip_of(car)), event_id_of(car.id, version)]
        parts = [f"... on {kind} {{ {draw(selection(kind, 4))} }}" for kind in ("Vehicle", "Trip", "Event")]
        aliased = [
            re.sub(r"\b(data|id|position|receivedAt)\b", rf"{kind}\1: \1", part)
            for kind, part in zip("VTE", parts, strict=True)
        ]
        return f'node(id: "{draw(st.sampled_from(ids))}") {{ id {draw(st.sampled_from(aliased))} }}'
    if name == "fleet":
        chosen = draw(FILTERS).removeprefix(", ")
        return f"fleet{f'({chosen})' if chosen else ''} {{ {draw(selection('Fleet'))} }}"
    if name == "_entities":
        keys = draw(st.lists(st.sampled_from([f'id: "{vehicle_id_of(car.id)}"', f'vin: "{car.vin}"']), max_size=3))
        told = ", ".join(f'{{ __typename: "Vehicle", {key} }}' for key in keys)
        return f"_entities(representations: [{told}]) {{ ... on Vehicle {{ {draw(selection('Vehicle'))} }} }}"
    which = draw(st.sampled_from([car.vin, vehicle_id_of(car.id)]))
    return f'explain(vehicle: "{which}", path: "{draw(PATHS)}"{draw(TIMES)}) {{ {draw(selection("Explanation", 5))} }}'


@st.composite
def of_operations(draw: st.DrawFn) -> str:
    """Draw what whoever operates the platform asks, with a place in a list that any car may have."""
    after = draw(st.sampled_from(["", f', after: "{cursor_of("parked", 1, 1, draw(CAR).id)}"']))
    page = f"edges {{ cursor node {{ vehicleId {draw(selection('ParkedEvent', 4))} }} }} pageInfo {{ endCursor }}"
    parked = f"parked(first: {draw(st.sampled_from([1, 100]))}{after}) {{ {page} }}"
    versions = f"projections {{ {draw(selection('ProjectionVersion'))} }}"
    prove = draw(st.sampled_from(["", ", prove: true"]))
    rows = f'digest(projection: "media", version: 1{prove}) {{ digest told rows vehicles complete endCursor }}'
    return f"operations {{ {parked} {versions} {rows} }}"


def trip_of(car: Car) -> UUID:
    return UUID(int=(car.id.int >> 64 << 64) + TRIP)


DOCUMENTS = st.lists(root() | of_operations(), min_size=1, max_size=3).map(
    lambda roots: "{ " + " ".join(f"r{number}: {each}" for number, each in enumerate(roots)) + " }"
)


# --- what an answer tells of whom -------------------------------------------------------------------------------------


def marks(car: Car) -> list[Callable[[str], bool]]:
    """Return what tells that a text is of a car: its VIN, its id in any form, also in the bytes of an opaque text."""
    whole, digits = str(car.id), car.id.hex
    return [
        lambda text: car.vin in text,
        lambda text: whole in text or digits in text,
        lambda text: car.id.bytes in _bytes(text),
    ]


def _bytes(text: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        return b""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def told(answer: Any) -> set[str]:
    """Return the VINs of the cars that an answer tells of."""
    every = set(texts(answer))
    return {car.vin for car in CARS if any(mark(text) for mark in marks(car) for text in every)}


def of_brand(brand: str) -> set[str]:
    return {car.vin for car in CARS if car.entry.brand == brand}


def access_of(brand: str) -> Access:
    return Access("client", "subject", frozenset({brand}), frozenset(Scope), audited=False)


def answers(world: World, document: str) -> list[Any]:
    return [world.api.answer(document, access=access_of(brand)).body for brand in BRANDS]


# --- subscriptions and whole fleets -----------------------------------------------------------------------------------

STREAM_FILTERS = st.sampled_from(
    [
        "",
        ', filter: { brands: ["Audi", "Skoda"] }',
        ', filter: { brands: ["Skoda"] }',
        ', filter: { types: ["vehicle.signals_sampled.v1", "vehicle.trip_started.v1"] }',
        *(f', filter: {{ vehicles: ["{each}"] }}' for each in (CARS[0].vin, vehicle_id_of(CARS[1].id))),
    ]
)


@st.composite
def subscriptions(draw: st.DrawFn) -> str:
    """Draw a subscription to what either brand may be told of."""
    arguments = f'(after: "{cursor_of("the log", draw(st.integers(0, 40)))}"{draw(STREAM_FILTERS)})'
    if draw(st.booleans()):
        node = f"{draw(selection('Event', 4))} ofCar: vehicle {{ id {draw(selection('Vehicle', 4))} }}"
        return f"subscription {{ events{arguments} {{ cursor node {{ {node} }} }} }}"
    changes = f"{draw(selection('VehicleChange', 5))} ofCar: vehicle {{ id vin }}"
    changed = arguments.replace(")", ", perSecond: 10)")
    return f"subscription {{ vehicleChanged{changed} {{ cursor position changes {{ {changes} }} }} }}"


class _End:
    """A log to which nothing is added any more: who has read it is at the end of its stream."""

    def __init__(self, ending: asyncio.Event) -> None:
        self.ending = ending

    async def beyond(self, _: int) -> int:
        self.ending.set()
        return 0


async def streamed(world: World, document: str, access: Access, threads: ThreadPoolExecutor) -> list[Any]:
    """Return all that a subscription delivers of the log as it is."""
    found = world.api.subscribed(document, access=access)
    if isinstance(found, Answer):
        return [found.body]
    ending = asyncio.Event()
    live: Any = _End(ending)
    bodies: list[Any] = []
    with suppress(ServerEndingError):
        looking = partial(in_turn, threads, threads, REQUEST_S)
        async for delivery in Stream(found, looking, live, ending).deliveries():
            bodies.append(delivery.body)  # noqa: PERF401  # what came before the end is kept
    return bodies


def stream_answers(world: World, document: str) -> list[Any]:
    with ThreadPoolExecutor(1) as threads:
        return [asyncio.run(streamed(world, document, access_of(brand), threads)) for brand in BRANDS]


def cursors(value: Any) -> set[str]:
    """Return the cursors of what a subscription to events has delivered."""
    return {each["data"]["events"]["cursor"] for each in value if "events" in (each.get("data") or {})}


@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(document=subscriptions())
def test_no_subscription_of_a_brand_is_told_anything_of_another(worlds: tuple[World, World], document: str) -> None:
    postgres, memory = worlds
    found = stream_answers(postgres, document)
    for brand, bodies in zip(BRANDS, found, strict=True):
        codes = {error["extensions"]["code"] for each in bodies for error in each.get("errors", ())}
        assert not codes & {"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "INTERNAL_SERVER_ERROR"}, document
        assert told([each.get("data") for each in bodies]) <= of_brand(brand), document
    assert not cursors(found[0]) & cursors(found[1]), document
    assert found == stream_answers(memory, document), document


class _Porter:
    """Lets everybody in as a brand."""

    required = True
    brand = ""

    def remembered(self, _: str) -> Access:
        return access_of(self.brand)

    verify = remembered


def whole_fleet(world: World, document: str, brand: str) -> list[Any]:
    """Return the lines of a whole fleet."""
    porter = _Porter()
    porter.brand = brand
    app = build_app(world.twins, CATALOGUE, CODEC.decode, REGISTRY, doorkeeper=porter)

    async def asked() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            headers = {"accept": "application/x-ndjson", "authorization": "Bearer x"}
            return (await client.post("/graphql", json={"query": document}, headers=headers)).text

    lines = [json.loads(line) for line in asyncio.run(asked()).splitlines()]
    lines[-1].get("extensions", {}).pop("requestId", None)  # of no vehicle, and another one each time
    return lines


@settings(max_examples=40, deadline=None, suppress_health_check=[*HealthCheck])
@given(inner=selection("Vehicle"), chosen=FILTERS, times=OF_LISTS)
def test_no_whole_fleet_of_a_brand_has_anything_of_another(
    worlds: tuple[World, World], inner: str, chosen: str, times: str
) -> None:
    page = f"vehicles(first: 2, after: $after{chosen}{times})"
    fields = f"edges {{ cursor node {{ id vin {inner} }} }} pageInfo {{ hasNextPage endCursor }}"
    document = f"query ($after: String) {{ {page} {{ {fields} }} }}"
    found = [whole_fleet(worlds[0], document, brand) for brand in BRANDS]
    for brand, lines in zip(BRANDS, found, strict=True):
        assert "end" in lines[-1], document
        assert told(lines) <= of_brand(brand), document
    shown = [{line["cursor"] for line in lines[:-1]} for lines in found]
    assert not shown[0] & shown[1], document
    assert found == [whole_fleet(worlds[1], document, brand) for brand in BRANDS], document


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(document=DOCUMENTS)
def test_no_answer_to_a_brand_has_anything_of_another(worlds: tuple[World, World], document: str) -> None:
    postgres, memory = worlds
    found = answers(postgres, document)
    assert all(each["extensions"]["code"] != "GRAPHQL_PARSE_FAILED" for each in found[0].get("errors", ())), document
    for brand, answer in zip(BRANDS, found, strict=True):
        data = answer.get("data")
        assert told(data) <= of_brand(brand), document
    assert found == answers(memory, document), document


def test_what_an_answer_tells_is_seen(worlds: tuple[World, World]) -> None:
    """The check itself: the operator's answer is of both brands."""
    document = f'{{ vehicles(first: 100) {{ edges {{ cursor }} }} node(id: "{vehicle_id_of(CARS[0].id)}") {{ id }} }}'
    every = {car.vin for car in CARS}
    assert (
        told(worlds[0].api.execute(document))
        == told(worlds[0].ask("{ vehicles(first: 100) { edges { node { vin } } } }"))
        == every
    )
    titles = worlds[0].ask("{ vehicles(first: 9) { edges { node { media { title { value } } } } } }")
    assert told(titles) == every
    events = "subscription { events { cursor node { vehicle { vin } } } }"
    changes = f'subscription {{ vehicleChanged(after: "{cursor_of("the log", 0)}") {{ changes {{ vehicleId }} }} }}'
    operator = access_of("")._replace(brands=None)
    with ThreadPoolExecutor(1) as threads:
        for subscribed in (events, changes):
            assert told(asyncio.run(streamed(worlds[0], subscribed, operator, threads))) == every
    assert all(cursors(each) for each in stream_answers(worlds[0], events))
