"""Fills a version of a projection from the log, vehicle by vehicle, beside the one that is shown and goes on.

Each vehicle's rows are written together, and how far it is with them: what was killed goes on from there. Vehicles are
filled up to the position at which the log was when it began; from there on the version follows the log like any other.

The processes that share the work end with the one that has begun them, however that ends.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process
from typing import Final, NamedTuple
from uuid import UUID

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.clock import now
from adapters.collector import COLLECTOR
from adapters.logged_folding import LoggedFolder
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.projection_versions import at_version, named
from adapters.vehicle_log import VehicleLog
from domain.errors import BadInputError
from projections.folding import Folder
from projections.ports import Commit
from projections.projection import Projection

PAGE_EVENTS: Final = 5_000  # read, folded and written at a time
PAGE_EVENTS_BESIDE: Final = 1_000  # the same, where what is live comes first: it waits for no more than this
REST_S_MAX: Final = 5.0  # between two pages
CHUNK_VEHICLES: Final = 16  # that a worker fills before it is given more
PAUSE_S: Final = 0.25  # between two looks at the live lag, while it is over its budget
WORKERS_MAX: Final = 64
_STOPPED_BY: Final = (signal.SIGINT, signal.SIGTERM)


class Job(NamedTuple):
    """What is filled."""

    projection: str
    version: int
    after_position: int
    until_position: int
    apart: bool = False  # vehicle by vehicle: between two that are filled, by their ids, there are others that are not
    nice: int = 0  # the priority (nice(2)) of what works at it
    share: float = 1.0  # of the time that a process works at it while events come in


@dataclass(slots=True)
class Filler:
    """Fills vehicles, in one process."""

    log: VehicleLog
    store: PostgresReadModels
    rest: Callable[[float], None] = time.sleep  # for seconds

    def fill(self, job: Job, vehicle_ids: Sequence[UUID]) -> Iterator[int]:
        """Fill the vehicles from the first to the last of these ids, in their order, whatever else is between.

        Yields how many events were read, page by page, and rests in between if it has a share of the time only.
        """
        projection = at_version(named(job.projection), job.version)
        folder = LoggedFolder(projection, self.log, self.store, now)
        for place, last_id in self._stretches(job, projection, vehicle_ids):
            yield from self._fill(job, folder, place, last_id)

    def _stretches(
        self, job: Job, projection: Projection, vehicle_ids: Sequence[UUID]
    ) -> Iterator[tuple[tuple[UUID, int], UUID]]:
        """Yield the places after which there is something to fill, each with the vehicle up to which it is filled.

        One that was begun goes on after its own version, and what is whole is not read again: it does not matter which
        vehicles were filled with which others before.
        """
        known = self.store.versions(projection, vehicle_ids)
        first = {each: version - 1 for each, version in known.items() if version}
        begun = first.keys() - self.log.behind(first, job.after_position)
        whole = begun - self.log.behind({each: known[each] for each in begun}, job.until_position)
        place: tuple[UUID, int] | None = None
        last_id = vehicle_ids[0]
        for vehicle_id in vehicle_ids:
            if vehicle_id in begun and place:
                yield place, last_id
                place = None
            if vehicle_id not in whole:
                place = place or (vehicle_id, known[vehicle_id] if vehicle_id in begun else 0)
                last_id = vehicle_id
        if place:
            yield place, last_id

    def _fill(self, job: Job, folder: Folder, place: tuple[UUID, int], last_id: UUID) -> Iterator[int]:
        between = (job.after_position, job.until_position)
        beside = job.share < 1
        limit = PAGE_EVENTS_BESIDE if beside else PAGE_EVENTS
        newest = self.log.last_position()
        while True:
            began_s = time.monotonic()
            with COLLECTOR.held(0):
                events, blocks, page = self.log.by_vehicle(place, last_id, between, limit, folder.projection)
                if page.events:
                    folder.take(events, Commit(), page.reach, blocks)
                place, gone_over = page.place, page.events
                del events, blocks, page  # which the collector would walk through
            COLLECTOR.passed(gone_over)
            busy_s = time.monotonic() - began_s
            yield gone_over
            if beside:
                before, newest = newest, self.log.last_position()
                if newest > before:  # where nothing comes in nobody waits
                    self.rest(min(busy_s / job.share - busy_s, REST_S_MAX))
            if gone_over < limit:
                return


@contextmanager
def filler(conninfo: str, nice: int = 0) -> Iterator[Filler]:
    """Give a filler with connections of its own, whose processes have a priority (nice(2)) where that is possible."""
    with ExitStack() as stack:
        records = PostgresEventLog.open(conninfo, nice)
        stack.callback(records.close)
        store = PostgresReadModels(conninfo, nice).open()
        stack.callback(store.close)
        yield Filler(VehicleLog(records, AvroCodec(SchemaRegistry.load())), store)


_opened: Final = ExitStack()  # of a process of the pool, to its end
_filler: Filler | None = None  # of it, once there is work


def _begin() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])  # a terminal's Ctrl-C is for the parent alone


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)  # whatever it is at: a commit is whole, or is none


def _work(conninfo: str, job: Job, vehicle_ids: Sequence[UUID]) -> int:
    global _filler  # noqa: PLW0603  # a process of the pool has one
    _filler = _filler or _opened.enter_context(filler(conninfo, job.nice))
    return sum(_filler.fill(job, vehicle_ids))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let this process hear that it is to stop only afterwards; those that it starts meanwhile do not hear it."""
    heard: list[int] = []
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in _STOPPED_BY}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPED_BY)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in heard:
            signal.raise_signal(each)


def chunks(vehicle_ids: Sequence[UUID], size: int = CHUNK_VEHICLES) -> Iterator[Sequence[UUID]]:
    """Yield ids in their order, some at a time."""
    for first in range(0, len(vehicle_ids), size):
        yield vehicle_ids[first : first + size]


def fill_all(
    conninfo: str,
    job: Job,
    vehicle_ids: Sequence[UUID],
    workers: int,
    over_budget: Callable[[], bool],
    tell: Callable[[int], None],
) -> None:
    """Fill vehicles, in the order of their ids, with so many processes; `tell` is told how many events were read.

    While `over_budget` no more is begun. Runs in the main thread. Raises BadInputError where a process is ended.
    """

    def held_back() -> None:
        while over_budget():
            time.sleep(PAUSE_S)

    if workers == 1:
        with filler(conninfo, job.nice) as one:
            for chunk in chunks(vehicle_ids, 1 if job.apart else CHUNK_VEHICLES):
                held_back()
                for events in one.fill(job, chunk):
                    tell(events)
                    held_back()
        return
    try:
        _share(conninfo, job, vehicle_ids, workers, held_back, tell)
    except BrokenProcessPool as error:
        where = f"rebuild {job.projection} --version {job.version}"
        remedy = "do the same again: it goes on (where memory is short, with fewer --workers)"
        raise BadInputError("one of its processes was ended from outside", where=where, remedy=remedy) from error


def _share(
    conninfo: str,
    job: Job,
    vehicle_ids: Sequence[UUID],
    workers: int,
    held_back: Callable[[], None],
    tell: Callable[[int], None],
) -> None:
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        running: set[Future[int]] = set()
        try:
            for chunk in chunks(vehicle_ids, 1 if job.apart else CHUNK_VEHICLES):
                held_back()
                with _undisturbed():
                    running.add(pool.submit(_work, conninfo, job, chunk))
                if len(running) >= workers + 1:
                    running = _done(running, tell)
            while running:
                running = _done(running, tell)
        except BaseException:
            for process in active_children():
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _done(running: set[Future[int]], tell: Callable[[int], None]) -> set[Future[int]]:
    """Wait for one; return the others."""
    done, others = wait(running, return_when=FIRST_COMPLETED)
    for each in done:
        tell(each.result())
    return others
