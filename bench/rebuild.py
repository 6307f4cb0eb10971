"""A new version of a projection filled from the log: by the library's `ProjectionRunner`, by one process and by two.

Events a second are those of the log that are gone over, folded or not; how many a projection folds is in the name. A
core is all that there is to work with: PostgreSQL is on it as well. Two workers and PostgreSQL have two.
"""

import gc
import os
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.projection_versions import at_version, named
from adapters.rebuild import Job, fill_all
from adapters.twins import PROJECTIONS
from bench.copies import append, copy, registered
from bench.peers.projection_runner import runner
from bench.project import fleet_events
from bench.report import Result
from domain.errors import BadInputError
from projections.digest import digest

VEHICLES: Final = 80
COPIES: Final = 32  # of their events, under other ids: enough for the start of workers, 0.6 s, not to count
BAR: Final = 100_000  # events/s a core
TWO_WORKERS_BAR: Final = 1.8  # times one
PEER_BAR: Final = 10.0
PEER_WARM_UP_S: Final = 1.0
PEER_S: Final = 6.0


def run() -> Sequence[Result]:
    """Fill each projection three ways, and compare rows."""
    events = fleet_events(VEHICLES)
    folded = {each.name: sum(type(event) in each.folds for event in events) for each in PROJECTIONS}
    once = len(events)
    count = COPIES * once
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as server:
        conninfo = server.conninfo()
        append(conninfo, events)
        del events
        gc.collect()
        for turn in range(1, COPIES):
            copy(conninfo, once, turn)
        vehicle_ids = registered(conninfo)
        postgres = int(Path(folder, "postgres/data/postmaster.pid").read_text().partition("\n")[0])
        models = PostgresReadModels(conninfo).open()
        results: list[Result] = []
        for projection in PROJECTIONS:
            name = (
                f"{projection.name}, {count:,} events of {len(vehicle_ids)} vehicles, of which it folds"
                f" {COPIES * folded[projection.name]:,}"
            )
            results += filled(conninfo, projection.name, models, vehicle_ids, count, postgres, name)
        models.close()
    return results


def filled(
    conninfo: str,
    of: str,
    models: PostgresReadModels,
    vehicle_ids: Sequence[UUID],
    count: int,
    postgres: int,
    name: str,
) -> list[Result]:
    """Fill new versions of a projection with one worker and two, and beside the library; `postgres`: a process id."""
    rates = []
    for workers in (1, 2):
        chosen = at_version(named(of), 1 + workers)
        models.prepare(chosen)
        job = Job(chosen.name, chosen.version, 0, count)
        with on_cores(postgres, workers):
            took_s, _, _ = in_own_process(fill, conninfo, job, vehicle_ids, workers)
        rates.append(count / took_s)
    assert digest(models, at_version(named(of), 2)) == digest(models, at_version(named(of), 3))
    with on_cores(postgres, 1):
        of_library = _peer(conninfo, of, models)
    what = f"rebuild {name}"
    return [
        Result(name=f"{what}, on one core", unit="events/s", ours=rates[0], bar=BAR),
        Result(
            name=f"{what}, on one core, beside the library",
            unit="events/s",
            ours=rates[0],
            peer=of_library,
            peer_name=f"ProjectionRunner, eventsourcing {version('eventsourcing')}",
            bar=PEER_BAR,
        ),
        Result(
            name=f"{what}, two workers on two cores",
            unit="events/s",
            ours=rates[1],
            peer=rates[0],
            peer_name="one on one",
            bar=TWO_WORKERS_BAR,
        ),
    ]


@contextmanager
def on_cores(postgres: int, count: int) -> Iterator[None]:
    """Let this thread, what it starts, and a PostgreSQL of this process id have so many cores."""
    before = os.sched_getaffinity(0)
    if len(before) < count:
        raise BadInputError(f"there are {len(before)} cores", where="bench rebuild", remedy=f"run it with {count}")
    chosen = sorted(before)[:count]
    try:
        _let_have(postgres, chosen)
        yield
    finally:
        _let_have(postgres, before)


def _let_have(postgres: int, cores: Collection[int]) -> None:
    children = Path(f"/proc/{postgres}/task/{postgres}/children").read_text(encoding="ascii").split()
    for process in (0, postgres, *map(int, children)):
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(process, cores)


def _peer(conninfo: str, of: str, models: PostgresReadModels) -> float:
    """Return the positions a second that the library goes over; like ours it does not wait for the disk."""
    projection = at_version(named(of), 9)
    models.prepare(projection)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ALTER DATABASE fleettwin SET synchronous_commit = off")
        try:
            with runner(conninfo, projection, models) as running:
                view: Any = running.view
                time.sleep(PEER_WARM_UP_S)
                first, began = view.max_tracking_id("vehicles") or 0, time.perf_counter()
                time.sleep(PEER_S)
                last, took = view.max_tracking_id("vehicles") or 0, time.perf_counter() - began
        finally:
            connection.execute("ALTER DATABASE fleettwin RESET synchronous_commit")
            connection.execute("DROP TABLE IF EXISTS folding_tracking")
    assert last > first
    return float((last - first) / took)


def fill(told: Pipe, conninfo: str, job: Job, vehicle_ids: Sequence[UUID], workers: int) -> None:
    """Fill in a process of its own; tell seconds, seconds of its processor, and peak memory, MB."""
    began, cpu = time.perf_counter(), time.process_time()
    fill_all(conninfo, job, vehicle_ids, workers, lambda: False, lambda _: None)
    took_s = time.perf_counter() - began
    told.send((took_s, time.process_time() - cpu, peak_mb()))


def peak_mb() -> float:
    """Return the peak memory of this process, MB, of which getrusage(2) would tell that of who started it (proc(5))."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024  # type: ignore[index]  # it is there


def in_own_process(work: Callable[..., None], *arguments: object) -> Any:
    """Return what some work tells that is done in a process of its own."""
    context = get_context("spawn")
    receive, told = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(told, *arguments))
    process.start()
    told.close()
    try:
        return receive.recv()
    finally:
        process.join()
