"""Schemathesis asks whatever our schema allows, as two brands: no fault, no answer that the schema does not have."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from graphql import FloatValueNode, IntValueNode, StringValueNode
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


@pytest.mark.parametrize(("brand", "other"), [BRANDS, BRANDS[::-1]])
def test_it_runs_clean_and_shows_nothing_of_another_brand(schema: Any, brand: str, other: str) -> None:
    others = [text for car in CARS[other] for text in (car.vin, vehicle_id_of(car.id))]
    answered = 0

    @settings(max_examples=100, suppress_health_check=[*HealthCheck], database=None)
    @given(case=schema.as_strategy())
    def ask(case: Any) -> None:
        nonlocal answered
        try:
            response = case.call_and_validate(headers=headers(brand), excluded_checks=[positive_data_acceptance])
        except* GraphQLServerError as group:
            for each in group.exceptions:
                assert isinstance(each, GraphQLServerError)
                codes = {error["extensions"]["code"] for error in each.errors}
                assert codes <= REFUSALS, each
        else:
            assert not any(text in response.text for text in others)
            answered += "errors" not in response.json()

    ask()
    assert answered  # most arguments that a type allows have a rule besides
