"""Runs a projection: events in batches, rows and position in one transaction, each vehicle's versions without a hole.

Poison policy: an event whose fold fails parks its vehicle in this projection; the rows stay as they were before that event, the position goes on, and
the other vehicles with it. `retry` takes the vehicle up again from the store. Nothing is skipped in silence: a parked vehicle is a row in the store.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from domain.errors import StoreError
from domain.units import Micros
from projections.ports import Commit, Feed, Parked, ReadModelStore
from projections.projection import Key, Projection, R, Recorded, Row, Rows, row_spec

BATCH_EVENTS: Final = 2_000  # events folded in one transaction
ERROR_LENGTH_MAX: Final = 2_000  # characters of an error that are kept


class _Session(Rows):
    """The rows that a batch reads and writes, each read at most once, each written once."""

    def __init__(self, store: ReadModelStore, projection: Projection) -> None:
        self._store = store
        self._projection = projection
        self._rows: defaultdict[type[Row], dict[Key, Row | None]] = defaultdict(dict)
        self._touched: defaultdict[type[Row], dict[Key, None]] = defaultdict(dict)

    def prefetch(self, events: Sequence[Recorded]) -> None:
        """Load the rows that folding these events will ask for, one statement a table."""
        wanted: defaultdict[type[Row], set[Key]] = defaultdict(set)
        for recorded in events:
            for row_type, key in self._projection.keys(recorded.event):
                wanted[row_type].add(key)
        for row_type, keys in wanted.items():
            found = self._store.load(self._projection, row_type, keys)
            self._rows[row_type].update({key: found.get(key) for key in keys})

    def get(self, row_type: type[R], *key: Any) -> R | None:
        known = self._rows[row_type]
        if key not in known:
            known[key] = self._store.load(self._projection, row_type, [key]).get(key)
        return known[key]  # type: ignore[return-value]  # rows are kept by their type

    def put(self, row: Row) -> None:
        row_type = type(row)
        key = tuple(getattr(row, name) for name in row_spec(row_type).key)
        self._rows[row_type][key] = row
        self._touched[row_type][key] = None

    def delete(self, row_type: type[Row], *key: Any) -> None:
        self._rows[row_type][key] = None
        self._touched[row_type][key] = None

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
    """Moves one projection along a feed. `now` gives the time of parking; the only clock that a runner reads is the one it is given."""

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

        Raises `PositionConflictError` when another runner of the same projection has moved on: this one must be thrown away.
        """
        batch = self._feed.read(self._position, limit)
        if batch:
            self._take(batch, batch[-1].position)
        return len(batch)

    def run_until(self, position: int) -> None:
        """Fold batches until the projection has reached `position`, which the feed must have."""
        while self._position < position:
            if not self.step(min(BATCH_EVENTS, position - self._position)):
                msg = f"{self.projection.id}: the feed ends at {self._position}, before {position}"
                raise StoreError(msg)

    def retry(self, vehicle_id: UUID) -> Parked | None:
        """Take a parked vehicle up again; return how it is parked now, None if it is not any more."""
        self._parked = dict(self._store.parked(self.projection))
        self._position = self._store.position(self.projection)
        before = self._parked.pop(vehicle_id, None)
        if before is None:
            return None
        self._versions.pop(vehicle_id, None)
        last = self._store.versions(self.projection, [vehicle_id]).get(vehicle_id, 0)
        history = [x for x in self._feed.history(vehicle_id, last, 2**62) if x.position <= self._position]
        self._take(history, self._position, tried=before)
        return self._parked.get(vehicle_id)

    def _take(self, batch: Sequence[Recorded], position: int, tried: Parked | None = None) -> None:
        """Fold events, leave out vehicles that fail from the event that failed, and write it all."""
        poison: dict[UUID, Parked] = {}
        self._load_versions(batch)
        while True:
            session = _Session(self._store, self.projection)
            session.prefetch(batch)
            versions: dict[UUID, int] = {}
            failed = self._fold(batch, session, versions, poison)
            if failed is None:
                break
            attempts = tried.attempts + 1 if tried and tried.vehicle_id == failed.vehicle_id else 1
            poison[failed.vehicle_id] = failed._replace(attempts=attempts)
        unpark = [tried.vehicle_id] if tried and tried.vehicle_id not in poison else []
        commit = Commit(
            self._position, position, session.upserts(), session.deletes(), versions, tuple(poison.values()), unpark
        )
        try:
            self._store.commit(self.projection, commit)
        except BaseException:
            self._versions.clear()  # what the store holds now is not known
            raise
        self._position = position
        self._versions.update(versions)
        self._parked.update(poison)

    def _load_versions(self, batch: Sequence[Recorded]) -> None:
        unknown = {x.event.originator_id for x in batch} - self._versions.keys()
        if unknown:
            found = self._store.versions(self.projection, unknown)
            self._versions.update({vehicle_id: found.get(vehicle_id, 0) for vehicle_id in unknown})

    def _fold(
        self, batch: Sequence[Recorded], session: _Session, versions: dict[UUID, int], poison: dict[UUID, Parked]
    ) -> Parked | None:
        """Fold a batch; return the first event that fails, if it is not known as poison already."""
        for recorded in batch:
            vehicle_id, version = recorded.event.originator_id, recorded.event.originator_version
            if vehicle_id in self._parked:
                continue
            stop = poison.get(vehicle_id)
            if stop and version >= stop.version:
                continue
            last = versions.get(vehicle_id, self._versions[vehicle_id])
            if version <= last:
                continue  # a duplicate: its rows are there
            missed = self._feed.history(vehicle_id, last, version - 1) if version > last + 1 else ()
            for event in (*missed, recorded):
                try:
                    self._check_next(event, versions.get(vehicle_id, last))
                    self.projection.fold(event, session)
                except Exception as error:  # noqa: BLE001  # whatever a fold raises parks its vehicle
                    return self._park(event, error)
                versions[vehicle_id] = event.event.originator_version
        return None

    @staticmethod
    def _check_next(recorded: Recorded, last: int) -> None:
        if recorded.event.originator_version != last + 1:
            msg = f"version {recorded.event.originator_version} follows {last}, and the feed has no event between them"
            raise StoreError(msg)

    def _park(self, recorded: Recorded, error: Exception) -> Parked:
        text = f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX]
        event = recorded.event
        return Parked(event.originator_id, event.originator_version, recorded.position, text, 1, self._now())
