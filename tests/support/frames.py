"""CAN frames for tests: strategies that make them, and writers of every recording format that is read."""

import csv
import gzip
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import can
import numpy as np
from asammdf import MDF, Signal, Source
from hypothesis import strategies as st

from adapters.can.clocks import MICROSECONDS
from adapters.can.frames import EXTENDED_ID, FrameBlock
from adapters.can.recording_file import RecordingStatistics
from adapters.can.recordings import Recording

FD_LENGTHS: Final = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)  # ISO 11898-1, table 5


@dataclass(frozen=True, slots=True)
class Frame:
    """One data frame; `fd` says which kind of frame carried it, which a block does not keep."""

    captured_at: int
    identifier: int
    extended: bool
    data: bytes
    bus: int = 0
    fd: bool = False


def frames(
    *, fd: bool = False, buses: Sequence[int] = (0,), size_max: int = 40, span_us: int = 10**9
) -> st.SearchStrategy[list[Frame]]:
    """Return a strategy of data frames in the order of time, the first at a whole second of the years 2001 to 2033."""
    identifiers = st.one_of(
        st.tuples(st.integers(0, 0x7FF), st.just(False)), st.tuples(st.integers(0, 0x1FFF_FFFF), st.just(True))
    )
    payloads = st.tuples(st.binary(max_size=8), st.just(False))
    if fd:
        lengths = st.sampled_from(FD_LENGTHS)
        payloads = payloads | st.tuples(lengths.flatmap(lambda n: st.binary(min_size=n, max_size=n)), st.just(True))
    starts = st.integers(10**9, 2 * 10**9).map(lambda seconds: seconds * MICROSECONDS)
    parts = st.tuples(st.integers(0, span_us), identifiers, payloads, st.sampled_from(list(buses)))

    def made(start: int, rows: list[tuple[int, tuple[int, bool], tuple[bytes, bool], int]]) -> list[Frame]:
        offsets = sorted(row[0] for row in rows)
        if offsets:
            offsets[0] = 0
        return [
            Frame(start + offset, identifier, extended, data, bus, is_fd)
            for offset, (_, (identifier, extended), (data, is_fd), bus) in zip(offsets, rows, strict=True)
        ]

    return st.builds(made, starts, st.lists(parts, max_size=size_max))


def frames_of(blocks: Iterable[FrameBlock]) -> list[Frame]:
    """Return the frames of blocks, as far as a block tells them; after its payload a row must hold nothing."""
    blocks = list(blocks)
    for block in blocks:
        after = np.arange(block.data.shape[1]) >= block.length[:, None]
        assert not (block.data * after).any()
    return [
        Frame(
            int(captured_at),
            int(can_id) & ~EXTENDED_ID,
            bool(can_id & EXTENDED_ID),
            data[:length].tobytes(),
            int(bus),
        )
        for block in blocks
        for captured_at, can_id, bus, length, data in zip(
            block.captured_at, block.can_id, block.bus, block.length, block.data, strict=True
        )
    ]


def read_through(recording: Recording) -> RecordingStatistics:
    """Read a recording to its end and return what was in it."""
    for _ in recording.blocks():
        pass
    return recording.statistics


def as_block_tells(frames: Iterable[Frame]) -> list[Frame]:
    """Return frames without what a block does not keep: the kind of frame that carried them."""
    return [Frame(one.captured_at, one.identifier, one.extended, one.data, one.bus) for one in frames]


def message_of(frame: Frame, *, channel: int | str | None = None) -> can.Message:
    """Return a frame as python-can's message."""
    return can.Message(
        timestamp=frame.captured_at / MICROSECONDS,
        arbitration_id=frame.identifier,
        is_extended_id=frame.extended,
        data=frame.data,
        is_fd=frame.fd,
        channel=channel,
    )


def candump_line(frame: Frame) -> str:
    """Return a frame as a line of candump text, without its newline."""
    seconds, micros = divmod(frame.captured_at, MICROSECONDS)
    identifier = f"{frame.identifier:08X}" if frame.extended else f"{frame.identifier:03X}"
    mark = "##1" if frame.fd else "#"
    return f"({seconds:010d}.{micros:06d}) can{frame.bus} {identifier}{mark}{frame.data.hex().upper()}"


def write_candump(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as candump text, as the can-utils do."""
    path.write_text("".join(candump_line(frame) + "\n" for frame in frames), encoding="ascii")


def write_python_can_candump(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as candump text with python-can, which adds the direction."""
    with can.CanutilsLogWriter(path) as writer:
        for frame in frames:
            writer.on_message_received(message_of(frame, channel=frame.bus))


def write_asc(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as Vector ASC with python-can; channels count from 1."""
    with machine_in_zone("UTC"), can.ASCWriter(path) as writer:
        for frame in frames:
            writer.on_message_received(message_of(frame, channel=frame.bus - 1))


def write_blf(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as Vector BLF with python-can; channels count from 1."""
    with can.BLFWriter(path, max_container_size=512) as writer:
        for frame in frames:
            writer.on_message_received(message_of(frame, channel=frame.bus - 1))


def write_python_can_csv(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as the CSV of python-can, which keeps no bus."""
    with can.CSVWriter(path) as writer:
        for frame in frames:
            writer.on_message_received(message_of(frame))


def write_gvret(path: Path, frames: Iterable[Frame]) -> None:
    """Write frames as SavvyCAN writes its GVRET CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Time Stamp", "ID", "Extended", "Bus", "LEN", *(f"D{number}" for number in range(1, 9))])
    for frame in frames:
        extended = "true" if frame.extended else "false"
        data = [f"{byte:02X}" for byte in frame.data]
        writer.writerow([frame.captured_at, f"{frame.identifier:08X}", extended, frame.bus, len(data), *data])
    path.write_text(text.getvalue(), encoding="ascii")


MF4_FRAME: Final = np.dtype(
    [
        ("CAN_DataFrame.BusChannel", "u1"),
        ("CAN_DataFrame.ID", "<u4"),
        ("CAN_DataFrame.IDE", "u1"),
        ("CAN_DataFrame.DLC", "u1"),
        ("CAN_DataFrame.DataLength", "u1"),
        ("CAN_DataFrame.DataBytes", "(64,)u1"),
    ]
)


def write_mf4(path: Path, frames: Iterable[Frame], *, compression: Literal[0, 1, 2] = 0) -> None:
    """Write frames as MF4 with asammdf: one channel group for each bus and kind of identifier, as some loggers do."""
    everything = list(frames)
    start = everything[0].captured_at if everything else 10**15
    with MDF(version="4.10") as mdf:
        mdf.header.start_time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start)
        keys = sorted({(frame.bus, frame.extended) for frame in everything}) or [(1, False)]
        for key in keys:
            group = [frame for frame in everything if (frame.bus, frame.extended) == key]
            records = np.zeros(len(group), MF4_FRAME)
            for row, frame in enumerate(group):
                length = len(frame.data)
                padded = np.frombuffer(frame.data.ljust(64, b"\xee"), np.uint8)  # of the frame before, in a logger
                records[row] = (frame.bus, frame.identifier, frame.extended, FD_LENGTHS.index(length), length, padded)
            times = np.array([(frame.captured_at - start) / MICROSECONDS for frame in group], np.float64)
            source = Source("CAN", "CAN", "", Source.SOURCE_BUS, Source.BUS_TYPE_CAN)
            mdf.append(Signal(records, times, name="CAN_DataFrame", source=source))
        saved = mdf.save(path.with_suffix(".mf4"), overwrite=True, compression=compression)
    Path(saved).rename(path)  # asammdf chooses the ending of the name itself


@contextmanager
def machine_in_zone(name: str) -> Iterator[None]:
    """Let the local time of this process be that of a zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


def gzipped(write: Callable[[Path, Iterable[Frame]], None]) -> Callable[[Path, Iterable[Frame]], None]:
    """Return a writer that compresses what another one writes."""

    def write_gzip(path: Path, frames: Iterable[Frame]) -> None:
        write(path, frames)
        path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))

    return write_gzip
