"""How late read models are under a steady load, alone and while `fleettwin rebuild --max-live-lag` fills a version.

One process appends events in small transactions, another follows the log with all three projections, as `serve` does.
Lag is the time from when an append returns until all three projections have come to its last event.
"""

import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent
from rich.console import Console

from adapters.avro.codec import AvroCodec
from adapters.avro.mapper import AvroMapper
from adapters.avro.registry import SchemaRegistry
from adapters.clock import now
from adapters.collector import settle
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.projecting import Projecting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from bench.copies import append, copy, registered
from bench.distributed import VIN_KEY, beside, cpu_s, cpu_with_children_s
from bench.project import fleet_events
from bench.report import Result

VEHICLES: Final = 160
OLD: Final = 16  # of these, whose events are there when it begins; those of the others come live
COPIES: Final = 20  # what is rebuilt, again and again
APPEND_EVENTS: Final = 20
APPENDS_A_SECOND: Final = 85  # about half of two cores are busy then
TURNS: Final = 4  # without a rebuild and with one: no machine is equally fast for long
WARM_UP_S: Final = 3.0
MEASURED_S: Final = 10.0
MAX_LIVE_LAG: Final = 100  # events
LOOK_S: Final = 0.004
BAR: Final = 1 / 1.2  # of the lag without a rebuild
_PROGRAM: Final = (sys.executable, "-c", "from adapters.cli import main; main()")


def run() -> Sequence[Result]:
    """Measure without and with a rebuild, in turns."""
    events = fleet_events(VEHICLES)
    old = [event for event in events if event.originator_id.int < _first_id(OLD)]
    new = [event for event in events if event.originator_id.int >= _first_id(OLD)]
    mapper = AvroMapper(AvroCodec(SchemaRegistry.load()))
    live = [mapper.to_stored_event(event) for event in new]
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder)) as server, ExitStack() as stack:
        conninfo = server.conninfo()
        append(conninfo, old)
        for turn in range(1, COPIES):
            copy(conninfo, len(old), turn)
        registered(conninfo)
        postmaster = int(Path(folder, "postgres/data/postmaster.pid").read_text().partition("\n")[0])
        follower = stack.enter_context(beside(_follow, conninfo))
        connection = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
        _wait_until_followed(connection, follower)
        versions = itertools.count(2)
        quiet: list[float] = []
        busy: list[float] = []
        first = 0
        for rebuilding in (False, True) * TURNS:
            with _rebuilding(conninfo, folder, versions) if rebuilding else _nothing() as rebuilt:
                took = int((WARM_UP_S + MEASURED_S) * APPENDS_A_SECOND) * APPEND_EVENTS
                receive, told = get_context("spawn").Pipe(duplex=False)
                busy_s, began_s = cpu_with_children_s(postmaster) + cpu_s(follower.pid or 0), time.monotonic()
                with beside(_append, conninfo, live[first : first + took], told) as appender:
                    (busy if rebuilding else quiet).extend(_lags(connection, receive, appender, follower))
                busy_s = cpu_with_children_s(postmaster) + cpu_s(follower.pid or 0) - busy_s
                share = busy_s / (time.monotonic() - began_s) / (os.cpu_count() or 1)
                Console().print(f"PostgreSQL and projector use {share:.0%} of the machine; {rebuilt}")
            first += took
        found = connection.execute("SELECT sum(last_version) FROM projection_vehicles WHERE version > 1").fetchone()
        assert found
        assert found[0], Path(folder, "rebuild.log").read_text()
        Console().print(f"{found[0]:,} events were rebuilt meanwhile")
    what = f"{APPENDS_A_SECOND * APPEND_EVENTS:,} events/s live, appended to visible"
    return [
        Result(
            name=f"{what}, {share:.0%}, beside a rebuild with --max-live-lag {MAX_LIVE_LAG}",
            unit="ms",
            ours=_quantile(busy, share),
            peer=_quantile(quiet, share),
            peer_name="without",
            bar=BAR,
            lower_is_better=True,
        )
        for share in (0.5, 0.99)
    ]


def _first_id(number: int) -> int:
    return UUID(int=number, version=4).int


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _follow(conninfo: str) -> None:
    """Follow the log with every projection."""
    records = PostgresEventLog.open(conninfo)
    models = PostgresReadModels(conninfo).open()
    for projection in PROJECTIONS:
        models.prepare(projection)
    following = Projecting(lambda: PROJECTIONS, VehicleLog(records, AvroCodec(SchemaRegistry.load())), models, now)
    settle()
    following.start(records.wait)
    while True:
        time.sleep(1.0)


def _append(conninfo: str, events: Sequence[StoredEvent], told: Pipe) -> None:
    """Append at a steady rate; tell of each append its last position and when it was there."""
    records = PostgresEventLog.open(conninfo)
    settle()
    began_s = time.monotonic()
    for number, first in enumerate(range(0, len(events), APPEND_EVENTS)):
        time.sleep(max(0.0, began_s + number / APPENDS_A_SECOND - time.monotonic()))
        positions = records.append(events[first : first + APPEND_EVENTS])
        told.send((positions[-1], time.monotonic(), number / APPENDS_A_SECOND > WARM_UP_S))
    told.send(None)
    records.close()


def _lags(
    connection: psycopg.Connection[tuple[int]], receive: Pipe, appender: BaseProcess, follower: BaseProcess
) -> list[float]:
    """Return how late each append was visible, ms, but for those of the time of warming up."""
    waiting: list[tuple[int, float, bool]] = []
    lags: list[float] = []
    more = True
    while more or waiting:
        assert follower.is_alive(), "what follows the log has ended"
        assert not more or appender.is_alive() or receive.poll(), "what appends has ended"
        visible = _followed(connection)
        at = time.monotonic()
        while more and receive.poll():
            told = receive.recv()
            more = told is not None
            waiting += [told] if told else []
        lags += [max(0.0, at - since) * 1e3 for position, since, counts in waiting if position <= visible and counts]
        waiting = [each for each in waiting if each[0] > visible]
        time.sleep(LOOK_S)
    return lags


def _followed(connection: psycopg.Connection[tuple[int]]) -> int:
    found = connection.execute("SELECT min(position) FROM projection_positions WHERE version = 1").fetchone()
    return int(found[0] or 0) if found else 0


def _wait_until_followed(connection: psycopg.Connection[tuple[int]], follower: BaseProcess) -> None:
    end = connection.execute("SELECT max(notification_id) FROM stored_events").fetchone()
    while not end or _followed(connection) < end[0]:
        assert follower.is_alive(), "what follows the log has ended"
        time.sleep(0.2)


@contextmanager
def _nothing() -> Iterator[str]:
    yield "nothing else runs"


@contextmanager
def _rebuilding(conninfo: str, folder: str, versions: Iterator[int]) -> Iterator["_Rebuilds"]:
    """Have rebuilds run one after the other."""
    rebuilds = _Rebuilds(lambda: _rebuild(conninfo, folder, next(versions)))
    try:
        yield rebuilds
    finally:
        rebuilds.stop()


class _Rebuilds:
    """Rebuilds one after the other, each a process."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start = start
        self._stopping = threading.Event()
        self._whole = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def __str__(self) -> str:
        return f"{self._whole} rebuilds became whole meanwhile"

    def stop(self) -> None:
        """End the one that runs."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            process = self._start()
            while process.poll() is None:
                if self._stopping.wait(0.1):
                    process.terminate()
            self._whole += process.returncode == 0


def _rebuild(conninfo: str, folder: str, version: int) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FLEETTWIN_")}
    own = {"FLEETTWIN_HOME": f"{folder}/home", "FLEETTWIN_VIN_KEY": VIN_KEY, "FLEETTWIN_DATABASE_URL": conninfo}
    command = [*_PROGRAM, "rebuild", "navigation", "--version", str(version), "--max-live-lag", str(MAX_LIVE_LAG)]
    return subprocess.Popen(
        command, env=inherited | own, stdout=subprocess.DEVNULL, stderr=Path(folder, "rebuild.log").open("ab")
    )
