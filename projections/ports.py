"""What the read side needs of the outside: a feed of recorded events, and a store of rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from domain.errors import PositionConflictError, VersionGoneError
from domain.units import Micros
from projections.projection import Key, Projection, R, Recorded, Row, row_key

END_VERSION: Final = 2**62  # more events than a vehicle can have


class Feed(Protocol):
    """Recorded events in order of position: the event store itself, or a log that carries its events."""

    def read(self, after_position: int, limit: int) -> Sequence[Recorded]:
        """Return up to `limit` events after a position, in order; fewer only where there are no more yet."""

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        """Return the events of one vehicle with versions from `after_version` + 1 to `until_version`, in order."""

    def last_position(self) -> int:
        """Return the position of the newest event; 0 where there is none."""


class Parked(NamedTuple):
    """A vehicle that a projection cannot take further: what stopped it, and how often it was tried."""

    vehicle_id: UUID
    version: int  # of the event that failed
    position: int
    error: str
    attempts: int
    parked_at: Micros
    newest_version: int  # of the events that were left out


class Moved(NamedTuple):
    """A change of a number, e.g. of the last version of a vehicle that is folded (0: none yet)."""

    before: int
    after: int


class RowBlock(Protocol):
    """Rows of one type that no fold has made, by columns: one value a row."""

    @property
    def row_type(self) -> type[Row]:
        """What they are."""

    @property
    def columns(self) -> Sequence[Sequence[Any]]:
        """Each column, in the order of the row type."""

    def rows(self) -> Sequence[Row]:
        """Return them one by one."""

    def without(self, vehicle_ids: Collection[UUID]) -> "RowBlock":
        """Return those of other vehicles."""


@dataclass(slots=True)
class Commit:
    """Everything that one step of a projection writes, in one transaction.

    A projection that follows the log moves its `position`; one that reads the partitions of a topic moves how far it
    has read them, which is `consumed`. The write fails with `PositionConflictError`, and writes nothing, if the
    projection, a partition or a vehicle is not where this says it was, or a vehicle is not parked as this says it is.
    """

    expected_position: int | None = None  # None: the position of the projection stays as it is
    position: int = 0
    upserts: Mapping[type[Row], Sequence[Row]] = field(default_factory=dict)  # at most one row a key
    deletes: Mapping[type[Row], Sequence[Key]] = field(default_factory=dict)  # no key that is upserted too
    blocks: Sequence[RowBlock] = ()  # upserted as well: other rows
    versions: dict[UUID, Moved] = field(default_factory=dict)  # the last version folded
    park: list[Parked] = field(default_factory=list)  # inserted or replaced, by vehicle
    left_out: dict[UUID, int] = field(default_factory=dict)  # of vehicles that are parked: the newest version
    unpark: dict[UUID, int] = field(default_factory=dict)  # the newest version that was left out
    consumed: dict[str, Moved] = field(default_factory=dict)  # by partition: what is read next

    def forget_folded(self) -> None:
        """Be a step that moves the projection and partitions only."""
        self.upserts, self.deletes, self.blocks = {}, {}, ()
        for folded in (self.versions, self.park, self.left_out, self.unpark):
            folded.clear()

    def written(self) -> dict[type[Row], dict[Key, Row | None]]:
        """Return by type and key each row that is upserted, and None for each that is deleted."""
        found: dict[type[Row], dict[Key, Row | None]] = {}
        for row_type, keys in self.deletes.items():
            found[row_type] = dict.fromkeys(keys)
        for row_type, rows in self.upserts.items():
            found.setdefault(row_type, {}).update({row_key(row): row for row in rows})
        for block in self.blocks:
            found.setdefault(block.row_type, {}).update({row_key(row): row for row in block.rows()})
        return found


def overtaken(projection: Projection, what: str) -> PositionConflictError:
    """Return the error of a commit that comes too late."""
    why = "another process has been there, or the database has crashed"
    return PositionConflictError(f"{projection.id}: {what}: {why}")


def gone(projection: Projection) -> VersionGoneError:
    """Return the error about a version that nobody has begun, or that was discarded."""
    return VersionGoneError(f"{projection.id} is not there")


class ReadModelStore(Protocol):
    """Rows, positions and parked vehicles of projections. A projection is told apart by name and version.

    One that is prepared is there until it is discarded. Whoever moves it never makes it anew.
    """

    def prepare(self, projection: Projection) -> None:
        """Create the tables of a projection where they are missing. Safe to call from several processes at once."""

    def position(self, projection: Projection) -> int:
        """Return the position up to which a projection has taken the log. Raises `VersionGoneError`."""

    def versions(self, projection: Projection, vehicle_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the last version folded of each of these vehicles; absent: none."""

    def load(self, projection: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        """Return the rows with these keys; absent: no such row. One statement, however many keys.

        Raises `UnstorableError` for a key that no table has a place for, or takes it that there is none, and
        `VersionGoneError` where there are no tables any more, or takes it that they are empty.
        """

    def consumed(self, projection: Projection, sources: Collection[str]) -> Mapping[str, int]:
        """Return what a projection reads next in each of these partitions; absent: nothing has been read yet."""

    def complete(
        self,
        projection: Projection,
        positions: Mapping[str, int],
        consumed: Mapping[str, int],
        sources: Collection[str],
    ) -> None:
        """Note up to which position of the log all events of partitions are folded.

        Where this is known of all `sources`, which are the partitions of the topic, the position of the projection
        follows the lowest of them. No position goes back. Raises `PositionConflictError`, and notes nothing, if what
        is read next in one of these partitions is not what `consumed` says, as `commit` does: else a partition that
        was read, and lost in a crash of the database, would count as folded. Absent: nothing has been read yet.
        Raises `VersionGoneError`.
        """

    def rows(self, projection: Projection, row_type: type[R]) -> Iterable[R]:
        """Return every row of a table in order of its key, without holding them all in memory."""

    def parked(self, projection: Projection) -> Mapping[UUID, Parked]:
        """Return the parked vehicles."""

    def commit(self, projection: Projection, commit: Commit) -> None:
        """Write a step.

        Raises `PositionConflictError`, `UnstorableError` for what no table has a place for, and `VersionGoneError`.
        """
