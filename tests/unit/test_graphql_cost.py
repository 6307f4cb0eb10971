"""What queries cost, and who may spend it."""

import json
from typing import Any

import pytest
from graphql import OperationDefinitionNode, get_introspection_query, parse
from graphql.validation.rules import overlapping_fields_can_be_merged
from hypothesis import given
from hypothesis import strategies as st

from adapters.access import DEVELOPMENT, OPERATOR, Access, Scope
from adapters.config import Config
from adapters.graphql.budgets import CLIENTS_MAX, Budgets
from adapters.graphql.checking import CHECKED, COMPARISONS_MAX, check
from adapters.graphql.cost import (
    ALIASES_MAX,
    DEPTH_MAX,
    FRAGMENTS_MAX,
    OPERATIONS_MAX,
    REPEATED_MAX,
    WRITTEN_FIELDS_MAX,
    Price,
    points_of,
    price,
)
from adapters.graphql.errors import ERRORS_MAX
from adapters.graphql.execution import CHARACTERS_A_POINT, Answer, Api
from adapters.graphql.http import JSON, respond
from adapters.graphql.lookahead import KEPT_CHARACTERS_MAX
from adapters.graphql.schema import CORE_SCHEMA
from tests.support.twins import CATALOGUE, CODEC, full_car, memory_world

CAR = full_car(1)
TWINS = memory_world(CAR).twins
ALL = frozenset(Scope)
BRAND = Access("app", "app", None, ALL)
OTHER = Access("other app", "app", None, ALL)


def priced(document: str, **variables: Any) -> Price:
    parsed = parse(document)
    (operation,) = (each for each in parsed.definitions if isinstance(each, OperationDefinitionNode))
    return price(CORE_SCHEMA, parsed, operation, variables)


def api(maximum: int, now_s: list[float] | None = None, restored: int = 10) -> Api:
    clock = now_s or [0.0]
    return Api(TWINS, CATALOGUE, CODEC.decode, Budgets(maximum, restored, lambda: clock[0]))


def ask(of: Api, document: str, access: Access = BRAND, **variables: Any) -> Answer:
    return of.answer(document, variables, access=access)


def cost_of(answer: Answer) -> Any:
    return answer.body["extensions"]["cost"]


def error_of(answer: Answer) -> Any:
    (error,) = answer.body["errors"]
    return error["extensions"]["code"], error["message"]


# --- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "points"),
    [
        ("{ status { __typename } }", 1),
        ('{ vehicle(vin: "x") { vin navigation { speed { value } } } }', 3),
        # the connection, 50 times an edge and a vehicle, and the page info
        ("{ vehicles(first: 50) { edges { node { vin } } pageInfo { endCursor } } }", 102),
        ("query ($n: Int = 7) { vehicles(first: $n) { edges { node { vin } } } }", 15),
        ("{ vehicles(first: 50) { ...page } } fragment page on VehicleConnection { edges { node { vin } } }", 101),
        ("{ vehicles(first: 50) { ... { edges { node { vin } } } } }", 101),
        ("{ vehicles(first: 50) { edges { node { ... on Vehicle { media { __typename } } } } } }", 151),
        ('{ vehicle(vin: "x", asOf: "2026-01-01T00:00:00Z") { vin } }', 11),
        ('{ vehicles(first: 50, knownAt: "2026-01-01T00:00:00Z") { edges { node { vin } } } }', 601),
        ('{ vehicle(vin: "x", asOf: null) { vin } }', 1),
        ('{ vehicle(vin: "x") { signals(paths: ["a", "b"]) { value } } }', 3),
        ('query ($p: [String!]) { vehicle(vin: "x") { signals(paths: $p) { value } } }', 51),
        ('{ vehicle(vin: "x") { signals { value } } }', 51),
        ('{ vehicle(vin: "x") { navigation { currentTrip { track(maxPoints: 100) { points { speed } } } } } }', 14),
        ("{ vehicles(first: 50, orderBy: { field: LAST_SEEN }) { edges { node { vin } } } }", 111),
        ("query ($f: VehicleOrderField! = VIN) { vehicles(first: 1, orderBy: { field: $f }) { __typename } }", 11),
        ('{ vehicles(first: 1, orderBy: { field: VIN }, asOf: "2026-01-01T00:00:00Z") { __typename } }', 21),
        ('{ vehicles(first: 1, orderBy: { field: LAST_SEEN }, asOf: "2026-01-01T00:00:00Z") { __typename } }', 5011),
        ("{ vehicles(first: 50, orderBy: null) { edges { node { vin } } } }", 101),
        ("{ fleet { vehicles } }", 101),
        ("{ fleet { byBrand { groups { value } } byWarning { hasMore } } }", 203),
        ('{ vehicle(vin: "x") { delivered { signals { path } } } }', 302),
        ("{ _service { sdl } }", 1),
        ('{ _entities(representations: [{vin: "x"}, {vin: "y"}]) { ... on Vehicle { media { __typename } } } }', 4),
        ("{ __schema { types { name fields { name } } } }", 3.1),
        ("{ status { __typename } __typename }", 1),
        ('{ vehicle(vin: "x") { navigation { currentTrip { track { points { speed } } } } } }', 104),
        # a variable that has no value: as if the argument were not written
        (
            (
                "query ($n: Int) { "
                'vehicle(vin: "x") { navigation { currentTrip { track(maxPoints: $n) { points { speed } } } } } }'
            ),
            104,
        ),
        ("{ a: status { __typename } b: status { __typename } }", 2),
        # refused when it is executed: a page of so many cannot be
        ("{ vehicles(first: 100000000000000000000000) { edges { node { vin } } } }", 3),
    ],
)
def test_what_a_query_may_cost(document: str, points: float) -> None:
    assert priced(document).points == points


def test_variables_say_how_much_is_asked_for() -> None:
    page = "query ($n: Int!, $p: [String!]) { vehicles(first: $n) { edges { node { signals(paths: $p) { value } } } } }"
    assert priced(page, n=10, p=["a", "b", "c"]).points == 1 + 10 * (2 + 3)


@pytest.mark.parametrize(("by", "points"), [("STATE_OF_CHARGE", 5_011), ("BRAND", 21)])
def test_an_order_is_paid_for_however_it_is_given(by: str, points: float) -> None:
    whole = "query ($o: VehicleOrder, $t: DateTime) { vehicles(first: 1, orderBy: $o, knownAt: $t) { __typename } }"
    assert priced(whole, o={"field": by}, t="2026-01-01T00:00:00Z").points == points
    part = 'query ($f: VehicleOrderField!) { vehicles(first: 1, orderBy: { field: $f }, knownAt: "x") { __typename } }'
    assert priced(part, f=by).points == points
    default = f"query ($f: VehicleOrderField = {by}) {part.partition(')')[2]}"
    assert priced(default).points == points


@pytest.mark.parametrize("by", [[], {}, ["VIN"], 1, 1.5, True, None])
def test_an_order_by_what_is_no_name_has_a_price_and_is_refused_later(by: object) -> None:
    whole = "query ($o: VehicleOrder, $t: DateTime) { vehicles(first: 1, orderBy: $o, knownAt: $t) { __typename } }"
    assert priced(whole, o={"field": by}, t="2026-01-01T00:00:00Z").points == 21


def test_a_router_pays_for_each_vehicle_that_it_names() -> None:
    document = "query ($k: [_Any!]!) { _entities(representations: $k) { ... on Vehicle { vin } } }"
    assert priced(document, k=[{}] * 30).points == 30


def test_a_number_that_json_writes_with_an_exponent_is_a_number() -> None:
    page = "query ($n: Int!) { vehicles(first: $n) { edges { node { vin } } } }"
    assert priced(page, n=1e2).points == priced(page, n=100).points == 201


def test_a_fragment_is_looked_at_once_however_often_it_is_spread() -> None:
    doubling = " ".join(f"fragment f{n} on Vehicle {{ ...f{n + 1} ...f{n + 1} }}" for n in range(200))
    found = priced(f'{{ vehicle(vin: "x") {{ ...f0 }} }} {doubling} fragment f200 on Vehicle {{ vin }}')
    assert found.fields == 2**200 + 1


PARTS = (
    "events(first: {0}) {{ edges {{ node {{ id }} }} }}",
    "signals {{ value }}",
    "navigation {{ trips(first: {0}) {{ edges {{ node {{ track(maxPoints: 20) {{ pointCount }} }} }} }} }}",
    "media {{ playHistory(first: {0}) {{ edges {{ node {{ title }} }} pageInfo {{ endCursor }} }} }}",
    "diagnostics {{ odometer {{ value }} troubleCodes {{ code }} }}",
)
QUERIES = st.lists(st.tuples(st.sampled_from(PARTS), st.integers(1, 5)), unique_by=lambda part: part[0]).map(
    lambda parts: " ".join(["vin", *(part.format(first) for part, first in parts)])
)


@given(QUERIES, st.integers(1, 3))
def test_a_query_never_takes_more_than_it_may_cost(selection: str, first: int) -> None:
    document = f"{{ vehicles(first: {first}) {{ edges {{ node {{ {selection} }} }} pageInfo {{ endCursor }} }} }}"
    answer = Api(TWINS, CATALOGUE, CODEC.decode).execute(document)
    assert "errors" not in answer, answer
    assert points_of(answer["data"]) <= priced(document).points


# --- how an operation is built ----------------------------------------------------------------------------------------

DOUBLING = "".join(f" fragment f{n} on Status {{ ...f{n + 1} ...f{n + 1} }}" for n in range(13))
DOUBLING += " fragment f13 on Status { __typename }"
DEEP = "ofType { " * (DEPTH_MAX - 4) + "name" + " }" * (DEPTH_MAX - 4)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (f"{{ __schema {{ types {{ fields {{ type {{ {DEEP} }} }} }} }} }}", f"{DEPTH_MAX} are allowed"),
        ("{" + "".join(f" a{n}: status {{ __typename }}" for n in range(ALIASES_MAX + 1)) + " }", "has aliases"),
        ("{ status { ...f0 } }" + DOUBLING, "has fields, with its fragments written out"),
    ],
)
def test_what_is_too_complex_is_not_executed_for_anybody(document: str, said: str) -> None:
    for access in (BRAND, DEVELOPMENT, OPERATOR):
        code, message = error_of(ask(api(1_000), document, access))
        assert code == "GRAPHQL_VALIDATION_FAILED"
        assert said in message
    less = document.replace("ofType { ", "", 1).replace(" }", "", 1).replace(" a0: status { __typename }", "")
    less = less.replace("...f0 ", "...f1 ").replace(" fragment f0 on Status { ...f1 ...f1 }", "")
    assert "are allowed" not in json.dumps(ask(api(1_000), less).body)


REPEATED = "{ status {" + " __typename" * (REPEATED_MAX + 2) + " } }"
REPEATED_IN_FRAGMENTS = "{ status {" + " ... { __typename }" * (REPEATED_MAX + 2) + " } }"
FRAGMENTS = "{ status { ...f0 } }" + "".join(
    f" fragment f{n} on Status {{ ...f{n + 1} }}" for n in range(FRAGMENTS_MAX - 1)
)
OPERATIONS = " ".join(f"query q{n} {{ status {{ __typename }} }}" for n in range(OPERATIONS_MAX))
OBJECT = "{" + " ".join(f"x{n}: 1" for n in range(WRITTEN_FIELDS_MAX)) + "}"
WRITTEN = f"{{ vehicles(first: 1, filter: {{within: [{OBJECT}]}}) {{ edges {{ cursor }} }} }}"
DEFAULT = (
    f"query ($filter: VehicleFilter = {OBJECT}) {{ vehicles(first: 1, filter: $filter) {{ edges {{ cursor }} }} }}"
)
FRAGMENTS += f" fragment f{FRAGMENTS_MAX - 1} on Status {{ __typename }}"


@pytest.mark.parametrize(
    ("document", "said", "allowed"),
    [
        (REPEATED + " ", "101 fields beside themselves", REPEATED.replace(" __typename", "", 1)),
        (REPEATED_IN_FRAGMENTS, "101 fields", REPEATED_IN_FRAGMENTS.replace(" ... { __typename }", "", 1)),
        (FRAGMENTS + " fragment f100 on Status { __typename }", "101 fragments", FRAGMENTS),
        (OPERATIONS + " query q100 { status { __typename } }", "101 operations", OPERATIONS),
        (WRITTEN.replace("{x", "{y: 1 x"), "an object in the document has 101 fields", WRITTEN),
        (
            "query ($f: VehicleFilter = " + OBJECT.replace("{x", "{y: 1 x") + ") { status { __typename } }",
            "101 fields",
            WRITTEN,
        ),
    ],
)
def test_what_would_take_long_to_validate_is_not_validated(document: str, said: str, allowed: str) -> None:
    code, message = error_of(ask(api(1_000), document))
    assert code == "GRAPHQL_VALIDATION_FAILED"
    assert said in message
    assert "allowed" not in json.dumps(ask(api(1_000), allowed).body)


def spread(fragments: int, selection: str) -> str:
    """Return a document with so many fragments that are spread beside each other and select the same."""
    names = [f"f{number}" for number in range(fragments)]
    spreads = " ".join(f"...{name}" for name in names)
    written = " ".join(f"fragment {name} on Vehicle {{ {selection} }}" for name in names)
    return f'{{ vehicle(vin: "x") {{ {spreads} }} }} {written}'


def shared(operations: int, fields: int) -> str:
    """Return a document with so many operations, which share a fragment that uses their variable so often."""
    asked = " ".join(f"query q{number}($v: String!) {{ ...f }}" for number in range(operations))
    return f"{asked} fragment f on Query {{ {' '.join(f'a{n}: vehicle(vin: $v) {{ vin }}' for n in range(fields))} }}"


NESTED = "events(first: 1) { edges { node { vehicle { " * 4 + "vin" + " } } } }" * 4


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (spread(40, "vin brand"), spread(FRAGMENTS_MAX, "vin brand")),
        (spread(15, NESTED), spread(FRAGMENTS_MAX, NESTED)),
        (spread(30, "navigation { speed { value } }"), spread(FRAGMENTS_MAX, "navigation { speed { value } }")),
        (shared(20, 50), shared(OPERATIONS_MAX, 90)),
    ],
)
def test_what_is_spread_side_by_side_is_compared_so_far_and_no_farther(
    less: str, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[object] = []
    of_library = overlapping_fields_can_be_merged.find_conflict

    def counted(*arguments: Any) -> Any:
        compared.append(None)
        return of_library(*arguments)

    monkeypatch.setattr(overlapping_fields_can_be_merged, "find_conflict", counted)
    assert check(less).errors == ()
    (error,) = check(more).errors
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "that it is not checked" in error["message"]
    assert "fewer fragments" in error["extensions"]["remedy"]
    assert len(compared) <= COMPARISONS_MAX


def test_of_very_many_errors_the_first_are_told() -> None:
    document = "{" + "".join(f" nothing{n}" for n in range(ERRORS_MAX + 3)) + " }"
    errors = ask(api(1_000), document).body["errors"]
    assert len(errors) == ERRORS_MAX + 1
    assert errors[-1]["message"] == "there are more errors"
    assert errors[-1]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


# --- budgets ----------------------------------------------------------------------------------------------------------

POINTS = 20_000  # as a server has it without a setting
PAGE = "{ vehicles(first: 20) { edges { node { vin } } } }"  # 41 points, and of one vehicle 3


def test_without_a_setting_a_query_may_cost_twenty_thousand_points_and_a_thousand_come_back_a_second() -> None:
    config = Config.read({})
    of_server = Api(TWINS, CATALOGUE, CODEC.decode, Budgets(config.query_points, config.query_points_restored))
    page = "vehicles(first: {}) {{ edges {{ node {{ signals {{ unit }} }} }} }}"  # 1, and 52 for each
    pages = " ".join(
        f"{alias}: {page.format(first)}" for alias, first in [("a", 100), ("b", 100), ("c", 100), ("d", "$n")]
    )
    document = f"query ($n: Int!) {{ {pages} }}"
    assert priced(document, n=84).points == 19_972
    assert ask(of_server, document, n=84).executed
    answer = ask(of_server, document, n=85)
    assert (error_of(answer)[0], cost_of(answer)["requestedQueryCost"]) == ("MAX_COST_EXCEEDED", 20_024)
    assert cost_of(answer)["throttleStatus"]["restoreRate"] == 1_000


def test_what_was_not_taken_is_given_back() -> None:
    answer = ask(api(100), PAGE)
    assert cost_of(answer) == {
        "requestedQueryCost": 41,
        "actualQueryCost": 3,
        "throttleStatus": {"maximumAvailable": 100, "currentlyAvailable": 97, "restoreRate": 10},
    }
    assert answer.executed


def test_what_an_error_has_taken_away_is_paid_for() -> None:
    page = PAGE[:-1] + 'wrong: vehicles(first: 20, after: "x") { edges { node { vin } } } }'
    answer = ask(api(100), page)
    assert answer.executed
    assert error_of(answer)[0] == "BAD_USER_INPUT"
    assert cost_of(answer)["actualQueryCost"] == cost_of(answer)["requestedQueryCost"]


def test_the_introspection_of_every_tool_is_cheap_and_that_of_an_attacker_is_not() -> None:
    answer = ask(api(POINTS), get_introspection_query(input_value_deprecation=True))
    assert "errors" not in answer.body
    assert cost_of(answer)["requestedQueryCost"] < POINTS / 10
    wide = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"
    code, _ = error_of(ask(api(POINTS), wide))
    assert code == "GRAPHQL_VALIDATION_FAILED"


def test_who_has_spent_too_much_is_told_when_to_ask_again() -> None:
    now_s = [0.0]
    limited = api(45, now_s, restored=2)
    for _ in range(2):
        ask(limited, PAGE)
    answer = ask(limited, PAGE)  # 39 are left of 41
    assert (answer.executed, answer.retry_after_s, answer.body.get("data")) == (False, 1, None)
    assert error_of(answer)[0] == "THROTTLED"
    assert cost_of(answer)["actualQueryCost"] is None
    for media_type in (JSON, "application/graphql-response+json"):
        response = respond(answer, media_type)
        assert (response.status, dict(response.headers)["retry-after"]) == (429, "1")
    now_s[0] = 0.9
    assert not ask(limited, PAGE).executed
    now_s[0] = 1.0
    assert ask(limited, PAGE).executed


def test_a_document_that_is_refused_has_cost_the_time_to_find_out_and_one_that_is_not_has_not() -> None:
    limited = api(4_000)
    long = "#" * (KEPT_CHARACTERS_MAX + 1)
    points = len(f"{{ none }}{long}") / CHARACTERS_A_POINT
    for left in (4_000 - points, 4_000 - 2 * points):
        answer = ask(limited, f"{{ none }}{long}")
        assert error_of(answer)[0] == "GRAPHQL_VALIDATION_FAILED"
        assert cost_of(answer)["throttleStatus"]["currentlyAvailable"] == int(left)
    refused = ask(limited, f"{PAGE}{long}")
    assert (error_of(refused)[0], refused.executed) == ("THROTTLED", False)
    assert refused.retry_after_s
    asked = ask(api(4_000), f"{PAGE}{long}")
    assert cost_of(asked)["throttleStatus"]["currentlyAvailable"] == 4_000 - cost_of(asked)["actualQueryCost"]


@pytest.mark.parametrize("document", ["{ status { noneOfThese } }", "{ status { notGraphQL }  ! "])
def test_a_short_document_is_kept_with_what_is_wrong_with_it_and_has_cost_once(document: str) -> None:
    CHECKED.forget()
    limited = api(100)
    costs = []
    for _ in range(2):
        answer = ask(limited, document)
        assert error_of(answer)[0].startswith("GRAPHQL_")
        costs.append("extensions" in answer.body and cost_of(answer)["actualQueryCost"])
    assert costs == [6, False]  # points are told as whole ones
    assert cost_of(ask(limited, PAGE))["throttleStatus"]["currentlyAvailable"] == int(100 - len(document) / 5 - 3)


def test_who_has_no_points_has_no_other_document_checked() -> None:
    CHECKED.forget()
    limited = api(100, restored=1)
    documents = [f"{{ none{number} }} {'#' * 110}" for number in range(6)]
    codes = [error_of(ask(limited, document))[0] for document in documents]
    assert codes == ["GRAPHQL_VALIDATION_FAILED"] * 4 + ["THROTTLED"] * 2


def test_what_costs_more_than_there_ever_is_is_refused_for_good() -> None:
    answer = ask(api(40), PAGE)
    assert (error_of(answer)[0], answer.executed, answer.retry_after_s) == ("MAX_COST_EXCEEDED", False, None)
    assert respond(answer, "application/graphql-response+json").status == 400
    assert cost_of(answer)["throttleStatus"]["currentlyAvailable"] == 40


def test_each_client_has_points_of_its_own() -> None:
    limited = api(43)
    for _ in range(2):
        ask(limited, PAGE)
    assert not ask(limited, PAGE).executed
    assert ask(limited, PAGE, OTHER).executed
    assert ask(limited, PAGE, BRAND._replace(brands=frozenset({"Audi"}))).executed


@pytest.mark.parametrize("access", [DEVELOPMENT, OPERATOR])
def test_who_asks_without_a_token_is_not_metered(access: Access) -> None:
    answer = ask(api(1), PAGE, access)
    assert answer.executed
    assert "extensions" not in answer.body


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(-50, 120)), max_size=30))
def test_points_are_never_more_than_all_nor_less_than_none(steps: list[tuple[float, float]]) -> None:
    now_s = 0.0
    budgets = Budgets(100, 7, lambda: now_s)
    left = 100.0
    for wait_s, points in steps:
        now_s += wait_s
        left = min(100.0, left + 7 * wait_s)
        allowed, throttle = budgets.spend("client", points)
        assert allowed == (points <= left + 1e-9) or abs(points - left) < 1e-6
        left = min(100.0, left - points) if allowed else left
        assert throttle.available == pytest.approx(left, abs=1e-6)
        assert -1e-9 <= throttle.available <= 100
        assert throttle.wait_s(throttle.available) == 0


def test_very_many_clients_do_not_fill_the_memory() -> None:
    budgets = Budgets(10, 1, lambda: 0.0)
    for number in range(CLIENTS_MAX + 10):
        budgets.spend(number, 10)
    assert len(budgets._spent) == CLIENTS_MAX
    assert not budgets.spend(CLIENTS_MAX + 9, 1)[0]
    assert budgets.spend(0, 10)[0]
