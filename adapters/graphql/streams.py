"""What a subscription delivers: pages of the log, the next one when the former was taken, the past and then the live.

So a reader that is slow keeps nobody waiting and misses nothing: what it has not taken yet is in the log.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from enum import Enum
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from adapters.access import Access
from adapters.clock import now
from adapters.graphql.caller import in_turn
from adapters.graphql.cost import LIST_POINTS, points_of
from adapters.graphql.ending import REQUEST_S, Ending
from adapters.graphql.errors import ErrorCode, error_body
from adapters.graphql.execution import POINTS_MIN, TIME_IS_UP, Answer, Api, Subscribed, unavailable
from adapters.graphql.http import Call
from adapters.graphql.ids import cursor_of
from adapters.graphql.port import JsonObject, View
from adapters.graphql.subscription import LOG, Change, Delivered, ReadModel
from adapters.graphql.tide import Tide, Wait, projected
from adapters.graphql.waiting_room import WaitingRoom
from adapters.recorded import recorded
from adapters.twins import PROJECTIONS, Logged, Positions
from domain.errors import StoreError
from domain.events import LateSamplesRecorded, SignalsSampled, VehicleEvent
from domain.units import MICROS_PER_SECOND

STREAMS_MAX: Final = 1_000  # at once, of a server process
STREAMS_OF_CLIENT_MAX: Final = 50
THREADS: Final = 2  # that read for them, so that they leave the others to those who ask for little
EVENTS_A_PAGE: Final = 100
EVENTS_A_LOOK: Final = 1_000  # that are looked through for changes at a time
CHANGES_MAX: Final = 500  # that are told at once; those of one event more
STORE_AWAY_S_MAX: Final = 60.0  # after which a stream ends, while the store does not answer
STORE_RETRY_S: Final = 1.0
THROTTLE_S_MAX: Final = 5.0  # between two looks whether a client has points again
DRAINED_WITHIN_S: Final = 5.0

_BY_PATH: Final = (SignalsSampled, LateSamplesRecorded)
_PROJECTIONS: Final = {each: next(p for p in PROJECTIONS if p.name == str(each.value)) for each in ReadModel}


class Patience(NamedTuple):
    """How long a reader may take nothing: first before its stream ends, then before its connection is cut. Seconds."""

    stalled_s: float = 30.0
    cut_s: float = 30.0


PATIENCE: Final = Patience()


class Delivery(NamedTuple):
    """One thing that a subscription delivers: the response of its execution, and how far the log is told with it."""

    body: JsonObject
    position: int

    @property
    def cursor(self) -> str:
        """After this another stream goes on."""
        return cursor_of(LOG, self.position)


class StreamEndedError(Exception):
    """The end of a stream that has no end: why, and after which cursor another one goes on."""

    def __init__(self, code: ErrorCode, message: str, remedy: str, position: int) -> None:
        super().__init__(message)
        self.code = code
        self.error = error_body(code, message, f"{remedy}, and go on after the cursor of this error")
        self.error["extensions"]["cursor"] = cursor_of(LOG, position)


class ServerEndingError(StreamEndedError):
    """The server goes down: another one, or this one later, goes on."""


class TokenExpiredError(StreamEndedError):
    """Who has subscribed is not known any more."""


class _ThrottledError(Exception):
    """The client has too few points."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = wait_s


class _Step(NamedTuple):
    """What a look at the log has given."""

    deliveries: Sequence[Delivery]
    reached: int
    more: bool  # there is more at once
    wait_s: float = 0.0  # before the next look


class Stream:
    """One subscription of somebody; `in_turn` has a thread look for it, and returns None where that took too long."""

    def __init__(
        self,
        subscribed: Subscribed,
        in_turn: Callable[[Callable[[Ending], _Step]], Awaitable[_Step | None]],
        live: Tide,
        ending: asyncio.Event,
    ) -> None:
        self._subscribed = subscribed
        self._in_turn = in_turn
        self._live = live
        self._ending = ending
        self._unanswered = asyncio.Event()
        self._reached = self._taken = subscribed.start
        self._changes: dict[tuple[UUID, ReadModel], Change] = {}  # that are not told yet

    def take(self, delivery: Delivery) -> None:
        """Note that the reader has taken what was delivered."""
        self._taken = delivery.position

    def give_up(self) -> None:
        """End, since the reader answers no ping."""
        self._unanswered.set()

    def stalled(self, patience: Patience) -> StreamEndedError:
        """Return the end of a stream whose reader has taken nothing for too long."""
        what = f"nothing was taken for {patience.stalled_s:g} s; nothing is lost"
        return StreamEndedError(ErrorCode.READER_TOO_SLOW, what, "read faster", self._taken)

    async def deliveries(self) -> AsyncGenerator[Delivery]:
        """Give one thing after the other, for ever: the next is asked for when one has been taken.

        Raises StreamEndedError where that cannot be.
        """
        loop = asyncio.get_running_loop()
        look = self._look_for_events if self._subscribed.asked.per_second is None else self._look_for_changes
        answered_at_s = loop.time()
        while True:
            self._check()
            try:
                step = await self._in_turn(look)
            except StoreError as error:
                if loop.time() - answered_at_s > STORE_AWAY_S_MAX:
                    what, remedy = "the store does not answer", "try again in a minute"
                    raise StreamEndedError(ErrorCode.SERVICE_UNAVAILABLE, what, remedy, self._taken) from error
                await self._until(None, STORE_RETRY_S)
                continue
            if step is None:
                what, remedy = "to read on took longer than a request may", "ask for less of each, or try again later"
                raise StreamEndedError(ErrorCode.TIMEOUT, what, remedy, self._taken)
            for delivery in step.deliveries:
                self._check()
                yield delivery
            self._reached = step.reached
            if not self._changes:
                self._taken = step.reached
            if step.wait_s:
                await self._until(None, step.wait_s)
            if not step.more:
                await self._until(self._live.beyond(step.reached), None)
            answered_at_s = loop.time()

    def _check(self) -> None:
        """Raise StreamEndedError where the stream has to end."""
        if self._ending.is_set():
            what, remedy = "the server is going down", "connect again in some seconds"
            raise ServerEndingError(ErrorCode.SERVICE_UNAVAILABLE, what, remedy, self._taken)
        if self._unanswered.is_set():
            what = "no ping was answered in time; nothing is lost"
            raise StreamEndedError(ErrorCode.READER_TOO_SLOW, what, "read faster", self._taken)
        expires_at = self._subscribed.call.access.expires_at
        if expires_at is not None and now() >= expires_at:
            what, remedy = "the token has expired", "connect with a new one"
            raise TokenExpiredError(ErrorCode.UNAUTHENTICATED, what, remedy, self._taken)

    async def _until(self, awaited: Awaitable[Any] | None, timeout_s: float | None) -> None:
        """Wait for something, at most so long. Raises StreamEndedError where the stream has to end meanwhile."""
        expires_at = self._subscribed.call.access.expires_at
        if expires_at is not None:
            left_s = max(0.0, (expires_at - now()) / MICROS_PER_SECOND)
            timeout_s = left_s if timeout_s is None else min(left_s, timeout_s)
        waiting = {asyncio.ensure_future(each.wait()) for each in (self._ending, self._unanswered)}
        if awaited is not None:
            waiting.add(asyncio.ensure_future(awaited))
        try:
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        self._check()

    # --- in a thread --------------------------------------------------------------------------------------------------

    def _look_for_events(self, ending: Ending) -> _Step:
        api, call = self._subscribed.api, self._subscribed.call
        affordable = EVENTS_A_PAGE
        if api.budgets and call.access.metered:
            _, throttle = api.budgets.spend((call.access.client, call.access.brands), 0)
            affordable = max(1, int(throttle.available // self._subscribed.points))
        with api.twins.reading(call.access.brands) as read, ending.cancelling(read.cancel):
            page = read.log_page(self._reached, None, min(EVENTS_A_PAGE, affordable), self._subscribed.asked.chosen)
            roots = [Delivered(each.record.position, each) for each in page.events]
            try:
                deliveries = self._paid(read, roots, ending)
            except _ThrottledError as throttled:
                return _Step([], self._reached, more=True, wait_s=throttled.wait_s)
        return _Step(deliveries, page.reached, more=page.reached < page.end)

    def _look_for_changes(self, ending: Ending) -> _Step:
        """Look through some of what the read models have reached; tell what has changed once there is no more of it."""
        api, call, asked = self._subscribed.api, self._subscribed.call, self._subscribed.asked
        assert asked.per_second is not None
        with api.twins.reading(call.access.brands) as read, ending.cancelling(read.cancel):
            until = read.positions().reached
            reached, most = self._reached, self._changes_max()
            if len(self._changes) < most:  # else they wait for points
                page = read.log_page(reached, until, EVENTS_A_LOOK, asked.chosen)
                reached = page.reached
                for each in page.events:
                    self._note(each)
                    if len(self._changes) >= most:
                        reached = each.record.position
                        break
                self._reached = reached  # they are noted, also where the store goes away before they are told
            more = reached < until
            if not self._changes or (more and len(self._changes) < most):
                return _Step([], reached, more)
            try:
                deliveries = self._paid(read, [Delivered(reached, None, [*self._changes.values()])], ending)
            except _ThrottledError as throttled:
                return _Step([], reached, more=True, wait_s=throttled.wait_s)
        self._changes = {}
        return _Step(deliveries, reached, more, wait_s=1 / asked.per_second)

    def _changes_max(self) -> int:
        """Return how many changes are told at once: no more than the client could pay for."""
        api, points = self._subscribed.api, self._subscribed.points
        if not (api.budgets and self._subscribed.call.access.metered):
            return CHANGES_MAX
        return min(CHANGES_MAX, max(1, int(LIST_POINTS * api.budgets.maximum // points)))

    def _note(self, logged: Logged) -> None:
        event = recorded(logged.record, self._subscribed.api.decode).event
        for model in self._subscribed.asked.models:
            if _changes(model, event):
                key = (logged.entry.vehicle_id, model)
                known = self._changes.get(key)
                self._changes[key] = Change(logged, model, known.events + 1 if known else 1)

    def _paid(self, read: View, roots: Sequence[Delivered], ending: Ending) -> list[Delivery]:
        """Return what is told of these, paid for by the client. Raises _ThrottledError, StoreError, EndedError."""
        if not roots:
            return []
        api, access = self._subscribed.api, self._subscribed.call.access
        client, points = (access.client, access.brands), self._subscribed.points
        budgets = api.budgets if access.metered else None
        requested = points * sum(max(1, len(each.changes) / LIST_POINTS) for each in roots)
        if budgets and roots[0].changes:  # those of one event may be more than there are points
            requested = min(requested, budgets.maximum)
        if budgets:
            allowed, throttle = budgets.spend(client, requested)
            if not allowed:
                raise _ThrottledError(min(THROTTLE_S_MAX, throttle.wait_s(requested)))
        actual = 0.0
        try:
            bodies = self._subscribed.delivered(read, roots, ending)
            actual = sum(max(POINTS_MIN, points_of(body["data"])) for body in bodies)
        finally:
            if budgets and not ending.ended:  # else it has cost what it may cost
                budgets.spend(client, actual - requested)
        return [Delivery(body, root.position) for body, root in zip(bodies, roots, strict=True)]


def _changes(model: ReadModel, event: VehicleEvent) -> bool:
    """Whether an event changes a read model."""
    projection = _PROJECTIONS[model]
    return bool(projection.keys(event)) if isinstance(event, _BY_PATH) else type(event) in projection.folds


class Streams:
    """The subscriptions of a server process. `wait` waits for the log; a look at it may take `look_s`."""

    def __init__(self, api: Api, wait: Wait, patience: Patience, endings: Executor, look_s: float = REQUEST_S) -> None:
        self.patience = patience
        self._api = api
        self._threads = ThreadPoolExecutor(THREADS, "streams")
        self._endings = endings
        self._look_s = look_s
        self._log = Tide(wait, "waits for the log")
        self._projected = Tide(projected(self._positions, wait), "waits for the read models")
        self.waiting_room = WaitingRoom(self._projected)
        self._ending = asyncio.Event()
        self._open: Counter[Hashable] = Counter()  # by client and brands
        self._all_closed = asyncio.Event()

    def close(self) -> None:
        """Read no more."""
        self._log.close()
        self._projected.close()
        self._threads.shutdown(wait=True)

    async def drain(self) -> None:
        """End every stream, and let its reader know after which cursor to go on elsewhere; open no other."""
        self._ending.set()
        if self._open.total():
            self._all_closed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_closed.wait(), DRAINED_WITHIN_S)

    @asynccontextmanager
    async def opened(
        self, document: str, call: Call, access: Access, request_id: UUID
    ) -> AsyncIterator[Stream | Answer]:
        """Give a subscription, or why there is none; what it shows is on record under the id of the request."""
        client = (access.client, access.brands)
        if self._ending.is_set():
            yield unavailable("the server is going down")
        elif self._open.total() >= STREAMS_MAX or self._open[client] >= STREAMS_OF_CLIENT_MAX:
            yield unavailable("too many subscriptions at once")
        else:
            self._open[client] += 1
            try:
                yield await self._begun(document, call, access, request_id)
            finally:
                self._open -= Counter([client])
                if not self._open:
                    self._all_closed.set()

    async def _begun(self, document: str, call: Call, access: Access, request_id: UUID) -> Stream | Answer:
        def ask(ending: Ending) -> Subscribed | Answer:
            return self._api.subscribed(
                document,
                call.variables,
                call.operation_name,
                access=access,
                request_id=request_id,
                after=call.after,
                ending=ending,
            )

        looking = partial(in_turn, self._threads, self._endings, self._look_s)
        try:
            found = await looking(ask) or TIME_IS_UP
        except StoreError:
            return unavailable("the store does not answer")
        if isinstance(found, Answer):
            return found
        live = self._log if found.asked.per_second is None else self._projected
        return Stream(found, looking, live, self._ending)

    def _positions(self) -> Positions:
        with self._api.twins.reading() as read:
            return read.positions()


class Taken(Enum):
    """How a reader has taken what was sent to it."""

    IN_TIME = "in time"
    LATE = "after it was stalled"
    NEVER = "not at all"


async def taken(sending: Awaitable[None], gone: asyncio.Future[Any], patience: Patience) -> Taken:
    """Send something to a reader, who may be gone before it is sent."""
    task = asyncio.ensure_future(sending)
    try:
        for patience_s, found in ((patience.stalled_s, Taken.IN_TIME), (patience.cut_s, Taken.LATE)):
            await asyncio.wait({task, gone}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done() and task.exception() is None:
                return found
            if gone.done() or task.done():
                return Taken.NEVER
        return Taken.NEVER
    finally:
        task.cancel()
