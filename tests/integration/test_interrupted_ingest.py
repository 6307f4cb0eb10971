"""Killed at any moment, an ingest that is run again ends as if it had never been disturbed."""

import gzip
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters import demo
from adapters.postgres.server import EmbeddedServer
from tests.support.command_line import CommandLine

FILES = 12
EVENT_KILLS = 7
PROJECTION_KILLS = 5
MAPS = tuple(word for name in demo.MAPPINGS for word in ("--map", name))

EVENTS = "SELECT count(*) FROM stored_events"
PROJECTED = "SELECT coalesce(sum(position), 0) FROM projection_positions"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str | Path]:
    """An ingest of many transactions: the bundled drive in pieces, as if the logger began a file a minute."""
    with demo.recording() as path, gzip.open(path, "rt") as lines:
        everything = lines.readlines()
    size = len(everything) // FILES + 1
    paths = [tmp_path / f"drive-{number:02}.log" for number in range(FILES)]
    for number, path in enumerate(paths):
        path.write_text("".join(everything[number * size : (number + 1) * size]))
    return ["ingest", *paths, "--vin", demo.VIN, "--brand", demo.BRAND, *MAPS, "--json"]


def outcome(fleettwin: CommandLine) -> dict[str, Any]:
    """All that is left of an ingest, but for the times at which we did it."""
    assert fleettwin.database is not None
    status = fleettwin.status()
    with psycopg.connect(fleettwin.database) as connection:
        streams = connection.execute("SELECT * FROM stream_progress ORDER BY vehicle_id, stream_id").fetchall()
        vehicles = connection.execute("SELECT vehicle_id, vin, brand, model FROM directory").fetchall()
        parked = connection.execute("SELECT count(*) FROM parked_vehicles").fetchone()
    events = fleettwin.events(demo.VIN)
    assert events[0]["type"] == "vehicle.registered.v1"
    del events[0]["capturedAt"]  # the only event that is captured by our clock
    return {
        "state": fleettwin.state(demo.VIN),
        "events": events,
        "positions": (status["logPosition"], [each["position"] for each in status["projections"]]),
        "streams": streams,
        "vehicles": vehicles,
        "parked": parked,
    }


def killed(fleettwin: CommandLine, arguments: Sequence[str | Path], reached: Callable[[], bool]) -> bool:
    """Run a command and kill it as soon as something has been reached; return whether it was killed in time."""
    with fleettwin.started(*arguments) as process:
        while process.poll() is None and not reached():
            pass  # the next look at the database takes its time
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return bool(process.returncode == -signal.SIGKILL)


@contextmanager
def beyond(conninfo: str, query: str, threshold: int) -> Iterator[Callable[[], bool]]:
    """Give a check whether a number in the database has come so far; before there are tables, only zero has."""

    def check() -> bool:
        try:
            found = connection.execute(query).fetchone()
        except psycopg.errors.UndefinedTable:
            return threshold <= 0
        assert found is not None
        return int(found[0]) >= threshold

    with psycopg.connect(conninfo, autocommit=True) as connection:
        yield check


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_time_and_again_it_ends_in_the_same_state(
    fleettwin: CommandLine, other_fleettwin: CommandLine, arguments: list[str | Path], seed: int
) -> None:
    assert other_fleettwin.run(*arguments).status == 0
    expected = outcome(other_fleettwin)
    events = expected["positions"][0]
    projected = sum(expected["positions"][1])

    rng = random.Random(seed)
    conninfo = fleettwin.database
    assert conninfo is not None
    kills = 0
    # From before the first table to shortly before the last event; every new run goes on where the last was killed.
    for threshold in [0, 1, *sorted(rng.sample(range(2, events - 10), EVENT_KILLS))]:
        with beyond(conninfo, EVENTS, threshold) as reached:
            kills += killed(fleettwin, arguments, reached)
    # And while the read models are written.
    for threshold in sorted(rng.sample(range(1, projected), PROJECTION_KILLS)):
        with beyond(conninfo, PROJECTED, threshold) as reached:
            kills += killed(fleettwin, arguments, reached)
    assert kills >= 10

    assert fleettwin.run(*arguments).status == 0
    assert outcome(fleettwin) == expected


def test_the_embedded_server_and_the_ingest_killed_together(
    tmp_path: Path, other_fleettwin: CommandLine, arguments: list[str | Path]
) -> None:
    assert other_fleettwin.run(*arguments).status == 0
    expected = outcome(other_fleettwin)

    fleettwin = CommandLine(tmp_path / "embedded")
    assert fleettwin.run("status").status == 0  # makes the database
    server = EmbeddedServer(fleettwin.home)
    data = fleettwin.home / "postgres" / "data"

    def far_enough() -> bool:
        try:
            with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                found = connection.execute(EVENTS).fetchone()
        except psycopg.OperationalError:
            return False
        assert found is not None
        return bool(int(found[0]) > expected["positions"][0] // 3)

    def pull_the_plug() -> bool:
        if not far_enough():
            return False
        os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        return True

    assert killed(fleettwin, arguments, pull_the_plug)
    assert fleettwin.run(*arguments).status == 0
    with server:
        fleettwin.database = server.conninfo()
        assert outcome(fleettwin) == expected
