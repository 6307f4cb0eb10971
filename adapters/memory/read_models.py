"""Rows of any projection in the memory of one process."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from adapters.clock import now
from adapters.projection_versions import ShownRows
from adapters.twins import Projected
from domain.units import Micros
from projections.history import Kept
from projections.ports import Commit, Parked, gone, overtaken
from projections.projection import Key, Projection, R, Row, row_key, row_spec
from projections.storable import check_row

_Name = tuple[str, int]


class MemoryReadModels:
    """Implements `projections.ports.ReadModelStore`, for any number of threads; `clock` dates what is written.

    Every version of a projection is there, but for those that are discarded.
    """

    def __init__(self, clock: Callable[[], Micros] = now) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._positions: defaultdict[_Name, int] = defaultdict(int)
        self._versions: defaultdict[_Name, dict[UUID, int]] = defaultdict(dict)
        self._projected: defaultdict[_Name, dict[UUID, Projected]] = defaultdict(dict)
        self._parked: defaultdict[_Name, dict[UUID, Parked]] = defaultdict(dict)
        self._consumed: defaultdict[_Name, dict[str, int]] = defaultdict(dict)
        self._complete: defaultdict[_Name, dict[str, int]] = defaultdict(dict)
        self._rows: defaultdict[tuple[_Name, type[Row]], dict[Key, Row]] = defaultdict(dict)
        self._discarded: set[_Name] = set()

    def prepare(self, projection: Projection) -> None:
        """Let a version be there that was discarded: there are no tables to make."""
        with self._lock:
            self._discarded.discard(_name(projection))

    def discard(self, projection: Projection) -> None:
        """Forget a version."""
        name = _name(projection)
        with self._lock:
            self._discarded.add(name)
            self._positions.pop(name, None)
            for kept in (self._versions, self._projected, self._parked, self._consumed, self._complete):
                kept.pop(name, None)
            for row_type in projection.row_types:
                self._rows.pop((name, row_type), None)

    def position(self, projection: Projection) -> int:
        """Return the position of a projection. Raises VersionGoneError."""
        with self._lock:
            self._check_there(projection)
            return self._positions[_name(projection)]

    def versions(self, projection: Projection, vehicle_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the last version folded of each of these vehicles; absent: none."""
        with self._lock:
            known = self._versions[_name(projection)]
            return {vehicle_id: known[vehicle_id] for vehicle_id in vehicle_ids if vehicle_id in known}

    def consumed(self, projection: Projection, sources: Collection[str]) -> Mapping[str, int]:
        """Return what a projection reads next in each of these partitions."""
        with self._lock:
            known = self._consumed[_name(projection)]
            return {source: known[source] for source in sources if source in known}

    def complete(
        self,
        projection: Projection,
        positions: Mapping[str, int],
        consumed: Mapping[str, int],
        sources: Collection[str],
    ) -> None:
        """Note up to which position of the log all events of partitions are folded. Raises PositionConflictError."""
        name = _name(projection)
        with self._lock:
            self._check_there(projection)
            self._check_consumed(projection, {source: consumed.get(source, 0) for source in positions})
            known = self._complete[name]
            for source, position in positions.items():
                known[source] = max(position, known.get(source, 0))
            lowest = min((known.get(source, 0) for source in sources), default=0)
            self._positions[name] = max(self._positions[name], lowest)

    def load(self, projection: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        """Return the rows with these keys."""
        with self._lock:
            rows = self._rows[_name(projection), row_type]
            return {key: rows[key] for key in keys if key in rows}  # type: ignore[misc]  # rows are kept by type

    def rows(self, projection: Projection, row_type: type[R]) -> Iterable[R]:
        """Return every row of a table in order of its key."""
        with self._lock:
            rows = self._rows[_name(projection), row_type]
            return [rows[key] for key in sorted(rows)]  # type: ignore[misc]  # rows are kept by type

    @contextmanager
    def reading(self, projection: Projection) -> Iterator[ShownRows]:
        """Give the version of a projection that is shown, which is the only one, as it is at one moment."""
        with self._lock:
            rows = {row_type: self.rows(projection, row_type) for row_type in projection.row_types}
            position = self.position(projection)
        yield ShownRows(projection, position, rows.__getitem__)

    def of_vehicles(
        self, projections: Sequence[Projection], vehicle_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[Kept]]:
        """Return what is kept of each vehicle, for each projection in their order, all of it at one moment."""
        with self._lock:
            return {
                vehicle_id: [
                    Kept(
                        self._versions[_name(projection)].get(vehicle_id, 0),
                        {
                            row_type: {
                                key: row
                                for key, row in self._rows[_name(projection), row_type].items()
                                if key[0] == vehicle_id
                            }
                            for row_type in projection.row_types
                        },
                    )
                    for projection in projections
                ]
                for vehicle_id in vehicle_ids
            }

    def projected(self, projection: Projection, vehicle_id: UUID) -> Projected | None:
        """Return when a vehicle was written last, None for never."""
        with self._lock:
            return self._projected[_name(projection)].get(vehicle_id)

    def vehicles_with_rows(self, projection: Projection) -> Collection[UUID]:
        """Return the vehicles that some table has a row of."""
        with self._lock:
            return {key[0] for row_type in projection.row_types for key in self._rows[_name(projection), row_type]}

    def parked(self, projection: Projection) -> Mapping[UUID, Parked]:
        """Return the parked vehicles."""
        with self._lock:
            return dict(self._parked[_name(projection)])

    def commit(self, projection: Projection, commit: Commit) -> None:
        """Write a step, or nothing. Raises PositionConflictError, UnstorableError, VersionGoneError."""
        name = _name(projection)
        upserts = {row_type: [_typed(row) for row in rows] for row_type, rows in commit.upserts.items()}
        with self._lock:
            self._check_there(projection)
            self._check(projection, commit)
            if commit.expected_position is not None:
                self._positions[name] = commit.position
            self._consumed[name].update({source: moved.after for source, moved in commit.consumed.items()})
            for row_type, keys in commit.deletes.items():
                for key in keys:
                    self._rows[name, row_type].pop(key, None)
            for row_type, rows in upserts.items():
                self._rows[name, row_type].update({row_key(row): row for row in rows})
            for block in commit.blocks:
                self._rows[name, block.row_type].update({row_key(row): row for row in block.rows()})
            self._versions[name].update({vehicle_id: moved.after for vehicle_id, moved in commit.versions.items()})
            at = self._clock()
            self._projected[name].update({each: Projected(moved.after, at) for each, moved in commit.versions.items()})
            parked = self._parked[name]
            for vehicle_id in commit.unpark:
                del parked[vehicle_id]
            for vehicle_id, version in commit.left_out.items():
                parked[vehicle_id] = _with_newest(parked[vehicle_id], version)
            for each in commit.park:
                known = parked.get(each.vehicle_id)
                parked[each.vehicle_id] = _with_newest(each, known.newest_version) if known else each

    def _check_there(self, projection: Projection) -> None:
        if _name(projection) in self._discarded:
            raise gone(projection)

    def _check(self, projection: Projection, commit: Commit) -> None:
        name = _name(projection)
        if commit.expected_position not in {None, self._positions[name]}:
            raise overtaken(projection, f"the position is not {commit.expected_position} any more")
        self._check_consumed(projection, {source: moved.before for source, moved in commit.consumed.items()})
        versions, parked = self._versions[name], self._parked[name]
        for vehicle_id, moved in commit.versions.items():
            if versions.get(vehicle_id, 0) != moved.before:
                raise overtaken(projection, f"{vehicle_id} is not at version {moved.before} any more")
        for vehicle_id in commit.left_out.keys() - parked.keys():
            raise overtaken(projection, f"{vehicle_id} is not parked any more")
        for vehicle_id, newest in commit.unpark.items():
            if vehicle_id not in parked or parked[vehicle_id].newest_version != newest:
                raise overtaken(projection, f"{vehicle_id} is not parked at version {newest} any more")

    def _check_consumed(self, projection: Projection, expected: Mapping[str, int]) -> None:
        known = self._consumed[_name(projection)]
        for source, position in expected.items():
            if known.get(source, 0) != position:
                raise overtaken(projection, f"{source} is not at {position} any more")


def _with_newest(parked: Parked, version: int) -> Parked:
    return parked._replace(newest_version=max(version, parked.newest_version))


def _typed(row: Row) -> Row:
    """Return a row with whole numbers as floats where its columns say so, as a database keeps them.

    Raises UnstorableError for what a database has no place for.
    """
    assert isinstance(row, tuple)  # a NamedTuple
    check_row(row)
    changed: dict[str, object] = {}
    for column, value in zip(row_spec(type(row)).columns, row, strict=True):
        if column.kind == "float" and type(value) is int:
            changed[column.name] = float(value)
        elif column.kind == "float[]" and value is not None and any(type(item) is int for item in value):
            changed[column.name] = [item if item is None else float(item) for item in value]
    return row._replace(**changed) if changed else row  # type: ignore[attr-defined]


def _name(projection: Projection) -> _Name:
    return projection.name, projection.version
