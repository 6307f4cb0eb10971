"""GVRET CSV, as SavvyCAN writes it.

A header line names the columns: `Time Stamp,ID,Extended,Bus,LEN,D1,D2,…` (newer versions put `Dir` before `Bus`); time
in microseconds, identifier and data bytes in hex, `Extended` true or false. The format marks neither remote nor error
frames.
"""

from collections.abc import Iterator
from typing import Final

from adapters.can.frames import FrameBlock
from adapters.can.messages import RUN_FRAMES, FrameGatherer
from adapters.can.recording_file import RecordingFile
from adapters.can.text_lines import TextLines

FORMAT_NAME: Final = "GVRET CSV"
COLUMNS: Final = ("time stamp", "id", "extended", "bus", "len", "d1")
EXTENDED_WORDS: Final = {"true": True, "1": True, "false": False, "0": False}


def read_gvret(file: RecordingFile) -> Iterator[FrameBlock]:
    """Yield the data frames of a GVRET CSV in runs; raises BadInputError at a malformed line.

    A last line that was cut off counts as truncated and is left out.
    """
    frames = FrameGatherer()
    with file.open() as stream:
        lines = TextLines(file, stream, FORMAT_NAME)
        names = [name.strip().lower() for name in next(lines, "").removeprefix("\ufeff").split(",")]
        missing = [name for name in COLUMNS if name not in names]
        if missing:
            raise lines.malformed(f"the header has no column {', '.join(missing)}")
        places = [names.index(name) for name in COLUMNS]
        for line in lines:
            if not line.strip():
                continue
            try:
                _add(line.rstrip("\r\n, ").split(","), places, frames)
            except (ValueError, IndexError, KeyError) as fault:
                if not lines.unterminated:
                    raise lines.malformed(fault) from fault
                file.statistics.truncated_lines += 1
            if len(frames) >= RUN_FRAMES:
                yield frames.take()
    yield frames.take()


def _add(cells: list[str], places: list[int], frames: FrameGatherer) -> None:
    time, identifier, extended, bus, length, first = places
    count = int(cells[length])
    data = cells[first : first + count]
    if len(data) != count:
        raise ValueError(f"{len(data)} data bytes of {count}")
    if any(len(byte) != 2 for byte in data):
        raise ValueError("a data byte is not two hex digits")
    frames.add(
        int(cells[time]),
        int(cells[identifier], 16),
        bytes.fromhex("".join(data)),
        extended=EXTENDED_WORDS[cells[extended].strip().lower()],
        bus=int(cells[bus]),
    )
