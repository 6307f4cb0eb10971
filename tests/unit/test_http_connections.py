"""Connections whose client takes too long, on a server of its own with short times."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import pytest
import uvicorn

from adapters.http_connections import BoundedConnection

SHORT_S: Final = 0.3
PATIENCE_S: Final = 20.0
LARGE: Final = b"x" * 16_000_000  # more than all buffers between two sockets hold
HEAD: Final = b"GET / HTTP/1.1\r\nhost: localhost\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


class Short(BoundedConnection):
    """Waits for a short time only."""

    head_s = SHORT_S
    write_s = SHORT_S
    connections_max = 3


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with much at /large, after a while at /slow, or else with little."""
    assert scope["type"] == "http"
    await receive()
    if scope["path"] == "/slow":
        await asyncio.sleep(SHORT_S * 2)
    body = LARGE if scope["path"] == "/large" else b"ok"
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, http: type[Short], **settings: Any) -> None:
        super().__init__(uvicorn.Config(app, port=0, lifespan="off", log_config=None, http=http, **settings))
        self.listening = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def served(http: type[Short] = Short, **settings: Any) -> AsyncIterator[Connect]:
    server = Server(http, **settings)
    serving = asyncio.ensure_future(server.serve())
    await server.listening.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    writers = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in writers:
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()
        server.should_exit = True
        await serving


async def is_cut_off(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection ends in time; what comes before that is read."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while await reader.read(65_536):
                pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


async def answered(streams: Streams, path: str = "/") -> bool:
    reader, writer = streams
    writer.write(HEAD.replace(b" / ", f" {path} ".encode()) + b"\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    return head.startswith(b"HTTP/1.1 200") and await reader.readexactly(2) == b"ok"


@pytest.mark.parametrize("sent", [b"", b"G", HEAD])
def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    async def asked() -> bool:
        async with served() as connect:
            reader, writer = await connect()
            writer.write(sent)
            return await is_cut_off(reader)

    assert asyncio.run(asked())


def test_a_head_that_comes_byte_by_byte_ends_the_connection_the_first_time_and_the_second() -> None:
    async def asked() -> list[bool]:
        async with served() as connect:
            found = []
            for before in (0, 1):
                reader, writer = await connect()
                for _ in range(before):
                    assert await answered((reader, writer))
                ended = asyncio.ensure_future(is_cut_off(reader))
                for byte in HEAD * 100:
                    writer.write(bytes([byte]))
                    await asyncio.wait({ended}, timeout=SHORT_S / 10)
                    if ended.done():
                        break
                found.append(ended.done() and ended.result())
            return found

    assert asyncio.run(asked()) == [True, True]


def test_an_answer_that_takes_its_time_and_requests_after_it_are_not_hurried() -> None:
    async def asked() -> list[bool]:
        async with served() as connect:
            streams = await connect()
            return [await answered(streams, path) for path in ("/slow", "/", "/slow")]

    assert asyncio.run(asked()) == [True] * 3


@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"])
@pytest.mark.parametrize("high_water", [None, 2**30])
def test_a_client_that_does_not_read_is_cut_off(more: bytes, high_water: int | None) -> None:
    lost = asyncio.Event()

    class Seen(Short):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if high_water:  # then nobody is told that much waits
                transport.set_write_buffer_limits(high_water)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost.set()

    async def asked() -> None:
        async with served(Seen, timeout_keep_alive=0 if high_water else 1_000) as connect:
            _, writer = await connect()
            writer.write(HEAD.replace(b" / ", b" /large ") + more + b"\r\n")
            await asyncio.wait_for(lost.wait(), PATIENCE_S)

    asyncio.run(asked())


def test_of_too_many_connections_the_one_goes_that_has_kept_us_waiting_longest() -> None:
    class Patient(Short):
        head_s = 1_000.0

    async def asked() -> tuple[bool, bool]:
        async with served(Patient) as connect:
            busy = await connect()
            answer = asyncio.ensure_future(answered(busy, "/slow"))
            idle, _ = await connect()
            others = [await connect() for _ in range(Short.connections_max - 1)]
            first = asyncio.ensure_future(is_cut_off(idle))
            assert await answered(others[-1])
            return await first, await answer

    assert asyncio.run(asked()) == (True, True)
