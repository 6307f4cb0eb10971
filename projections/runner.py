"""Moves a projection along a feed: events in batches, rows and position in one transaction."""

from collections.abc import Callable
from typing import ClassVar, Final
from uuid import UUID

from domain.errors import StoreError
from domain.units import Micros
from projections.folding import Counts, Folder
from projections.ports import Commit, Feed, Parked, ReadModelStore
from projections.projection import Projection

BATCH_EVENTS: Final = 4_000  # events folded in one transaction


class Runner:
    """Moves one projection along a feed.

    `now` gives the time of parking; the only clock that a runner reads is the one it is given. Raises
    `VersionGoneError` where the projection is not there: somebody else makes it, and discards it.
    """

    folder_type: ClassVar[type[Folder]] = Folder

    def __init__(self, projection: Projection, feed: Feed, store: ReadModelStore, now: Callable[[], Micros]) -> None:
        self._feed = feed
        self._store = store
        self._position = store.position(projection)
        self._folder = self.folder_type(projection, feed, store, now)

    @property
    def projection(self) -> Projection:
        """What is moved."""
        return self._folder.projection

    @property
    def position(self) -> int:
        """The position up to which this runner has taken the feed."""
        return self._position

    @property
    def counts(self) -> Counts:
        """What was done so far."""
        return self._folder.counts

    def step(self, limit: int = BATCH_EVENTS) -> int:
        """Fold the next batch; return how many events were taken (0: there are none yet).

        Raises `PositionConflictError` when another runner of the same projection has moved on: this one must be thrown
        away.
        """
        batch = self._feed.read(self._position, limit)
        if batch:
            self._folder.see_parked()
            position = batch[-1].position
            self._folder.take(batch, Commit(self._position, position))
            self._position = position
        return len(batch)

    def run_until(self, position: int) -> None:
        """Fold batches until the projection has reached `position`, which the feed must have."""
        while self._position < position:
            if not self.step(min(BATCH_EVENTS, position - self._position)):
                msg = f"{self.projection.id}: the feed ends at {self._position}, before {position}"
                raise StoreError(msg)

    def retry(self, vehicle_id: UUID) -> Parked | None:
        """Take a parked vehicle up again; return how it is parked now, None if it is not any more.

        Raises `PositionConflictError` when another process has left out more of its events in the meantime, or has
        taken it up again: try again.
        """
        position = self._store.position(self.projection)
        self._folder.begin()
        tried = self._folder.parked.get(vehicle_id)
        while tried and self._folder.parked.get(vehicle_id) is tried:
            last = self._store.versions(self.projection, [vehicle_id]).get(vehicle_id, 0)
            missed = [
                each
                for each in self._feed.history(vehicle_id, last, last + BATCH_EVENTS)
                if each.position <= position or each.event.originator_version <= tried.newest_version
            ]
            self._folder.take_up(tried, missed, whole=len(missed) < BATCH_EVENTS)
        return self._folder.parked.get(vehicle_id)
