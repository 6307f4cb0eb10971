"""The twins as they were: the same questions as of the present, answered by folding what was known, and told, then.

Two clocks: `as_of` is the vehicles' own, `position` is how far the log was. What a vehicle had told by a moment of its
clock may have come late, and then belongs to that moment; what the log held does not change.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from adapters.clock import iso_time, now
from adapters.collector import COLLECTOR
from adapters.event_log import DirectoryEntry, StoredRecord, check_position
from adapters.projection_versions import folds_otherwise
from adapters.recorded import Decode, recorded
from adapters.rows_reader import RowsReader
from adapters.twins import PROJECTIONS, Hops, PageOf, Positions, VehicleFilter, projection_of
from adapters.vehicle_order import OF_TELEMETRY, OrderBy, Place, Placed, VehicleOrder, in_order
from domain.errors import BadInputError
from domain.units import Micros
from projections.as_of import until
from projections.folding import fold_past
from projections.navigation.model import TrackRow
from projections.projection import Key, Projection, R, Recorded, Row, row_key, row_spec
from projections.signal_rows import SignalRow
from projections.snapshots import Moment, Newest, Oldest, Range, RowsOf, SnapshotReader

VEHICLES_AT_ONCE: Final = 128  # whose rows are held while a filter looks for those that fit
VEHICLES_AT_ONCE_MIN: Final = 16
RANGES_AT_ONCE: Final = 512  # of a vehicle's history
# Vehicles of the past whose telemetry is folded to put them in order: from snapshots it takes about 1 ms each, 2 by
# last seen, which is of three projections. On two busy cores that is a third of what a request may take (`REQUEST_S`).
ORDERED_MAX: Final = 2_000
_IDENTITY: Final = ("vins", "brands", "models", "regions")  # what of a filter does not change with time


class Present(Protocol):
    """Gives vehicles and their histories."""

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""

    def ordered_vehicles(
        self, limit: int, order: VehicleOrder, after: Place | None, chosen: VehicleFilter
    ) -> Sequence[Placed]:
        """Return up to `limit` vehicles in an order, after a place in it."""

    def vehicle(self, vehicle_id: UUID) -> DirectoryEntry | None:
        """Return the vehicle with this id."""

    def vehicle_by_vin(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN."""

    def vehicles_named(self, vehicle_ids: Sequence[UUID], vins: Sequence[str]) -> Sequence[DirectoryEntry]:
        """Return the vehicles with one of these ids or VINs, each once, in any order."""

    def hops(self, row: SignalRow) -> Hops | None:
        """Return what the value of a row went through; None: its event is not in the log."""

    def positions(self) -> Positions:
        """Return the position of the log and of each projection."""

    def position_at(self, known_at: Micros | None) -> int:
        """Return the position of the newest event that was recorded by then."""

    def history(self, ranges: Sequence[Range], until_position: int) -> Sequence[StoredRecord]:
        """Return events of vehicles up to a position, in order of vehicle and version."""

    def shown(self, projection: Projection) -> Projection:
        """Return a projection as it is shown: of that version, by its fold."""

    @property
    def snapshots(self) -> SnapshotReader:
        """Rows of vehicles as they were."""


def check_past(at: Micros, *, where: str) -> None:
    """Raise BadInputError for a time that has not come."""
    if at > now():
        raise BadInputError(f"{iso_time(at)} has not come yet", where=where, remedy="give a time that is past")


def resolved_position(present: Present, as_of: Micros | None, known_at: Micros | None, position: int | None) -> int:
    """Return the position of the log that a moment is seen from. Raises BadInputError for one that has not come."""
    for where, at in (("asOf", as_of), ("knownAt", known_at)):
        if at is not None:
            check_past(at, where=where)
    if position is None:
        return present.position_at(known_at)
    if known_at is not None:
        raise BadInputError("position and knownAt exclude each other", where="position", remedy="give one of them")
    check_position(position, present.position_at(None), where="position")
    return position


class _Folded(NamedTuple):
    """What was folded of one vehicle and projection: the rows of its snapshot, and what came after it."""

    states: RowsOf
    written: Mapping[type[Row], Mapping[Key, Row | None]]  # None: deleted


class _Snapshots:
    """Rows to fold on top of."""

    def __init__(self, read: SnapshotReader, projection: Projection, versions: Mapping[UUID, int]) -> None:
        self._read = read
        self._versions = versions
        self.states = read.states(projection, versions) if versions else {}

    def load(self, _: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        """Return the rows with these keys."""
        if row_spec(row_type).grows:
            kept = [key for key in keys if key[0] in self._versions]
            return self._read.load(row_type, kept, self._versions) if kept else {}
        found: dict[Key, Any] = {}
        for key in keys:
            row = self.states.get(key[0], {}).get(row_type, {}).get(key)
            if row is not None:
                found[key] = row
        return found


class PastReader(RowsReader):
    """Implements `TwinReader` for one moment. Rows are folded when they are first asked for, and kept."""

    def __init__(self, present: Present, decode: Decode, moment: Moment) -> None:
        self._present = present
        self._decode = decode
        self._moment = moment
        self._versions: dict[UUID, int] = {}  # of the snapshots that are folded on top of; 0: there is none
        self._told: dict[UUID, list[Recorded]] = {}  # after the snapshot, by then
        self._folded: dict[str, dict[UUID, _Folded]] = defaultdict(dict)  # by projection

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""
        of_identity = _of_identity(chosen)
        found: list[DirectoryEntry] = []
        while len(found) < limit:
            count = min(VEHICLES_AT_ONCE, max(VEHICLES_AT_ONCE_MIN, limit - len(found)))
            entries = self._present.vehicles(count, after, of_identity)
            found += self._fitting(entries, chosen)
            if len(entries) < count:
                break
            after = entries[-1].vehicle_id
        return found[:limit]

    def ordered_vehicles(
        self, limit: int, order: VehicleOrder, after: Place | None, chosen: VehicleFilter
    ) -> Sequence[Placed]:
        """Return up to `limit` vehicles in an order, after a place in it.

        Raises BadInputError where telemetry of more than `ORDERED_MAX` vehicles would have to be folded for it.
        """
        if order.by in OF_TELEMETRY:
            return in_order(self._placed_of_all(order.by, chosen), limit, order, after)
        found: list[Placed] = []
        while len(found) < limit:
            count = min(VEHICLES_AT_ONCE, max(VEHICLES_AT_ONCE_MIN, limit - len(found)))
            vehicles = self._present.ordered_vehicles(count, order, after, _of_identity(chosen))
            fitting = {entry.vehicle_id for entry in self._fitting([each.entry for each in vehicles], chosen)}
            found += [each for each in vehicles if each.entry.vehicle_id in fitting]
            if len(vehicles) < count:
                break
            after = vehicles[-1].place
        return found[:limit]

    def _placed_of_all(self, by: OrderBy, chosen: VehicleFilter) -> list[Placed]:
        """Return every vehicle that fits with what it is ordered by; none of them is held. Raises BadInputError."""
        entries = self._present.vehicles(ORDERED_MAX + 1, None, _of_identity(chosen))
        if len(entries) > ORDERED_MAX:
            what = f"of the past no more than {ORDERED_MAX:,} vehicles are put in the order of {by.value}"
            raise BadInputError(what, where="orderBy", remedy="choose fewer by vins, brands, models or regions")
        placed: list[Placed] = []
        for first in range(0, len(entries), VEHICLES_AT_ONCE):
            some = entries[first : first + VEHICLES_AT_ONCE]
            placed += self.placed(self._fitting(some, chosen), by, chosen)
            self._forget({entry.vehicle_id for entry in some})
        return placed

    def _fitting(self, entries: Sequence[DirectoryEntry], chosen: VehicleFilter) -> list[DirectoryEntry]:
        """Return the vehicles that were there and fit; the others are not held."""
        ids = [entry.vehicle_id for entry in entries]
        self._read(ids)
        for projection in PROJECTIONS if chosen != _of_identity(chosen) else ():  # of all of them together
            self._fold(self.shown(projection), ids)
        fitting = [entry for entry in entries if self._exists(entry) and self.fits(entry, chosen)]
        self._forget(set(ids) - {entry.vehicle_id for entry in fitting})
        return fitting

    def vehicle(self, vehicle_id: UUID) -> DirectoryEntry | None:
        """Return the vehicle with this id."""
        return self._if_exists(self._present.vehicle(vehicle_id))

    def vehicle_by_vin(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN."""
        return self._if_exists(self._present.vehicle_by_vin(vin))

    def vehicles_named(self, vehicle_ids: Sequence[UUID], vins: Sequence[str]) -> Sequence[DirectoryEntry]:
        """Return the vehicles with one of these ids or VINs, each once."""
        return [entry for entry in self._present.vehicles_named(vehicle_ids, vins) if self._exists(entry)]

    def hops(self, row: SignalRow) -> Hops | None:
        """Return what the value of a row went through; no read model holds the past, so none has a time."""
        found = self._present.hops(row)
        return found and found._replace(projected=None)

    def positions(self) -> Positions:
        """Return the position of the log and of each projection, now."""
        return self._present.positions()

    def position_at(self, known_at: Micros | None) -> int:
        """Return the position of the newest event that was recorded by then."""
        return self._present.position_at(known_at)

    def history(self, ranges: Sequence[Range], until_position: int) -> Sequence[StoredRecord]:
        """Return events of vehicles up to a position, in order of vehicle and version."""
        return self._present.history(ranges, min(until_position, self._moment.position))

    def shown(self, projection: Projection) -> Projection:
        """Return a projection as it is shown."""
        return self._present.shown(projection)

    @property
    def snapshots(self) -> SnapshotReader:
        """Rows of vehicles as they were."""
        return self._present.snapshots

    def events(self, vehicle_ids: Sequence[UUID], page: PageOf, topics: Sequence[str] | None) -> Sequence[StoredRecord]:
        """Return events in order of (version,)."""
        wanted: dict[UUID, list[StoredRecord]] = {each: [] for each in vehicle_ids}
        of_vehicle = {
            vehicle_id: self._ranges_of_page(ranges, page)
            for vehicle_id, ranges in groupby(
                self.snapshots.ranges(dict.fromkeys(vehicle_ids, 0), self._moment), attrgetter("vehicle_id")
            )
        }
        together = 1
        while of_vehicle:  # of each the next ranges, more and more of them
            ranges = [each for left in of_vehicle.values() for each in islice(left, together)]
            together = min(2 * together, RANGES_AT_ONCE)
            if not ranges:
                break
            found = self.history(sorted(ranges), self._moment.position)
            for record in reversed(found) if page.newest_first else found:
                kept = wanted[record.originator_id]
                fits = topics is None or record.topic in topics
                if fits and len(kept) < page.limit and self._is_told(record) and _is_after(record, page):
                    kept.append(record)
            of_vehicle = {each: left for each, left in of_vehicle.items() if len(wanted[each]) < page.limit}
        records = [record for kept in wanted.values() for record in kept]
        return sorted(records, key=lambda record: record.version, reverse=page.newest_first)

    def event(self, vehicle_id: UUID, version: int) -> StoredRecord | None:
        """Return one event."""
        found = self.history([Range(vehicle_id, version - 1, version)], self._moment.position)
        return next((each for each in found if self._is_told(each)), None)

    def _exists(self, entry: DirectoryEntry) -> bool:
        self._read([entry.vehicle_id])
        return bool(self._versions[entry.vehicle_id] or self._told[entry.vehicle_id])

    def _if_exists(self, entry: DirectoryEntry | None) -> DirectoryEntry | None:
        return entry if entry and self._exists(entry) else None

    def _of(self, row_type: type[R], vehicle_ids: Sequence[UUID]) -> list[R]:
        return self._rows(row_type, vehicle_ids, self._kept(row_type, vehicle_ids) if row_spec(row_type).grows else ())

    def _tracks(self, vehicle_id: UUID, begin: Micros, end: Micros) -> list[TrackRow]:
        return self._rows(TrackRow, [vehicle_id], self._kept(TrackRow, [vehicle_id], (begin, end)))

    def _first_of(
        self, row_type: type[R], vehicle_ids: Sequence[UUID], page: PageOf, count: int
    ) -> tuple[list[R], Mapping[UUID, Micros]]:
        after = None if page.after is None else page.after[0]
        chosen = Newest(count, after) if page.newest_first else Oldest(count, after)
        kept: list[Any] = self._kept(row_type, vehicle_ids, None, chosen)
        begins: dict[UUID, list[Micros]] = defaultdict(list)
        for row in kept:
            begins[row.vehicle_id].append(row.started_at)
        last = min if page.newest_first else max
        bounds = {vehicle_id: last(each) for vehicle_id, each in begins.items() if len(each) >= count}
        if after is not None and not page.newest_first:
            kept = [*self._kept(row_type, vehicle_ids, None, Newest(1, after)), *kept]  # the row before these
        return self._rows(row_type, vehicle_ids, kept), bounds

    def _kept(
        self,
        row_type: type[R],
        vehicle_ids: Sequence[UUID],
        between: tuple[Micros, Micros] | None = None,
        chosen: Newest | Oldest | None = None,
    ) -> list[R]:
        """Return what snapshots have of a type that grows."""
        if folds_otherwise(self.shown(projection_of(row_type))):
            return []
        self._read(vehicle_ids)
        versions = {each: self._versions[each] for each in vehicle_ids if self._versions[each]}
        return list(self.snapshots.grown(row_type, versions, between, chosen)) if versions else []

    def _rows(self, row_type: type[R], vehicle_ids: Sequence[UUID], kept: Iterable[R]) -> list[R]:
        """Return the rows of a type, where snapshots have `kept` of those that grow."""
        projection = self.shown(projection_of(row_type))
        folded = self._folded[projection.id]
        self._fold(projection, [each for each in vehicle_ids if each not in folded])
        before: dict[UUID, dict[Key, Any]] = defaultdict(dict)
        for row in kept:
            before[row.vehicle_id][row_key(row)] = row
        found: list[Any] = []
        for vehicle_id in vehicle_ids:
            states, written = folded[vehicle_id]
            rows = {**(before[vehicle_id] or states.get(row_type, {})), **written.get(row_type, {})}
            found += [row for row in rows.values() if row is not None]
        return found

    def _fold(self, projection: Projection, vehicle_ids: Sequence[UUID]) -> None:
        if not vehicle_ids:
            return
        if folds_otherwise(projection):  # snapshots are of the fold of today
            versions, told = {}, self._all_told(vehicle_ids)
        else:
            self._read(vehicle_ids)
            versions = {each: self._versions[each] for each in vehicle_ids if self._versions[each]}
            told = [each for of in vehicle_ids for each in self._told[of]]
        before = _Snapshots(self.snapshots, projection, versions)
        commit = fold_past(before, projection, told)
        written: dict[UUID, dict[type[Row], dict[Key, Row | None]]] = {
            each: {row_type: {} for row_type in projection.row_types} for each in vehicle_ids
        }
        for row_type, of_type in commit.written().items():
            for key, row in of_type.items():
                written[key[0]][row_type][key] = row
        self._folded[projection.id].update(
            {each: _Folded(before.states.get(each, {}), written[each]) for each in vehicle_ids}
        )

    def _read(self, vehicle_ids: Iterable[UUID]) -> None:
        """Find the snapshots of vehicles, and read what they told after these."""
        missing = [each for each in vehicle_ids if each not in self._told]
        if not missing:
            return
        newest = self.snapshots.newest(missing, self._moment)
        versions = {each: newest[each].to_version if each in newest else 0 for each in missing}
        self._versions.update(versions)
        self._told.update({each: [] for each in missing})
        for told in self._told_after(versions):
            self._told[told.event.originator_id].append(told)

    def _all_told(self, vehicle_ids: Iterable[UUID]) -> list[Recorded]:
        return self._told_after(dict.fromkeys(vehicle_ids, 0))

    def _told_after(self, versions: Mapping[UUID, int]) -> list[Recorded]:
        """Return what vehicles had told by then after these versions."""
        records = self._present.history(self.snapshots.ranges(versions, self._moment), self._moment.position)
        with COLLECTOR.held(len(records)):
            return [told for told in map(self._as_told, records) if told]

    def _as_told(self, record: StoredRecord) -> Recorded | None:
        """Return what an event had told by then; None: nothing."""
        whole, as_of = recorded(record, self._decode), self._moment.as_of
        event = whole.event if as_of is None else until(whole.event, as_of)
        return whole._replace(event=event) if event else None

    def _is_told(self, record: StoredRecord) -> bool:
        return self._moment.as_of is None or self._as_told(record) is not None

    def _ranges_of_page(self, ranges: Iterable[Range], page: PageOf) -> Iterator[Range]:
        """Give the ranges that a page of events may be in, in its order."""
        chosen = list(ranges)
        if page.after is not None:
            (version,) = page.after
            chosen = [
                each
                for each in chosen
                if (each.after_version + 1 < version if page.newest_first else each.to_version > version)
            ]
        return iter(chosen[::-1] if page.newest_first else chosen)

    def _forget(self, vehicle_ids: Iterable[UUID]) -> None:
        for vehicle_id in vehicle_ids:
            self._versions.pop(vehicle_id, None)
            self._told.pop(vehicle_id, None)
            for folded in self._folded.values():
                folded.pop(vehicle_id, None)


def _of_identity(chosen: VehicleFilter) -> VehicleFilter:
    return VehicleFilter(**{name: getattr(chosen, name) for name in _IDENTITY})


def _is_after(record: StoredRecord, page: PageOf) -> bool:
    if page.after is None:
        return True
    return (record.version,) < page.after if page.newest_first else (record.version,) > page.after
