"""Looks at the whole path every few seconds, so that whoever asks about it has an answer at once."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from adapters.lag import Observation
from domain.errors import FleettwinError

LOOK_EVERY_S: Final = 5.0
LOOK_AGE_S_MAX: Final = 30.0  # a look that is older tells nothing any more: asking hangs, or takes too long

_log: Final = logging.getLogger(__name__)


class Watch:
    """What was seen last. `look` raises a FleettwinError where the database does not answer."""

    def __init__(self, look: Callable[[], Observation], clock: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._clock = clock
        self._seen: Observation | None = None
        self._problem: str | None = "nobody has looked at the database yet"
        self._looked_at = clock()

    def once(self) -> None:
        """Look."""
        try:
            self._seen, problem = self._look(), None
            if self._seen.kafka_problem:
                problem = f"Kafka does not answer: {self._seen.kafka_problem}"
        except FleettwinError as error:
            self._seen, problem = None, str(error)
        except Exception:  # noqa: BLE001  # a thread that ended would not come back
            _log.exception("the look at the whole path failed")
            self._seen, problem = None, "the look at the whole path failed: see the log"
        self._problem = problem
        self._looked_at = self._clock()

    def seen(self) -> Observation | None:
        """Return what was seen last, unless that is too long ago."""
        return self._seen if self._age_s <= LOOK_AGE_S_MAX else None

    def problem(self) -> str | None:
        """Return why database or cluster count as not answering; None: they answer."""
        if self._age_s > LOOK_AGE_S_MAX:
            return f"database and Kafka have not answered for {self._age_s:.0f} s"
        return self._problem

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look again and again in a thread; what hangs in the end is left behind."""
        ending = threading.Event()

        def run() -> None:
            while not ending.is_set():
                self.once()
                ending.wait(LOOK_EVERY_S)

        thread = threading.Thread(target=run, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join(LOOK_EVERY_S)

    @property
    def _age_s(self) -> float:
        return self._clock() - self._looked_at
