"""CAN frames of MF4 files (ASAM MDF 4), read through asammdf.

Frames are records of channel groups with the channels `CAN_DataFrame.ID`, `.IDE`, `.BusChannel`, `.DataLength` and
`.DataBytes` (ASAM MDF bus logging). Loggers write one group, or one for each bus and kind of frame, which are merged by
time here. A time is the file's start time, which is UTC, plus the seconds of the record. A start time that is marked
as local carries no zone, and is read as UTC too.
"""

import contextlib
import errno
import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from adapters.can.blocks import joined_run, run_slice, run_take, widened
from adapters.can.clocks import microseconds
from adapters.can.frames import CLASSIC_WIDTH, EXTENDED_ID, FD_WIDTH, FrameBlock
from adapters.can.messages import EXTENDED_ID_MAX
from adapters.can.mf4_blocks import Mf4Blocks, checked_blocks, damaged_mf4
from adapters.can.recording_file import CHUNK_BYTES, RecordingFile
from domain.errors import BadInputError

RECORDS_AT_ONCE: Final = 131_072  # of each channel group, in memory
NANOSECONDS_PER_MICROSECOND: Final = 1000
DATA_FRAME: Final = "CAN_DataFrame"
REMOTE_FRAME: Final = "CAN_RemoteFrame"
ERROR_FRAME: Final = "CAN_ErrorFrame"

# Payload bytes by data length code (ISO 11898-1, table 5)
_LENGTHS: Final = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64], np.uint8)


def read_mf4(file: RecordingFile) -> Iterator[FrameBlock]:
    """Yield the data frames in runs, in the order of their times; raises BadInputError where the file is damaged.

    Nothing is given out before the whole structure of the file was found sound.
    """
    where = str(file.path)
    with contextlib.ExitStack() as opened:
        stream = opened.enter_context(_seekable(file))
        blocks = checked_blocks(stream, where)
        if not blocks.finalized:
            stream = opened.enter_context(_copy(stream, where))  # asammdf finalizes in place
        mdf = opened.enter_context(_opened(stream, where))
        _check_records(mdf, blocks, where)
        groups = _groups(mdf, where)
        _count(mdf, file)
        yield from _merged([_records(mdf, group, where) for group in groups], file, sum(g.records for g in groups))


@contextlib.contextmanager
def _seekable(file: RecordingFile) -> Iterator[IO[bytes]]:
    """Open the bytes for reading at any place: the file itself, or a temporary copy of what gzip holds."""
    with file.open() as stream:
        if isinstance(stream, gzip.GzipFile):
            with _copy(cast("IO[bytes]", stream), str(file.path)) as copy:
                yield copy
        else:
            with file.path.open("rb") as plain:
                yield plain


@contextlib.contextmanager
def _copy(stream: IO[bytes], where: str) -> Iterator[IO[bytes]]:
    """Copy a stream into a temporary file."""
    with tempfile.TemporaryFile() as copy:
        stream.seek(0)
        with _told_of_a_full_disk(where):
            shutil.copyfileobj(stream, copy, CHUNK_BYTES)
        yield copy


@contextlib.contextmanager
def _told_of_a_full_disk(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            raise
        raise BadInputError(
            f"no room for a temporary copy in {tempfile.gettempdir()}",
            where=where,
            remedy="make room there, or set TMPDIR to a folder that has it",
        ) from fault


@contextlib.contextmanager
def _opened(stream: IO[bytes], where: str) -> Iterator[Any]:
    """Open a stream with asammdf; given a file's name it would read whole columns, and make noise where it fails."""
    from asammdf import MDF  # noqa: PLC0415  # takes a second that other formats need not pay

    stream.seek(0)
    try:
        with _told_of_a_full_disk(where), contextlib.redirect_stdout(io.StringIO()):  # asammdf prints tracebacks
            mdf = cast("Any", MDF)(stream, process_bus_logging=False)
    except BadInputError:
        raise
    except Exception as fault:  # asammdf raises whatever its parsing runs into
        raise damaged_mf4(f"{type(fault).__name__}: {fault}", where) from fault
    try:
        yield mdf
    finally:
        mdf.close()


def _check_records(mdf: Any, blocks: Mf4Blocks, where: str) -> None:
    """Compare the records that asammdf has found with the bytes that the file has for them."""
    found = dict.fromkeys(blocks.unsorted_bytes, 0)
    for group in mdf.groups:
        channel_group = group.channel_group
        record_bytes = channel_group.samples_byte_nr + channel_group.invalidation_bytes_nr
        records = channel_group.cycles_nr
        address = group.data_group.address
        if address in found:
            identifier_bytes = group.data_group.record_id_len
            found[address] += records * (record_bytes + identifier_bytes)
            for signal_data in group.signal_data:
                if signal_data:  # payloads of variable length are records of their own
                    found[address] += sum(info.original_size for info in signal_data) + records * identifier_bytes
        elif records and sum(info.original_size for info in group.get_data_blocks()) < records * record_bytes:
            raise damaged_mf4(
                f"the channel group {channel_group.acq_name!r} has fewer than its {records} records", where
            )
    for address, size in blocks.unsorted_bytes.items():
        if found[address] != size:
            raise damaged_mf4("the file ends within a record", where)


def _count(mdf: Any, file: RecordingFile) -> None:
    """Count the frames that carry no data."""
    for group in mdf.groups:
        names = {channel.name for channel in group.channels}
        if REMOTE_FRAME in names:
            file.statistics.remote_frames += group.channel_group.cycles_nr
        elif ERROR_FRAME in names:
            file.statistics.error_frames += group.channel_group.cycles_nr


@dataclass(frozen=True, slots=True)
class _Group:
    """A channel group of data frames; the channels are indexes, those that a file need not have may be None."""

    number: int
    records: int
    identifier: int
    extended: int | None
    bus: int | None
    length: int | None
    length_code: int | None
    data: int


def _groups(mdf: Any, where: str) -> list[_Group]:
    """Return the channel groups of data frames that have records."""
    groups = []
    known = False
    for number, group in enumerate(mdf.groups):
        channels = {channel.name: index for index, channel in enumerate(group.channels)}
        place = {name: channels.get(f"{DATA_FRAME}.{name}") for name in _CHANNELS}
        identifier, data = place["ID"], place["DataBytes"]
        if identifier is None or data is None:
            continue
        known = True
        if group.channel_group.cycles_nr:
            groups.append(
                _Group(
                    number,
                    group.channel_group.cycles_nr,
                    identifier,
                    place["IDE"],
                    place["BusChannel"],
                    place["DataLength"],
                    place["DLC"],
                    data,
                )
            )
    if not known:
        raise BadInputError(
            f"the MF4 file holds no CAN frames (no channels {DATA_FRAME}.ID and {DATA_FRAME}.DataBytes)",
            where=where,
            remedy="give the raw bus log; decoded signals can be exported to CSV or Parquet and read as rows",
        )
    return groups


_CHANNELS: Final = ("ID", "IDE", "BusChannel", "DataLength", "DLC", "DataBytes")


def _records(mdf: Any, group: _Group, where: str) -> Iterator[FrameBlock]:
    """Yield the frames of a channel group in runs."""
    start = mdf.header.abs_time // NANOSECONDS_PER_MICROSECOND
    for first in range(0, group.records, RECORDS_AT_ONCE):
        count = min(RECORDS_AT_ONCE, group.records - first)

        def read(channel: int | None, first: int = first, count: int = count) -> Any:
            if channel is None:
                return None
            return mdf.get(group=group.number, index=channel, record_offset=first, record_count=count)

        try:
            identifiers, extended, buses, lengths, codes, data = (
                read(channel)
                for channel in (
                    group.identifier,
                    group.extended,
                    group.bus,
                    group.length,
                    group.length_code,
                    group.data,
                )
            )
            run = _run(start, identifiers, extended, buses, lengths, codes, data)
        except Exception as fault:  # asammdf raises whatever its parsing runs into
            raise damaged_mf4(f"records {first} to {first + count} cannot be read ({fault})", where) from fault
        if len(run) != count:
            raise damaged_mf4(f"only {len(run)} of records {first} to {first + count} are there", where)
        yield run


def _run(start: int, identifiers: Any, extended: Any, buses: Any, lengths: Any, codes: Any, data: Any) -> FrameBlock:
    """Return the columns of one run, from signals of asammdf."""
    can_id = identifiers.samples.astype(np.uint32)
    is_extended = can_id & EXTENDED_ID != 0 if extended is None else extended.samples.astype(np.bool_)
    payload = np.asarray(data.samples, np.uint8).reshape(len(can_id), -1)[:, :FD_WIDTH]
    if lengths is not None:
        length = lengths.samples.astype(np.uint8)
    elif codes is not None:
        length = _LENGTHS[codes.samples.astype(np.uint8) & 15]
    else:
        length = np.full(len(can_id), payload.shape[1], np.uint8)
    if length.max(initial=0) > payload.shape[1]:
        raise ValueError(f"{length.max()} payload bytes said, {payload.shape[1]} there")
    width = CLASSIC_WIDTH if payload.shape[1] <= CLASSIC_WIDTH else FD_WIDTH
    padded = widened(payload, width) * (np.arange(width) < length[:, None])
    return FrameBlock(
        start + microseconds(identifiers.timestamps),
        (can_id & EXTENDED_ID_MAX) | np.where(is_extended, np.uint32(EXTENDED_ID), np.uint32(0)),
        np.zeros(len(can_id), np.uint8) if buses is None else buses.samples.astype(np.uint8),
        length,
        padded.astype(np.uint8),
    )


def _merged(streams: list[Iterator[FrameBlock]], file: RecordingFile, records: int) -> Iterator[FrameBlock]:
    """Yield the frames of several streams in the order of time; frames of one time in the order of the streams.

    Of each stream the next run is waiting. What is earlier than the last time of every waiting run is complete.
    """
    waiting = [_Waiting(stream) for stream in streams]
    done = 0
    while waiting:
        open_ended = [one for one in waiting if not one.ended]
        limit = min((one.last for one in open_ended), default=None)
        parts = [one.take_before(limit) for one in waiting]
        run = joined_run([part for part, _ in parts])
        if len(parts) > 1:
            run = run_take(run, np.argsort(np.concatenate([key for _, key in parts]), kind="stable"))
        for one in open_ended:
            if one.last == limit:
                one.extend()
        waiting = [one for one in waiting if len(one)]
        done += len(run)
        file.bytes_done = file.bytes_total * done // records
        if len(run):
            yield run


class _Waiting:
    """The next frames of a stream; `key` is the time that they sort by, which never falls within a stream."""

    def __init__(self, stream: Iterator[FrameBlock]) -> None:
        self._stream = stream
        self._run = next(stream)
        self._key: NDArray[np.int64] = np.maximum.accumulate(self._run.captured_at)
        self.ended = False
        self.last = int(self._key[-1])

    def __len__(self) -> int:
        return len(self._key)

    def take_before(self, limit: int | None) -> tuple[FrameBlock, NDArray[np.int64]]:
        """Take the frames before `limit`, or all."""
        end = len(self._key) if limit is None else int(np.searchsorted(self._key, limit))
        taken, key = run_slice(self._run, 0, end), self._key[:end]
        self._run, self._key = run_slice(self._run, end, len(self._key)), self._key[end:]
        return taken, key

    def extend(self) -> None:
        """Add the next run of the stream."""
        run = next(self._stream, None)
        if run is None:
            self.ended = True
            return
        key = np.maximum.accumulate(np.maximum(run.captured_at, self.last))
        self._run, self._key = joined_run([self._run, run]), np.concatenate([self._key, key])
        self.last = int(self._key[-1])
