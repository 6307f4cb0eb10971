"""Moves every projection along the log: until it has caught up, or for as long as a server runs."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from domain.errors import FleettwinError, PositionConflictError
from domain.units import Micros
from projections.ports import Feed, ReadModelStore
from projections.projection import Projection
from projections.runner import BATCH_EVENTS, Runner

WAIT_MS: Final = 1_000  # for new events, before the end of the process is looked at again
BACKOFF_S: Final = 1.0  # after a failure that may pass
CONFLICTS_MAX: Final = 100  # in a row, while another process moves the same projection

_log: Final = logging.getLogger(__name__)


class Wait(Protocol):
    """Waits for events after a position, at most so many milliseconds; returns the newest position."""

    def __call__(self, after_position: int, timeout_ms: int) -> int:
        """Wait."""


@dataclass(slots=True)
class Projecting:
    """All projections on one feed."""

    projections: Sequence[Projection]
    feed: Feed
    store: ReadModelStore
    now: Callable[[], Micros]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def catch_up(self, tell: Callable[[int, int], None] = lambda *_: None) -> None:
        """Fold everything that the feed has now into every projection; `tell` is given events done and in all."""
        until = self.feed.last_position()
        begun = {projection.id: self.store.position(projection) for projection in self.projections}
        total = sum(max(0, until - position) for position in begun.values())
        done = 0
        for projection in self.projections:
            conflicts = 0
            runner = self._runner(projection)
            while runner.position < until:
                before = runner.position
                try:
                    runner.step(min(BATCH_EVENTS, until - before))
                    conflicts = 0
                except PositionConflictError:  # another process does the same work: go on from where it is
                    conflicts += 1
                    if conflicts > CONFLICTS_MAX:
                        raise
                    runner = self._runner(projection)
                done += max(0, runner.position - before)
                tell(min(done, total), total)

    def start(self, wait: Wait) -> None:
        """Follow the feed in the background, a thread for each projection."""
        for projection in self.projections:
            thread = threading.Thread(target=self._follow, args=(projection, wait), name=projection.id, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End following, after the batch that is being written."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _runner(self, projection: Projection) -> Runner:
        return Runner(projection, self.feed, self.store, self.now)

    def _follow(self, projection: Projection, wait: Wait) -> None:
        runner: Runner | None = None
        while not self._stopping.is_set():
            try:
                runner = runner or self._runner(projection)
                if not runner.step():
                    wait(runner.position, WAIT_MS)
            except PositionConflictError:
                runner = None  # another process does the same work: go on from where it is
            except FleettwinError as error:
                _log.warning("%s waits: %s", projection.id, error)
                runner = None
                self._stopping.wait(BACKOFF_S)
