"""Lines of candump text as a matrix of characters: what a line is, and how many of one shape are read at once.

The format is what `candump -L` and `candump -l` of the Linux can-utils write, one frame a line:
`(<seconds>.<fraction>) <interface> <id>#<data>[ R|T]`, the identifier with 3 hex digits or with 8 if it has 29 bits;
`<id>##<flags><data>` is CAN FD, `<id>#R[<length>]` a remote frame, an identifier with bit 29 set an error frame
(linux/can.h, CAN_ERR_FLAG); `_<raw length code>` may follow classic data.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.can.blocks import run_take, widened
from adapters.can.clocks import MICROSECONDS
from adapters.can.frames import CLASSIC_WIDTH, EXTENDED_ID, FD_WIDTH, FrameBlock
from adapters.can.recording_file import RecordingStatistics

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
ERROR_FRAME: Final = 0x2000_0000  # bit 29 of the identifier marks an error frame (linux/can.h, CAN_ERR_FLAG)
FRACTION_DIGITS: Final = 6  # microseconds; further digits are cut off
EXTENDED_DIGITS: Final = 8  # hex digits of a 29-bit identifier; one of 11 bits has 3
FIRST_DIGIT_MAX_STANDARD: Final = 0x7  # 11 bits
FIRST_DIGIT_MAX_EXTENDED: Final = 0x3  # 29 bits and the mark of an error frame

_ZERO: Final = np.uint8(ord("0"))
_NO_DIGIT: Final = 0x80
_NIBBLE: Final = np.full(256, _NO_DIGIT, np.uint8)  # value of a hex digit
_NIBBLE[np.frombuffer(b"0123456789", np.uint8)] = np.arange(10)
_NIBBLE[np.frombuffer(b"ABCDEF", np.uint8)] = _NIBBLE[np.frombuffer(b"abcdef", np.uint8)] = np.arange(10, 16)


@dataclass(frozen=True, slots=True)
class LineShape:
    """Where things are in lines that have their separators at the same places."""

    seconds: slice
    fraction: slice
    identifier: slice
    payload: slice
    literal_places: NDArray[np.intp]  # of everything that is neither time, identifier nor payload
    literals: Bytes  # the characters there
    interface: bytes
    extended: bool
    remote: bool

    @classmethod
    def of(cls, line: re.Match[bytes]) -> "LineShape":
        """Return the shape of one line."""
        seconds, fraction, identifier, payload = (
            slice(*line.span(group))
            for group in ("seconds", "fraction", "id", "data" if line["data"] is not None else "fd_data")
        )
        fixed = set(range(line.end()))
        for part in (seconds, fraction, identifier, payload):
            fixed.difference_update(range(part.start, part.stop))
        places = np.array(sorted(fixed), np.intp)
        return cls(
            seconds,
            fraction,
            identifier,
            payload,
            places,
            np.frombuffer(line.string, np.uint8)[places],
            line["interface"],
            extended=len(line["id"]) == EXTENDED_DIGITS,
            remote=line["remote"] is not None,
        )

    def read(self, columns: Bytes, lines: NDArray[np.intp], frames: "FrameColumns") -> NDArray[np.bool_]:
        """Put the frames of the lines that have this shape into `frames`; return which lines have another.

        `columns` uint8[length, n] holds the characters of the n lines, one row a position.
        """
        seconds, fraction = columns[self.seconds] - _ZERO, columns[self.fraction] - _ZERO
        identifier, payload = _NIBBLE[columns[self.identifier]], _NIBBLE[columns[self.payload]]
        others: NDArray[np.bool_] = identifier[0] > (
            FIRST_DIGIT_MAX_EXTENDED if self.extended else FIRST_DIGIT_MAX_STANDARD
        )
        others |= (columns[self.literal_places] != self.literals[:, None]).any(axis=0)
        others |= (seconds > 9).any(axis=0)
        others |= (fraction > 9).any(axis=0)
        others |= (identifier > 15).any(axis=0)
        others |= (payload > 15).any(axis=0)
        if others.any():
            mine = ~others
            lines, seconds, fraction = lines[mine], seconds[:, mine], fraction[:, mine]
            identifier, payload = identifier[:, mine], payload[:, mine]
        fraction = fraction[:FRACTION_DIGITS]
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


class FrameColumns:
    """The frames of a text, put in place by line; a line without a data frame leaves its place empty."""

    def __init__(self, lines: int) -> None:
        self._kept = np.zeros(lines, np.bool_)
        self._captured_at = np.zeros(lines, np.int64)
        self._can_id = np.zeros(lines, np.uint32)
        self._interface = np.zeros(lines, np.intp)  # index into `_first_line`
        self._first_line: dict[bytes, int] = {}  # by interface
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
        shape: LineShape,
    ) -> None:
        """Put frames of one shape at `lines`; `data` uint8[n, length]."""
        first = int(lines[0])
        self._first_line[shape.interface] = min(first, self._first_line.get(shape.interface, first))
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
        self._interface[lines] = list(self._first_line).index(shape.interface)
        self._length[lines] = length
        self._data[lines, :length] = data

    def finished(self, statistics: RecordingStatistics, bus_number: Callable[[bytes], int]) -> FrameBlock:
        """Return the data frames in the order of their lines; add the other frames to `statistics`.

        `bus_number` is asked for the bus of each interface, in the order of their first lines.
        """
        statistics.remote_frames += self._remote_frames
        statistics.error_frames += self._error_frames
        in_order = sorted(self._first_line, key=self._first_line.__getitem__)
        numbers = {interface: bus_number(interface) for interface in in_order}
        bus = np.array([numbers[interface] for interface in self._first_line], np.uint8)
        bus = bus[self._interface] if len(bus) else np.zeros(len(self._kept), np.uint8)
        run = FrameBlock(self._captured_at, self._can_id, bus, self._length, self._data)
        return run if self._kept.all() else run_take(run, self._kept)
