"""Rows of any projection in the memory of one process."""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from domain.errors import PositionConflictError
from projections.ports import Commit, Parked
from projections.projection import Key, Projection, R, Row, row_key, row_spec

_Name = tuple[str, int]


class MemoryReadModels:
    """Implements `projections.ports.ReadModelStore`, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._positions: defaultdict[_Name, int] = defaultdict(int)
        self._versions: defaultdict[_Name, dict[UUID, int]] = defaultdict(dict)
        self._parked: defaultdict[_Name, dict[UUID, Parked]] = defaultdict(dict)
        self._rows: defaultdict[tuple[_Name, type[Row]], dict[Key, Row]] = defaultdict(dict)

    def prepare(self, projection: Projection) -> None:
        """Do nothing: there are no tables to make."""

    def position(self, projection: Projection) -> int:
        """Return the position of a projection; 0 for one that has not begun."""
        with self._lock:
            return self._positions[_name(projection)]

    def versions(self, projection: Projection, vehicle_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the last version folded of each of these vehicles; absent: none."""
        with self._lock:
            known = self._versions[_name(projection)]
            return {vehicle_id: known[vehicle_id] for vehicle_id in vehicle_ids if vehicle_id in known}

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

    def parked(self, projection: Projection) -> Mapping[UUID, Parked]:
        """Return the parked vehicles."""
        with self._lock:
            return dict(self._parked[_name(projection)])

    def commit(self, projection: Projection, commit: Commit) -> None:
        """Write a step, or nothing. Raises PositionConflictError."""
        name = _name(projection)
        with self._lock:
            if self._positions[name] != commit.expected_position:
                msg = f"{projection.id} is not at position {commit.expected_position} any more: another runner moved it"
                raise PositionConflictError(msg)
            for vehicle_id, version in commit.expected_versions.items():
                if self._versions[name].get(vehicle_id, 0) != version:
                    msg = f"{projection.id}: {vehicle_id} is not at version {version} any more: another runner moved it"
                    raise PositionConflictError(msg)
            self._positions[name] = commit.position
            for row_type, keys in commit.deletes.items():
                for key in keys:
                    self._rows[name, row_type].pop(key, None)
            for row_type, rows in commit.upserts.items():
                self._rows[name, row_type].update({row_key(row): _typed(row) for row in rows})
            self._versions[name].update(commit.versions)
            for vehicle_id in commit.unpark:
                self._parked[name].pop(vehicle_id, None)
            self._parked[name].update({parked.vehicle_id: parked for parked in commit.park})


def _typed(row: Row) -> Row:
    """Return a row with whole numbers as floats where its columns say so, as a database keeps them."""
    assert isinstance(row, tuple)  # a NamedTuple
    changed: dict[str, object] = {}
    for column, value in zip(row_spec(type(row)).columns, row, strict=True):
        if column.kind == "float" and type(value) is int:
            changed[column.name] = float(value)
        elif column.kind == "float[]" and value is not None and any(type(item) is int for item in value):
            changed[column.name] = [item if item is None else float(item) for item in value]
    return row._replace(**changed) if changed else row  # type: ignore[attr-defined]


def _name(projection: Projection) -> _Name:
    return projection.name, projection.version
