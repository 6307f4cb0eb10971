"""Snapshots are made behind the log, by a loop that lasts."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from eventsourcing.persistence import StoredEvent

from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.snapshots import PostgresSnapshots, fetch_from
from adapters.snapshotting import Snapshotting
from domain.errors import StoreError
from domain.units import Micros
from projections.snapshots import BLOCK_EVENTS
from tests.support.running import running
from tests.support.twins import CODEC, SECOND, T0, Car, postgres_world

SPEED = "Vehicle.Speed"
PATIENCE_S = 60


def long_driven(number: int, events: int) -> Car:
    car = Car(number)
    for second in range(events - 1):
        car.sample(T0 + second * SECOND, {SPEED: float(second)})
    return car


@pytest.fixture
def cars() -> list[Car]:
    """Give cars with two blocks of events and a bit, one block, and less than one."""
    return [long_driven(number, events) for number, events in enumerate((2 * BLOCK_EVENTS + 3, BLOCK_EVENTS, 5), 1)]


@pytest.fixture
def log(fresh_database: str, cars: list[Car]) -> Iterator[PostgresEventLog]:
    """Give a log with these cars."""
    with postgres_world(fresh_database, *cars), closing(PostgresEventLog.open(fresh_database)) as opened:
        yield opened


def versions(snapshots: PostgresSnapshots, cars: list[Car]) -> list[int]:
    newest = snapshots.newest([car.id for car in cars], None)
    return [newest[car.id].to_version if car.id in newest else 0 for car in cars]


def test_what_lacks_is_made_once(log: PostgresEventLog, cars: list[Car]) -> None:
    snapshots = PostgresSnapshots(fetch_from(log.datastore))
    behind = snapshots.behind(BLOCK_EVENTS)
    assert behind == sorted(car.id for car in cars[:2])
    snapshotting = Snapshotting(log, CODEC.decode, snapshots)
    assert snapshotting.catch_up(threading.Event()) == 3
    assert versions(snapshots, cars) == [2 * BLOCK_EVENTS, BLOCK_EVENTS, 0]
    assert snapshots.behind(BLOCK_EVENTS) == []
    assert snapshotting.catch_up(threading.Event()) == 0


def test_a_vehicle_that_cannot_be_folded_is_tried_once(log: PostgresEventLog, cars: list[Car]) -> None:
    snapshots = PostgresSnapshots(fetch_from(log.datastore))
    topic = log.events_of(cars[2].id)[0].topic
    log.append([StoredEvent(cars[2].id, 6 + more, topic, b"\0garbage") for more in range(BLOCK_EVENTS)])
    read: list[Any] = []

    class Counted:
        def events_of(self, *arguments: Any) -> Any:
            read.append(arguments[0])
            return log.events_of(*arguments)

    snapshotting = Snapshotting(Counted(), CODEC.decode, snapshots)
    assert snapshotting.catch_up(threading.Event()) == 3
    assert snapshots.behind(BLOCK_EVENTS) == [cars[2].id]
    assert snapshotting.catch_up(threading.Event()) == 0
    assert read.count(cars[2].id) == 1


def test_a_vehicle_that_another_process_was_quicker_with_is_not_given_up(log: PostgresEventLog) -> None:
    class Late(PostgresSnapshots):
        def behind(self, events: int) -> Any:
            found = super().behind(events)
            Snapshotting(log, CODEC.decode, PostgresSnapshots(fetch_from(log.datastore))).catch_up(threading.Event())
            return found

    snapshotting = Snapshotting(log, CODEC.decode, Late(fetch_from(log.datastore)))
    assert snapshotting.catch_up(threading.Event()) == 0
    assert not snapshotting._unfoldable


def test_the_loop_outlasts_failures_and_follows_the_log(
    log: PostgresEventLog, cars: list[Car], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("LOOKED_S", "BACKOFF_S"):
        monkeypatch.setattr(f"adapters.snapshotting.{name}", 0.01)
    made = threading.Event()
    failures: list[Exception] = [StoreError("the database is away"), RuntimeError("a fault of ours")]

    class Failing(PostgresSnapshots):
        def behind(self, events: int) -> Any:
            if failures:
                raise failures.pop()
            return super().behind(events)

        def add(self, snapshots: Any) -> None:
            super().add(snapshots)
            if versions(self, cars) == [3 * BLOCK_EVENTS, BLOCK_EVENTS, 0]:
                made.set()

    snapshots = Failing(fetch_from(log.datastore))
    others = PostgresSnapshots(fetch_from(log.datastore), 7)
    Snapshotting(log, CODEC.decode, others).catch_up(threading.Event())
    known = len(cars[0].events)
    with running(Snapshotting(log, CODEC.decode, snapshots).run):
        for second in range(BLOCK_EVENTS):
            cars[0].sample(Micros(T0 + (second + 1_000) * SECOND), {SPEED: 1.0})
        events, _ = cars[0].after(known)
        log.append(events)
        assert made.wait(PATIENCE_S)
    assert "snapshots wait: the database is away" in caplog.text
    assert "snapshots failed, and are tried again" in caplog.text
    assert versions(others, cars) == [0, 0, 0]
