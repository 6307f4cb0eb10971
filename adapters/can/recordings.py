"""Recordings of CAN buses: which format a file has, and its frames as blocks."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from adapters.can.asc import read_asc
from adapters.can.blf import read_blf
from adapters.can.blocks import in_blocks
from adapters.can.candump import read_candump
from adapters.can.candump_lines import LINE
from adapters.can.clocks import is_wall_clock
from adapters.can.frames import FrameBlock
from adapters.can.gvret import read_gvret
from adapters.can.mf4 import read_mf4
from adapters.can.python_can_csv import read_python_can_csv
from adapters.can.recording_file import RecordingFile, RecordingStatistics
from domain.errors import BadInputError


@dataclass(frozen=True, slots=True)
class RecordingFormat:
    """A format: its name, the endings of its file names, what its first bytes look like, and its reader."""

    name: str
    suffixes: tuple[str, ...]
    beginning: re.Pattern[bytes]  # found in the first bytes of every file of this format, and of no other
    read: Callable[[RecordingFile], Iterator[FrameBlock]]


FORMATS: Final = (
    RecordingFormat("MF4", (".mf4",), re.compile(rb"\A(?:MDF     |UnFinMF )"), read_mf4),
    RecordingFormat("Vector BLF", (".blf",), re.compile(rb"\ALOGG"), read_blf),
    RecordingFormat(
        "GVRET CSV", (".csv",), re.compile(rb"\A(?:\xef\xbb\xbf)?time stamp,id,", re.IGNORECASE), read_gvret
    ),
    RecordingFormat("python-can CSV", (".csv",), re.compile(rb"\Atimestamp,arbitration_id,"), read_python_can_csv),
    RecordingFormat(
        "candump text",
        (".log", ".candump"),
        re.compile(rb"^(?:" + LINE.pattern + rb")\r?$", re.MULTILINE | re.VERBOSE),
        read_candump,
    ),
    RecordingFormat(
        "Vector ASC",
        (".asc",),
        re.compile(rb"^(?:date[ ]+[a-z]{3}|base[ ]+(?:hex|dec)|begin[ ]+triggerblock)", re.MULTILINE | re.IGNORECASE),
        read_asc,
    ),
)
_BY_NAME_ONLY: Final = {".log", ".candump", ".asc"}  # text whose first lines may be damaged; the reader then says which


class Recording:
    """A recording of CAN buses; reading it again gives the same blocks.

    `statistics` and `bytes_done` (of `bytes_total`, on disk) follow the last reading that `blocks` began.
    """

    def __init__(self, path: Path, form: RecordingFormat) -> None:
        self.path = path
        self.format = form.name
        self._read = form.read
        self._file = RecordingFile(path)

    def blocks(self) -> Iterator[FrameBlock]:
        """Yield all data frames in blocks of `BLOCK_FRAMES`, in the order of the file.

        Raises BadInputError where the file is damaged or malformed, for some formats after some blocks: a caller that
        must not use half of a recording reads it to the end once before.
        """
        self._file = file = RecordingFile(self.path)
        for block in in_blocks(self._read(file)):
            file.statistics.count(block)
            yield block
        file.bytes_done = file.bytes_total

    @property
    def statistics(self) -> RecordingStatistics:
        """What the present reading has found so far, or the last one in all."""
        return self._file.statistics

    @property
    def bytes_total(self) -> int:
        """The size of the file."""
        return self._file.bytes_total

    @property
    def bytes_done(self) -> int:
        """How far into the file the present reading is."""
        return self._file.bytes_done

    @cached_property
    def content_digest(self) -> str:
        """The SHA-256 of what is recorded, in hexadecimal: a plain and a gzip copy have the same."""
        return RecordingFile(self.path).digest()

    @cached_property
    def has_wall_clock(self) -> bool:
        """Whether its first time can be a date; otherwise the logger counted from its own start (see `clocks`)."""
        first = next((run for run in self._read(RecordingFile(self.path)) if len(run)), None)
        return first is not None and is_wall_clock(int(first.captured_at[0]))


def open_recording(path: Path) -> Recording:
    """Return the recording in a file, its format known by content first, then by the ending of its name.

    Raises BadInputError where the file cannot be read or is no recording.
    """
    head = RecordingFile(path).head()
    for form in FORMATS:
        if form.beginning.search(head):
            return Recording(path, form)
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    for form in FORMATS:
        if head and suffixes and suffixes[-1] in _BY_NAME_ONLY.intersection(form.suffixes):
            return Recording(path, form)
    known = ", ".join(f"{form.name} ({', '.join(form.suffixes)})" for form in FORMATS)
    raise BadInputError(
        "the file is empty" if not head else "not a recording of a CAN bus",
        where=str(path),
        remedy=f"give one of: {known}; rows as CSV, NDJSON or Parquet; a GeoJSON track (gzip: any but Parquet)",
    )
