"""A recording becomes events: checked whole, then translated, cut into batches, and taken by the fleet.

The first pass reads the whole recording and writes nothing: a file that is damaged at its end, or of another car,
leaves no trace. The second takes it batch by batch. Its stream is named by content and mapping, and the same blocks
always make the same batches: whatever interrupts the second pass, running it again goes on where it stopped, and
running it twice changes nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import numpy as np

from adapters.can.dbc import Dbc
from adapters.can.end_to_end import PLATFORMS, ChecksumCheck, ChecksumCounts, foreign, platform_of, refusal
from adapters.can.frames import EXTENDED_ID
from adapters.can.iso_tp import is_diagnostic
from adapters.can.live import LiveBus
from adapters.can.recordings import Recording, open_recording
from adapters.can.translate import CanTranslator, DbcReader
from adapters.can.vins import VinListener
from adapters.origin import can_origin, rows_origin
from adapters.rows.recording import RowRecording, open_rows
from adapters.sampling import SampleColumn
from adapters.signals.batches import Batcher
from adapters.signals.catalogue import Catalogue
from adapters.signals.changes import ChangeDetector
from adapters.signals.rules import DbcSource, SignalMapping
from adapters.summary import Progress, Summary
from domain.errors import BadInputError, VersionConflictError
from domain.events import TrackExtended, TripStarted, VehicleEvent
from domain.fleet import Taken
from domain.signals import SignalBatch, TroubleCodeReport
from domain.units import MICROS_PER_SECOND, Micros
from domain.vin import Vin

TAKEN_AT_ONCE: Final = 50  # batches in one transaction of the log
CONFLICTS_MAX: Final = 20  # of one transaction in a row, while another process writes the same vehicle
SAME_DRIVE_SHARE: Final = 0.5  # a drive of which less is new to its trip is the same drive, told again


Tell = Callable[[Progress], None]


class Takes(Protocol):
    """Where batches go: into a fleet, or to those who take them into one."""

    def take(self, batches: Sequence[SignalBatch], /) -> Taken:
        """Take batches of any vehicles, in order; each counts once, however often it is given."""


class Ingest:
    """Ingests files for vehicles of a fleet. `now` gives the time of receipt."""

    def __init__(self, fleet: Takes, now: Callable[[], Micros]) -> None:
        self._fleet = fleet
        self._now = now

    def check(self, job: "CanJob | RowJob", tell: Tell) -> Summary:
        """Read a whole recording, and write nothing; the summary says which vehicles its rows name.

        Raises BadInputError where it is damaged or malformed, of another platform than the mapping's, or holds nothing
        that the mapping reads.
        """
        recording = job.recording
        summary = Summary(str(recording.path), recording.format)
        total = 2 * recording.bytes_total
        if isinstance(job, CanJob):
            _check(job, summary, lambda: tell(Progress(recording.bytes_done, total, job.frames, 0, 0)))
        else:
            _check_rows(job, summary, lambda: tell(Progress(recording.bytes_done, total, job.frames, 0, 0)))
        return summary

    def can(self, job: "CanJob", register: Callable[[], UUID], tell: Tell, checked: Summary | None = None) -> Summary:
        """Ingest a CAN recording, which is checked first where that has not been done yet.

        `register` is called once it is known to be good.
        """
        recording = job.recording
        summary = checked or self.check(job, tell)
        total = 2 * recording.bytes_total
        statistics = recording.statistics
        summary.frames = statistics.frames
        summary.other_frames.update(
            remote=statistics.remote_frames,
            error=statistics.error_frames,
            truncated=statistics.truncated_lines,
            other_lines=statistics.other_lines,
        )
        first_at = statistics.first_captured_at
        offset_us = None
        if first_at is not None and not recording.has_wall_clock:
            began_at = job.began_at(statistics.last_captured_at or first_at, first_at)
            offset_us = began_at - first_at
        received_at = self._now()  # a file is received at one moment
        origin = can_origin(recording.format, job.mapping, job.dbcs)
        batcher = Batcher(register(), job.stream_id, offset_us, origin)
        stream = _Stream(self._fleet, batcher, job.mapping, summary, lambda: received_at)
        translator = CanTranslator(job.mapping, job.dbcs)
        for block in recording.blocks():
            said = translator.translate(block)
            stream.add(said.columns, said.trouble_codes)
            done = recording.bytes_total + recording.bytes_done
            tell(Progress(done, total, recording.statistics.frames, translator.samples, summary.events.total()))
        stream.finish()
        if offset_us is not None and first_at is not None:
            summary.notes.append(_dated(job, summary, first_at + offset_us))
        _read(summary, translator)
        return summary

    def live(self, job: "LiveJob", register: Callable[[], UUID], tell: Tell) -> Summary:
        """Ingest what a bus says until the listening is stopped, or fails; what was heard till then is kept.

        `register` is called with the first frames. Raises BadInputError where the bus cannot be opened, or fails.
        """
        summary = Summary(job.name, "live bus")
        translator = CanTranslator(job.mapping, job.dbcs)
        stream: _Stream | None = None
        try:
            for block in job.bus.blocks():
                if stream is None:
                    origin = can_origin("live bus", job.mapping, job.dbcs)
                    batcher = Batcher(register(), f"live:{job.session}", origin=origin)
                    stream = _Stream(self._fleet, batcher, job.mapping, summary, self._now)
                said = translator.translate(block)
                stream.add(said.columns, said.trouble_codes)
                summary.frames = job.bus.statistics.frames
                tell(Progress(0, 0, summary.frames, translator.samples, summary.events.total()))
        finally:
            if stream:
                stream.finish()
            _read(summary, translator)
        return summary

    def rows(
        self, job: "RowJob", register: Callable[[str | None], UUID], tell: Tell, checked: Summary | None = None
    ) -> Summary:
        """Ingest already-decoded rows, which are checked first where that has not been done yet.

        `register` gives the vehicle for each name in the file (None: the file names none).
        """
        recording = job.recording
        summary = checked or self.check(job, tell)
        total = 2 * recording.bytes_total
        vehicles = {name: register(name) for name in summary.vehicles}
        received_at = self._now()  # a file is received at one moment
        origin = rows_origin(recording.format, job.mapping)
        streams = {
            name: _Stream(
                self._fleet,
                Batcher(vehicle, job.stream_id(name), origin=origin),
                job.mapping,
                summary,
                lambda: received_at,
            )
            for name, vehicle in vehicles.items()
        }
        for block in recording.blocks():
            for name, columns in block.items():
                summary.samples += sum(len(column.captured_at) for column in columns)
                streams[name].add(columns, ())
            done = recording.bytes_total + recording.bytes_done
            tell(Progress(done, total, recording.statistics.rows, summary.samples, summary.events.total()))
        for stream in streams.values():
            stream.finish()
        statistics = recording.statistics
        summary.frames = statistics.rows
        for what, count in statistics.foreign_units.items():
            summary.notes.append(f"{count} values cannot be converted and are INVALID: {what}")
        summary.unknown_signals = statistics.unknown_signals
        if statistics.first_unreadable:
            bad = statistics.unreadable_values.total()
            summary.notes.append(
                f"{bad} values cannot be read and are INVALID; the first: {statistics.first_unreadable}"
            )
        return summary


class CanJob(NamedTuple):
    """A CAN recording and how to read it."""

    recording: Recording
    mapping: SignalMapping
    dbcs: Sequence[Dbc]
    vin: Vin
    recorded_at: Micros | None = None  # true time of the first frame, for a recording without a wall clock
    any_vin: bool = False  # taken although another VIN is heard

    @classmethod
    def of(
        cls,
        path: Path,
        mapping: SignalMapping,
        dbcs: Sequence[Dbc],
        vin: Vin,
        recorded_at: Micros | None,
        *,
        any_vin: bool = False,
    ) -> "CanJob":
        """Open a recording; raises BadInputError where it is none."""
        return cls(open_recording(path), mapping, dbcs, vin, recorded_at, any_vin)

    @property
    def frames(self) -> int:
        """The frames that the present reading has found."""
        return self.recording.statistics.frames

    @property
    def platforms(self) -> Sequence[str]:
        """Whose end-to-end checksums the frames carry: as the mapping says, or else the DBC files that it reads."""
        if self.mapping.platforms or not self.mapping.of(DbcSource):
            return self.mapping.platforms
        return tuple({platform: None for dbc in self.dbcs if (platform := platform_of(dbc)) is not None})

    @property
    def stream_id(self) -> str:
        """The name of the stream: of its content, and of all that decides what is read in it."""
        return _stream_id(self.recording.content_digest, self.mapping, self.dbcs)

    def began_at(self, last_at: int, first_at: int) -> int:
        """Return the true time of the first frame: as given, else as if the file had been closed with the last one."""
        if self.recorded_at is not None:
            return self.recorded_at
        modified_us = self.recording.path.stat().st_mtime_ns // 1_000
        return modified_us - (last_at - first_at)


class LiveJob(NamedTuple):
    """A bus that is listened to, and how to read it; `session` tells one listening from another."""

    bus: LiveBus
    name: str
    mapping: SignalMapping
    dbcs: Sequence[Dbc]
    session: UUID


class RowJob(NamedTuple):
    """A file of rows and how to read it."""

    recording: RowRecording
    mapping: SignalMapping

    @classmethod
    def of(cls, path: Path, mapping: SignalMapping, catalogue: Catalogue) -> "RowJob":
        """Open a file of rows; raises BadInputError where it is none."""
        return cls(open_rows(path, mapping, catalogue), mapping)

    @property
    def frames(self) -> int:
        """The rows that the present reading has found."""
        return self.recording.statistics.rows

    def stream_id(self, vehicle: str | None) -> str:
        """Return the name of the stream of one vehicle in the file."""
        return _stream_id(f"{self.recording.content_digest}:{vehicle or ''}", self.mapping, ())


def _stream_id(content_digest: str, mapping: SignalMapping, dbcs: Sequence[Dbc]) -> str:
    digest = hashlib.sha256(f"{content_digest}:{mapping.digest}".encode())
    for dbc in dbcs:
        digest.update(dbc.path.read_bytes())
    return f"recording:{digest.hexdigest()[:32]}"


def take_in_turn(fleet: Takes, batches: Sequence[SignalBatch]) -> Taken:
    """Take batches though other processes write the same vehicles. Raises VersionConflictError if they never rest."""
    for _ in range(CONFLICTS_MAX):
        with suppress(VersionConflictError):  # decide anew from what the other has written
            return fleet.take(batches)
    return fleet.take(batches)


class _Stream:
    """One stream of one vehicle on its way into the fleet, a transaction for every `TAKEN_AT_ONCE` batches."""

    def __init__(
        self,
        fleet: Takes,
        batcher: Batcher,
        mapping: SignalMapping,
        summary: Summary,
        received_at: Callable[[], Micros],
    ) -> None:
        self._fleet = fleet
        self._summary = summary
        self._received_at = received_at
        self._changes = ChangeDetector(mapping)
        self._batcher = batcher
        self._waiting: list[SignalBatch] = []
        self._repeats = False  # what was taken last had been taken before
        self._started: set[UUID] = set()
        self._told: dict[UUID, list[TrackExtended]] = {}  # first and last of each trip

    def add(self, columns: Sequence[SampleColumn], reports: Sequence[TroubleCodeReport]) -> None:
        """Take what one block says."""
        self._take(self._batcher.add(self._changes.changed(columns), reports, received_at=self._received_at()))

    def finish(self) -> None:
        """Take the end of the stream."""
        self._changes.finish()
        if self._changes.unpaired:
            self._summary.notes.append(f"{self._changes.unpaired} latitudes or longitudes came alone and are left out")
        self._take([self._batcher.finish(received_at=self._received_at())])
        self._flush()
        self._summary.known_drives += sum(
            _is_known(*told) for trip_id, told in self._told.items() if trip_id not in self._started
        )

    def _take(self, batches: Iterable[SignalBatch]) -> None:
        for batch in batches:
            self._waiting.append(batch)
            self._summary.batches += 1
            self._summary.told_samples += len(batch.samples)
            if len(self._waiting) == TAKEN_AT_ONCE:
                self._flush()

    def _flush(self) -> None:
        if self._repeats and self._waiting:  # these may be the first that are new: what reads them may be new, too
            self._waiting[0] = replace(self._waiting[0], origin=self._batcher.origin)
        taken = take_in_turn(self._fleet, self._waiting)
        self._repeats = taken.duplicates == len(self._waiting)
        self._waiting = []
        self._summary.duplicate_batches += taken.duplicates
        self._summary.events.update(type(event).__name__ for event in taken.events)
        for event in taken.events:
            self._note_trip(event)

    def _note_trip(self, event: VehicleEvent) -> None:
        if isinstance(event, TripStarted):
            self._started.add(event.trip_id)
        elif isinstance(event, TrackExtended):
            told = self._told.setdefault(event.trip_id, [event, event])
            told[1] = event


def _is_known(first: TrackExtended, last: TrackExtended) -> bool:
    """Whether what a stream told of a trip between two events was known already."""
    return last.trip_distance_m - first.trip_distance_m <= SAME_DRIVE_SHARE * (_leg_m(last) - _leg_m(first))


def _leg_m(event: TrackExtended) -> float:
    by_fixes = event.leg_distance_by_fixes_m
    return event.leg_distance_by_speed_m if by_fixes is None else by_fixes


def _read(summary: Summary, translator: CanTranslator) -> None:
    """Note what a translator has read, at the end of its stream."""
    translator.close()
    summary.decoded_frames = translator.dbc.frames
    summary.too_short = translator.dbc.too_short
    summary.samples = translator.samples
    if not summary.samples:
        summary.notes.append("no signal that the mapping reads was heard: another mapping may tell more")
    summary.unmapped.update(translator.unmapped)
    heard = translator.diagnostics
    for name, counts in (("", heard.answers), ("refused ", heard.negative), ("unread ", heard.unread)):
        summary.diagnostics.update({name + key: count for key, count in counts.items()})
    summary.diagnostics.update({f"abandoned: {why}": count for why, count in heard.abandoned.items()})


def _dated(job: CanJob, summary: Summary, began_at: int) -> str:
    """Return how a recording without a wall clock was dated."""
    if summary.duplicate_batches == summary.batches:
        return "the recording has no wall clock and had been taken before: its dates stay as they were"
    date = datetime.fromtimestamp(began_at // MICROS_PER_SECOND, UTC).isoformat()
    why = "the file's own time: --recorded-at tells better" if job.recorded_at is None else "--recorded-at"
    return f"the recording has no wall clock: its first frame is dated {date}, by {why}"


def _check(job: CanJob, summary: Summary, tell: Callable[[], None]) -> None:
    """Read a whole recording without writing anything."""
    checks = {platform: ChecksumCheck(platform) for platform in PLATFORMS}
    counts = {platform: ChecksumCounts() for platform in PLATFORMS}
    by_id: Counter[int] = Counter()
    vins = VinListener(job.dbcs)
    for block in job.recording.blocks():
        vins.feed(block)
        for platform, check in checks.items():
            counts[platform] += check.check(block)
        ids, numbers = np.unique(block.can_id, return_counts=True)
        by_id.update(dict(zip(ids.tolist(), numbers.tolist(), strict=True)))
        tell()
    platforms = job.platforms
    for refused in (*(refusal(platform, counts) for platform in platforms), foreign(platforms, counts)):
        if refused:
            raise BadInputError(refused.what, where=summary.path, remedy=refused.remedy)
    _check_vins(job, summary, vins.heard)
    for platform in platforms:
        summary.checkable_frames += counts[platform].checkable
        summary.failed_checksums += counts[platform].failed
    ids = np.array(list(by_id), np.uint32)
    diagnostic = set(ids[is_diagnostic(ids)].tolist())
    known = {can_id for dbc in job.dbcs for can_id in dbc.messages}
    if not known & by_id.keys() and not diagnostic:
        what = f"none of its {by_id.total()} frames is one that the mapping {job.mapping.name} reads"
        raise BadInputError(what, where=summary.path, remedy="give the mapping of this car's platform with --map")
    summary.unknown_ids.update({_id_text(i): n for i, n in by_id.items() if i not in known and i not in diagnostic})

    read = {can_id for dbc in job.dbcs for can_id in dbc.messages} & by_id.keys()
    names = {can_id: dbc.messages[can_id].name for dbc in reversed(job.dbcs) for can_id in dbc.messages}
    wanted = DbcReader.of(job.mapping, job.dbcs).messages
    summary.unmapped.update({names[i]: by_id[i] for i in read if names[i] not in wanted})


def _check_vins(job: CanJob, summary: Summary, heard: Collection[Vin]) -> None:
    """Refuse a recording in which only other VINs are heard; a used part may know its first car's."""
    others = sorted(vin.text for vin in heard if not job.vin.may_be(vin))
    if others and len(others) == len(heard) and not job.any_vin:
        what = f"the car says that its VIN is {' and '.join(others)}, which is not {job.vin.text}"
        remedy = f"give --vin {others[0]}, or --any-vin if {job.vin.text} is right all the same"
        raise BadInputError(what, where=summary.path, remedy=remedy)
    summary.notes += [f"control units say that the VIN is {text}" for text in others]


def _check_rows(job: RowJob, summary: Summary, tell: Callable[[], None]) -> None:
    """Read all rows without writing anything."""
    names: dict[str | None, None] = {}
    for block in job.recording.blocks():
        names.update(dict.fromkeys(block))
        tell()
    rows = job.recording.statistics.rows
    if rows and not names:
        what = f"none of its {rows} rows has a signal that the mapping or the catalogue knows"
        raise BadInputError(what, where=summary.path, remedy="give the mapping of its names with --map")
    summary.vehicles = list(names)


def _id_text(can_id: int) -> str:
    """Return a can_id as candump writes it: 3 hexadecimal digits, or 8 for a 29-bit identifier."""
    return f"{can_id & ~EXTENDED_ID:08X}" if can_id & EXTENDED_ID else f"{can_id:03X}"
