"""Runs a projection: events in batches, rows and position in one transaction, each vehicle's versions without a hole.

Poison policy: an event whose fold fails parks its vehicle in this projection; the rows stay as they were before that
event, the position goes on, and the other vehicles with it. `retry` takes the vehicle up again from the store. Nothing
is skipped in silence: a parked vehicle is a row in the store, written anew with every batch that leaves out events of
it, so that a retry by another process cannot come between unseen.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from domain.errors import StoreError
from domain.units import Micros
from projections.ports import Commit, Feed, Parked, ReadModelStore
from projections.projection import Key, Projection, R, Recorded, Row, Rows, row_key

BATCH_EVENTS: Final = 2_000  # events folded in one transaction
ERROR_LENGTH_MAX: Final = 2_000  # characters of an error that are kept
VERSIONS_CACHED_MAX: Final = 100_000  # vehicles whose last version is remembered between batches


class _Session(Rows):
    """The rows that a batch reads and writes, each read at most once, each written once."""

    def __init__(self, store: ReadModelStore, projection: Projection) -> None:
        self._store = store
        self._projection = projection
        self._rows: defaultdict[type[Row], dict[Key, Row | None]] = defaultdict(dict)
        self._touched: defaultdict[type[Row], dict[Key, None]] = defaultdict(dict)
        self._undo: list[tuple[type[Row], Key, Row | None, bool]] = []  # what the present event replaced
        self.store_failed = False

    def prefetch(self, events: Iterable[Recorded]) -> None:
        """Load the rows that folding these events will ask for, one statement a table."""
        wanted: defaultdict[type[Row], set[Key]] = defaultdict(set)
        for recorded in events:
            try:
                keys = self._projection.keys(recorded.event)
            except Exception:  # noqa: BLE001, S112  # its fold fails as well, and parks the vehicle
                continue
            for row_type, key in keys:
                wanted[row_type].add(key)
        for row_type, missing in wanted.items():
            found = self._store.load(self._projection, row_type, missing)
            self._rows[row_type].update({key: found.get(key) for key in missing})

    def get(self, row_type: type[R], *key: Any) -> R | None:
        known = self._rows[row_type]
        if key not in known:
            try:
                known[key] = self._store.load(self._projection, row_type, [key]).get(key)
            except BaseException:
                self.store_failed = True
                raise
        return known[key]  # type: ignore[return-value]  # rows are kept by their type

    def put(self, row: Row) -> None:
        row_type = type(row)
        self._set(row_type, row_key(row), row)

    def delete(self, row_type: type[Row], *key: Any) -> None:
        self._set(row_type, key, None)

    def _set(self, row_type: type[Row], key: Key, row: Row | None) -> None:
        known, touched = self._rows[row_type], self._touched[row_type]
        self._undo.append((row_type, key, known.get(key), key in touched))
        known[key] = row
        touched[key] = None

    def fold(self, recorded: Recorded) -> None:
        """Fold one event whole, or not at all."""
        self._undo.clear()
        try:
            self._projection.fold(recorded, self)
        except BaseException:
            for row_type, key, row, was_touched in reversed(self._undo):
                if was_touched:
                    self._rows[row_type][key] = row
                else:
                    del self._rows[row_type][key], self._touched[row_type][key]
            raise

    def upserts(self) -> dict[type[Row], list[Row]]:
        return {
            row_type: [row for key in keys if (row := self._rows[row_type][key]) is not None]
            for row_type, keys in self._touched.items()
        }

    def deletes(self) -> dict[type[Row], list[Key]]:
        return {
            row_type: [key for key in keys if self._rows[row_type][key] is None]
            for row_type, keys in self._touched.items()
        }


class Runner:
    """Moves one projection along a feed.

    `now` gives the time of parking; the only clock that a runner reads is the one it is given.
    """

    def __init__(self, projection: Projection, feed: Feed, store: ReadModelStore, now: Callable[[], Micros]) -> None:
        self.projection = projection
        self._feed = feed
        self._store = store
        self._now = now
        store.prepare(projection)
        self._position = store.position(projection)
        self._parked = dict(store.parked(projection))
        self._versions: dict[UUID, int] = {}

    @property
    def position(self) -> int:
        """The position up to which this runner has taken the feed."""
        return self._position

    def step(self, limit: int = BATCH_EVENTS) -> int:
        """Fold the next batch; return how many events were taken (0: there are none yet).

        Raises `PositionConflictError` when another runner of the same projection has moved on: this one must be thrown
        away.
        """
        batch = self._feed.read(self._position, limit)
        if batch:
            if self._parked:
                self._reload_parked()  # another process may have taken a vehicle up again
            self._take(batch, batch[-1].position)
        return len(batch)

    def run_until(self, position: int) -> None:
        """Fold batches until the projection has reached `position`, which the feed must have."""
        while self._position < position:
            if not self.step(min(BATCH_EVENTS, position - self._position)):
                msg = f"{self.projection.id}: the feed ends at {self._position}, before {position}"
                raise StoreError(msg)

    def retry(self, vehicle_id: UUID) -> Parked | None:
        """Take a parked vehicle up again; return how it is parked now, None if it is not any more.

        Raises `PositionConflictError` when another runner has moved on in the meantime: try again.
        """
        self._position = self._store.position(self.projection)
        self._reload_parked()
        tried = self._parked.pop(vehicle_id, None)
        while tried:
            last = self._store.versions(self.projection, [vehicle_id]).get(vehicle_id, 0)
            self._versions[vehicle_id] = last
            page = self._feed.history(vehicle_id, last, last + BATCH_EVENTS)
            missed = [recorded for recorded in page if recorded.position <= self._position]
            done = len(missed) < BATCH_EVENTS
            self._take(missed, self._position, tried, unpark=done)
            if done or vehicle_id in self._parked:
                break
        return self._parked.get(vehicle_id)

    def _reload_parked(self) -> None:
        parked = dict(self._store.parked(self.projection))
        for vehicle_id in self._parked.keys() - parked.keys():
            self._versions.pop(vehicle_id, None)
        self._parked = parked

    def _take(
        self, batch: Sequence[Recorded], position: int, tried: Parked | None = None, *, unpark: bool = False
    ) -> None:
        """Fold events, leave out vehicles that fail from the event that failed, and write it all."""
        self._load_versions(batch)
        session = _Session(self._store, self.projection)
        session.prefetch(batch)
        versions: dict[UUID, int] = {}
        parked: dict[UUID, Parked] = {}
        for recorded in batch:
            vehicle_id = recorded.event.originator_id
            if vehicle_id in parked:
                continue
            if vehicle_id in self._parked:
                parked[vehicle_id] = self._parked[vehicle_id]
                continue
            failed = self._fold(recorded, session, versions)
            if failed:
                attempts = tried.attempts + 1 if tried else 1
                parked[vehicle_id] = failed._replace(attempts=attempts)
        healed = [tried.vehicle_id] if tried and unpark and not parked else []
        commit = Commit(
            self._position, position, session.upserts(), session.deletes(), versions, tuple(parked.values()), healed
        )
        try:
            self._store.commit(self.projection, commit)
        except BaseException:
            self._versions.clear()  # what the store holds now is not known
            raise
        self._position = position
        self._versions.update(versions)
        self._parked.update(parked)

    def _load_versions(self, batch: Iterable[Recorded]) -> None:
        if len(self._versions) > VERSIONS_CACHED_MAX:
            self._versions.clear()
        unknown = {recorded.event.originator_id for recorded in batch} - self._versions.keys()
        if unknown:
            found = self._store.versions(self.projection, unknown)
            self._versions.update({vehicle_id: found.get(vehicle_id, 0) for vehicle_id in unknown})

    def _fold(self, recorded: Recorded, session: _Session, versions: dict[UUID, int]) -> Parked | None:
        """Fold an event, and before it those of its vehicle that the feed left out; return what fails, if it does."""
        vehicle_id, version = recorded.event.originator_id, recorded.event.originator_version
        last = versions.get(vehicle_id, self._versions[vehicle_id])
        if version <= last:
            return None  # a duplicate: its rows are there
        missed = self._feed.history(vehicle_id, last, version - 1) if version > last + 1 else ()
        for event in (*missed, recorded):
            try:
                if event.event.originator_version != last + 1:
                    msg = f"version {event.event.originator_version} follows {last}: those between are nowhere"
                    raise StoreError(msg)  # noqa: TRY301  # parks the vehicle like any other failure
                session.fold(event)
            except Exception as error:
                if session.store_failed:
                    raise  # no fault of the event
                return self._park(event, error)
            last = versions[vehicle_id] = event.event.originator_version
        return None

    def _park(self, recorded: Recorded, error: Exception) -> Parked:
        text = f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX]
        event = recorded.event
        return Parked(event.originator_id, event.originator_version, recorded.position, text, 1, self._now())
