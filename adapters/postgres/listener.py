"""Waiting for new events: told by PostgreSQL where it can, by looking where it cannot."""

import contextlib
import os
import selectors
import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from domain.errors import BadInputError

_POLL_INTERVAL_S: Final = 1.0  # how often to look when no notification comes
_RECONNECT_WAIT_S: Final = 1.0


class Listener:
    """One thread with a connection of its own that listens on a channel, for any number of threads that wait.

    The thread starts with the first wait. A notification only says "look": what counts is what `last_position` finds,
    so that a lost notification or a pooler that passes none on costs time, never an event.
    """

    def __init__(
        self, connect: Callable[[], Connection[TupleRow]], channel: str, last_position: Callable[[], int]
    ) -> None:
        self._connect = connect
        self._channel = channel
        self._last_position = last_position
        self._heard = threading.Condition()
        self._times_heard = 0
        self._thread: threading.Thread | None = None
        self._closed = False
        self._wake_reader, self._wake_writer = os.pipe()

    def wait(self, after_position: int, timeout_ms: int) -> int:
        """Return the last position as soon as it is above `after_position`, at the latest after so long."""
        deadline = time.monotonic() + timeout_ms / 1000
        with self._heard:
            self._start()
            times_heard = self._times_heard
        while True:
            last = self._last_position()
            left_s = deadline - time.monotonic()
            if last > after_position or left_s <= 0 or self._closed:
                return last
            with self._heard:
                if self._times_heard == times_heard and not self._closed:
                    self._heard.wait(min(left_s, _POLL_INTERVAL_S))
                times_heard = self._times_heard

    def close(self) -> None:
        """End the thread and let everyone who waits go on."""
        with self._heard:
            if self._closed:
                return
            self._closed = True
            self._heard.notify_all()
        os.write(self._wake_writer, b"!")
        if self._thread is not None:
            self._thread.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="event-store-listener", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            with contextlib.suppress(psycopg.OperationalError, BadInputError):  # waiting goes on by looking
                self._listen()
            with selectors.DefaultSelector() as selector:
                selector.register(self._wake_reader, selectors.EVENT_READ)
                selector.select(_RECONNECT_WAIT_S)

    def _listen(self) -> None:
        with self._connect() as connection, selectors.DefaultSelector() as selector:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
            selector.register(self._wake_reader, selectors.EVENT_READ)
            selector.register(connection.fileno(), selectors.EVENT_READ)
            self._tell()  # what came before LISTEN
            while not self._closed:
                selector.select()
                if any(True for _ in connection.notifies(timeout=0)):
                    self._tell()

    def _tell(self) -> None:
        with self._heard:
            self._times_heard += 1
            self._heard.notify_all()
