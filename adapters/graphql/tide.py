"""How far something has come, and waking those who wait until it has come further: one thread for all of them."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

from adapters.twins import Positions
from domain.errors import StoreError

LOOK_MS: Final = 1_000  # how long the thread waits before it sees whether anybody still does
BACKOFF_S: Final = 0.5  # after a failure of the store
PROJECTED_LOOK_S: Final = 0.05  # between two looks at how far the read models are, while they are behind

Wait = Callable[[int, int], int]  # after a position, at most so many milliseconds: the last position

_log: Final = logging.getLogger(__name__)


def no_news(after_position: int, timeout_ms: int) -> int:
    """Wait for something that does not come."""
    time.sleep(timeout_ms / 1000)
    return after_position


class Tide:
    """Tells all who wait how far something has come; `wait` is called in a thread, and only while somebody waits."""

    def __init__(self, wait: Wait, name: str) -> None:
        self._wait = wait
        self._name = name
        self._position = 0
        self._come = asyncio.Event()
        self._waiting = 0
        self._wanted = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    async def beyond(self, position: int) -> int:
        """Return how far it has come as soon as that is beyond a position."""
        async with self._awaited():
            while self._position <= position:
                await self._come.wait()
            return self._position

    def close(self) -> None:
        """End the thread; who waits waits on."""
        self._closed = True
        self._wanted.set()

    @contextlib.asynccontextmanager
    async def _awaited(self) -> AsyncIterator[None]:
        self._waiting += 1
        self._wanted.set()
        if self._thread is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and not self._closed:
                self._wanted.clear()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        told = self._position
        while self._wanted.wait() and not self._closed:
            try:
                position = self._wait(told, LOOK_MS)
            except StoreError as error:
                _log.warning("%s: %s", self._name, error)
                time.sleep(BACKOFF_S)
                continue
            except Exception:  # noqa: BLE001  # a thread that ended would wake nobody any more
                _log.exception("%s", self._name)
                time.sleep(BACKOFF_S)
                continue
            if position != told:
                told = position
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._tell, position)

    def _tell(self, position: int) -> None:
        self._position = position  # of a version that is shown instead of another: it may be less far
        come, self._come = self._come, asyncio.Event()
        come.set()


def projected(look: Callable[[], Positions], wait: Wait) -> Wait:
    """Return what waits until the read models have come beyond a position, where `wait` does so for the log."""

    def wait_projected(after_position: int, timeout_ms: int) -> int:
        deadline_s = time.monotonic() + timeout_ms / 1000
        while True:
            found = look()
            left_s = deadline_s - time.monotonic()
            if found.reached > after_position or left_s <= 0:
                return found.reached
            if found.reached >= found.log_position:  # there is nothing for them to do
                wait(found.log_position, round(left_s * 1000))
            else:
                time.sleep(min(left_s, PROJECTED_LOOK_S))

    return wait_projected
