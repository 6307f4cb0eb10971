"""All vehicles of a question in one answer: JSON lines, page after page as the reader takes them.

The document is one that asks for a page of `vehicles`, with a variable for `after`. Each line is an edge as it was
selected; then comes {"end": …} if nothing was left out, or else {"errors": …, "after": …} with the cursor to go on
after. A stream that ends with neither was cut off: it goes on after the cursor of its last edge.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
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
from adapters.graphql.caller import Caller, in_time
from adapters.graphql.ending import REQUEST_S, Ending
from adapters.graphql.errors import ErrorCode, error_body, fault
from adapters.graphql.execution import TIME_IS_UP, Answer, Api, unavailable
from adapters.graphql.http import (
    GRAPHQL_RESPONSE,
    NDJSON,
    Call,
    Response,
    json_bytes,
    refusal,
    respond,
)
from adapters.graphql.outline import DOCUMENT_TOKENS_MAX

STREAMS_MAX: Final = 32  # at once, of a server process
STREAMS_A_CLIENT_MAX: Final = 4  # so that none takes them all
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


async def _paused(caller: Caller, seconds: float) -> None:
    await asyncio.wait({caller.gone()}, timeout=seconds)


class Bulk:
    """Answers with all pages of a question. `pause` waits so many seconds for points that a client has not yet."""

    def __init__(
        self,
        api: Api,
        endings: Executor,
        pause: Callable[[Caller, float], Awaitable[object]] = _paused,
        page_s: float = REQUEST_S,
    ) -> None:
        self._api = api
        self._page_s = page_s
        self._endings = endings
        self._pause = pause
        self._threads = ThreadPoolExecutor(THREADS, "bulk")
        self._open: Counter[Hashable] = Counter()

    def close(self) -> None:
        """Read no more."""
        self._threads.shutdown(wait=True)

    async def answer(self, document: str, call: Call, access: Access, caller: Caller) -> Response:
        """Return the first page with those that follow it, or why there is none."""
        client = (access.client, access.brands)
        if self._open.total() >= STREAMS_MAX or self._open[client] >= STREAMS_A_CLIENT_MAX:
            return respond(unavailable("too many streams at once", "try again when one has ended"), GRAPHQL_RESPONSE)
        self._open[client] += 1
        caller.leaving.callback(self._closed, client)
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
        ask = partial(self._ask, document, call, access, caller)
        answer = await ask(call.variables or {})
        page = page_of(answer.body, where) if where else None
        if where is None or page is None:
            return respond(answer, GRAPHQL_RESPONSE)
        rest = self._rest(page, where, call, access, caller, ask)
        return Response(200, NDJSON, page.lines, (("vary", "accept"),), rest)

    async def _rest(
        self,
        page: Page,
        where: Paged,
        call: Call,
        access: Access,
        caller: Caller,
        ask: Callable[[dict[str, Any]], Awaitable[Answer]],
    ) -> AsyncGenerator[bytes]:
        vehicles = page.vehicles
        while page.after is not None:
            if access.expires_at is not None and now() >= access.expires_at:
                expired = error_body(
                    ErrorCode.UNAUTHENTICATED, "the token has expired", "go on after it with a new one"
                )
                yield line({"errors": [expired], "after": page.after})
                return
            try:
                answer = await ask({**(call.variables or {}), where.variable: page.after})
            except Exception as error:  # noqa: BLE001  # the last place where a fault of ours can be told
                yield line({"errors": [fault(error, "a stream")], "after": page.after})
                return
            if answer.retry_after_s is not None:
                await self._pause(caller, answer.retry_after_s)
                if caller.gone().done():
                    return
                continue
            found = page_of(answer.body, where)
            if found is None:
                yield line({"errors": answer.body["errors"], "after": page.after})
                return
            page = found
            vehicles += page.vehicles
            yield page.lines
        yield line({"end": {"vehicles": vehicles}})

    async def _ask(
        self, document: str, call: Call, access: Access, caller: Caller, variables: dict[str, Any]
    ) -> Answer:
        def work(ending: Ending) -> Answer:
            return self._api.answer(
                document, variables, call.operation_name, access=access, request_id=uuid4(), ending=ending
            )

        return await in_time(caller, self._threads, self._endings, work, self._page_s) or TIME_IS_UP

    def _closed(self, client: Hashable) -> None:
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]
