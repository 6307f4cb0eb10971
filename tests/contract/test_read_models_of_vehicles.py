"""The read models of vehicles are the same rows with the same digest in memory and in PostgreSQL."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.memory.read_models import MemoryReadModels
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from domain import paths
from domain.signals import INTEGER_MAX, Quality, SignalBatch
from projections.diagnostics.model import DiagnosticsSignalRow
from projections.diagnostics.projector import DIAGNOSTICS
from projections.digest import digest
from projections.projection import Projection
from tests.support.batches import (
    CABIN_TEMPERATURE,
    DOOR,
    Stream,
    destination,
    drive,
    ignition,
    interleaved,
    report,
    sample,
    streams_of,
    trace,
)
from tests.support.given import Car
from tests.support.read_side import PROJECTIONS, ListFeed, everything, recorded, runner

_versions = itertools.count(1_000)  # each example has tables of its own


@pytest.fixture(scope="module")
def postgres(database: str) -> Iterator[PostgresReadModels]:
    PostgresEventLog.open(database).close()  # makes the tables of positions
    store = PostgresReadModels(database).open()
    yield store
    store.close()


def one_of_everything() -> list[SignalBatch]:
    stream = Stream("a")
    return [
        stream.batch(
            ignition(0, "ON"),
            sample(paths.IS_CHARGING, 0, value=True),
            sample(paths.STATE_OF_CHARGE_DISPLAYED, 0, 9.0),
            sample(paths.BATTERY_ENERGY, 0, 40.0),
            sample(CABIN_TEMPERATURE, 0, INTEGER_MAX),
            sample(DOOR, 0, value=False),
            sample(paths.MEDIA_TITLE, 0, "Ødegård 'n' \\ {曲} 🚗 NULL"),
            sample(paths.MEDIA_ACTION, 0, "PLAY"),
            sample(paths.MEDIA_SOURCE, 0, ""),
            sample(paths.MEDIA_VOLUME, 0, 30),
            sample(paths.ODOMETER, 0, 26_998_000),
            destination(0, 48.5),
            report(0, "P0301", status=8),
        ),
        stream.batch(
            sample(paths.HEADING, 9, 0.1 + 0.2),
            drive(10, 60),
            trace(10, 60),
            sample(paths.IS_CHARGING, 60, value=False),
            sample(paths.STATE_OF_CHARGE_DISPLAYED, 60, 80.0),
            sample(CABIN_TEMPERATURE, 60, None, Quality.NOT_AVAILABLE),
            report(60),
        ),
        Stream("a", sequence=3).batch(sample(DOOR, 1, value=True), ignition(70, "OFF"), final=True),
    ]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(batches=one_of_everything(), sizes=[3])
@given(
    batches=st.tuples(streams_of("a"), streams_of("b")).flatmap(interleaved),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=3),
)
def test_the_rows_of_a_vehicle_are_the_same_in_both_stores(
    postgres: PostgresReadModels, batches: list[SignalBatch], sizes: list[int]
) -> None:
    car = Car()
    car.observe(*batches)
    feed = ListFeed(recorded(car.events))
    memory = MemoryReadModels()
    version = next(_versions)
    for each in PROJECTIONS:
        projection: Projection = replace(each, version=version)
        runner(projection, feed, memory).run_until(feed.last_position())
        postgres.prepare(projection)
        for size in itertools.cycle(sizes):  # a restart after each step
            if not runner(projection, feed, postgres).step(size):
                break

        assert everything(postgres, [projection]) == everything(memory, [projection])
        assert digest(postgres, projection) == digest(memory, projection)


@pytest.mark.parametrize("number", [INTEGER_MAX, -INTEGER_MAX - 1, 2**53 + 1, 2**53, 0, -7])
def test_a_whole_number_comes_back_exactly(postgres: PostgresReadModels, number: int) -> None:
    car = Car()
    car.observe(Stream().batch(sample(CABIN_TEMPERATURE, 0, number)))
    projection: Projection = replace(DIAGNOSTICS, version=next(_versions))
    postgres.prepare(projection)
    runner(projection, ListFeed(recorded(car.events)), postgres).step()

    (row,) = postgres.rows(projection, DiagnosticsSignalRow)
    assert (row.value, type(row.value)) == (number, int)
