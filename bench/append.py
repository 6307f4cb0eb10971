"""Appending to the event store: ours against the recorder of the eventsourcing library, on the same server."""

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.datastore import Datastore
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.server import EmbeddedServer
from bench.report import Result

BATCH_SIZES: Final = (10, 100, 1000)
STATE_BYTES: Final = 200
ROUNDS: Final = 25
ROUND_EVENTS: Final = {10: 500, 100: 2_000, 1000: 4_000}  # of each side
BAR: Final = 3  # times the peer, where storage takes no time
BAR_ON_DISK: Final = 1
IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # storage in memory, not a place for secrets
SYNCS: Final = 200


def run() -> Sequence[Result]:
    """Append events of 200 bytes in batches of 10, 100 and 1000 to two servers, each append durable before the next.

    The first server keeps its data in memory (where the machine has /dev/shm): what differs is the work of the two
    sides. The second is on the disk of the temporary files. There each commit waits for the disk, the same time for
    both, which no code can shorten: the shorter the append, the nearer the ratio comes to 1. The time of one such wait
    is part of the name.

    The two sides take turns, many short rounds each, and the best round counts. The peer is the library's
    `PostgresApplicationRecorder` as its factory makes it.
    """
    results = []
    if IN_MEMORY.is_dir():
        results += _compare(IN_MEMORY, "storage in memory", BAR)
    disk = Path(tempfile.gettempdir())
    return [*results, *_compare(disk, f"on a disk that syncs in {_sync_us(disk):.0f} µs", BAR_ON_DISK)]


def _compare(storage: Path, where: str, bar: float) -> list[Result]:
    with tempfile.TemporaryDirectory(dir=storage) as folder, EmbeddedServer(Path(folder)) as server:
        ours = PostgresEventLog.open(server.conninfo())
        theirs = _library(server.conninfo())
        events = _events(random.Random(1))
        results = []
        for size in BATCH_SIZES:
            peer_rate, our_rate = _rates(events, size, theirs.insert_events, ours.append)
            results.append(
                Result(
                    name=f"append, batches of {size}, {where}",
                    unit="events/s",
                    peer_name=f"eventsourcing {version('eventsourcing')}",
                    peer=peer_rate,
                    ours=our_rate,
                    bar=bar,
                )
            )
        ours.close()
        theirs.datastore.close()
    return results


def _sync_us(folder: Path) -> float:
    """Return how long the disk takes to make 8 kB durable, at its best, in microseconds."""
    page = bytes(8_192)
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(SYNCS):
            file.seek(0)
            file.write(page)
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return min(times) * 1e6


def _library(conninfo: str) -> PostgresApplicationRecorder:
    """Return the library's recorder, with tables of its own in a schema of its own."""
    with Datastore(conninfo).connect() as connection:
        connection.execute("CREATE SCHEMA library")
    to = conninfo_to_dict(conninfo)
    datastore = PostgresDatastore(
        str(to["dbname"]), str(to["host"]), str(to["port"]), str(to["user"]), "", schema="library"
    )
    recorder = PostgresApplicationRecorder(datastore)
    recorder.create_table()
    return recorder


Append = Callable[[Sequence[StoredEvent]], object]


def _rates(events: Iterator[StoredEvent], size: int, *sides: Append) -> list[float]:
    """Return the best rate of each side in events per second."""
    rates = [0.0 for _ in sides]
    for _ in range(ROUNDS):
        for side, append in enumerate(sides):
            batches = [[next(events) for _ in range(size)] for _ in range(ROUND_EVENTS[size] // size)]
            started = time.perf_counter()
            for batch in batches:
                append(batch)
            rates[side] = max(rates[side], ROUND_EVENTS[size] / (time.perf_counter() - started))
    return rates


def _events(rng: random.Random) -> Iterator[StoredEvent]:
    """Make events of ever new vehicles, 50 of each in a row."""
    while True:
        vehicle_id = UUID(int=rng.getrandbits(128))
        for number in range(1, 51):
            yield StoredEvent(vehicle_id, number, "vehicle.signals_sampled.v1", rng.randbytes(STATE_BYTES))
