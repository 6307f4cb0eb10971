"""The server as an ASGI application: GraphQL, GraphiQL, the schema registry's read endpoints, health, metrics.

Documents are executed in threads: the event loop never waits for the database. Where no token is needed the server must
be reached over loopback only. It answers to addresses and to the names in `hosts`, no others: so no web page can reach
it under a name of its own that is made to mean 127.0.0.1 (DNS rebinding).

What needs a token (RFC 6750): GraphQL itself and the metrics. What does not, since it tells nothing of any vehicle: the
page, health and readiness, the schemas of the events.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import unquote
from uuid import uuid4

from adapters.access import Access
from adapters.graphql import graphiql
from adapters.graphql.budgets import Budgets
from adapters.graphql.bulk import Bulk
from adapters.graphql.doors import Doors
from adapters.graphql.errors import ErrorCode, error_body
from adapters.graphql.execution import Answer, Api
from adapters.graphql.http import (
    BODY_BYTES_MAX,
    NDJSON,
    Call,
    Request,
    Response,
    json_response,
    read_call,
    refusal,
    respond,
    too_large,
    wants_page,
)
from adapters.graphql.port import Catalogue, Decode, Doorkeeper, SchemaRegistry, Twins
from adapters.graphql.registry import RegistryEndpoints
from adapters.graphql.trusted import NoDocuments, TrustedDocuments, UntrustedError
from domain.errors import StoreError

LOOPBACK_HOSTS: Final = frozenset({"localhost"})
METRICS: Final = "/metrics"
THREADS: Final = 8
REQUESTS_MAX: Final = 200  # executed or waiting for it; more are refused at once

_log: Final = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Of a path and an Accept header: status, content type and body; None: nothing of this name
OperationAnswers = Callable[[str, str], tuple[int, str, bytes] | None]
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Limits(NamedTuple):
    """What who is let in may ask for."""

    budgets: Budgets | None  # None: as much as there is
    trusted: TrustedDocuments


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
    api = Api(twins, catalogue, decode, limits.budgets)
    return _App(api, RegistryEndpoints(registry), hosts, operation, doors, limits.trusted)


class _App:
    def __init__(
        self,
        api: Api,
        registry: RegistryEndpoints,
        hosts: Collection[str] | None,
        operation: OperationAnswers | None,
        doors: Doors,
        trusted: TrustedDocuments,
    ) -> None:
        self._trusted = trusted
        self._doors = doors
        self._api = api
        self._registry = registry
        self._hosts = hosts
        self._operation = operation
        self._static = graphiql.load()
        self._threads = ThreadPoolExecutor(THREADS, "graphql")
        self._bulk = Bulk(api)
        self._waiting = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            response = await self._answer(scope, receive)
            if response.rest is None:
                await _send(response, send, with_body=scope["method"] != "HEAD")
            else:
                await _send_all(response, response.rest, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._threads.shutdown(wait=True)
                self._bulk.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive) -> Response:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request = Request(scope["method"], scope["path"], scope.get("query_string", b""), headers)
        host = _host(headers.get("host", ""))
        if self._hosts is not None and host not in self._hosts and not _is_address(host):
            names = ", ".join(sorted(self._hosts))
            return refusal(421, "this server does not answer to this name", f"call it by its address, or as {names}")
        try:
            if request.path.rstrip("/") == "/graphql":
                return await self._graphql(request, receive)
            path = unquote(request.path)
            if request.method == "POST" and self._registry.takes(path):
                body = await _body(receive)
                return too_large() if body is None else self._registry.post(path, body)
            if request.method not in ("GET", "HEAD"):
                return _only("GET")
            return await self._read(request, path)
        except Exception:  # noqa: BLE001  # the last place where a fault of ours can be told
            _log.exception("%s %s failed", request.method, request.path)
            return json_response(
                500,
                {
                    "errors": [
                        error_body(
                            ErrorCode.INTERNAL_SERVER_ERROR,
                            "something went wrong",
                            "tell the operator: the log has the cause",
                        )
                    ]
                },
            )

    async def _graphql(self, request: Request, receive: Receive) -> Response:
        if wants_page(request):
            return self._static.page
        if request.method not in ("GET", "POST"):
            return _only("GET, POST")
        access = await self._let_in(request)
        if isinstance(access, Response):
            return access
        body = await _body(receive)
        if body is None:
            return too_large()
        call = read_call(request._replace(body=body))
        return await self._execute(call, access) if isinstance(call, Call) else call

    async def _let_in(self, request: Request) -> Access | Response:
        """Return who asks, or the response to somebody who may not."""
        access = self._doors.at_once(request)
        if access is not None:
            return access
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._doors.verified, request)

    async def _execute(self, call: Call, access: Access) -> Response:
        if self._waiting >= REQUESTS_MAX:
            error = error_body(ErrorCode.SERVICE_UNAVAILABLE, "too many requests at once", "try again in a second")
            return json_response(503, {"errors": [error]}, call.media_type)
        self._waiting += 1
        try:
            document = self._trusted.at_once(call.document, call.sha256)
            if document is None:
                found = await asyncio.get_running_loop().run_in_executor(self._threads, self._resolved, call)
                if isinstance(found, Response):
                    return found
                document = found
            if call.media_type == NDJSON:
                return await self._bulk.answer(document, call, access)
            answer = partial(self._executed, document, call, access)
            return await asyncio.get_running_loop().run_in_executor(self._threads, answer)
        finally:
            self._waiting -= 1

    def _resolved(self, call: Call) -> str | Response:
        """Return the document that a request asks for, or why it is not executed."""
        try:
            return self._trusted.resolve(call.document, call.sha256)
        except UntrustedError as error:
            body = {"errors": [error_body(error.code, str(error), error.remedy)]}
            return respond(Answer(body, executed=False), call.media_type)
        except StoreError as error:
            _log.warning("a document is not looked up: %s", error)
            refused = error_body(
                ErrorCode.SERVICE_UNAVAILABLE, "the store does not answer", "try again in some seconds"
            )
            return json_response(503, {"errors": [refused]}, call.media_type)

    def _executed(self, document: str, call: Call, access: Access) -> Response:
        request_id = uuid4()
        answer = self._api.answer(document, call.variables, call.operation_name, access=access, request_id=request_id)
        response = respond(answer, call.media_type)
        return response._replace(headers=(*response.headers, ("x-request-id", str(request_id))))

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
        found = self._static.get(path) or self._registry.get(path)
        return found or refusal(404, "there is nothing here", "look at /graphql")

    def _ready(self) -> Response:
        try:
            with self._api.twins.reading() as read:
                positions = read.positions()
        except StoreError as error:
            return json_response(503, {"status": "not ready", "reason": str(error)})
        return json_response(200, {"status": "ready", "logPosition": positions.log_position})


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


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request, None if it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES_MAX:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _send(response: Response, send: Send, *, with_body: bool) -> None:
    await _begin(response, send, ("content-length", str(len(response.body))))
    await send({"type": "http.response.body", "body": response.body if with_body else b""})


async def _send_all(response: Response, rest: AsyncGenerator[bytes], receive: Receive, send: Send) -> None:
    """Send a response and what follows it, as fast as the client takes it, until that has gone."""
    gone = asyncio.ensure_future(receive())  # the body was read: it tells of nothing else
    try:
        await _begin(response, send)
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        async with aclosing(rest):
            async for part in rest:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _begin(response: Response, send: Send, *more: tuple[str, str]) -> None:
    """Send status and headers."""
    headers = [("content-type", response.content_type), *more, ("cache-control", "no-store"), *response.headers]
    named = dict(headers)  # what a response says itself comes last and counts
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
