"""Compiled documents answer as ordinary execution does: data, extensions, costs and what goes on record."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from adapters.access import DEVELOPMENT, Access, Scope
from adapters.graphql.budgets import Budgets
from adapters.graphql.compiled import CompiledDocuments
from adapters.graphql.execution import Api
from adapters.graphql.ids import cursor_of, vehicle_id_of
from adapters.graphql.schema import CORE_SCHEMA
from adapters.postgres.whole_reader import PostgresWholeReads
from domain import paths
from tests.support.databases import database, server
from tests.support.twins import SECOND, T0, Car, World, full_car, postgres_world

__all__ = ["database", "server"]

BRANDS = ("Audi", "Skoda")
POINTS = 100_000
LONG_AFTER = T0 + 3 * 3600 * SECOND


def odd_car(number: int) -> Car:
    """Return a car whose values are each unusual in another way."""
    car = Car(number, brand="Audi", model=None)
    car.sample(
        T0,
        {
            paths.SPEED: "fast",
            paths.LATITUDE: 52.5,
            paths.HEADING: True,
            paths.ODOMETER: 2**60 + 1,
            paths.FUEL_LEVEL: 5,
            paths.MEDIA_TITLE: 'q"\\\n\u2028 % %s',
            paths.MEDIA_VOLUME: 20.5,
            paths.LOW_VOLTAGE_SYSTEM_STATE: "UNDEFINED",
            "Vehicle.Powertrain.Range": -0.0,
            "Vehicle.Exterior.AirTemperature": 1e22,
        },
    )
    car.sample(T0, {paths.ALTITUDE: 5.0, paths.MEDIA_ARTIST: "x"}, quality=1)
    car.sample(T0, {paths.LONGITUDE: 13.0, paths.MEDIA_ALBUM: "x"}, quality=2)
    car.trip(1, T0 + 60 * SECOND, ended=False)
    car.sample(LONG_AFTER, {paths.COOLANT_TEMPERATURE: 90.5, paths.MEDIA_SOURCE: "DAB"})
    return car


CARS = [*(full_car(number, brand=BRANDS[number % 2]) for number in range(1, 5)), odd_car(5), Car(6, brand="Skoda")]


class Both(NamedTuple):
    """The same twins, asked in both ways, and what each has put on record."""

    world: World
    conninfo: str


@pytest.fixture(scope="module")
def both(database: str) -> Iterator[Both]:
    with postgres_world(database, *CARS) as world:
        yield Both(world, database)


# --- documents --------------------------------------------------------------------------------------------------------

UNCOMPILED = {
    "events",
    "trips",
    "playHistory",
    "chargingSessions",
    "signals",
    "decommissionedAt",
    "delivered",
    "freezeFrame",
    "track",
}
ARGUMENTS = {
    "signal": ['(path: "Vehicle.Exterior.AirTemperature")', f'(path: "{paths.MEDIA_TITLE}")', "(path: $path)"],
    "troubleCodes": ["", "(held: true)", "(active: $yes)", "(held: false, active: null)"],
    "warnings": ["", "(raised: $yes)", "(raised: false)"],
}
DIRECTIVES = ["", "", "", " @include(if: $yes)", " @skip(if: $yes)", " @skip(if: false)"]


def fields_of(type_name: str, depth: int) -> list[str]:
    kind: Any = CORE_SCHEMA.type_map[type_name]
    return [
        name for name, field in kind.fields.items() if name not in UNCOMPILED and (depth > 1 or not _has_fields(field))
    ]


def _has_fields(field: Any) -> bool:
    return isinstance(get_named_type(field.type), GraphQLObjectType | GraphQLInterfaceType)


@st.composite
def selection(draw: st.DrawFn, type_name: str, depth: int) -> str:
    """Draw some fields of a type, as they are, renamed, in fragments, or not at all."""
    kind: Any = CORE_SCHEMA.type_map[type_name]
    parts = [draw(st.sampled_from(["__typename", "kind: __typename"]))]
    for name in draw(st.lists(st.sampled_from(fields_of(type_name, depth)), min_size=1, max_size=6)):
        field = kind.fields[name]
        arguments = draw(st.sampled_from(ARGUMENTS.get(name, [""])))
        alias = f"a{len(parts)}: " if arguments or draw(st.booleans()) else ""
        part = f"{alias}{name}{arguments}{draw(st.sampled_from(DIRECTIVES))}"
        if _has_fields(field):
            inner = get_named_type(field.type).name
            part += f" {{ {draw(selection(inner, depth - 1))} }}"
        around = draw(st.sampled_from(["%s", "%s", "... { %s }", f"... on {type_name} @include(if: $yes) {{ %s }}"]))
        parts.append(around % part)
    if type_name == "Vehicle":
        parts.append(draw(st.sampled_from(["", "...OfVehicle", "... on Node { id }"])))
    if type_name.endswith("Value"):
        parts.append(draw(st.sampled_from(["", "...OfValue", "... on MeasuredValue { reason }"])))
    return " ".join(parts)


class Question(NamedTuple):
    """A document and its variables."""

    document: str
    variables: dict[str, Any]


@st.composite
def questions(draw: st.DrawFn) -> Question:
    car = draw(st.sampled_from([*CARS, Car(777)]))
    roots = {
        "vehicle": [f'(vin: "{car.vin}")', "(vin: $vin)", "(id: $id)", f'(id: "{vehicle_id_of(car.id)}", vin: null)'],
        "vehicles": ["(first: 3)", "(first: $first, after: $after)", "(first: 2, after: null, filter: null)"],
    }
    name = draw(st.sampled_from(sorted(roots)))
    inner = draw(selection("Vehicle", 4))
    if name == "vehicles":
        inner = (
            f"edges {{ cursor node {{ {inner} }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}"
        )
    root = f"{name}{draw(st.sampled_from(roots[name]))} {{ {inner} }}"
    more = draw(st.sampled_from(["", "__typename", "more: vehicle(id: $id) { vin }"]))
    document = (
        "query ($vin: String, $id: ID, $first: Int = 2, $after: String, $yes: Boolean!, $path: String!)"
        f" {{ used: __typename @skip(if: $yes) {root} {more}"
        " unused: vehicle(vin: $vin, id: $id) @include(if: false) { ...Used }"
        " others: vehicles(first: $first, after: $after) @include(if: false) { pageInfo { endCursor } } }"
        " fragment Used on Vehicle { ...OfVehicle signal(path: $path) { ...OfValue }"
        " ... on Vehicle @include(if: $yes) { id } }"
        " fragment OfVehicle on Vehicle { vin navigation { location { status longitude } } }"
        " fragment OfValue on MeasuredValue { unit eventId position receivedAt }"
    )
    variables: dict[str, Any] = {
        "vin": car.vin,
        "id": vehicle_id_of(car.id),
        "yes": draw(st.booleans()),
        "path": draw(st.sampled_from([paths.SPEED, "Vehicle.Cabin.DoorCount", "Vehicle.Powertrain.Range"])),
    }
    if draw(st.booleans()):
        variables["first"] = draw(st.sampled_from([1, 4, 100]))
    if draw(st.booleans()):
        variables["after"] = draw(st.sampled_from([None, cursor_of("vehicles", car.id)]))
    return Question(document, variables)


ACCESS = st.builds(
    Access,
    st.just("client"),
    st.just("subject"),
    st.sampled_from([None, frozenset({"Audi"}), frozenset(BRANDS)]),
    st.frozensets(st.sampled_from(sorted(Scope))),
    audited=st.booleans(),
    metered=st.booleans(),
)


# --- the two ways -----------------------------------------------------------------------------------------------------


def ordinary(both: Both, question: Question, access: Access) -> tuple[Any, Any]:
    """Return the answer of ordinary execution, and what it has put on record."""
    request_id = uuid4()
    api = Api(both.world.twins, both.world.api.catalogue, both.world.api.decode, Budgets(POINTS, 1, lambda: 0.0))
    answer = api.answer(question.document, question.variables, None, access=access, request_id=request_id)
    return answer.body, on_record(both.conninfo, request_id)


def compiled(both: Both, question: Question, access: Access) -> tuple[Any, Any] | None:
    """Return the answer of what was made of a document, and what it has put on record; None: nothing was made."""
    request_id = uuid4()

    async def answer() -> bytes | None:
        api = Api(both.world.twins, both.world.api.catalogue, both.world.api.decode, Budgets(POINTS, 1, lambda: 0.0))
        documents = CompiledDocuments(api, PostgresWholeReads(both.conninfo))
        try:
            for _ in range(2):
                documents.learn(question.document, question.variables, None, access=access)
            return await documents.answer(
                question.document, question.variables, None, access=access, request_id=request_id
            )
        finally:
            await documents.close()

    body = asyncio.run(answer())
    return None if body is None else (json.loads(body), on_record(both.conninfo, request_id))


def on_record(conninfo: str, request_id: UUID) -> list[Any]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "SELECT client, subject, unnest(vehicle_ids), fields FROM access_records WHERE request_id = %s ORDER BY 3",
            [request_id],
        ).fetchall()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(question=questions(), access=ACCESS)
def test_a_compiled_document_answers_as_ordinary_execution_does(both: Both, question: Question, access: Access) -> None:
    found = compiled(both, question, access)
    expected = ordinary(both, question, access)
    event("compiled" if found else "left to ordinary execution")
    if found is None:
        assert "errors" in expected[0] or "more:" in question.document, question
    else:
        assert found == expected, question
        assert list(found[0]["data"]) == list(expected[0]["data"])


DOCUMENT = "query ($vin: String!) { vehicle(vin: $vin) { vin navigation { speed { value } location { latitude } } } }"


def test_what_is_compiled_is_what_the_tests_say(both: Both) -> None:
    """The check itself: documents as clients send them are compiled, others are not, and the record is kept."""
    question = Question(DOCUMENT, {"vin": CARS[0].vin})
    access = DEVELOPMENT._replace(client="one")
    found = compiled(both, question, access)
    assert found is not None
    assert found[1] == [("one", access.subject, CARS[0].id, ["Vehicle.CurrentLocation", "Vehicle.Speed"])]
    for other in (
        "{ status { logPosition } }",
        f'{{ vehicle(vin: "{CARS[0].vin}") {{ events(first: 1) {{ edges {{ cursor }} }} }} }}',
        f'{{ vehicle(vin: "{CARS[0].vin}", asOf: "2026-02-03T00:00:00Z") {{ vin }} }}',
        "{ vehicles(first: 1, filter: { hasTroubleCode: true }) { edges { cursor } } }",
        "{ vehicles(first: 101) { edges { cursor } } }",
        "{ vehicles(first: 1, orderBy: { field: BRAND }) { edges { cursor } } }",
        "{ vehicles(first: 1, atLeast: 1) { edges { cursor } } }",
        f'{{ vehicle(vin: "{CARS[0].vin}", atLeast: 1) {{ vin }} }}',
        '{ vehicle(vin: "no VIN") { vin } }',
    ):
        assert compiled(both, Question(other, {}), DEVELOPMENT) is None, other
    assert compiled(both, replace_variables(question, vin=5), DEVELOPMENT) is None
    assert compiled(both, replace_variables(question, vin="\0"), DEVELOPMENT) is None


def replace_variables(question: Question, **variables: Any) -> Question:
    return question._replace(variables=variables)
