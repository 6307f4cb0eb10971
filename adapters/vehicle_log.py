"""The log of vehicles: domain events on top of a log of bytes, for the write side and as a feed for the read side."""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from adapters.avro.codec import AvroCodec
from adapters.avro.mapper import AvroMapper
from adapters.event_log import StoredRecord, VehiclePage
from adapters.recorded import recorded
from domain.errors import UnknownEventError, UnreadableHistoryError, UnstorableError
from domain.events import VehicleEvent
from domain.fleet import ConsumedChange, DirectoryEntry, ProgressChange
from domain.streams import StreamProgress
from domain.upcasts import topics_of
from projections.ports import RowBlock
from projections.projection import Projection, Recorded

HISTORY_PAGE: Final = 5_000  # events of one vehicle, or of several, read at a time
EVENT_BYTES_MAX: Final = 1_000_000  # that a broker takes unasked (1,048,576), with a record's key, headers and frame
_BEGIN: Final = (UUID(int=0), 0)  # before every vehicle and version
_VEHICLE: Final = attrgetter("originator_id")


class RecordLog(Protocol):
    """A log of bytes, as the PostgreSQL and the memory event store are."""

    def append(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> Sequence[int]:
        """Write all of it in one transaction, or nothing; return the positions of the events."""

    def events_of(self, originator_id: UUID, after_version: int, limit: int) -> Sequence[StoredRecord]:
        """Return up to `limit` events of one vehicle after a version."""

    def events_of_all(
        self, vehicle_ids: Collection[UUID], place: tuple[UUID, int], limit: int
    ) -> Sequence[StoredRecord]:
        """Return up to `limit` events of some vehicles in order of vehicle and version, after one's version."""

    def progress_of_all(self, vehicle_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, StreamProgress]]:
        """Return how far each stream of vehicles has been taken; absent: a vehicle of which none has."""

    def read(self, after_position: int, limit: int) -> Sequence[StoredRecord]:
        """Return up to `limit` events after a position."""

    def places(self, positions: Collection[int]) -> Mapping[int, tuple[UUID, int]]:
        """Return vehicle and version of the events at some positions; absent: the log has not come there."""

    def behind(self, versions: Mapping[UUID, int], position: int) -> set[UUID]:
        """Return the vehicles that have an event after a version, up to a position."""

    def by_vehicle(
        self,
        place: tuple[UUID, int],
        last_id: UUID,
        between: tuple[int, int],
        limit: int,
        passed: Collection[tuple[str, bytes]] = (),
    ) -> VehiclePage:
        """Return up to `limit` events in order of vehicle and version.

        They come after a vehicle's version, are of vehicles up to `last_id`, and their positions above the first and
        up to the second of `between`. Those of a topic whose bytes begin as `passed` says are only counted.
        """

    def last_position(self) -> int:
        """Return the position of the newest event."""


class VehicleLog:
    """Implements `domain.fleet.EventLog` and `projections.ports.Feed`.

    What cannot be decoded is an `UnreadableEvent` in the feed: it stops its vehicle, not the feed.
    """

    def __init__(self, records: RecordLog, codec: AvroCodec) -> None:
        self._records = records
        self._codec = codec
        self._mapper = AvroMapper(codec)

    def append(
        self,
        events: Sequence[VehicleEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> int:
        """Write events, streams, directory and sources in one transaction; return the position of the last event.

        Raises `UnstorableError` for an event of more than `EVENT_BYTES_MAX`, which no relay could publish, nor any that
        comes after it.
        """
        stored = [self._mapper.to_stored_event(event) for event in events]
        for each in stored:
            if len(each.state) > EVENT_BYTES_MAX:
                raise UnstorableError(
                    f"vehicle {each.originator_id}: its event {each.topic} has {len(each.state):,} bytes, more than"
                    f" {EVENT_BYTES_MAX:,}; send fewer or shorter samples in a batch"
                )
        positions = self._records.append(stored, progress, directory, consumed)
        return positions[-1] if positions else 0

    def histories(self, vehicle_ids: Collection[UUID]) -> Iterator[Sequence[VehicleEvent]]:
        """Yield the whole histories of vehicles, some events of one vehicle at a time.

        Raises `UnreadableHistoryError`: nothing is decided on half a history.
        """
        left, place = sorted(vehicle_ids), _BEGIN
        while left:
            page = self._records.events_of_all(left, place, HISTORY_PAGE)
            for vehicle_id, records in groupby(page, _VEHICLE):
                try:
                    events = [self._codec.decode(each.topic, each.state, vehicle_id, each.version) for each in records]
                except UnknownEventError as error:
                    raise UnreadableHistoryError(vehicle_id, str(error)) from error
                yield events
            if len(page) < HISTORY_PAGE:
                return
            place = (page[-1].originator_id, page[-1].version)
            left = left[bisect_left(left, place[0]) :]

    def progress_of_all(self, vehicle_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, StreamProgress]]:
        """Return how far each stream of vehicles has been taken; absent: a vehicle of which none has."""
        return self._records.progress_of_all(vehicle_ids)

    def read(self, after_position: int, limit: int) -> Sequence[Recorded]:
        """Return up to `limit` events after a position."""
        return [self._recorded(record) for record in self._records.read(after_position, limit)]

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        """Return the events of one vehicle from `after_version` + 1 to `until_version`."""
        found: list[Recorded] = []
        while after_version < until_version:
            page = self._records.events_of(vehicle_id, after_version, min(HISTORY_PAGE, until_version - after_version))
            found += map(self._recorded, page)
            if not page:
                break
            after_version = page[-1].version
        return found

    def places(self, positions: Collection[int]) -> Mapping[int, tuple[UUID, int]]:
        """Return vehicle and version of the events at some positions; absent: the log has not come there."""
        return self._records.places(positions)

    def behind(self, versions: Mapping[UUID, int], position: int) -> set[UUID]:
        """Return the vehicles that have an event after a version, up to a position."""
        return self._records.behind(versions, position)

    def by_vehicle(
        self, place: tuple[UUID, int], last_id: UUID, between: tuple[int, int], limit: int, projection: Projection
    ) -> tuple[Sequence[Recorded], Sequence[RowBlock], VehiclePage]:
        """Return up to `limit` events in order of vehicle and version: see `RecordLog.by_vehicle`.

        Those that change nothing in a projection are passed over, but for one whose bytes are none of its topic; so are
        those that leave nothing but the rows that are given.
        """
        others = self._codec.starts_of_others(topics_of(projection.folds))
        page = self._records.by_vehicle(place, last_id, between, limit, others)
        records, blocks = self._codec.telling(page.records, projection.renewed)
        return [self._recorded(each) for each in records], blocks, page

    def last_position(self) -> int:
        """Return the position of the newest event."""
        return self._records.last_position()

    def _recorded(self, record: StoredRecord) -> Recorded:
        return recorded(record, self._codec.decode)
