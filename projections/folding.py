"""Folds batches of events into the rows of one projection: each vehicle's versions without a hole, all or nothing.

Poison policy: an event whose fold fails, or makes a row that no table has a place for, parks its vehicle in this
projection; the rows stay as they were before that event, and the other vehicles go on. Nothing is skipped in silence: a
parked vehicle is a row in the store, which knows the newest version that was left out, so that whoever takes the
vehicle up again cannot miss one.

What no table has a place for is told by the store, of a whole batch: only then the batch is folded once more, each row
looked at as it is made. A row that a later event of the same batch makes anew is not missed.

A batch is written only if each of its vehicles is at the version that it was folded on, and each vehicle whose events
it leaves out is still parked: whatever else moves the same projection, in other processes too, nothing is folded twice.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from domain.errors import StoreError, UnstorableError
from domain.signals import recordable_text
from domain.units import Micros
from projections.ports import Commit, Moved, Parked, ReadModelStore, RowBlock
from projections.projection import Key, Projection, R, Recorded, Row, Rows, row_key_in_vehicle
from projections.storable import check_key, check_row

ERROR_LENGTH_MAX: Final = 2_000  # characters of an error that are kept
VERSIONS_CACHED_MAX: Final = 100_000  # vehicles whose last version is remembered between batches


Reach = Mapping[UUID, tuple[int, int]]
NO_REACH: Final[Reach] = {}
_NOTHING: Final = object()  # that a batch has not written a row


class RowSource(Protocol):
    """Where the rows are that events are folded into."""

    def load(self, projection: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        """Return the rows with these keys; absent: no such row."""


class _Loader:
    """Loads a row that a fold asks for unannounced. It knows nothing of the batch, which it would keep in a cycle."""

    def __init__(self, store: RowSource, projection: Projection, *, checked: bool) -> None:
        self._store = store
        self._projection = projection
        self.checked = checked  # that the store has a place for what is asked of it and made for it
        self.failed = False

    def load(self, row_type: type[Row], key: Key) -> Row | None:
        """Return a row, or None."""
        if self.checked:
            check_key(row_type, key[1:])
        try:
            return self._store.load(self._projection, row_type, [key]).get(key)
        except BaseException:
            self.failed = True
            raise


class _VehicleRows(Rows):
    """The rows of one vehicle that a batch reads and writes, each read at most once, each written once."""

    def __init__(self, vehicle_id: UUID, loader: _Loader) -> None:
        self._vehicle_id = vehicle_id
        self._loader = loader
        self._new = False
        self._loaded: defaultdict[type[Row], dict[Key, Row | None]] = defaultdict(dict)
        self._written: defaultdict[type[Row], dict[Key, Any]] = defaultdict(dict)  # None: deleted
        self._undo: list[tuple[dict[Key, Any], Key, Any]] = []  # what the present event replaced

    def begin_new(self) -> None:
        """Take it that the store holds no row of this vehicle: none of its events was folded."""
        self._new = True

    def loaded(self, row_type: type[Row], key: Key, row: Row | None) -> None:
        """Take a row that the store holds, or that it holds none."""
        self._loaded[row_type][key] = row

    def get(self, row_type: type[R], *key: Any) -> R | None:
        row = self._written[row_type].get(key, _NOTHING)
        if row is _NOTHING:
            if self._new:
                return None
            loaded = self._loaded[row_type]
            if key not in loaded:
                loaded[key] = self._loader.load(row_type, (self._vehicle_id, *key))
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

    def forget_written(self) -> None:
        """Be as before the first event."""
        self._written.clear()

    def fold_next(self, projection: Projection, recorded: Recorded, last_version: int) -> None:
        """Fold the event after a version. Another is a StoreError, which parks the vehicle like any failure."""
        version = recorded.event.originator_version
        if version != last_version + 1:
            raise StoreError(f"version {version} follows {last_version}: those between are nowhere")
        self.fold(projection, recorded)

    def fold(self, projection: Projection, recorded: Recorded) -> None:
        """Fold one event whole, or not at all."""
        self._undo.clear()
        try:
            projection.fold(recorded, self)
            if self._loader.checked:
                self._check()
        except BaseException:
            for written, key, before in reversed(self._undo):
                if before is _NOTHING:
                    del written[key]
                else:
                    written[key] = before
            raise

    def _check(self) -> None:
        """Raise UnstorableError unless the store has a place for what the present event made."""
        for written, key, _ in self._undo:
            row = written[key]
            if row is not None:
                check_row(row)

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

    def __init__(
        self,
        store: RowSource,
        projection: Projection,
        batch: Iterable[Recorded],
        vehicles: Iterable[UUID] = (),
        *,
        checked: bool = False,
    ) -> None:
        self._store = store
        self._projection = projection
        self._loader = _Loader(store, projection, checked=checked)
        self.batches: defaultdict[UUID, list[Recorded]] = defaultdict(list)  # of each vehicle
        for recorded in batch:
            self.batches[recorded.event.originator_id].append(recorded)
        for vehicle_id in vehicles:  # of which there may be no event
            self.batches[vehicle_id]  # made, where it is missing
        self.rows = {vehicle_id: _VehicleRows(vehicle_id, self._loader) for vehicle_id in self.batches}
        self.anew: set[UUID] = set()  # vehicles of which other events are folded than were given at first

    @property
    def store_failed(self) -> bool:
        """Whether a row could not be loaded."""
        return self._loader.failed

    def prefetch(self, versions: Mapping[UUID, int]) -> None:
        """Load the rows that folding the batch will ask for, one statement a table; none of a vehicle at version 0."""
        wanted: defaultdict[type[Row], dict[Key, None]] = defaultdict(dict)
        for vehicle_id, batch in self.batches.items():
            if versions.get(vehicle_id) == 0:
                self.rows[vehicle_id].begin_new()
                continue
            of_vehicle: dict[tuple[type[Row], Key], None] = {}
            for recorded in batch:
                try:
                    foreseen = self._projection.keys(recorded.event)
                    if self._loader.checked:
                        for of_row in foreseen:
                            check_key(*of_row)
                    of_vehicle.update(dict.fromkeys(foreseen))
                except Exception:  # noqa: BLE001, S112  # its fold fails as well, and parks the vehicle
                    continue
            for row_type, key in of_vehicle:
                wanted[row_type][(vehicle_id, *key)] = None
        for row_type, keys in wanted.items():
            found = self._store.load(self._projection, row_type, keys.keys())
            for key in keys:
                self.rows[key[0]].loaded(row_type, key[1:], found.get(key))

    def take_anew(self, vehicle_id: UUID, events: Sequence[Recorded]) -> None:
        """Forget what was folded of a vehicle; these are its events now."""
        self.batches[vehicle_id] = list(events)
        self.anew.add(vehicle_id)
        self.rows[vehicle_id].forget_written()

    def collect(self, commit: Commit) -> None:
        """Give a commit all rows that the batch writes."""
        upserts: defaultdict[type[Row], list[Row]] = defaultdict(list)
        deletes: defaultdict[type[Row], list[Key]] = defaultdict(list)
        for rows in self.rows.values():
            rows.collect(upserts, deletes)
        commit.upserts, commit.deletes = upserts, deletes


def fold_past(source: RowSource, projection: Projection, batch: Iterable[Recorded]) -> Commit:
    """Return what events change in the rows of `source`; those of a vehicle are in order, some may lack.

    As when it is folded live, an event that fails leaves the rows of its vehicle as they were before it, for good; such
    a vehicle is among those `left_out`.
    """
    session = _Session(source, projection, batch)
    session.prefetch({})
    commit = Commit()
    for vehicle_id, events in session.batches.items():
        for recorded in events:
            try:
                session.rows[vehicle_id].fold(projection, recorded)
            except Exception:
                if session.store_failed:
                    raise
                commit.left_out[vehicle_id] = events[-1].event.originator_version
                break
    session.collect(commit)
    return commit


class History(Protocol):
    """Where the events are that a batch lacks."""

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        """Return the events of one vehicle with versions from `after_version` + 1 to `until_version`, in order."""


class Counts(NamedTuple):
    """What a folder did so far, in events."""

    folded: int = 0
    duplicates: int = 0  # dropped
    filled: int = 0  # folded too, that a batch lacked
    left_out: int = 0  # of parked vehicles


class Folder:
    """Folds batches of one projection and writes them; remembers versions and parked vehicles in between.

    `now` gives the time of parking. After any error what it remembers is forgotten: `begin` reads it anew.
    """

    def __init__(
        self, projection: Projection, history: History, store: ReadModelStore, now: Callable[[], Micros]
    ) -> None:
        self.projection = projection
        self.counts = Counts()
        self._history = history
        self._store = store
        self._now = now
        self._parked: dict[UUID, Parked] = {}
        self._versions: dict[UUID, int] = {}
        self.begin()

    @property
    def parked(self) -> Mapping[UUID, Parked]:
        """The vehicles that are left out."""
        return self._parked

    def begin(self) -> None:
        """Forget versions, and read which vehicles are parked."""
        self._versions.clear()
        self._parked = dict(self._store.parked(self.projection))

    def see_parked(self) -> None:
        """See whether another process has taken up again what is left out here."""
        if self._parked:
            parked = dict(self._store.parked(self.projection))
            for vehicle_id in self._parked.keys() - parked.keys():
                self._versions.pop(vehicle_id, None)
            self._parked = parked

    def take(
        self, batch: Sequence[Recorded], commit: Commit, reach: Reach = NO_REACH, blocks: Sequence[RowBlock] = ()
    ) -> None:
        """Fold events and write them with what `commit` says of positions.

        Of a vehicle with a `reach`, the events after the one version, up to the other, that are not in the batch change
        nothing but the rows in `blocks`, or nothing that the others do not change once more. A vehicle whose event
        fails is left out from that event on. Raises `PositionConflictError` where another process was first.
        """
        try:
            self._take(batch, commit, reach, blocks)
        except UnstorableError:
            commit.forget_folded()
            self._take(batch, commit, reach, (), checked=True)

    def _take(
        self,
        batch: Sequence[Recorded],
        commit: Commit,
        reach: Reach,
        blocks: Sequence[RowBlock],
        *,
        checked: bool = False,
    ) -> None:
        """Take a batch; one that is `checked` is folded without leaving anything out."""
        session = _Session(self._store, self.projection, batch, reach, checked=checked)
        self._load_versions(session.batches.keys())
        if checked:
            for vehicle_id, (_, until) in reach.items():
                session.take_anew(vehicle_id, self._history.history(vehicle_id, self._versions[vehicle_id], until))
        session.prefetch(self._versions)
        counts = self.counts
        for vehicle_id, events in session.batches.items():
            if vehicle_id in self._parked:
                commit.left_out[vehicle_id] = _newest(events, reach.get(vehicle_id))
                counts = counts._replace(left_out=counts.left_out + len(events))
            else:
                of_batch = None if checked else reach.get(vehicle_id)
                counts = self._take_vehicle(vehicle_id, session, commit, counts, 0, of_batch)
        if blocks:
            # Of the others each event is folded that they lack.
            whole = {vehicle_id for vehicle_id, (after, _) in reach.items() if after <= self._versions[vehicle_id]}
            whole -= self._parked.keys() | session.anew
            commit.blocks = [block.without(session.batches.keys() - whole) for block in blocks]
        self._write(session, commit)
        self.counts = counts

    def take_up(self, parked: Parked, events: Sequence[Recorded], *, whole: bool) -> Parked | None:
        """Fold events of a parked vehicle, the next after those it has; return how it is parked now.

        `whole`: these are all that were left out. Raises `PositionConflictError` where another process was first, or
        has left out more.
        """
        try:
            return self._take_up(parked, events, whole=whole)
        except UnstorableError:
            return self._take_up(parked, events, whole=whole, checked=True)

    def _take_up(
        self, parked: Parked, events: Sequence[Recorded], *, whole: bool, checked: bool = False
    ) -> Parked | None:
        vehicle_id = parked.vehicle_id
        session = _Session(self._store, self.projection, events, checked=checked)
        self._load_versions([vehicle_id])
        session.prefetch(self._versions)
        commit = Commit(None)
        counts = self.counts
        if vehicle_id in session.batches:
            counts = self._take_vehicle(vehicle_id, session, commit, counts, parked.attempts)
        if commit.park:
            (again,) = commit.park
            commit.park[:] = [again._replace(newest_version=max(again.newest_version, parked.newest_version))]
        elif whole:
            commit.unpark[vehicle_id] = parked.newest_version
        self._write(session, commit)
        self.counts = counts
        return self._parked.get(vehicle_id)

    def _take_vehicle(
        self,
        vehicle_id: UUID,
        session: _Session,
        commit: Commit,
        counts: Counts,
        attempts: int,
        reach: tuple[int, int] | None = None,
    ) -> Counts:
        """Fold what a batch has of a vehicle, and what it lacks; tell `commit` how far that came."""
        rows, events = session.rows[vehicle_id], session.batches[vehicle_id]
        before = last = self._versions[vehicle_id]
        duplicates = filled = 0
        failed = False
        whole = reach is not None and reach[0] <= last  # what the batch lacks changes nothing
        for recorded in events:
            version = recorded.event.originator_version
            if version <= last:
                duplicates += 1  # its rows are there
                continue
            if whole:
                last = version - 1
            missed = self._history.history(vehicle_id, last, version - 1) if version > last + 1 else ()
            for each in (*missed, recorded):
                try:
                    rows.fold_next(self.projection, each, last)
                except Exception as error:
                    if session.store_failed:
                        raise  # no fault of the event
                    if whole and reach:  # what is behind this event told anew what the batch lacks of those before it
                        session.take_anew(vehicle_id, self._history.history(vehicle_id, before, max(last, reach[1])))
                        return self._take_vehicle(vehicle_id, session, commit, counts, attempts)
                    commit.park.append(self._park(each, error, attempts + 1, _newest(events, reach)))
                    failed = True
                    break
                last = each.event.originator_version
                filled += each is not recorded
            else:
                continue
            break
        if whole and reach and not failed:
            last = max(last, reach[1])
        if last != before or failed:  # what another process has folded since has not failed
            commit.versions[vehicle_id] = Moved(before, last)
        return counts._replace(
            folded=counts.folded + last - before,
            duplicates=counts.duplicates + duplicates,
            filled=counts.filled + filled,
        )

    def _write(self, session: _Session, commit: Commit) -> None:
        session.collect(commit)
        try:
            self._store.commit(self.projection, commit)
        except BaseException:
            self._versions.clear()  # what the store holds now is not known
            raise
        self._versions.update({vehicle_id: moved.after for vehicle_id, moved in commit.versions.items()})
        self._parked.update({each.vehicle_id: each for each in commit.park})
        for vehicle_id, newest in commit.left_out.items():
            parked = self._parked[vehicle_id]
            self._parked[vehicle_id] = parked._replace(newest_version=max(newest, parked.newest_version))
        for vehicle_id in commit.unpark:
            self._parked.pop(vehicle_id, None)

    def _load_versions(self, vehicle_ids: Collection[UUID]) -> None:
        if len(self._versions) > VERSIONS_CACHED_MAX:
            self._versions.clear()
        unknown = [vehicle_id for vehicle_id in vehicle_ids if vehicle_id not in self._versions]
        if unknown:
            found = self._store.versions(self.projection, unknown)
            self._versions.update({vehicle_id: found.get(vehicle_id, 0) for vehicle_id in unknown})

    def _park(self, recorded: Recorded, error: Exception, attempts: int, newest_version: int) -> Parked:
        text = recordable_text(f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX])
        event = recorded.event
        version = event.originator_version
        return Parked(
            event.originator_id, version, recorded.position, text, attempts, self._now(), max(version, newest_version)
        )


def _newest(events: Sequence[Recorded], reach: tuple[int, int] | None) -> int:
    """Return the newest version of a vehicle that a batch covers."""
    versions: list[int] = [recorded.event.originator_version for recorded in events]
    return max(versions + list(reach or ()))
