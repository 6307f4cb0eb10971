"""A distributed twin for benchmarks: a real broker, a real PostgreSQL on disk, and each role as a process of its own.

Processor times are those that Linux tells in /proc (proc(5)).
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import RetriableError

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.kafka.client import Connection
from adapters.kafka.cluster import JVM, Cluster
from adapters.kafka.distribution import find_distribution
from adapters.kafka.topics import VEHICLE_EVENTS, create_topics
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.server import EmbeddedServer
from adapters.vehicle_log import VehicleLog
from adapters.wiring import RELAY_GROUP
from bench.report import ROOT
from domain.errors import StoreError
from domain.events import VehicleEvent
from projections.projection import Projection

PARTITIONS: Final = 12
VIN_KEY: Final = "the same key in every benchmark"
PATIENCE_S: Final = 600.0  # for anything that is waited for
STOP_TIMEOUT_S: Final = 30.0
APPENDED_AT_ONCE: Final = 5_000
LOOK_S: Final = 0.05  # between two looks at how far a process is

_PROGRAM: Final = (sys.executable, "-c", "from adapters.cli import main; main()")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
_SAID_CHARACTERS_MAX: Final = 300


class Speed(NamedTuple):
    """How fast a process did some work."""

    done: float
    seconds: float
    cpu_s: float  # of the process

    @property
    def rate(self) -> float:
        """By the clock, a second."""
        return self.done / self.seconds

    @property
    def rate_a_core(self) -> float:
        """For each second of a processor."""
        return self.done / self.cpu_s


@dataclass(frozen=True)
class Worker:
    """A process that has been started; what it says goes to the file `said`."""

    name: str
    pid: int
    running: Callable[[], bool]
    said: Path

    @property
    def cpu_s(self) -> float:
        """The processor time that it has used, seconds."""
        return cpu_s(self.pid)

    def check(self) -> None:
        """Raise StoreError unless it runs."""
        if not self.running():
            lines = self.said.read_text(errors="replace").splitlines() if self.said.exists() else []
            raise StoreError(f"{self.name} has ended: {(lines or ['it said nothing'])[-1][:_SAID_CHARACTERS_MAX]}")


@dataclass(frozen=True)
class Rig:
    """Where everything is. `folder` holds data and logs."""

    folder: Path
    server: EmbeddedServer
    cluster: Cluster

    @property
    def conninfo(self) -> str:
        """The database."""
        return self.server.conninfo()

    @property
    def connection(self) -> Connection:
        """The broker."""
        return Connection(self.cluster.bootstrap_servers)

    @property
    def broker_pid(self) -> int:
        """The process of the broker."""
        return self.cluster.brokers[0].process.pid

    @property
    def postgres_pid(self) -> int:
        """The process that all others of the database are children of."""
        return int((self.folder / "postgres/postgres/data/postmaster.pid").read_text().partition("\n")[0])

    def environment(self) -> dict[str, str]:
        """Return the environment of a role: our settings, and nobody else's."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FLEETTWIN_")}
        own = {
            "HOME": str(self.folder / "home"),
            "VIN_KEY": VIN_KEY,
            "DATABASE_URL": self.conninfo,
            "PORT": "0",
            "KAFKA_BOOTSTRAP_SERVERS": self.cluster.bootstrap_servers,
            "KAFKA_PARTITIONS": str(PARTITIONS),
        }
        return {**inherited, "PYTHONPATH": str(ROOT), **{f"FLEETTWIN_{name}": value for name, value in own.items()}}

    @contextmanager
    def started(self, *arguments: str) -> Iterator[Worker]:
        """Start `fleettwin` with arguments; it is stopped in the end."""
        name = " ".join(arguments)
        said = self.folder / f"{'-'.join(arguments).replace('--', '')}.log"
        with (
            said.open("w") as output,
            subprocess.Popen(
                [*_PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment(),
                cwd=self.folder,
            ) as process,
        ):
            try:
                yield Worker(name, process.pid, lambda: process.poll() is None, said)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()

    @contextmanager
    def beside(self, name: str, work: Callable[..., None], *arguments: Any) -> Iterator[Worker]:
        """Do something of a benchmark in a process of its own; it is stopped in the end."""
        with beside(work, *arguments) as process:
            assert process.pid is not None
            yield Worker(name, process.pid, process.is_alive, self.folder / f"{name}.log")

    @contextmanager
    def asking(self) -> Iterator["Asking"]:
        """Give what tells how far everybody is."""
        with (
            self.connection.administration() as client,
            psycopg.connect(self.conninfo, autocommit=True) as database,
        ):
            yield Asking(client, database)


@dataclass(frozen=True)
class Asking:
    """Asks how far everybody is."""

    client: KafkaAdminClient
    database: psycopg.Connection[Any]

    def published(self, group: str = RELAY_GROUP) -> int:
        """Return the position of the log up to which a relay has published."""
        partitions = [TopicPartition(VEHICLE_EVENTS, number) for number in range(PARTITIONS)]
        try:
            said = self.client.list_group_offsets({group: partitions})[group]
        except RetriableError:  # of a broker that has had no group yet
            return 0
        return min((said[each].offset for each in partitions if each in said), default=0)

    def end(self, topic: str = VEHICLE_EVENTS) -> int:
        """Return what a reader of all of a topic has read, in offsets: a mark at the end of a partition is not read."""
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        found = self.client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        marks = topic == VEHICLE_EVENTS  # which is written in transactions
        return sum(max(0, each.offset - marks) for each in found.values())

    def folded(self, projection: Projection) -> int:
        """Return how many offsets of the topic a projection has read."""
        return self.number(
            "SELECT coalesce(sum(next), 0)::bigint FROM projection_sources WHERE projection = %s AND version = %s",
            projection.name,
            projection.version,
        )

    def number(self, statement: str, *parameters: object) -> int:
        """Return the one number that a statement finds."""
        found = self.database.execute(statement.encode(), parameters).fetchone()
        assert found is not None
        return int(found[0])


@contextmanager
def rig() -> Iterator[Rig]:
    """Start a broker with empty topics, and a PostgreSQL with an empty database; both end in the end.

    Raises BadInputError where one of them cannot be had.
    """
    if not (_PROC / "self/stat").exists():
        raise StoreError("processor times are read from /proc, which this system does not have")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            EmbeddedServer(folder / "postgres") as server,
            Cluster(folder / "kafka", find_distribution(), jvm=JVM) as cluster,
        ):
            create_topics(Connection(cluster.bootstrap_servers), PARTITIONS)
            yield Rig(folder, server, cluster)


def append(conninfo: str, events: Sequence[VehicleEvent]) -> None:
    """Write events into the log of a database."""
    with contextlib.closing(PostgresEventLog.open(conninfo)) as records:
        log = VehicleLog(records, AvroCodec(SchemaRegistry.load()))
        for first in range(0, len(events), APPENDED_AT_ONCE):
            log.append(events[first : first + APPENDED_AT_ONCE])


@contextmanager
def beside(work: Callable[..., None], *arguments: Any) -> Iterator[BaseProcess]:
    """Do something in a process that shares nothing with this one; it is stopped in the end."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.terminate()
        process.join(STOP_TIMEOUT_S)
        if process.is_alive():
            process.kill()
            process.join()


def measured(progress: Callable[[], int], until: int, worker: Worker) -> Speed:
    """Return how fast a worker goes, from its first step that shows to where `progress` is `until`."""
    wait_for(lambda: progress() > 0, worker)
    first, began_s, cpu_before_s = progress(), time.perf_counter(), worker.cpu_s
    wait_for(lambda: progress() >= until, worker)
    return Speed(until - first, time.perf_counter() - began_s, worker.cpu_s - cpu_before_s)


def wait_for(reached: Callable[[], bool], *workers: Worker, every_s: float = LOOK_S) -> None:
    """Wait for something while these live. Raises StoreError."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not reached():
        for worker in workers:
            worker.check()
        if time.monotonic() > deadline_s:
            raise StoreError(f"what was waited for has not come within {PATIENCE_S:.0f} s")
        time.sleep(every_s)


def cpu_s(pid: int) -> float:
    """Return the processor time that a process, and those of its children that have ended, have used; seconds."""
    return sum(_stat(pid)[11:15]) / _TICKS


def cpu_with_children_s(pid: int) -> float:
    """Return the same, with that of the children that live."""
    children = [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]
    used_s = cpu_s(pid)
    for child in children:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            used_s += cpu_s(child) if _stat(child)[1] == pid else 0
    return used_s


def _stat(pid: int) -> list[int]:
    """Return the fields of /proc/<pid>/stat from the third on; the state, which is a letter, as 0."""
    _, _, rest = (_PROC / str(pid) / "stat").read_text().rpartition(")")
    return [0, *map(int, rest.split()[1:])]
