"""What the rows of vehicles must be, and where two versions of a projection tell something else."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from domain.units import Micros
from projections.digest import Digest
from projections.divergence import Folded, RowsOfVehicle, Side, different, row_at, same, since
from projections.ports import END_VERSION
from projections.projection import Key, Projection, Recorded, Row, row_spec


class Kept(NamedTuple):
    """What a store keeps of one vehicle for one projection: the last version folded, and the rows by type and key."""

    version: int
    rows: Mapping[type[Row], Mapping[Key, Row]]


class SnapshotStore(Protocol):
    """A store of rows that tells what it keeps of vehicles at one moment."""

    def of_vehicles(
        self, projections: Sequence[Projection], vehicle_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[Kept]]:
        """Return what is kept of each vehicle, for each projection in their order, all of it at one moment."""

    def vehicles_with_rows(self, projection: Projection) -> Collection[UUID]:
        """Return the vehicles that some table has a row of."""


class Histories(Protocol):
    """Where events are."""

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        """Return the events of one vehicle with versions from `after_version` + 1 to `until_version`, in order."""


class Event(NamedTuple):
    """An event of a vehicle."""

    version: int
    position: int  # 0: it is nowhere in the log
    recorded_at: Micros | None


class Difference(NamedTuple):
    """A field that two sides tell otherwise. `field` None: a row that only one of them has."""

    vehicle_id: UUID
    table: str
    key: Key  # without the vehicle
    field: str | None
    left: Any
    right: Any
    last: Event  # that the row tells of, on either side
    first: Event | None  # from which on they differ, to the end; None: that is not known
    unknown: Sequence[Projection] = ()  # why not: this program does not fold the log to what these keep


class Compared(NamedTuple):
    """What two versions tell of a vehicle."""

    differences: Sequence[Difference]
    outside: int = 0  # rows that differ only because one of the two was filled from a later position on


def rows_after(
    projection: Projection, events: Sequence[Recorded], rows: RowsOfVehicle | None = None
) -> dict[type[Row], dict[Key, Row]]:
    """Return the rows of one vehicle after events of it, on top of those that it had."""
    folded = Folded(rows or {})
    folded.fold(projection, events)
    return folded.rows


class Verified(NamedTuple):
    """What a projection keeps beside what the log says."""

    vehicles: int
    rows: int
    kept: str  # digest of what is kept
    told: str  # digest of what the log says
    first: Difference | None  # `left`: kept, `right`: told by the log


def verify(
    projection: Projection,
    store: SnapshotStore,
    log: Histories,
    chunks: Iterator[Sequence[UUID]],
    reached: int = 0,
    parked: Collection[UUID] = (),
) -> Iterator[Verified]:
    """Compare what is kept of vehicles with a fold of their events; yield how far that is, chunk by chunk.

    Each vehicle is compared at the version that it is at, since the projection may go on meanwhile; but for those that
    are `parked` at no less than the position that the projection had `reached` before: it may have left one out.
    """
    kept, told = Digest(), Digest()
    vehicles = 0
    first: Difference | None = None
    for chunk in chunks:
        found = store.of_vehicles([projection], chunk)
        for vehicle_id in sorted(chunk):
            ((version, rows),) = found[vehicle_id]
            history = log.history(vehicle_id, 0, version if vehicle_id in parked else END_VERSION)
            events = [each for each in history if each.event.originator_version <= version or each.position <= reached]
            right = rows_after(projection, events)
            for of_type in rows.values():
                for row in of_type.values():
                    kept.add(row)
            for of_type in right.values():
                for row in of_type.values():
                    told.add(row)
            vehicles += 1
            first = first or next(
                differences(vehicle_id, Side(projection, rows), Side(projection, right), events), None
            )
        yield Verified(vehicles, told.rows, str(kept), str(told), first)


def told_at(
    projection: Projection, log: Histories, vehicle_ids: Sequence[UUID], position: int, tell: Callable[[int, int], None]
) -> Digest:
    """Return the digest of what the log says up to a position; `tell` is told how many vehicles are done, of all."""
    told = Digest()
    for done, vehicle_id in enumerate(vehicle_ids, 1):
        events = [each for each in log.history(vehicle_id, 0, END_VERSION) if each.position <= position]
        for of_type in rows_after(projection, events).values():
            for row in of_type.values():
                told.add(row)
        tell(done, len(vehicle_ids))
    return told


def compare(
    versions: tuple[Projection, Projection],
    store: SnapshotStore,
    log: Histories,
    chunk: Sequence[UUID],
    began_after: tuple[int, int] = (0, 0),
) -> Iterator[Compared]:
    """Yield what two versions tell of some vehicles, each at the later of their events: one behind is folded on.

    `began_after`: the positions after which they were filled. Where these are not the same, what both make of the
    events after the later one is compared.
    """
    found = store.of_vehicles(versions, chunk)
    for vehicle_id in sorted(chunk):
        kept = found[vehicle_id]
        newest = max(each.version for each in kept)
        sides = []
        for projection, (version, rows), begin in zip(versions, kept, began_after, strict=True):
            later = _after(begin, log.history(vehicle_id, version, newest)) if version < newest else ()
            sides.append(Side(projection, rows_after(projection, later, rows) if later else rows))
        differing = {*different(sides[0].rows, sides[1].rows)}
        if differing:
            events = log.history(vehicle_id, 0, newest)
            if began_after[0] != began_after[1]:
                sides = _from_one_position(sides, events, began_after)
                differing -= {*different(sides[0].rows, sides[1].rows)}
            else:
                differing.clear()
            events = _after(max(began_after), events)
            yield Compared(list(differences(vehicle_id, sides[0], sides[1], events)), len(differing))


def _from_one_position(sides: Sequence[Side], events: Sequence[Recorded], began_after: tuple[int, int]) -> list[Side]:
    """Return what two sides would keep had both begun after the later of their positions.

    A row that this program does not fold to what it is stays, and is compared with what the other side would have had
    it begun earlier; but for one that has not been told of since.
    """
    late = began_after.index(max(began_after))
    earlier, later = sides[1 - late], sides[late]
    begin, old_and_new, new = max(began_after), _after(min(began_after), events), _after(max(began_after), events)
    earlier_told, earlier_anew = (rows_after(earlier.projection, each) for each in (old_and_new, new))
    later_told, later_whole = (rows_after(later.projection, each) for each in (new, old_and_new))
    found: list[dict[type[Row], dict[Key, Row]]] = [{}, {}]
    for place in {
        (row_type, key)
        for rows in (earlier.rows, later.rows, earlier_anew)
        for row_type, of_type in rows.items()
        for key in of_type
    }:
        pair = {1 - late: row_at(earlier.rows, place), late: row_at(later.rows, place)}
        if same(pair[1 - late], row_at(earlier_told, place)):
            pair[1 - late] = row_at(earlier_anew, place)
        elif max(row.position for row in pair.values() if row is not None) <= begin:
            continue
        elif same(pair[late], row_at(later_told, place)):
            pair[late] = row_at(later_whole, place)
        for number, row in pair.items():
            if row is not None:
                found[number].setdefault(place[0], {})[place[1]] = row
    return [Side(side.projection, rows) for side, rows in zip(sides, found, strict=True)]


def _after(position: int, events: Sequence[Recorded]) -> Sequence[Recorded]:
    return [each for each in events if each.position > position] if position else events


def differences(vehicle_id: UUID, left: Side, right: Side, events: Sequence[Recorded]) -> Iterator[Difference]:
    """Yield where two sides differ, in order of table and key, each with the first event from which on they do."""
    places = list(different(left.rows, right.rows))
    if not places:
        return
    told = {each.event.originator_version: each for each in events}

    def event(version: int) -> Event:
        found = told.get(version)
        return Event(version, found.position if found else 0, found.recorded_at if found else None)

    began = since(left, right, places, events)
    for place in places:
        one, other = row_at(left.rows, place), row_at(right.rows, place)
        last = event(max(row.event_version for row in (one, other) if row is not None))
        spec = row_spec(place[0])
        fields: list[tuple[str | None, Any, Any]] = [(None, one, other)]
        if one is not None and other is not None:
            values = zip(spec.columns, one, other, strict=True)
            fields = [(column.name, *pair) for column, *pair in values if not same(*pair)]
        for name, value, other_value in fields:
            version, unknown = began[place, name]
            first = event(version) if version else None
            yield Difference(vehicle_id, spec.table, place[1][1:], name, value, other_value, last, first, unknown)
