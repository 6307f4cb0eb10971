"""Clients that are not ours subscribe: graphql-ws and graphql-sse for JavaScript, gql for Python."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from adapters.access import Access, Scope
from adapters.graphql.app import NO_LIMITS, Live, build_app
from tests.support.javascript import installed
from tests.support.lacking import run_without_programs
from tests.support.served import Porter, served
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, World, full_car, memory_world

WITHIN_S: Final = 120
EVENTS: Final = "subscription { events { cursor node { position vehicle { vin } } } }"
PROGRAMS: Final = ["over_socket.mjs", "over_events.mjs"]


@pytest.fixture(scope="module")
def world() -> World:
    return memory_world(full_car(1, brand="Audi"), full_car(2, brand="Skoda"))


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    access = Access("app", "app", frozenset({"Skoda"}), frozenset(Scope))
    limits = NO_LIMITS._replace(live=Live(world.log.wait))
    doorkeeper = Porter({"good": access})
    app = build_app(world.twins, CATALOGUE, CODEC.decode, REGISTRY, doorkeeper=doorkeeper, limits=limits, hosts=None)
    with served(app) as port:
        yield f"http://127.0.0.1:{port}/graphql"


@pytest.fixture(scope="module")
def programs() -> Path:
    return installed("subscriptions")


def run(programs: Path, name: str, address: str, document: str, count: int, bearer: str = "good") -> list[Any]:
    """Return what a program prints."""
    command = ["node", name, address, bearer, document, str(count)]
    done = subprocess.run(command, cwd=programs, capture_output=True, text=True, check=True, timeout=WITHIN_S)
    return [json.loads(line) for line in done.stdout.splitlines()]


def expected() -> list[Any]:
    """Return the events of the second car."""
    one, two = full_car(1), full_car(2)
    begin = len(one.events) + 1
    return [{"position": begin + number, "vehicle": {"vin": two.vin}} for number in range(len(two.events))]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_client_of_javascript_reads_the_past(programs: Path, address: str, name: str) -> None:
    found = run(programs, name, address, EVENTS, len(expected()))
    assert [each["data"]["events"]["node"] for each in found] == expected()
    again = EVENTS.replace("events", f'events(after: "{found[4]["data"]["events"]["cursor"]}")')
    assert [each["data"]["events"]["node"] for each in run(programs, name, address, again, 3)] == expected()[5:8]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_client_of_javascript_queries_and_is_told_what_is_wrong(programs: Path, address: str, name: str) -> None:
    (found,) = run(programs, name, address, "{ vehicles(first: 5) { edges { node { vin } } } }", 5)
    assert [edge["node"]["vin"] for edge in found["data"]["vehicles"]["edges"]] == [full_car(2).vin]
    for document in ("subscription { nothing }", 'subscription { events(after: "x") { cursor } }'):
        (refused,) = run(programs, name, address, document, 5)
        assert refused["errors"][0]["extensions"]["remedy"]


def test_a_client_of_javascript_without_a_good_token_is_not_let_in(programs: Path, address: str) -> None:
    assert run(programs, "over_socket.mjs", address, EVENTS, 1, "bad") == [
        {"code": 4403, "reason": "there is no such token"}
    ]
    (refused,) = run(programs, "over_events.mjs", address, EVENTS, 1, "bad")
    assert "401" in refused["message"] or "Unauthorized" in refused["message"]


def test_the_client_gql_reads_the_past_and_queries(address: str) -> None:
    async def read() -> None:
        payload = {"Authorization": "Bearer good"}
        transport = WebsocketsTransport(url=address.replace("http", "ws"), init_payload=payload)
        async with Client(transport=transport) as session:
            found = []
            async for result in session.subscribe(gql(EVENTS)):
                found.append(result["events"]["node"])
                if len(found) == len(expected()):
                    break
            assert found == expected()
            answer = await session.execute(gql("{ vehicles(first: 5) { edges { node { vin } } } }"))
            assert [edge["node"]["vin"] for edge in answer["vehicles"]["edges"]] == [full_car(2).vin]
            with pytest.raises(TransportQueryError, match="is no cursor"):
                await anext(session.subscribe(gql('subscription { events(after: "x") { cursor } }')))

    async def refused() -> None:
        payload = {"Authorization": "Bearer bad"}
        transport = WebsocketsTransport(url=address.replace("http", "ws"), init_payload=payload)
        with pytest.raises(TransportError) as raised:
            async with Client(transport=transport):
                pass
        assert "4403" in str(raised.value.__cause__)

    asyncio.run(read())
    asyncio.run(refused())


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "errors")])
def test_without_node_the_clients_of_javascript_are_skipped_in_one_line_and_fail_in_ci(
    tmp_path: Path, ci: str, outcome: str
) -> None:
    test = f"{__file__}::test_a_client_of_javascript_reads_the_past"
    done = run_without_programs([test, "-rs"], tmp_path, ci)
    assert outcome in done.stdout, done.stdout
    assert "needs node 20 or later, with npm" in done.stdout
