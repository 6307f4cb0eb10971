"""What every store of read models keeps to where several processes move one projection: each number by compare-and-set.

Whoever was overtaken writes nothing.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from domain.errors import PositionConflictError, VersionGoneError
from domain.events import VehicleDecommissioned, VehicleEvent
from domain.units import Micros
from projections.ports import Commit, Moved, Parked, ReadModelStore
from projections.projection import Projection, Recorded, Rows
from tests.support.batches import T0
from tests.support.read_models import CAR, OTHER_CAR, SAMPLE, ReadingRow, projection
from tests.support.read_side import ListFeed, recorded, runner

THIRD_CAR = UUID(int=77)
ONE, TWO, THREE = "events 0", "events 1", "events 2"  # partitions
ROUNDS = 20


def parked(car: UUID = CAR, newest: int = 8, attempts: int = 1) -> Parked:
    return Parked(car, 5, 50, "ValueError: x", attempts, Micros(5), newest)


def everything(store: ReadModelStore) -> Any:
    """Return all that a commit may change."""
    return (
        store.position(SAMPLE),
        dict(store.versions(SAMPLE, [CAR, OTHER_CAR, THIRD_CAR])),
        dict(store.consumed(SAMPLE, [ONE, TWO, THREE])),
        store.parked(SAMPLE),
        list(store.rows(SAMPLE, ReadingRow)),
    )


def full(**changes: Any) -> Commit:
    """Return a commit with something of everything, to a store that has what `begun` gave it."""
    commit = Commit(
        expected_position=7,
        position=9,
        upserts={ReadingRow: [ReadingRow(CAR, "Speed", 2), ReadingRow(OTHER_CAR, "Level")]},
        deletes={ReadingRow: [(CAR, "Level")]},
        versions={CAR: Moved(4, 6), OTHER_CAR: Moved(0, 2), THIRD_CAR: Moved(2, 2)},
        park=[parked(THIRD_CAR, 3)],
        left_out={UUID(int=5): 9},
        unpark={UUID(int=6): 8},
        consumed={ONE: Moved(10, 12), TWO: Moved(0, 3)},
    )
    return replace(commit, **changes)


def begun(store: ReadModelStore) -> ReadModelStore:
    rows = [ReadingRow(CAR, "Speed", 1), ReadingRow(CAR, "Level")]
    waiting = [parked(UUID(int=5)), parked(UUID(int=6))]
    versions = {CAR: Moved(0, 4), THIRD_CAR: Moved(0, 2)}
    store.commit(
        SAMPLE, Commit(0, 7, {ReadingRow: rows}, versions=versions, park=waiting, consumed={ONE: Moved(0, 10)})
    )
    return store


def test_one_step_writes_everything(store: ReadModelStore) -> None:
    begun(store).commit(SAMPLE, full())
    assert everything(store) == (
        9,
        {CAR: 6, OTHER_CAR: 2, THIRD_CAR: 2},
        {ONE: 12, TWO: 3},
        {UUID(int=5): parked(UUID(int=5), 9), THIRD_CAR: parked(THIRD_CAR, 3)},
        [ReadingRow(CAR, "Speed", 2), ReadingRow(OTHER_CAR, "Level")],
    )


OVERTAKEN: Mapping[str, Commit] = {
    "the position is not 6 any more": full(expected_position=6),
    "the position is not 8 any more": full(expected_position=8),
    f"{ONE} is not at 0 any more": full(consumed={ONE: Moved(0, 12)}),
    f"{ONE} is not at 9 any more": full(consumed={ONE: Moved(9, 12)}),
    f"{TWO} is not at 3 any more": full(consumed={TWO: Moved(3, 4)}),
    f"{CAR} is not at version 0 any more": full(versions={CAR: Moved(0, 6)}),
    f"{CAR} is not at version 3 any more": full(versions={CAR: Moved(3, 6)}),
    f"{CAR} is not at version 5 any more": full(versions={CAR: Moved(5, 6)}),
    f"{OTHER_CAR} is not at version 2 any more": full(versions={OTHER_CAR: Moved(2, 3)}),
    f"{CAR} is not at version 3 any more: where it stays": full(versions={CAR: Moved(3, 3)}),
    f"{CAR} is not at version 0 any more: where it stays": full(versions={CAR: Moved(0, 0)}),
    f"{CAR} is not parked any more": full(left_out={CAR: 9}),
    f"{CAR} is not parked": full(unpark={CAR: 8}),
    f"{UUID(int=6)} is not parked": full(unpark={UUID(int=6): 7}),
    f"{UUID(int=6)} is not parked: later": full(unpark={UUID(int=6): 9}),
    f"{UUID(int=6)} is not parked: 0": full(unpark={UUID(int=6): 0}),
}


@pytest.mark.parametrize(("says", "commit"), OVERTAKEN.items(), ids=OVERTAKEN)
def test_who_was_overtaken_in_one_thing_writes_nothing(store: ReadModelStore, says: str, commit: Commit) -> None:
    before = everything(begun(store))
    with pytest.raises(PositionConflictError) as raised:
        store.commit(SAMPLE, commit)
    what, _, _ = says.partition(": ")
    assert str(raised.value).startswith(f"sample v1: {what}")
    assert str(raised.value).endswith(": another process has been there, or the database has crashed")
    assert everything(store) == before


MANY_OVERTAKEN: Mapping[str, Commit] = {
    "one of three vehicles that are there": full(
        versions={CAR: Moved(4, 6), OTHER_CAR: Moved(2, 3), THIRD_CAR: Moved(2, 3)}
    ),
    "one of two that are new": full(versions={OTHER_CAR: Moved(0, 1), CAR: Moved(0, 1)}),
    "one of two partitions that are there": full(consumed={ONE: Moved(10, 12), TWO: Moved(1, 2)}),
    "one of two partitions that are new": full(consumed={ONE: Moved(0, 12), TWO: Moved(0, 2)}),
    "one of two that are left out": full(left_out={UUID(int=5): 9, CAR: 9}, unpark={}),
    "one of two that are taken up again": full(left_out={}, unpark={UUID(int=5): 8, UUID(int=6): 7}),
    "one that is left out and one that is taken up": full(left_out={CAR: 9}, unpark={UUID(int=6): 7}),
}


@pytest.mark.parametrize("commit", MANY_OVERTAKEN.values(), ids=MANY_OVERTAKEN)
def test_who_was_overtaken_in_one_of_many_writes_nothing(store: ReadModelStore, commit: Commit) -> None:
    before = everything(begun(store))
    with pytest.raises(PositionConflictError):
        store.commit(SAMPLE, commit)
    assert everything(store) == before


def test_a_step_that_says_nothing_of_the_position_leaves_it(store: ReadModelStore) -> None:
    begun(store).commit(SAMPLE, full(expected_position=None))
    assert store.position(SAMPLE) == 7
    assert store.versions(SAMPLE, [CAR]) == {CAR: 6}


def test_a_version_that_stays_is_compared_and_not_moved(store: ReadModelStore) -> None:
    begun(store).commit(SAMPLE, Commit(versions={CAR: Moved(4, 4), OTHER_CAR: Moved(0, 0)}))
    assert store.versions(SAMPLE, [CAR]) == {CAR: 4}
    store.commit(SAMPLE, Commit(versions={CAR: Moved(4, 5), OTHER_CAR: Moved(0, 1)}))
    assert store.versions(SAMPLE, [CAR, OTHER_CAR]) == {CAR: 5, OTHER_CAR: 1}


# --- versions that are discarded --------------------------------------------------------------------------------------

TOO_LATE: Mapping[str, Commit] = {
    "everything": full(),
    "nothing": Commit(),
    "the position": Commit(7, 9),
    "a partition that is new": Commit(consumed={TWO: Moved(0, 3)}),
    "a vehicle that is new": Commit(versions={OTHER_CAR: Moved(0, 2)}),
    "rows": Commit(upserts={ReadingRow: [ReadingRow(OTHER_CAR, "Level")]}),
    "a vehicle that is parked": Commit(park=[parked(OTHER_CAR)]),
}


@pytest.mark.parametrize("commit", TOO_LATE.values(), ids=TOO_LATE)
def test_who_moves_a_version_that_is_discarded_writes_nothing(
    store: ReadModelStore, discard: Callable[[Projection], None], commit: Commit
) -> None:
    begun(store).complete(SAMPLE, {ONE: 40}, store.consumed(SAMPLE, [ONE]), [ONE])
    moving = runner(SAMPLE, ListFeed([]), store)
    discard(SAMPLE)
    for late in (
        partial(store.commit, SAMPLE, commit),
        partial(store.complete, SAMPLE, {TWO: 40}, {}, [TWO]),
        partial(store.position, SAMPLE),
        partial(runner, SAMPLE, ListFeed([]), store),
        partial(moving.retry, CAR),
    ):
        with pytest.raises(VersionGoneError, match="sample v1 is not there"):
            late()
    store.prepare(SAMPLE)
    assert everything(store) == (0, {}, {}, {}, [])
    store.commit(SAMPLE, Commit(0, 1, consumed={ONE: Moved(0, 1)}))
    store.complete(SAMPLE, {TWO: 40}, {}, [ONE, TWO])
    assert store.position(SAMPLE) == 1  # of the first nothing is known any more


# --- parked vehicles --------------------------------------------------------------------------------------------------


def test_the_newest_version_that_was_left_out_is_known(store: ReadModelStore) -> None:
    store.commit(SAMPLE, Commit(park=[parked(newest=8), parked(OTHER_CAR, 8)]))
    for version in (11, 9):
        store.commit(SAMPLE, Commit(left_out={CAR: version}))
    assert store.parked(SAMPLE) == {CAR: parked(newest=11), OTHER_CAR: parked(OTHER_CAR, 8)}
    store.commit(SAMPLE, Commit(unpark={CAR: 11, OTHER_CAR: 8}))
    assert store.parked(SAMPLE) == {}


@pytest.mark.parametrize(("again", "newest"), [(6, 8), (12, 12)])
def test_parked_again_no_version_is_forgotten_that_was_left_out(store: ReadModelStore, again: int, newest: int) -> None:
    store.commit(SAMPLE, Commit(park=[parked(newest=8)]))
    store.commit(SAMPLE, Commit(park=[parked(newest=again, attempts=2)]))
    assert store.parked(SAMPLE) == {CAR: parked(newest=newest, attempts=2)}


def test_a_vehicle_may_be_parked_where_it_was_taken_up(store: ReadModelStore) -> None:
    store.commit(SAMPLE, Commit(park=[parked(newest=8)]))
    store.commit(SAMPLE, Commit(unpark={CAR: 8}, park=[parked(newest=6)]))
    assert store.parked(SAMPLE) == {CAR: parked(newest=6)}


def test_a_retry_and_one_that_leaves_out_do_not_both_write(store: ReadModelStore) -> None:
    """Whichever is first: what is left out is either known to who takes it up, or not left out."""
    for number in range(ROUNDS):
        car = UUID(int=100 + number)
        store.commit(SAMPLE, Commit(park=[parked(car, 8)]))
        outcomes = at_once(
            partial(store.commit, SAMPLE, Commit(unpark={car: 8})),
            partial(store.commit, SAMPLE, Commit(left_out={car: 9})),
        )
        assert sorted(outcomes) == [False, True]
        assert (car in store.parked(SAMPLE)) == (outcomes == [False, True])


# --- several at once --------------------------------------------------------------------------------------------------


def at_once(*commits: Callable[[], None]) -> list[bool]:
    """Return which of these, begun at the same time, have written."""
    start = threading.Barrier(len(commits))

    def attempt(commit: Callable[[], None]) -> bool:
        start.wait()
        try:
            commit()
        except PositionConflictError:
            return False
        return True

    with ThreadPoolExecutor(len(commits)) as threads:
        return list(threads.map(attempt, commits))


@pytest.mark.parametrize("before", [0, 4])
def test_of_several_that_fold_a_vehicle_at_once_one_writes(store: ReadModelStore, before: int) -> None:
    cars = [CAR, OTHER_CAR, THIRD_CAR]
    if before:
        store.commit(SAMPLE, Commit(versions=dict.fromkeys(cars, Moved(0, before))))

    def fold(number: int) -> Callable[[], None]:
        order = [CAR, *(cars if number % 2 else cars[::-1])]  # all have this one
        versions = dict.fromkeys(order[: 2 + number // 2], Moved(before, before + 1))
        rows = [ReadingRow(CAR, str(number))]
        return partial(store.commit, SAMPLE, Commit(None, 0, {ReadingRow: rows}, versions=versions))

    assert sorted(at_once(*map(fold, range(4)))) == [False, False, False, True]
    assert store.versions(SAMPLE, [CAR]) == {CAR: before + 1}
    assert len(list(store.rows(SAMPLE, ReadingRow))) == 1


def test_of_several_that_read_a_partition_at_once_one_writes(store: ReadModelStore) -> None:
    for before in range(ROUNDS):
        step = Commit(consumed={ONE: Moved(before, before + 1)})
        assert sorted(at_once(*[partial(store.commit, SAMPLE, step)] * 4)) == [False, False, False, True]
    assert store.consumed(SAMPLE, [ONE]) == {ONE: ROUNDS}


# --- partitions -------------------------------------------------------------------------------------------------------


def test_partitions_are_read_each_for_itself(store: ReadModelStore) -> None:
    assert store.consumed(SAMPLE, [ONE, TWO]) == {}
    assert store.consumed(SAMPLE, []) == {}
    store.commit(SAMPLE, Commit(consumed={ONE: Moved(0, 4)}))
    store.commit(SAMPLE, Commit(consumed={TWO: Moved(0, 1), ONE: Moved(4, 5)}))
    assert store.consumed(SAMPLE, [ONE, TWO, THREE]) == {ONE: 5, TWO: 1}
    assert store.consumed(SAMPLE, [TWO]) == {TWO: 1}
    assert store.position(SAMPLE) == 0


def test_projections_read_partitions_each_for_itself(store: ReadModelStore) -> None:
    second = projection(2)
    store.prepare(second)
    store.commit(SAMPLE, Commit(consumed={ONE: Moved(0, 4)}))
    store.complete(SAMPLE, {ONE: 40}, {ONE: 4}, [ONE])
    assert (store.consumed(second, [ONE]), store.position(second)) == ({}, 0)
    store.commit(second, Commit(consumed={ONE: Moved(0, 3)}))
    store.complete(second, {ONE: 30}, {ONE: 3}, [ONE])
    assert (store.consumed(SAMPLE, [ONE]), store.position(SAMPLE)) == ({ONE: 4}, 40)
    assert (store.consumed(second, [ONE]), store.position(second)) == ({ONE: 3}, 30)


def test_the_position_follows_the_lowest_partition_when_all_are_known(store: ReadModelStore) -> None:
    every = [ONE, TWO, THREE]
    positions = []
    for told in ({ONE: 40}, {TWO: 25}, {ONE: 41, TWO: 31}, {THREE: 60}, {TWO: 50}, {ONE: 70, TWO: 70}, {THREE: 71}):
        store.complete(SAMPLE, told, {}, every)
        positions.append(store.position(SAMPLE))
    assert positions == [0, 0, 0, 31, 41, 60, 70]


def test_no_position_goes_back(store: ReadModelStore) -> None:
    store.complete(SAMPLE, {ONE: 40, TWO: 50}, {}, [ONE, TWO])
    store.complete(SAMPLE, {ONE: 30, TWO: 45}, {}, [ONE, TWO])
    assert store.position(SAMPLE) == 40
    store.complete(SAMPLE, {ONE: 60}, {}, [ONE, TWO])
    assert store.position(SAMPLE) == 50  # of the second, which did not go back to 45
    store.commit(SAMPLE, Commit(50, 90))
    store.complete(SAMPLE, {ONE: 70, TWO: 80}, {}, [ONE, TWO])
    assert store.position(SAMPLE) == 90  # somebody who follows the log has come further


def test_nothing_told_is_nothing_moved(store: ReadModelStore) -> None:
    store.complete(SAMPLE, {}, {}, [])
    store.complete(SAMPLE, {}, {}, [ONE])
    assert store.position(SAMPLE) == 0
    store.complete(SAMPLE, {ONE: 40}, {}, [ONE])
    store.complete(SAMPLE, {}, {}, [ONE])
    assert store.position(SAMPLE) == 40


def test_the_last_of_several_that_tell_at_once_sees_all(store: ReadModelStore) -> None:
    every = [f"events {number}" for number in range(4)]
    for position in range(1, ROUNDS):
        at_once(*(partial(store.complete, SAMPLE, {each: position}, {}, every) for each in every))
        assert store.position(SAMPLE) == position


def test_a_partition_of_which_only_is_known_that_it_is_complete_is_new(store: ReadModelStore) -> None:
    store.complete(SAMPLE, {ONE: 40}, {}, [ONE])
    assert store.consumed(SAMPLE, [ONE]) == {}
    with pytest.raises(PositionConflictError, match=f"{ONE} is not at 1 any more"):
        store.commit(SAMPLE, Commit(consumed={ONE: Moved(1, 2)}))
    store.commit(SAMPLE, Commit(consumed={ONE: Moved(0, 7)}))
    assert store.consumed(SAMPLE, [ONE]) == {ONE: 7}
    store.complete(SAMPLE, {ONE: 50}, {ONE: 7}, [ONE])
    assert (store.consumed(SAMPLE, [ONE]), store.position(SAMPLE)) == ({ONE: 7}, 50)
    with pytest.raises(PositionConflictError, match=f"{ONE} is not at 0 any more"):
        store.commit(SAMPLE, Commit(consumed={ONE: Moved(0, 8)}))


@pytest.mark.parametrize(
    "believed",
    [{ONE: 4}, {ONE: 4, TWO: 2}, {ONE: 4, TWO: 3, THREE: 1}],
    ids=["nothing was read of what was", "less", "a partition of which there is nothing"],
)
def test_a_partition_that_is_not_where_it_is_believed_to_be_is_not_complete(
    store: ReadModelStore, believed: Mapping[str, int]
) -> None:
    """Who idled while the database crashed does not know what it has lost."""
    every = [ONE, TWO, THREE]
    store.commit(SAMPLE, Commit(consumed={ONE: Moved(0, 4), TWO: Moved(0, 3)}))
    with pytest.raises(PositionConflictError, match=r"is not at [0-4] any more"):
        store.complete(SAMPLE, dict.fromkeys(every, 40), believed, every)
    assert store.consumed(SAMPLE, every) == {ONE: 4, TWO: 3}
    store.complete(SAMPLE, {THREE: 60}, {}, every)
    assert store.position(SAMPLE) == 0  # nothing was noted of the others
    store.complete(SAMPLE, {ONE: 40, TWO: 50}, {ONE: 4, TWO: 3, THREE: 9}, every)
    assert (store.position(SAMPLE), store.consumed(SAMPLE, every)) == (40, {ONE: 4, TWO: 3})


def test_a_vehicle_whose_row_no_table_takes_is_parked_and_the_others_go_on(store: ReadModelStore) -> None:
    def fold(each: Recorded, event: VehicleEvent, rows: Rows) -> None:
        odd = (event.originator_id, event.originator_version) == (CAR, 3)
        rows.put(ReadingRow(event.originator_id, f"{event.originator_version}", number=2**63 if odd else each.position))

    reading = replace(SAMPLE, folds={VehicleDecommissioned: fold})
    feed = ListFeed(
        recorded(
            VehicleDecommissioned(
                originator_id=car, originator_version=version, captured_at=T0, received_at=T0, reason="sold"
            )
            for version in range(1, 5)
            for car in (CAR, OTHER_CAR)
        )
    )
    running = runner(reading, feed, store)
    running.step()

    assert store.position(SAMPLE) == 8
    assert dict(store.versions(SAMPLE, [CAR, OTHER_CAR])) == {CAR: 2, OTHER_CAR: 4}
    assert [row.number for row in store.rows(SAMPLE, ReadingRow)] == [1, 3, 2, 4, 6, 8]
    ((vehicle_id, waiting),) = store.parked(SAMPLE).items()
    assert (vehicle_id, waiting.version, waiting.position, waiting.newest_version) == (CAR, 3, 5, 4)
    assert waiting.error.startswith("UnstorableError: no column has a place for it")
    again = running.retry(CAR)
    assert again
    assert (again.version, again.attempts, again.newest_version) == (3, 2, 4)
