"""The digest of rows that were folded live is the digest of rows that are rebuilt, whatever happens to who folds.

Live: batches of any size, events that come again (before their batch, within it, over and over), a process that dies
in the middle of a batch or gives way to another that has begun beside it, a store that refuses a commit, or makes it
and loses the answer; rows that were not foreseen are read while events are folded. Rebuilt: vehicle by vehicle, in
pages of another size, of a version beside. Both folds are the real ones, of all projections, and every type of event is
among what they fold.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.read_models import MemoryReadModels
from domain.errors import PositionConflictError, StoreError
from domain.events import EVENT_TYPES, VehicleEvent
from domain.units import Micros
from projections.digest import digest
from projections.folding import Folder
from projections.history import verify
from projections.ports import Commit
from projections.projection import Key, Projection, R, Recorded
from projections.runner import Runner
from tests.property.test_projections import OTHERS, logs
from tests.support.batches import T0
from tests.support.events import example_events
from tests.support.read_side import PROJECTIONS, ListFeed, recorded, runner

EXAMPLES: Final = example_events()
TIMES: Final = [Micros(T0 + later_us) for later_us in (0, 1, 1_000_000, -1_000_000)]  # few, so that events meet

TROUBLES_MAX: Final = 12  # in a row of batches; then all goes well, or it would never end
TALKATIVE: Final = OTHERS[1]  # the vehicle that tells every type of event


@st.composite
def told(draw: st.DrawFn) -> list[Recorded]:
    """Draw a log of vehicles that lived through something, and of one that told every type of event, in any order."""
    lived = draw(logs(vehicles=2))
    again = draw(st.lists(st.sampled_from(EXAMPLES), max_size=20))
    every = [
        replace(event, originator_id=TALKATIVE, originator_version=version, captured_at=draw(st.sampled_from(TIMES)))
        for version, event in enumerate(draw(st.permutations([*EXAMPLES, *again])), 1)
    ]
    mixed = draw(st.lists(st.booleans(), min_size=len(lived), max_size=len(lived)))
    events: list[VehicleEvent] = []
    rest = iter(every)
    for event, first in zip(lived, mixed, strict=True):
        events += [event] if first else [each for each in [next(rest, None), event] if each]
    return recorded([*events, *rest])


@dataclass
class Trouble(MemoryReadModels):
    """A store that does not always do what it is told, or say that it did."""

    draw: Any = None
    left: int = TROUBLES_MAX
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__()

    def load(self, projection: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        if self.strikes("unread"):
            raise StoreError("the connection is gone while rows are read")
        return super().load(projection, row_type, keys)

    def commit(self, projection: Projection, commit: Commit) -> None:
        if self.strikes("refused"):
            raise StoreError("the connection is gone before anything was written")
        super().commit(projection, commit)
        if self.strikes("lost"):
            raise StoreError("the connection is gone, and with it the word that all was written")

    def strikes(self, trouble: str) -> bool:
        if self.left and self.draw(st.integers(0, 7), label=trouble) == 0:
            self.left -= 1
            self.seen[trouble] += 1
            return True
        return False


def stuttering(data: st.DataObject, events: Sequence[Recorded]) -> ListFeed:
    """Return a feed that gives what was read before once more, and some events several times."""

    def delivered(page: Sequence[Recorded]) -> Sequence[Recorded]:
        if not page:
            return page
        before = events[data.draw(st.integers(0, page[0].position - 1), label="from") : page[0].position - 1]
        times = data.draw(st.lists(st.integers(1, 3), min_size=len(page), max_size=len(page)), label="times")
        return [*before, *(each for each, count in zip(page, times, strict=True) for _ in range(count))]

    return ListFeed(list(events), delivered)


def follow(data: st.DataObject, live: Projection, feed: ListFeed, store: Trouble) -> None:
    """Take a projection to the end of the log, through whatever comes."""
    running: Runner | None = None
    reached = 0
    beside: list[Runner] = []  # those that were left alone, and do not know it
    while store.position(live) < feed.last_position() or store.parked(live):
        try:
            if running is None or data.draw(st.integers(0, 5), label="another begins") == 0:
                beside += [] if running is None else [running]
                running = runner(live, feed, store)
            if beside and data.draw(st.integers(0, 3), label="one left alone goes on") == 0:
                running, beside = beside.pop(), [*beside, running]
            running.step(data.draw(st.integers(1, 30), label="batch"))
        except PositionConflictError:
            running = None  # as its loop does
        except StoreError:
            if data.draw(st.booleans(), label="dies"):
                running = None
        assert store.parked(live) == {}
        assert store.position(live) >= reached
        reached = store.position(live)


def foreseen(data: st.DataObject, projection: Projection) -> Projection:
    """Return a projection that knows beforehand which rows it will ask for, or does not: that is but a hint."""
    return projection if data.draw(st.booleans(), label="foresees") else replace(projection, keys=lambda _: ())


def fill(data: st.DataObject, beside: Projection, feed: ListFeed, store: MemoryReadModels) -> None:
    """Fill a version vehicle by vehicle, in pages, each by a process that knows nothing."""
    for vehicle_id in sorted({each.event.originator_id for each in feed.events}):
        events = [each for each in feed.events if each.event.originator_id == vehicle_id]
        while events:
            size = data.draw(st.integers(1, len(events)), label="page")
            Folder(beside, feed, store, lambda: T0).take(events[:size], Commit())
            events = events[size:]


@settings(max_examples=60)
@given(st.data())
def test_what_was_folded_live_is_what_is_rebuilt_whatever_happens(data: st.DataObject) -> None:
    events = data.draw(told())
    assert {type(each.event) for each in events} == set(EVENT_TYPES)
    for live in PROJECTIONS:
        store, plain, beside = Trouble(data.draw), MemoryReadModels(), replace(live, version=2)
        follow(data, foreseen(data, live), stuttering(data, events), store)
        store.left = 0
        fill(data, beside, ListFeed(events), store)
        runner(live, ListFeed(events), plain).run_until(len(events))
        assert digest(store, live) == digest(store, beside) == digest(plain, live)
        vehicles = sorted({each.event.originator_id for each in events})
        assert store.versions(live, vehicles) == store.versions(beside, vehicles)
        (proved,) = verify(live, store, ListFeed(events), iter([vehicles]))
        assert (proved.kept, proved.first) == (proved.told, None)


def test_every_trouble_comes_and_every_projection_has_rows_of_the_vehicle_that_tells_all() -> None:
    """What the property is about does happen in it: otherwise it would hold for nothing."""
    seen: Counter[str] = Counter()
    tables: set[tuple[str, str]] = set()

    @settings(max_examples=25, database=None, derandomize=True)
    @given(st.data())
    def watch(data: st.DataObject) -> None:
        events = data.draw(told())
        for live in PROJECTIONS:
            store = Trouble(data.draw)
            follow(data, foreseen(data, live), stuttering(data, events), store)
            seen.update(store.seen)
            for row_type in live.row_types:
                if any(row.vehicle_id == TALKATIVE for row in store.rows(live, row_type)):
                    tables.add((live.name, row_type.__name__))

    watch()
    assert {name for name in ("refused", "lost", "unread") if seen[name]} == {"refused", "lost", "unread"}
    assert tables == {(live.name, row_type.__name__) for live in PROJECTIONS for row_type in live.row_types}
