"""The twins in memory: for tests, and an oracle for others."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from adapters.access import Shown
from adapters.event_log import DirectoryEntry, OriginFrom, StoredRecord
from adapters.fleet_counts import Counted, GroupBy, counted
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.snapshots import MemorySnapshots
from adapters.parked_events import BEFORE_ALL, ParkedEvent, ParkedPlace
from adapters.projection_versions import VersionSeen, VersionState, at_version, named
from adapters.rows_reader import RowsReader
from adapters.twins import (
    POSITIONS_A_PAGE,
    PROJECTIONS,
    EventFilter,
    Hops,
    Logged,
    LogPage,
    PageOf,
    Positions,
    ProjectionPosition,
    VehicleFilter,
    projection_of,
    signal_table,
)
from adapters.vehicle_order import Place, Placed, VehicleOrder, in_order
from domain.units import Micros
from domain.vin import Vin
from projections.history import Kept
from projections.projection import Key, Projection, R
from projections.signal_rows import SignalRow
from projections.snapshots import Block, Moment, Newest, Oldest, Range, RowsOf, SnapshotReader


class MemoryTwinReader(RowsReader):
    """Reads log and read models as they are: the view stays the same only while nobody writes.

    It shows vehicles of these brands only; None: of all.
    """

    def __init__(
        self,
        log: MemoryEventLog,
        store: MemoryReadModels,
        snapshots: SnapshotReader | None = None,
        brands: Collection[str] | None = None,
    ) -> None:
        self._log = log
        self._store = store
        self._brands = brands
        self._snapshots = snapshots or MemorySnapshots()
        self.records: list[Shown] = []

    @contextmanager
    def reading(self, brands: Collection[str] | None = None) -> Iterator["MemoryTwinReader"]:
        """Open a view."""
        view = self if brands is None else MemoryTwinReader(self._log, self._store, self._snapshots, brands)
        view.records = self.records
        yield view

    def put_on_record(self, shown: Shown) -> None:
        """Keep what somebody is about to be shown."""
        self.records.append(shown)

    def cancel(self) -> None:
        """Do nothing: no question takes long."""

    @property
    def snapshots(self) -> SnapshotReader:
        """Rows of vehicles as they were."""
        return self._snapshots if self._brands is None else _SnapshotsOfSome(self._snapshots, self._sees)

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""
        entries = [entry for entry in self._entries() if after is None or entry.vehicle_id > after]
        return [entry for entry in entries if self.fits(entry, chosen)][:limit]

    def ordered_vehicles(
        self, limit: int, order: VehicleOrder, after: Place | None, chosen: VehicleFilter
    ) -> Sequence[Placed]:
        """Return up to `limit` vehicles in an order, after a place in it."""
        entries = [entry for entry in self._entries() if self.fits(entry, chosen)]
        return in_order(self.placed(entries, order.by, chosen), limit, order, after)

    def counted(self, chosen: VehicleFilter, by: Collection[GroupBy], limit: int, listed: int) -> Counted:
        """Return how many vehicles a filter chooses, of each kind the `limit` greatest groups, and `listed` of them."""
        entries = [entry for entry in self._entries() if self.fits(entry, chosen)]
        values = {kind: [self._values(entry, kind) for entry in entries] for kind in by}
        return counted(values, [entry.vehicle_id for entry in entries], limit, listed)

    def _values(self, entry: DirectoryEntry, by: GroupBy) -> Collection[str | None]:
        match by:
            case GroupBy.BRAND:
                return [entry.brand]
            case GroupBy.MODEL:
                return [entry.model]
            case GroupBy.REGION:
                return [Vin(entry.vin).region]
            case GroupBy.TROUBLE_CODE:
                return [row.code for row in self.trouble_codes([entry.vehicle_id]) if row.held]
            case GroupBy.WARNING:
                return [row.warning for row in self.warnings([entry.vehicle_id]) if row.raised]

    def vehicle(self, vehicle_id: UUID) -> DirectoryEntry | None:
        """Return the vehicle with this id."""
        return next((entry for entry in self._entries() if entry.vehicle_id == vehicle_id), None)

    def vehicle_by_vin(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN."""
        return next((entry for entry in self._entries() if entry.vin == vin), None)

    def vehicles_named(self, vehicle_ids: Sequence[UUID], vins: Sequence[str]) -> Sequence[DirectoryEntry]:
        """Return the vehicles with one of these ids or VINs, each once."""
        return [entry for entry in self._entries() if entry.vehicle_id in vehicle_ids or entry.vin in vins]

    def _entries(self) -> Sequence[DirectoryEntry]:
        return [entry for entry in self._log.vehicles() if self._brands is None or entry.brand in self._brands]

    def _sees(self, vehicle_id: UUID) -> bool:
        """Whether rows of a vehicle are shown; of one that the directory does not have, to who sees all."""
        return self._brands is None or self.vehicle(vehicle_id) is not None

    def _events_of(self, vehicle_id: UUID, after_version: int = 0) -> Sequence[StoredRecord]:
        return self._log.events_of(vehicle_id, after_version) if self._sees(vehicle_id) else []

    def hops(self, row: SignalRow) -> Hops | None:
        """Return what the value of a row went through; None: its event is not in the log."""
        record = self.event(row.vehicle_id, row.event_version)
        if record is None:
            return None
        origin = self._log.origin_of(row.vehicle_id, row.stream_id, row.sequence)
        return Hops(record, origin, self._store.projected(projection_of(signal_table(row.path)), row.vehicle_id))

    def origins(self, vehicle_id: UUID, stream_id: str) -> Sequence[OriginFrom]:
        """Return what the batches of a stream come from."""
        return self._log.origins_of(vehicle_id, stream_id) if self._sees(vehicle_id) else []

    def events(self, vehicle_ids: Sequence[UUID], page: PageOf, topics: Sequence[str] | None) -> Sequence[StoredRecord]:
        """Return events in order of (version,)."""
        records = [
            record
            for vehicle_id in vehicle_ids
            for record in self._events_of(vehicle_id)
            if topics is None or record.topic in topics
        ]
        return self._page(records, page, lambda record: (record.version,), lambda record: record.originator_id)

    def event(self, vehicle_id: UUID, version: int) -> StoredRecord | None:
        """Return one event."""
        return next((each for each in self._events_of(vehicle_id) if each.version == version), None)

    def log_page(self, after_position: int, until_position: int | None, limit: int, chosen: EventFilter) -> LogPage:
        """Return events of the log after a position."""
        end = self._log.last_position()
        until = min(end if until_position is None else until_position, after_position + POSITIONS_A_PAGE)
        entries = {entry.vehicle_id: entry for entry in self._entries()}
        records = self._log.read(after_position, max(0, until - after_position))
        found = [
            Logged(record, entries[record.originator_id])
            for record in records
            if record.originator_id in entries and _fits(record, entries[record.originator_id], chosen)
        ]
        reached = found[limit - 1].record.position if len(found) >= limit else max(after_position, until)
        return LogPage(found[:limit], reached, end)

    def shown(self, projection: Projection) -> Projection:
        """Return a projection as it is shown."""
        return at_version(projection, projection.version)

    def positions(self) -> Positions:
        """Return the position of the log and of each projection."""
        projections = [
            ProjectionPosition(
                each.name, each.version, self._store.position(each), sum(map(self._sees, self._store.parked(each)))
            )
            for each in PROJECTIONS
        ]
        return Positions(self._log.last_position(), projections)

    def parked(
        self,
        limit: int,
        after: ParkedPlace | None,
        versions: Sequence[ProjectionPosition],
        vehicle_id: UUID | None = None,
    ) -> Sequence[ParkedEvent]:
        """Return up to `limit` events that stopped a vehicle in one of these versions, in the order of their places."""
        found = [
            ParkedEvent(each.name, each.version, parked, self.event(parked.vehicle_id, parked.version))
            for each in versions
            for parked in self._store.parked(at_version(named(each.name), each.version)).values()
            if self._sees(parked.vehicle_id) and vehicle_id in {None, parked.vehicle_id}
        ]
        return [each for each in sorted(found, key=lambda each: each.place) if each.place > (after or BEFORE_ALL)][
            :limit
        ]

    def versions(self) -> Sequence[VersionSeen]:
        """Return every version that has rows."""
        return [
            VersionSeen(VersionState(each.name, each.version, True, 0), True, each.position, each.parked, 0, 0)
            for each in self.positions().projections
        ]

    def of_vehicles(
        self, projections: Sequence[Projection], vehicle_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[Kept]]:
        """Return what is kept of each vehicle, for each projection in their order."""
        return self._store.of_vehicles(projections, [each for each in vehicle_ids if self._sees(each)])

    def vehicles_with_rows(self, projection: Projection, limit: int, after: UUID) -> Sequence[UUID]:
        """Return up to `limit` vehicles that some table has a row of, in order of their ids, after one."""
        found = filter(self._sees, self._store.vehicles_with_rows(projection))
        return sorted(each for each in found if each > after)[:limit]

    def position_at(self, known_at: Micros | None) -> int:
        """Return the position of the newest event that was recorded by then; None: of the newest."""
        records = self._log.read(0, self._log.last_position())
        return max((each.position for each in records if known_at is None or each.recorded_at <= known_at), default=0)

    def history(self, ranges: Sequence[Range], until_position: int) -> Sequence[StoredRecord]:
        """Return events of vehicles up to a position, in order of vehicle and version."""
        return [
            each
            for vehicle_id, after_version, to_version in sorted(ranges)
            for each in self._events_of(vehicle_id, after_version)
            if each.position <= until_position and each.version <= to_version
        ]

    def _of(self, row_type: type[R], vehicle_ids: Sequence[UUID]) -> list[R]:
        seen = set(filter(self._sees, vehicle_ids))
        return [row for row in self._store.rows(projection_of(row_type), row_type) if row.vehicle_id in seen]


def _fits(record: StoredRecord, entry: DirectoryEntry, chosen: EventFilter) -> bool:
    wanted = (
        (record.originator_id, chosen.vehicle_ids),
        (entry.brand, chosen.brands),
        (entry.model, chosen.models),
        (record.topic, chosen.topics),
    )
    return all(values is None or value in values for value, values in wanted)


class _SnapshotsOfSome:
    """Snapshots as they are shown to those who see some vehicles only."""

    def __init__(self, snapshots: SnapshotReader, sees: Callable[[UUID], bool]) -> None:
        self._snapshots = snapshots
        self._sees = sees

    def newest(self, vehicle_ids: Sequence[UUID], moment: Moment | None) -> Mapping[UUID, Block]:
        """Return the newest snapshot of each vehicle."""
        return self._snapshots.newest([each for each in vehicle_ids if self._sees(each)], moment)

    def ranges(self, versions: Mapping[UUID, int], moment: Moment) -> Sequence[Range]:
        """Return where events after these versions are."""
        return self._snapshots.ranges(self._seen(versions), moment)

    def states(self, projection: Projection, versions: Mapping[UUID, int]) -> Mapping[UUID, RowsOf]:
        """Return the rows of a projection that do not grow."""
        return self._snapshots.states(projection, self._seen(versions))

    def load(self, row_type: type[R], keys: Sequence[Key], versions: Mapping[UUID, int]) -> Mapping[Key, R]:
        """Return rows of a type that grows, by key."""
        return self._snapshots.load(row_type, keys, self._seen(versions))

    def grown(
        self,
        row_type: type[R],
        versions: Mapping[UUID, int],
        between: tuple[Micros, Micros] | None = None,
        chosen: Newest | Oldest | None = None,
    ) -> Sequence[R]:
        """Return rows of a type that grows."""
        return self._snapshots.grown(row_type, self._seen(versions), between, chosen)

    def _seen(self, versions: Mapping[UUID, int]) -> Mapping[UUID, int]:
        return {each: version for each, version in versions.items() if self._sees(each)}
