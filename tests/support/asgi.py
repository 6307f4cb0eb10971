"""Connections to the server as an ASGI application, without a network: who reads may be slow, or gone."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final

from adapters.graphql.app import AsgiApp

WITHIN_S: Final = 20.0
HOST: Final = "localhost:8000"


class Connection:
    """One connection; the server waits with what it sends while `unread_max` messages have not been read."""

    def __init__(self, unread_max: int) -> None:
        self.received: asyncio.Queue[Any] = asyncio.Queue(unread_max)
        self._sent: asyncio.Queue[Any] = asyncio.Queue()
        self.over = asyncio.Event()
        self.blocked = asyncio.Event()  # the server has had to wait

    async def receive(self) -> Any:
        return await self._sent.get()

    async def send(self, message: Any) -> None:
        if self.received.full():
            self.blocked.set()
        await self.received.put(message)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send the server a message of ASGI."""
        self._sent.put_nowait(message)

    async def read(self) -> Any:
        """Return the next message of ASGI from the server."""
        return await asyncio.wait_for(self.received.get(), WITHIN_S)


class Socket(Connection):
    """A WebSocket."""

    def say(self, message: object) -> None:
        """Send a message; a text as it is."""
        self.tell({"type": "websocket.receive", "text": message if isinstance(message, str) else json.dumps(message)})

    async def heard(self) -> Any:
        """Return the next message, or the code that the socket was closed with."""
        message = await self.read()
        return message["code"] if message["type"] == "websocket.close" else json.loads(message["text"])

    async def next(self) -> Any:
        """Return the data of the next message, which is of type next."""
        message = await self.heard()
        assert message["type"] == "next", message
        return message["payload"]["data"]

    def subscribe(self, query: str, operation_id: str = "1", **variables: Any) -> None:
        """Begin an operation."""
        payload = {"query": query, "variables": variables}
        self.say({"id": operation_id, "type": "subscribe", "payload": payload})


class Events(Connection):
    """A response of text/event-stream."""

    _text = ""

    async def heard(self) -> tuple[str, str, Any]:
        """Return the next event: type, id and data; "end" is the end of the response."""
        while "\n\n" not in self._text:
            message = await self.read()
            if message["type"] == "http.response.start":
                assert dict(message["headers"])[b"content-type"].startswith(b"text/event-stream")
                continue
            self._text += message.get("body", b"").decode()
            if not message.get("more_body") and "\n\n" not in self._text:
                return "end", "", None
        event, _, self._text = self._text.partition("\n\n")
        fields = dict(line.partition(": ")[::2] for line in event.replace("data:\n", "data: \n").split("\n"))
        if set(fields) == {":"} or not event.strip(":"):
            return await self.heard()
        data = fields.get("data") or None
        return fields["event"], fields.get("id", ""), None if data is None else json.loads(data)

    async def next(self) -> Any:
        """Return the data of the next event, which is of type next."""
        kind, _, body = await self.heard()
        assert kind == "next", kind
        return body["data"]


@asynccontextmanager
async def talking(
    app: AsgiApp,
    unread_max: int = 0,
    *,
    path: str = "/graphql",
    subprotocols: tuple[str, ...] = ("graphql-transport-ws",),
    headers: Mapping[str, str] = MappingProxyType({}),
    address: str = "192.0.2.1",
) -> AsyncIterator[Socket]:
    """Give a WebSocket that is open; it is closed in the end."""
    told = {"host": HOST, **headers}
    scope = {
        "type": "websocket",
        "client": (address, 50_000),
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in told.items()],
        "subprotocols": list(subprotocols),
    }
    socket = Socket(unread_max)
    socket.tell({"type": "websocket.connect"})
    async with _running(app, scope, socket, {"type": "websocket.disconnect", "code": 1001}):
        yield socket


@asynccontextmanager
async def initiated(
    app: AsgiApp, unread_max: int = 0, headers: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Socket]:
    """Give a WebSocket on which operations can begin."""
    async with talking(app, unread_max, headers=headers) as socket:
        assert (await socket.read())["type"] == "websocket.accept"
        socket.say({"type": "connection_init"})
        assert await socket.heard() == {"type": "connection_ack"}
        yield socket


@asynccontextmanager
async def streaming(
    app: AsgiApp, query: str, unread_max: int = 0, headers: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Events]:
    """Give the response to a POST that accepts nothing but events."""
    told = {
        "host": HOST,
        "accept": "text/event-stream",
        "content-type": "application/json",
        "authorization": "Bearer good",
        **headers,
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in told.items()],
    }
    events = Events(unread_max)
    events.tell({"type": "http.request", "body": json.dumps({"query": query}).encode()})
    async with _running(app, scope, events, {"type": "http.disconnect"}):
        yield events


@asynccontextmanager
async def _running(app: AsgiApp, scope: Any, connection: Connection, goodbye: Any) -> AsyncIterator[None]:
    task = asyncio.ensure_future(app(scope, connection.receive, connection.send))
    task.add_done_callback(lambda _: connection.over.set())
    try:
        yield
    finally:
        connection.tell(goodbye)
        if not connection.over.is_set():
            done, _ = await asyncio.wait({task}, timeout=WITHIN_S)
            assert done, "the server does not notice that its client is gone"
        task.result()
