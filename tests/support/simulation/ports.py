"""The ports of the real parts, over a log and a store that are shared, with faults in between.

Each worker and each runner has a connection of its own; what fails on it leaves the others alone.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from adapters.event_log import StoredRecord, VehiclePage
from adapters.vehicle_log import RecordLog
from domain.errors import StoreError
from domain.fleet import ConsumedChange, DirectoryEntry, ProgressChange
from domain.streams import StreamProgress
from projections.ports import Commit, Feed, Parked, ReadModelStore
from projections.projection import Key, Projection, R, Recorded
from tests.support.simulation.faults import Chance

UNHEARD_OF = "vehicle.not_heard_of_yet.v1"  # the topic of an event that an old release does not know


class Outage(StoreError):  # noqa: N818  # what happens, not a mistake
    """A connection broke: whether the last write was done is not known."""


class Others(Protocol):
    """What else goes on."""

    def overtake(self) -> None:
        """Let another worker or runner make a step, now and then."""


class FaultyLog:
    """Implements `adapters.vehicle_log.RecordLog`; `appended` is told of every write that is done.

    It is given the version of each vehicle that the reader of this connection knew before, by vehicle.
    """

    def __init__(
        self,
        log: RecordLog,
        chance: Chance,
        others: Others,
        appended: Callable[[Sequence[StoredEvent], Sequence[ProgressChange], Mapping[UUID, int]], None] | None = None,
    ) -> None:
        self._log = log
        self._chance = chance
        self._others = others
        self._appended = appended
        self._known: dict[UUID, int] = {}

    def append(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> Sequence[int]:
        self._others.overtake()
        if self._chance.of("append_fails"):
            raise Outage("the log cannot be reached")
        positions = self._log.append(events, progress, directory, consumed)
        if self._appended:
            self._appended(events, progress, dict(self._known))
        self._known.update({event.originator_id: event.originator_version for event in events})  # type: ignore[misc]  # ids are UUIDs here
        if self._chance.of("append_unknown"):
            raise Outage("the log was lost while it wrote")
        return positions

    def events_of(self, originator_id: UUID, after_version: int, limit: int) -> Sequence[StoredRecord]:
        self._read()
        found = self._log.events_of(originator_id, after_version, limit)
        self._known[originator_id] = found[-1].version if found else after_version
        self._others.overtake()
        return self._as_understood(found)

    def events_of_all(
        self, vehicle_ids: Collection[UUID], place: tuple[UUID, int], limit: int
    ) -> Sequence[StoredRecord]:
        self._read()
        found = self._log.events_of_all(vehicle_ids, place, limit)
        self._known.update({each.originator_id: each.version for each in found})
        self._others.overtake()
        return self._as_understood(found)

    def progress_of_all(self, vehicle_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, StreamProgress]]:
        self._read()
        found = self._log.progress_of_all(vehicle_ids)
        self._others.overtake()
        return found

    def read(self, after_position: int, limit: int) -> Sequence[StoredRecord]:
        return self._as_understood(self._log.read(after_position, limit))

    def places(self, positions: Collection[int]) -> Mapping[int, tuple[UUID, int]]:
        self._read()
        return self._log.places(positions)

    def behind(self, versions: Mapping[UUID, int], position: int) -> set[UUID]:
        self._read()
        return self._log.behind(versions, position)

    def by_vehicle(
        self,
        place: tuple[UUID, int],
        last_id: UUID,
        between: tuple[int, int],
        limit: int,
        passed: Collection[tuple[str, bytes]] = (),
    ) -> VehiclePage:
        self._read()
        page = self._log.by_vehicle(place, last_id, between, limit, passed)
        return page._replace(records=list(self._as_understood(page.records)))

    def last_position(self) -> int:
        return self._log.last_position()

    def _read(self) -> None:
        if self._chance.of("log_read_fails"):
            raise Outage("the log cannot be read")

    def _as_understood(self, records: Sequence[StoredRecord]) -> Sequence[StoredRecord]:
        if records and self._chance.of("unreadable"):
            place = self._chance.rng.randrange(len(records))
            return [*records[:place], records[place]._replace(topic=UNHEARD_OF), *records[place + 1 :]]
        return records


class FaultyFeed:
    """Implements `projections.ports.Feed`."""

    def __init__(self, feed: Feed, chance: Chance, others: Others) -> None:
        self._feed = feed
        self._chance = chance
        self._others = others

    def read(self, after_position: int, limit: int) -> Sequence[Recorded]:
        chance, rng = self._chance, self._chance.rng
        if chance.of("feed_fails"):
            raise Outage("the feed cannot be reached")
        page = list(self._feed.read(after_position, limit))
        self._others.overtake()
        if page and chance.of("page_cut"):
            page = page[: rng.randrange(len(page))]
        if page and chance.of("event_missing"):  # but the last: what is after that comes with the next page
            gone = set(rng.sample(range(len(page)), rng.randint(1, len(page))))
            page = [each for place, each in enumerate(page) if place not in gone or place == len(page) - 1]
        if page and chance.of("page_again"):
            first = rng.randint(0, after_position)
            page = [*self._feed.read(first, after_position - first), *page]
            page = sorted(page * 2, key=lambda each: each.position) if rng.random() < 0.5 else page
        return page

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        if self._chance.of("feed_fails"):
            raise Outage("the feed cannot be reached")
        self._chance.happened["history fetched"] += 1
        found = self._feed.history(vehicle_id, after_version, until_version)
        self._others.overtake()
        return found

    def last_position(self) -> int:
        return self._feed.last_position()


@dataclass(slots=True)
class Step:
    """What a runner has done since it began a step."""

    folded: defaultdict[UUID, list[int]] = field(default_factory=lambda: defaultdict(list))  # versions, as they came


class Watch(Protocol):
    """Looks at every commit."""

    def before(self, projection: Projection, commit: Commit) -> object:
        """Return what the store holds of what is going to be written."""

    def after(self, projection: Projection, commit: Commit, before: object, step: "Step") -> None:
        """Compare that with what the store holds now, and with what the runner has done."""


class FaultyStore:
    """Implements `projections.ports.ReadModelStore`."""

    def __init__(self, store: ReadModelStore, chance: Chance, others: Others, watch: Watch) -> None:
        self._store = store
        self._chance = chance
        self._others = others
        self._watch = watch
        self.step = Step()

    def begin(self) -> None:
        """Begin a step: what was seen in the one before is old."""
        self.step = Step()

    def prepare(self, projection: Projection) -> None:
        self._read()
        self._store.prepare(projection)

    def position(self, projection: Projection) -> int:
        self._read()
        found = self._store.position(projection)
        self._others.overtake()
        return found

    def versions(self, projection: Projection, vehicle_ids: Collection[UUID]) -> Mapping[UUID, int]:
        self._read()
        found = self._store.versions(projection, vehicle_ids)
        self._others.overtake()
        return found

    def load(self, projection: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        self._read()
        found = self._store.load(projection, row_type, keys)
        self._others.overtake()
        return found

    def rows(self, projection: Projection, row_type: type[R]) -> Iterable[R]:
        return self._store.rows(projection, row_type)

    def parked(self, projection: Projection) -> Mapping[UUID, Parked]:
        self._read()
        found = self._store.parked(projection)
        self._others.overtake()
        return found

    def consumed(self, projection: Projection, sources: Collection[str]) -> Mapping[str, int]:
        return self._store.consumed(projection, sources)

    def complete(
        self,
        projection: Projection,
        positions: Mapping[str, int],
        consumed: Mapping[str, int],
        sources: Collection[str],
    ) -> None:
        self._store.complete(projection, positions, consumed, sources)

    def commit(self, projection: Projection, commit: Commit) -> None:
        self._others.overtake()
        if self._chance.of("commit_fails"):
            raise Outage("the store cannot be reached")
        before = self._watch.before(projection, commit)
        self._store.commit(projection, commit)
        self._watch.after(projection, commit, before, self.step)
        self.step.folded.clear()
        if self._chance.of("commit_unknown"):
            raise Outage("the store was lost while it wrote")

    def _read(self) -> None:
        if self._chance.of("store_fails"):
            raise Outage("the store cannot be read")
