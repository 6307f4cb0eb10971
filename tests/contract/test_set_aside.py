"""What every store of records that were set aside keeps to."""

from collections.abc import Iterator
from contextlib import closing
from uuid import UUID

import pytest

from adapters.memory.set_aside import MemorySetAside
from adapters.postgres.datastore import Datastore
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.set_aside import PostgresSetAside
from adapters.set_aside import (
    BEFORE_ALL,
    OTHER_REASONS,
    REASON_CHARACTERS_MAX,
    VALUE_BYTES_MAX,
    Counted,
    FullError,
    SetAside,
    SetAsideStore,
)
from domain.units import Micros

KEPT_MAX, WAITING_MAX, WAITING_BYTES_MAX = 5, 4, 1_500_000
ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[SetAsideStore]:
    if request.param == "memory":
        yield MemorySetAside(KEPT_MAX, WAITING_MAX, WAITING_BYTES_MAX)
        return
    database: str = request.getfixturevalue("fresh_database")
    PostgresEventLog.open(database).close()
    with closing(Datastore(database)) as datastore:
        yield PostgresSetAside(datastore, KEPT_MAX, WAITING_MAX, WAITING_BYTES_MAX)


def record(position: int, source: str = "telemetry/0", *, reason: str = "why", at: int = 5) -> SetAside:
    return SetAside.of(source, position, reason, b"key", b"\0value", Micros(at))


def waiting(position: int, vehicle_id: UUID, source: str = "telemetry/0", *, size: int = 20, at: int = 5) -> SetAside:
    return SetAside.of(source, position, "why", b"key", bytes(size), Micros(at), vehicle_id)


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


def test_who_adds_is_told_what_is_new(store: SetAsideStore) -> None:
    assert store.add([record(7)]) == [record(7)]
    assert store.add([record(7, reason="told again"), record(8)]) == [record(8)]


def test_of_bad_records_beyond_the_bound_it_is_kept_how_many_there_were_and_where(store: SetAsideStore) -> None:
    store.add([record(position) for position in range(4)])
    added = [record(4), record(5, reason=f"no vehicle {ONE}, 1 of 2"), record(6, reason=f"no vehicle {OTHER}, 7 of 9")]
    assert store.add(added) == added
    assert store.add(added) == []  # of a transaction that was begun anew
    store.add([record(9, reason="no vehicle"), record(11, at=8, reason=f"no vehicle {ONE}, 3 of 2")])

    assert [each.position for each in store.newest(99)] == [4, 3, 2, 1, 0]
    assert store.counted() == [
        Counted("telemetry/0", "no vehicle", 1, 9, 9, Micros(5), Micros(5)),
        Counted("telemetry/0", "no vehicle …, … of …", 3, 5, 11, Micros(5), Micros(8)),
    ]
    assert store.count() == 9


def test_reasons_that_never_end_are_counted_as_one(store: SetAsideStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.set_aside.COUNTED_MAX", 2)
    store.add([record(position) for position in range(5)])
    store.add([record(place, reason=reason) for place, reason in enumerate(["a\0", "b", "c", "d", "b"], start=5)])

    found = {each.reason.replace("\0", ""): each.records for each in store.counted()}
    assert found == {"a": 1, "b": 2, OTHER_REASONS: 2}


def test_what_waits_is_whole_and_comes_back_in_the_order_in_which_it_came(store: SetAsideStore) -> None:
    store.add([waiting(3, ONE, "telemetry/0#bb", size=1_000_000), waiting(4, OTHER), record(5)])
    store.add([waiting(2, ONE, "telemetry/0#bb", at=9), waiting(8, ONE, "telemetry/0#aa", at=7)])

    assert store.waiting([ONE, UUID(int=9)]) == {ONE}
    assert store.waiting([]) == set()
    assert store.waiting_vehicles() == [ONE, OTHER]
    found = store.waiting_of(ONE, 9)
    assert [each[:2] for each in found] == [("telemetry/0#bb", 2), ("telemetry/0#bb", 3), ("telemetry/0#aa", 8)]
    assert (len(found[1].value or b""), found[1].whole, found[1].waits_for) == (1_000_000, True, ONE)
    assert store.waiting_of(ONE, 1) == found[:1]
    assert (store.bad(BEFORE_ALL, 9), store.count()) == ([record(5)], 5)


def test_more_batches_than_may_wait_are_refused_and_none_of_them_is_kept(store: SetAsideStore) -> None:
    store.add([waiting(1, ONE), waiting(2, ONE)])
    for added in ([waiting(3, ONE), waiting(4, ONE), waiting(5, OTHER)], [waiting(3, ONE, size=1_499_970)]):
        with pytest.raises(FullError, match="more than 4 batches, or 1,500,000 bytes, wait"):
            store.add([record(9), *added])

    assert store.count() == 2
    assert store.add([waiting(1, ONE), waiting(2, ONE), waiting(3, ONE), waiting(4, ONE)]) == [
        waiting(3, ONE),
        waiting(4, ONE),
    ]
    assert store.add([record(9)]) == [record(9)]


def test_bad_records_are_given_page_by_page(store: SetAsideStore) -> None:
    store.add([record(8), record(9), record(1, "telemetry/1"), waiting(3, ONE)])

    first = store.bad(BEFORE_ALL, 2)
    assert [each[:2] for each in first] == [("telemetry/0", 8), ("telemetry/0", 9)]
    assert store.bad(first[-1][:2], 2) == [record(1, "telemetry/1")]


def test_a_batch_that_is_refused_waits_no_longer(store: SetAsideStore) -> None:
    store.add([waiting(1, ONE), waiting(2, ONE)])
    store.refuse(("telemetry/0", 1), "it has left" + "." * 1_000)

    assert [each.position for each in store.waiting_of(ONE, 9)] == [2]
    (bad,) = store.bad(BEFORE_ALL, 9)
    assert (bad.place, bad.whole, bad.reason[:11], len(bad.reason)) == (
        ("telemetry/0", 1),
        True,
        "it has left",
        REASON_CHARACTERS_MAX,
    )


def test_what_is_discarded_is_gone(store: SetAsideStore) -> None:
    store.add([record(position) for position in range(7)])
    store.add([waiting(7, ONE), waiting(8, ONE), waiting(9, OTHER)])

    assert store.remove([("telemetry/0", 3), ("telemetry/1", 3)]) == 1
    assert store.discard(ONE) == 2
    assert store.waiting_vehicles() == [OTHER]
    assert store.discard(None) == 6
    assert (store.counted(), store.newest(9), store.discard(None)) == ([], [waiting(9, OTHER)], 0)
