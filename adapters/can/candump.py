"""candump text, read a column at a time.

Lines of one length that have their separators at the same places form a matrix of characters, which is checked and
converted as a whole (see `candump_lines`). One pattern says what a line is; the first line of each such group is read
by it, and the others have the same shape.
"""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.can.candump_lines import LINE, FrameColumns, LineShape
from adapters.can.frames import CLASSIC_WIDTH, FD_WIDTH, FrameBlock
from adapters.can.recording_file import RecordingFile
from adapters.input_file import CHUNK_BYTES
from domain.errors import BadInputError

LINE_BYTES_MAX: Final = 256  # the longest line that the pattern allows has 188
LINE_SHOWN_BYTES: Final = 60  # of a malformed line, in the message
BUSES_MAX: Final = 256  # as a bus is one byte of a `FrameBlock`


def read_candump(file: RecordingFile) -> Iterator[FrameBlock]:
    """Yield the data frames of candump text in runs of any length; count everything else in `file.statistics`.

    The bus of a frame is the number at the end of its interface's name. A last line without its newline counts as
    truncated and is left out, unless its payload cannot have been longer. Raises BadInputError at a malformed line.
    """
    reader = _Reader(file)
    with file.open() as stream:
        rest = b""
        while chunk := stream.read(CHUNK_BYTES):
            text = rest + chunk
            end = text.rfind(b"\n") + 1
            rest = text[end:]
            if end:
                yield reader.read(text[:end])
            if len(rest) > LINE_BYTES_MAX:
                raise reader.malformed(rest, reader.lines)
        if rest.strip():
            match = LINE.fullmatch(rest.rstrip(b"\r"))
            if match and _is_complete(match):
                yield reader.read(rest + b"\n")
            elif match or reader.lines:
                file.statistics.truncated_lines += 1
            else:
                raise reader.malformed(rest, 0)
    if reader.is_blank and not file.statistics.truncated_lines:
        raise BadInputError(
            "all lines are blank",
            where=str(file.path),
            remedy="record again: `candump -l` writes a line for each frame",
        )


def _is_complete(line: re.Match[bytes]) -> bool:
    """Tell whether an unterminated line is certain to be whole: what could follow would not change the frame."""
    full = len(line["data"] or b"") == 2 * CLASSIC_WIDTH or len(line["fd_data"] or b"") == 2 * FD_WIDTH
    return full or bool(line["direction"])


class _Reader:
    def __init__(self, file: RecordingFile) -> None:
        self.lines = 0  # read so far
        self.is_blank = True  # so far
        self._where = str(file.path)
        self._statistics = file.statistics
        self._buses = _Buses(str(file.path))

    def read(self, text: bytes) -> FrameBlock:
        """Return the data frames of whole lines."""
        characters = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(characters == ord("\n"))
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts
        if b"\r" in text:
            lengths -= (characters[ends - 1] == ord("\r")) & (lengths > 0)
        frames = FrameColumns(len(ends))
        for length in np.flatnonzero(np.bincount(lengths)).tolist():
            if length:
                lines = np.flatnonzero(lengths == length)
                # One element a position in the text, each `length` bytes long: to take some is to copy whole lines.
                windows = np.ndarray((len(text) - length + 1,), f"V{length}", text, strides=(1,))
                matrix = windows[starts[lines]].view(np.uint8).reshape(-1, length)
                self._read_lines(matrix, lines, text, frames)
        self.lines += len(ends)
        return frames.finished(self._statistics, self._buses.number)

    def _read_lines(
        self, matrix: NDArray[np.uint8], lines: NDArray[np.intp], text: bytes, frames: FrameColumns
    ) -> None:
        """Read lines of one length, given as the rows of a matrix: those shaped as the first, then the others."""
        while len(lines):
            first = matrix[0].tobytes()
            match = LINE.fullmatch(first)
            if match:
                self.is_blank = False
                columns = np.ascontiguousarray(matrix.T)
                others = LineShape.of(match).read(columns, lines, frames)
                matrix, lines = matrix[others], lines[others]
            elif not first.strip():
                matrix, lines = matrix[1:], lines[1:]
            else:
                raise self._first_malformed(text)

    def _first_malformed(self, text: bytes) -> BadInputError:
        for index, line in enumerate(text.split(b"\n")):
            if line.strip() and not LINE.fullmatch(line.removesuffix(b"\r")):
                return self.malformed(line, self.lines + index)
        raise AssertionError("a line was malformed a moment ago")

    def malformed(self, line: bytes, index: int) -> BadInputError:
        """Return the error that names line `index`, counted from 0."""
        shown = line[:LINE_SHOWN_BYTES].decode("ascii", "backslashreplace").strip()
        return BadInputError(
            f"not a line of candump text: {shown!r}",
            where=f"{self._where}, line {index + 1}",
            remedy="write frames as `candump -L` does, `(1234.567890) can0 123#DEADBEEF`, or remove the line",
        )


class _Buses:
    """The numbers of buses by the names of interfaces."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._numbers: dict[bytes, int] = {}

    def number(self, interface: bytes) -> int:
        """Return the number at the end of an interface's name (0 without one); if it is taken, the highest free one."""
        if interface not in self._numbers:
            digits = re.search(rb"\d*\Z", interface)
            wanted = int(digits[0]) if digits and digits[0] else 0
            taken = set(self._numbers.values())
            free = [bus for bus in (*range(BUSES_MAX), wanted) if bus < BUSES_MAX and bus not in taken]
            if not free:
                raise BadInputError(
                    f"more than {BUSES_MAX} interfaces", where=self._where, remedy="split the recording by interface"
                )
            self._numbers[interface] = free[-1]
        return self._numbers[interface]
