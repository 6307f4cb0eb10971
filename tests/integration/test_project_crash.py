"""Projectors that idle while PostgreSQL crashes: what it has lost is folded again, and not told to be there before."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import pytest

from adapters.clock import now
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.set_aside import MemorySetAside
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.project_worker import ProjectWorker
from adapters.projecting import Projecting
from adapters.received import Received
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.errors import PositionConflictError
from projections.digest import digest
from tests.support.events import as_published, codec, example_events

PATIENCE_S: Final = 120
IDLE, BUSY = "vehicle-events/5#1", "vehicle-events/0#1"  # partitions


@dataclass
class Database:
    """A server of a test's own, whose crash loses what nobody waited for."""

    conninfo: str
    _writers: frozenset[int] = frozenset()  # the processes that write what nobody waits for

    def hold(self) -> None:
        """Have nothing written to the disk from now on that nobody waits for."""
        with psycopg.connect(self.conninfo) as connection:
            connection.execute("CHECKPOINT")
        self._writers = self._running()
        for pid in self._writers:
            os.kill(pid, signal.SIGSTOP)

    def crash(self) -> None:
        """Be gone, and back again."""
        for pid in self._writers:
            os.kill(pid, signal.SIGKILL)  # the server ends every connection, and recovers
        wait(lambda: not self._writers & self._running())

    def _running(self) -> frozenset[int]:
        statement = "SELECT pid FROM pg_stat_activity WHERE backend_type IN ('walwriter', 'background writer')"
        try:
            with psycopg.connect(self.conninfo) as connection:
                return frozenset(pid for (pid,) in connection.execute(statement))
        except psycopg.OperationalError:
            return self._writers


def wait(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def crashing(tmp_path: Path) -> Iterator[Database]:
    with EmbeddedServer(tmp_path / "home") as server:
        PostgresEventLog.open(server.conninfo()).close()
        yield Database(server.conninfo())


@pytest.fixture
def rows(crashing: Database) -> Iterator[PostgresReadModels]:
    with closing(PostgresReadModels(crashing.conninfo).open()) as rows:
        for each in PROJECTIONS:
            rows.prepare(each)
        yield rows


def folded() -> tuple[MemoryEventLog, VehicleLog, list[str]]:
    """Return a log, as records and as events, and the digest of each projection of it."""
    records, expected = MemoryEventLog(now), MemoryReadModels()
    log = VehicleLog(records, codec())
    log.append(example_events())
    Projecting(lambda: PROJECTIONS, log, expected, now).catch_up()
    return records, log, [digest(expected, each) for each in PROJECTIONS]


def test_a_partition_whose_last_event_is_lost_is_not_complete_before_it_is_folded_again(
    crashing: Database, rows: PostgresReadModels
) -> None:
    records, log, expected = folded()
    end = log.last_position()
    published = [as_published(each, IDLE) for each in records.read(0, end)]
    worker = ProjectWorker(PROJECTIONS, log, rows, codec(), MemorySetAside(), now)
    worker.assign([IDLE, BUSY])
    worker.take(published[:-1])
    worker.published({IDLE: end - 1, BUSY: end - 1}, [IDLE, BUSY])
    crashing.hold()
    worker.take(published[-1:])
    crashing.crash()
    assert rows.consumed(PROJECTIONS[0], [IDLE]) == {IDLE: end}  # it is lost indeed

    worker.take([Received(BUSY, 0, None, None)])  # and the worker has not noticed
    with pytest.raises(PositionConflictError, match=r"^navigation v1: one of 2 is not at"):
        worker.published({IDLE: end, BUSY: end}, [IDLE, BUSY])
    assert [rows.position(each) for each in PROJECTIONS] == [end - 1] * len(PROJECTIONS)

    worker.revoke([IDLE, BUSY])
    assert worker.assign([IDLE, BUSY]) == {IDLE: end, BUSY: 1}
    worker.take(published[-1:])
    worker.published({IDLE: end, BUSY: end}, [IDLE, BUSY])
    assert [rows.position(each) for each in PROJECTIONS] == [end] * len(PROJECTIONS)
    assert [digest(rows, each) for each in PROJECTIONS] == expected


def test_who_follows_the_log_goes_on_from_what_is_left(crashing: Database, rows: PostgresReadModels) -> None:
    _, log, expected = folded()
    end, idle, back = log.last_position(), threading.Event(), threading.Event()

    def wait_for_events(after_position: int, timeout_ms: int) -> int:  # noqa: ARG001  # nothing happens
        if after_position == end:
            idle.set()
            assert back.wait(PATIENCE_S)  # the database has crashed while nothing happened
        return end

    crashing.hold()
    following = Projecting(lambda: PROJECTIONS[:1], log, rows, now)
    following.start(wait_for_events)
    assert idle.wait(PATIENCE_S)
    crashing.crash()
    assert rows.position(PROJECTIONS[0]) < end  # it is lost indeed
    back.set()
    wait(lambda: rows.position(PROJECTIONS[0]) == end)
    following.stop()
    assert digest(rows, PROJECTIONS[0]) == expected[0]
