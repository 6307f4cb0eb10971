"""A rebuild that is stopped, killed, or met by another command: quiet, in one line, and it goes on."""

import itertools
import os
import pickle
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from adapters import rebuild, versions_commands
from adapters.clock import now
from adapters.postgres.projection_versions import PostgresProjectionVersions
from adapters.projecting import advance
from adapters.projection_versions import VersionState, at_version, named
from adapters.rebuild import CHUNK_VEHICLES, Job, filler
from adapters.vehicle_log import VehicleLog
from domain.errors import BadInputError, InvalidVinError
from projections.digest import digest
from tests.support.command_line import CommandLine
from tests.support.twins import CODEC, Car, World, full_car, postgres_world

VEHICLES: Final = CHUNK_VEHICLES + 4  # so that two processes have work
WITHIN_S: Final = 60
STANDING: Final = 7  # an advisory lock
REBUILD: Final = ("rebuild", "media", "--version", "2", "--workers", "2")


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with postgres_world(fresh_database, *(full_car(number) for number in range(VEHICLES))) as made:
        yield made


def wait_for(what: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def stat(pid: int) -> list[str]:
    """Return state, parent and more of a process; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["X", "0"]


def workers_of(pid: int) -> list[int]:
    pids = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    return [each for each in pids if stat(each)[1] == str(pid) and b"spawn_main" in command(each)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@contextmanager
def standing(fleettwin: CommandLine) -> Iterator["subprocess.Popen[str]"]:
    """Run a rebuild both of whose processes are about to write, and cannot."""
    waiting = (
        "SELECT count(DISTINCT l.pid) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database"
        f" WHERE l.locktype = 'advisory' AND l.objid = {STANDING} AND NOT l.granted AND d.datname = current_database()"
    )
    with psycopg.connect(fleettwin.database or "") as held, psycopg.connect(fleettwin.database or "") as other:
        other.autocommit = True
        other.execute(
            f"CREATE OR REPLACE FUNCTION stand() RETURNS trigger LANGUAGE plpgsql AS"
            f" 'BEGIN PERFORM pg_advisory_xact_lock_shared({STANDING}); RETURN NULL; END'"
        )
        other.execute(
            "CREATE OR REPLACE TRIGGER standing BEFORE INSERT ON projection_vehicles EXECUTE FUNCTION stand()"
        )
        held.execute("SELECT pg_advisory_xact_lock(%s)", [STANDING])
        with fleettwin.started(*REBUILD) as process:
            wait_for(lambda: other.execute(waiting).fetchone() == (2,))
            yield process


def same_rows(world: World) -> bool:
    return digest(world.models, at_version(named("media"), 2)) == digest(world.models, named("media"))


def test_workers_end_with_a_rebuild_that_is_killed_and_it_goes_on(world: World, fleettwin: CommandLine) -> None:
    with standing(fleettwin) as process:
        workers = workers_of(process.pid)
        assert len(workers) == 2
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: all(stat(pid)[0] in "XZ" for pid in workers))
    again = fleettwin.run(*REBUILD)
    assert again.status == 0
    assert "goes on with media v2" in again.stderr
    assert same_rows(world)


def car_before(vehicle_id: UUID) -> Car:
    """Return a car that comes before all others, in the order of ids."""
    return next(car for number in itertools.count(VEHICLES) if (car := full_car(number)).id < vehicle_id)


@pytest.mark.parametrize("name", ["navigation", "media", "diagnostics"])
def test_a_car_that_is_registered_before_a_rebuild_goes_on_takes_no_other_out_of_it(
    world: World, fresh_database: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(rebuild, "CHUNK_VEHICLES", 4)
    monkeypatch.setattr(rebuild, "PAGE_EVENTS", 7)
    beside, versions = at_version(named(name), 2), PostgresProjectionVersions(fresh_database)
    job = Job(name, 2, 0, world.log.last_position())
    ids = [entry.vehicle_id for entry in world.log.vehicles()]
    world.models.prepare(beside)
    versions.begin(VersionState(name, 2, False, job.until_position))
    with filler(fresh_database) as one, filler(fresh_database) as other:
        next(one.fill(job, ids[:4]))  # is in the first car when both are killed
        assert sum(other.fill(job, ids[4:8]))
    world.write(car_before(ids[0]))
    now_there = [entry.vehicle_id for entry in world.log.vehicles()]
    assert now_there[1:] == ids
    rebuild.fill_all(fresh_database, job, now_there, 1, lambda: False, lambda _: None)
    versions.ready(name, 2)
    advance(beside, VehicleLog(world.log, CODEC), world.models, now, world.log.last_position())
    assert world.models.versions(beside, now_there) == world.models.versions(named(name), now_there)
    assert digest(world.models, beside) == digest(world.models, named(name))


def test_what_was_left_behind_under_a_number_is_cleared_before_it_is_filled(
    world: World, fleettwin: CommandLine
) -> None:
    """As by a process that still followed a version when it was discarded."""
    beside = at_version(named("media"), 2)
    world.models.prepare(beside)
    advance(beside, VehicleLog(world.log, CODEC), world.models, now, world.log.last_position() // 2)
    with psycopg.connect(fleettwin.database or "") as connection:
        connection.execute("UPDATE media_v2_plays SET title = 'of another release'")
        connection.execute("UPDATE projection_positions SET position = position + 1000 WHERE version = 2")
        connection.execute(
            "INSERT INTO parked_vehicles SELECT projection, version, vehicle_id, 1, 1, '', 1, 0, 1"
            " FROM projection_vehicles WHERE version = 2 LIMIT 1"
        )
        connection.execute("INSERT INTO projection_sources VALUES ('media', 2, 'events 0', 7, 7)")
    assert fleettwin.run("rebuild", "media", "--version", "2").status == 0
    assert same_rows(world)
    assert world.models.position(beside) == world.log.last_position()
    assert not world.models.parked(beside)
    assert not world.models.consumed(beside, ["events 0"])


@pytest.mark.parametrize("crashes", [1, versions_commands.LOOKED_AGAIN_MAX + 1])
def test_what_a_crash_took_that_no_process_has_seen_is_filled_again(
    world: World, fleettwin: CommandLine, monkeypatch: pytest.MonkeyPatch, crashes: int
) -> None:
    """What is written is on the disk a moment later, and only then."""
    database = fleettwin.database or ""
    lost = iter(range(crashes))

    def filled_and_lost(*arguments: Any) -> None:
        rebuild.fill_all(*arguments)
        if next(lost, None) is not None:
            with psycopg.connect(database) as connection:
                for table in ("projection_vehicles", "media_v2_plays", "media_v2_signals"):
                    where = "vehicle_id = %s" + " AND version = 2" * (table == "projection_vehicles")
                    statement = sql.SQL("DELETE FROM {} WHERE ").format(sql.Identifier(table)) + sql.SQL(where)
                    connection.execute(statement, [max(entry.vehicle_id for entry in world.log.vehicles())])

    monkeypatch.setattr(versions_commands, "fill_all", filled_and_lost)
    twin: Any = SimpleNamespace(
        versions=PostgresProjectionVersions(database),
        read_models=world.models,
        records=world.log,
        log=VehicleLog(world.log, CODEC),
        conninfo=database,
    )
    wish = versions_commands.Wish("media", 2)
    if crashes > 1:
        with pytest.raises(BadInputError, match="media v2: the database lost what was filled each time"):
            versions_commands.rebuild(twin, wish)
        monkeypatch.undo()
    versions_commands.rebuild(twin, wish)
    assert same_rows(world)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_rebuild_that_is_stopped_while_it_begins_says_so_and_nothing_else(
    world: World, fleettwin: CommandLine, number: signal.Signals
) -> None:
    with fleettwin.started(*REBUILD) as process:
        wait_for(lambda: bool(workers_of(process.pid)))
        process.send_signal(number)
        said, complaint = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, said, complaint) == (130, "", "fleettwin: stopped\n")
    assert fleettwin.run(*REBUILD).status == 0
    assert same_rows(world)


@pytest.mark.usefixtures("world")
def test_a_rebuild_that_is_stopped_waits_for_nobody_and_takes_its_workers_with_it(fleettwin: CommandLine) -> None:
    with standing(fleettwin) as process:
        workers = workers_of(process.pid)
        process.send_signal(signal.SIGTERM)
        said, complaint = process.communicate(timeout=WITHIN_S)
        assert all(stat(pid)[0] in "XZ" for pid in workers)
    assert (process.returncode, said, complaint) == (130, "", "fleettwin: stopped\n")


@pytest.mark.usefixtures("world")
def test_ctrl_c_in_a_terminal_which_everyone_hears_is_as_quiet(fleettwin: CommandLine) -> None:
    with standing(fleettwin) as process:
        for pid in [*workers_of(process.pid), process.pid]:
            os.kill(pid, signal.SIGINT)
        _, complaint = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, complaint) == (130, "fleettwin: stopped\n")


def test_a_worker_that_is_killed_is_one_line(world: World, fleettwin: CommandLine) -> None:
    with standing(fleettwin) as process:
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        _, complaint = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 2
    assert complaint.startswith("fleettwin: rebuild media --version 2: one of its processes was ended from outside; ")
    assert complaint.count("\n") == 1
    assert fleettwin.run(*REBUILD).status == 0
    assert same_rows(world)


def test_what_a_worker_complains_of_comes_through() -> None:
    error = BadInputError("the disk is full", where="the database", remedy="make room")
    came = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    assert (type(came), str(came), came.remedy) == (BadInputError, str(error), "make room")
    vin = InvalidVinError("is none", where="VIN X", remedy="give another")
    assert type(pickle.loads(pickle.dumps(vin))) is InvalidVinError  # noqa: S301


@pytest.mark.usefixtures("world")
def test_a_version_that_is_being_filled_is_neither_shown_nor_deleted_nor_filled_by_another(
    fleettwin: CommandLine,
) -> None:
    with standing(fleettwin):
        for arguments in (("discard", "media", "2"), ("switch", "media", "2"), REBUILD):
            complaint = fleettwin.run(*arguments).complaint
            assert complaint.startswith("fleettwin: media 2: another process is filling, ")
            assert "Ctrl-C" in complaint
        (beside,) = fleettwin.run("status", "--json").json["beside"]
        assert (beside["name"], beside["version"], beside["filled"]) == ("media", 2, False)
        assert "not filled yet" in fleettwin.run("status").stdout
        compared = fleettwin.run("compare", "media", "1", "2")
        assert (compared.status, compared.stderr) == (
            0, "media v2: still being filled; what it does not hold yet was folded in memory\n"
        )  # fmt: skip
    discarded = fleettwin.run("discard", "media", "2")
    assert discarded.status == 0


@pytest.mark.parametrize("kind", ["vehicles", "from"])
def test_a_part_that_was_killed_goes_on_and_is_the_same(world: World, fleettwin: CommandLine, kind: str) -> None:
    end = world.log.last_position()
    entries = sorted(world.log.vehicles(), key=lambda each: each.vehicle_id)[:3]
    ids = [each.vehicle_id for each in entries]
    position = 0 if kind == "vehicles" else end // 2
    wish = ("--from", str(position)) if position else tuple(w for e in entries for w in ("--vehicles", e.vin))
    assert fleettwin.run("rebuild", "media", "--version", "2", *wish).status == 0
    versions, killed = PostgresProjectionVersions(fleettwin.database or ""), at_version(named("media"), 3)
    world.models.prepare(killed)
    versions.begin(VersionState("media", 3, False, end, position, None if position else ids))
    with filler(fleettwin.database or "") as one:
        if position:
            one.store.begin_after(killed, position)
        for _ in one.fill(Job("media", 3, position, end), ids[:1]):
            pass
    other = fleettwin.run("rebuild", "media", "--version", "3")
    assert "media --version 3: this version was begun " in other.complaint
    again = fleettwin.run("rebuild", "media", "--version", "3", *wish)
    assert again.status == 0, again.stderr
    assert "goes on with media v3" in again.stderr
    assert digest(world.models, killed) == digest(world.models, at_version(named("media"), 2))
    done = fleettwin.run("rebuild", "media", "--version", "3", *wish).complaint
    assert done.startswith("fleettwin: media --version 3: this version is there already; ")
