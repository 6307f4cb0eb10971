"""Python's collector of cyclic garbage, which stands still while batches are folded.

A batch makes hundreds of thousands of objects, hardly any of them in a cycle, and most are still in use when the
collector walks through them, again and again: a third of the time of a projection.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

BATCHES_MAX: Final = 64  # after which it collects, whoever still holds it


class Collector:
    """Counts who holds the collector of this process; any thread may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._batches = 0
        self._enabled = True  # before somebody held it

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the collector still, for one batch."""
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
                self._batches += 1
                due = self._batches % BATCHES_MAX == 0
                if not self._holders and self._enabled:
                    gc.enable()
            if due:
                gc.collect()


COLLECTOR: Final = Collector()
