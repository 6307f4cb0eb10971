"""Connections whose client takes too long, on a server of its own with short times."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import pytest
import uvicorn

from adapters.asgi_words import KNOWN
from adapters.http_connections import HEAD_BYTES_MAX, BoundedConnection
from adapters.socket_connections import BoundedSocket

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
    """Answer with much at /large, after a while at /slow, or else with little, and over a socket with nothing."""
    if scope["type"] == "websocket":
        await talk(scope, receive, send)
        return
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(SHORT_S * 2)
    body = LARGE if scope["path"] == "/large" else b"ok"
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


async def talk(scope: Any, receive: Any, send: Any) -> None:
    """Know who sends anything, and say nothing; of what is not empty, much, and no more."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message["text"]:
            await send({"type": "websocket.send", "text": LARGE.decode()})
            return
        if KNOWN in scope["extensions"]:
            await send({"type": KNOWN})
        await send({"type": "websocket.send", "text": ""})


class Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, http: type[BoundedConnection], served: Any = app, **settings: Any) -> None:
        settings = {"ws": BoundedSocket, **settings}
        super().__init__(uvicorn.Config(served, port=0, lifespan="off", log_config=None, http=http, **settings))
        self.listening = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def served(http: type[BoundedConnection] = Short, **settings: Any) -> AsyncIterator[Connect]:
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


class Patient(BoundedConnection):
    """Cuts nobody off for being slow."""

    head_s = PATIENCE_S * 2


@pytest.mark.parametrize("begin", [b"GET /", HEAD + b"x: ", HEAD, HEAD[:-17] + b"x:1\r\n" * 3])
@pytest.mark.parametrize("before", [0, 1])
def test_a_head_without_an_end_is_refused(begin: bytes, before: int) -> None:
    async def asked() -> int:
        async with served(Patient) as connect:
            reader, writer = await connect()
            for _ in range(before):
                assert await answered((reader, writer))
            ended = asyncio.ensure_future(is_cut_off(reader))
            writer.write(begin)
            sent = 0
            while not ended.done():
                writer.write(b"a: b\r\n" * 100 if begin == HEAD else b"y" * 600)
                sent += 600
                assert sent < HEAD_BYTES_MAX * 20
                await asyncio.wait({ended}, timeout=0.001)
            assert ended.result()
            return sent

    assert asyncio.run(asked()) >= HEAD_BYTES_MAX - len(begin)


def test_a_head_of_many_bytes_and_requests_behind_each_other_are_answered() -> None:
    async def asked() -> list[bytes]:
        async with served() as connect:
            reader, writer = await connect()
            request = HEAD + b"x: " + b"y" * 50_000 + b"\r\n\r\n"
            writer.write(request * 4)
            found = []
            for _ in range(4):
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
                found.append(head[:15] + await reader.readexactly(2))
            return found

    assert asyncio.run(asked()) == [b"HTTP/1.1 200 OKok"] * 4


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


UPGRADE: Final = (
    HEAD + b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def upgraded(streams: Streams) -> None:
    reader, writer = streams
    writer.write(UPGRADE)
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize("known", [0, 1, 2])
def test_sockets_of_nobody_shut_nobody_out(known: int) -> None:
    """Those of which it is known whose they are stay, as does whoever asks."""

    async def asked() -> list[bool]:
        async with served() as connect:
            sockets = [await connect() for _ in range(Short.connections_max)]
            for number, streams in enumerate(sockets):
                await upgraded(streams)
                if number < known:
                    streams[1].write(b"\x81\x80\x00\x00\x00\x00")  # an empty text
                    assert await streams[0].readexactly(2) == b"\x81\x00"
            assert await answered(await connect())
            (first, *_), (last, _) = sockets[known], sockets[-1]
            assert await is_cut_off(first)
            kept = sockets[:known] + ([] if last is first else [sockets[-1]])
            for reader, writer in kept:
                writer.write(b"\x81\x80\x00\x00\x00\x00")
                assert await reader.readexactly(2) == b"\x81\x00"
            return [True]

    assert asyncio.run(asked())


@pytest.mark.parametrize("how", ["head", "body", "reader"])
def test_clients_that_are_waited_for_shut_nobody_out(how: str) -> None:
    class Patient(Short):
        head_s = write_s = 1_000.0

    sent = {
        "head": HEAD,
        "body": HEAD.replace(b"GET", b"POST") + b"content-length: 5\r\n\r\nab",
        "reader": HEAD.replace(b" / ", b" /large ") + b"\r\n",
    }[how]

    async def asked() -> bool:
        async with served(Patient) as connect:
            first, *_ = [await connect() for _ in range(Short.connections_max)]
            for reader, writer in [first, *_]:
                writer.write(sent)
                if how == "reader":
                    await reader.readexactly(10)
            asking = await connect()
            return await answered(asking) and await is_cut_off(first[0])

    assert asyncio.run(asked())


def test_a_socket_that_is_to_leave_and_reads_nothing_is_cut_off() -> None:
    lost = asyncio.Event()

    class Seen(BoundedSocket):
        leave_s = SHORT_S

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost.set()

    async def asked() -> None:
        async with served(ws=Seen) as connect:
            reader, writer = await connect()
            await upgraded((reader, writer))
            writer.write(b"\x81\x81\x00\x00\x00\x00x")  # much is sent, and the application ends
            await asyncio.wait_for(lost.wait(), PATIENCE_S)

    asyncio.run(asked())
