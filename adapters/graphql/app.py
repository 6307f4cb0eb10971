"""The server as an ASGI application: GraphQL, GraphiQL, the schema registry's read endpoints, health, metrics.

Documents are executed in threads: the event loop never waits for the database. Where no token is needed the server must
be reached over loopback only. It answers to addresses and to the names in `hosts`, no others: so no web page can reach
it under a name of its own that is made to mean 127.0.0.1 (DNS rebinding).

What needs a token (RFC 6750): GraphQL itself and the metrics. What does not, since it tells nothing of any vehicle: the
page, health and readiness, the schemas of the events.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, contextmanager
from ipaddress import ip_address
from typing import Any, Final, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from graphql import OperationType

from adapters.access import Access
from adapters.graphql import graphiql
from adapters.graphql.budgets import Budgets
from adapters.graphql.bulk import Bulk
from adapters.graphql.caller import Caller, WhileWaitedFor, in_time
from adapters.graphql.compiled import CompiledDocuments
from adapters.graphql.doors import Doors
from adapters.graphql.ending import REQUEST_S, Ending
from adapters.graphql.errors import error_body, fault
from adapters.graphql.event_stream import Subscribing, subscription
from adapters.graphql.execution import (
    MUTATION_BY_POST,
    TIME_IS_UP,
    Answer,
    Api,
    unavailable,
)
from adapters.graphql.http import (
    GRAPHQL_RESPONSE,
    JSON,
    NDJSON,
    Call,
    Receive,
    Request,
    Response,
    Send,
    address_of,
    json_bytes_response,
    json_response,
    read_call,
    refusal,
    respond,
    wants_page,
)
from adapters.graphql.lines import Lines, client_of
from adapters.graphql.outline import PLAIN, Outline, is_plain, outline
from adapters.graphql.port import Catalogue, Decode, Doorkeeper, Operations, SchemaRegistry, Twins
from adapters.graphql.registry import RegistryEndpoints
from adapters.graphql.socket import TIMES, SocketServer, SocketTimes, serve_socket
from adapters.graphql.streams import Stream, Streams
from adapters.graphql.tide import Wait, no_news
from adapters.graphql.trusted import NoDocuments, TrustedDocuments, UntrustedError
from adapters.whole_reads import WholeReads
from domain.errors import StoreError

LOOPBACK_HOSTS: Final = frozenset({"localhost"})
METRICS: Final = "/metrics"
THREADS: Final = 8
ENDINGS: Final = 4  # threads that end what others do, should nobody wait for it any more
REQUESTS_MAX: Final = 200  # executed or waiting for it; more are refused at once
GRAPHQL: Final = "/graphql"

_log: Final = logging.getLogger(__name__)

# Of a path and an Accept header: status, content type and body; None: nothing of this name
OperationAnswers = Callable[[str, str], tuple[int, str, bytes] | None]


class AsgiApp(Protocol):
    """The server as an application of ASGI."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, talk over a WebSocket, or live as long as the server."""

    async def drain(self) -> None:
        """End what has no end of itself: the server is going down."""


class Live(NamedTuple):
    """How what happens is told as it happens: by what waits for the log, in which times. Without it nothing comes."""

    wait: Wait = no_news
    times: SocketTimes = TIMES


NOTHING_LIVE: Final = Live()
T = TypeVar("T")


class Limits(NamedTuple):
    """What who is let in may ask for, and what answers without a thread where it can."""

    budgets: Budgets | None  # None: as much as there is
    trusted: TrustedDocuments
    request_s: float = REQUEST_S
    live: Live = NOTHING_LIVE
    reads: WholeReads | None = None  # None: no document is compiled
    operations: Operations | None = None  # None: there is nothing to see or to do but the twins


NO_LIMITS: Final = Limits(None, TrustedDocuments(NoDocuments()))


def build_app(
    twins: Twins,
    catalogue: Catalogue,
    decode: Decode,
    registry: SchemaRegistry,
    hosts: Collection[str] | None = LOOPBACK_HOSTS,
    operation: OperationAnswers | None = None,
    doorkeeper: Doorkeeper | None = None,
    limits: Limits = NO_LIMITS,
) -> AsgiApp:
    """Return the server; `hosts` None: it answers to any name. `operation` answers `/metrics` and `/health`.

    Without a `doorkeeper` everyone is let in, to everything.
    """
    doors = Doors(doorkeeper)
    api = Api(twins, catalogue, decode, limits.budgets, limits.operations)
    return _App(api, RegistryEndpoints(registry), hosts, operation, doors, limits)


class _App:
    def __init__(
        self,
        api: Api,
        registry: RegistryEndpoints,
        hosts: Collection[str] | None,
        operation: OperationAnswers | None,
        doors: Doors,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._endings = ThreadPoolExecutor(ENDINGS, "endings")
        self._streams = Streams(api, limits.live.wait, limits.live.times.patience, self._endings, limits.request_s)
        self._lines = Lines()
        self._socket_server = SocketServer(
            self._let_in_socket, self._operation_of_socket, limits.live.times, self._lines
        )
        self._compiled = None if limits.reads is None else CompiledDocuments(api, limits.reads)
        self._doors = doors
        self._api = api
        self._registry = registry
        self._hosts = hosts
        self._operation = operation
        self._static = graphiql.load()
        self._threads = ThreadPoolExecutor(THREADS, "graphql")
        self._bulk = Bulk(api, self._endings, page_s=limits.request_s)
        self._waiting = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            caller = Caller(receive, address_of(scope))
            with caller.leaving:
                response = await self._answer(scope, caller)
                if response.conversation is not None:
                    await response.conversation(caller.gone(), send)
                elif response.rest is None:
                    await _send(response, send, with_body=scope["method"] != "HEAD")
                else:
                    await _send_all(response, response.rest, caller, send)
        else:
            await self._talk(scope, receive, send)

    async def drain(self) -> None:
        """End what has no end of itself: the server is going down."""
        self._bulk.drain()
        await self._streams.drain()

    async def _talk(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Talk over a WebSocket, or refuse to: with 403, before it is accepted."""
        headers = _headers(scope)
        wrong = self._is_wrong_host(headers) or scope["path"].rstrip("/") != GRAPHQL
        # Browsers let a page of elsewhere connect; where no token is needed, it would be let in. Programs have no
        # origin; a page in a frame that is sandboxed has one without a host: null.
        origin = headers.get("origin")
        foreign = self._hosts is not None and origin is not None and _host_of_origin(origin) != headers.get("host")
        if wrong or foreign:
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await serve_socket(scope, receive, send, self._socket_server)

    async def _let_in_socket(self, headers: Mapping[str, str]) -> Access | Response:
        return await self._let_in(Request("GET", GRAPHQL, b"", headers))

    @asynccontextmanager
    async def _operation_of_socket(self, call: Call, access: Access) -> AsyncIterator[Stream | Answer]:
        asked = await self._asked(call)
        if isinstance(asked, Answer):
            yield asked
            return
        document, outlined = asked
        if outlined.kind is OperationType.SUBSCRIPTION:
            async with self._streams.opened(document, call, access, uuid4()) as found:
                yield found
        else:
            yield await self._answered(document, call, access, uuid4(), outlined.at_least)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._threads.shutdown(wait=True)
                self._bulk.close()
                self._streams.close()
                if self._compiled is not None:
                    await self._compiled.close()
                self._endings.shutdown(wait=True)
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _answer(self, scope: MutableMapping[str, Any], caller: Caller) -> Response:
        headers = _headers(scope)
        request = Request(scope["method"], scope["path"], scope.get("query_string", b""), headers)
        if self._is_wrong_host(headers):
            assert self._hosts is not None
            names = ", ".join(sorted(self._hosts))
            return refusal(421, "this server does not answer to this name", f"call it by its address, or as {names}")
        try:
            if request.path.rstrip("/") == GRAPHQL:
                return await self._graphql(request, caller)
            path = unquote(request.path)
            if request.method == "POST" and self._registry.takes(path):
                body = await caller.body()
                return body if isinstance(body, Response) else self._registry.post(path, body)
            if request.method not in ("GET", "HEAD"):
                return _only("GET")
            return await self._read(request, path)
        except Exception as error:  # noqa: BLE001  # the last place where a fault of ours can be told
            return json_response(500, {"errors": [fault(error, f"{request.method} {request.path}")]})

    async def _graphql(self, request: Request, caller: Caller) -> Response:
        if wants_page(request):
            return self._static.page
        if request.method not in ("GET", "POST"):
            return _only("GET, POST")
        access = await self._let_in(request)
        if isinstance(access, Response):
            return access
        body = await caller.body()
        if isinstance(body, Response):
            return body
        call = read_call(request._replace(body=body))
        return await self._execute(call, access, caller) if isinstance(call, Call) else call

    async def _let_in(self, request: Request) -> Access | Response:
        """Return who asks, or the response to somebody who may not."""
        access = self._doors.at_once(request)
        if access is not None:
            return access
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._doors.verified, request)

    async def _execute(self, call: Call, access: Access, caller: Caller) -> Response:
        asked = await self._asked(call, caller)
        if isinstance(asked, Answer):
            return respond(asked, call.media_type)
        document, outlined = asked
        if not call.may_change and call.media_type != NDJSON and outlined.kind is OperationType.MUTATION:
            return refusal(405, MUTATION_BY_POST, "send it by POST, and accept application/json")._replace(
                headers=(("allow", "POST"),)
            )
        request_id = uuid4()
        if call.takes_events and outlined.kind is OperationType.SUBSCRIPTION:
            asked_for = Subscribing(document, call, access, client_of(access, caller.address), request_id)
            return subscription(self._streams, self._lines, asked_for)
        if call.media_type == NDJSON:
            with self._place() as full:
                if full is not None:
                    return respond(full, call.media_type)
                return _identified(await self._bulk.answer(document, call, access, caller, request_id), request_id)
        quick = await self._answered_quickly(document, call, access, request_id, caller)
        if isinstance(quick, bytes):
            response = json_bytes_response(200, quick, call.media_type)
        else:
            answer = quick or await self._answered(document, call, access, request_id, outlined.at_least, caller)
            response = respond(answer, call.media_type)
        return _identified(response, request_id)

    async def _resolved(self, call: Call, caller: Caller | None = None) -> str | Answer:
        """Return the document that is asked for, or why it is not executed."""
        document = self._limits.trusted.at_once(call.document, call.sha256)
        if document is not None:
            return document
        return await self._in_place(caller, lambda _: self._looked_up(call))

    async def _asked(self, call: Call, caller: Caller | None = None) -> tuple[str, Outline] | Answer:
        """Return the document that is asked for and what has to be known of it, or why it is not executed."""
        document = await self._resolved(call, caller)
        if isinstance(document, Answer):
            return document
        outlined = await self._outlined(document, call, caller)
        return outlined if isinstance(outlined, Answer) else (document, outlined)

    async def _outlined(self, document: str, call: Call, caller: Caller | None = None) -> Outline | Answer:
        """Return what has to be known of a document before it is checked, or why nobody looked."""
        if is_plain(document):
            return PLAIN
        return await self._in_place(caller, lambda _: outline(document, call.operation_name, call.variables))

    async def _in_place(self, caller: Caller | None, work: Callable[[Ending], T]) -> T | Answer:
        """Return what a thread does for a caller who has a place among those who are answered, or why it does not."""
        with self._place() as full:
            return full or await self._in_time(caller, work) or TIME_IS_UP

    async def _in_time(self, caller: Caller | None, work: Callable[[Ending], T]) -> T | None:
        """Return what a thread does for a caller, None if its time is up; without a caller whoever waits cancels it."""
        seconds = self._limits.request_s
        left_s = caller.left_s(seconds) if caller else seconds
        return await in_time(caller, self._threads, self._endings, work, left_s)

    def _looked_up(self, call: Call) -> str | Answer:
        try:
            return self._limits.trusted.resolve(call.document, call.sha256)
        except UntrustedError as error:
            return Answer({"errors": [error_body(error.code, str(error), error.remedy)]}, executed=False)
        except StoreError as error:
            _log.warning("a document is not looked up: %s", error)
            return unavailable("the store does not answer")

    async def _answered_quickly(
        self, document: str, call: Call, access: Access, request_id: UUID, caller: Caller
    ) -> bytes | Answer | None:
        """Return the answer to a query of which something was made that answers it; None: nothing was."""
        if self._compiled is None or call.media_type not in (JSON, GRAPHQL_RESPONSE):
            return None
        with self._place() as full:
            if full is not None:
                return full
            try:
                with WhileWaitedFor(caller, caller.left_s(self._limits.request_s)):
                    return await self._compiled.answer(
                        document, call.variables, call.operation_name, access=access, request_id=request_id
                    )
            except TimeoutError:
                return TIME_IS_UP

    async def _answered(
        self,
        document: str,
        call: Call,
        access: Access,
        request_id: UUID,
        at_least: int,
        caller: Caller | None = None,
    ) -> Answer:
        """Return the answer to a query, once the read models have reached a position."""

        def ask(ending: Ending) -> Answer:
            answer = self._api.answer(
                document,
                call.variables,
                call.operation_name,
                access=access,
                request_id=request_id,
                ending=ending,
                may_change=call.may_change,
            )
            if self._compiled is not None and "errors" not in answer.body:
                self._compiled.learn(document, call.variables, call.operation_name, access=access)
            return answer

        if at_least > 0:
            client = client_of(access, caller.address if caller else None)
            ended = await self._streams.waiting_room.reached(at_least, client, caller)
            if ended is not None:
                return ended
        with self._place() as full:
            if full is not None:
                return full
            return await self._in_time(caller, ask) or TIME_IS_UP

    @contextmanager
    def _place(self) -> Iterator[Answer | None]:
        """Give a place among those who are answered; an answer: there is none."""
        if self._waiting >= REQUESTS_MAX:
            yield unavailable("too many requests at once")
            return
        self._waiting += 1
        try:
            yield None
        finally:
            self._waiting -= 1

    async def _read(self, request: Request, path: str) -> Response:
        accept = request.headers.get("accept", "")
        if path == METRICS and isinstance(access := await self._let_in(request), Response):
            return access
        if self._operation and (answer := self._operation(path, accept)):
            return Response(*answer)
        if path == "/ready":
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._ready)
        if path == "/health":
            return json_response(200, {"status": "up"})
        found = self._static.get(path) or self._registry.get(path, request.query_string)
        return found or refusal(404, "there is nothing here", "look at /graphql")

    def _is_wrong_host(self, headers: Mapping[str, str]) -> bool:
        """Whether the server is asked under a name that is not its own."""
        host = _host(headers.get("host", ""))
        return self._hosts is not None and host not in self._hosts and not _is_address(host)

    def _ready(self) -> Response:
        try:
            with self._api.twins.reading() as read:
                positions = read.positions()
        except StoreError as error:
            return json_response(503, {"status": "not ready", "reason": str(error)})
        return json_response(200, {"status": "ready", "logPosition": positions.log_position})


def _headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _host_of_origin(origin: str) -> str:
    """Return the host of an Origin header with its port; of what is none, nothing."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _host(header: str) -> str:
    """Return the name of a Host header, without its port."""
    name, colon, port = header.rpartition(":")
    return (name if colon and port.isdigit() else header).lower()


def _is_address(host: str) -> bool:
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _only(methods: str) -> Response:
    return refusal(405, f"only {methods}", "ask with one of these methods")._replace(headers=(("allow", methods),))


def _identified(response: Response, request_id: UUID) -> Response:
    """Return a response that tells the id under which what it shows is on record."""
    return response._replace(headers=(*response.headers, ("x-request-id", str(request_id))))


async def _send(response: Response, send: Send, *, with_body: bool) -> None:
    await _begin(response, send, ("content-length", str(len(response.body))))
    await send({"type": "http.response.body", "body": response.body if with_body else b""})


async def _send_all(response: Response, rest: AsyncGenerator[bytes], caller: Caller, send: Send) -> None:
    """Send a response and what follows it, as fast as the client takes it, until that has gone."""
    await _begin(response, send)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    async with aclosing(rest):
        async for part in rest:
            if caller.gone().done():
                return
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _begin(response: Response, send: Send, *more: tuple[str, str]) -> None:
    """Send status and headers."""
    headers = [("content-type", response.content_type), *more, ("cache-control", "no-store"), *response.headers]
    named = dict(headers)  # what a response says itself comes last and counts
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
