"""The twins as they were: the same questions as of the present, answered by folding what was known, and told, then.

Two clocks: `as_of` is the vehicles' own, `position` is how far the log was. What a vehicle had told by a moment of its
clock may have come late, and then belongs to that moment; what the log held does not change.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from adapters.clock import iso_time, now
from adapters.event_log import DirectoryEntry, StoredRecord, check_position
from adapters.recorded import Decode, recorded
from adapters.rows_reader import RowsReader
from adapters.twins import Hops, Positions, VehicleFilter, projection_of
from domain.errors import BadInputError
from domain.units import Micros
from projections.as_of import until
from projections.folding import fold_past
from projections.projection import Key, Projection, R, Recorded, Row
from projections.signal_rows import SignalRow

VEHICLES_AT_ONCE: Final = 100  # whose rows are held while a filter looks for those that fit
_IDENTITY: Final = ("vins", "brands", "models")  # what of a filter does not change with time


class Moment(NamedTuple):
    """What the past is seen from: the log up to a position, and the vehicles' clock up to a time (None: any)."""

    position: int
    as_of: Micros | None = None


class Present(Protocol):
    """Gives vehicles and their histories."""

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""

    def vehicle(self, vehicle_id: UUID) -> DirectoryEntry | None:
        """Return the vehicle with this id."""

    def vehicle_by_vin(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN."""

    def hops(self, row: SignalRow) -> Hops | None:
        """Return what the value of a row went through; None: its event is not in the log."""

    def positions(self) -> Positions:
        """Return the position of the log and of each projection."""

    def position_at(self, known_at: Micros | None) -> int:
        """Return the position of the newest event that was recorded by then."""

    def history(self, vehicle_ids: Sequence[UUID], until_position: int) -> Sequence[StoredRecord]:
        """Return the events of vehicles up to a position, in order of vehicle and version."""


def resolved_position(present: Present, as_of: Micros | None, known_at: Micros | None, position: int | None) -> int:
    """Return the position of the log that a moment is seen from. Raises BadInputError for one that has not come."""
    for where, at in (("asOf", as_of), ("knownAt", known_at)):
        if at is not None and at > now():
            raise BadInputError(f"{iso_time(at)} has not come yet", where=where, remedy="give a time that is past")
    if position is None:
        return present.position_at(known_at)
    if known_at is not None:
        raise BadInputError("position and knownAt exclude each other", where="position", remedy="give one of them")
    check_position(position, present.position_at(None), where="position")
    return position


class _NoRows:
    """Where every history begins."""

    def load(self, _: Projection, __: type[R], ___: Collection[Key]) -> Mapping[Key, R]:
        """Return none."""
        return {}


class PastReader(RowsReader):
    """Implements `TwinReader` for one moment. Rows are folded when they are first asked for, and kept."""

    def __init__(self, present: Present, decode: Decode, moment: Moment) -> None:
        self._present = present
        self._decode = decode
        self._moment = moment
        self._records: dict[UUID, list[StoredRecord]] = {}
        self._told: dict[UUID, list[tuple[StoredRecord, Recorded]]] = {}  # by then
        self._rows: dict[str, dict[UUID, Mapping[type[Row], Sequence[Any]]]] = defaultdict(dict)  # by projection

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""
        of_identity = VehicleFilter(**{name: getattr(chosen, name) for name in _IDENTITY})
        found: list[DirectoryEntry] = []
        while len(found) < limit:
            entries = self._present.vehicles(VEHICLES_AT_ONCE, after, of_identity)
            self._read([entry.vehicle_id for entry in entries])
            fitting = [entry for entry in entries if self._exists(entry) and self.fits(entry, chosen)]
            found += fitting
            self._forget({entry.vehicle_id for entry in entries} - {entry.vehicle_id for entry in fitting})
            if len(entries) < VEHICLES_AT_ONCE:
                break
            after = entries[-1].vehicle_id
        return found[:limit]

    def vehicle(self, vehicle_id: UUID) -> DirectoryEntry | None:
        """Return the vehicle with this id."""
        return self._if_exists(self._present.vehicle(vehicle_id))

    def vehicle_by_vin(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN."""
        return self._if_exists(self._present.vehicle_by_vin(vin))

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

    def history(self, vehicle_ids: Sequence[UUID], until_position: int) -> Sequence[StoredRecord]:
        """Return the events of vehicles up to a position, in order of vehicle and version."""
        return self._present.history(vehicle_ids, min(until_position, self._moment.position))

    def _exists(self, entry: DirectoryEntry) -> bool:
        return bool(self._events_told(entry.vehicle_id))

    def _if_exists(self, entry: DirectoryEntry | None) -> DirectoryEntry | None:
        return entry if entry and self._exists(entry) else None

    def _of(self, row_type: type[R], vehicle_ids: Sequence[UUID]) -> list[R]:
        projection = projection_of(row_type)
        kept = self._rows[projection.id]
        missing = [each for each in vehicle_ids if each not in kept]
        if missing:
            self._fold(projection, missing)
        return [row for vehicle_id in vehicle_ids for row in kept[vehicle_id].get(row_type, ())]

    def _fold(self, projection: Projection, vehicle_ids: Sequence[UUID]) -> None:
        self._read(vehicle_ids)
        events = [each for vehicle_id in vehicle_ids for _, each in self._events_told(vehicle_id)]
        written = fold_past(_NoRows(), projection, events).upserts
        grouped: dict[UUID, dict[type[Row], list[Row]]] = {each: defaultdict(list) for each in vehicle_ids}
        for row_type, rows in written.items():
            for row in rows:
                grouped[row.vehicle_id][row_type].append(row)
        self._rows[projection.id].update(grouped)

    def _events_of(self, vehicle_id: UUID) -> Sequence[StoredRecord]:
        return [record for record, _ in self._events_told(vehicle_id)]

    def _events_told(self, vehicle_id: UUID) -> Sequence[tuple[StoredRecord, Recorded]]:
        """Return what a vehicle had told by then, as records of the log and as far as they told it."""
        found = self._told.get(vehicle_id)
        if found is None:
            self._read([vehicle_id])
            as_of = self._moment.as_of
            found = self._told[vehicle_id] = []
            for record in self._records[vehicle_id]:
                whole = recorded(record, self._decode)
                event = whole.event if as_of is None else until(whole.event, as_of)
                if event:
                    found.append((record, whole._replace(event=event)))
        return found

    def _read(self, vehicle_ids: Iterable[UUID]) -> None:
        missing = [each for each in vehicle_ids if each not in self._records]
        if missing:
            self._records.update({each: [] for each in missing})
            for record in self._present.history(missing, self._moment.position):
                self._records[record.originator_id].append(record)

    def _forget(self, vehicle_ids: Iterable[UUID]) -> None:
        for vehicle_id in vehicle_ids:
            self._records.pop(vehicle_id, None)
            self._told.pop(vehicle_id, None)
            for kept in self._rows.values():
                kept.pop(vehicle_id, None)
