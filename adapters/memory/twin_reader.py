"""The twins in memory: for tests, and an oracle for others."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self
from uuid import UUID

from adapters.event_log import DirectoryEntry, StoredRecord
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.snapshots import MemorySnapshots
from adapters.rows_reader import RowsReader
from adapters.twins import (
    PROJECTIONS,
    Hops,
    PageOf,
    Positions,
    ProjectionPosition,
    VehicleFilter,
    projection_of,
    signal_table,
)
from domain.units import Micros
from projections.projection import R
from projections.signal_rows import SignalRow
from projections.snapshots import Range, SnapshotReader


class MemoryTwinReader(RowsReader):
    """Reads log and read models as they are: the view stays the same only while nobody writes."""

    def __init__(self, log: MemoryEventLog, store: MemoryReadModels, snapshots: SnapshotReader | None = None) -> None:
        self._log = log
        self._store = store
        self.snapshots = snapshots or MemorySnapshots()

    @contextmanager
    def reading(self) -> Iterator[Self]:
        """Open a view."""
        yield self

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""
        entries = [entry for entry in self._log.vehicles() if after is None or entry.vehicle_id > after]
        return [entry for entry in entries if self.fits(entry, chosen)][:limit]

    def vehicle(self, vehicle_id: UUID) -> DirectoryEntry | None:
        """Return the vehicle with this id."""
        return next((entry for entry in self._log.vehicles() if entry.vehicle_id == vehicle_id), None)

    def vehicle_by_vin(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN."""
        return self._log.find_vehicle(vin)

    def hops(self, row: SignalRow) -> Hops | None:
        """Return what the value of a row went through; None: its event is not in the log."""
        record = self.event(row.vehicle_id, row.event_version)
        if record is None:
            return None
        origin = self._log.origin_of(row.vehicle_id, row.stream_id, row.sequence)
        return Hops(record, origin, self._store.projected(projection_of(signal_table(row.path)), row.vehicle_id))

    def events(self, vehicle_ids: Sequence[UUID], page: PageOf, topics: Sequence[str] | None) -> Sequence[StoredRecord]:
        """Return events in order of (version,)."""
        records = [
            record
            for vehicle_id in vehicle_ids
            for record in self._log.events_of(vehicle_id)
            if topics is None or record.topic in topics
        ]
        return self._page(records, page, lambda record: (record.version,), lambda record: record.originator_id)

    def event(self, vehicle_id: UUID, version: int) -> StoredRecord | None:
        """Return one event."""
        return next((each for each in self._log.events_of(vehicle_id) if each.version == version), None)

    def positions(self) -> Positions:
        """Return the position of the log and of each projection."""
        projections = [
            ProjectionPosition(each.name, each.version, self._store.position(each), len(self._store.parked(each)))
            for each in PROJECTIONS
        ]
        return Positions(self._log.last_position(), projections)

    def position_at(self, known_at: Micros | None) -> int:
        """Return the position of the newest event that was recorded by then; None: of the newest."""
        records = self._log.read(0, self._log.last_position())
        return max((each.position for each in records if known_at is None or each.recorded_at <= known_at), default=0)

    def history(self, ranges: Sequence[Range], until_position: int) -> Sequence[StoredRecord]:
        """Return events of vehicles up to a position, in order of vehicle and version."""
        return [
            each
            for vehicle_id, after_version, to_version in sorted(ranges)
            for each in self._log.events_of(vehicle_id, after_version)
            if each.position <= until_position and each.version <= to_version
        ]

    def _of(self, row_type: type[R], vehicle_ids: Sequence[UUID]) -> list[R]:
        return [row for row in self._store.rows(projection_of(row_type), row_type) if row.vehicle_id in vehicle_ids]
