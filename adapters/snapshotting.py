"""Makes snapshots of the rows of vehicles, behind the projections: what the past is folded from.

Each follows from the log alone, a block of a vehicle's events after the other, so that it does not matter who makes it,
when, or how often. A vehicle one of whose events cannot be folded has none from there on.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from adapters.event_log import StoredRecord
from adapters.metrics import SNAPSHOTS
from adapters.recorded import Decode, recorded
from adapters.twins import PROJECTIONS
from domain.errors import FleettwinError
from projections.as_of import last_folded, told
from projections.folding import fold_past
from projections.projection import Key, Projection, R, Recorded, Row, row_spec
from projections.snapshots import BLOCK_EVENTS, Block, Snapshot, SnapshotStore

BLOCKS_A_PAGE: Final = 32  # read, folded and written at a time
LOOKED_S: Final = 10.0  # after which it is looked again which vehicles have gone on
BACKOFF_S: Final = 5.0  # after a failure that may pass
PAUSE_SHARE: Final = 1.0  # of the time that a page took, for which others have the processor and the database

_FOLDED: Final = frozenset(event_type for projection in PROJECTIONS for event_type in projection.folds)

_log: Final = logging.getLogger(__name__)


class Records(Protocol):
    """Where events are."""

    def events_of(self, originator_id: UUID, after_version: int = 0, limit: int | None = None) -> list[StoredRecord]:
        """Return the events of one vehicle that come after a version, in the order of their versions."""


class UnfoldableError(Exception):
    """An event of a vehicle cannot be folded."""


class _Rows:
    """The rows of one vehicle while its blocks are folded."""

    def __init__(self, store: SnapshotStore, vehicle_id: UUID, version: int) -> None:
        self._store = store
        self._versions = {vehicle_id: version} if version else {}
        self.states: dict[type[Row], dict[Key, Row]] = {}
        self._grown: dict[type[Row], dict[Key, Row | None]] = {}  # as far as it was asked for, or written
        for projection in PROJECTIONS:
            kept = store.states(projection, self._versions).get(vehicle_id, {})
            for row_type in projection.row_types:
                if row_spec(row_type).grows:
                    self._grown[row_type] = {}
                else:
                    self.states[row_type] = dict(kept.get(row_type, {}))

    def load(self, _: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        """Return the rows with these keys."""
        known: dict[Key, Any] = self.states.get(row_type) or self._grown.get(row_type, {})
        if row_spec(row_type).grows:
            missing = [key for key in keys if key not in known]
            found: Mapping[Key, Any] = self._store.load(row_type, missing, self._versions) if missing else {}
            known.update({key: found.get(key) for key in missing})
        return {key: row for key in keys if (row := known.get(key)) is not None}

    def fold(self, projection: Projection, events: Sequence[Recorded]) -> dict[type[Row], dict[Key, Row | None]] | None:
        """Fold events; return what they wrote of the rows that grow, None where one of them cannot be folded."""
        commit = fold_past(self, projection, events)
        if commit.left_out:
            return None
        grown: dict[type[Row], dict[Key, Row | None]] = {}
        for row_type, written in commit.written().items():
            if row_spec(row_type).grows:
                self._grown[row_type].update(written)
                grown[row_type] = written
                continue
            for key, row in written.items():
                if row is None:
                    self.states[row_type].pop(key, None)
                else:
                    self.states[row_type][key] = row
        return grown


def make_snapshots(
    records: Records, decode: Decode, store: SnapshotStore, vehicle_id: UUID, block_events: int = BLOCK_EVENTS
) -> Iterator[int]:
    """Make the snapshots of a vehicle that lack; yield how many, page by page.

    Raises UnfoldableError, after those that can be made, where an event cannot be folded.
    """
    newest = store.newest([vehicle_id], None).get(vehicle_id)
    version, all_told_by = (newest.to_version, newest.all_told_by) if newest else (0, None)
    rows = _Rows(store, vehicle_id, version)
    while True:
        page = records.events_of(vehicle_id, version, BLOCKS_A_PAGE * block_events)
        made: list[Snapshot] = []
        for first in range(0, len(page) - block_events + 1, block_events):
            events = [recorded(each, decode) for each in page[first : first + block_events]]
            moments = [told(each.event) for each in events]
            last = last_folded((each.event for each in events), _FOLDED)
            last = max(each.last for each in moments) if last is None else last
            all_told_by = last if all_told_by is None else max(all_told_by, last)
            grown: dict[type[Row], Mapping[Key, Row | None]] = {}
            for projection in PROJECTIONS:
                written = rows.fold(projection, events)
                if written is None:
                    store.add(made)
                    yield len(made)
                    raise UnfoldableError(f"vehicle {vehicle_id}: an event after version {version} cannot be folded")
                grown |= written
            block = Block(
                vehicle_id,
                version,
                events[-1].event.originator_version,
                events[0].position,
                events[-1].position,
                min(each.first for each in moments),
                all_told_by,
            )
            version = block.to_version
            made.append(Snapshot(block, {each: dict(kept) for each, kept in rows.states.items()}, grown))
        store.add(made)
        yield len(made)
        if len(page) < BLOCKS_A_PAGE * block_events:
            return


class VehicleSnapshots(SnapshotStore, Protocol):
    """Snapshots of vehicles in a log."""

    def behind(self, events: int) -> list[UUID]:
        """Return the vehicles with at least so many events after their newest snapshot, in order of their ids."""

    def forget_others(self) -> None:
        """Delete what other programs have folded."""


class Snapshotting:
    """Makes the snapshots that lack, for as long as a process runs."""

    def __init__(self, records: Records, decode: Decode, store: VehicleSnapshots) -> None:
        self._records = records
        self._decode = decode
        self._store = store
        self._unfoldable: set[UUID] = set()  # by this program, which is to say: for as long as it runs
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def catch_up(self, stopping: threading.Event, pause_share: float = 0.0) -> int:
        """Make what lacks now; return how many snapshots were made."""
        total = 0
        for vehicle_id in self._store.behind(BLOCK_EVENTS):
            if vehicle_id in self._unfoldable:
                continue
            began_s = time.monotonic()
            try:
                for made in make_snapshots(self._records, self._decode, self._store, vehicle_id):
                    total += made
                    SNAPSHOTS.inc(made)
                    if stopping.wait(pause_share * (time.monotonic() - began_s)):
                        return total
                    began_s = time.monotonic()
            except UnfoldableError as error:
                _log.warning("%s, so it has no snapshots from there on", error)
                self._unfoldable.add(vehicle_id)
        return total

    def run(self, stopping: threading.Event) -> None:
        """Follow the log until `stopping`."""
        begun = False
        while not stopping.is_set():
            try:
                if not begun:
                    self._store.forget_others()
                    begun = True
                if not self.catch_up(stopping, PAUSE_SHARE):
                    stopping.wait(LOOKED_S)
            except FleettwinError as error:
                _log.warning("snapshots wait: %s", error)
                stopping.wait(BACKOFF_S)
            except Exception:  # noqa: BLE001  # a thread that ended would not come back
                _log.exception("snapshots failed, and are tried again")
                stopping.wait(BACKOFF_S)

    def start(self) -> None:
        """Run in the background."""
        self._thread = threading.Thread(target=self.run, args=(self._stopping,), name="snapshots", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the page that is being made."""
        self._stopping.set()
        if self._thread:
            self._thread.join()
            self._thread = None
