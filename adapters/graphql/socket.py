"""Operations over a WebSocket: the protocol graphql-transport-ws, as the library graphql-ws describes it.

Who connects says who they are by the header Authorization, or by the same in the payload of connection_init, since a
browser can set no header here.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from enum import IntEnum
from typing import Any, Final, NamedTuple

from adapters.access import Access
from adapters.asgi_words import KNOWN, UNANSWERED
from adapters.clock import now
from adapters.graphql.execution import Answer
from adapters.graphql.http import (
    GRAPHQL_RESPONSE,
    Call,
    Receive,
    RefusedError,
    Response,
    Send,
    address_of,
    call_of,
    json_bytes,
)
from adapters.graphql.lines import LINES_OF_CLIENT_MAX, Line, Lines, client_of
from adapters.graphql.streams import (
    PATIENCE,
    Patience,
    ServerEndingError,
    Stream,
    StreamEndedError,
    Taken,
    TokenExpiredError,
    taken,
)
from domain.units import MICROS_PER_SECOND

SUBPROTOCOL: Final = "graphql-transport-ws"
OPERATIONS_MAX: Final = 20  # at once, of a socket
ID_CHARACTERS_MAX: Final = 128
REASON_BYTES_MAX: Final = 123  # RFC 6455, section 5.5
_EXPIRED: Final = "the token has expired: connect with a new one"

_log: Final = logging.getLogger(__name__)


class Close(IntEnum):
    """Why a socket is closed: RFC 6455 and graphql-transport-ws."""

    NORMAL = 1000
    INTERNAL = 1011
    RESTART = 1012
    TRY_AGAIN = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL = 4406
    INIT_TIMEOUT = 4408
    ALREADY_SUBSCRIBED = 4409
    TOO_MANY_INITS = 4429


class SocketTimes(NamedTuple):
    """How long a socket may take. Seconds."""

    init_s: float = 10.0  # until connection_init
    idle_s: float = 600.0  # without an operation
    patience: Patience = PATIENCE


TIMES: Final = SocketTimes()


class SocketServer(NamedTuple):
    """What a socket needs of the server."""

    let_in: Callable[[Mapping[str, str]], Awaitable[Access | Response]]  # whom the headers of a request name
    operation: Callable[[Call, Access], AbstractAsyncContextManager[Stream | Answer]]
    times: SocketTimes
    lines: Lines


class _CloseError(Exception):
    """The socket is to be closed."""

    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class _GoneError(Exception):
    """The other end is gone, or takes nothing."""


async def serve_socket(scope: MutableMapping[str, Any], receive: Receive, send: Send, server: SocketServer) -> None:
    """Talk to a client until one of both ends it."""
    await receive()  # websocket.connect
    if SUBPROTOCOL not in scope.get("subprotocols", ()):
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": Close.SUBPROTOCOL, "reason": f"only {SUBPROTOCOL} is spoken"})
        return
    await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
    talking = _Socket(scope, receive, send, server)
    with server.lines.socket(address_of(scope), talking.make_room) as line:
        if line is None:
            talking.refuse()
        else:
            talking.line = line
        await talking.talk()


class _Socket:
    line: Line | None = None

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, server: SocketServer) -> None:
        loop = asyncio.get_running_loop()
        self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self._address = address_of(scope)
        self._tells_whom_it_knows = KNOWN in (scope.get("extensions") or {})
        self._receive = receive
        self._asgi_send = send
        self._server = server
        self._times = server.times
        self._now_s = loop.time
        self._idle_since_s = loop.time()
        self._access: Access | None = None
        self._initiated = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._streams: set[Stream] = set()
        self._turn = asyncio.Lock()  # of those who send
        self._end: asyncio.Future[None] = loop.create_future()  # has the error that says why
        self._gone: asyncio.Future[None] = loop.create_future()

    async def talk(self) -> None:
        """Take messages until the end, then end every operation."""
        close: _CloseError | None = None
        try:
            await self._listen()
        except _CloseError as error:
            close = error
        except _GoneError:
            pass
        except Exception:  # noqa: BLE001  # the last place where a fault of ours can be told
            _log.exception("a socket failed")
            close = _CloseError(Close.INTERNAL, "something went wrong: the log has the cause")
        running = [*self._operations.values()]
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if close is not None:
            # A reason repeats what the client has sent, which may hold half of a surrogate pair.
            reason = close.reason.encode(errors="replace")[:REASON_BYTES_MAX].decode(errors="ignore")
            message = {"type": "websocket.close", "code": int(close.code), "reason": reason}
            await taken(self._asgi_send(message), self._gone, self._times.patience)

    def refuse(self) -> None:
        """End a socket for which there is no place."""
        self._finish(_CloseError(Close.TRY_AGAIN, "too many sockets at once"))

    def make_room(self) -> None:
        """End, since others need the place."""
        self._finish(_CloseError(Close.TRY_AGAIN, "others came before connection_init did: connect again"))

    async def _listen(self) -> None:
        coming: asyncio.Future[Any] = asyncio.ensure_future(self._receive())
        try:
            while True:
                left_s, _ = self._deadline()
                await asyncio.wait({coming, self._end}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if self._end.done():
                    self._end.result()  # raises
                message = coming.result() if coming.done() else None
                if message and message["type"] == "websocket.disconnect":
                    self._gone.set_result(None)
                    raise _GoneError
                left_s, late = self._deadline()
                if left_s <= 0:  # also where there is always another message
                    raise late
                if message and message["type"] == UNANSWERED:
                    await self._give_up()
                if message:
                    await self._take(message)
                    coming = asyncio.ensure_future(self._receive())
        finally:
            coming.cancel()
            self._finish(_GoneError())
            with suppress(Exception):
                self._end.result()  # it was seen

    async def _give_up(self) -> None:
        """End, since no ping is answered; what has been subscribed to ends first, and tells where to go on."""
        for each in self._streams:
            each.give_up()
        if self._operations:
            await asyncio.wait({*self._operations.values()}, timeout=sum(self._times.patience))
        raise _CloseError(Close.TRY_AGAIN, "no ping was answered in time")

    def _deadline(self) -> tuple[float, _CloseError]:
        """Return within how many seconds something has to happen, and what is done if not."""
        if self._access is None:
            left_s = self._idle_since_s + self._times.init_s - self._now_s()
            return left_s, _CloseError(Close.INIT_TIMEOUT, "Connection initialisation timeout")
        found = [(self._times.idle_s, _CloseError(Close.NORMAL, "nothing was asked for too long"))]
        if not self._operations:
            found[0] = (found[0][0] + self._idle_since_s - self._now_s(), found[0][1])
        if self._access.expires_at is not None:
            left_s = (self._access.expires_at - now()) / MICROS_PER_SECOND
            found.append((left_s, _CloseError(Close.FORBIDDEN, _EXPIRED)))
        return min(found, key=lambda each: each[0])

    # --- messages -----------------------------------------------------------------------------------------------------

    async def _take(self, received: Mapping[str, Any]) -> None:
        """Do what a message says. Raises _CloseError for one that cannot be."""
        message = _message(received.get("text"))
        match message["type"]:
            case "connection_init":
                await self._initiate(message.get("payload"))
            case "ping":
                await self._say({"type": "pong"})
            case "pong":
                pass
            case "subscribe":
                await self._subscribe(message)
            case "complete" if isinstance(message.get("id"), str):
                task = self._operations.pop(message["id"], None)
                if task is not None:
                    self._idle_since_s = self._now_s()
                    task.cancel()
            case _:
                raise _CloseError(Close.BAD_REQUEST, f"no message of {SUBPROTOCOL}")

    async def _initiate(self, payload: Any) -> None:
        if self._initiated:
            raise _CloseError(Close.TOO_MANY_INITS, "Too many initialisation requests")
        self._initiated = True
        if not isinstance(payload, dict | None):
            raise _CloseError(Close.BAD_REQUEST, "payload is no JSON object")
        access = await self._server.let_in({**self._headers, **_credentials(payload or {})})
        if isinstance(access, Response):
            (error,) = json.loads(access.body)["errors"]
            code = Close.FORBIDDEN if access.status < 500 else Close.TRY_AGAIN  # noqa: PLR2004  # RFC 9110, section 15.6
            raise _CloseError(code, error["message"])
        if self.line is None or not self._server.lines.is_of(self.line, client_of(access, self._address)):
            raise _CloseError(Close.TRY_AGAIN, f"at most {LINES_OF_CLIENT_MAX} sockets and event streams of a client")
        if self._tells_whom_it_knows:
            await self._asgi_send({"type": KNOWN})
        self._access = access
        self._idle_since_s = self._now_s()
        await self._say({"type": "connection_ack"})

    async def _subscribe(self, message: Mapping[str, Any]) -> None:
        if self._access is None:
            raise _CloseError(Close.UNAUTHORIZED, "Unauthorized")
        operation_id, payload = message.get("id"), message.get("payload")
        if not isinstance(operation_id, str) or not 0 < len(operation_id) <= ID_CHARACTERS_MAX:
            raise _CloseError(Close.BAD_REQUEST, f"id is no text of 1 to {ID_CHARACTERS_MAX} characters")
        if not isinstance(payload, dict):
            raise _CloseError(Close.BAD_REQUEST, "payload is no JSON object")
        if operation_id in self._operations:
            raise _CloseError(Close.ALREADY_SUBSCRIBED, f"Subscriber for {operation_id} already exists")
        if len(self._operations) >= OPERATIONS_MAX:
            raise _CloseError(Close.BAD_REQUEST, f"more than {OPERATIONS_MAX} operations at once")
        try:
            call = call_of(payload, GRAPHQL_RESPONSE)
        except RefusedError as error:
            raise _CloseError(Close.BAD_REQUEST, str(error)) from error
        self._operations[operation_id] = asyncio.ensure_future(self._operate(operation_id, call, self._access))

    # --- operations ---------------------------------------------------------------------------------------------------

    async def _operate(self, operation_id: str, call: Call, access: Access) -> None:
        try:
            async with self._server.operation(call, access) as found:
                if isinstance(found, Stream):
                    await self._deliver(operation_id, found)
                elif found.executed:
                    await self._say({"type": "next", "id": operation_id, "payload": found.body})
                    await self._say_last({"type": "complete", "id": operation_id})
                else:
                    await self._say_last({"type": "error", "id": operation_id, "payload": found.body["errors"]})
        except TokenExpiredError:
            self._finish(_CloseError(Close.FORBIDDEN, _EXPIRED))
        except ServerEndingError as ended:
            self._finish(_CloseError(Close.RESTART, str(ended)))
        except StreamEndedError as ended:
            with suppress(_GoneError):
                await self._say_last({"type": "error", "id": operation_id, "payload": [ended.error]})
        except _GoneError as gone:
            self._finish(gone)
        except Exception:  # noqa: BLE001  # a task's fault is seen by nobody else
            _log.exception("an operation of a socket failed")
            self._finish(_CloseError(Close.INTERNAL, "something went wrong: the log has the cause"))
        finally:
            self._forget(operation_id)

    async def _deliver(self, operation_id: str, stream: Stream) -> None:
        self._streams.add(stream)
        try:
            async with aclosing(stream.deliveries()) as deliveries:
                async for delivery in deliveries:
                    how = await self._say({"type": "next", "id": operation_id, "payload": delivery.body})
                    stream.take(delivery)
                    if how is Taken.LATE:
                        raise stream.stalled(self._times.patience)
        finally:
            self._streams.discard(stream)

    async def _say_last(self, message: Mapping[str, Any]) -> None:
        self._forget(message["id"])  # which may be used again as soon as this is read
        await self._say(message)

    def _forget(self, operation_id: str) -> None:
        if self._operations.get(operation_id) is asyncio.current_task():
            del self._operations[operation_id]
            self._idle_since_s = self._now_s()

    async def _say(self, message: Mapping[str, Any]) -> Taken:
        """Send a message. Raises _GoneError where nobody takes it."""
        how = await taken(self._in_turn(message), self._gone, self._times.patience)
        if how is Taken.NEVER:
            raise _GoneError
        return how

    async def _in_turn(self, message: Mapping[str, Any]) -> None:
        async with self._turn:
            await self._asgi_send({"type": "websocket.send", "text": json_bytes(message).decode()})

    def _finish(self, error: Exception) -> None:
        if not self._end.done():
            self._end.set_exception(error)


def _message(text: str | None) -> dict[str, Any]:
    """Return a message. Raises _CloseError for what is none."""
    try:
        message = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise _CloseError(Close.BAD_REQUEST, "a message is not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise _CloseError(Close.BAD_REQUEST, "a message has no type")
    return message


def _credentials(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the header that the payload of connection_init holds in the place of that of the request."""
    for held in (payload, payload.get("headers")):
        if isinstance(held, dict):
            for name, value in held.items():
                if name.lower() == "authorization" and isinstance(value, str):
                    return {"authorization": value}
    return {}
