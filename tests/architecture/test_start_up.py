"""A command loads what it uses: the libraries behind recordings and server take longer to load than most to run."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

RECORDINGS: Final = frozenset({"asammdf", "can", "canmatrix", "cantools", "numpy", "pandas", "pyarrow"})
API: Final = frozenset({"graphql", "strawberry"})
SERVER: Final = frozenset({"uvicorn"})
DATABASE: Final = frozenset({"eventsourcing", "fastavro", "psycopg"})
KAFKA: Final = frozenset({"kafka"})
EVERYTHING: Final = RECORDINGS | API | SERVER | DATABASE | KAFKA

COMMAND: Final = "from adapters.cli import main; main()"
TWIN: Final = """
from adapters.config import Config
from adapters.wiring import FleetTwin
twin = FleetTwin(Config.read(), "", None, None, None)  # what it asks of the database is built, and never asked
"""
WITHOUT_THE_API: Final = TWIN + "twin.projecting, twin.fleet, twin.catalogue, twin.codec"
WITH_THE_API: Final = TWIN + "twin.api"
WITH_THE_SERVER: Final = TWIN + "import adapters.serving; twin.app()"


def loaded(program: str, *arguments: str, home: Path) -> frozenset[str]:
    """Run a program in a Python of its own and return which of `EVERYTHING` it has imported."""
    listing = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {program.lstrip()}"
    done = subprocess.run(
        [sys.executable, "-c", listing, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "FLEETTWIN_HOME": str(home), "FLEETTWIN_VIN_KEY": "sixteen characters"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return EVERYTHING & {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["ingest", "--help"],
        ["serve", "--help"],
        ["topics", "create", "--help"],
        ["config"],
        ["config", "--json"],
    ],
    ids=" ".join,
)
def test_what_opens_no_twin_loads_nothing_of_one(arguments: list[str], tmp_path: Path) -> None:
    assert loaded(COMMAND, *arguments, home=tmp_path) == set()


def test_what_asks_the_database_alone_loads_no_recordings_and_no_api(tmp_path: Path) -> None:
    assert loaded(WITHOUT_THE_API, home=tmp_path) == DATABASE


def test_what_asks_the_api_loads_no_recordings_and_no_server(tmp_path: Path) -> None:
    assert loaded(WITH_THE_API, home=tmp_path) == DATABASE | API


def test_what_serves_the_api_loads_no_recordings(tmp_path: Path) -> None:
    assert loaded(WITH_THE_SERVER, home=tmp_path) == DATABASE | API | SERVER


def test_what_reads_recordings_loads_their_libraries_and_no_api(tmp_path: Path) -> None:
    assert loaded(TWIN + "import adapters.ingest_commands; twin.ingest", home=tmp_path) == DATABASE | RECORDINGS


def test_what_looks_after_kafka_loads_its_client_and_nothing_else(tmp_path: Path) -> None:
    assert loaded("import adapters.kafka_commands", home=tmp_path) == KAFKA


def test_what_a_command_loads_is_seen(tmp_path: Path) -> None:
    assert loaded("import can", home=tmp_path) >= {"asammdf", "can", "pandas"}
