"""candump text, read a column at a time.

The format is what `candump -L` and `candump -l` of the Linux can-utils write, one frame a line:
`(<seconds>.<fraction>) <interface> <id>#<data>[ R|T]`, the identifier with 3 hex digits or with 8 if it has 29 bits;
`<id>##<flags><data>` is CAN FD, `<id>#R[<length>]` a remote frame, an identifier with bit 29 set an error frame
(linux/can.h, CAN_ERR_FLAG); `_<raw length code>` may follow classic data.

Lines of one length that have their separators at the same places form a matrix of characters, which is checked and
converted as a whole. One pattern says what a line is; the first line of each such group is read by it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.can.blocks import run_take, widened
from adapters.can.clocks import MICROSECONDS
from adapters.can.frames import CLASSIC_WIDTH, EXTENDED_ID, FD_WIDTH, FrameBlock
from adapters.can.recording_file import CHUNK_BYTES, RecordingFile, RecordingStatistics
from domain.errors import BadInputError

Bytes = NDArray[np.uint8]

LINE: Final = re.compile(
    rb"""\( (?P<seconds>\d{1,12}) \. (?P<fraction>\d{1,9}) \) [ ]
         (?P<interface>[^\s\#]{1,15}) [ ]
         (?P<id>[0-7][0-9A-Fa-f]{2} | [0-3][0-9A-Fa-f]{7}) \#
         (?: (?P<remote>R[0-8]?) | (?P<fd>\#[0-9A-Fa-f])(?P<fd_data>(?:[0-9A-Fa-f]{2}){0,64})
           | (?P<data>(?:[0-9A-Fa-f]{2}){0,8}) ) (?P<raw_length>_[0-9A-Fa-f])?
         (?P<direction>[ ][RT])?""",
    re.VERBOSE,
)
LINE_BYTES_MAX: Final = 256  # the longest line that the pattern allows has 188
ERROR_FRAME: Final = 0x2000_0000  # bit 29 of the identifier marks an error frame (linux/can.h, CAN_ERR_FLAG)
BUSES_MAX: Final = 256  # as a bus is one byte of a `FrameBlock`
FRACTION_DIGITS: Final = 6  # microseconds; further digits are cut off
EXTENDED_DIGITS: Final = 8  # hex digits of a 29-bit identifier; one of 11 bits has 3
FIRST_DIGIT_MAX_STANDARD: Final = 0x7  # 11 bits
FIRST_DIGIT_MAX_EXTENDED: Final = 0x3  # 29 bits and the mark of an error frame
LINE_SHOWN_BYTES: Final = 60  # of a malformed line, in the message

_NO_DIGIT: Final = 0x80
_NIBBLE: Final = np.full(256, _NO_DIGIT, np.uint8)  # value of a hex digit
_NIBBLE[np.frombuffer(b"0123456789", np.uint8)] = np.arange(10)
_NIBBLE[np.frombuffer(b"ABCDEF", np.uint8)] = _NIBBLE[np.frombuffer(b"abcdef", np.uint8)] = np.arange(10, 16)


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
        self._buses: dict[bytes, int] = {}

    def read(self, text: bytes) -> FrameBlock:
        """Return the data frames of whole lines."""
        characters = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(characters == ord("\n"))
        starts = np.concatenate([[0], ends[:-1] + 1])
        lengths = ends - starts
        if b"\r" in text:
            lengths -= (characters[ends - 1] == ord("\r")) & (lengths > 0)
        frames = _Frames(len(ends))
        for length in np.flatnonzero(np.bincount(lengths)).tolist():
            if length:
                lines = np.flatnonzero(lengths == length)
                # One element a position in the text, each `length` bytes long: to take some is to copy whole lines.
                windows = np.ndarray((len(text) - length + 1,), f"V{length}", text, strides=(1,))
                matrix = windows[starts[lines]].view(np.uint8).reshape(-1, length)
                self._read_lines(matrix, lines, text, frames)
        self.lines += len(ends)
        return frames.finished(self._statistics)

    def _read_lines(self, matrix: Bytes, lines: NDArray[np.intp], text: bytes, frames: "_Frames") -> None:
        """Read lines of one length, given as the rows of a matrix: those shaped as the first, then the others."""
        while len(lines):
            first = matrix[0].tobytes()
            match = LINE.fullmatch(first)
            if match:
                self.is_blank = False
                columns = np.ascontiguousarray(matrix.T)
                others = _Shape.of(match, self._bus(match["interface"])).read(columns, lines, frames)
                matrix, lines = matrix[others], lines[others]
            elif not first.strip():
                matrix, lines = matrix[1:], lines[1:]
            else:
                raise self._first_malformed(text)

    def _bus(self, interface: bytes) -> int:
        """Return the number at the end of an interface's name, or the lowest free one where that is taken."""
        if interface not in self._buses:
            digits = re.search(rb"\d*\Z", interface)
            number = int(digits[0]) if digits and digits[0] else 0
            taken = set(self._buses.values())
            free = (bus for bus in (number, *range(BUSES_MAX)) if bus < BUSES_MAX and bus not in taken)
            bus = next(free, None)
            if bus is None:
                raise BadInputError(
                    f"more than {BUSES_MAX} interfaces",
                    where=self._where,
                    remedy="split the recording by interface",
                )
            self._buses[interface] = bus
        return self._buses[interface]

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


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where things are in lines that have their separators at the same places."""

    seconds: slice
    fraction: slice
    identifier: slice
    payload: slice
    literals: list[tuple[int, int]]  # position and character of everything that is neither time, identifier nor payload
    bus: int
    extended: bool
    remote: bool

    @classmethod
    def of(cls, line: re.Match[bytes], bus: int) -> "_Shape":
        """Return the shape of one line."""
        seconds, fraction, identifier, payload = (
            slice(*line.span(group))
            for group in ("seconds", "fraction", "id", "data" if line["data"] is not None else "fd_data")
        )
        fixed = set(range(line.end()))
        for part in (seconds, fraction, identifier, payload):
            fixed.difference_update(range(part.start, part.stop))
        return cls(
            seconds,
            fraction,
            identifier,
            payload,
            [(position, line.string[position]) for position in sorted(fixed)],
            bus,
            extended=len(line["id"]) == EXTENDED_DIGITS,
            remote=line["remote"] is not None,
        )

    def read(self, columns: Bytes, lines: NDArray[np.intp], frames: "_Frames") -> NDArray[np.bool_]:
        """Put the frames of the lines that have this shape into `frames`; return which lines have another.

        `columns` uint8[length, n] holds the characters of the n lines, one row a position.
        """
        other = np.zeros(len(lines), np.uint8)
        for position, character in self.literals:
            other |= columns[position] ^ character
        digits = columns[self.seconds.start : self.fraction.stop] - np.uint8(ord("0"))
        point = self.seconds.stop - self.seconds.start
        for index, digit in enumerate(digits):
            if index != point:
                other |= digit > 9
        identifier = _NIBBLE[columns[self.identifier]]
        payload = _NIBBLE[columns[self.payload]]
        other |= identifier[0] > (FIRST_DIGIT_MAX_EXTENDED if self.extended else FIRST_DIGIT_MAX_STANDARD)
        for nibble in (*identifier[1:], *payload):
            other |= nibble & _NO_DIGIT
        others: NDArray[np.bool_] = other != 0
        if others.any():
            mine = ~others
            lines, digits, identifier, payload = lines[mine], digits[:, mine], identifier[:, mine], payload[:, mine]
        seconds, fraction = digits[:point], digits[point + 1 :][:FRACTION_DIGITS]
        unit = 10 ** (FRACTION_DIGITS - len(fraction))
        captured_at = _number(seconds, 10) * MICROSECONDS + _number(fraction, 10) * unit
        can_id = _number(identifier, 16).astype(np.uint32)
        frames.put(lines, captured_at, can_id, _payloads(payload), self)
        return others


def _number(digits: Bytes, base: int) -> NDArray[np.int64]:
    """Return the numbers that the columns of `digits`, most significant first, make."""
    number = np.zeros(digits.shape[1], np.int64)
    for digit in digits:
        number *= base
        number += digit
    return number


def _payloads(nibbles: Bytes) -> Bytes:
    """Return the bytes, one row a frame, of nibbles that come one row a position."""
    data = nibbles[0::2] << np.uint8(4)
    data |= nibbles[1::2]
    return data.T


class _Frames:
    """The frames of a text, put in place by line; a line without a data frame leaves its place empty."""

    def __init__(self, lines: int) -> None:
        self._kept = np.zeros(lines, np.bool_)
        self._captured_at = np.zeros(lines, np.int64)
        self._can_id = np.zeros(lines, np.uint32)
        self._bus = np.zeros(lines, np.uint8)
        self._length = np.zeros(lines, np.uint8)
        self._data = np.zeros((lines, CLASSIC_WIDTH), np.uint8)
        self._remote_frames = 0
        self._error_frames = 0

    def put(
        self,
        lines: NDArray[np.intp],
        captured_at: NDArray[np.int64],
        can_id: NDArray[np.uint32],
        data: Bytes,
        shape: _Shape,
    ) -> None:
        """Put frames of one shape at `lines`; `data` uint8[n, length]."""
        if shape.remote:
            self._remote_frames += len(lines)
            return
        if shape.extended:
            errors = can_id & ERROR_FRAME != 0
            if errors.any():
                self._error_frames += int(errors.sum())
                lines, captured_at, can_id, data = (part[~errors] for part in (lines, captured_at, can_id, data))
            can_id |= np.uint32(EXTENDED_ID)
        length = data.shape[1]
        if length > self._data.shape[1]:
            self._data = widened(self._data, FD_WIDTH)
        self._kept[lines] = True
        self._captured_at[lines] = captured_at
        self._can_id[lines] = can_id
        self._bus[lines] = shape.bus
        self._length[lines] = length
        self._data[lines, :length] = data

    def finished(self, statistics: RecordingStatistics) -> FrameBlock:
        """Return the data frames in the order of their lines; add the other frames to `statistics`."""
        statistics.remote_frames += self._remote_frames
        statistics.error_frames += self._error_frames
        run = FrameBlock(self._captured_at, self._can_id, self._bus, self._length, self._data)
        return run if self._kept.all() else run_take(run, self._kept)
