"""A projection with every kind of column, and the stores of its rows, in memory and on PostgreSQL."""

from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import UUID

import psycopg
import pytest

from adapters.memory.read_models import MemoryReadModels
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.projection_versions import PostgresProjectionVersions
from adapters.postgres.read_models import PostgresReadModels
from projections.ports import ReadModelStore
from projections.projection import Projection, table

CAR, OTHER_CAR = UUID(int=1), UUID(int=2**127 + 5)


@table("readings", key=("vehicle_id", "path"))
class ReadingRow(NamedTuple):
    """Every kind of column."""

    vehicle_id: UUID
    path: str
    number: int = 0
    level: float = 0.0
    good: bool = True
    source: UUID | None = None
    note: str | None = None
    last: int | None = None
    share: float | None = None
    sure: bool | None = None
    levels: list[float | None] = []  # noqa: RUF012  # nobody changes a row
    moments: list[int] | None = None


@table("stays", key=("vehicle_id", "started_at", "floor"))
class StayRow(NamedTuple):
    """A key of several kinds."""

    vehicle_id: UUID
    started_at: int
    floor: int
    place: str


def projection(version: int = 1) -> Projection:
    return Projection("sample", version, (ReadingRow, StayRow), {}, lambda _: ())


SAMPLE = projection()


@pytest.fixture(scope="module")
def postgres_store(database: str) -> Iterator[PostgresReadModels]:
    PostgresEventLog.open(database).close()  # makes the tables of positions
    store = PostgresReadModels(database).open()
    yield store
    store.close()


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> ReadModelStore:
    return new_store(request, request.param)


@pytest.fixture
def discard(request: pytest.FixtureRequest, store: ReadModelStore) -> Callable[[Projection], None]:
    """Give what discards a version of a projection."""
    if isinstance(store, MemoryReadModels):
        return store.discard
    return PostgresProjectionVersions(request.getfixturevalue("database")).discard


def new_store(request: pytest.FixtureRequest, kind: str) -> ReadModelStore:
    if kind == "memory":
        memory = MemoryReadModels()
        memory.prepare(SAMPLE)
        return memory
    store: PostgresReadModels = request.getfixturevalue("postgres_store")
    with psycopg.connect(request.getfixturevalue("database")) as connection:
        connection.execute(
            "DROP TABLE IF EXISTS sample_v1_readings, sample_v1_stays, sample_v2_readings, sample_v2_stays"
        )
        connection.execute("TRUNCATE projection_positions, projection_sources, projection_vehicles, parked_vehicles")
    store.prepare(SAMPLE)
    return store
