"""The event log on PostgreSQL under what the world does to it: many writers, concurrent starts, lost connections."""

import multiprocessing
import select
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid5

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.event_log import ConsumedChange, DirectoryEntry, ProgressChange, StoredRecord
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.schema import _MIGRATION_LOCK
from domain.errors import BadInputError, StoreError, UnstorableError, VersionConflictError
from domain.streams import StreamProgress
from domain.units import Micros

NAMESPACE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
CAR = uuid5(NAMESPACE, "car")

WRITERS = 4
APPENDS = 100
EVENTS_PER_APPEND = 25


def event(version: int, car: UUID = CAR, state: bytes = b"state") -> StoredEvent:
    return StoredEvent(car, version, "vehicle.x.v1", state)


@pytest.fixture
def log(fresh_database: str) -> Iterator[PostgresEventLog]:
    log = PostgresEventLog.open(fresh_database)
    yield log
    log.close()


def test_a_value_that_no_column_holds_is_told_from_a_database_that_is_away(log: PostgresEventLog) -> None:
    odd = ProgressChange(CAR, StreamProgress("a\0b"), StreamProgress("a\0b", 1))

    with pytest.raises(UnstorableError, match="invalid byte sequence"):
        log.append([event(1)], [odd])

    assert log.append([event(1)]) == [1]


# --- many writers -----------------------------------------------------------------------------------------------------


def write(conninfo: str, number: int) -> None:
    log = PostgresEventLog.open(conninfo)
    car = uuid5(NAMESPACE, str(number))
    for first in range(1, APPENDS * EVENTS_PER_APPEND, EVENTS_PER_APPEND):
        log.append([event(version, car) for version in range(first, first + EVENTS_PER_APPEND)])
    log.close()


def test_a_reader_beside_four_writing_processes_misses_nothing_and_sees_nothing_twice(fresh_database: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=write, args=(fresh_database, number)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    log = PostgresEventLog.open(fresh_database)
    found: list[StoredRecord] = []
    total = WRITERS * APPENDS * EVENTS_PER_APPEND
    while len(found) < total:
        after = found[-1].position if found else 0
        records = log.read(after, 1_000)
        found += records
        assert records or log.wait(after, timeout_ms=60_000) > after, "the writers have stopped short"
    for writer in writers:
        writer.join()
    log.close()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    assert [record.position for record in found] == list(range(1, total + 1))
    assert all(first.recorded_at <= second.recorded_at for first, second in pairwise(found))
    for number in range(WRITERS):
        versions = [record.version for record in found if record.originator_id == uuid5(NAMESPACE, str(number))]
        assert versions == list(range(1, APPENDS * EVENTS_PER_APPEND + 1))


def test_a_database_whose_default_is_another_isolation_level_changes_nothing(fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    logs = [PostgresEventLog.open(fresh_database) for _ in range(4)]
    cars = [uuid5(NAMESPACE, str(number)) for number in range(4)]

    def write_with(log: PostgresEventLog, car: UUID) -> None:
        for version in range(1, 51):
            log.append([event(version, car)])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write_with, logs, cars))
    assert [record.position for record in logs[0].read(0, 1_000)] == list(range(1, 201))
    for log in logs:
        log.close()


def test_recorded_at_does_not_go_below_that_of_the_newest_event(fresh_database: str, log: PostgresEventLog) -> None:
    log.append([event(1)])
    ahead = 4_000_000_000_000_000
    with psycopg.connect(fresh_database) as connection:
        connection.execute("UPDATE stored_events SET recorded_at = %s", [ahead])
    log.append([event(2)])
    assert [record.recorded_at for record in log.read(0, 9)] == [ahead, ahead]


def test_an_append_that_fails_at_its_very_end_the_commit_is_not_taken_for_done(
    fresh_database: str, log: PostgresEventLog
) -> None:
    log.append([event(1)])
    with psycopg.connect(fresh_database) as connection:
        connection.execute("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''refused at commit''; END';
            CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON stored_events DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION refuse();
        """)
    with pytest.raises(StoreError, match="refused at commit"):
        log.append([event(2)])
    assert log.last_position() == 1


# --- migration --------------------------------------------------------------------------------------------------------


def test_concurrent_first_starts_make_the_tables_once(fresh_database: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        logs = list(threads.map(PostgresEventLog.open, [fresh_database] * 8))
    logs[0].append([event(1)])
    assert [log.last_position() for log in logs] == [1] * 8
    for log in logs:
        log.close()


def test_a_start_after_the_first_keeps_what_is_stored(fresh_database: str, log: PostgresEventLog) -> None:
    log.append([event(1)])
    again = PostgresEventLog.open(fresh_database)
    assert again.last_position() == 1
    again.close()


@pytest.mark.usefixtures("log")
def test_a_database_that_is_newer_than_the_program_is_refused(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as connection:
        connection.execute("INSERT INTO schema_version VALUES (999)")
    with pytest.raises(BadInputError, match=r"schema version 999.*newer fleettwin"):
        PostgresEventLog.open(fresh_database)


def test_a_connection_string_that_is_none_is_refused() -> None:
    with pytest.raises(BadInputError, match="FLEETTWIN_DATABASE_URL"):
        PostgresEventLog.open("postgres//host")


# --- lost connections -------------------------------------------------------------------------------------------------


class Proxy(socketserver.ThreadingUnixStreamServer):
    """Passes connections on to PostgreSQL; when told to, loses one instead of passing on the next reply."""

    daemon_threads = True

    def __init__(self, directory: str, conninfo: str) -> None:
        super().__init__(f"{directory}/.s.PGSQL.5432", _PassOn)
        self.server_socket = "{host}/.s.PGSQL.{port}".format_map(conninfo_to_dict(conninfo))
        self.conninfo = make_conninfo(conninfo, host=directory, requirepeer="")
        self.lose_next_reply = False


class _PassOn(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Proxy)
        with socket.socket(socket.AF_UNIX) as postgres:
            postgres.connect(self.server.server_socket)
            while True:
                for source in select.select([self.request, postgres], [], [])[0]:
                    data = source.recv(65_536)
                    if not data:
                        return
                    if source is postgres and self.server.lose_next_reply:
                        self.server.lose_next_reply = False
                        return
                    (self.request if source is postgres else postgres).sendall(data)


@pytest.fixture
def proxy(fresh_database: str) -> Iterator[Proxy]:
    with tempfile.TemporaryDirectory() as directory, Proxy(directory, fresh_database) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join()


@pytest.fixture
def shaky_log(proxy: Proxy) -> Iterator[PostgresEventLog]:
    """Give a log behind the proxy, connected, its statements prepared: each call is one reply."""
    shaky = PostgresEventLog.open(proxy.conninfo)
    first = StreamProgress("warm-up").taken(1, final=True)
    shaky.append([event(1)])
    shaky.append([], [ProgressChange(CAR, StreamProgress("warm-up"), first)])
    yield shaky
    shaky.close()


def test_an_append_whose_reply_was_lost_has_happened_once(
    proxy: Proxy, shaky_log: PostgresEventLog, log: PostgresEventLog
) -> None:
    proxy.lose_next_reply = True
    assert shaky_log.append([event(2), event(3)]) == [2, 3]
    assert [record.version for record in log.events_of(CAR)] == [1, 2, 3]


def test_the_same_with_progress_and_a_new_vehicle(
    proxy: Proxy, shaky_log: PostgresEventLog, log: PostgresEventLog
) -> None:
    entry = DirectoryEntry(CAR, "WVWZZZ1JZXW000001", "Volkswagen", "ID.4", Micros(1))
    progress = StreamProgress("drive").taken(3, final=False)
    proxy.lose_next_reply = True
    assert shaky_log.append([event(2)], [ProgressChange(CAR, StreamProgress("drive"), progress)], [entry]) == [2]
    proxy.lose_next_reply = True
    later = progress.taken(4, final=True)
    assert shaky_log.append([], [ProgressChange(CAR, progress, later)]) == []
    assert log.last_position() == 2
    assert log.progress_of(CAR)["drive"] == later
    assert log.vehicles() == [entry]


def test_the_same_with_the_source_of_the_batches(
    proxy: Proxy, shaky_log: PostgresEventLog, log: PostgresEventLog
) -> None:
    proxy.lose_next_reply = True
    assert shaky_log.append([event(2)], consumed=[ConsumedChange("telemetry/0", 0, 7)]) == [2]
    proxy.lose_next_reply = True
    assert shaky_log.append([], consumed=[ConsumedChange("telemetry/0", 7, 9)]) == []
    assert log.consumed_position("telemetry/0") == 9


def test_events_that_are_there_do_not_hide_a_source_that_was_not_read(
    proxy: Proxy, shaky_log: PostgresEventLog, log: PostgresEventLog
) -> None:
    log.append([event(2)])
    proxy.lose_next_reply = True
    with pytest.raises(VersionConflictError):
        shaky_log.append([event(2)], consumed=[ConsumedChange("telemetry/0", 0, 7)])


def test_a_conflict_whose_reply_was_lost_is_still_a_conflict(
    proxy: Proxy, shaky_log: PostgresEventLog, log: PostgresEventLog
) -> None:
    log.append([event(2, state=b"of another writer")])
    proxy.lose_next_reply = True
    with pytest.raises(VersionConflictError):
        shaky_log.append([event(2)])


def test_events_that_are_there_do_not_hide_progress_that_is_not(
    proxy: Proxy, shaky_log: PostgresEventLog, log: PostgresEventLog
) -> None:
    log.append([event(2)])
    proxy.lose_next_reply = True
    taken = StreamProgress("drive").taken(1, final=False)
    with pytest.raises(VersionConflictError):
        shaky_log.append([event(2)], [ProgressChange(CAR, StreamProgress("drive"), taken)])


def test_every_call_outlives_the_loss_of_all_connections(fresh_database: str, log: PostgresEventLog) -> None:
    calls: list[Callable[[], object]] = [
        lambda: log.append([event(log.last_position() + 1)]),
        lambda: log.read(0, 1),
        lambda: log.events_of(CAR),
        lambda: log.progress_of(CAR),
        lambda: log.consumed_position("telemetry/0"),
        log.vehicles,
        log.last_position,
        lambda: log.select_notifications(1, 1),
    ]
    for call in calls:
        with ThreadPoolExecutor(8) as threads:  # as many connections as there may be
            list(threads.map(lambda _: log.read(0, 1), range(32)))
        disconnect(fresh_database)
        call()
    assert log.last_position() == 1


def disconnect(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_whoever_waits_is_told_and_does_not_only_look_now_and_then(
    log: PostgresEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.postgres.listener._POLL_INTERVAL_S", 3_600)
    with ThreadPoolExecutor(1) as threads:
        log.wait(0, timeout_ms=1)  # the listener is there
        heard = threads.submit(log.wait, 0, 3_600_000)
        log.append([event(1)])
        try:
            assert heard.result(timeout=60) == 1
        finally:
            log.close()


def test_waiting_goes_on_when_its_connection_is_lost(fresh_database: str, log: PostgresEventLog) -> None:
    log.wait(0, timeout_ms=1)  # the listener is there
    disconnect(fresh_database)
    with ThreadPoolExecutor(1) as threads:
        heard = threads.submit(log.wait, 0, 60_000)
        log.append([event(1)])
        assert heard.result() == 1


def test_waiting_ends_when_the_log_is_closed(fresh_database: str) -> None:
    log = PostgresEventLog.open(fresh_database)
    with ThreadPoolExecutor(1) as threads:
        heard = threads.submit(log.wait, 0, 60_000)
        log.wait(0, timeout_ms=1)
        log.close()
        assert heard.exception() is None or isinstance(heard.exception(), StoreError)


def test_a_server_that_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="FLEETTWIN_DATABASE_URL"):
        PostgresEventLog.open(f"host={tmp_path} user=fleettwin dbname=x")


def test_a_server_that_goes_while_tables_are_made_is_named_too(fresh_database: str) -> None:
    with ThreadPoolExecutor(1) as threads, psycopg.connect(fresh_database) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
        opened = threads.submit(PostgresEventLog.open, fresh_database)
        while not holder.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database AS d ON d.oid = database"
            " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
        ).fetchall():
            assert not opened.done()
        assert isinstance(opened.exception(), StoreError)
