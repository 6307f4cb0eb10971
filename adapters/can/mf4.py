"""CAN frames of MF4 files (ASAM MDF 4), read through asammdf.

Frames are records of channel groups with the channels `CAN_DataFrame.ID`, `.IDE`, `.BusChannel`, `.DataLength` and
`.DataBytes` (ASAM MDF bus logging). Loggers write one group, or one for each bus and kind of frame, which are merged by
time here. A time is the file's start time, which is UTC, plus the seconds of the record. A start time that is marked
as local carries no zone, and is read as UTC too.
"""

import contextlib
import gzip
import shutil
import tempfile
from collections.abc import Iterator
from typing import IO, Any, Final, cast

from adapters.can.frames import FrameBlock
from adapters.can.mdf_library import opened_mdf, told_of_a_full_disk
from adapters.can.merge import merged
from adapters.can.mf4_blocks import Mf4Blocks, checked_blocks, damaged_mf4
from adapters.can.mf4_groups import frame_groups
from adapters.can.recording_file import RecordingFile
from adapters.input_file import CHUNK_BYTES

REMOTE_FRAME: Final = "CAN_RemoteFrame"
ERROR_FRAME: Final = "CAN_ErrorFrame"


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
        mdf = opened.enter_context(opened_mdf(stream, where))
        _check_records(mdf, blocks, where)
        groups = frame_groups(mdf, where)
        _count(mdf, file)
        records, done = sum(group.records for group in groups), 0
        for run in merged([group.runs() for group in groups]):
            done += len(run)
            file.bytes_done = file.bytes_total * done // records
            yield run


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
        with told_of_a_full_disk(where):
            shutil.copyfileobj(stream, copy, CHUNK_BYTES)
        yield copy


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
        elif records and not record_bytes:
            raise damaged_mf4(f"the channel group {channel_group.acq_name!r} has records of no size", where)
        elif sum(info.original_size for info in group.get_data_blocks()) < records * record_bytes:
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
