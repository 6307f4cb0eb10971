"""What the rows of vehicles must be, and where two versions of a projection first tell something else."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from domain.units import Micros
from projections.digest import Digest
from projections.folding import fold_past
from projections.ports import END_VERSION, Commit
from projections.projection import Key, Projection, R, Recorded, Row, row_spec


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


class Difference(NamedTuple):
    """A field that two sides tell otherwise. `field` None: a row that only one of them has."""

    vehicle_id: UUID
    table: str
    key: Key  # without the vehicle
    field: str | None
    left: Any
    right: Any
    event_version: int  # of the vehicle: the first event from which on they differ
    position: int
    recorded_at: Micros | None


class _Rows:
    """Rows of one vehicle, to fold on top of."""

    def __init__(self, rows: Mapping[type[Row], Mapping[Key, Row]]) -> None:
        self._rows = rows

    def load(self, _: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        """Return the rows with these keys."""
        kept: Mapping[Key, Any] = self._rows.get(row_type, {})
        return {key: kept[key] for key in keys if key in kept}


def changed(rows: Mapping[type[Row], Mapping[Key, Row]], commit: Commit) -> dict[type[Row], dict[Key, Row]]:
    """Return rows with what a commit writes and deletes."""
    found = {row_type: dict(of_type) for row_type, of_type in rows.items()}
    for row_type, written in commit.written().items():
        of_type = {**found.get(row_type, {}), **written}
        found[row_type] = {key: row for key, row in of_type.items() if row is not None}
    return found


def rows_after(
    projection: Projection, events: Sequence[Recorded], rows: Mapping[type[Row], Mapping[Key, Row]] | None = None
) -> dict[type[Row], dict[Key, Row]]:
    """Return the rows of one vehicle after events of it, on top of those that it had."""
    before = rows or {}
    return changed(before, fold_past(_Rows(before), projection, events))


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
            first = first or next(differences(vehicle_id, (projection, rows), (projection, right), events), None)
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
    left: Projection, right: Projection, store: SnapshotStore, log: Histories, chunk: Sequence[UUID]
) -> Iterator[Difference]:
    """Yield where two versions tell something else of some vehicles, each at the later of their events.

    The one that is behind is folded on, in memory.
    """
    found = store.of_vehicles([left, right], chunk)
    for vehicle_id in sorted(chunk):
        kept = found[vehicle_id]
        newest = max(each.version for each in kept)
        sides = []
        for projection, (version, rows) in zip((left, right), kept, strict=True):
            later = log.history(vehicle_id, version, newest) if version < newest else ()
            sides.append((projection, rows_after(projection, later, rows) if later else rows))
        if any(_different(sides[0][1], sides[1][1])):
            yield from differences(vehicle_id, sides[0], sides[1], log.history(vehicle_id, 0, newest))


Side = tuple[Projection, Mapping[type[Row], Mapping[Key, Row]]]


def differences(vehicle_id: UUID, left: Side, right: Side, events: Sequence[Recorded]) -> Iterator[Difference]:
    """Yield where two sides differ, in order of table and key, each with the first event from which on they do."""
    found = list(_different(left[1], right[1]))
    if not found:
        return
    diverged = _diverged(left[0], right[0], events) if left[0].folds != right[0].folds else {}
    places = {each.event.originator_version: each for each in events}
    for row_type, key, one, other in found:
        version = diverged.get((row_type, key)) or min(
            each.event_version  # type: ignore[attr-defined]  # of every row
            for each in (one, other)
            if each is not None
        )
        event = places.get(version)
        where = (version, event.position if event else 0, event.recorded_at if event else None)
        table = row_spec(row_type).table
        if one is None or other is None:
            yield Difference(vehicle_id, table, key[1:], None, one, other, *where)
            continue
        values = zip(row_spec(row_type).columns, one, other, strict=True)  # type: ignore[call-overload]  # NamedTuples
        for column, value, other_value in values:
            if not _same(value, other_value):
                yield Difference(vehicle_id, table, key[1:], column.name, value, other_value, *where)


def _different(
    left: Mapping[type[Row], Mapping[Key, Row]], right: Mapping[type[Row], Mapping[Key, Row]]
) -> Iterator[tuple[type[Row], Key, Row | None, Row | None]]:
    for row_type in sorted({*left, *right}, key=lambda each: row_spec(each).table):
        ones, others = left.get(row_type, {}), right.get(row_type, {})
        for key in sorted({*ones, *others}, key=repr):
            one, other = ones.get(key), others.get(key)
            if one is None or other is None or not _same(tuple(one), tuple(other)):  # type: ignore[arg-type]
                yield row_type, key, one, other


def _same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # as digests see it: not a number is the same as itself


def _diverged(left: Projection, right: Projection, events: Sequence[Recorded]) -> dict[tuple[type[Row], Key], int]:
    """Return from which event on two folds tell something else of a row, for good: step by step, both from nothing."""
    rows: tuple[dict[type[Row], dict[Key, Row]], dict[type[Row], dict[Key, Row]]] = ({}, {})
    since: dict[tuple[type[Row], Key], int] = {}
    for event in events:
        rows = (rows_after(left, [event], rows[0]), rows_after(right, [event], rows[1]))
        now = {(row_type, key) for row_type, key, _, _ in _different(*rows)}
        since = {each: since.get(each, event.event.originator_version) for each in now}
    return since
