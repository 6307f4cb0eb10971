"""Decoding mapped signals, against cantools, asammdf and python-can.

Thirty messages of the public DBC file of VW MQB cars are mapped, four signals each. The peers are used plainly: they
decode every signal of a message, since they cannot be told which are wanted. One line shows cantools with a DBC file
that was cut down to the mapped signals. Each comparison checks first that both sides find the same values.
"""

import contextlib
import random
import tempfile
import timeit
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

import can
import numpy as np
from asammdf import MDF, Source
from asammdf import Signal as Mf4Signal
from cantools.database.can import Database, Message
from cantools.errors import Error as CantoolsError

from adapters.can.dbc import Dbc, SignalRef, load_dbc, opendbc_path
from adapters.can.decode import Decoder
from adapters.can.frames import BLOCK_FRAMES, CLASSIC_WIDTH, FrameBlock
from adapters.can.recordings import open_recording
from bench.report import Result

FRAMES: Final = 1_000_000
SAMPLE_FRAMES: Final = (
    200_000  # what peers that go frame by frame get: their rate does not depend on how many there are
)
CHECKED_FRAMES: Final = 20_000
MAPPED_MESSAGES: Final = 30
OTHER_IDS: Final = 70
SIGNALS_PER_MESSAGE: Final = 4
PERIODS_MS: Final = (10, 20, 20, 40, 50, 100, 100, 200, 500, 1000)  # how often ids are sent, in the order of the ids
FRAME_SPACING_US: Final = 250
START: Final = 1_700_000_000_000_000
ROUNDS: Final = 15
PEER_ROUNDS: Final = 3
SEED: Final = 42
MF4_ID: Final = "CAN_DataFrame.ID"
MF4_DATA: Final = "CAN_DataFrame.DataBytes"
CANTOOLS: Final = f"cantools {version('cantools')}"
ASAMMDF: Final = f"asammdf {version('asammdf')}, extract_bus_logging"


@dataclass(frozen=True, slots=True)
class Task:
    """What is decoded: `whole` has the mapped messages as they are in the car's DBC file, `cut` the mapped signals."""

    whole: Dbc
    cut: Dbc
    decoder: Decoder
    blocks: list[FrameBlock]

    def decode(self) -> None:
        """Decode all frames, ours."""
        for block in self.blocks:
            self.decoder.decode(block)


def run() -> Sequence[Result]:
    """Decode a million frames of 100 ids, 30 of them mapped, from memory and from MF4; and candump text."""
    with tempfile.TemporaryDirectory() as folder:
        task = prepared(Path(folder))
        mf4, text = Path(folder) / "frames.mf4", Path(folder) / "frames.log"
        write_mf4(mf4, task.blocks)
        write_candump(text, task.blocks, SAMPLE_FRAMES)
        check_values(task)
        rate = FRAMES / best(task.decode, ROUNDS)
        return (
            against_cantools(task.whole, "decode", task.blocks, rate, bar=50),
            against_cantools(task.cut, "the same, DBC file cut down", task.blocks, rate, bar=20),
            against_asammdf(task, mf4, rate),
            from_mf4(task, mf4),
            from_candump(task, text),
        )


def against_cantools(dbc: Dbc, name: str, blocks: list[FrameBlock], rate: float, bar: float) -> Result:
    """Return the rates from frames in memory, which the peer gets as identifier and bytes."""
    sample = [(one, data) for one, data, _ in frames_of(blocks, SAMPLE_FRAMES)]
    return Result(
        name=f"{name}, {MAPPED_MESSAGES} of {MAPPED_MESSAGES + OTHER_IDS} ids, {FRAMES:,} frames",
        unit="frames/s",
        peer_name=f"{CANTOOLS}, {SAMPLE_FRAMES:,} frames",
        peer=SAMPLE_FRAMES / best(partial(decode_with_cantools, database_of(dbc), sample), PEER_ROUNDS),
        ours=rate,
        bar=bar,
    )


def against_asammdf(task: Task, path: Path, rate: float) -> Result:
    """Return the rates of decoding alone: what asammdf needs to read the frames from the file is taken off."""
    with MDF(path) as mdf:
        extraction_s = best(lambda: extracted(mdf, task.whole).close(), PEER_ROUNDS)
        reading_s = best(lambda: [mdf.get(name, raw=True) for name in (MF4_ID, MF4_DATA)], PEER_ROUNDS)
    return Result(
        name=f"decode, {FRAMES:,} frames, reading taken off",
        unit="frames/s",
        peer_name=ASAMMDF,
        peer=FRAMES / (extraction_s - reading_s),
        ours=rate,
        bar=5,
    )


def from_mf4(task: Task, path: Path) -> Result:
    """Return the rates from an MF4 file to values; the peer gets the DBC file that was cut down."""

    def peer() -> None:
        with MDF(path) as mdf:
            extracted(mdf, task.cut).close()

    return Result(
        name=f"MF4 to values, DBC file cut down, {FRAMES:,} frames",
        unit="frames/s",
        peer_name=ASAMMDF,
        peer=FRAMES / best(peer, PEER_ROUNDS),
        ours=FRAMES / best(partial(decode_recording, task.decoder, path), ROUNDS),
        bar=2,
    )


def from_candump(task: Task, path: Path) -> Result:
    """Return the rates from candump text to values."""
    return Result(
        name=f"candump text to values, {SAMPLE_FRAMES:,} frames",
        unit="frames/s",
        peer_name=f"python-can {version('python-can')} + {CANTOOLS}",
        peer=SAMPLE_FRAMES / best(partial(read_with_python_can, database_of(task.whole), path), PEER_ROUNDS),
        ours=SAMPLE_FRAMES / best(partial(decode_recording, task.decoder, path), ROUNDS),
        bar=20,
    )


def best(work: Callable[[], object], rounds: int) -> float:
    """Return the seconds of the best round."""
    return min(timeit.repeat(work, number=1, repeat=rounds))


# ----------------------------------------------------------------------------------------------------------- both sides
def decode_recording(decoder: Decoder, path: Path) -> None:
    """Read a recording and decode it, ours."""
    for block in open_recording(path).blocks():
        decoder.decode(block)


def database_of(dbc: Dbc) -> Database:
    """Return the database that cantools decodes with."""
    return Database(list(dbc.messages.values()))


def decode_with_cantools(database: Database, sample: Iterable[tuple[int, bytes]]) -> None:
    """Decode frame by frame what the database knows."""
    known = {message.frame_id for message in database.messages}
    for can_id, data in sample:
        if can_id in known:
            database.decode_message(can_id, data, decode_choices=False)


def read_with_python_can(database: Database, path: Path) -> None:
    """Read candump text frame by frame and decode what the database knows."""
    with can.CanutilsLogReader(path) as reader:
        decode_with_cantools(database, ((message.arbitration_id, bytes(message.data)) for message in reader))


def extracted(mdf: MDF, dbc: Dbc) -> MDF:
    """Return all signals of a file, extracted into memory."""
    return mdf.extract_bus_logging({"CAN": [(str(dbc.path), 0)]})


def check_values(task: Task) -> None:
    """Assert that ours finds the very values that cantools does."""
    database = database_of(task.whole)
    expected: dict[tuple[str, str], list[Any]] = {ref: [] for ref in refs_of(task.cut)}
    for can_id, data, _ in frames_of(task.blocks, CHECKED_FRAMES):
        if can_id in task.whole.messages:
            name = task.whole.messages[can_id].name
            values = cast("dict[str, Any]", database.decode_message(can_id, data, decode_choices=False))
            for signal, value in values.items():
                if (name, signal) in expected:
                    expected[name, signal].append(value)
    (block,) = first_frames(task.blocks, CHECKED_FRAMES)
    found = {(column.message, column.signal): column.values.tolist() for column in task.decoder.decode(block).columns}
    assert found == {ref: values for ref, values in expected.items() if values}


# --------------------------------------------------------------------------------------------------------------- inputs
def prepared(folder: Path) -> Task:
    """Return the mapped messages and signals, written as DBC files, and the frames."""
    source = load_dbc(opendbc_path("vw_mqb"))
    whole: list[Message] = []
    for _, message in sorted(source.messages.items()):
        if message.length == CLASSIC_WIDTH and len(plain_signals(message)) >= SIGNALS_PER_MESSAGE:
            with contextlib.suppress(CantoolsError):  # signals overlap, which cantools does not decode
                whole.append(Message(message.frame_id, message.name, message.length, message.signals, strict=True))
    whole = whole[:MAPPED_MESSAGES]
    cut = [Message(m.frame_id, m.name, m.length, plain_signals(m)[-SIGNALS_PER_MESSAGE:], strict=True) for m in whole]
    cut_dbc = written(folder / "cut.dbc", cut)
    blocks = list(made_frames(sorted(cut_dbc.messages)))
    return Task(written(folder / "whole.dbc", whole), cut_dbc, Decoder(cut_dbc, refs_of(cut_dbc)), blocks)


def plain_signals(message: Message) -> list[Any]:
    """Return the signals that are worth a mapping: no single bits, none behind a multiplexer."""
    return [signal for signal in message.signals if signal.length > 1 and signal.multiplexer_ids is None]


def written(path: Path, messages: list[Message]) -> Dbc:
    """Write a DBC file and load it."""
    path.write_text(Database(messages).as_dbc_string(), encoding="utf-8")
    return load_dbc(path)


def refs_of(dbc: Dbc) -> list[SignalRef]:
    """Return every signal of a DBC file."""
    return [SignalRef(message.name, signal.name) for message in dbc.messages.values() for signal in message.signals]


def made_frames(mapped: list[int]) -> Iterator[FrameBlock]:
    """Yield a million frames with random payloads; low ids are sent often, high ones rarely, as on a real bus."""
    others = random.Random(SEED).sample(sorted(set(range(0x40, 0x7FF)) - set(mapped)), OTHER_IDS)
    ids = np.array(sorted([*mapped, *others]), dtype=np.uint32)
    rate = 1 / np.array([PERIODS_MS[place * len(PERIODS_MS) // len(ids)] for place in range(len(ids))])
    generator = np.random.default_rng(SEED)
    whole = FrameBlock(
        START + np.arange(FRAMES, dtype=np.int64) * FRAME_SPACING_US,
        generator.choice(ids, FRAMES, p=rate / rate.sum()),
        np.zeros(FRAMES, dtype=np.uint8),
        np.full(FRAMES, CLASSIC_WIDTH, dtype=np.uint8),
        generator.integers(0, 256, (FRAMES, CLASSIC_WIDTH), dtype=np.uint8),
    )
    for first in range(0, FRAMES, BLOCK_FRAMES):
        yield part_of(whole, first, first + BLOCK_FRAMES)


def part_of(block: FrameBlock, first: int, end: int) -> FrameBlock:
    """Return the frames from `first` to before `end`."""
    columns: list[Any] = [block.captured_at, block.can_id, block.bus, block.length, block.data]
    return FrameBlock(*(column[first:end] for column in columns))


def first_frames(blocks: list[FrameBlock], count: int) -> Iterator[FrameBlock]:
    """Yield the first `count` frames in blocks."""
    for block in blocks:
        if count > 0:
            yield part_of(block, 0, count)
        count -= len(block)


def frames_of(blocks: list[FrameBlock], count: int) -> Iterator[tuple[int, bytes, int]]:
    """Yield identifier, payload and time of the first frames."""
    for block in first_frames(blocks, count):
        for can_id, data, captured_at in zip(
            block.can_id.tolist(), block.data, block.captured_at.tolist(), strict=True
        ):
            yield can_id, data.tobytes(), captured_at


def write_candump(path: Path, blocks: list[FrameBlock], count: int) -> None:
    """Write the first `count` frames as `candump -l` does."""
    with path.open("w", encoding="ascii") as file:
        for can_id, data, captured_at in frames_of(blocks, count):
            seconds, micros = divmod(captured_at, 1_000_000)
            file.write(f"({seconds}.{micros:06d}) can0 {can_id:03X}#{data.hex().upper()}\n")


def write_mf4(path: Path, blocks: list[FrameBlock]) -> None:
    """Write the frames as a bus logger does: one group of CAN_DataFrame records (ASAM MDF bus logging)."""
    names = ("BusChannel", "IDE", "DLC", "DataLength")
    record = np.dtype([(f"CAN_DataFrame.{name}", "u1") for name in names] + [(MF4_ID, "<u4"), (MF4_DATA, "(8,)u1")])
    records = np.zeros(FRAMES, dtype=record)
    records[MF4_ID] = np.concatenate([block.can_id for block in blocks])
    records[MF4_DATA] = np.concatenate([block.data for block in blocks])
    records["CAN_DataFrame.DLC"] = records["CAN_DataFrame.DataLength"] = CLASSIC_WIDTH
    seconds = np.concatenate([block.captured_at - START for block in blocks]) / 1_000_000
    source = Source(name="CAN", path="CAN", comment="", source_type=Source.SOURCE_BUS, bus_type=Source.BUS_TYPE_CAN)
    with MDF(version="4.10") as mdf:
        mdf.append(Mf4Signal(records, seconds, name="CAN_DataFrame", source=source), comment="bus logging")
        mdf.save(path, overwrite=True)
