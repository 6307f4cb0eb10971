"""All vehicles of a question in one answer: JSON lines, page after page as the reader takes them.

The document is one that asks for a page of `vehicles`, with a variable for `after`. Each line is an edge as it was
selected; then comes {"end": …} if nothing was left out. A stream that ends without it was cut off: it goes on after the
cursor of its last edge.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import uuid4

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    get_operation_ast,
    parse,
)

from adapters.access import Access
from adapters.clock import now
from adapters.graphql.errors import ErrorCode, error_body
from adapters.graphql.execution import DOCUMENT_TOKENS_MAX, Answer, Api
from adapters.graphql.http import GRAPHQL_RESPONSE, NDJSON, Call, Response, json_bytes, json_response, refusal, respond

STREAMS_MAX: Final = 32  # at once, of a server process
THREADS: Final = 2  # that read for them, so that they leave the others to those who ask for little
REMEDY: Final = (
    "ask like: query ($after: String) { vehicles(first: 100, after: $after)"
    " { edges { cursor node { vin } } pageInfo { hasNextPage endCursor } } }"
)


class Paged(NamedTuple):
    """Where in an answer the page is, and which variable says after what it comes."""

    key: str
    variable: str


def paged(document: DocumentNode, operation_name: str | None) -> Paged | None:
    """Return how a document asks for pages of vehicles; None: not at all, or so that it is not told where one ends."""
    operation = get_operation_ast(document, operation_name)
    if operation is None or len(operation.selection_set.selections) != 1:
        return None
    field = operation.selection_set.selections[0]
    if not isinstance(field, FieldNode) or field.name.value != "vehicles" or field.selection_set is None:
        return None
    if any(each.name.value == "orderBy" for each in field.arguments or ()):
        return (
            None  # each page would order the whole fleet, and who tells something meanwhile would come again and again
        )
    after = next((each.value for each in field.arguments or () if each.name.value == "after"), None)
    plain = {(each.name.value if each.alias is None else "") for each in _fields(field.selection_set)}
    if not isinstance(after, VariableNode) or not {"edges", "pageInfo"} <= plain:
        return None
    infos = [each for each in _fields(field.selection_set) if each.name.value == "pageInfo" and each.selection_set]
    told = {each.name.value for info in infos for each in _fields(info.selection_set) if each.alias is None}
    if not {"hasNextPage", "endCursor"} <= told:
        return None
    return Paged((field.alias or field.name).value, after.name.value)


def _fields(selections: SelectionSetNode | None) -> Iterator[FieldNode]:
    """Give the fields of a selection that are written there, and not in a fragment of a name."""
    for each in selections.selections if selections else ():
        if isinstance(each, FieldNode):
            yield each
        elif isinstance(each, InlineFragmentNode):
            yield from _fields(each.selection_set)


class Page(NamedTuple):
    """Lines of a page, and the cursor after which the next one comes; None: it is the last."""

    lines: bytes
    vehicles: int
    after: str | None


def page_of(body: Mapping[str, Any], where: Paged) -> Page | None:
    """Return the page of an answer; None: it has none, but errors."""
    connection = (body.get("data") or {}).get(where.key)
    if connection is None:
        return None
    edges, info = connection["edges"], connection["pageInfo"]
    lines = [*map(line, edges), *([line({"errors": body["errors"]})] if "errors" in body else [])]
    return Page(b"".join(lines), len(edges), info["endCursor"] if info["hasNextPage"] else None)


def line(value: object) -> bytes:
    """Return a line of JSON."""
    return json_bytes(value) + b"\n"


class Bulk:
    """Answers with all pages of a question. `pause` waits so many seconds for points that a client has not yet."""

    def __init__(self, api: Api, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._api = api
        self._pause = pause
        self._threads = ThreadPoolExecutor(THREADS, "bulk")
        self._open = 0

    def close(self) -> None:
        """Read no more."""
        self._threads.shutdown(wait=True)

    async def answer(self, document: str, call: Call, access: Access) -> Response:
        """Return the first page with those that follow it, or why there is none."""
        if self._open >= STREAMS_MAX:
            refused = error_body(ErrorCode.SERVICE_UNAVAILABLE, "too many streams at once", "try again in a minute")
            return json_response(503, {"errors": [refused]}, GRAPHQL_RESPONSE)
        try:
            where = paged(parse(document, max_tokens=DOCUMENT_TOKENS_MAX), call.operation_name)
        except GraphQLError:  # which is told below
            where = None
        else:
            if where is None:
                return refusal(
                    400,
                    "the document does not ask for pages of vehicles in the order of their ids",
                    REMEDY,
                    GRAPHQL_RESPONSE,
                )
        ask = partial(self._ask, document, call, access)
        answer = await ask(call.variables or {})
        page = page_of(answer.body, where) if where else None
        if where is None or page is None:
            return respond(answer, GRAPHQL_RESPONSE)
        return Response(200, NDJSON, page.lines, (("vary", "accept"),), self._rest(page, where, call, access, ask))

    async def _rest(
        self,
        page: Page,
        where: Paged,
        call: Call,
        access: Access,
        ask: Callable[[dict[str, Any]], Awaitable[Answer]],
    ) -> AsyncGenerator[bytes]:
        self._open += 1
        try:
            vehicles = page.vehicles
            while page.after is not None:
                if access.expires_at is not None and now() >= access.expires_at:
                    remedy = "go on after the last cursor with a new one"
                    yield line({"errors": [error_body(ErrorCode.UNAUTHENTICATED, "the token has expired", remedy)]})
                    return
                answer = await ask({**(call.variables or {}), where.variable: page.after})
                if answer.retry_after_s is not None:
                    await self._pause(answer.retry_after_s)
                    continue
                found = page_of(answer.body, where)
                if found is None:
                    yield line({"errors": answer.body["errors"]})
                    return
                page = found
                vehicles += page.vehicles
                yield page.lines
            yield line({"end": {"vehicles": vehicles}})
        finally:
            self._open -= 1

    async def _ask(self, document: str, call: Call, access: Access, variables: dict[str, Any]) -> Answer:
        answer = partial(self._api.answer, document, variables, call.operation_name, access=access, request_id=uuid4())
        return await asyncio.get_running_loop().run_in_executor(self._threads, answer)
