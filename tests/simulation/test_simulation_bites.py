"""The simulation finds what is wrong: each part, broken in one way, is caught by one of a few seeds."""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from textwrap import dedent
from typing import Any, Final, NamedTuple
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from adapters.event_log import ConsumedChange, DirectoryEntry, ProgressChange
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from domain import events as e
from domain.errors import VersionConflictError
from domain.events import VehicleEvent
from domain.fleet import EventLog, Fleet, Taken
from domain.readings import take_report
from domain.signals import SignalBatch
from domain.streams import StreamProgress
from projections.folding import Counts, Folder, _Session
from projections.media.model import MediaSignalRow
from projections.media.projector import MEDIA
from projections.ports import Commit, Moved, Parked
from projections.projection import Projection, Recorded, Rows
from projections.runner import Runner
from tests.support.batches import DOOR, Stream, sample
from tests.support.read_side import PROJECTIONS
from tests.support.simulation.faults import Faults
from tests.support.simulation.ports import Outage
from tests.support.simulation.runs import kept_seeds, needed, run
from tests.support.simulation.sources import Source, Streams, small_fleet
from tests.support.simulation.world import Parts

SEEDS_MAX: Final = 150  # in which each must be caught


# --- write side -------------------------------------------------------------------------------------------------------


class FleetThatRemembers(Fleet):
    """Goes on after a failure with the vehicles that it had decided on."""

    @contextmanager
    def _or_start_anew(self) -> Iterator[None]:
        yield


class FleetWithoutProgress(Fleet):
    """Writes events, and not which batches they were made of."""

    def _append(
        self,
        events: Sequence[VehicleEvent],
        progress: Sequence[ProgressChange],
        consumed: Sequence[ConsumedChange] = (),
    ) -> int:
        return super()._append(events, [] if events else progress, consumed)


class FleetThatTakesNothingLate(Fleet):
    """Leaves out a batch that comes after the one that follows it."""

    def take(self, batches: Sequence[SignalBatch], consumed: Sequence[ConsumedChange] = ()) -> Taken:
        newest: dict[tuple[UUID, str], int] = {}
        in_time = []
        for batch in batches:
            name = (batch.vehicle_id, batch.stream_id)
            newest.setdefault(name, self.progress(*name).last_sequence)
            if batch.sequence > newest[name]:
                newest[name] = batch.sequence
                in_time.append(batch)
        taken = super().take(in_time, consumed)
        return taken._replace(duplicates=taken.duplicates + len(batches) - len(in_time))


class FleetThatReadsProgressLast(Fleet):
    """Reads the vehicle, and after that how far its streams are: another may have written in between."""

    def _load(self, vehicle_ids: Iterable[UUID]) -> None:
        log = self.log
        self.log = ReadsProgressLast(log)
        try:
            super()._load(vehicle_ids)
        finally:
            self.log = log


class ReadsProgressLast:
    """A log whose events are read before the progress, though they are asked for after it."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._events: Sequence[Sequence[VehicleEvent]] = ()

    def progress_of_all(self, vehicle_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, StreamProgress]]:
        self._events = list(self._log.histories(vehicle_ids))
        return self._log.progress_of_all(vehicle_ids)

    def histories(self, _: Collection[UUID]) -> Iterable[Sequence[VehicleEvent]]:
        return self._events

    def append(self, *args: Any) -> int:
        raise AssertionError(args)


class LogThatWritesAgain(MemoryEventLog):
    """Takes a conflict for a failure, and writes once more, with the versions that are free now."""

    def append(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> Sequence[int]:
        try:
            return super().append(events, progress, directory, consumed)
        except VersionConflictError:
            if directory:
                raise
        used = {event.originator_id: len(self.events_of(event.originator_id)) for event in events}  # type: ignore[arg-type]  # ids are UUIDs here
        moved = []
        for event in events:
            used[event.originator_id] += 1
            moved.append(replace(event, originator_version=used[event.originator_id]))
        now = [
            change._replace(before=self.progress_of(change.vehicle_id).get(change.after.stream_id, change.before))
            for change in progress
        ]
        return super().append(moved, now, directory, consumed)


class LogWithoutStreams(MemoryEventLog):
    """Does not look whether a stream is where a writer believes it to be."""

    def append(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> Sequence[int]:
        known = [
            change._replace(before=StreamProgress(change.after.stream_id))
            if change.after.stream_id not in (told := self.progress_of(change.vehicle_id))
            else change._replace(before=told[change.after.stream_id])
            for change in progress
        ]
        return super().append(events, known, directory, consumed)


class LogWhoseClockGoesBack(MemoryEventLog):
    """Dates events as its clock says."""

    def _update_table(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        self._recorded_at += [self._clock()] * len(stored_events)
        return POPOApplicationRecorder._update_table(self, stored_events, **kwargs)


# --- read side --------------------------------------------------------------------------------------------------------


class StoreWithoutCompareAndSet(MemoryReadModels):
    """Writes whatever a runner believes."""

    def commit(self, projection: Projection, commit: Commit) -> None:
        commit.expected_position = self.position(projection)
        super().commit(projection, commit)


class StoreWithoutVersions(MemoryReadModels):
    """Writes what was folded on another version of a vehicle than it is at."""

    def commit(self, projection: Projection, commit: Commit) -> None:
        known = self.versions(projection, commit.versions.keys())
        for vehicle_id, moved in commit.versions.items():
            commit.versions[vehicle_id] = moved._replace(before=known.get(vehicle_id, 0))
        super().commit(projection, commit)


class StoreThatDoesNotLookWhoIsParked(MemoryReadModels):
    """Leaves out events of a vehicle that another has taken up again."""

    def commit(self, projection: Projection, commit: Commit) -> None:
        for vehicle_id in commit.left_out.keys() - self.parked(projection).keys():
            del commit.left_out[vehicle_id]
        super().commit(projection, commit)


class StoreThatTakesUpWhateverIsLeftOut(MemoryReadModels):
    """Takes up a vehicle of which more was left out than its retry knows."""

    def commit(self, projection: Projection, commit: Commit) -> None:
        parked = self.parked(projection)
        for vehicle_id in commit.unpark.keys() & parked.keys():
            commit.unpark[vehicle_id] = parked[vehicle_id].newest_version
        super().commit(projection, commit)


class StoreThatForgetsWhatWasLeftOut(MemoryReadModels):
    """Parks a vehicle again with what was left out when its retry began."""

    def commit(self, projection: Projection, commit: Commit) -> None:
        super().commit(projection, commit)
        self._parked[projection.name, projection.version].update({each.vehicle_id: each for each in commit.park})


class TornStore(MemoryReadModels):
    """Breaks off now and then, with the rows written and nothing else."""

    _commits = 0

    def commit(self, projection: Projection, commit: Commit) -> None:
        self._commits += 1
        if self._commits % 5 == 0:
            here = self.position(projection)
            super().commit(projection, Commit(here, here, commit.upserts, commit.deletes))
            raise Outage("the store was lost while it wrote")
        super().commit(projection, commit)


class StoreThatMovesOnFirst(MemoryReadModels):
    """Breaks off now and then, with the position written and nothing else."""

    _commits = 0

    def commit(self, projection: Projection, commit: Commit) -> None:
        self._commits += 1
        if self._commits % 5 == 0:
            super().commit(projection, Commit(commit.expected_position, commit.position))
            raise Outage("the store was lost while it wrote")
        super().commit(projection, commit)


def with_other_words(function: Any, old: str, new: str) -> Any:
    """Return a function in whose source `old` is `new`."""
    source = dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{function.__qualname__} does not say {old!r} once"
    names: dict[str, Any] = {}
    exec(source.replace(old, new), {**function.__globals__}, names)  # noqa: S102  # our own source
    return names[function.__name__]


def runner_of(folder: type[Folder], runner: type[Runner] = Runner) -> type[Runner]:
    """Return the runner with a folder of another kind."""
    return type(f"RunnerOf{folder.__name__}", (runner,), {"folder_type": folder})


def folder_with(method: str, old: str, new: str) -> type[Runner]:
    """Return the runner of a folder that has other words in one method."""
    changed = {method: with_other_words(getattr(Folder, method), old, new)}
    return runner_of(type(f"FolderWithOther{method}", (Folder,), changed))


class FolderWithoutVersions(Folder):
    """Folds what comes as it comes: what came before again, and nothing for what is missing."""

    def _take_vehicle(
        self,
        vehicle_id: UUID,
        session: _Session,
        commit: Commit,
        counts: Counts,
        attempts: int,
        reach: tuple[int, int] | None = None,  # noqa: ARG002  # ignored with the versions
    ) -> Counts:
        before = last = self._versions[vehicle_id]
        events = session.batches[vehicle_id]
        for recorded in events:
            try:
                session.rows[vehicle_id].fold(self.projection, recorded)
            except Exception as error:
                if session.store_failed:
                    raise
                newest = max(event.event.originator_version for event in events)
                commit.park.append(self._park(recorded, error, attempts + 1, newest))
                break
            last = max(last, recorded.event.originator_version)
        commit.versions[vehicle_id] = Moved(before, last)
        return counts


class FolderThatSkips(Folder):
    """Goes on after an event that fails, as if it were folded."""

    def _take_vehicle(
        self,
        vehicle_id: UUID,
        session: _Session,
        commit: Commit,
        counts: Counts,
        attempts: int,
        reach: tuple[int, int] | None = None,
    ) -> Counts:
        counts = super()._take_vehicle(vehicle_id, session, commit, counts, attempts, reach)
        for parked in commit.park:
            commit.versions[parked.vehicle_id] = commit.versions[parked.vehicle_id]._replace(after=parked.version)
        commit.park.clear()
        return counts


class FolderThatRemembers(Folder):
    """Takes versions for written when their commit was not."""

    def _write(self, session: _Session, commit: Commit) -> None:
        try:
            super()._write(session, commit)
        except Outage:
            self._versions.update({vehicle_id: moved.after for vehicle_id, moved in commit.versions.items()})
            raise


class RunnerThatTakesUpTooEarly(Runner):
    """Holds a vehicle for taken up before it is, even where that fails."""

    def retry(self, vehicle_id: UUID) -> Parked | None:
        try:
            return super().retry(vehicle_id)
        except BaseException:
            self._folder._parked.pop(vehicle_id, None)
            raise


def _takes_older_values(recorded: Recorded, event: Any, rows: Rows) -> None:
    for path in event.path:
        rows.delete(MediaSignalRow, path)
    MEDIA.folds[type(event)](recorded, event, rows)


def media_with(fold: Callable[[Recorded, Any, Rows], None], *event_types: type[VehicleEvent]) -> Sequence[Projection]:
    """Return the projections, media with another fold for some events."""
    spoilt = replace(MEDIA, folds={**MEDIA.folds, **dict.fromkeys(event_types, fold)})
    return [spoilt if projection is MEDIA else projection for projection in PROJECTIONS]


# --- caught -----------------------------------------------------------------------------------------------------------


class Bite(NamedTuple):
    """A broken part, and what the simulation must say of it."""

    parts: Parts
    says: str
    faults: Faults | None = None  # None: those of the seed
    source: Source = small_fleet


def a_door(rng: Random) -> Sequence[Streams]:
    """Return a car that tells of its door and nothing else, a batch each time."""
    stream = Stream()
    return [[[stream.batch(sample(DOOR, n, value=rng.random() < 0.5)) for n in range(30)]]]


RACES: Final = Faults(rebalanced=0.3, worker_restarts=0.1, overtaken=0.5)
RETRIES: Final = Faults(reordered=0.6, poison=0.03, two_runners=1.0, retried=0.8)
BROKEN_OFF: Final = replace(RETRIES, store_fails=0.1, two_runners=0.0)
AT_ONCE: Final = replace(RETRIES, retried=0.5, overtaken=0.5, fold_fails=0.2)
SAMPLES: Final = (e.SignalsSampled, e.LateSamplesRecorded)

FORGETS_WHERE_IT_FAILED: Final = folder_with("_take_vehicle", "last != before or failed", "last != before")

BITES: Final = {
    "a fleet remembers what it failed to write": Bite(Parts(FleetThatRemembers), "is not what a worker writes"),
    "a fleet writes no progress": Bite(Parts(FleetWithoutProgress), "came,"),
    "a fleet takes nothing late": Bite(Parts(FleetThatTakesNothingLate), "came,"),
    "a fleet reads progress last": Bite(
        Parts(FleetThatReadsProgressLast), "is not what a worker writes", RACES, a_door
    ),
    "a log writes again after a conflict": Bite(Parts(log=LogThatWritesAgain), "is not what a worker writes"),
    "a log does not compare streams": Bite(Parts(log=LogWithoutStreams), "the log is not what"),
    "a log dates backwards": Bite(Parts(log=LogWhoseClockGoesBack), "recorded_at goes down"),
    "a store does not compare positions": Bite(Parts(store=StoreWithoutCompareAndSet), "the position went down"),
    "a store does not compare versions": Bite(
        Parts(store=StoreWithoutVersions), "not each event is folded once", AT_ONCE
    ),
    "a store does not look who is parked": Bite(Parts(store=StoreThatDoesNotLookWhoIsParked), "is at version", AT_ONCE),
    "a store takes up whatever is left out": Bite(
        Parts(store=StoreThatTakesUpWhateverIsLeftOut), "is at version", AT_ONCE
    ),
    "a store forgets what was left out": Bite(Parts(store=StoreThatForgetsWhatWasLeftOut), "is parked with", AT_ONCE),
    "a store is torn": Bite(Parts(store=TornStore), "live is not rebuilt"),
    "a store moves on before it writes": Bite(Parts(store=StoreThatMovesOnFirst), "is at version"),
    "a folder takes what it has for new": Bite(
        Parts(runner=folder_with("_take_vehicle", "version <= last", "version < last")), "a healthy vehicle is parked"
    ),
    "a folder does not fetch what is missing": Bite(
        Parts(runner=folder_with("_take_vehicle", "if version > last + 1", "if False")), "a healthy vehicle is parked"
    ),
    "a folder fetches too little": Bite(
        Parts(runner=folder_with("_take_vehicle", "last, version - 1", "last, version - 2")),
        "a healthy vehicle is parked",
    ),
    "a folder does not say at which version a vehicle failed": Bite(
        Parts(runner=FORGETS_WHERE_IT_FAILED), "nothing has failed", AT_ONCE
    ),
    "a folder ignores versions": Bite(Parts(runner=runner_of(FolderWithoutVersions)), "live is not rebuilt"),
    "a folder skips what fails": Bite(Parts(runner=runner_of(FolderThatSkips)), "live is not rebuilt"),
    "a folder remembers what it failed to write": Bite(Parts(runner=runner_of(FolderThatRemembers)), "is at version"),
    "a runner takes up too early": Bite(
        Parts(runner=RunnerThatTakesUpTooEarly), "a row of a parked vehicle", BROKEN_OFF
    ),
    "a fold takes older values": Bite(
        Parts(projections=media_with(_takes_older_values, *SAMPLES)), "a value was replaced by an older one"
    ),
}


@pytest.mark.parametrize("bite", BITES.values(), ids=BITES)
def test_a_broken_part_is_caught(bite: Bite) -> None:
    runs = (run(seed, bite.source, bite.parts, bite.faults) for seed in range(SEEDS_MAX))
    assert any(bite.says in finding for done in runs for finding in done.findings)


TAKES_UP_TOO_EARLY: Final = Faults(
    append_fails=0.02,
    log_read_fails=0.1,
    offset_unwritten=0.05,
    commit_fails=0.2,
    fold_fails=0.02,
    retried=0.3,
    overtaken=0.09,
)

KEPT: Final = {
    "a retry that was broken off let its vehicle be folded though it was parked": (
        3,
        Bite(Parts(runner=RunnerThatTakesUpTooEarly), "a row of a parked vehicle", TAKES_UP_TOO_EARLY),
    ),
    "two took the same vehicle up again, and the second folded on what the first had written": (
        9,
        Bite(Parts(store=StoreWithoutVersions), "not each event is folded once", AT_ONCE),
    ),
    "a retry that failed parked a vehicle that another had healed since": (
        6,
        Bite(Parts(runner=FORGETS_WHERE_IT_FAILED), "nothing has failed", AT_ONCE),
    ),
    "what was left out while a retry failed was forgotten": (
        4,
        Bite(Parts(store=StoreThatForgetsWhatWasLeftOut), "is parked with", AT_ONCE),
    ),
    "a stream was newer than the vehicle that was read before it: a batch decided on an old state was lost": (
        1,
        Bite(Parts(FleetThatReadsProgressLast), "is not what a worker writes", RACES, a_door),
    ),
}  # bugs that there were, each with a seed that finds it as long as seeds are drawn as they are


@pytest.mark.parametrize(("seed", "bite"), KEPT.values(), ids=KEPT)
def test_a_kept_seed_fails_with_its_bug_and_with_nothing_else(seed: int, bite: Bite) -> None:
    """Where what is drawn from a seed has changed: look for another seed that fails."""
    assert any(bite.says in finding for finding in run(seed, bite.source, bite.parts, bite.faults).findings)
    assert not run(seed, bite.source, faults=bite.faults).findings


@pytest.mark.parametrize("seed", kept_seeds())
def test_a_kept_seed_fails_where_a_list_that_is_not_whole_hides_one_that_is(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hides = with_other_words(take_report, " or not known.complete", "")
    monkeypatch.setattr("domain.observation.take_report", hides)
    assert any("disorder shows in codes held" in finding for finding in run(seed).findings)


def test_the_faults_that_a_failure_needs_are_told_apart() -> None:
    parts = Parts(store=StoreWithoutCompareAndSet)
    failed = next(done for seed in range(SEEDS_MAX) if (done := run(seed, parts=parts)).findings)

    def fails(faults: Faults) -> bool:
        return bool(run(failed.seed, parts=parts, faults=faults).findings)

    left = needed(failed, fails)
    assert fails(left)
    assert len(list(left)) < len(list(failed.faults))
    assert not any(fails(replace(left, **{name: 0.0})) for name, _ in left)
