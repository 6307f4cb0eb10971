"""Whatever two brands ask, neither answer has anything of the other's vehicles (differential test over PostgreSQL)."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.access import Access, Scope
from adapters.clock import iso_time
from adapters.graphql.ids import cursor_of, event_id_of, trip_id_of, vehicle_id_of
from adapters.graphql.schema import CORE_SCHEMA
from domain import paths
from domain.units import Micros
from tests.support.databases import database, server
from tests.support.operated import Operated
from tests.support.twins import SECOND, T0, Car, World, full_car, memory_world, postgres_world

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
FILTERS = st.sampled_from(
    [
        "",
        ", filter: { hasTroubleCode: true }",
        ', filter: { brands: ["Audi", "Skoda"] }',
        ', filter: { brands: ["Skoda"] }',
        ", filter: { regions: [EUROPE, ASIA] }",
        f", filter: {{ vins: {json.dumps([car.vin for car in CARS])} }}",
        f', filter: {{ lastSeenAfter: "{iso_time(Micros(T0))}" }}',
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


def answers(world: World, document: str) -> list[Any]:
    found = []
    for brand in BRANDS:
        access = Access("client", "subject", frozenset({brand}), frozenset(Scope), audited=False)
        found.append(world.api.answer(document, access=access).body)
    return found


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
