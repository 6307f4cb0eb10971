"""Memory and rate of a rebuild from logs that are longer and longer: the events of 80 vehicles, copied.

`BENCH_REBUILD_EVENTS=100000,1000000,10000000` says how long; the last takes minutes, and some gigabytes of disk.
"""

import gc
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.projection_versions import at_version, named
from adapters.rebuild import Job
from bench.copies import append, copy, registered
from bench.project import fleet_events
from bench.rebuild import BAR, VEHICLES, fill, in_own_process
from bench.report import Result

SIZES: Final = tuple(int(size) for size in os.environ.get("BENCH_REBUILD_EVENTS", "100000,1000000").split(","))
GROWTH_BAR: Final = 1.1  # of the memory of a worker, from the smallest log to the largest
MEMORY_OF: Final = "diagnostics"


def run() -> Sequence[Result]:
    """Fill one projection from logs of several lengths, each time by a new process."""
    events = fleet_events(VEHICLES)
    count = len(events)
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as server:
        append(server.conninfo(), events)
        del events
        gc.collect()
        models = PostgresReadModels(server.conninfo()).open()
        try:
            return _memory(server.conninfo(), models, count)
        finally:
            models.close()


def _memory(conninfo: str, models: PostgresReadModels, count: int) -> list[Result]:
    found: list[tuple[int, float, float]] = []
    copies = 1
    for number, size in enumerate(SIZES):
        while copies < round(size / count):
            copy(conninfo, count, copies)
            copies += 1
        vehicle_ids = registered(conninfo)
        events = copies * count
        projection = at_version(named(MEMORY_OF), 20 + number)
        models.prepare(projection)
        job = Job(projection.name, projection.version, 0, copies * count)
        took_s, _, peak_mb = in_own_process(fill, conninfo, job, vehicle_ids, 1)
        found.append((events, took_s, peak_mb))
    smallest = found[0][2]
    return [
        result
        for events, took_s, peak_mb in found
        for result in (
            Result(
                name=f"rebuild {MEMORY_OF}, a log of {events:,} events",
                unit="events/s",
                ours=events / took_s,
                bar=BAR,
            ),
            Result(
                name=f"peak memory of the process that rebuilds {MEMORY_OF}, a log of {events:,} events",
                unit="MB",
                ours=peak_mb,
                bar=smallest * GROWTH_BAR,
                lower_is_better=True,
            ),
        )
    ]
