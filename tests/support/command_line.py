"""The command line as a person runs it: a process of its own, with a home of its own.

Most tests give it an empty database of the shared server, which is quick; one that sets no database gets the embedded
server below its home. A folder of tests gets the fixtures by importing them in its conftest.py.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import psycopg
import pytest
from psycopg import sql

from adapters.postgres.server import EmbeddedServer
from tests.support.databases import new_database

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = (sys.executable, "-c", "from adapters.cli import main; main()")
TIMEOUT_S: Final = 300  # of one command; none takes a tenth of it
VIN_KEY: Final = "the same key in every test"

# What two runs of the same ingest may differ in: when we heard, wrote and registered it.
OUR_CLOCKS: Final = frozenset({"receivedAt", "recordedAt", "registeredAt", "projectedAt", "received_at"})

STATE_QUERY: Final = """
query State($vin: String!) {
  vehicle(vin: $vin) {
    id vin brand model lastSeenAt
    navigation {
      location { status latitude longitude capturedAt }
      heading { ...value } altitude { ...value } speed { ...value }
      destination { status state latitude longitude setAt }
      currentTrip { ...trip }
      trips(first: 100, order: OLDEST_FIRST) { edges { node { ...trip } } }
    }
    media {
      source { status value capturedAt } title { status value capturedAt } volume { ...value }
      playHistory(first: 100) { edges { node { startedAt title artist album source foundPlaying } } }
    }
    diagnostics {
      odometer { ...value } fuelLevel { ...value } ignition { status value capturedAt }
      troubleCodes {
        code failureType ecu service active held firstSeenAt lastSeenAt clearedAt status { byte }
        freezeFrame { path value unit }
      }
      warnings { warning path raised value limit capturedAt }
      chargingSessions(first: 100) { edges { node { startedAt endedAt startPercent endPercent energyAddedKwh } } }
      telemetryQuality { gaps missingBatches lateSamples clockCorrections }
    }
    signals { path value unit status reason capturedAt }
  }
}
fragment value on FloatValue { status value unit capturedAt }
fragment trip on Trip {
  startedAt endedAt ended endReason distanceM durationS energyKwh
  track(maxPoints: 10000) { pointCount points { capturedAt latitude longitude heading speed altitude } }
}
"""


class Finished(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed, parsed; fails the test unless it ended well."""
        assert self.status == 0, self.stderr
        return json.loads(self.stdout)

    @property
    def complaint(self) -> str:
        """The one line that a command says about bad input; fails the test if it is anything else."""
        assert "Traceback" not in self.stderr, self.stderr
        lines = self.stderr.splitlines()
        assert (self.status, self.stdout, len(lines)) == (2, "", 1), self
        return lines[0]


@dataclass
class CommandLine:
    """`fleettwin` with a home and, where `database` is given, a PostgreSQL of that connection string."""

    home: Path
    database: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    program: Sequence[str] = PROGRAM

    def environment(self, **settings: str) -> dict[str, str]:
        """Return what the process inherits, with FLEETTWIN_* as given here and nothing else of that name."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FLEETTWIN_")}
        own = {"HOME": str(self.home), "VIN_KEY": VIN_KEY, **self.settings, **settings}
        if self.database is not None:
            own.setdefault("DATABASE_URL", self.database)
        named = {f"FLEETTWIN_{name}": value for name, value in own.items()}
        # A process that is aborted (SIGABRT) says what each of its threads was doing.
        return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1", **named}

    def run(self, *arguments: str | Path, stdin: str | bytes = "", **settings: str) -> Finished:
        """Run one command to its end; one that stands still is aborted, and the test fails with what it was doing."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        with subprocess.Popen(
            [*self.program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(**settings),
            cwd=self._folder(),
        ) as process:
            try:
                said, complaint = process.communicate(given, TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)
                _, stacks = process.communicate()
                pytest.fail(f"{arguments} stands still:\n{stacks.decode()}")
            except BaseException:
                process.kill()
                raise
        return Finished(process.returncode, said.decode(), complaint.decode())

    @contextmanager
    def started(
        self, *arguments: str | Path, said: IO[bytes] | None = None, **settings: str
    ) -> Iterator["subprocess.Popen[str]"]:
        """Start a command and let the test go on beside it; it is killed in the end if it still runs.

        What it says goes into `said`, or else into pipes.
        """
        process = subprocess.Popen(
            [*self.program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=said or subprocess.PIPE,
            stderr=said or subprocess.PIPE,
            env=self.environment(**settings),
            cwd=self._folder(),
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)

    def ingest(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """Ingest, and return the summaries."""
        found: list[dict[str, Any]] = self.run("ingest", *arguments, "--json").json
        return found

    def query(self, document: str, **variables: Any) -> dict[str, Any]:
        """Return the data that answers a GraphQL document."""
        body = self.run("query", "-", "--variables", json.dumps(variables), stdin=document).json
        assert "errors" not in body, body["errors"]
        data: dict[str, Any] = body["data"]
        return data

    def state(self, vin: str) -> dict[str, Any]:
        """Return all that GraphQL tells of one vehicle, but for our own clocks and the places in the log."""
        vehicle: dict[str, Any] = self.query(STATE_QUERY, vin=vin)["vehicle"]
        return vehicle

    def signals(self, vin: str) -> dict[str, dict[str, Any]]:
        """Return the newest sample of each signal of a vehicle, by VSS path."""
        return {signal["path"]: signal for signal in self.state(vin)["signals"]}

    def events(self, vin: str) -> list[dict[str, Any]]:
        """Return the events of a vehicle, without our own clocks."""
        found = self.run("events", vin, "--json").json
        return [{name: value for name, value in event.items() if name not in OUR_CLOCKS} for event in found]

    def status(self) -> Any:
        """Return position and digests of everything."""
        return self.run("status", "--digest", "--json").json

    def rows(self) -> dict[str, tuple[int, str]]:
        """Return the number of rows and a fingerprint of each table of the database."""
        assert self.database is not None
        return fingerprints(self.database)

    def _folder(self) -> Path:
        """Return where the command runs: a folder without a settings file."""
        folder = next(parent for parent in self.home.parents if parent.is_dir()) / "working-directory"
        folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def serving(fleettwin: CommandLine, command: str = "serve") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run a server on a free port; yield the process and its address."""
    with fleettwin.started(command, PORT="0") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield process, found.group()
                break
        else:
            pytest.fail(f"no address: {process.stderr.read() if process.stderr else ''}")


def fingerprints(conninfo: str) -> dict[str, tuple[int, str]]:
    """Return the number of rows and a fingerprint of each table; any changed, added or lost row changes it."""
    found: dict[str, tuple[int, str]] = {}
    with psycopg.connect(conninfo) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        for (name,) in names:
            statement = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(name))
            rows = sorted(row for (row,) in connection.execute(statement))
            found[name] = (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
    return found


@pytest.fixture
def fleettwin(tmp_path: Path, fresh_database: str) -> CommandLine:
    """Give the command line on an empty database."""
    return CommandLine(tmp_path / "home", fresh_database)


@pytest.fixture
def other_fleettwin(tmp_path: Path, server: EmbeddedServer) -> Iterator[CommandLine]:
    """Give a second one, to compare with."""
    with new_database(server) as conninfo:
        yield CommandLine(tmp_path / "other-home", conninfo)
