"""The embedded server: shared by processes, killed at any moment, in places that do not suit it."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.server import EmbeddedServer
from domain.errors import BadInputError, FleettwinError

CAR = UUID(int=1)
RESTARTS_MAX = 5
STATE = random.Random(1).randbytes(100_000)  # does not compress

# Starts the server, says so, and stays until its input ends.
USER = """
import sys
from pathlib import Path
from adapters.postgres.server import EmbeddedServer

with EmbeddedServer(Path(sys.argv[1])):
    print("started", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    left_behind = pid_of(home)
    if left_behind:
        os.kill(left_behind, signal.SIGQUIT)


@contextmanager
def user(home: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that uses the server."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        yield process


def leave(process: "subprocess.Popen[str]") -> None:
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def pid_of(home: Path) -> int | None:
    """Return the pid of the server if it runs."""
    try:
        pid = int((home / "postgres/data/postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pid


def ask(server: EmbeddedServer, statement: str) -> object:
    with psycopg.connect(server.conninfo()) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def write(server: EmbeddedServer, value: int) -> None:
    with psycopg.connect(server.conninfo()) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value bigint)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        time.sleep(0.001)


# --- sharing ----------------------------------------------------------------------------------------------------------


def test_data_outlives_the_server(home: Path) -> None:
    with EmbeddedServer(home) as server:
        write(server, 1)
    assert pid_of(home) is None
    with EmbeddedServer(home) as server:
        assert ask(server, "SELECT value FROM kept") == 1


def test_commits_are_durable_and_pages_are_checked(home: Path) -> None:
    with EmbeddedServer(home) as server:
        settings = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        assert [ask(server, f"SHOW {setting}") for setting in settings] == ["on"] * 4


@pytest.mark.parametrize(
    ("limit", "megabytes"), [("max\n", None), (f"{1_000 << 20}\n", 250), (f"{64 << 20}\n", 128), (None, None)]
)
def test_a_quarter_of_the_memory_keeps_pages(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, megabytes: int | None
) -> None:
    of_container = tmp_path / "memory.max"
    if limit is not None:
        of_container.write_text(limit, encoding="ascii")
    monkeypatch.setattr("adapters.postgres.server._MEMORY_LIMIT", of_container)
    whole_mb = (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) >> 20
    with EmbeddedServer(home) as server:
        pages = ask(server, "SELECT setting::bigint FROM pg_settings WHERE name = 'shared_buffers'")
    assert pages == (megabytes or min(2_048, max(128, whole_mb // 4))) * (1 << 20) // 8_192


def test_nobody_can_reach_the_server_over_the_network(home: Path) -> None:
    with EmbeddedServer(home) as server:
        assert ask(server, "SHOW listen_addresses") == ""


def test_the_last_one_to_leave_stops_the_server(home: Path) -> None:
    with user(home) as first, user(home) as second:
        started = pid_of(home)
        leave(first)
        assert pid_of(home) == started
        with EmbeddedServer(home) as server:
            assert ask(server, "SELECT 1") == 1
        assert pid_of(home) == started
        leave(second)
    assert pid_of(home) is None


def test_processes_that_start_at_once_share_one_server(home: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
    assert pid_of(home)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert pid_of(home) is None


def test_two_in_one_process_count_as_two(home: Path) -> None:
    with EmbeddedServer(home) as server:
        with EmbeddedServer(home):
            pass
        assert ask(server, "SELECT 1") == 1
    assert pid_of(home) is None


def test_a_home_with_a_very_long_name_has_its_socket_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / ("long name " * 12)
    with EmbeddedServer(home) as server:
        assert ask(server, "SELECT 1") == 1
    assert pid_of(home) is None


def test_homes_do_not_disturb_each_other(home: Path, tmp_path: Path) -> None:
    with EmbeddedServer(home) as server, EmbeddedServer(tmp_path / "other") as other:
        write(server, 1)
        write(other, 2)
        assert ask(server, "SELECT value FROM kept") == 1


# --- crashes ----------------------------------------------------------------------------------------------------------


def test_a_killed_user_leaves_a_server_that_the_next_one_takes_up_and_stops(home: Path) -> None:
    with user(home) as process:
        process.kill()
        process.communicate()
    started = pid_of(home)
    assert started
    with EmbeddedServer(home):
        assert pid_of(home) == started
    assert pid_of(home) is None


def test_a_killed_server_comes_back_with_everything_committed(home: Path) -> None:
    with EmbeddedServer(home) as server:
        for value in range(20):
            write(server, value)
        started = pid_of(home)
        assert started
        kill(started)
        with EmbeddedServer(home) as other:
            assert pid_of(home) != started
            assert ask(other, "SELECT count(*) FROM kept") == 20
        assert ask(server, "SELECT count(*) FROM kept") == 20


def test_a_first_start_that_was_killed_half_way_is_made_anew(home: Path) -> None:
    unfinished = home / "postgres/data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedServer(home) as server:
        assert ask(server, "SELECT 1") == 1


@pytest.mark.parametrize("after_ms", [5, 60, 150, 300, 450, 700])
def test_a_start_killed_at_any_moment_does_not_hinder_the_next(home: Path, after_ms: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_ms / 1000)
    process.kill()
    process.communicate()
    with EmbeddedServer(home) as server:
        assert ask(server, "SELECT 1") == 1
    assert pid_of(home) is None


def test_a_lock_file_whose_pid_belongs_to_another_process_now_is_no_hindrance(home: Path) -> None:
    with EmbeddedServer(home) as server:
        write(server, 1)
        started = pid_of(home)
        assert started
        lock_file = home / "postgres/data/postmaster.pid"
        text = lock_file.read_text()
        kill(started)
    owner = lock_file.stat().st_uid
    with subprocess.Popen(["sleep", "60"], user=owner if os.geteuid() == 0 else None) as sleeper:
        lock_file.write_text(text.replace(str(started), str(sleeper.pid), 1))
        with EmbeddedServer(home) as server:
            assert ask(server, "SELECT value FROM kept") == 1
        sleeper.kill()


def test_an_empty_lock_file_is_no_hindrance(home: Path) -> None:
    with EmbeddedServer(home):
        started = pid_of(home)
        assert started
        kill(started)
        (home / "postgres/data/postmaster.pid").write_text("")
    with EmbeddedServer(home) as server:
        assert ask(server, "SELECT 1") == 1


# --- places that do not suit ------------------------------------------------------------------------------------------


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(BadInputError, match=r"home.*FLEETTWIN_HOME"):
        EmbeddedServer(tmp_path / "home").start()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_home_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadInputError, match="Permission denied"):
        EmbeddedServer(tmp_path / "home").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user run the server")
def test_the_reason_is_told_and_not_what_else_it_hinders(home: Path) -> None:
    def close_when_begun() -> None:
        while not (home / "postgres/data.new/PG_VERSION").exists():
            time.sleep(0.001)
        home.chmod(0o700)

    closing = threading.Thread(target=close_when_begun, daemon=True)
    closing.start()
    with pytest.raises(BadInputError, match="Permission denied"):
        EmbeddedServer(home).start()
    closing.join()


def test_data_of_another_major_version_are_refused_with_the_reason(home: Path) -> None:
    with EmbeddedServer(home):
        pass
    version = home / "postgres/data/PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(BadInputError, match="incompatible"):
        EmbeddedServer(home).start()
    version.write_text("18\n")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 80 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root may mount a small file system")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80m", "none", folder], capture_output=True, check=False
    ).returncode:
        pytest.skip("no small file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_too_small_for_the_server_is_named(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(60_000_000))
    with pytest.raises(BadInputError, match="No space left on device"):
        EmbeddedServer(small_disk / "home").start()
    assert not (small_disk / "home/postgres/data").exists()
    (small_disk / "filler").unlink()
    with EmbeddedServer(small_disk / "home") as server:
        assert ask(server, "SELECT 1") == 1


# --- the event log on it ----------------------------------------------------------------------------------------------


def append(log: PostgresEventLog, version: int) -> Sequence[int]:
    return log.append([StoredEvent(CAR, version, "vehicle.x.v1", STATE)])


def test_an_open_log_goes_on_after_the_server_was_killed_and_started_again(home: Path) -> None:
    with EmbeddedServer(home) as server:
        log = PostgresEventLog.open(server.conninfo())
        append(log, 1)
        started = pid_of(home)
        assert started
        kill(started)
        with EmbeddedServer(home):
            assert append(log, 2) == [2]
            assert [record.version for record in log.events_of(CAR)] == [1, 2]
        log.close()


def open_once_it_runs_again(home: Path) -> PostgresEventLog:
    """Open the log of a server that may still be on its way down: what it could not write ends it a moment later."""
    for _ in range(RESTARTS_MAX):
        with contextlib.suppress(FleettwinError), EmbeddedServer(home) as server:  # waits until it answers
            return PostgresEventLog.open(server.conninfo())
    pytest.fail(f"the server does not stay up in {RESTARTS_MAX} attempts")


def test_a_disk_that_fills_up_loses_nothing_that_was_acknowledged(small_disk: Path) -> None:
    home = small_disk / "home"
    acknowledged = 0
    with EmbeddedServer(home) as server:
        log = PostgresEventLog.open(server.conninfo())
        failure: FleettwinError | None = None
        while failure is None:
            try:
                append(log, acknowledged + 1)
                acknowledged += 1
            except FleettwinError as error:
                failure = error
        log.close()
        assert "disk" in str(failure)
        subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
        with EmbeddedServer(home):
            log = open_once_it_runs_again(home)
            found = log.events_of(CAR)
            assert [record.version for record in found] == list(range(1, len(found) + 1))
            assert len(found) >= acknowledged
            assert append(log, len(found) + 1) == [len(found) + 1]
            log.close()
