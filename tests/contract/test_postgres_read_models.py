"""The read models on PostgreSQL under what the world does to it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from uuid import UUID

import psycopg
import pytest

from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from domain.errors import PositionConflictError, StoreError
from projections.ports import Commit, Moved
from projections.projection import Projection, table

CAR, OTHER_CAR = UUID(int=1), UUID(int=2)


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


SAMPLE = Projection("sample", 1, (ReadingRow,), {}, lambda _: ())
ROWS = [ReadingRow(CAR, "Speed", 1.5)]


@pytest.fixture
def store(fresh_database: str) -> Iterator[PostgresReadModels]:
    PostgresEventLog.open(fresh_database).close()
    store = PostgresReadModels(fresh_database).open()
    store.prepare(SAMPLE)
    yield store
    store.close()


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


def test_a_step_that_the_database_refuses_writes_nothing(store: PostgresReadModels) -> None:
    with pytest.raises(StoreError):
        store.commit(SAMPLE, Commit(0, 1, upserts={ReadingRow: [*ROWS, ReadingRow(CAR, "a\0b", 1.5)]}))
    assert store.position(SAMPLE) == 0
    assert list(store.rows(SAMPLE, ReadingRow)) == []


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
