"""Looks at every commit of a projection while a run goes on."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from adapters.memory.event_store import MemoryEventLog
from projections.diagnostics.model import DiagnosticsSignalRow, TroubleCodeRow, WarningRow
from projections.media.model import MediaSignalRow
from projections.navigation.model import DestinationRow, NavigationSignalRow
from projections.ports import Commit, Moved, Parked, ReadModelStore
from projections.projection import Projection, Row, row_key, row_spec
from tests.support.simulation.ports import Step

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
    """Finds what no commit may do.

    `injected` are the beginnings of the errors that the run puts into folds: for nothing else may a vehicle be parked.
    `whole` says that the feed leaves no event out, so that a projection has folded all that its position says.
    """

    def __init__(
        self, log: MemoryEventLog, store: ReadModelStore, injected: Sequence[str] = (), *, whole: bool = False
    ) -> None:
        self._log = log
        self._store = store
        self._injected = tuple(injected)
        self._whole = whole
        self._read = 0  # position up to which the log has been looked at
        self._positions: defaultdict[UUID, list[int]] = defaultdict(list)  # of versions 1, 2, 3 … of each vehicle
        self.findings: list[str] = []

    def before(self, projection: Projection, commit: Commit) -> Held:
        rows: dict[tuple[type[Row], Any], Row] = {
            (row_type, key): row
            for row_type, written in commit.upserts.items()
            if row_type in NEVER_OLDER
            for key, row in self._store.load(projection, row_type, list(map(row_key, written))).items()
        }
        versions = self._store.versions(projection, self._positions.keys() | commit.versions.keys())
        self.at_rest(projection)  # a commit that broke off has left something as well
        return Held(self._store.position(projection), dict(versions), dict(self._store.parked(projection)), rows)

    def after(self, projection: Projection, commit: Commit, before: object, step: Step) -> None:
        assert isinstance(before, Held)
        self.findings += [f"{projection.id}: {found}" for found in self._found(projection, commit, before)]
        self.findings += [f"{projection.id}: {found}" for found in self._parked(projection, commit)]
        self.findings += [f"{projection.id}: {found}" for found in _folded(commit, before, step)]
        self.at_rest(projection)

    def at_rest(self, projection: Projection) -> None:
        """Compare how far vehicles are with how far their projection is."""
        for record in self._log.read(self._read, self._log.last_position()):
            self._positions[record.originator_id].append(record.position)
            self._read = record.position
        position = self._store.position(projection)
        parked = self._store.parked(projection)
        folded = self._store.versions(projection, self._positions.keys())
        for vehicle_id, positions in self._positions.items():
            version, there_are = folded.get(vehicle_id, 0), bisect_right(positions, position)
            known = max(version, parked[vehicle_id].newest_version) if vehicle_id in parked else version
            if version > there_are or (self._whole and version < there_are and vehicle_id not in parked):
                self.findings.append(
                    f"{projection.id}: at position {position}, {vehicle_id} is at version {version}, not {there_are}"
                )
            elif self._whole and known < there_are:
                self.findings.append(
                    f"{projection.id}: at position {position}, {vehicle_id} is parked with {known} versions, not"
                    f" {there_are}"
                )

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
        stays = {vehicle_id for vehicle_id, row in before.parked.items() if _same(parked.get(vehicle_id), row)}
        for row_type, rows in commit.upserts.items():
            for row in rows:
                if row.vehicle_id in stays:
                    yield f"a row of a parked vehicle was written: {row_spec(row_type).table} {row_key(row)}"

    def _parked(self, projection: Projection, commit: Commit) -> Iterable[str]:
        """Find vehicles that are parked without need."""
        folded = self._store.versions(projection, [row.vehicle_id for row in commit.park])
        for row in commit.park:
            if not row.error.startswith(self._injected):
                yield f"a healthy vehicle is parked: {row}"
            version = folded.get(row.vehicle_id, 0)
            if row.version != version + 1:
                yield f"a vehicle is parked, and nothing has failed: {row}, but {version} is folded"


def _folded(commit: Commit, before: Held, step: Step) -> Iterable[str]:
    """Find what was folded again, or left out."""
    for vehicle_id in commit.versions.keys() | step.folded.keys():
        folded, last = step.folded[vehicle_id], before.versions.get(vehicle_id, 0)
        moved = commit.versions.get(vehicle_id, Moved(last, last))
        if folded != list(range(last + 1, moved.after + 1)):
            yield f"not each event is folded once: {vehicle_id} was at version {last}, and then came {folded}"


def _same(now: Parked | None, before: Parked) -> bool:
    """Whether a vehicle is parked as it was, though more of it may have been left out."""
    return now is not None and now._replace(newest_version=before.newest_version) == before


def _place(row: Any) -> tuple[Any, ...]:
    return (row.captured_at, row.stream_id, row.sequence)
