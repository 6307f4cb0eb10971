"""Snapshots in memory."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from domain.units import Micros
from projections.ports import END_VERSION
from projections.projection import Key, Projection, R, Row
from projections.snapshots import Block, Moment, Newest, Oldest, Range, RowsOf, Snapshot


class MemorySnapshots:
    """Implements `SnapshotStore`."""

    def __init__(self) -> None:
        self._kept: dict[UUID, dict[int, Snapshot]] = {}  # by vehicle and version, in order

    def add(self, snapshots: Sequence[Snapshot]) -> None:
        """Keep snapshots, all or none; one that is there already stays as it is."""
        for each in snapshots:
            self._kept.setdefault(each.block.vehicle_id, {}).setdefault(each.block.to_version, each)

    def newest(self, vehicle_ids: Sequence[UUID], moment: Moment | None) -> Mapping[UUID, Block]:
        """Return the newest snapshot of each vehicle all of whose events were known, and told, by a moment."""
        position, as_of = moment or Moment(END_VERSION)
        found: dict[UUID, Block] = {}
        for vehicle_id in vehicle_ids:
            for block in self._blocks(vehicle_id):
                if block.to_position <= position and (as_of is None or block.all_told_by <= as_of):
                    found[vehicle_id] = block
        return found

    def ranges(self, versions: Mapping[UUID, int], moment: Moment) -> Sequence[Range]:
        """Return where events after these versions are that a moment may see, in order of vehicle and version."""
        position, as_of = moment
        found: list[Range] = []
        for vehicle_id, version in sorted(versions.items()):
            blocks = self._blocks(vehicle_id)
            for block in blocks:
                told = as_of is None or block.first_told <= as_of
                if block.to_version > version and told and block.from_position <= position:
                    found.append(Range(vehicle_id, block.after_version, block.to_version))
            if not blocks or blocks[-1].to_position < position:
                found.append(Range(vehicle_id, blocks[-1].to_version if blocks else 0, END_VERSION))
        return found

    def states(self, projection: Projection, versions: Mapping[UUID, int]) -> Mapping[UUID, RowsOf]:
        """Return the rows of a projection that do not grow."""
        return {
            vehicle_id: {
                row_type: rows
                for row_type, rows in self._kept[vehicle_id][version].states.items()
                if row_type in projection.row_types
            }
            for vehicle_id, version in versions.items()
        }

    def load(self, row_type: type[R], keys: Sequence[Key], versions: Mapping[UUID, int]) -> Mapping[Key, R]:
        """Return rows of a type that grows, by key, of vehicles that have a version."""
        return {key: row for key, row in self._grown(row_type, versions).items() if key in keys}

    def grown(
        self,
        row_type: type[R],
        versions: Mapping[UUID, int],
        between: tuple[Micros, Micros] | None = None,
        chosen: Newest | Oldest | None = None,
    ) -> Sequence[R]:
        """Return rows of a type that grows; `between`: of one with a beginning and an end, those that touch it."""
        rows: list[Any] = list(self._grown(row_type, versions).values())
        if between:
            rows = [row for row in rows if row.started_at <= between[1] and row.ended_at >= between[0]]
        if chosen is None:
            return rows
        count, bound = chosen
        sign = -1 if isinstance(chosen, Newest) else 1
        found: list[Any] = []
        for vehicle_id in versions:
            of_vehicle = [row for row in rows if row.vehicle_id == vehicle_id]
            if bound is not None:
                of_vehicle = [row for row in of_vehicle if sign * row.started_at >= sign * bound]
            begins = sorted(sign * row.started_at for row in of_vehicle)[:count]
            found += [row for row in of_vehicle if sign * row.started_at <= begins[-1]] if begins else []
        return found

    def _grown(self, row_type: type[R], versions: Mapping[UUID, int]) -> dict[Key, R]:
        found: dict[Key, Row] = {}
        for vehicle_id, version in versions.items():
            for to_version, snapshot in self._kept.get(vehicle_id, {}).items():
                if to_version <= version:
                    for key, row in snapshot.grown.get(row_type, {}).items():
                        if row is None:
                            found.pop(key, None)
                        else:
                            found[key] = row
        return cast("dict[Key, R]", found)

    def _blocks(self, vehicle_id: UUID) -> list[Block]:
        return [each.block for _, each in sorted(self._kept.get(vehicle_id, {}).items())]
