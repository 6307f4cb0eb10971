"""How a projection is moved along a feed."""

import gc
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.read_models import MemoryReadModels
from domain import events as e
from domain.errors import PositionConflictError, StoreError, UnstorableError
from domain.events import VehicleEvent
from domain.units import Micros
from projections.diagnostics.model import DiagnosticsSignalRow, QualityRow
from projections.diagnostics.projector import DIAGNOSTICS
from projections.folding import ERROR_LENGTH_MAX, Counts, Folder
from projections.ports import Commit, Moved, Parked
from projections.projection import Key, Projection, R, Recorded
from projections.runner import BATCH_EVENTS
from tests.support.batches import DOOR, T0, VEHICLE_ID, Stream, sample
from tests.support.given import Car
from tests.support.read_side import ListFeed, everything, recorded, runner, without_bookkeeping

OTHER_ID = UUID(int=9)


def history(count: int = 6, vehicle_id: UUID = VEHICLE_ID) -> list[VehicleEvent]:
    """Return the events of a car that opens and closes its door."""
    car, stream = Car(), Stream()
    car.observe(*(stream.batch(sample(DOOR, n, value=n % 2 == 0)) for n in range(count - 1)))
    return [replace(event, originator_id=vehicle_id) for event in car.events]


def failing(versions: Collection[int], vehicle_id: UUID = VEHICLE_ID, text: str = "spoilt") -> Projection:
    """Return a projection whose fold fails for some versions of a vehicle."""

    def fold(each: Recorded, event: VehicleEvent, rows: Any) -> None:
        if event.originator_id == vehicle_id and event.originator_version in versions:
            raise ValueError(text)
        known = DIAGNOSTICS.folds.get(type(event))
        if known:
            known(each, event, rows)

    return replace(DIAGNOSTICS, folds=dict.fromkeys(e.EVENT_TYPES, fold))


def unstorable(versions: Collection[int], vehicle_id: UUID = VEHICLE_ID) -> Projection:
    """Return a projection that makes a row which no table takes of some versions of a vehicle."""

    def fold(each: Recorded, event: VehicleEvent, rows: Any) -> None:
        known = DIAGNOSTICS.folds.get(type(event))
        if known:
            known(each, event, rows)
        if event.originator_id == vehicle_id and event.originator_version in versions:
            rows.put(QualityRow(vehicle_id, 0, 2**63, 0, 0, event.originator_version, each.position))

    return replace(DIAGNOSTICS, folds=dict.fromkeys(e.EVENT_TYPES, fold))


class WatchedStore(MemoryReadModels):
    """Keeps what was committed, and what was loaded; fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Commit] = []
        self.loads: list[int] = []
        self.fails = False

    def load(self, projection: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        if self.fails:
            raise ConnectionError("the store is gone")
        self.loads.append(len(keys))
        return super().load(projection, row_type, keys)

    def commit(self, projection: Projection, commit: Commit) -> None:
        super().commit(projection, commit)
        self.commits.append(commit)


def test_a_batch_is_one_transaction_with_the_last_row_of_each_key() -> None:
    store, feed = WatchedStore(), ListFeed(recorded(history()))
    runner(DIAGNOSTICS, feed, store).step()
    (commit,) = store.commits

    assert (commit.expected_position, commit.position) == (0, 6)
    assert [[row.event_version for row in rows] for rows in commit.upserts.values()] == [[6]]  # type: ignore[attr-defined]
    assert commit.versions == {VEHICLE_ID: Moved(0, 6)}


def test_the_rows_of_a_batch_are_loaded_at_once() -> None:
    both = [each for pair in zip(history(), history(vehicle_id=OTHER_ID), strict=True) for each in pair]
    store = WatchedStore()
    running = runner(DIAGNOSTICS, ListFeed(recorded(both)), store)
    running.step(2)
    assert store.loads == []  # of a vehicle that is new there are none
    running.step()

    assert store.loads == [2]


def test_what_a_step_has_used_is_gone_without_the_collector_of_cycles() -> None:
    moved = runner(DIAGNOSTICS, ListFeed(recorded(history())), MemoryReadModels())
    gc.collect()
    gc.disable()
    try:
        moved.step()
        found = gc.collect()
    finally:
        gc.enable()

    assert not found  # else a busy projector keeps its batches, hundreds of megabytes, and then stands still


def test_a_step_takes_a_bounded_number_of_events() -> None:
    feed = ListFeed(recorded(history()))
    running = runner(DIAGNOSTICS, feed, MemoryReadModels())

    assert [running.step(4), running.step(4), running.step(4)] == [4, 2, 0]
    assert running.position == 6


def test_a_step_without_events_writes_nothing() -> None:
    store = WatchedStore()

    assert runner(DIAGNOSTICS, ListFeed([]), store).step() == 0
    assert store.commits == []


def test_running_further_than_the_feed_goes_is_refused() -> None:
    with pytest.raises(StoreError, match="diagnostics v1: the feed ends at 6, before 7"):
        runner(DIAGNOSTICS, ListFeed(recorded(history())), MemoryReadModels()).run_until(7)


def test_of_two_runners_of_a_projection_the_one_left_behind_writes_nothing() -> None:
    store, feed = WatchedStore(), ListFeed(recorded(history()))
    zombie, other = runner(DIAGNOSTICS, feed, store), runner(DIAGNOSTICS, feed, store)
    other.step(3)
    before = everything(store)

    with pytest.raises(PositionConflictError, match="diagnostics v1: the position is not 0 any more"):
        zombie.step(1)
    assert everything(store) == before
    assert len(store.commits) == 1


def test_a_version_that_is_nowhere_parks_its_vehicle() -> None:
    store = MemoryReadModels()
    events = recorded(history())
    feed = ListFeed([each for each in events if each.event.originator_version != 3])
    runner(DIAGNOSTICS, feed, store).step()

    assert store.parked(DIAGNOSTICS) == {
        VEHICLE_ID: Parked(
            VEHICLE_ID, 4, 4, "StoreError: version 4 follows 2: those between are nowhere", 1, Micros(T0), 6
        )
    }


def test_a_version_that_the_feed_brings_too_early_is_not_lost() -> None:
    store, events = MemoryReadModels(), recorded(history())
    feed = ListFeed(events, lambda page: sorted(page, key=lambda each: each.event.originator_version % 3))
    runner(DIAGNOSTICS, feed, store).step()

    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 6}
    assert store.parked(DIAGNOSTICS) == {}


def test_only_what_is_missing_is_fetched() -> None:
    feed = ListFeed(recorded(history()), lambda page: [each for each in page if each.event.originator_version != 3])
    runner(DIAGNOSTICS, feed, MemoryReadModels()).step()

    assert feed.histories == [(VEHICLE_ID, 2, 3)]


# --- poison -----------------------------------------------------------------------------------------------------------


def test_an_error_is_kept_up_to_a_length() -> None:
    store = MemoryReadModels()
    runner(failing([2], text="x" * 9_999), ListFeed(recorded(history())), store).step()

    assert len(store.parked(DIAGNOSTICS)[VEHICLE_ID].error) == ERROR_LENGTH_MAX


def test_an_event_whose_keys_cannot_be_told_parks_its_vehicle_too() -> None:
    def keys(event: VehicleEvent) -> Any:
        if event.originator_version == 2:
            raise KeyError("odd")
        return DIAGNOSTICS.keys(event)

    store = MemoryReadModels()
    runner(replace(failing([2]), keys=keys), ListFeed(recorded(history())), store).step()

    assert store.parked(DIAGNOSTICS)[VEHICLE_ID].version == 2


def test_a_store_that_fails_parks_nobody() -> None:
    store = WatchedStore()
    running = runner(replace(DIAGNOSTICS, keys=lambda _: ()), ListFeed(recorded(history())), store)
    running.step(1)
    store.fails = True

    with pytest.raises(ConnectionError):
        running.step()
    store.fails = False
    running.step()
    assert store.parked(DIAGNOSTICS) == {}
    assert store.position(DIAGNOSTICS) == 6


def mixed(count: int = 6) -> ListFeed:
    """Return the events of two cars, in turn."""
    both = zip(history(count), history(count, OTHER_ID), strict=True)
    return ListFeed(recorded([each for pair in both for each in pair]))


def of_vehicle(store: MemoryReadModels, vehicle_id: UUID) -> list[Any]:
    return [row for row in everything(store, [DIAGNOSTICS]).values() if row.vehicle_id == vehicle_id]


@pytest.mark.parametrize("version", [1, 2, 4, 6])
def test_a_vehicle_whose_row_no_table_takes_is_parked_at_its_event_and_the_others_go_on(version: int) -> None:
    store, plain, feed = WatchedStore(), MemoryReadModels(), mixed()
    runner(DIAGNOSTICS, feed, plain).step()
    before = MemoryReadModels()
    runner(DIAGNOSTICS, ListFeed(recorded(history(version - 1))), before).step()

    assert runner(unstorable([version]), feed, store).step() == 12
    (parked,) = store.parked(DIAGNOSTICS).values()
    assert (parked.vehicle_id, parked.version, parked.newest_version) == (VEHICLE_ID, version, 6)
    assert (parked.position, parked.attempts) == (2 * version - 1, 1)
    assert parked.error.startswith(
        "UnstorableError: no column has a place for it: missing_batches is 92233720368547758"
    )
    assert (store.position(DIAGNOSTICS), of_vehicle(store, OTHER_ID)) == (12, of_vehicle(plain, OTHER_ID))
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID, OTHER_ID]) == {VEHICLE_ID: version - 1, OTHER_ID: 6}
    said = [[without_bookkeeping(row) for row in of_vehicle(each, VEHICLE_ID)] for each in (store, before)]
    assert said[0] == said[1]


def test_a_vehicle_whose_row_no_table_takes_is_taken_up_again_like_any_other() -> None:
    store, plain, feed = MemoryReadModels(), MemoryReadModels(), mixed()
    runner(DIAGNOSTICS, feed, plain).step()
    runner(unstorable([2]), feed, store).step()

    again = [runner(unstorable(odd), feed, store).retry(VEHICLE_ID) for odd in ([2], [2, 5], [5], [4, 5])]
    assert [each and (each.version, each.attempts, each.newest_version) for each in again] == [
        (2, 2, 6),
        (2, 3, 6),
        (5, 4, 6),
        (5, 5, 6),
    ]
    assert runner(DIAGNOSTICS, feed, store).retry(VEHICLE_ID) is None
    assert everything(store) == everything(plain)


def test_what_a_batch_lacks_may_be_what_no_table_takes() -> None:
    store, events = MemoryReadModels(), recorded(history())
    feed = ListFeed(events, delivered=lambda batch: [each for each in batch if each.position not in {2, 3, 4, 5}])
    runner(unstorable([4]), feed, store).step()

    (parked,) = store.parked(DIAGNOSTICS).values()
    assert (parked.version, parked.newest_version, store.position(DIAGNOSTICS)) == (4, 6, 6)
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 3}


@pytest.mark.parametrize("foreseen", [True, False])
def test_a_key_that_no_table_takes_parks_its_vehicle(foreseen: bool) -> None:
    class PickyStore(MemoryReadModels):
        def load(self, projection: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
            if any("\0" in str(part) for key in keys for part in key):
                raise UnstorableError("no column has a place for it")
            return super().load(projection, row_type, keys)

    def fold(_: Recorded, event: VehicleEvent, rows: Any) -> None:
        if event.originator_id == VEHICLE_ID and event.originator_version == 5:
            rows.get(DiagnosticsSignalRow, "a\0b")

    def keys(event: VehicleEvent) -> Sequence[tuple[type[Any], Key]]:
        odd = foreseen and event.originator_id == VEHICLE_ID and event.originator_version == 5
        return [(DiagnosticsSignalRow, ("a\0b",))] if odd else []

    store, feed = PickyStore(), mixed()
    picky = replace(DIAGNOSTICS, folds=dict.fromkeys(e.EVENT_TYPES, fold), keys=keys)
    running = runner(picky, feed, store)
    running.step(4)
    running.step()

    assert {each: parked.version for each, parked in store.parked(DIAGNOSTICS).items()} == {VEHICLE_ID: 5}
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID, OTHER_ID]) == {VEHICLE_ID: 4, OTHER_ID: 6}


def test_of_a_page_of_a_rebuild_everything_is_folded_then() -> None:
    store, plain = MemoryReadModels(), MemoryReadModels()
    feed = mixed()
    runner(DIAGNOSTICS, feed, plain).step()
    newest = [each for each in feed.events if each.event.originator_version in {1, 6}]  # what lies between is told anew
    reach = {VEHICLE_ID: (0, 6), OTHER_ID: (0, 6)}
    folder = Folder(unstorable([6]), feed, store, lambda: T0)
    folder.take(newest, Commit(), reach)

    (parked,) = store.parked(DIAGNOSTICS).values()
    assert (parked.version, parked.newest_version) == (6, 6)
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID, OTHER_ID]) == {VEHICLE_ID: 5, OTHER_ID: 6}
    assert of_vehicle(store, OTHER_ID) == of_vehicle(plain, OTHER_ID)


def test_an_error_that_no_table_takes_is_said_as_far_as_it_can_be() -> None:
    store = MemoryReadModels()
    runner(failing([2], text="a\0b \ud800"), ListFeed(recorded(history())), store).step()

    assert store.parked(DIAGNOSTICS)[VEHICLE_ID].error == "ValueError: ab ?"


def test_a_parked_vehicle_stays_parked_over_a_restart() -> None:
    store, feed = MemoryReadModels(), ListFeed(recorded(history()))
    runner(failing([2]), feed, store).step(3)
    runner(DIAGNOSTICS, feed, store).step()

    assert store.parked(DIAGNOSTICS)[VEHICLE_ID].version == 2
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 1}


def test_a_retry_counts() -> None:
    store, feed = MemoryReadModels(), ListFeed(recorded(history()))
    running = runner(failing([2]), feed, store)
    running.step()

    assert [running.retry(VEHICLE_ID), running.retry(VEHICLE_ID)] == [
        replaced
        for attempts in (2, 3)
        for replaced in [store.parked(DIAGNOSTICS)[VEHICLE_ID]._replace(attempts=attempts)]
    ]


def test_a_retry_that_comes_further_stays_where_it_fails_next() -> None:
    store, feed = MemoryReadModels(), ListFeed(recorded(history()))
    runner(failing([2, 4]), feed, store).step()
    still = runner(failing([4]), feed, store).retry(VEHICLE_ID)

    assert still
    assert (still.version, still.attempts) == (4, 2)
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 3}


def test_a_vehicle_that_is_not_parked_is_not_retried() -> None:
    store = WatchedStore()

    assert runner(DIAGNOSTICS, ListFeed(recorded(history())), store).retry(VEHICLE_ID) is None
    assert store.commits == []


def test_a_long_history_is_taken_up_again_in_batches() -> None:
    events = recorded(history(2 * BATCH_EVENTS + 5))
    store, plain = WatchedStore(), MemoryReadModels()
    running = runner(failing([1]), ListFeed(events), store)
    running.run_until(len(events))
    store.commits.clear()

    assert runner(DIAGNOSTICS, ListFeed(events), store).retry(VEHICLE_ID) is None
    assert [commit.versions[VEHICLE_ID].after for commit in store.commits] == [
        BATCH_EVENTS,
        2 * BATCH_EVENTS,
        len(events),
    ]
    assert [len(commit.unpark) for commit in store.commits] == [0, 0, 1]
    runner(DIAGNOSTICS, ListFeed(events), plain).run_until(len(events))
    assert everything(store, [DIAGNOSTICS]) == everything(plain, [DIAGNOSTICS])


def test_a_retry_does_not_run_ahead_of_the_projection() -> None:
    store, feed = MemoryReadModels(), ListFeed(recorded(history()))
    runner(failing([2]), feed, store).step(4)
    healed = runner(DIAGNOSTICS, feed, store)

    assert healed.retry(VEHICLE_ID) is None
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 4}


def test_a_retry_takes_up_what_was_left_out_when_nobody_noted_the_newest_version() -> None:
    """As of vehicles that were parked before there was such a number: their projection followed the log."""
    store, feed = MemoryReadModels(), ListFeed(recorded(history()))
    runner(failing([2]), feed, store).step(4)
    parked = store.parked(DIAGNOSTICS)[VEHICLE_ID]
    store.commit(DIAGNOSTICS, Commit(unpark={VEHICLE_ID: 4}, park=[parked._replace(newest_version=2)]))

    assert runner(DIAGNOSTICS, feed, store).retry(VEHICLE_ID) is None
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 4}


class Interrupted(MemoryReadModels):
    """Lets something happen before the commit that is chosen, once."""

    def __init__(self, before: Callable[[Commit], bool], happens: Callable[[MemoryReadModels], object]) -> None:
        super().__init__()
        self._before = before
        self._happens = happens

    def commit(self, projection: Projection, commit: Commit) -> None:
        if self._before(commit):
            self._before = lambda _: False
            self._happens(self)
        super().commit(projection, commit)


def test_a_retry_that_comes_between_does_not_lose_events() -> None:
    """A runner has read which vehicles are parked, then another process heals one, then the runner commits."""

    def heal(store: MemoryReadModels) -> None:
        assert runner(DIAGNOSTICS, feed, store).retry(VEHICLE_ID) is None

    store, feed = Interrupted(lambda commit: commit.position == 4, heal), ListFeed(recorded(history()))
    running = runner(failing([2]), feed, store)
    running.step(3)
    running._folder.projection = DIAGNOSTICS
    with pytest.raises(PositionConflictError, match="is not parked any more"):
        running.step(1)
    assert store.position(DIAGNOSTICS) == 3
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 3}  # what the other has written, and no more
    assert store.parked(DIAGNOSTICS) == {}

    runner(DIAGNOSTICS, feed, store).step()
    assert_folded_once(store, feed)


def test_a_retry_does_not_miss_what_is_left_out_meanwhile() -> None:
    """A retry has read what was left out, then the runner leaves out one more, then the retry commits."""

    def leave_out(_: MemoryReadModels) -> None:
        assert running.step(1) == 1

    feed = ListFeed(recorded(history()))
    store = Interrupted(lambda commit: bool(commit.unpark), leave_out)
    running = runner(failing([2]), feed, store)
    running.step(3)
    with pytest.raises(PositionConflictError, match="is not parked at version 3 any more"):
        runner(DIAGNOSTICS, feed, store).retry(VEHICLE_ID)
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 1}
    assert store.parked(DIAGNOSTICS)[VEHICLE_ID].newest_version == 4

    assert runner(DIAGNOSTICS, feed, store).retry(VEHICLE_ID) is None
    runner(DIAGNOSTICS, feed, store).step()
    assert_folded_once(store, feed)


@pytest.mark.parametrize("poison", [2, 1])  # with a version before it, and without one
def test_a_retry_that_fails_does_not_park_a_vehicle_that_another_has_healed(poison: int) -> None:
    def heal(store: MemoryReadModels) -> None:
        assert runner(DIAGNOSTICS, feed, store).retry(VEHICLE_ID) is None

    feed = ListFeed(recorded(history()))
    store = Interrupted(lambda commit: any(parked.attempts == 2 for parked in commit.park), heal)
    runner(failing([poison]), feed, store).step()
    with pytest.raises(PositionConflictError, match=f"is not at version {poison - 1} any more"):
        runner(failing([poison]), feed, store).retry(VEHICLE_ID)

    assert store.parked(DIAGNOSTICS) == {}
    assert_folded_once(store, feed)


def test_what_was_left_out_is_known_of_a_vehicle_that_fails_again() -> None:
    def leave_out(_: MemoryReadModels) -> None:
        assert running.step(1) == 1

    feed = ListFeed(recorded(history()))
    store = Interrupted(lambda commit: any(parked.attempts == 2 for parked in commit.park), leave_out)
    running = runner(failing([2]), feed, store)
    running.step(3)
    runner(failing([2]), feed, store).retry(VEHICLE_ID)

    parked = store.parked(DIAGNOSTICS)[VEHICLE_ID]
    assert (parked.attempts, parked.newest_version) == (2, 4)


def assert_folded_once(store: MemoryReadModels, feed: ListFeed) -> None:
    plain = MemoryReadModels()
    runner(DIAGNOSTICS, feed, plain).step()
    ids = [VEHICLE_ID, OTHER_ID]
    assert store.versions(DIAGNOSTICS, ids) == plain.versions(DIAGNOSTICS, ids)
    assert everything(store, [DIAGNOSTICS]) == everything(plain, [DIAGNOSTICS])


def a_car_with_gaps() -> Car:
    """Return a car of which every event makes a row: what is folded twice shows."""
    gaps, stream = Car(), Stream()
    gaps.observe(*(replace(stream.batch(sample(DOOR, n, value=n % 2 == 0)), sequence=2 * n + 2) for n in range(6)))
    return gaps


def test_of_two_retries_of_one_vehicle_one_writes() -> None:
    def heal(store: MemoryReadModels) -> None:
        assert runner(DIAGNOSTICS, feed, store).retry(VEHICLE_ID) is None

    feed = ListFeed(recorded(a_car_with_gaps().events))
    store = Interrupted(lambda commit: bool(commit.unpark), heal)
    runner(failing([2]), feed, store).step()
    with pytest.raises(PositionConflictError, match="is not at version 1 any more"):
        runner(DIAGNOSTICS, feed, store).retry(VEHICLE_ID)

    assert_folded_once(store, feed)


def test_of_two_retries_the_one_that_reads_the_history_late_writes_nothing() -> None:
    class InterruptedFeed(ListFeed):
        def history(self, *wanted: Any) -> Sequence[Recorded]:
            assert runner(DIAGNOSTICS, feed, store).retry(VEHICLE_ID) is None
            return super().history(*wanted)

    store, feed = WatchedStore(), ListFeed(recorded(a_car_with_gaps().events))
    runner(failing([2]), feed, store).step()
    with pytest.raises(PositionConflictError, match="is not parked at version 13 any more"):
        runner(DIAGNOSTICS, InterruptedFeed(feed.events), store).retry(VEHICLE_ID)

    assert len(store.commits) == 2
    assert_folded_once(store, feed)


def test_a_runner_that_is_behind_retries_and_still_folds_nothing_twice() -> None:
    events = [replace(event, originator_id=OTHER_ID) for event in a_car_with_gaps().events]
    store, feed = MemoryReadModels(), ListFeed(recorded([*history(3), *events]))
    behind = runner(failing([2]), feed, store)
    behind.step(5)
    runner(failing([2]), feed, store).step(4)
    still = behind.retry(VEHICLE_ID)
    assert still
    assert still.attempts == 2
    with pytest.raises(PositionConflictError, match="the position is not 5 any more"):
        behind.step()

    runner(failing([2]), feed, store).step()
    plain = MemoryReadModels()
    runner(failing([2]), feed, plain).step()
    assert store.position(DIAGNOSTICS) == len(feed.events)
    assert everything(store, [DIAGNOSTICS]) == everything(plain, [DIAGNOSTICS])


def test_a_retry_that_is_broken_off_leaves_its_vehicle_parked() -> None:
    store, feed = WatchedStore(), ListFeed(recorded(history()))
    running = runner(failing([2]), feed, store)
    running.step(3)
    store.fails = True
    with pytest.raises(ConnectionError):
        running.retry(VEHICLE_ID)
    store.fails = False
    running._folder.projection = DIAGNOSTICS
    running.step()

    assert store.parked(DIAGNOSTICS).keys() == {VEHICLE_ID}
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 1}
    assert running.retry(VEHICLE_ID) is None
    assert store.versions(DIAGNOSTICS, [VEHICLE_ID]) == {VEHICLE_ID: 6}


# --- counts -----------------------------------------------------------------------------------------------------------


def test_what_was_done_is_counted() -> None:
    events = recorded(history())
    missing = ListFeed(events, lambda page: [*page[:1], *page] if len(page) == 6 else page)
    counted = runner(DIAGNOSTICS, missing, MemoryReadModels())
    counted.step()
    assert counted.counts == Counts(folded=6, duplicates=1)

    holed = runner(DIAGNOSTICS, ListFeed(events, lambda page: [page[0], page[4], page[5]]), MemoryReadModels())
    holed.step()
    assert holed.counts == Counts(folded=6, filled=3)


def test_what_is_left_out_is_counted_and_what_fails_is_not_folded() -> None:
    store, feed = MemoryReadModels(), ListFeed(recorded(history()), lambda page: page[3:4] if len(page) == 4 else page)
    running = runner(failing([3]), feed, store)
    running.step(4)
    assert running.counts == Counts(folded=2, filled=2)
    running.step(2)
    assert running.counts == Counts(folded=2, filled=2, left_out=2)
    running._folder.projection = DIAGNOSTICS
    running.retry(VEHICLE_ID)
    assert running.counts == Counts(folded=6, filled=2, left_out=2)
