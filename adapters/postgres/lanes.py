"""Connections that an event loop waits for: the statements of a transaction go out together, and one answer comes back.

What libpq calls a pipeline (PostgreSQL 14). No thread waits, and none is woken: to hand a question of this size to a
thread and back costs as much as to ask it.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, LiteralString, NamedTuple

import psycopg
from psycopg import Connection, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.rows import TupleRow

from adapters.postgres.conninfo import bounded
from domain.errors import StoreError

LANES_MAX: Final = 8
STATEMENTS_MAX: Final = 64  # prepared on one lane
ANSWER_TIMEOUT_S: Final = 12.0  # longer than a statement may take
CONNECT_TIMEOUT_S: Final = 5
CANCEL_WITHIN_S: Final = 5.0  # a cancellation is a connection of its own
CANCEL_AGAIN_S: Final = 0.25
# One plan for all values: each table is read by the key of vehicles that were found before.
_OPTIONS: Final = (
    "-c statement_timeout={} -c default_transaction_isolation=repeatable\\ read -c plan_cache_mode=force_generic_plan"
    " -c enable_seqscan=off -c enable_mergejoin=off -c enable_hashjoin=off -c jit=off"
)
_log: Final = logging.getLogger(__name__)


class Statement(NamedTuple):
    """A statement and what takes the places of $1 and so on; `role` is part of what it is prepared for."""

    text: LiteralString
    parameters: Sequence[Any]
    role: str | None = None


Rows = list[tuple[Any, ...]]


class Lane:
    """One connection. One transaction at a time."""

    def __init__(self, connection: Connection[TupleRow], loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection  # which owns the socket
        self._pg: Any = connection.pgconn
        self._loop = loop
        self._socket: int = self._pg.socket
        self._transformer = Transformer(connection)
        self._names: OrderedDict[tuple[str, str | None], bytes] = OrderedDict()
        self._count = 0
        self._results: list[Any] = []
        self._answered: asyncio.Future[list[Rows]] | None = None
        self._reason = "the connection is lost"  # should it be
        self.given_up = False  # a cancellation is on its way, which is to meet nobody else's statement
        self._closed = False
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        loop.add_reader(self._socket, self._readable)

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self._closed and not self._connection.closed

    def close(self) -> None:
        """End the connection, whatever it does."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._connection.close()
        answered, self._answered = self._answered, None
        if answered is not None and not answered.done():
            answered.set_exception(StoreError(self._reason))

    def cancel(self) -> None:
        """End what is being asked, in a thread: it takes a connection of its own."""
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=CANCEL_WITHIN_S)

    def ask(self, statements: Sequence[Statement]) -> "asyncio.Future[list[Rows]]":
        """Send the statements of a transaction; the future has the rows of those that give any, or StoreError."""
        self._results = []
        answered = self._answered = self._loop.create_future()
        try:
            for each in statements:
                self._send(each)
            self._pg.pipeline_sync()
            self._flush()
        except (psycopg.Error, OSError) as error:
            _log.warning("a connection is given up: %s", error)
            self.close()
        return answered

    def _send(self, statement: Statement) -> None:
        dumped = self._transformer.dump_sequence(statement.parameters, [PyFormat.TEXT] * len(statement.parameters))
        key = (statement.text, statement.role)
        name = self._names.get(key)
        if name is None:
            if len(self._names) >= STATEMENTS_MAX:
                _, oldest = self._names.popitem(last=False)
                self._pg.send_query_params(b"DEALLOCATE " + oldest, None)
            self._count += 1
            name = self._names[key] = b"whole_%d" % self._count
            self._pg.send_prepare(name, statement.text.encode())
        else:
            self._names.move_to_end(key)
        self._pg.send_query_prepared(name, dumped, result_format=pq.Format.BINARY)

    def _flush(self) -> None:
        if self._pg.flush():
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        try:
            if not self._pg.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.Error:
            self.close()

    def _readable(self) -> None:
        try:
            self._pg.consume_input()
            ended = False  # whether the results of a statement have just ended: two ends are that of all there are
            while self._answered is not None and not self._pg.is_busy():
                result = self._pg.get_result()
                if result is None and ended:
                    break
                ended = result is None
                if result is not None and result.status == pq.ExecStatus.PIPELINE_SYNC:
                    self._end()
                elif result is not None:
                    self._results.append(result)
            if self._pg.status != pq.ConnStatus.OK:
                self.close()
        except psycopg.Error:
            self.close()

    def _end(self) -> None:
        failed = next((each for each in self._results if each.status in _FAILURES), None)
        if failed is not None:
            self._reason = failed.error_message.decode(errors="replace").partition("\n")[0]
            self.close()  # of what it had begun to prepare nothing is known
            return
        answered, self._answered = self._answered, None
        assert answered is not None
        if not answered.done():
            answered.set_result([self._rows(each) for each in self._results if each.status == pq.ExecStatus.TUPLES_OK])

    def _rows(self, result: Any) -> Rows:
        self._transformer.set_pgresult(result, format=pq.Format.BINARY)
        return self._transformer.load_rows(0, result.ntuples, tuple)


_FAILURES: Final = frozenset({pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED})


class Lanes:
    """Up to `LANES_MAX` connections of one event loop, opened when they are needed; who finds all in use waits."""

    def __init__(self, conninfo: str, statement_timeout_ms: int) -> None:
        asked = {"options": _OPTIONS.format(statement_timeout_ms), "connect_timeout": CONNECT_TIMEOUT_S}
        self._conninfo = psycopg.conninfo.make_conninfo(**{**bounded(conninfo), **asked})
        self._idle: list[Lane] = []
        self._open: set[Lane] = set()
        self._opening: set[asyncio.Task[Lane]] = set()
        self._cancelling: set[asyncio.Task[None]] = set()
        self._waiting: deque[asyncio.Future[Lane]] = deque()
        self._closed = False

    async def ask(self, statements: Sequence[Statement]) -> list[Rows]:
        """Return the rows of each statement of a transaction that gives any. Raises StoreError.

        Who is cancelled while it waits has the statement cancelled.
        """
        lane = await self._take()
        answered = lane.ask(statements)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(ANSWER_TIMEOUT_S, lane.close)

        def ended(_: object) -> None:  # also where nobody waits for it any more
            timer.cancel()
            self._give_back(lane)

        answered.add_done_callback(ended)
        try:
            return await asyncio.shield(answered)
        except asyncio.CancelledError:
            lane.given_up = True
            cancelling = loop.create_task(_cancelled(lane, answered))
            self._cancelling.add(cancelling)
            cancelling.add_done_callback(self._cancelling.discard)
            raise

    async def close(self) -> None:
        """Close every connection."""
        self._closed = True
        await asyncio.gather(*self._opening, return_exceptions=True)
        for lane in list(self._open):
            lane.close()
        await asyncio.gather(*self._cancelling, return_exceptions=True)
        self._open.clear()
        self._idle.clear()
        self._refuse_waiting("the connections are closed")

    async def _take(self) -> Lane:
        while self._idle:
            lane = self._idle.pop()
            if lane.alive:
                return lane
            self._open.discard(lane)
        waiting: asyncio.Future[Lane] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._open_for_waiting()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.cancelled():
                self._waiting.remove(waiting)
            elif waiting.exception() is None:
                self._give_back(waiting.result())
            raise

    def _open_for_waiting(self) -> None:
        """Begin to open a lane for somebody who waits, if there may be one more."""
        if not self._closed and len(self._open) + len(self._opening) < LANES_MAX:
            opening = asyncio.get_running_loop().create_task(self._opened())
            self._opening.add(opening)
            opening.add_done_callback(self._came)

    async def _opened(self) -> Lane:
        loop = asyncio.get_running_loop()
        connect = partial(psycopg.connect, self._conninfo, autocommit=True)
        return Lane(await loop.run_in_executor(None, connect), loop)

    def _came(self, opening: "asyncio.Task[Lane]") -> None:
        """Hand a new lane to whoever waits; where there is none, none of them is left to wait for the next."""
        self._opening.discard(opening)
        error = None if opening.cancelled() else opening.exception()
        if opening.cancelled() or error is not None:
            self._refuse_waiting(f"the database does not answer: {str(error).partition(chr(10))[0]}")
        else:
            self._open.add(opening.result())
            self._give_back(opening.result())

    def _give_back(self, lane: Lane) -> None:
        """Hand a lane to whoever waits longest; one that is lost is replaced."""
        if not lane.alive or lane.given_up or self._closed:
            lane.close()
            self._open.discard(lane)
            if any(not each.done() for each in self._waiting):
                self._open_for_waiting()
            return
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(lane)
                return
        self._idle.append(lane)

    def _refuse_waiting(self, why: str) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(StoreError(why))


async def _cancelled(lane: Lane, answered: "asyncio.Future[list[Rows]]") -> None:
    """Cancel what a lane is asked, until it has ended: one cancellation may come between two statements."""
    loop = asyncio.get_running_loop()
    while not answered.done():
        await loop.run_in_executor(None, lane.cancel)
        await asyncio.wait({answered}, timeout=CANCEL_AGAIN_S)
