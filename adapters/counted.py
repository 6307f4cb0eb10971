"""Counts what a worker does and measures its transactions, from outside: the worker knows nothing of it."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from adapters.event_log import ConsumedChange, DirectoryEntry, ProgressChange, StoredRecord
from adapters.ingest_worker import IngestWorker
from adapters.metrics import (
    DUPLICATE_BATCHES,
    INGEST_SECONDS,
    INGESTED_BATCHES,
    INGESTED_EVENTS,
    INGESTED_RECORDS,
    SET_ASIDE,
)
from adapters.received import Received
from adapters.vehicle_log import RecordLog
from domain.streams import StreamProgress


class CountedWorker:
    """Implements `adapters.received.PartitionWorker` with one that it counts."""

    def __init__(self, worker: IngestWorker) -> None:
        self._worker = worker

    def assign(self, sources: Collection[str]) -> Mapping[str, int]:
        """Begin with partitions; return the position that each is to be read from."""
        return self._worker.assign(sources)

    def revoke(self, sources: Collection[str]) -> None:
        """Leave partitions to others."""
        self._worker.revoke(sources)

    def restart(self, positions: Mapping[str, int]) -> None:
        """Read partitions from other positions on."""
        self._worker.restart(positions)

    def take(self, records: Sequence[Received]) -> None:
        """Take records, and count what the worker says that it has done: after an error that may be a part of them."""
        before = self._worker.counts
        try:
            self._worker.take(records)
        finally:
            after = self._worker.counts
            INGESTED_RECORDS.inc(after.records - before.records)
            INGESTED_BATCHES.inc(after.batches - before.batches)
            DUPLICATE_BATCHES.inc(after.duplicates - before.duplicates)
            SET_ASIDE.inc(after.set_aside - before.set_aside)
            INGESTED_EVENTS.inc(after.events - before.events)


class TimedLog:
    """Implements `adapters.vehicle_log.RecordLog` with a log whose appends it measures."""

    def __init__(self, log: RecordLog) -> None:
        self._log = log

    def append(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> Sequence[int]:
        """Write all of it in one transaction, or nothing; return the positions of the events."""
        with INGEST_SECONDS.time():
            return self._log.append(events, progress, directory, consumed)

    def events_of(self, originator_id: UUID, after_version: int, limit: int) -> Sequence[StoredRecord]:
        """Return up to `limit` events of one vehicle after a version."""
        return self._log.events_of(originator_id, after_version, limit)

    def progress_of(self, vehicle_id: UUID) -> Mapping[str, StreamProgress]:
        """Return how far each stream of a vehicle has been taken."""
        return self._log.progress_of(vehicle_id)

    def read(self, after_position: int, limit: int) -> Sequence[StoredRecord]:
        """Return up to `limit` events after a position."""
        return self._log.read(after_position, limit)

    def last_position(self) -> int:
        """Return the position of the newest event."""
        return self._log.last_position()
