"""Folds the events that come out of the partitions of a topic into the rows of projections, exactly once each.

Rows, the versions of their vehicles and how far each partition was read are written in one transaction, if the store
has all of them where this worker believes them to be. What the topic lacks comes from the log, which has every event.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from functools import cache, lru_cache
from typing import Final, Protocol, TypeVar, cast
from uuid import UUID

from adapters.avro.wire import UnreadableError
from adapters.clock import micros_of
from adapters.fold_counter import FoldCounter
from adapters.logged_folding import LoggedFolder
from adapters.metrics import SET_ASIDE
from adapters.projecting import advance
from adapters.received import Received
from adapters.recorded import PassedOver
from adapters.set_aside import SetAside, SetAsideSaid, SetAsideStore
from domain.errors import StoreError, UnknownEventError, VersionGoneError
from domain.events import EVENT_TYPES, VehicleEvent
from domain.signals import INTEGER_MAX
from domain.units import Micros
from domain.upcasts import topics_of
from projections.ports import Commit, Feed, Moved, ReadModelStore, overtaken
from projections.projection import Projection, Recorded

VEHICLES_REMEMBERED_MAX: Final = 1 << 16  # whose ids are parsed once
TIMES_REMEMBERED_MAX: Final = 1 << 10  # that are parsed once: events that were written together have the same

FOLLOWED_S_MAX: Final = 20.0  # of the log at a time

_T = TypeVar("_T")
_log: Final = logging.getLogger(__name__)


class PlacedFeed(Feed, Protocol):
    """The log, which also tells what it has where."""

    def places(self, positions: Collection[int]) -> Mapping[int, tuple[UUID, int]]:
        """Return vehicle and version of the events at some positions; absent: the log has not come there."""


class Codec(Protocol):
    """Knows events by their bytes."""

    def decode(self, topic: str, data: bytes, originator_id: UUID, originator_version: int) -> VehicleEvent:
        """Return the event that `data` holds. Raises `UnknownEventError`."""

    def is_of(self, topic: str, data: bytes) -> bool:
        """Whether `data` begins as the events of a topic do; what follows is not read."""


class _Projector:
    """One projection, and how far it has read each partition."""

    def __init__(self, projection: Projection, log: Feed, store: ReadModelStore, now: Callable[[], Micros]) -> None:
        self.projection = projection
        self._log = log
        self._store = store
        self._now = now
        self._folder = LoggedFolder(projection, log, store, now)
        self._counter = FoldCounter(projection)
        self._positions: dict[str, int] = {}

    def begin(self, sources: Collection[str]) -> Mapping[str, int]:
        """Begin with partitions; return where each was left. Raises VersionGoneError."""
        self._store.position(self.projection)  # of a version that is gone every partition would be new
        found = self._store.consumed(self.projection, sources)
        self._folder.begin()  # in this order: whoever is parked until then is known, whoever is later conflicts
        positions = {source: found.get(source, 0) for source in sources}
        self._positions.update(positions)
        return positions

    def leave(self, source: str) -> None:
        """Forget a partition."""
        self._positions.pop(source, None)

    def follow(self, positions: Mapping[str, int], why: str) -> None:
        """Read partitions from other positions on; fold from the log what comes before these."""
        said, of = "%s takes from the log what %s", self.projection.id
        _log.info(said, of, why, extra={"projection": of})
        end = self._log.last_position()
        # A group, and whoever wants to end this process, must hear of it in the meantime: then it goes on.
        advance(self.projection, self._log, self._store, self._now, end, within_s=FOLLOWED_S_MAX)
        self._folder.begin()
        reached = self._store.position(self.projection)  # others may have come further
        if reached < end:
            raise overtaken(self.projection, f"the position is not {end} any more")
        self._take([], positions, Commit(reached, reached))

    def complete(self, positions: Mapping[str, int], sources: Collection[str]) -> None:
        """Note up to which positions of the log partitions are folded."""
        self._store.complete(self.projection, positions, self._positions, sources)

    def take(self, events: Sequence[Recorded], after: Mapping[str, int]) -> None:
        """Fold events, after which partitions are read from `after` on."""
        self._take(events, after, Commit())

    def _take(self, events: Sequence[Recorded], after: Mapping[str, int], commit: Commit) -> None:
        commit.consumed = {source: Moved(self._positions[source], position) for source, position in after.items()}
        self._folder.take(events, commit)
        self._counter.tell(self._folder.counts)
        self._positions.update(after)


class ProjectWorker:
    """Implements `adapters.received.PartitionWorker` for projections, all of which read the same records.

    To read and decode a record costs as much as folding it, so that this is done once for all. Each projection is
    written by itself, and has a thread: one folds while the database writes another. What is discarded is left out from
    then on. `exchange` gives the bytes of a record ids of ours. `noted` tells up to which position of the log relays
    have noted that a partition is published, 0 where they have not. `now` gives the time of parking and setting aside.
    """

    def __init__(
        self,
        projections: Sequence[Projection],
        log: PlacedFeed,
        store: ReadModelStore,
        codec: Codec,
        set_aside: SetAsideStore,
        now: Callable[[], Micros],
        exchange: Callable[[bytes], bytes] = bytes,
        noted: Callable[[str], int] = lambda _: 0,
    ) -> None:
        self._projectors = [_Projector(each, log, store, now) for each in projections]
        self._threads = ThreadPoolExecutor(len(projections), "project")
        self._log = log
        self._codec = codec
        self._set_aside = set_aside
        self._said = SetAsideSaid(_log)
        self._now = now
        self._exchange = exchange
        self._noted = noted
        folded = {each for projection in projections for each in projection.folds}
        self._passed_over = topics_of(each for each in EVENT_TYPES if each not in folded)

    @property
    def projections(self) -> Sequence[Projection]:
        """What the records are folded into."""
        return [each.projection for each in self._projectors]

    def assign(self, sources: Collection[str]) -> Mapping[str, int]:
        """Begin with partitions; return the position that each is to be read from.

        That is where the projection is that was furthest: the others take from the log what they lack.
        """
        left = self._each(lambda each: each.begin(sources))
        furthest = {source: max((positions[source] for positions in left.values()), default=0) for source in sources}

        def follow(projector: _Projector) -> None:
            positions = left[projector.projection.id]
            behind = {source: at for source, at in furthest.items() if positions[source] < at}
            if behind:
                projector.follow(behind, "other projections have read already")

        self._each(follow)
        return furthest

    def revoke(self, sources: Collection[str]) -> None:
        """Leave partitions to others."""
        for projector in self._projectors:
            for source in sources:
                projector.leave(source)

    def restart(self, positions: Mapping[str, int]) -> None:
        """Read partitions from other positions on; what the topic does not hold any more is folded from the log."""
        self._each(lambda each: each.follow(positions, "the topic does not hold any more"))

    def take(self, records: Sequence[Received]) -> None:
        """Fold records of assigned partitions, those of each in order.

        Raises PositionConflictError where another worker has one of the partitions, or one of the vehicles, StoreError
        for an event that the log does not have yet. Some projections may be written then: `assign` begins anew.
        """
        if not self._projectors:
            return
        events: list[Recorded] = []
        refused: list[SetAside] = []
        read: list[tuple[Received, Recorded]] = []
        for record in records:
            try:
                read.append((record, self._read(record)))
            except UnreadableError as error:
                refused.append(self._refused(record, str(error)))
        places = self._log.places([each.position for _, each in read]) if read else {}
        noted = cache(self._noted)
        for record, recorded in read:
            event, position = recorded.event, recorded.position
            place = places.get(position)
            if place == (event.originator_id, event.originator_version):
                events.append(recorded)
            elif place is not None:
                refused.append(self._refused(record, f"the log has another event at position {position}"))
            elif 0 < noted(record.source) < position:  # a relay would have noted it in the same transaction
                refused.append(self._refused(record, f"neither the log nor a relay has come to position {position}"))
            else:
                raise self._ahead(position)  # what the log will have there is another event
        for aside in self._set_aside.add(refused) if refused else ():
            self._said.say(aside, self._where(Received(aside.source, aside.position, aside.key, None)))
        after = {record.source: record.position + 1 for record in records}
        writing = {each.projection.id: self._threads.submit(each.take, events, after) for each in self._projectors}
        wait(writing.values())  # also where one has failed: whoever begins anew must not meet another
        self._each(lambda each: writing[each.projection.id].result())
        SET_ASIDE.inc(len(refused))

    def published(self, positions: Mapping[str, int], sources: Collection[str]) -> None:
        """Know up to which positions of the log all events of partitions are folded.

        Raises PositionConflictError where the store does not have what was read of them, or another worker has more.
        """
        self._each(lambda each: each.complete(positions, sources))

    def _each(self, do: Callable[[_Projector], _T]) -> dict[str, _T]:
        """Return what is done with each projection, by its id; leave out those that are not there any more."""
        done: dict[str, _T] = {}
        for projector in self._projectors:
            name = projector.projection.id
            try:
                done[name] = do(projector)
            except VersionGoneError:
                self._projectors = [each for each in self._projectors if each is not projector]
                _log.info("%s was discarded, and is left out of what is folded", name, extra={"projection": name})
        return done

    def _read(self, record: Received) -> Recorded:
        """Return the event that a record holds. Raises UnreadableError for one that is none of the log's."""
        headers = {name: value for name, value in record.headers if value is not None}
        try:
            vehicle_id = _vehicle_id(record.key or b"")
            version, position = int(headers["version"]), int(headers["position"])
            recorded_at = _micros(headers["ce_time"])
            topic = headers["ce_type"].decode()
        except (KeyError, ValueError, TypeError) as error:
            what = f"{type(error).__name__}, {error}" if isinstance(error, KeyError) else type(error).__name__
            raise UnreadableError(f"key and headers are not those of an event: {what}") from error
        if not 1 <= version <= position <= INTEGER_MAX:
            raise UnreadableError(f"version {version} at position {position} is no event of a log")
        try:
            data = self._exchange(record.value or b"")
            # Half of the events of a drive change nothing in media, nor in diagnostics, which may be here alone.
            if topic in self._passed_over and self._codec.is_of(topic, data):
                return Recorded(position, recorded_at, cast("VehicleEvent", PassedOver(vehicle_id, version)))
            event = self._codec.decode(topic, data, vehicle_id, version)
        except (UnknownEventError, UnreadableError) as error:
            found = self._log.history(vehicle_id, version - 1, version)
            if not found:
                raise UnreadableError(f"no such event is in the log, and {error}") from error
            said = "%s, position %d, is taken from the log: %s"
            _log.warning(said, record.source, record.position, error, extra=self._where(record))
            return found[0]
        return Recorded(position, recorded_at, event)

    def _ahead(self, position: int) -> StoreError:
        return StoreError(
            f"the topic is ahead of the log (a restored backup?): it has position {position}, the log ends at"
            f" {self._log.last_position()}; `fleettwin republish --recreate` makes it anew"
        )

    def _refused(self, record: Received, reason: str) -> SetAside:
        return SetAside.of(record.source, record.position, reason, record.key, record.value, self._now())

    def _where(self, record: Received) -> dict[str, object]:
        return {**record.where(), "projection": ", ".join(each.id for each in self.projections)}


@lru_cache(maxsize=VEHICLES_REMEMBERED_MAX)
def _vehicle_id(key: bytes) -> UUID:
    return UUID(key.decode("ascii"))


@lru_cache(maxsize=TIMES_REMEMBERED_MAX)
def _micros(text: bytes) -> Micros:
    return micros_of(datetime.fromisoformat(text.decode()))
