"""The event log in memory."""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from adapters.event_log import (
    PREFIX_BYTES,
    ConsumedChange,
    DirectoryEntry,
    OriginFrom,
    ProgressChange,
    StoredRecord,
    VehiclePage,
    other_vin_key,
    vehicle_page,
)
from domain.errors import VersionConflictError
from domain.signals import Origin
from domain.streams import StreamProgress
from domain.units import Micros


def _now() -> Micros:
    return Micros(time.time_ns() // 1000)


class MemoryEventLog(POPOApplicationRecorder):
    """The event log in memory: a recorder of the eventsourcing library, and the port of the same name.

    `clock` gives `recorded_at`; should it go back, the time of the event before is kept.
    """

    def __init__(self, clock: Callable[[], Micros] = _now) -> None:
        super().__init__()
        self._clock = clock
        self._recorded_at: list[Micros] = []
        self._progress: dict[UUID, dict[str, StreamProgress]] = {}
        self._directory: dict[UUID, DirectoryEntry] = {}
        self._consumed: dict[str, int] = {}
        self._origins: dict[tuple[UUID, str], dict[int, Origin]] = {}  # by stream, and the sequence that tells it
        self._appended = threading.Condition(self._database_lock)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def append(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> Sequence[int]:
        """Append all or nothing, and return the positions of the events.

        Raises VersionConflictError if a version of a stream of events is taken already, a stream of batches or a source
        is not where `progress` or `consumed` says it was, or a vehicle is registered already; BadInputError if its VIN
        is registered under another id.
        """
        with self._database_lock:
            if any(self._consumed.get(change.source, 0) != change.before for change in consumed):
                raise VersionConflictError("another reader has read this source further")
            for change in progress:
                stream_id = change.after.stream_id
                if self._progress.get(change.vehicle_id, {}).get(stream_id, StreamProgress(stream_id)) != change.before:
                    raise VersionConflictError("another writer has taken this stream further")
            if any(entry.vehicle_id in self._directory for entry in directory):
                raise VersionConflictError("this vehicle is registered already")
            if any(self.find_vehicle(entry.vin) for entry in directory):
                raise other_vin_key("event log")
            try:
                positions = self.insert_events(events)
            except IntegrityError as error:
                raise VersionConflictError(str(error)) from error
            for change in progress:
                self._progress.setdefault(change.vehicle_id, {})[change.after.stream_id] = change.after
                self._note_origins(change)
            self._directory.update({entry.vehicle_id: entry for entry in directory})
            self._consumed.update({change.source: change.after for change in consumed})
        return positions or []

    def _update_table(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        earlier = self._recorded_at[-1] if self._recorded_at else 0
        self._recorded_at += [Micros(max(earlier, self._clock()))] * len(stored_events)
        positions = super()._update_table(stored_events, **kwargs)
        self._appended.notify_all()
        return positions

    def read(self, after_position: int, limit: int, bytes_max: int | None = None) -> list[StoredRecord]:
        """Return at most `limit` events that come after a position, in the order of the log.

        With `bytes_max` they have no more bytes together than that, but for one that has more by itself.
        """
        with self._database_lock:
            last = min(after_position + limit, len(self._stored_events))
            found = [self._record(position) for position in range(after_position + 1, last + 1)]
        if bytes_max is None:
            return found
        sums = accumulate(len(each.state) for each in found)
        return [each for each, total in zip(found, sums, strict=True) if total <= bytes_max] or found[:1]

    def outlines(self, after_position: int, limit: int) -> list[StoredRecord]:
        """Return the same, each event with no bytes instead of its own."""
        return [each._replace(state=b"") for each in self.read(after_position, limit)]

    def events_of(self, originator_id: UUID, after_version: int = 0, limit: int | None = None) -> list[StoredRecord]:
        """Return the events of one stream that come after a version, in the order of their versions."""
        with self._database_lock:
            index = self._stored_events_index.get(str(originator_id), {})
            versions = sorted(version for version in index if version > after_version)
            return [self._record(index[version] + 1) for version in versions[:limit]]

    def events_of_all(self, vehicle_ids: Collection[UUID], place: tuple[UUID, int], limit: int) -> list[StoredRecord]:
        """Return up to `limit` events of some vehicles in order of vehicle and version, after one's version."""
        found = [
            each
            for vehicle_id in sorted(set(vehicle_ids))
            if vehicle_id >= place[0]
            for each in self.events_of(vehicle_id, place[1] if vehicle_id == place[0] else 0, limit)
        ]
        return found[:limit]

    def _record(self, position: int) -> StoredRecord:
        event = self._stored_events[position - 1]
        return StoredRecord(
            position,
            cast("UUID", event.originator_id),
            event.originator_version,
            event.topic,
            event.state,
            self._recorded_at[position - 1],
        )

    def places(self, positions: Collection[int]) -> dict[int, tuple[UUID, int]]:
        """Return vehicle and version of the events at some positions; absent: the log has not come there."""
        found = [each for position in positions for each in self.read(position - 1, 1) if each.position == position]
        return {each.position: (each.originator_id, each.version) for each in found}

    def behind(self, versions: Mapping[UUID, int], position: int) -> set[UUID]:
        """Return the vehicles that have an event after a version, up to a position."""
        found = [each for vehicle_id, version in versions.items() for each in self.events_of(vehicle_id, version, 1)]
        return {each.originator_id for each in found if each.position <= position}

    def by_vehicle(
        self,
        place: tuple[UUID, int],
        last_id: UUID,
        between: tuple[int, int],
        limit: int,
        passed: Collection[tuple[str, bytes]] = (),
    ) -> VehiclePage:
        """Return up to `limit` events in order of vehicle and version: see `adapters.vehicle_log.RecordLog`."""
        ordered = sorted(
            self.read(between[0], self.last_position()), key=lambda each: (each.originator_id, each.version)
        )
        page = [
            each
            for each in ordered
            if (each.originator_id, each.version) > place
            and each.originator_id <= last_id
            and each.position <= between[1]
        ][:limit]
        versions: dict[UUID, list[int]] = {}
        for each in page:
            versions.setdefault(each.originator_id, []).append(each.version)
        found = [(vehicle_id, of_it[0], of_it[-1], len(of_it)) for vehicle_id, of_it in versions.items()]
        starts = {*passed}
        taken = [each for each in page if (each.topic, each.state[:PREFIX_BYTES]) not in starts]
        return vehicle_page(taken, found, place)

    def last_position(self) -> int:
        """Return the position of the newest event, 0 while there is none."""
        return self.max_notification_id() or 0

    def wait(self, after_position: int, timeout_ms: int) -> int:
        """Wait until there is an event after a position, at most so long; return the position of the newest."""
        with self._appended:
            self._appended.wait_for(lambda: len(self._stored_events) > after_position, timeout_ms / 1000)
            return len(self._stored_events)

    def progress_of(self, vehicle_id: UUID) -> dict[str, StreamProgress]:
        """Return how far each stream of a vehicle has been taken."""
        return self.progress_of_all([vehicle_id]).get(vehicle_id, {})

    def progress_of_all(self, vehicle_ids: Collection[UUID]) -> dict[UUID, dict[str, StreamProgress]]:
        """Return how far each stream of vehicles has been taken; absent: a vehicle of which none has."""
        with self._database_lock:
            return {each: dict(self._progress[each]) for each in vehicle_ids if each in self._progress}

    def origin_of(self, vehicle_id: UUID, stream_id: str, sequence: int) -> Origin | None:
        """Return what a batch came from, None where its stream has not told."""
        with self._database_lock:
            told = self._origins.get((vehicle_id, stream_id), {})
            return told.get(max((each for each in told if each <= sequence), default=0))

    def origins_of(self, vehicle_id: UUID, stream_id: str) -> list[OriginFrom]:
        """Return what the batches of a stream came from, in order of the first that did."""
        with self._database_lock:
            told = self._origins.get((vehicle_id, stream_id), {})
            return [OriginFrom(sequence, told[sequence]) for sequence in sorted(told)]

    def _note_origins(self, change: ProgressChange) -> None:
        stream_id = change.after.stream_id
        for sequence, origin in change.origins:
            if self.origin_of(change.vehicle_id, stream_id, sequence) != origin:
                self._origins.setdefault((change.vehicle_id, stream_id), {})[sequence] = origin

    def consumed_position(self, source: str) -> int:
        """Return what comes next in a source of batches, 0 for one that has not been read yet."""
        with self._database_lock:
            return self._consumed.get(source, 0)

    def consumed_positions(self) -> dict[str, int]:
        """Return what comes next in each source of batches that has been read."""
        with self._database_lock:
            return dict(self._consumed)

    def find_vehicle(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN, if one is registered."""
        with self._database_lock:
            return next((entry for entry in self._directory.values() if entry.vin == vin), None)

    def vehicles(self) -> list[DirectoryEntry]:
        """Return every registered vehicle, in the order of their ids."""
        with self._database_lock:
            return sorted(self._directory.values())
