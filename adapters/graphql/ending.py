"""Ends a request before it is done: its time is up, or nobody waits for its answer any more."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

REQUEST_S: Final = 10.0  # from its last byte to the first of its answer
AGAIN_S: Final = 0.25  # one cancellation comes between two statements and is lost; the next is not
CANCELLATIONS_MAX: Final = 40  # longer than PostgreSQL lets a statement run anyway


class EndedError(Exception):
    """A request was ended that is worked at; the answer says so."""


class Ending:
    """What one thread works at, and others may end."""

    def __init__(self) -> None:
        self.ended = False
        self._lock = threading.Lock()
        self._cancel: Callable[[], None] | None = None
        self._left = threading.Event()

    @contextmanager
    def cancelling(self, cancel: Callable[[], None]) -> Iterator[None]:
        """Work at what `cancel`, called from another thread, makes fail; at once, if it was ended before."""
        with self._lock:
            self._cancel = cancel
            ended = self.ended
        try:
            if ended:
                cancel()
            yield
        finally:
            with self._lock:
                self._cancel = None
            self._left.set()

    def check(self) -> None:
        """Raise EndedError if it was ended: for work that reads nothing, which nothing cancels."""
        if self.ended:
            raise EndedError

    def end(self) -> None:
        """End it, and return when nobody works at it any more."""
        with self._lock:
            self.ended = True
        for _ in range(CANCELLATIONS_MAX):
            with self._lock:
                cancel = self._cancel
            if cancel is None:
                return
            cancel()
            if self._left.wait(AGAIN_S):
                return
