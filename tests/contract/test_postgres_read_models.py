"""The read models on PostgreSQL under what the world does to it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.projection_versions import PostgresProjectionVersions
from adapters.postgres.read_models import PostgresReadModels
from adapters.projection_versions import VersionState
from domain.errors import PositionConflictError, StoreError, UnstorableError, VersionGoneError
from projections.ports import Commit, Moved
from projections.projection import Projection, Row, table

CAR, OTHER_CAR = UUID(int=1), UUID(int=2)
ENDS_WITHIN_S = 60  # a hundred times what it takes


@table("readings", key=("vehicle_id", "path"))
class ReadingRow(NamedTuple):
    vehicle_id: UUID
    path: str
    level: float


@table("readings", key=("vehicle_id", "path"))
class ChangedReadingRow(NamedTuple):
    vehicle_id: UUID
    path: str
    level: int


@table("other_readings", key=("vehicle_id", "path"))
class OtherReadingRow(NamedTuple):
    vehicle_id: UUID
    path: str
    level: float


@table("newest", key=("vehicle_id", "path"), rewritten=True)
class NewestRow(NamedTuple):
    vehicle_id: UUID
    path: str
    level: float


SAMPLE = Projection("sample", 1, (ReadingRow, OtherReadingRow, NewestRow), {}, lambda _: ())
ROWS = [ReadingRow(CAR, "Speed", 1.5)]
LONG = "".join(chr(0x4E00 + 7 * number) for number in range(2_000))  # for an index, however it is compressed


REWRITINGS_MAX = 100  # while the database looks after its tables by itself, what was deleted cannot give room


@pytest.fixture
def store(fresh_database: str) -> Iterator[PostgresReadModels]:
    PostgresEventLog.open(fresh_database).close()
    store = PostgresReadModels(fresh_database).open()
    store.prepare(SAMPLE)
    yield store
    store.close()


def ends(function: Callable[..., None], *arguments: object) -> None:
    """Call a function that must not stand still for ever; a daemon's thread lets a test that fails come to its end."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            function(*arguments)
            done.set_result(None)
        except BaseException as error:  # noqa: BLE001  # the test's to judge
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    done.result(ENDS_WITHIN_S)


def test_every_call_outlives_the_loss_of_all_connections(fresh_database: str, store: PostgresReadModels) -> None:
    for position in range(3):
        with psycopg.connect(fresh_database) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        store.commit(SAMPLE, Commit(position, position + 1, upserts={ReadingRow: ROWS}))
    assert store.position(SAMPLE) == 3
    assert list(store.rows(SAMPLE, ReadingRow)) == ROWS


def test_a_projection_that_was_changed_without_a_new_version_is_refused(store: PostgresReadModels) -> None:
    changed = Projection("sample", 1, (ChangedReadingRow,), {}, lambda _: ())
    with pytest.raises(StoreError, match=r"sample v1: table readings .* needs a new version"):
        store.prepare(changed)
    store.prepare(Projection("sample", 2, (ChangedReadingRow,), {}, lambda _: ()))


def test_what_is_being_discarded_is_neither_written_nor_made_anew(
    fresh_database: str, store: PostgresReadModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last table cannot be deleted yet when a step of it comes, and a process starts."""
    monkeypatch.setattr(PostgresProjectionVersions, "_await_views", lambda *_: None)
    versions = PostgresProjectionVersions(fresh_database)
    versions.begin(VersionState("sample", 1, False, 0))
    with (
        ThreadPoolExecutor(3) as threads,
        psycopg.connect(fresh_database) as reading,
        psycopg.connect(fresh_database, autocommit=True) as asking,
    ):

        def await_waiting(number: int) -> None:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while asking.execute(waiting).fetchone() != (number,):
                assert not any(each.done() for each in begun)

        reading.execute("LOCK TABLE sample_v1_readings IN ACCESS SHARE MODE")
        begun: list[Future[None]] = [threads.submit(versions.discard, SAMPLE)]
        await_waiting(1)
        begun.append(threads.submit(store.commit, SAMPLE, Commit(versions={CAR: Moved(0, 1)})))
        await_waiting(2)
        begun.append(threads.submit(store.prepare_all, lambda: [SAMPLE for _ in versions.kept()]))
        await_waiting(3)
        reading.commit()
        begun[0].result(ENDS_WITHIN_S)
        with pytest.raises(VersionGoneError):
            begun[1].result(ENDS_WITHIN_S)
        begun[2].result(ENDS_WITHIN_S)
        left = asking.execute(
            "SELECT (SELECT count(*) FROM pg_tables WHERE starts_with(tablename, 'sample_v1_'))"
            " + (SELECT count(*) FROM projection_positions) + (SELECT count(*) FROM projection_vehicles)"
        )
        assert left.fetchone() == (0,)


def test_a_table_that_somebody_dropped_is_no_version_that_was_discarded(
    fresh_database: str, store: PostgresReadModels
) -> None:
    with psycopg.connect(fresh_database) as connection:
        connection.execute("DROP TABLE sample_v1_readings")
    with pytest.raises(StoreError, match=r"relation .* does not exist") as raised:
        store.commit(SAMPLE, Commit(0, 1, upserts={ReadingRow: ROWS}))
    assert not isinstance(raised.value, VersionGoneError)


def test_a_step_that_the_database_refuses_writes_nothing(store: PostgresReadModels) -> None:
    with pytest.raises(StoreError):
        store.commit(SAMPLE, Commit(0, 1, upserts={ReadingRow: [*ROWS, ReadingRow(CAR, "a\0b", 1.5)]}))
    assert store.position(SAMPLE) == 0
    assert list(store.rows(SAMPLE, ReadingRow)) == []


def test_a_key_that_no_column_has_a_place_for_is_no_loss_of_the_database(store: PostgresReadModels) -> None:
    for path in ("a\0b", "\ud800"):
        with pytest.raises(UnstorableError):
            store.load(SAMPLE, ReadingRow, [(CAR, "Speed"), (CAR, path)])
    with pytest.raises(UnstorableError, match="index row"):
        store.commit(SAMPLE, Commit(0, 1, upserts={ReadingRow: [ReadingRow(CAR, LONG, 1.5)]}))
    assert store.load(SAMPLE, ReadingRow, [(CAR, "Speed")]) == {}


def test_rows_that_are_rewritten_stay_in_their_page(fresh_database: str, store: PostgresReadModels) -> None:
    pages = "SELECT path, (ctid::text::point)[0] FROM sample_v1_newest ORDER BY path"
    rows = [NewestRow(CAR, f"Signal{number:03}", 0.5) for number in range(500)]
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        store.commit(SAMPLE, Commit(0, 1, upserts={NewestRow: rows}))
        moved: set[Any] = set()
        for attempt in range(REWRITINGS_MAX):
            before = set(connection.execute(pages))
            for position in range(1 + 3 * attempt, 4 + 3 * attempt):
                store.commit(SAMPLE, Commit(position, position + 1, upserts={NewestRow: rows}))
            moved = set(connection.execute(pages)) - before
            if len(moved) < len(rows) / 10:  # where all of a page are rewritten at once, not quite all find room
                return
    pytest.fail(f"{len(moved)} of {len(rows)} rows have moved, each time")


# Twice what any socket of Linux takes by itself (`net.core.wmem_max`, `net.ipv4.tcp_wmem`).
MORE_THAN_A_SOCKET_TAKES = [ReadingRow(CAR, f"{number:04} {'x' * 16_000}", 0.5) for number in range(1_000)]


def test_a_step_may_be_larger_than_what_a_socket_takes_at_once(store: PostgresReadModels) -> None:
    ends(store.commit, SAMPLE, Commit(0, 1, upserts={ReadingRow: MORE_THAN_A_SOCKET_TAKES}))
    assert list(store.rows(SAMPLE, ReadingRow)) == MORE_THAN_A_SOCKET_TAKES


def test_a_large_step_is_taken_back_when_an_early_statement_is_refused(store: PostgresReadModels) -> None:
    refused = ReadingRow(CAR, "a\0b", 1.5)
    upserts: dict[type[Row], list[Row]] = {ReadingRow: [refused], OtherReadingRow: [*MORE_THAN_A_SOCKET_TAKES]}
    with pytest.raises(StoreError):
        ends(store.commit, SAMPLE, Commit(0, 1, upserts=upserts))
    assert store.position(SAMPLE) == 0
    ends(store.commit, SAMPLE, Commit(0, 1, upserts={ReadingRow: ROWS}))
    assert list(store.rows(SAMPLE, ReadingRow)) == ROWS


def test_of_two_that_wait_for_each_other_one_is_overtaken(fresh_database: str, store: PostgresReadModels) -> None:
    store.commit(SAMPLE, Commit(versions={CAR: Moved(0, 1), OTHER_CAR: Moved(0, 1)}))
    write = "UPDATE projection_vehicles SET last_version = 2 WHERE vehicle_id = %s"
    with psycopg.connect(fresh_database) as other, psycopg.connect(fresh_database, autocommit=True) as watching:
        other.execute("SET deadlock_timeout = '1min'")  # the store is the one that is broken off
        other.execute(write, [OTHER_CAR])
        with ThreadPoolExecutor(1) as threads:
            done = threads.submit(store.commit, SAMPLE, Commit(versions={CAR: Moved(1, 2), OTHER_CAR: Moved(1, 2)}))
            waits = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
            while watching.execute(waits, [other.info.backend_pid]).fetchone() == (0,):
                assert not done.done()
            other.execute(write, [CAR])
            with pytest.raises(PositionConflictError, match="another process is at the same vehicles"):
                done.result()
    assert store.versions(SAMPLE, [CAR, OTHER_CAR]) == {CAR: 2, OTHER_CAR: 2}
