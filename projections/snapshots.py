"""Snapshots: the rows of a vehicle after each block of its events, so that the past is folded from the nearest one.

Of the row types that grow with every thing that happens (trips, pieces of track) a snapshot has what its block wrote,
of the others all that there was.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from domain.units import Micros
from projections.projection import Key, Projection, R, Row

BLOCK_EVENTS: Final = 32  # of one vehicle; up to twice as many are folded on top of a snapshot


class Moment(NamedTuple):
    """What the past is seen from: the log up to a position, and the vehicles' clock up to a time (None: any)."""

    position: int
    as_of: Micros | None = None


class Block(NamedTuple):
    """Events of one vehicle that follow each other, after the last of which there is a snapshot."""

    vehicle_id: UUID
    after_version: int
    to_version: int
    from_position: int  # of its first event
    to_position: int  # of its last event
    first_told: Micros  # the first moment that its events tell of, by the vehicle's clock
    all_told_by: Micros  # the last moment that its events that are folded, or those of a block before it, tell of


class Range(NamedTuple):
    """Versions of one vehicle from `after_version` + 1 to `to_version`."""

    vehicle_id: UUID
    after_version: int
    to_version: int


class Newest(NamedTuple):
    """Of rows with a `started_at`: so many of each vehicle, the newest, and those that began when the last of them did.

    `until`: of those only that had begun by then.
    """

    rows: int
    until: Micros | None = None


class Oldest(NamedTuple):
    """Likewise the oldest. `since`: of those only that began then or later."""

    rows: int
    since: Micros | None = None


RowsOf = Mapping[type[Row], Mapping[Key, Row]]


class Snapshot(NamedTuple):
    """What a block leaves behind, of all projections: the rows that do not grow, and what it wrote of those that do."""

    block: Block
    states: RowsOf
    grown: Mapping[type[Row], Mapping[Key, Row | None]]  # None: deleted


class SnapshotReader(Protocol):
    """Where snapshots are. `versions`: of each vehicle, the one that a snapshot was made after."""

    def newest(self, vehicle_ids: Sequence[UUID], moment: Moment | None) -> Mapping[UUID, Block]:
        """Return the newest snapshot of each vehicle all of whose events were known, and told, by a moment."""

    def ranges(self, versions: Mapping[UUID, int], moment: Moment) -> Sequence[Range]:
        """Return where events after these versions are that a moment may see, in order of vehicle and version."""

    def states(self, projection: Projection, versions: Mapping[UUID, int]) -> Mapping[UUID, RowsOf]:
        """Return the rows of a projection that do not grow."""

    def load(self, row_type: type[R], keys: Sequence[Key], versions: Mapping[UUID, int]) -> Mapping[Key, R]:
        """Return rows of a type that grows, by key, of vehicles that have a version."""

    def grown(
        self,
        row_type: type[R],
        versions: Mapping[UUID, int],
        between: tuple[Micros, Micros] | None = None,
        chosen: Newest | Oldest | None = None,
    ) -> Sequence[R]:
        """Return rows of a type that grows; `between`: of one with a beginning and an end, those that touch it."""


class SnapshotStore(SnapshotReader, Protocol):
    """Where snapshots are made."""

    def add(self, snapshots: Sequence[Snapshot]) -> None:
        """Keep snapshots, all or none; one that is there already stays as it is."""
