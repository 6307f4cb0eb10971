"""A request that takes too long, or that nobody waits for any more, ends: its statement, its thread, its connection."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from adapters.access import DEVELOPMENT
from adapters.graphql import streams
from adapters.graphql.app import NO_LIMITS, THREADS, build_app
from adapters.graphql.budgets import Budgets
from adapters.graphql.ending import Ending
from adapters.graphql.execution import Api
from adapters.graphql.http import NDJSON
from adapters.graphql.ids import cursor_of
from adapters.postgres import twin_reader
from adapters.postgres.lanes import ANSWER_TIMEOUT_S, LANES_MAX
from adapters.postgres.whole_reader import PostgresWholeReads
from tests.support.asgi import Events, streaming
from tests.support.locks import standing_still, waiting
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, World, full_car, postgres_world, vin_of

SHORT_S: Final = 0.5
PATIENCE_S: Final = 60.0
ASKED: Final = f'{{ vehicle(vin: "{vin_of(1)}") {{ vin }} status {{ logPosition }} }}'
FLEET: Final = "query ($a: String) { vehicles(first: 1, after: $a) {"
COMPILED: Final = f'{{ vehicle(vin: "{vin_of(1)}") {{ vin diagnostics {{ odometer {{ value }} }} }} }}'
EVENTS: Final = "subscription { events { cursor node { position } } }"
PAGES: Final = f"{FLEET} edges {{ cursor node {{ vin }} }} pageInfo {{ hasNextPage endCursor }} }} }}"


@pytest.fixture(scope="module")
def world(database: str) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:  # so that nothing ends a statement but who cancels it
        patch.setattr(twin_reader, "STATEMENT_TIMEOUT_MS", 0)
        with postgres_world(database, full_car(1), full_car(2), full_car(3)) as found:
            yield found


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that others do."""
    end = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(true):
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


class Client:
    """Sends one request, and goes when it is told to."""

    def __init__(self, document: str = ASKED, accept: str = "application/json") -> None:
        body = json.dumps({"query": document}).encode()
        self.gone = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self.on_part: Callable[[], Awaitable[None]] | None = None
        self._told: list[dict[str, Any]] = [{"type": "http.request", "body": body}]
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"accept", accept.encode())]
        self.scope = {"type": "http", "method": "POST", "path": "/graphql", "headers": headers}

    async def receive(self) -> dict[str, Any]:
        if self._told:
            return self._told.pop()
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if self.on_part and message["type"] == "http.response.body":
            await self.on_part()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def text(self) -> str:
        return b"".join(each.get("body", b"") for each in self.sent).decode()


def app_of(world: World, request_s: float = PATIENCE_S, reads: PostgresWholeReads | None = None) -> Any:
    limits = NO_LIMITS._replace(request_s=request_s, reads=reads)
    return build_app(world.twins, CATALOGUE, CODEC.decode, REGISTRY, limits=limits)


async def compiled(app: Any) -> None:
    """Ask a document until it is compiled."""
    for _ in range(2):
        client = Client(COMPILED)
        await app(client.scope, client.receive, client.send)
        assert json.loads(client.text)["data"]["vehicle"]["vin"] == vin_of(1)


def test_a_request_that_takes_too_long_is_told_so_and_its_statement_is_cancelled(world: World, database: str) -> None:
    async def asked() -> Client:
        app, client = app_of(world, SHORT_S), Client()
        with standing_still(database):
            await app(client.scope, client.receive, client.send)
            await until(lambda: waiting(database) == 0)
        again = Client()
        await app(again.scope, again.receive, again.send)
        assert json.loads(again.text)["data"]["vehicle"]["vin"] == vin_of(1)
        return client

    client = asyncio.run(asked())
    (error,) = json.loads(client.text)["errors"]
    assert (client.status, error["extensions"]["code"]) == (503, "TIMEOUT")
    assert "smaller pages" in error["extensions"]["remedy"]
    assert int(client.headers[b"retry-after"]) > 0


def test_those_who_go_leave_neither_statements_nor_threads_nor_a_place_in_the_queue(
    world: World, database: str
) -> None:
    async def asked() -> Client:
        app = app_of(world)
        with standing_still(database):
            clients = [Client() for _ in range(THREADS * 2)]
            answers = [asyncio.ensure_future(app(each.scope, each.receive, each.send)) for each in clients]
            await until(lambda: waiting(database) == THREADS)
            for each in clients:
                each.gone.set()
            await asyncio.gather(*answers)
            await until(lambda: waiting(database) == 0)  # those that waited for a thread have not come to one
            other = Client("{ status { logPosition } }")  # asks no locked table
            await app(other.scope, other.receive, other.send)
            assert waiting(database) == 0
        return other

    assert json.loads(asyncio.run(asked()).text)["data"]["status"]["logPosition"] > 0


def test_a_compiled_document_that_takes_too_long_is_told_so_and_is_not_asked_again(world: World, database: str) -> None:
    async def asked() -> Client:
        reads = PostgresWholeReads(database)
        app, client = app_of(world, SHORT_S, reads), Client(COMPILED)
        await compiled(app)
        with standing_still(database):
            begun = time.monotonic()
            await app(client.scope, client.receive, client.send)
            assert time.monotonic() - begun < ANSWER_TIMEOUT_S
            await until(lambda: waiting(database) == 0)
        await compiled(app)
        await reads.close()
        return client

    client = asyncio.run(asked())
    (error,) = json.loads(client.text)["errors"]
    assert (client.status, error["extensions"]["code"]) == (503, "TIMEOUT")
    assert b"x-request-id" in client.headers


def test_those_who_go_leave_no_statement_of_a_compiled_document(world: World, database: str) -> None:
    async def asked() -> None:
        reads = PostgresWholeReads(database)
        app = app_of(world, reads=reads)
        await compiled(app)
        with standing_still(database):
            clients = [Client(COMPILED) for _ in range(LANES_MAX * 2)]
            answers = [asyncio.ensure_future(app(each.scope, each.receive, each.send)) for each in clients]
            await until(lambda: waiting(database) == LANES_MAX)
            for each in clients:
                each.gone.set()
            await asyncio.gather(*answers)
            await until(lambda: waiting(database) == 0)
        await compiled(app)
        await reads.close()

    asyncio.run(asked())


def test_a_page_of_a_stream_that_takes_too_long_is_its_last_line(world: World, database: str) -> None:
    async def asked() -> Client:
        app, client = app_of(world, SHORT_S), Client(PAGES, NDJSON)
        locked = standing_still(database)

        async def lock() -> None:
            client.on_part = None
            await asyncio.to_thread(locked.__enter__)

        client.on_part = lock
        await app(client.scope, client.receive, client.send)
        await until(lambda: waiting(database) == 0)
        locked.__exit__(None, None, None)
        return client

    edge, end = map(json.loads, asyncio.run(asked()).text.splitlines())
    assert end["errors"][0]["extensions"]["code"] == "TIMEOUT"
    assert end["after"] == edge["cursor"]


def test_a_stream_whose_client_goes_in_the_middle_of_a_page_ends(world: World, database: str) -> None:
    async def asked() -> Client:
        app, client = app_of(world), Client(PAGES, NDJSON)
        locked = standing_still(database)

        async def lock() -> None:
            client.on_part = None
            await asyncio.to_thread(locked.__enter__)

        client.on_part = lock
        answer = asyncio.ensure_future(app(client.scope, client.receive, client.send))
        await until(lambda: waiting(database) == 1)
        client.gone.set()
        await answer
        await until(lambda: waiting(database) == 0)
        locked.__exit__(None, None, None)
        return client

    assert len(asyncio.run(asked()).text.splitlines()) == 1


async def ended(events: Events) -> tuple[list[str], Any]:
    """Return the cursors of what a stream still delivers, and the error that ends it."""
    cursors = []
    while "errors" not in (body := (await events.heard())[2]):
        cursors.append(body["data"]["events"]["cursor"])
    assert (await events.heard())[0] == "complete"
    (error,) = body["errors"]
    return cursors, error


def test_a_stream_whose_look_at_the_log_takes_too_long_says_where_to_go_on(
    world: World, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "EVENTS_A_PAGE", 3)

    async def asked() -> None:
        app = app_of(world, SHORT_S)
        async with streaming(app, EVENTS, 1) as events:  # which has not taken the first page before it is read
            await events.next()
            with standing_still(database):
                cursors, error = await ended(events)
                await until(lambda: waiting(database) == 0)
        assert (len(cursors), error["extensions"]["code"]) == (2, "TIMEOUT")
        assert error["extensions"]["cursor"] == cursors[-1]
        assert "go on after the cursor" in error["extensions"]["remedy"]
        async with streaming(app, EVENTS, headers={"last-event-id": cursors[-1]}) as events:
            assert (await events.next())["events"]["node"]["position"] == 4

    asyncio.run(asked())


@pytest.mark.parametrize(
    "document",
    [
        f'subscription {{ vehicleChanged(after: "{cursor_of("the log", 0)}") {{ cursor }} }}',
        f'subscription {{ events(filter: {{ vehicles: ["{vin_of(1)}"] }}) {{ cursor }} }}',  # as soon as it begins
    ],
)
def test_every_look_of_a_subscription_has_its_time(world: World, database: str, document: str) -> None:
    async def asked() -> Any:
        with standing_still(database):
            async with streaming(app_of(world, SHORT_S), document) as events:
                _, error = await ended(events)
                await until(lambda: waiting(database) == 0)
        return error

    assert asyncio.run(asked())["extensions"]["code"] == "TIMEOUT"


def test_those_who_leave_a_stream_leave_no_statement_and_no_thread(world: World, database: str) -> None:
    async def asked() -> None:
        app = app_of(world)
        with standing_still(database):
            async with AsyncExitStack() as opened:
                for _ in range(streams.THREADS * 2):
                    await opened.enter_async_context(streaming(app, EVENTS))
                await until(lambda: waiting(database) == streams.THREADS)
            await until(lambda: waiting(database) == 0)

    asyncio.run(asked())


def test_a_stream_that_waits_for_others_is_not_slow(world: World, database: str) -> None:
    """Its time begins when it has a thread."""

    async def asked() -> None:
        app = app_of(world, SHORT_S)
        async with AsyncExitStack() as opened:
            with standing_still(database):
                first = [await opened.enter_async_context(streaming(app, EVENTS)) for _ in range(streams.THREADS)]
                await until(lambda: waiting(database) == streams.THREADS)
                late = await opened.enter_async_context(streaming(app, EVENTS))
                assert [(await ended(each))[1]["extensions"]["code"] for each in first] == ["TIMEOUT"] * streams.THREADS
            assert await late.next()

    asyncio.run(asked())


def test_what_ended_early_has_cost_all_that_it_might_have(world: World) -> None:
    budgets = Budgets(100, 1, lambda: 0.0)
    api = Api(world.twins, CATALOGUE, CODEC.decode, budgets)
    ending = Ending()
    ending.end()
    access = DEVELOPMENT._replace(metered=True)
    document = "{ vehicles(first: 40) { edges { cursor } } }"
    answer = api.answer(document, access=access, ending=ending)
    assert answer.body["errors"][0]["extensions"]["code"] == "TIMEOUT"
    _, throttle = budgets.spend((access.client, access.brands), 0)
    assert throttle.available < 60
