"""Looks at every commit of a projection while a run goes on."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from projections.diagnostics.model import DiagnosticsSignalRow, TroubleCodeRow, WarningRow
from projections.media.model import MediaSignalRow
from projections.navigation.model import DestinationRow, NavigationSignalRow
from projections.ports import Commit, Parked, ReadModelStore
from projections.projection import Projection, Row, row_key, row_spec

NEVER_OLDER = (
    NavigationSignalRow,
    MediaSignalRow,
    DiagnosticsSignalRow,
    DestinationRow,
    TroubleCodeRow,
    WarningRow,
)  # rows of which each says the newest of something


class Held(NamedTuple):
    """What the store holds of what is going to be written."""

    position: int
    versions: dict[Any, int]
    parked: dict[Any, Parked]
    rows: dict[tuple[type[Row], Any], Row]


class CommitWatch:
    """Finds what no commit may do."""

    def __init__(self, store: ReadModelStore) -> None:
        self._store = store
        self.findings: list[str] = []

    def before(self, projection: Projection, commit: Commit) -> Held:
        rows: dict[tuple[type[Row], Any], Row] = {
            (row_type, key): row
            for row_type, written in commit.upserts.items()
            if row_type in NEVER_OLDER
            for key, row in self._store.load(projection, row_type, list(map(row_key, written))).items()
        }
        versions = self._store.versions(projection, list(commit.versions))
        return Held(self._store.position(projection), dict(versions), dict(self._store.parked(projection)), rows)

    def after(self, projection: Projection, commit: Commit, before: object) -> None:
        assert isinstance(before, Held)
        self.findings += [f"{projection.id}: {found}" for found in self._found(projection, commit, before)]

    def _found(self, projection: Projection, commit: Commit, before: Held) -> Iterable[str]:
        position = self._store.position(projection)
        if position < before.position:
            yield f"the position went down from {before.position} to {position}"
        for vehicle_id, version in self._store.versions(projection, list(commit.versions)).items():
            if version < before.versions.get(vehicle_id, 0):
                yield f"the version of {vehicle_id} went down from {before.versions[vehicle_id]} to {version}"
        for (row_type, key), old in before.rows.items():
            new: Any = self._store.load(projection, row_type, [key])[key]
            if _place(new) < _place(old):
                yield f"a value was replaced by an older one, in {row_spec(row_type).table}: {old} by {new}"
        parked = self._store.parked(projection)
        stays = {vehicle_id for vehicle_id, row in before.parked.items() if parked.get(vehicle_id) == row}
        for row_type, rows in commit.upserts.items():
            for row in rows:
                if row.vehicle_id in stays:
                    yield f"a row of a parked vehicle was written: {row_spec(row_type).table} {row_key(row)}"


def _place(row: Any) -> tuple[Any, ...]:
    return (row.captured_at, row.stream_id, row.sequence)
