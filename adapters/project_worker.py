"""Folds the events that come out of the partitions of a topic into the rows of one projection, exactly once each.

Rows, the versions of their vehicles and how far each partition was read are written in one transaction, if the store
has all of them where this worker believes them to be. What the topic lacks comes from the log, which has every event.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple, Protocol, cast
from uuid import UUID

from adapters.avro.wire import UnreadableError
from adapters.clock import micros_of
from adapters.fold_counter import FoldCounter
from adapters.logged_folding import LoggedFolder
from adapters.metrics import SET_ASIDE
from adapters.projecting import advance
from adapters.received import Received
from adapters.set_aside import SetAside, SetAsideStore
from domain.errors import StoreError, UnknownEventError
from domain.events import EVENT_TYPES, VehicleEvent
from domain.signals import INTEGER_MAX
from domain.units import Micros
from projections.ports import Commit, Feed, Moved, ReadModelStore
from projections.projection import Projection, Recorded

VEHICLES_REMEMBERED_MAX: Final = 1 << 16  # whose ids are parsed once
TIMES_REMEMBERED_MAX: Final = 1 << 10  # that are parsed once: events that were written together have the same

_log: Final = logging.getLogger(__name__)


class Codec(Protocol):
    """Knows events by their bytes."""

    def decode(self, topic: str, data: bytes, originator_id: UUID, originator_version: int) -> VehicleEvent:
        """Return the event that `data` holds. Raises `UnknownEventError`."""

    def is_of(self, topic: str, data: bytes) -> bool:
        """Whether `data` begins as the events of a topic do; what follows is not read."""


class PassedOver(NamedTuple):
    """Stands for an event of a type that the projection does not fold: only its version counts."""

    originator_id: UUID
    originator_version: int


class ProjectWorker:
    """Implements `adapters.received.PartitionWorker` for one projection.

    `exchange` gives the bytes of a record ids of ours. `now` gives the time of parking and setting aside.
    """

    def __init__(
        self,
        projection: Projection,
        log: Feed,
        store: ReadModelStore,
        codec: Codec,
        set_aside: SetAsideStore,
        now: Callable[[], Micros],
        exchange: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self.projection = projection
        self._log = log
        self._store = store
        self._codec = codec
        self._set_aside = set_aside
        self._now = now
        self._exchange = exchange
        self._folder = LoggedFolder(projection, log, store, now)
        self._counter = FoldCounter(projection)
        self._passed_over = {each.TOPIC for each in EVENT_TYPES if each not in projection.folds}
        self._positions: dict[str, int] = {}
        self._log_end = 0  # as far as is known; asked for when the topic has more

    def assign(self, sources: Collection[str]) -> Mapping[str, int]:
        """Begin with partitions; return the position that each is to be read from."""
        found = self._store.consumed(self.projection, sources)
        self._log_end = 0  # another log may have taken the place of the one that was read
        self._folder.begin()  # in this order: whoever is parked until then is known, whoever is later conflicts
        positions = {source: found.get(source, 0) for source in sources}
        self._positions.update(positions)
        return positions

    def revoke(self, sources: Collection[str]) -> None:
        """Leave partitions to others."""
        for source in sources:
            self._positions.pop(source, None)

    def restart(self, positions: Mapping[str, int]) -> None:
        """Read partitions from other positions on; what the topic does not hold any more is folded from the log."""
        said, of = "%s takes from the log what the topic does not hold any more", self.projection.id
        _log.info(said, of, extra={"projection": of})
        advance(self.projection, self._log, self._store, self._now, self._log.last_position())
        self._folder.begin()
        self._take([], positions)

    def take(self, records: Sequence[Received]) -> None:
        """Fold records of assigned partitions, those of each in order.

        Raises PositionConflictError where another worker has one of the partitions, or one of the vehicles, StoreError
        for an event that the log does not have yet.
        """
        events: list[Recorded] = []
        refused: list[SetAside] = []
        for record in records:
            try:
                events.append(self._read(record))
            except UnreadableError as error:
                refused.append(self._refused(record, str(error)))
        if refused:
            self._set_aside.add(refused)
        self._take(events, {record.source: record.position + 1 for record in records})
        SET_ASIDE.inc(len(refused))

    def published(self, positions: Mapping[str, int], sources: Collection[str]) -> None:
        """Know up to which positions of the log all events of partitions are folded."""
        self._store.complete(self.projection, positions, sources)

    def _take(self, events: Sequence[Recorded], after: Mapping[str, int]) -> None:
        consumed = {source: Moved(self._positions[source], position) for source, position in after.items()}
        self._folder.take(events, Commit(consumed=consumed))
        self._counter.tell(self._folder.counts)
        self._positions.update(after)

    def _read(self, record: Received) -> Recorded:
        """Return the event that a record holds. Raises UnreadableError for one that is none of the log's."""
        headers = {name: value for name, value in record.headers if value is not None}
        try:
            vehicle_id = _vehicle_id(record.key or b"")
            version, position = int(headers["version"]), int(headers["position"])
            recorded_at = _micros(headers["ce_time"])
            topic = headers["ce_type"].decode()
        except (KeyError, ValueError, TypeError) as error:
            raise UnreadableError(f"key and headers are not those of an event: {error!r}") from error
        if not 1 <= version <= position <= INTEGER_MAX:
            raise UnreadableError(f"version {version} at position {position} is no event of a log")
        self._check_is_there(position)
        try:
            data = self._exchange(record.value or b"")
            # Half of the events of a drive change nothing in media, nor in diagnostics.
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

    def _check_is_there(self, position: int) -> None:
        """Raise StoreError for a position that the log has not come to: what it will have there is another event."""
        if position > self._log_end:
            self._log_end = self._log.last_position()
            if position > self._log_end:
                raise StoreError(
                    f"the topic is ahead of the log (a restored backup?): it has position {position}, the log ends at"
                    f" {self._log_end}; `fleettwin republish --recreate` makes it anew"
                )

    def _refused(self, record: Received, reason: str) -> SetAside:
        _log.warning(
            "%s, position %d, is set aside: %s", record.source, record.position, reason, extra=self._where(record)
        )
        return SetAside.of(record.source, record.position, reason, record.key, record.value, self._now())

    def _where(self, record: Received) -> dict[str, object]:
        return {**record.where(), "projection": self.projection.id}


@lru_cache(maxsize=VEHICLES_REMEMBERED_MAX)
def _vehicle_id(key: bytes) -> UUID:
    return UUID(key.decode("ascii"))


@lru_cache(maxsize=TIMES_REMEMBERED_MAX)
def _micros(text: bytes) -> Micros:
    return micros_of(datetime.fromisoformat(text.decode()))
