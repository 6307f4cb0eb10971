import json
import logging
import re
from typing import Any

import pytest

from adapters.access import OPERATOR
from adapters.graphql.errors import MEANINGS, ErrorCode
from adapters.graphql.execution import Api
from adapters.graphql.ids import event_id_of, vehicle_id_of
from adapters.graphql.lookahead import KEPT_CHARACTERS_MAX
from adapters.graphql.schema import CORE_SCHEMA
from domain.errors import StoreError, UnknownEventError
from tests.support.twins import CATALOGUE, CODEC, BrokenTwins, Car, World, full_car, memory_world, vin_of

VIN = vin_of(1)
EVENT = event_id_of(full_car(1).id, 1)
VEHICLE = vehicle_id_of(full_car(1).id)


def of(fields: str) -> str:
    return f'{{ vehicle(vin: "{VIN}") {{ {fields} }} }}'


@pytest.fixture(scope="module")
def world() -> World:
    return memory_world(full_car(1))


@pytest.mark.parametrize(
    ("document", "code", "message", "remedy"),
    [
        ("{", "GRAPHQL_PARSE_FAILED", "Syntax Error: Expected Name, found <EOF>.", "locations"),
        ("{ vehicle(vin: " + "[" * 5000 + " }", "GRAPHQL_PARSE_FAILED", "nested too deeply", "locations"),
        ("{ " + "a " * 10_001 + "}", "GRAPHQL_PARSE_FAILED", "more than 10000 tokens", "locations"),
        (
            "{ nothing }",
            "GRAPHQL_VALIDATION_FAILED",
            "Cannot query field 'nothing' on type 'Query'.",
            "the message names",
        ),
        (
            "{ vehicles { edges { cursor } } }",
            "GRAPHQL_VALIDATION_FAILED",
            "Argument 'Query.vehicles(first:)'",
            "the message names",
        ),
        (
            '{ vehicles(first: 1, filter: { lastSeenAfter: "2026-02-02" }) { edges { cursor } } }',
            "GRAPHQL_VALIDATION_FAILED",
            "needs its offset from UTC",
            "the message names",
        ),
        (
            "query A { status { logPosition } } query B { __typename }",
            "OPERATION_RESOLUTION_FAILURE",
            "several",
            "operationName",
        ),
        ("fragment f on Query { __typename }", "GRAPHQL_VALIDATION_FAILED", "'f' is never used", "the message names"),
        ("mutation { x }", "GRAPHQL_VALIDATION_FAILED", "Mutation", "the message names"),
        ("{ vehicle { id } }", "BAD_USER_INPUT", "neither vin nor id is given", "give exactly one of them"),
        (f'{{ vehicle(vin: "{VIN}", id: "{VEHICLE}") {{ id }} }}', "BAD_USER_INPUT", "both given", "exactly one"),
        ('{ vehicle(vin: "short") { id } }', "BAD_USER_INPUT", "a VIN has 17 characters", "17 letters and digits"),
        ('{ vehicle(id: "abc") { id } }', "BAD_USER_INPUT", "'abc' is no id of this API", "this API has returned"),
        (f'{{ vehicle(id: "{EVENT}") {{ id }} }}', "BAD_USER_INPUT", "the id of an event", "node(id:)"),
        ('{ node(id: "") { id } }', "BAD_USER_INPUT", "'' is no id", "this API has returned"),
        ("{ vehicles(first: 0) { edges { cursor } } }", "BAD_USER_INPUT", "a page of 0 vehicles", "from 1 to 100"),
        (
            "{ vehicles(first: 101) { edges { cursor } } }",
            "BAD_USER_INPUT",
            "a page of 101 vehicles",
            "after: endCursor",
        ),
        ("{ vehicles(first: -1) { edges { cursor } } }", "BAD_USER_INPUT", "a page of -1 vehicles", "from 1 to 100"),
        ('{ vehicles(first: 1, after: "x") { edges { cursor } } }', "BAD_USER_INPUT", "'x' is no cursor", "endCursor"),
        (
            of('signal(path: "Vehicle.Spede") { value }'),
            "UNKNOWN_SIGNAL",
            "Vehicle.Spede is no signal",
            "Vehicle.Speed",
        ),
        (of('signals(paths: ["x"]) { value }'), "UNKNOWN_SIGNAL", "x is no signal", ""),
        (of('signals(paths: [], prefix: "x") { value }'), "BAD_USER_INPUT", "exclude", "one of them"),
        (
            of('events(first: 9, types: ["trip"]) { edges { cursor } }'),
            "BAD_USER_INPUT",
            "'trip' is no type of event",
            "vehicle.trip",
        ),
        (
            of('events(first: 9, types: ["TripStarted"]) { edges { cursor } }'),
            "BAD_USER_INPUT",
            "",
            "did you mean vehicle.trip_started.v1?",
        ),
        (of('events(first: 9, types: ["nonsense"]) { edges { cursor } }'), "BAD_USER_INPUT", "", "leave it out"),
        (of('events(first: 9, types: [""]) { edges { cursor } }'), "BAD_USER_INPUT", "'' is no type", "leave it out"),
        (of("events(first: 1000) { edges { cursor } }"), "BAD_USER_INPUT", "a page of 1000 events", "100"),
        (
            of("navigation { trips(first: 20) { edges { node { track(maxPoints: 0) { pointCount } } } } }"),
            "BAD_USER_INPUT",
            "a track of 0 points",
            "10000",
        ),
        (
            '{ vehicles(first: 1, filter: { warnings: ["state_of_charge_low"] }) { edges { cursor } } }',
            "BAD_USER_INPUT",
            "'state_of_charge_low' is no warning",
            "STATE_OF_CHARGE_LOW",
        ),
        (
            '{ fleet(filter: { warnings: ["OIL"] }) { vehicles } }',
            "BAD_USER_INPUT",
            "'OIL' is no warning",
            "there are STATE_OF_CHARGE_LOW, FUEL_LEVEL_LOW",
        ),
        (
            '{ vehicles(first: 1, filter: { troubleCodes: ["P0D59", "P99"] }) { edges { cursor } } }',
            "BAD_USER_INPUT",
            "filter.troubleCodes: 'P99' is no trouble code",
            "three hexadecimal digits",
        ),
        (
            '{ fleet(filter: { troubleCodes: ["p0d59"] }) { vehicles } }',
            "BAD_USER_INPUT",
            "'p0d59' is no trouble code",
            "did you mean P0D59?",
        ),
        (
            '{ vehicles(first: 1, filter: { vins: ["x"] }) { edges { cursor } } }',
            "BAD_USER_INPUT",
            "17 characters",
            "17",
        ),
    ],
)
def test_an_error_says_what_is_wrong_and_what_to_do(
    world: World, document: str, code: str, message: str, remedy: str
) -> None:
    answer = world.api.execute(document)
    error = answer["errors"][0]
    assert message in error["message"]
    assert error["extensions"]["code"] == code
    assert remedy in error["extensions"]["remedy"]
    assert error["extensions"]["remedy"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "'$first' has invalid value"),
        ({"first": "1"}, "Int cannot represent non-integer value"),
        ({"first": None}, "not to be None"),
        ({"first": 1, "filter": {"lastSeenAfter": "2026-02-02T00:00:00"}}, "offset from UTC"),
        ({"first": 1, "filter": {"colour": "red"}}, "colour"),
    ],
)
def test_a_variable_that_cannot_be_is_bad_user_input(world: World, variables: dict[str, Any], message: str) -> None:
    asked = (
        "query ($first: Int!, $filter: VehicleFilter) { vehicles(first: $first, filter: $filter) { edges { cursor } } }"
    )
    answer = world.api.execute(asked, variables)
    assert "data" not in answer
    assert message in answer["errors"][0]["message"]
    assert answer["errors"][0]["extensions"] == {
        "code": "BAD_USER_INPUT",
        "remedy": "correct the value that the message names",
    }


def test_an_operation_that_is_not_there_is_named(world: World) -> None:
    (error,) = world.api.execute("query A { __typename }", operation_name="B")["errors"]
    assert error["message"] == "there is no operation 'B'"
    assert error["extensions"]["code"] == "OPERATION_RESOLUTION_FAILURE"
    assert "operationName" in error["extensions"]["remedy"]


def test_an_error_of_one_field_leaves_the_others_alone(world: World) -> None:
    answer = world.api.execute(
        f'{{ a: vehicle(vin: "x") {{ id }} b: vehicle(vin: "{VIN}") {{ vin wrong: signal(path: "x") {{ value }} }} }}'
    )
    assert answer["data"] == {"a": None, "b": {"vin": VIN, "wrong": None}}
    assert [error["path"] for error in answer["errors"]] == [["a"], ["b", "wrong"]]
    assert answer["errors"][0]["locations"] == [{"line": 1, "column": 3}]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("the password is 1234"), "INTERNAL_SERVER_ERROR"),
        (UnknownEventError("the password is 1234"), "INTERNAL_SERVER_ERROR"),
        (StoreError("the password is 1234"), "SERVICE_UNAVAILABLE"),
    ],
)
def test_what_went_wrong_inside_is_in_the_log_under_an_id_and_nowhere_else(
    error: Exception, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    api = Api(BrokenTwins(error), CATALOGUE, CODEC.decode)
    with caplog.at_level(logging.ERROR):
        answer = api.execute("{ status { logPosition } }")
    assert "1234" not in str(answer)
    (told,) = answer["errors"]
    assert told["extensions"]["code"] == code
    assert told["path"] == ["status"]
    assert answer["data"] is None
    assert told["extensions"]["id"] in caplog.text
    assert "1234" in caplog.text


def test_nothing_is_asked_of_the_store_for_a_document_that_is_refused() -> None:
    class NoTwins:
        def reading(self, _: Any = None) -> Any:
            raise AssertionError

    api = Api(NoTwins(), CATALOGUE, CODEC.decode)
    for document in ("{", "{ nothing }", "query A { __typename } query B { __typename }"):
        assert api.answer(document, access=OPERATOR).executed is False


def test_a_long_document_is_executed_but_not_kept(world: World) -> None:
    document = f"{{ status {{ logPosition }} }} # {'x' * KEPT_CHARACTERS_MAX}"
    assert world.ask(document)["status"]["logPosition"] == len(full_car(1).events)


def test_every_code_is_documented_in_the_schema() -> None:
    assert set(MEANINGS) == set(ErrorCode)
    description = CORE_SCHEMA.type_map["Query"].description or ""
    assert all(code.value in description for code in ErrorCode)


def test_a_car_that_is_not_there_is_no_error(world: World) -> None:
    assert world.api.execute(f'{{ vehicle(vin: "{Car(777).vin}") {{ id }} }}') == {"data": {"vehicle": None}}


@pytest.mark.parametrize("text", ["\0", "Au\0di", "\ud800", "\udfffx"])
@pytest.mark.parametrize(
    "document",
    [
        "query Q($v: String!) { vehicles(first: 1, filter: { brands: [$v] }) { edges { node { id } } } }",
        "query Q($v: String!) { vehicles(first: 1, filter: { models: [$v] }) { edges { node { id } } } }",
        "query Q($v: String!) { vehicles(first: 1, filter: { troubleCodes: [$v] }) { edges { node { id } } } }",
        "query Q($v: String!) { vehicles(first: 1, filter: { vins: [$v] }) { edges { node { id } } } }",
        "query Q($v: String!) { vehicles(first: 1, after: $v) { edges { node { id } } } }",
        "query Q($v: String!) { vehicle(vin: $v) { id } }",
        "query Q($v: ID!) { vehicle(id: $v) { id } }",
        "query Q($v: ID!) { node(id: $v) { id } }",
        'query Q($v: String!) { vehicle(vin: "MINE") { signals(prefix: $v) { path } } }'.replace("MINE", VIN),
        'query Q($v: String!) { vehicle(vin: "MINE") { signal(path: $v) { path } } }'.replace("MINE", VIN),
        'query Q($v: String!) { vehicle(vin: "MINE") { events(first: 9, types: [$v]) { edges { cursor } } } }'.replace(
            "MINE", VIN
        ),
    ],
)
def test_a_text_that_no_store_can_hold_is_bad_input(world: World, document: str, text: str) -> None:
    query = re.sub(r"^query Q.*?\) ", "", document)
    bodies = [world.api.execute(document, {"v": text}), world.api.execute(query.replace("$v", f'"""{text}"""'))]
    if text == "\0":
        bodies.append(world.api.execute(query.replace("$v", r'"\u0000"')))
    codes = [body["errors"][0]["extensions"]["code"] for body in bodies]
    assert set(codes) <= {"BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED"}
    assert codes[0] == "BAD_USER_INPUT"
    for body in bodies:
        json.dumps(body, ensure_ascii=False).encode()


def test_names_within_a_variable_are_texts_too(world: World) -> None:
    document = "query Q($f: VehicleFilter!) { vehicles(first: 1, filter: $f) { edges { node { id } } } }"
    for value in ({"brands": ["\0"]}, {"\ud800": 1}, {"models": "\0"}):
        body = world.api.execute(document, {"f": value})
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", body
        json.dumps(body, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("document", "variables", "operation_name"),
    [
        (f'{{ vehicle(vin: "{"x" * 5_000}") {{ id }} }}', {}, None),
        (f'{{ vehicle(vin: "{VIN}") {{ signal(path: "Vehicle.{"x" * 5_000}") {{ path }} }} }}', {}, None),
        (f"{{ {'x' * 5_000} }}", {}, None),
        ("{ status { logPosition } }", {}, "x" * 5_000),
    ],
)
def test_a_message_repeats_little_of_a_long_text(
    document: str, variables: dict[str, Any], operation_name: str | None
) -> None:
    api = memory_world(full_car(1)).api
    (error,) = api.answer(document, variables, operation_name, access=OPERATOR).body["errors"]
    assert "…" in error["message"]
    assert len(json.dumps(error)) < 1_500
