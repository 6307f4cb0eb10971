"""All vehicles of a question in one answer: JSON lines, page after page as the reader takes them.

The document is one that asks for a page of `vehicles`, with a variable for `after`. Each line is an edge as it was
selected; then comes {"end": …} if nothing was left out, or else {"errors": …, "after": …} with the cursor to go on
after; the `extensions` of both are of all pages. A stream that ends with neither was cut off: it goes on after the
cursor of its last edge.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Hashable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

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

GOING_DOWN: Final = "the server is going down"
STREAMS_MAX: Final = 32  # at once, of a server process
STREAMS_A_CLIENT_MAX: Final = 4  # so that none takes them all
THREADS: Final = 2  # that read for them, so that they leave the others to those who ask for little
COSTS: Final = ("requestedQueryCost", "actualQueryCost")  # that are summed; the rest of a cost is of the last page
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


class Told:
    """What the last line says of all pages of a stream: what was withheld, what they cost, the id of the request."""

    def __init__(self, request_id: UUID) -> None:
        self._request_id = str(request_id)
        self._withheld: dict[str, Any] = {}  # by field
        self._cost: dict[str, Any] | None = None

    def note(self, body: Mapping[str, Any]) -> None:
        """Note what the answer with a page says beside its data."""
        extensions = body.get("extensions", {})
        self._withheld |= {each["field"]: each for each in extensions.get("withheld", ())}
        cost = extensions.get("cost")
        if cost is not None and cost["actualQueryCost"] is not None:  # else it was not executed
            before = self._cost or dict.fromkeys(COSTS, 0)
            self._cost = cost | {name: before[name] + cost[name] for name in COSTS}

    def last(self, **said: Any) -> bytes:
        """Return the last line, which says this beside."""
        extensions: dict[str, Any] = {"requestId": self._request_id}
        if self._withheld:
            extensions["withheld"] = [each for _, each in sorted(self._withheld.items())]
        if self._cost is not None:
            extensions["cost"] = self._cost
        return line({**said, "extensions": extensions})


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
        pause: Callable[[Caller, float], Coroutine[Any, Any, object]] = _paused,
        page_s: float = REQUEST_S,
    ) -> None:
        self._api = api
        self._page_s = page_s
        self._endings = endings
        self._pause = pause
        self._threads = ThreadPoolExecutor(THREADS, "bulk")
        self._open: Counter[Hashable] = Counter()
        self._ending = asyncio.Event()

    def close(self) -> None:
        """Read no more."""
        self._threads.shutdown(wait=True)

    def drain(self) -> None:
        """End every stream at its next page, and let its reader know after which cursor to go on; begin no other."""
        self._ending.set()

    async def answer(self, document: str, call: Call, access: Access, caller: Caller, request_id: UUID) -> Response:
        """Return the first page with those that follow it, or why there is none.

        What is shown is on record under the id of the request.
        """
        client = (access.client, access.brands)
        if self._ending.is_set():
            return respond(unavailable(GOING_DOWN), GRAPHQL_RESPONSE)
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
        ask = partial(self._ask, document, call, access, caller, request_id)
        answer = await ask({})
        page = page_of(answer.body, where) if where else None
        if where is None or page is None:
            return respond(answer, GRAPHQL_RESPONSE)
        told = Told(request_id)
        told.note(answer.body)
        rest = self._rest(page, where, told, access, caller, ask)
        return Response(200, NDJSON, page.lines, (("vary", "accept"),), rest)

    async def _rest(
        self,
        page: Page,
        where: Paged,
        told: Told,
        access: Access,
        caller: Caller,
        ask: Callable[[dict[str, Any]], Awaitable[Answer]],
    ) -> AsyncGenerator[bytes]:
        vehicles = page.vehicles
        while page.after is not None:
            if self._ending.is_set():
                errors = unavailable(GOING_DOWN, "go on after it in some seconds").body["errors"]
                yield told.last(errors=errors, after=page.after)
                return
            if access.expires_at is not None and now() >= access.expires_at:
                expired = error_body(
                    ErrorCode.UNAUTHENTICATED, "the token has expired", "go on after it with a new one"
                )
                yield told.last(errors=[expired], after=page.after)
                return
            try:
                answer = await ask({where.variable: page.after})
            except Exception as error:  # noqa: BLE001  # the last place where a fault of ours can be told
                yield told.last(errors=[fault(error, "a stream")], after=page.after)
                return
            if answer.retry_after_s is not None:
                await self._waited(caller, answer.retry_after_s)
                if caller.gone().done():
                    return
                continue
            told.note(answer.body)
            found = page_of(answer.body, where)
            if found is None:
                yield told.last(errors=answer.body["errors"], after=page.after)
                return
            page = found
            vehicles += page.vehicles
            yield page.lines
        yield told.last(end={"vehicles": vehicles})

    async def _waited(self, caller: Caller, seconds: float) -> None:
        """Wait for points, unless the server is going down."""
        waiting = [asyncio.ensure_future(each) for each in (self._pause(caller, seconds), self._ending.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    async def _ask(
        self,
        document: str,
        call: Call,
        access: Access,
        caller: Caller,
        request_id: UUID,
        place: Mapping[str, Any],
    ) -> Answer:
        """Return the answer with the page of a place: a variable, or none for where the call begins."""
        variables = {**(call.variables or {}), **place}

        def work(ending: Ending) -> Answer:
            return self._api.answer(
                document, variables, call.operation_name, access=access, request_id=request_id, ending=ending
            )

        return await in_time(caller, self._threads, self._endings, work, self._page_s) or TIME_IS_UP

    def _closed(self, client: Hashable) -> None:
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]
