"""What every store of records that were set aside keeps to."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from adapters.memory.set_aside import MemorySetAside
from adapters.postgres.datastore import Datastore
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.set_aside import PostgresSetAside
from adapters.set_aside import REASON_CHARACTERS_MAX, VALUE_BYTES_MAX, SetAside, SetAsideStore
from domain.units import Micros


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[SetAsideStore]:
    if request.param == "memory":
        yield MemorySetAside()
        return
    database: str = request.getfixturevalue("fresh_database")
    PostgresEventLog.open(database).close()
    with closing(Datastore(database)) as datastore:
        yield PostgresSetAside(datastore)


def record(position: int, source: str = "telemetry/0", *, reason: str = "why", at: int = 5) -> SetAside:
    return SetAside.of(source, position, reason, b"key", b"\0value", Micros(at))


def test_nothing_is_there_at_first(store: SetAsideStore) -> None:
    store.add([])
    assert (store.newest(9), store.count()) == ([], 0)


def test_what_was_set_aside_comes_back_newest_first(store: SetAsideStore) -> None:
    bare = SetAside.of("telemetry/1", 0, "it has no key", None, None, Micros(3))
    first, second, third = record(7), record(8), record(2, "telemetry/1", at=9)
    store.add([first, second])
    store.add([third, bare])

    assert store.newest(9) == [third, second, first, bare]
    assert store.newest(2) == [third, second]
    assert store.count() == 4


def test_a_record_is_set_aside_once(store: SetAsideStore) -> None:
    store.add([record(7)])
    store.add([record(7, reason="told again"), record(8)])

    assert [each.reason for each in store.newest(9)] == ["why", "why"]


def test_of_a_long_record_the_beginning_is_kept(store: SetAsideStore) -> None:
    store.add([SetAside.of("telemetry/0", 1, "x" * 10_000, bytes(20_000), bytes(2_000_000), Micros(5))])

    (kept,) = store.newest(1)
    assert (len(kept.key or b""), len(kept.value or b""), kept.length) == (VALUE_BYTES_MAX, VALUE_BYTES_MAX, 2_000_000)
    assert len(kept.reason) == REASON_CHARACTERS_MAX


def test_a_reason_may_hold_any_character(store: SetAsideStore) -> None:
    store.add([record(7, reason="nul \0 and 状态")])

    assert store.newest(1)[0].reason.replace("\0", "") == "nul  and 状态"


def test_a_record_is_found_by_its_place(store: SetAsideStore) -> None:
    there = record(7)
    store.add([there, record(8)])

    assert store.find("telemetry/0", 7) == [there]
    assert store.find("telemetry/0", 9) == []
    assert store.find("telemetry/1", 7) == []


def test_a_record_is_found_without_the_id_of_its_topic_too(store: SetAsideStore) -> None:
    one, other = record(7, "telemetry/0#bb"), record(7, "telemetry/0#aa")
    store.add([one, other, record(7, "telemetry/01#aa"), record(8, "telemetry/0#aa")])

    assert store.find("telemetry/0", 7) == [other, one]
    assert store.find("telemetry/0#bb", 7) == [one]
    assert store.find("telemetry/0#b", 7) == store.find("telemetry/0#", 7) == store.find("", 7) == []
