"""Python's collector of cyclic garbage, which stands still while batches are folded.

A batch makes hundreds of thousands of objects, hardly any of them in a cycle, and most are still in use when the
collector walks through them, again and again: a third of the time of a projection.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EVENTS_MAX: Final = 8_000  # after which it collects, whoever still holds it: what was made since
WHOLE_EVERY: Final = (
    256  # collections: with everything that is there, which stops a process with many vehicles for 0.3 s
)
OLDEST: Final = 2  # generation of Python's collector
YOUNGER: Final = 1
BATCH_EVENTS: Final = 4_000  # about what is folded while it is held once


class Collector:
    """Counts who holds the collector of this process; any thread may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._events = 0
        self._collections = 0
        self._enabled = True  # before somebody held it

    @contextmanager
    def held(self, events: int = BATCH_EVENTS) -> Iterator[None]:
        """Keep the collector still, for about so many events; 0 where they are `passed` one batch after the other.

        When it is let go, Python at once walks through everything that was made meanwhile and is still there.
        """
        with self._lock:
            if not self._holders:
                self._enabled = gc.isenabled()
                gc.disable()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders and self._enabled:
                    gc.enable()
            self.passed(events)

    def passed(self, events: int) -> None:
        """Count events that were folded or taken; collect where it has been still for long enough."""
        with self._lock:
            self._events += events
            due = self._events >= EVENTS_MAX
            if due:
                self._events = 0
                self._collections += 1
            whole = self._collections % WHOLE_EVERY == 0
        if due:
            gc.collect(OLDEST if whole else YOUNGER)


def settle() -> None:
    """Keep what is there now out of every later collection: a process that has started holds most of it to its end."""
    gc.collect()
    gc.freeze()


COLLECTOR: Final = Collector()
