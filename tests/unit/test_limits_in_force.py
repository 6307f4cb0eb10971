"""Limits as docs/partners.md tells them, reached as a server has them: none is made smaller here for the test.

Where one is a time, the clock of the loop runs faster.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any, Final
from unittest.mock import Mock

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from adapters.access import OPERATOR, Access
from adapters.graphql.app import NO_LIMITS, AsgiApp, Live, build_app
from adapters.graphql.ids import cursor_of
from adapters.http_connections import BoundedConnection
from adapters.serving import CONNECTIONS
from domain.errors import StoreError
from tests.support import asgi
from tests.support.asgi import HOST, Events, Socket, initiated, streaming, talking
from tests.support.quick_loop import QuickLoop, comes_after, run_quickly
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, full_car, memory_world
from tests.unit.test_graphql_event_stream import FailingTwins
from tests.unit.test_http_connections import HEAD, UPGRADE, answered, served

QUERY: Final = "{ status { logPosition } }"
EVENTS: Final = "subscription { events { cursor node { position } } }"
PAGES: Final = (
    "query ($a: String) { vehicles(first: 1, after: $a) { edges { cursor } pageInfo { hasNextPage endCursor } } }"
)
WORLD: Final = memory_world(full_car(1))
END: Final = WORLD.log.last_position()
LAST: Final = f'subscription {{ events(after: "{cursor_of("the log", END - 1)}") {{ node {{ position }} }} }}'
NEVER_S: Final = 1e6


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "WITHIN_S", NEVER_S)  # by a clock that runs faster


class Still:
    """Twins that answer nothing until they are told not to."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    @contextmanager
    def reading(self, _: Any = None) -> Iterator[Any]:
        yield Still()

    def cancel(self) -> None:
        self._cancelled.set()

    def __getattr__(self, _: str) -> Any:
        return self._wait

    def _wait(self, *_: object) -> None:
        self._cancelled.wait()
        raise StoreError("cancelled")


class Porter:
    """Lets in everybody as the client that they say they are."""

    required = True

    def remembered(self, token: str) -> Access | None:
        return OPERATOR._replace(client=token, metered=True)

    def verify(self, token: str) -> Access:
        return OPERATOR._replace(client=token, metered=True)


def app_of(twins: Any = WORLD.twins) -> AsgiApp:
    limits = NO_LIMITS._replace(live=Live(WORLD.log.wait))
    return build_app(twins, CATALOGUE, CODEC.decode, REGISTRY, limits=limits, doorkeeper=Porter())


def of(client: int) -> dict[str, str]:
    """Return the headers of a client."""
    return {"authorization": f"Bearer client {client}"}


async def posted(app: AsgiApp, document: str = QUERY, client: int = 1, **request: Any) -> httpx.Response:
    headers = {"content-type": "application/json", **of(client), **request.pop("headers", {})}
    given = request or {"json": {"query": document}}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}") as sender:
        return await sender.post("/graphql", headers=headers, timeout=NEVER_S, **given)


def code_of(response: httpx.Response) -> tuple[int, str]:
    (error,) = response.json()["errors"]
    return response.status_code, error["extensions"]["code"]


# --- times of a request -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("document", "accept"), [(QUERY, "application/json"), (PAGES, "application/x-ndjson")])
def test_a_request_and_a_page_of_a_whole_fleet_may_take_ten_seconds(document: str, accept: str) -> None:
    async def main(loop: QuickLoop) -> None:
        asked = posted(app_of(Still()), document, headers={"accept": accept})
        assert code_of(await comes_after(loop, loop.time(), 10, asked)) == (503, "TIMEOUT")

    run_quickly(main)


def test_a_query_of_a_socket_and_a_look_of_a_stream_may_take_ten_seconds() -> None:
    async def main(loop: QuickLoop) -> None:
        app = app_of(Still())
        async with initiated(app, headers=of(1)) as socket:
            since_s = loop.time()
            socket.subscribe(QUERY)
            message = await comes_after(loop, since_s, 10, socket.heard())
            assert message["payload"]["errors"][0]["extensions"]["code"] == "TIMEOUT"
        since_s = loop.time()
        async with streaming(app, EVENTS) as events:
            _, _, body = await comes_after(loop, since_s, 10, events.heard())
            assert body["errors"][0]["extensions"]["code"] == "TIMEOUT"

    run_quickly(main)


def test_a_body_may_take_ten_seconds() -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def main(loop: QuickLoop) -> None:
        asked = posted(app_of(), content=never())
        assert code_of(await comes_after(loop, loop.time(), 10, asked)) == (408, "BAD_REQUEST")

    run_quickly(main)


def test_a_position_is_waited_for_five_seconds() -> None:
    async def main(loop: QuickLoop) -> None:
        document = f'{{ vehicle(vin: "{full_car(1).vin}", atLeast: {END + 1}) {{ vin }} }}'
        response = await comes_after(loop, loop.time(), 5, posted(app_of(), document))
        assert code_of(response) == (200, "POSITION_NOT_REACHED")

    run_quickly(main)


# --- times of what stays open -----------------------------------------------------------------------------------------


def test_a_socket_has_ten_seconds_to_begin_and_ten_minutes_to_ask_something() -> None:
    async def main(loop: QuickLoop) -> None:
        since_s = loop.time()
        async with talking(app_of()) as socket:
            await socket.read()
            assert await comes_after(loop, since_s, 10, socket.heard()) == 4408
        since_s = loop.time()
        async with initiated(app_of(), headers=of(1)) as socket:
            assert await comes_after(loop, since_s, 600, socket.heard()) == 1000

    run_quickly(main)


def test_a_stream_with_nothing_to_tell_gives_a_sign_every_fifteen_seconds() -> None:
    async def sign(events: Events) -> None:
        while (await events.read())["body"] != b":\n\n":
            pass

    async def main(loop: QuickLoop) -> None:
        async with streaming(app_of(), LAST) as events:
            await events.next()
            since_s = loop.time()
            await comes_after(loop, since_s - 1, 15, sign(events))  # it may have begun to wait before that was read

    run_quickly(main)


def test_a_reader_that_takes_nothing_has_thirty_seconds_and_then_as_many_before_it_is_cut_off() -> None:
    async def main(loop: QuickLoop) -> None:
        since_s = loop.time()
        async with streaming(app_of(), EVENTS, 1) as events:
            await events.blocked.wait()
            await comes_after(loop, since_s, 60, events.over.wait())
        async with initiated(app_of(), 1, headers=of(1)) as socket:
            socket.subscribe(EVENTS)
            await socket.blocked.wait()
            assert (await slowly_read(loop, socket, 10))["type"] == "next"
            message = await slowly_read(loop, socket, 40)
            while message["type"] == "next":
                message = await socket.heard()
            assert message["payload"][0]["extensions"]["code"] == "READER_TOO_SLOW"

    run_quickly(main)


async def slowly_read(loop: QuickLoop, socket: Socket, seconds: float) -> Any:
    """Read nothing for so long, and then a message."""
    loop.hurry(10)
    await asyncio.sleep(seconds)
    loop.hurry(1)
    return await socket.heard()


def test_a_store_may_be_away_for_a_minute() -> None:
    async def main(loop: QuickLoop) -> None:
        since_s = loop.time()
        async with streaming(app_of(FailingTwins(WORLD, 10**9)), EVENTS) as events:
            _, _, body = await comes_after(loop, since_s, 60, events.heard())
            assert body["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"

    run_quickly(main)


# --- times of connections ---------------------------------------------------------------------------------------------

BOUNDS: Final[dict[str, Any]] = {**CONNECTIONS}


async def end_of(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass


def test_a_connection_has_ten_seconds_for_a_head_and_five_for_the_next() -> None:
    async def main(loop: QuickLoop) -> None:
        async with served(**BOUNDS) as connect:
            since_s = loop.time()
            reader, writer = await connect()
            writer.write(HEAD)
            await comes_after(loop, since_s, 10, end_of(reader))
            streams = await connect()
            since_s = loop.time()
            assert await answered(streams)
            await comes_after(loop, since_s, 5, end_of(streams[0]))

    run_quickly(main)


def test_who_reads_nothing_of_an_answer_is_cut_off_after_a_minute() -> None:
    lost = asyncio.Event()

    class Seen(BoundedConnection):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost.set()

    async def main(loop: QuickLoop) -> None:
        async with served(**{**BOUNDS, "http": Seen}) as connect:
            since_s = loop.time()
            _, writer = await connect()
            writer.write(HEAD.replace(b" / ", b" /large ") + b"\r\n")
            await comes_after(loop, since_s, 60, lost.wait())

    run_quickly(main)


SOCKET: Final = UPGRADE.replace(b" / ", b" /graphql ")[:-2] + b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"


def framed(text: bytes) -> bytes:
    """Return a message as a client sends it."""
    return b"\x81\xff" + len(text).to_bytes(8, "big") + bytes(4) + text


def test_a_socket_on_which_no_ping_is_answered_is_told_so_a_minute_after_the_ping() -> None:
    async def main(loop: QuickLoop) -> None:
        async with served(**BOUNDS, served=app_of()) as connect:
            since_s = loop.time()
            reader, writer = await connect()
            subscribe = {"id": "1", "type": "subscribe", "payload": {"query": LAST}}
            init = {"type": "connection_init", "payload": of(1)}
            writer.write(SOCKET)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(framed(json.dumps(init).encode()) + framed(json.dumps(subscribe).encode()))
            told = await comes_after(loop, since_s, 20 + 60, reader.read(-1))
            assert b"READER_TOO_SLOW" in told
            assert (1013).to_bytes(2, "big") + b"no ping" in told

    run_quickly(main)


@pytest.mark.parametrize(("length", "code"), [(262_144, 4400), (262_145, 1009)])  # the first is no message of ours
def test_a_message_of_a_socket_may_be_as_long_as_a_body(length: int, code: int) -> None:
    async def main(_: QuickLoop) -> None:
        async with served(**BOUNDS, served=app_of()) as connect:
            reader, writer = await connect()
            writer.write(SOCKET)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(framed(b"x" * length))
            opcode, size, *closed = await reader.readexactly(4)
            assert (opcode, int.from_bytes(closed, "big")) == (0x88, code)
            assert size

    run_quickly(main)


def test_of_eight_hundred_and_one_connections_one_goes() -> None:
    async def main() -> list[list[bool]]:
        config = uvicorn.Config(lambda *_: None, **BOUNDS)
        config.load()
        state, found = ServerState(), []
        transports = [Mock(asyncio.Transport) for _ in range(801)]
        for some in (transports[:800], transports[800:]):
            for transport in some:
                transport.get_extra_info.return_value = None
                BoundedConnection(config, state, {}).connection_made(transport)
            found.append([each.abort.called for each in transports])  # before their time is up
        return found

    assert asyncio.run(main()) == [[False] * 801, [True] + [False] * 800]


# --- how many there may be --------------------------------------------------------------------------------------------


def test_two_hundred_requests_are_answered_or_wait_and_one_more_is_refused() -> None:
    async def main() -> None:
        app = app_of(Still())
        asked = [asyncio.ensure_future(posted(app, client=number)) for number in range(201)]
        (refused,), waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert code_of(await refused) == (503, "SERVICE_UNAVAILABLE")
        assert "too many requests at once" in (await refused).text
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        response = await posted(app, "{")
        assert code_of(response) == (200, "GRAPHQL_PARSE_FAILED")

    asyncio.run(main())


def test_four_hundred_sockets_and_streams_stay_open_fifty_of_a_client() -> None:
    async def main() -> None:
        app = app_of()
        async with AsyncExitStack() as opened:
            for number in range(399):
                await opened.enter_async_context(initiated(app, headers=of(number // 50)))
            async with streaming(app, LAST, headers=of(0)) as events:  # the fifty-first of a client
                assert (await events.heard())[2]["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
            last = await opened.enter_async_context(streaming(app, LAST, headers=of(7)))
            assert await last.next()
            async with streaming(app, LAST, headers=of(8)) as events:  # the first of a client
                assert (await events.heard())[2]["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
            async with talking(app, headers=of(8)) as socket:
                await socket.read()
                assert await socket.heard() == 1013

    asyncio.run(main())


def test_an_address_has_fifty_sockets_of_which_nobody_knows_whose_they_are() -> None:
    async def main() -> None:
        app = app_of()
        async with AsyncExitStack() as opened:
            first, *others = [await opened.enter_async_context(talking(app)) for _ in range(50)]
            for socket in (first, *others):
                await socket.read()
            assert first.received.empty()
            await opened.enter_async_context(talking(app))
            assert await first.heard() == 1013
            assert all(each.received.empty() for each in others)

    asyncio.run(main())


def test_there_are_a_thousand_subscriptions_fifty_of_a_client() -> None:
    async def main() -> None:
        app = app_of()
        async with AsyncExitStack() as opened:
            for client in range(20):
                for operations in (20, 20, 10):
                    socket = await opened.enter_async_context(initiated(app, headers=of(client)))
                    for number in range(operations):
                        socket.subscribe(LAST, str(number))
                    for _ in range(operations):
                        assert await socket.next() == {"events": {"node": {"position": END}}}
                if client in (0, 19):  # one more of this client; one more of anybody
                    socket = await opened.enter_async_context(initiated(app, headers=of(client if client < 19 else 20)))
                    socket.subscribe(LAST)
                    (error,) = (await socket.heard())["payload"]
                    assert error["message"] == "too many subscriptions at once"

    asyncio.run(main())
