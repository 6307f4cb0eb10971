"""Moves every projection along the log: until it has caught up, or for as long as a server runs."""

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import Final, Protocol
from uuid import UUID

from adapters.collector import COLLECTOR
from adapters.fold_counter import FoldCounter
from adapters.heartbeat import Heartbeat
from adapters.logged_folding import LoggedRunner
from domain.errors import BadInputError, FleettwinError, PositionConflictError, StoreError, VersionGoneError
from domain.units import Micros
from projections.ports import Feed, Parked, ReadModelStore
from projections.projection import Projection, Recorded
from projections.runner import BATCH_EVENTS, Runner

WAIT_MS: Final = 1_000  # for new events, before the end of the process is looked at again
BACKOFF_S: Final = 1.0  # after a failure that may pass
PAGES_KEPT: Final = 4  # of `BATCH_EVENTS` decoded events
LOOKED_S: Final = 2.0  # after which it is looked again which projections there are
CONFLICTS_MAX: Final = 100  # in a row, while another process moves the same projection
CONFLICTS_TOLD: Final = 10  # after so many it is said: commands that catch up make one now and then

_TWICE: Final = (
    "other processes fold into %s, too, which costs the work twice and changes no row: beside `run project`,"
    " `serve --no-project` is enough"
)
_DISCARDED: Final = "%s was discarded, and is not followed any more"
_log: Final = logging.getLogger(__name__)


class Wait(Protocol):
    """Waits for events after a position, at most so many milliseconds; returns the newest position."""

    def __call__(self, after_position: int, timeout_ms: int) -> int:
        """Wait."""


class _PagesKept(Feed):
    """A feed for several threads that keeps the pages that were read last."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._lock = threading.Lock()
        self._pages: OrderedDict[tuple[int, int], Sequence[Recorded]] = OrderedDict()

    def read(self, after_position: int, limit: int) -> Sequence[Recorded]:
        key = (after_position, limit)
        with self._lock:
            page = self._pages.get(key)
            if page is None:
                page = self._pages[key] = self._feed.read(after_position, limit)
                if len(self._pages) > PAGES_KEPT:
                    self._pages.popitem(last=False)
        return page

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        return self._feed.history(vehicle_id, after_version, until_version)

    def last_position(self) -> int:
        return self._feed.last_position()


def advance(
    projection: Projection,
    feed: Feed,
    store: ReadModelStore,
    now: Callable[[], Micros],
    until: int,
    tell: Callable[[int], None] = lambda _: None,
    within_s: float = math.inf,
) -> None:
    """Move a projection until a position that the feed has, beside others who may do the same; `tell` is told where.

    Raises StoreError where that takes longer than `within_s`: what was done is done; VersionGoneError where it is not
    there.
    """
    runner, counter = LoggedRunner(projection, feed, store, now), FoldCounter(projection)
    conflicts = 0
    end_s = time.monotonic() + within_s
    with COLLECTOR.held(0):
        while runner.position < until:
            if time.monotonic() > end_s:
                raise StoreError(f"{projection.id} is at position {runner.position} of {until}, and goes on")
            try:
                COLLECTOR.passed(runner.step(min(BATCH_EVENTS, until - runner.position)))
                counter.tell(runner.counts)
                conflicts = 0
            except PositionConflictError:  # another process does the same work: go on from where it is
                conflicts += 1
                if conflicts > CONFLICTS_MAX:
                    raise
                runner, counter = LoggedRunner(projection, feed, store, now), FoldCounter(projection)
            tell(runner.position)


@dataclass(slots=True)
class Projecting:
    """Projections on one feed. `followed` says which: it is asked again, for versions that come and go meanwhile."""

    followed: Callable[[], Sequence[Projection]]
    feed: Feed
    store: ReadModelStore
    now: Callable[[], Micros]
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: dict[str, threading.Thread] = field(default_factory=dict)  # by the id of the projection
    _heartbeats: Mapping[str, Heartbeat] = field(default_factory=dict)  # by the name of the projection
    _now_followed: Collection[str] = ()  # ids
    _now_heard: Collection[str] = ()  # of these the versions that are shown: one of each projection beats

    def catch_up(self, tell: Callable[[int, int], None] = lambda *_: None) -> None:
        """Fold everything that the feed has now into every projection; `tell` is given events done and in all.

        Each projection has a thread: one folds while the database writes what another has folded, and what one has
        read and decoded serves the others. What is discarded meanwhile is left out.
        """
        until = self.feed.last_position()
        feed = _PagesKept(self.feed)
        projections = self.followed()
        behind = {each.id: self._behind(each, until) for each in projections}
        total = sum(behind.values())

        def fold(projection: Projection) -> None:
            def told(position: int) -> None:
                behind[projection.id] = max(0, until - position)
                tell(total - sum(behind.values()), total)

            try:
                advance(projection, feed, self.store, self.now, until, told)
            except VersionGoneError:
                _log.info(_DISCARDED, projection.id, extra={"projection": projection.id})

        with ThreadPoolExecutor(len(projections), "project") as threads:
            for done in [threads.submit(fold, projection) for projection in projections]:
                done.result()

    def _behind(self, projection: Projection, until: int) -> int:
        try:
            return max(0, until - self.store.position(projection))
        except VersionGoneError:
            return 0

    def parked(self) -> list[tuple[Projection, Parked]]:
        """Return every vehicle that a projection has parked."""
        return [(each, parked) for each in self.followed() for parked in self.store.parked(each).values()]

    def retry(self) -> int:
        """Take every parked vehicle up again, and return how many stay parked."""
        return sum(self._retry(projection, parked.vehicle_id) is not None for projection, parked in self.parked())

    def take_up(self, name: str, version: int, vehicle_id: UUID) -> Parked | None:
        """Take one parked vehicle up again; return how it is parked now, None if it is not any more.

        Raises BadInputError for a version that does not follow the log.
        """
        for each in self.followed():
            if (each.name, each.version) == (name, version):
                return self._retry(each, vehicle_id)
        remedy = "see which there are: `fleettwin status`"
        raise BadInputError("no such version follows the log", where=f"{name} {version}", remedy=remedy)

    def start(self, wait: Wait, heartbeats: Mapping[str, Heartbeat] = MappingProxyType({})) -> None:
        """Follow the feed in the background, a thread for each projection.

        `heartbeats` by its name hear each round of the version that is shown.
        """
        self._heartbeats = heartbeats
        self._follow_known(wait)
        name = "versions"
        self._threads[name] = threading.Thread(target=self._look, args=(wait,), name=name, daemon=True)
        self._threads[name].start()

    def _look(self, wait: Wait) -> None:
        """Look now and then which projections there are to follow."""
        while not self._stopping.wait(LOOKED_S):
            self._follow_known(wait)

    def _follow_known(self, wait: Wait) -> None:
        """Follow what there is, where that is known: whoever works does not end because the database has gone away."""
        try:
            self._follow_all(wait)
        except FleettwinError as error:
            _log.warning("it is not known which versions there are: %s", error)

    def _follow_all(self, wait: Wait) -> None:
        followed = {each.id: each for each in self.followed()}
        self._now_followed = followed.keys()  # a thread ends where its projection is not among them any more
        self._now_heard = {each.name: each.id for each in reversed(followed.values())}.values()
        for projection in followed.values():
            thread = self._threads.get(projection.id)
            if thread and thread.is_alive():
                continue
            arguments = (projection, wait)
            thread = threading.Thread(target=self._follow, args=arguments, name=projection.id, daemon=True)
            self._threads[projection.id] = thread
            thread.start()

    def stop(self) -> None:
        """End following, after the batch that is being written."""
        self._stopping.set()
        for thread in list(self._threads.values()):
            thread.join()
        self._threads.clear()

    def _retry(self, projection: Projection, vehicle_id: UUID) -> Parked | None:
        for conflicts in count(1):
            try:
                return self._runner(projection).retry(vehicle_id)
            except VersionGoneError:
                return None
            except PositionConflictError:  # another process has left out more events of it: these too, then
                if conflicts > CONFLICTS_MAX:
                    raise
        raise AssertionError  # the last attempt returns or raises

    def _runner(self, projection: Projection) -> Runner:
        return LoggedRunner(projection, self.feed, self.store, self.now)

    def _goes_on(self, projection: Projection) -> bool:
        """Whether a projection is still followed. Its loop, which asks, has come round."""
        heartbeat = self._heartbeats.get(projection.name)
        if heartbeat and projection.id in self._now_heard:
            heartbeat.beat()
        return projection.id in self._now_followed and not self._stopping.is_set()

    def _lost(self, runner: Runner) -> bool:
        """Whether the database has crashed, which nobody sees who waits for events, and has lost what was written."""
        return self.store.position(runner.projection) < runner.position

    def _follow(self, projection: Projection, wait: Wait) -> None:
        runner: Runner | None = None
        counter = FoldCounter(projection)
        conflicts = 0
        while self._goes_on(projection):
            try:
                if runner is None:
                    runner, counter = self._runner(projection), FoldCounter(projection)
                with COLLECTOR.held():
                    taken = runner.step()
                counter.tell(runner.counts)
                if not taken and wait(runner.position, WAIT_MS) <= runner.position and self._lost(runner):
                    runner = None
            except PositionConflictError:
                runner = None  # another process does the same work: go on from where it is
                conflicts += 1
                if conflicts == CONFLICTS_TOLD:
                    _log.info(_TWICE, projection.id, extra={"projection": projection.id})
            except VersionGoneError:
                _log.info(_DISCARDED, projection.id, extra={"projection": projection.id})
                return
            except FleettwinError as error:
                _log.warning("%s waits: %s", projection.id, error, extra={"projection": projection.id})
                runner = None
                self._stopping.wait(BACKOFF_S)
            except Exception:  # noqa: BLE001  # standing still shows as lag; a thread that ended would not come back
                _log.exception("%s failed and tries again", projection.id, extra={"projection": projection.id})
                runner = None
                self._stopping.wait(BACKOFF_S)
