"""Whatever is sent to the server, it answers, and is not at fault."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.graphql.app import Limits, build_app
from adapters.graphql.budgets import Budgets
from adapters.graphql.http import GRAPHQL_RESPONSE, HTML, JSON, NDJSON
from adapters.graphql.trusted import NoDocuments, TrustedDocuments
from adapters.tokens.keys import FixedKeys, keys_of_set
from adapters.tokens.verifier import TokenVerifier
from tests.support.databases import database, server
from tests.support.tokens import AUDIENCE, ISSUER, SigningKey
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, full_car, postgres_world, vin_of

__all__ = ["database", "server"]

KEY: Final = SigningKey("1")
TOKEN: Final = KEY.token(brand="Volkswagen").encode()
OURS: Final = re.compile(r"Traceback|\.py\b|psycopg|\bSELECT\b|object at 0x")
FLEET: Final = """query ($after: String, $n: Int!) {
  vehicles(first: $n, after: $after) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } }
}"""
DOCUMENTS: Final = [
    "{ __typename }",
    f'{{ vehicle(vin: "{vin_of(1)}") {{ vin signals {{ path }} }} }}',
    FLEET,
    "query ($id: ID!) { node(id: $id) { id } }",
    "query ($filter: VehicleFilter) { vehicles(first: 2, filter: $filter) { edges { cursor } } }",
    'query A { explain(vehicle: "x", path: "y") { path } } query B { __schema { types { name } } }',
    "mutation { a }",
    "subscription { a }",
    "{ a",
    f'query ($after: String, $n: Int64) {{ vehicle(vin: "{vin_of(1)}", atLeast: $n, position: $n) {{ vin }} }}',
    f'{{ vehicle(vin: "{vin_of(1)}", atLeast: {"1" * 4_301}) {{ vin }} }}',
    f'query ($after: DateTime) {{ vehicle(vin: "{vin_of(1)}", asOf: $after) {{ vin }} }}',
    "subscription ($after: String) { events(after: $after) { cursor } }",
    "subscription ($after: String, $n: Int) { vehicleChanged(after: $after, perSecond: $n) { cursor } }",
]

long = st.sampled_from(["1" * 4_301, "-" + "9" * 5_000])  # more digits than Python reads
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(DOCUMENTS) | long
any_json = st.recursive(scalars, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=20)
bounds = st.fixed_dictionaries({}, optional=dict.fromkeys(("min", "max", "latitude", "longitude", "radiusM"), any_json))
values = any_json | st.fixed_dictionaries(
    {}, optional={"vins": any_json, "warnings": any_json, "stateOfCharge": bounds, "near": bounds, "brands": any_json}
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "query": st.sampled_from(DOCUMENTS) | any_json,
        "variables": st.dictionaries(st.sampled_from(["after", "n", "id", "filter"]), values) | any_json,
        "operationName": st.sampled_from(["A", "B", ""]) | any_json,
        "extensions": st.fixed_dictionaries({"persistedQuery": st.fixed_dictionaries({"sha256Hash": any_json})})
        | any_json,
        "documentId": any_json,
    },
)
bodies = st.binary() | (any_json | requests).map(lambda each: json.dumps(each).encode())
LIKELY: Final = [
    (b"host", b"localhost"),
    (b"content-type", b"application/json"),
    (b"authorization", b"Bearer " + TOKEN),
]
EVENTS: Final = b"text/event-stream; charset=utf-8"
names = st.sampled_from([b"accept", b"content-type", b"authorization", b"host", b"accept-encoding"]) | st.binary()
kinds = [JSON, GRAPHQL_RESPONSE, NDJSON, HTML, "*/*", "application/*;q=0.1", "text/event-stream", "a;q=\ud8ff;q=nan"]
contents = st.binary() | st.sampled_from(
    [b"localhost", b"Bearer " + TOKEN, b"Bearer", b"Basic eA==", *(each.encode("utf-8", "replace") for each in kinds)]
)
paths = st.sampled_from(
    ["/graphql", "/graphql/", "/", "/ready", "/schemas/ids/1", "/subjects", "/subjects/x/versions", "/config", "/mode"]
)


@st.composite
def any_request(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """Give what a server hands to an application, and the body."""
    kept = draw(st.sets(st.sampled_from(range(3)), min_size=2))
    headers = [LIKELY[each] for each in sorted(kept)] + draw(st.lists(st.tuples(names, contents), max_size=4))
    method = draw(st.sampled_from(["POST", "POST", "GET", "HEAD", "OPTIONS"]) | st.text())
    path = draw(paths | st.text().map(lambda each: f"/{each}"))
    query = draw(
        st.binary()
        | requests.map(lambda each: "&".join(f"{k}={v}" for k, v in each.items()).encode("utf-8", "replace"))
    )
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    return scope, draw(bodies)


@pytest.fixture(scope="module")
def app(database: str) -> Iterator[Any]:
    keeper = TokenVerifier(
        FixedKeys(keys_of_set(json.dumps({"keys": [KEY.jwk()]}).encode(), where="")), ISSUER, AUDIENCE
    )
    limits = Limits(Budgets(10**6, 10**6), TrustedDocuments(NoDocuments()))
    with postgres_world(database, *(full_car(number) for number in range(1, 4))) as world:
        yield build_app(world.twins, CATALOGUE, CODEC.decode, REGISTRY, doorkeeper=keeper, limits=limits)


def answer(app: Any, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    """Return status and body; of a stream of events, which may have no end, what comes first."""
    told = [{"type": "http.request", "body": body}]
    sent: list[Any] = []
    gone = asyncio.Event()

    async def receive() -> Any:
        if told:
            return told.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message.get("more_body") and (b"content-type", EVENTS) in sent[0]["headers"]:
            gone.set()

    asyncio.run(app(scope, receive, send))
    begun, *parts = sent
    assert all(isinstance(each, bytes) for pair in begun["headers"] for each in pair)
    assert not any(b"\n" in value or b"\r" in value for _, value in begun["headers"])
    assert gone.is_set() or not parts[-1].get("more_body", False)
    return begun["status"], b"".join(each["body"] for each in parts)


OF_NO_END: Final = json.dumps({"query": DOCUMENTS[-1]}).encode()
ASKED: Final = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": LIKELY}


@example(asked=(ASKED, OF_NO_END))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(asked=any_request())
def test_no_request_is_a_fault_of_ours(app: Any, asked: tuple[dict[str, Any], bytes]) -> None:
    status, body = answer(app, *asked)
    assert status < 500
    assert b"INTERNAL_SERVER_ERROR" not in body
    assert not OURS.search(body.decode())
