"""Schemathesis asks whatever our schema allows, as two brands: no fault, no answer that the schema does not have."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final
from zlib import crc32

import pytest
import schemathesis
from graphql import (
    REMOVE,
    ArgumentNode,
    FieldNode,
    FloatValueNode,
    IntValueNode,
    OperationDefinitionNode,
    StringValueNode,
    Visitor,
    parse,
    print_ast,
    visit,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.graphql.checks import GraphQLServerError
from schemathesis.specs.openapi.checks import positive_data_acceptance

from adapters.access import Scope
from adapters.clock import iso_time
from adapters.graphql.app import Limits, build_app
from adapters.graphql.budgets import Budgets
from adapters.graphql.ids import vehicle_id_of
from adapters.graphql.trusted import NoDocuments, TrustedDocuments
from adapters.tokens.keys import FixedKeys, keys_of_set
from adapters.tokens.verifier import TokenVerifier
from domain import paths
from domain.units import Micros
from tests.support.databases import database, server
from tests.support.operated import Operated
from tests.support.tokens import AUDIENCE, ISSUER, SigningKey
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, SECOND, T0, full_car, postgres_world

__all__ = ["database", "server"]

KEY: Final = SigningKey("1")
BRANDS: Final = ("Audi", "Skoda")
SCOPES: Final = " ".join(Scope)
CARS: Final = {
    brand: [full_car(number, brand=brand) for number in (2 * n + 1, 2 * n + 2)] for n, brand in enumerate(BRANDS)
}
# Of the caller, though Schemathesis does not know these words.
REFUSALS: Final = {
    *("UNKNOWN_SIGNAL", "FORBIDDEN", "MAX_COST_EXCEEDED", "GRAPHQL_VALIDATION_FAILED", "POSITION_NOT_REACHED"),
}

times = st.integers(0, 48 * 3600).map(lambda seconds: iso_time(Micros(T0 + seconds * SECOND)))
schemathesis.graphql.scalar("DateTime", times.map(lambda text: StringValueNode(value=text)))
schemathesis.graphql.scalar("Int64", st.integers(0, 2**53).map(lambda number: IntValueNode(value=str(number))))
schemathesis.graphql.scalar("SignalScalar", st.floats(0, 9).map(lambda number: FloatValueNode(value=str(number))))
schemathesis.graphql.scalar("JSON", st.just(StringValueNode(value="")))


FLEET: Final = parse("{ known: vehicles(first: 100) { edges { node { id vin } } } }")


class Knowing(Visitor):
    """Asks the same as one who knows what there is, and the fleet beside: by chance alone hardly a vehicle is found."""

    LEFT_OUT: Final = frozenset({"after", "before", "asOf", "knownAt", "position", "atLeast", "filter", "orderBy"})

    def enter_argument(self, node: ArgumentNode, *_: Any) -> Any:
        if node.name.value in self.LEFT_OUT:
            return REMOVE
        number = crc32(print_ast(node.value).encode())
        if node.name.value == "first":
            return replace(node, value=IntValueNode(value=str(1 + number % 100)))
        cars = [car for brand in BRANDS for car in CARS[brand]]
        car = cars[number % len(cars)]
        known = {"id": vehicle_id_of(car.id), "vehicle": car.vin, "vin": car.vin, "path": paths.SPEED}
        if node.name.value in known:
            return replace(node, value=StringValueNode(value=known[node.name.value]))
        return None

    def leave_field(self, node: FieldNode, *_: Any) -> Any:
        if node.name.value == "vehicle" and node.arguments:  # one of the two
            return replace(node, arguments=node.arguments[:1])
        return None

    def leave_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> Any:
        (fleet,) = FLEET.definitions
        assert isinstance(fleet, OperationDefinitionNode)
        asked = (*node.selection_set.selections, *fleet.selection_set.selections)
        return replace(node, selection_set=replace(node.selection_set, selections=asked))


@pytest.fixture(scope="module")
def schema(database: str) -> Iterator[Any]:
    keys = keys_of_set(json.dumps({"keys": [KEY.jwk()]}).encode(), where="")
    keeper = TokenVerifier(FixedKeys(keys), ISSUER, AUDIENCE)
    with postgres_world(database) as world:
        operated = Operated(world)
        operated.write(*CARS["Audi"], *CARS["Skoda"], spoilt=[(CARS[brand][0].id, 5) for brand in BRANDS])
        trusted = TrustedDocuments(NoDocuments())
        limits = Limits(Budgets(10**6, 10**6), trusted, operations=operated.operations)
        app = build_app(
            world.twins, CATALOGUE, CODEC.decode, REGISTRY, {"testserver"}, doorkeeper=keeper, limits=limits
        )

        async def app_alone(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"  # each client would end the life of the application with its own
            await app(scope, receive, send)

        yield schemathesis.graphql.from_asgi("/graphql", app_alone, headers=headers("Audi"))


def headers(brand: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEY.token(brand=brand, scope=SCOPES)}"}


# psycopg's pool rolls Python's dice in its threads, for the life of each connection; while something is drawn here
# Hypothesis takes that for a strategy that does.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.parametrize(("brand", "other"), [BRANDS, BRANDS[::-1]])
def test_it_runs_clean_and_shows_nothing_of_another_brand(schema: Any, brand: str, other: str) -> None:
    others = [text for car in CARS[other] for text in (car.vin, vehicle_id_of(car.id))]
    own = [text for car in CARS[brand] for text in (car.vin, vehicle_id_of(car.id))]
    answered = shown = 0

    @settings(max_examples=100, suppress_health_check=[*HealthCheck], database=None, derandomize=True)
    @given(case=schema.as_strategy())
    def ask(case: Any) -> None:
        check(case)
        case.body = print_ast(visit(parse(case.body), Knowing()))
        check(case)

    def check(case: Any) -> None:
        nonlocal answered, shown
        response = case.call(headers=headers(brand))
        assert not any(text in response.text for text in others if text not in case.body)  # nor beside an error
        shown += any(text in response.text for text in own)
        try:
            case.validate_response(response, headers=headers(brand), excluded_checks=[positive_data_acceptance])
        except* GraphQLServerError as group:
            for each in group.exceptions:
                assert isinstance(each, GraphQLServerError)
                codes = {error["extensions"]["code"] for error in each.errors}
                assert codes <= REFUSALS, each
        else:
            answered += "errors" not in response.json()

    ask()
    assert answered > 50
    assert shown > 20, "hardly an answer had a vehicle: what is not shown to another brand says nothing"
