"""Who sent an HTTP request: what it sends, for how long that is waited for, and whether it still wants an answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from typing import Any, Final, TypeVar

from adapters.graphql.ending import Ending
from adapters.graphql.http import BODY_BYTES_MAX, Receive, Response, too_large, too_slow

BODY_S: Final = 10.0  # from the end of the head to the end of the body
WATCHED_AFTER_S: Final = 0.1  # most are answered before it matters whether anyone still waits

T = TypeVar("T")


class Caller:
    """Who waits for one answer, at an address. `leaving` is done when it has got it, or has gone."""

    def __init__(self, receive: Receive, address: str | None = None) -> None:
        self.address = address
        self.leaving = ExitStack()
        self._receive = receive
        self._gone: asyncio.Task[None] | None = None
        self._waits_since_s: float | None = None

    async def body(self) -> bytes | Response:
        """Return the body of the request, or the response to one that is too large or does not come."""
        try:
            async with asyncio.timeout(BODY_S):
                return await self._body()
        except TimeoutError:
            return too_slow()
        finally:
            self._waits_since_s = asyncio.get_running_loop().time()

    def left_s(self, seconds: float) -> float:
        """Return what is left of so many seconds since all of the request was there."""
        if self._waits_since_s is None:
            return seconds
        return max(0.0, self._waits_since_s + seconds - asyncio.get_running_loop().time())

    def gone(self) -> "asyncio.Task[None]":
        """Return what is done once nobody waits any more; for who has read the body."""
        if self._gone is None:
            self._gone = asyncio.ensure_future(self._until_gone())
            self.leaving.callback(self._gone.cancel)
        return self._gone

    def unwatch(self, call: Callable[["asyncio.Task[None]"], object]) -> None:
        """Call something no more when nobody waits."""
        if self._gone is not None:
            self._gone.remove_done_callback(call)

    async def _body(self) -> bytes | Response:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            part = message.get("body", b"")
            size += len(part)
            if size > BODY_BYTES_MAX:
                return too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class WhileWaitedFor:
    """Cancels what a task does for a caller with the caller, or with its time: then TimeoutError is raised.

    `asyncio.timeout` and a watch from the beginning would cost a small answer several times as much.
    """

    def __init__(self, caller: Caller, seconds: float) -> None:
        self._caller = caller
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._ended = False

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._timer = self._loop.call_later(min(WATCHED_AFTER_S, self._seconds), self._watch)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._timer.cancel()
        self._caller.unwatch(self._end)
        others = self._task.uncancel() if self._ended and self._task is not None else 1
        if not others and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def _watch(self) -> None:
        if self._seconds <= WATCHED_AFTER_S:
            self._end()
        else:
            self._timer = self._loop.call_later(self._seconds - WATCHED_AFTER_S, self._end)
            self._caller.gone().add_done_callback(self._end)

    def _end(self, _: object = None) -> None:
        if not self._ended and self._task is not None:
            self._ended = True
            self._task.cancel()


async def in_time(
    caller: Caller | None, threads: Executor, endings: Executor, work: Callable[[Ending], T], seconds: float
) -> T | None:
    """Return what one of the `threads` does for a caller; None: it was ended, with the caller or with its time.

    Without a caller whoever waits for this cancels it.

    One of the `endings` sees to it that the thread is free again.
    """
    ending = Ending()
    done = asyncio.wrap_future(threads.submit(work, ending))
    try:
        await asyncio.wait({done}, timeout=min(WATCHED_AFTER_S, seconds))
        if not done.done():
            waited_for: set[asyncio.Future[Any]] = {done, caller.gone()} if caller else {done}
            await asyncio.wait(waited_for, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return done.result() if done.done() else None
    finally:
        _end_unless_done(done, ending, endings)


async def in_turn(threads: Executor, endings: Executor, seconds: float, work: Callable[[Ending], T]) -> T | None:
    """Return what one of the `threads` does; None: it was ended, for it took longer once it had a thread.

    Whoever waits for this cancels it. To wait for a thread does not count: others are slow then.
    """
    loop = asyncio.get_running_loop()
    ending, begun = Ending(), asyncio.Event()

    def begin() -> T:
        loop.call_soon_threadsafe(begun.set)
        return work(ending)

    done = asyncio.wrap_future(threads.submit(begin))
    try:
        await begun.wait()
        await asyncio.wait({done}, timeout=seconds)
        return done.result() if done.done() else None
    finally:
        _end_unless_done(done, ending, endings)


def _end_unless_done(done: "asyncio.Future[Any]", ending: Ending, endings: Executor) -> None:
    if not done.done():
        done.cancel()  # if it still waits for a thread
        endings.submit(ending.end)
