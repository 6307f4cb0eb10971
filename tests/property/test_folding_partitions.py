"""Processes that fold the partitions of a topic, and die, and lose them to each other: each event is folded once.

Now and then the database crashes, and has lost what was written last; who was not at it then sees no error.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.read_models import MemoryReadModels
from domain import events as e
from domain.errors import PositionConflictError
from domain.events import VehicleEvent
from projections.digest import digest
from projections.folding import Folder
from projections.ports import Commit, Moved, Parked
from projections.projection import Key, Projection, R, Recorded, Rows, table
from projections.runner import Runner
from tests.support.batches import DOOR, T0, Stream, sample
from tests.support.given import Car
from tests.support.read_side import ListFeed, kept_of, put_back, recorded

VEHICLES: Final = tuple(UUID(int=number) for number in (1, 2, 3, 4))
EVENTS_MAX: Final = 16  # of a vehicle
READ_MAX: Final = 5  # records at once
SHOWN_MAX: Final = 3  # events that the log gets at once
ACTS_MAX: Final = 100
LOST_MAX: Final = 3  # writes that a crash of the database takes away
DEPTH_MAX: Final = 2  # of processes that come between what another reads and what it writes
ROUNDS_MAX: Final = 20  # in which everything must come to rest once nothing goes wrong any more
SELDOM, REBALANCED, OFTEN, EVENLY = 40, 6, 3, 2  # once in so many times


class Crash(Exception):  # noqa: N818  # what happens, not a mistake
    """The process is gone, or its connection."""


class PoisonError(Exception):
    """A release cannot fold an event."""


# --- what is folded ---------------------------------------------------------------------------------------------------


@table("tallies", key=("vehicle_id",))
class TallyRow(NamedTuple):
    """Says what was folded, and in which order: an event that is folded twice, or too late, shows for ever."""

    vehicle_id: UUID
    folded: int
    chain: int


@table("marks", key=("vehicle_id", "event_version"))
class MarkRow(NamedTuple):
    """One event. It is not foreseen, so it is loaded while the event is folded."""

    vehicle_id: UUID
    event_version: int
    times: int


def tally(each: Recorded, event: VehicleEvent, rows: Rows) -> None:
    """Fold an event."""
    vehicle_id, version = event.originator_id, event.originator_version
    known = rows.get(TallyRow) or TallyRow(vehicle_id, 0, 0)
    rows.put(TallyRow(vehicle_id, known.folded + 1, crc32(f"{known.chain} {version} {each.position}".encode())))
    mark = rows.get(MarkRow, version) or MarkRow(vehicle_id, version, 0)
    rows.put(mark._replace(times=mark.times + 1))


TALLIES: Final = Projection(
    "tallies", 1, (TallyRow, MarkRow), dict.fromkeys(e.EVENT_TYPES, tally), lambda _: [(TallyRow, ())]
)


def a_history() -> list[VehicleEvent]:
    car, stream = Car(), Stream()
    car.observe(*(stream.batch(sample(DOOR, n, value=n % 2 == 0)) for n in range(EVENTS_MAX - 1)))
    return car.events


HISTORY: Final = a_history()


class InPartition(NamedTuple):
    """A record, and from which position of the log on it is there."""

    since: int
    recorded: Recorded


def a_log(rng: Random, counts: Sequence[int]) -> list[Recorded]:
    """Return so many events of each vehicle, mixed."""
    queues = [
        iter([replace(event, originator_id=vehicle_id) for event in HISTORY[:count]])
        for vehicle_id, count in zip(VEHICLES, counts, strict=False)
    ]
    order = [number for number, count in enumerate(counts) for _ in range(count)]
    rng.shuffle(order)
    return recorded([next(queues[number]) for number in order])


def a_topic(rng: Random, events: Sequence[Recorded], count: int) -> dict[str, list[InPartition]]:
    """Return partitions: some records are missing, but the last of a vehicle, and some come again."""
    last = {each.event.originator_id: each.position for each in events}
    missing, again = rng.choice((0, 0.2)), rng.choice((0, 0.1))  # shares
    partitions: dict[str, list[InPartition]] = {f"events {number}": [] for number in range(count)}
    for each in events:
        partition = partitions[f"events {each.event.originator_id.int % count}"]
        if each.position == last[each.event.originator_id] or rng.random() >= missing:
            partition.append(InPartition(each.position, each))
        if partition and rng.random() < again:
            first = rng.randrange(len(partition))
            partition += [InPartition(each.position, known.recorded) for known in partition[first:]]
    return partitions


# --- who folds --------------------------------------------------------------------------------------------------------


@dataclass
class Rig:
    """A log that grows, the partitions of its topic, the read models, and who works on them."""

    rng: Random  # what happens: drawn one by one, it would be too much for Hypothesis
    events: list[Recorded]
    partitions: dict[str, list[InPartition]]
    poison: set[tuple[UUID, int]]
    store: MemoryReadModels = field(default_factory=MemoryReadModels)
    visible: int = 0  # events of the log that are there
    calm: bool = False  # nothing goes wrong any more
    owners: dict[str, "Worker"] = field(default_factory=dict)
    actors: list["Actor"] = field(default_factory=list)
    busy: list["Actor"] = field(default_factory=list)
    kept: list[Mapping[str, dict[Any, Any]]] = field(default_factory=list)  # what the store held before its last writes

    def happens(self, once_in: int) -> bool:
        """Draw whether something happens."""
        return not self.calm and self.rng.randrange(once_in) == 0

    def elsewhere(self) -> None:
        """Let another process do something, now and then; or let this one die."""
        free = [each for each in self.actors if each not in self.busy]
        if free and len(self.busy) <= DEPTH_MAX and self.happens(OFTEN):
            self.act(self.rng.choice(free))
        if self.happens(SELDOM):
            raise Crash

    def keep(self) -> None:
        """Remember what is in the store now."""
        self.kept = [*self.kept[-LOST_MAX:], kept_of(self.store)]

    def lose(self) -> None:
        """Let the database crash while nobody is at it: it has lost what was written last."""
        del self.kept[self.rng.randint(1, len(self.kept)) :]
        put_back(self.store, self.kept[-1])

    def act(self, actor: "Actor") -> None:
        self.busy.append(actor)
        try:
            actor.step()
        except (PositionConflictError, Crash) as error:
            actor.failed(error)
        finally:
            self.busy.pop()

    def release(self) -> Projection:
        """Return what a process runs: a release for which there is poison, or one that can fold everything."""
        if not self.happens(EVENLY):
            return TALLIES

        def fold(each: Recorded, event: VehicleEvent, rows: Rows) -> None:
            tally(each, event, rows)
            if not self.calm and (event.originator_id, event.originator_version) in self.poison:
                if event.originator_version % 2:
                    raise PoisonError
                rows.put(MarkRow(event.originator_id, event.originator_version, times=2**63))  # no table takes it

        return replace(TALLIES, folds=dict.fromkeys(e.EVENT_TYPES, fold))

    # the log

    def read(self, after_position: int, limit: int) -> Sequence[Recorded]:
        return self.events[: self.visible][after_position : after_position + limit]

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        self.elsewhere()
        return ListFeed(self.events[: self.visible]).history(vehicle_id, after_version, until_version)

    def last_position(self) -> int:
        return self.visible


class Connection(MemoryReadModels):
    """A connection to the rows that all share, on which anything may come between; looks at what is written."""

    def __init__(self, rig: Rig) -> None:
        self.__dict__.update(rig.store.__dict__)
        self._rig = rig

    def position(self, projection: Projection) -> int:
        found = super().position(projection)
        self._rig.elsewhere()
        return found

    def versions(self, projection: Projection, vehicle_ids: Collection[UUID]) -> Mapping[UUID, int]:
        found = super().versions(projection, vehicle_ids)
        self._rig.elsewhere()
        return found

    def parked(self, projection: Projection) -> Mapping[UUID, Parked]:
        found = super().parked(projection)
        self._rig.elsewhere()
        return found

    def load(self, projection: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        found = super().load(projection, row_type, keys)
        self._rig.elsewhere()
        return found

    def commit(self, projection: Projection, commit: Commit) -> None:
        rig = self._rig
        rig.elsewhere()
        before, out = super().consumed(projection, commit.consumed), super().parked(projection)
        self._forward(lambda: MemoryReadModels.commit(self, projection, commit))
        for source, moved in commit.consumed.items():
            assert moved.before == before.get(source, 0), "who has lost a partition writes nothing"
        if commit.consumed and not any(isinstance(actor, Tail) for actor in rig.actors):
            assert commit.versions.keys().isdisjoint(out), "who shares partitions alone sees all that is parked"
        versions, waiting = super().versions(projection, VEHICLES), super().parked(projection)
        for parked in commit.park:
            assert (parked.vehicle_id, parked.version) in rig.poison, "nobody healthy is parked"
            assert parked.version == versions.get(parked.vehicle_id, 0) + 1, "what is parked has failed"
        for source, count in super().consumed(projection, rig.partitions).items():
            for each in rig.partitions[source][:count]:
                event = each.recorded.event
                known = versions.get(event.originator_id, 0)
                if event.originator_id in waiting:
                    known = max(known, waiting[event.originator_id].newest_version)
                assert event.originator_version <= known, "what was read is folded, or known to be left out"
        if rig.happens(SELDOM):
            raise Crash

    def complete(
        self,
        projection: Projection,
        positions: Mapping[str, int],
        consumed: Mapping[str, int],
        sources: Collection[str],
    ) -> None:
        self._rig.elsewhere()
        self._forward(lambda: MemoryReadModels.complete(self, projection, positions, consumed, sources))

    def _forward(self, write: Callable[[], None]) -> None:
        position = super().position(TALLIES)
        write()
        assert super().position(TALLIES) >= position, "no position goes back"
        self._rig.keep()


class Actor(ABC):
    """A process that does one step at a time."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.store = Connection(rig)

    @abstractmethod
    def step(self) -> None:
        """Do the next thing."""

    @abstractmethod
    def failed(self, error: Exception) -> None:
        """Go on after a step that failed."""


class Worker(Actor):
    """Folds the partitions that it owns, or believes to own."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        self._offsets: dict[str, int] = {}
        self._gained: set[str] = set()
        self._folder: Folder | None = None

    def own(self, source: str) -> None:
        """Get a partition; who had it before does not know yet."""
        self.rig.owners[source] = self
        self._gained.add(source)

    def failed(self, error: Exception) -> None:
        mine = {source for source, owner in self.rig.owners.items() if owner is self}
        self._offsets, self._gained = {}, mine
        if isinstance(error, Crash) and self.rig.happens(EVENLY):
            self._folder = None  # another process takes its place

    def step(self) -> None:
        rig = self.rig
        if self._gained:
            consumed = self.store.consumed(TALLIES, self._gained)
            rig.elsewhere()
            if self._folder:
                self._folder.begin()  # after that: whoever parks a vehicle in between moves the partition too
            self._offsets.update({source: consumed.get(source, 0) for source in sorted(self._gained)})
            self._gained = set()
        self._folder = self._folder or Folder(rig.release(), rig, self.store, lambda: T0)
        batch: list[Recorded] = []
        commit = Commit()
        complete: dict[str, int] = {}
        for source, offset in self._offsets.items():
            there = [each for each in rig.partitions[source] if each.since <= rig.visible]
            some = there[offset : offset + (len(there) if rig.calm else rig.rng.randint(0, READ_MAX))]
            if some:
                batch += [each.recorded for each in some]
                commit.consumed[source] = Moved(offset, offset + len(some))
            if offset + len(some) == len(there):
                complete[source] = rig.visible
            elif some:
                complete[source] = some[-1].since - 1
        if batch:
            self._folder.see_parked()
            self._folder.take(batch, commit)
            self._offsets.update({source: moved.after for source, moved in commit.consumed.items()})
        self.store.complete(TALLIES, complete, self._offsets, rig.partitions)


class Tail(Actor):
    """Follows the log itself."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        self._runner: Runner | None = None

    def failed(self, error: Exception) -> None:
        if isinstance(error, PositionConflictError) or self.rig.happens(EVENLY):
            self._runner = None

    def step(self) -> None:
        rig = self.rig
        self._runner = self._runner or Runner(rig.release(), rig, self.store, lambda: T0)
        self._runner.step(len(rig.events) if rig.calm else rig.rng.randint(1, READ_MAX))


class Retrier(Actor):
    """Takes parked vehicles up again: a command that is run now and then."""

    def failed(self, error: Exception) -> None:
        pass

    def step(self) -> None:
        for vehicle_id in sorted(self.store.parked(TALLIES)):
            Runner(self.rig.release(), self.rig, self.store, lambda: T0).retry(vehicle_id)


def happen(rig: Rig, acts: int) -> None:
    """Let things happen, until nothing goes wrong any more."""
    rig.keep()
    rng, sources = rig.rng, sorted(rig.partitions)
    workers = [actor for actor in rig.actors if isinstance(actor, Worker)]
    for source in sources:
        rng.choice(workers).own(source)
    for _ in range(acts):
        rig.visible = min(len(rig.events), rig.visible + rng.randint(0, SHOWN_MAX))
        if rig.happens(REBALANCED):
            rng.choice(workers).own(rng.choice(sources))
        rig.act(rng.choice(rig.actors))
        if rig.happens(SELDOM):
            rig.lose()


def rest(rig: Rig) -> None:
    """Let everybody go on until there is nothing left to do; then the database crashes once more."""
    crashed = False
    rig.calm, rig.visible = True, len(rig.events)
    ends = {source: len(records) for source, records in rig.partitions.items() if records}
    for _ in range(ROUNDS_MAX):
        for actor in rig.actors:
            rig.act(actor)
        if (
            rig.store.consumed(TALLIES, ends) == ends
            and rig.store.position(TALLIES) == len(rig.events)
            and not rig.store.parked(TALLIES)
        ):
            if crashed:
                return
            crashed = True
            rig.lose()
    raise AssertionError("nothing goes wrong any more, but all is not at rest")


@settings(max_examples=500, deadline=None)
@given(
    rng=st.randoms(use_true_random=True),
    counts=st.lists(st.integers(1, EVENTS_MAX), min_size=1, max_size=len(VEHICLES)),
    partitions=st.integers(1, 3),
    workers=st.integers(1, 3),
    tails=st.integers(0, 2),
    poison=st.sampled_from([0, 0.1, 0.3]),
    acts=st.integers(0, 10).map(lambda tenths: tenths * ACTS_MAX // 10),
)
def test_whoever_folds_a_topic_and_whatever_happens_each_event_is_folded_once(
    rng: Random, counts: list[int], partitions: int, workers: int, tails: int, poison: float, acts: int
) -> None:
    events = a_log(rng, counts)
    names = [(each.event.originator_id, each.event.originator_version) for each in events]
    rig = Rig(rng, events, a_topic(rng, events, partitions), {name for name in names if rng.random() < poison})
    rig.actors += [*(Worker(rig) for _ in range(workers)), Retrier(rig), *(Tail(rig) for _ in range(tails))]
    happen(rig, acts)
    rest(rig)

    plain: Any = MemoryReadModels()
    Runner(TALLIES, ListFeed(events), plain, lambda: T0).run_until(len(events))
    assert {row.times for row in rig.store.rows(TALLIES, MarkRow)} == {1}
    assert list(rig.store.rows(TALLIES, TallyRow)) == list(plain.rows(TALLIES, TallyRow))
    assert digest(rig.store, TALLIES) == digest(plain, TALLIES)
    assert rig.store.versions(TALLIES, VEHICLES) == plain.versions(TALLIES, VEHICLES)
