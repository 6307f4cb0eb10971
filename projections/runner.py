"""Runs a projection: events in batches, rows and position in one transaction, each vehicle's versions without a hole.

Poison policy: an event whose fold fails parks its vehicle in this projection; the rows stay as they were before that
event, the position goes on, and the other vehicles with it. `retry` takes the vehicle up again from the store. Nothing
is skipped in silence: a parked vehicle is a row in the store, written anew with every batch that leaves out events of
it, so that a retry by another process cannot come between unseen.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from domain.errors import StoreError
from domain.units import Micros
from projections.ports import Commit, Feed, Parked, ReadModelStore
from projections.projection import Key, Projection, R, Recorded, Row, Rows, row_key_in_vehicle

BATCH_EVENTS: Final = 4_000  # events folded in one transaction
ERROR_LENGTH_MAX: Final = 2_000  # characters of an error that are kept
VERSIONS_CACHED_MAX: Final = 100_000  # vehicles whose last version is remembered between batches


_NOTHING: Final = object()  # that a batch has not written a row


class _VehicleRows(Rows):
    """The rows of one vehicle that a batch reads and writes, each read at most once, each written once."""

    def __init__(self, vehicle_id: UUID, load: Callable[[type[Row], Key], Row | None]) -> None:
        self._vehicle_id = vehicle_id
        self._load = load
        self._loaded: defaultdict[type[Row], dict[Key, Row | None]] = defaultdict(dict)
        self._written: defaultdict[type[Row], dict[Key, Any]] = defaultdict(dict)  # None: deleted
        self._undo: list[tuple[dict[Key, Any], Key, Any]] = []  # what the present event replaced

    def loaded(self, row_type: type[Row], key: Key, row: Row | None) -> None:
        """Take a row that the store holds, or that it holds none."""
        self._loaded[row_type][key] = row

    def get(self, row_type: type[R], *key: Any) -> R | None:
        row = self._written[row_type].get(key, _NOTHING)
        if row is _NOTHING:
            loaded = self._loaded[row_type]
            if key not in loaded:
                loaded[key] = self._load(row_type, (self._vehicle_id, *key))
            row = loaded[key]
        return row  # type: ignore[no-any-return]  # rows are kept by their type

    def put(self, row: Row) -> None:
        self._set(type(row), row_key_in_vehicle(row), row)

    def delete(self, row_type: type[Row], *key: Any) -> None:
        self._set(row_type, key, None)

    def _set(self, row_type: type[Row], key: Key, row: Row | None) -> None:
        written = self._written[row_type]
        self._undo.append((written, key, written.get(key, _NOTHING)))
        written[key] = row

    def fold(self, projection: Projection, recorded: Recorded) -> None:
        """Fold one event whole, or not at all."""
        self._undo.clear()
        try:
            projection.fold(recorded, self)
        except BaseException:
            for written, key, before in reversed(self._undo):
                if before is _NOTHING:
                    del written[key]
                else:
                    written[key] = before
            raise

    def collect(self, upserts: dict[type[Row], list[Row]], deletes: dict[type[Row], list[Key]]) -> None:
        """Add what was written to that of other vehicles."""
        for row_type, written in self._written.items():
            for key, row in written.items():
                if row is None:
                    deletes[row_type].append((self._vehicle_id, *key))
                else:
                    upserts[row_type].append(row)


class _Session:
    """What one batch folds, vehicle by vehicle: the order within one vehicle is all that matters."""

    def __init__(self, store: ReadModelStore, projection: Projection, batch: Iterable[Recorded]) -> None:
        self._store = store
        self._projection = projection
        self.store_failed = False
        self.batches: defaultdict[UUID, list[Recorded]] = defaultdict(list)  # of each vehicle
        for recorded in batch:
            self.batches[recorded.event.originator_id].append(recorded)
        self.rows = {vehicle_id: _VehicleRows(vehicle_id, self._load) for vehicle_id in self.batches}

    def prefetch(self) -> None:
        """Load the rows that folding the batch will ask for, one statement a table."""
        wanted: defaultdict[type[Row], dict[Key, None]] = defaultdict(dict)
        for vehicle_id, batch in self.batches.items():
            of_vehicle: dict[tuple[type[Row], Key], None] = {}
            for recorded in batch:
                try:
                    of_vehicle.update(dict.fromkeys(self._projection.keys(recorded.event)))
                except Exception:  # noqa: BLE001, S112  # its fold fails as well, and parks the vehicle
                    continue
            for row_type, key in of_vehicle:
                wanted[row_type][(vehicle_id, *key)] = None
        for row_type, keys in wanted.items():
            found = self._store.load(self._projection, row_type, keys.keys())
            for key in keys:
                self.rows[key[0]].loaded(row_type, key[1:], found.get(key))

    def commit(
        self, expected_position: int, position: int, versions: dict[UUID, int], park: Iterable[Parked]
    ) -> Commit:
        """Return everything that the batch writes."""
        upserts: defaultdict[type[Row], list[Row]] = defaultdict(list)
        deletes: defaultdict[type[Row], list[Key]] = defaultdict(list)
        for rows in self.rows.values():
            rows.collect(upserts, deletes)
        return Commit(expected_position, position, upserts, deletes, versions, tuple(park))

    def _load(self, row_type: type[Row], key: Key) -> Row | None:
        try:
            return self._store.load(self._projection, row_type, [key]).get(key)
        except BaseException:
            self.store_failed = True
            raise


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

        Raises `PositionConflictError` when another runner has moved on in the meantime, or has taken the vehicle up
        again: try again.
        """
        self._position = self._store.position(self.projection)
        self._versions.clear()  # another runner may have come further
        self._reload_parked()
        tried = self._parked.get(vehicle_id)
        while tried and self._parked.get(vehicle_id) is tried:
            last = self._store.versions(self.projection, [vehicle_id]).get(vehicle_id, 0)
            self._versions[vehicle_id] = last
            page = self._feed.history(vehicle_id, last, last + BATCH_EVENTS)
            missed = [recorded for recorded in page if recorded.position <= self._position]
            self._take(missed, self._position, tried, unpark=len(missed) < BATCH_EVENTS)
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
        session = _Session(self._store, self.projection, batch)
        self._load_versions(session.batches.keys())
        session.prefetch()
        versions: dict[UUID, int] = {}
        parked: dict[UUID, Parked] = {}
        for vehicle_id in session.batches:
            if vehicle_id in self._parked and not tried:
                parked[vehicle_id] = self._parked[vehicle_id]
                continue
            last, failed = self._fold(vehicle_id, session)
            if last != self._versions[vehicle_id]:
                versions[vehicle_id] = last
            if failed:
                parked[vehicle_id] = failed._replace(attempts=tried.attempts + 1 if tried else 1)
        commit = session.commit(self._position, position, versions, parked.values())
        if tried:
            commit.expected_versions = {tried.vehicle_id: self._versions[tried.vehicle_id]}
            if unpark and not parked:
                commit.unpark = [tried.vehicle_id]
        try:
            self._store.commit(self.projection, commit)
        except BaseException:
            self._versions.clear()  # what the store holds now is not known
            raise
        self._position = position
        self._versions.update(versions)
        self._parked.update(parked)
        for vehicle_id in commit.unpark:
            del self._parked[vehicle_id]

    def _load_versions(self, vehicle_ids: Collection[UUID]) -> None:
        if len(self._versions) > VERSIONS_CACHED_MAX:
            self._versions.clear()
        unknown = [vehicle_id for vehicle_id in vehicle_ids if vehicle_id not in self._versions]
        if unknown:
            found = self._store.versions(self.projection, unknown)
            self._versions.update({vehicle_id: found.get(vehicle_id, 0) for vehicle_id in unknown})

    def _fold(self, vehicle_id: UUID, session: _Session) -> tuple[int, Parked | None]:
        """Fold the events of a vehicle, and those between them that the feed left out.

        Returns the last version folded, and what fails, if something does.
        """
        rows, last = session.rows[vehicle_id], self._versions[vehicle_id]
        for recorded in session.batches[vehicle_id]:
            version = recorded.event.originator_version
            if version <= last:
                continue  # a duplicate: its rows are there
            missed = self._feed.history(vehicle_id, last, version - 1) if version > last + 1 else ()
            for event in (*missed, recorded):
                try:
                    if event.event.originator_version != last + 1:
                        msg = f"version {event.event.originator_version} follows {last}: those between are nowhere"
                        raise StoreError(msg)  # noqa: TRY301  # parks the vehicle like any other failure
                    rows.fold(self.projection, event)
                except Exception as error:
                    if session.store_failed:
                        raise  # no fault of the event
                    return last, self._park(event, error)
                last = event.event.originator_version
        return last, None

    def _park(self, recorded: Recorded, error: Exception) -> Parked:
        text = f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX]
        event = recorded.event
        return Parked(event.originator_id, event.originator_version, recorded.position, text, 1, self._now())
