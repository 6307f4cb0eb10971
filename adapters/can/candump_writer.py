"""Frames as candump text, a column at a time: what `candump -L` would have written of them (see `candump_lines`).

Lines of one length and kind form a matrix of characters, which is then laid into the text as a whole.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.can.candump_lines import EXTENDED_DIGITS, FRACTION_DIGITS
from adapters.can.clocks import MICROSECONDS
from adapters.can.frames import CLASSIC_WIDTH, EXTENDED_ID, FrameBlock

Bytes = NDArray[np.uint8]

FD_FLAGS: Final = b"1"  # the payload came at the higher bit rate (linux/can.h, CANFD_BRS), as CAN FD is used in cars
SECONDS_DIGITS: Final = 10
CAPTURED_AT_END: Final = 10**SECONDS_DIGITS * MICROSECONDS
STANDARD_DIGITS: Final = 3


def _table(count: int, form: str) -> Bytes:
    """Return the numbers from 0 on as characters, uint8[count, digits]."""
    return np.frombuffer("".join(format(number, form) for number in range(count)).encode(), np.uint8).reshape(count, -1)


_FOUR_DIGITS: Final = _table(10_000, "04d")
_THREE_DIGITS: Final = _table(1_000, "03d")
_STANDARD_IDS: Final = _table(1 << 11, "03X")
_HEX: Final = _table(256, "02X").view(np.uint16)[:, 0]  # two characters at a time


def candump_text(block: FrameBlock) -> bytes:
    """Return a line for each frame in the order of the block; the interface of bus n is `cann`.

    A payload of more than 8 bytes came in a CAN FD frame; a block does not keep what carried a shorter one.
    """
    count = len(block)
    if not count:
        return b""
    assert int(block.captured_at.min()) >= 0
    assert int(block.captured_at.max()) < CAPTURED_AT_END
    extended = block.can_id & np.uint32(EXTENDED_ID) != 0
    # Lines of one kind: payload bytes, bus and kind of identifier in one number.
    kinds = block.length.astype(np.int64) << 9 | block.bus.astype(np.int64) << 1 | extended
    rows_of = {kind: np.flatnonzero(kinds == kind) for kind in np.flatnonzero(np.bincount(kinds)).tolist()}
    shapes = {kind: _Shape(kind) for kind in rows_of}
    lengths = np.zeros(count, np.int64)
    for kind, rows in rows_of.items():
        lengths[rows] = shapes[kind].line_bytes
    ends = np.cumsum(lengths)
    text = np.empty(int(ends[-1]), np.uint8)
    times = _times(block.captured_at)
    for kind, rows in rows_of.items():
        shape = shapes[kind]
        lines = shape.lines(times[rows], block.can_id[rows], block.data[rows, : shape.length])
        size = shape.line_bytes
        # One element a position in the text, each a line long: to put some is to copy whole lines.
        windows = np.ndarray((len(text) - size + 1,), f"V{size}", text, strides=(1,))
        windows[ends[rows] - size] = lines.view(f"V{size}")[:, 0]
    return text.tobytes()


class _Shape:
    """Lines of one kind."""

    def __init__(self, kind: int) -> None:
        self.length, bus, self.extended = kind >> 9, kind >> 1 & 0xFF, bool(kind & 1)
        self._interface = f" can{bus} ".encode()
        self._mark = b"##" + FD_FLAGS if self.length > CLASSIC_WIDTH else b"#"
        self._id_digits = EXTENDED_DIGITS if self.extended else STANDARD_DIGITS
        self._id_at = _TIME_BYTES + len(self._interface)
        self._data_at = self._id_at + self._id_digits + len(self._mark)
        self.line_bytes = self._data_at + 2 * self.length + 1

    def lines(self, times: Bytes, can_id: NDArray[np.uint32], data: Bytes) -> Bytes:
        """Return lines uint8[k, line_bytes] of frames; `times` uint8[k, …], `data` uint8[k, length]."""
        lines = np.empty((len(can_id), self.line_bytes), np.uint8)
        lines[:, :_TIME_BYTES] = times
        lines[:, _TIME_BYTES : self._id_at] = np.frombuffer(self._interface, np.uint8)
        id_end = self._id_at + self._id_digits
        if self.extended:
            identifier = (can_id & np.uint32(EXTENDED_ID - 1)).astype(">u4").view(np.uint8).reshape(-1, 4)
            lines[:, self._id_at : id_end] = _HEX[identifier].view(np.uint8)
        else:
            lines[:, self._id_at : id_end] = _STANDARD_IDS[can_id]
        lines[:, id_end : self._data_at] = np.frombuffer(self._mark, np.uint8)
        if self.length:
            lines[:, self._data_at : -1] = _HEX[data].view(np.uint8)
        lines[:, -1] = ord("\n")
        return lines


_TIME_BYTES: Final = len("(") + SECONDS_DIGITS + len(".") + FRACTION_DIGITS + len(")")


def _times(captured_at: NDArray[np.int64]) -> Bytes:
    """Return times as characters, uint8[k, _TIME_BYTES]: `(1234567890.123456)`."""
    seconds = captured_at // MICROSECONDS
    micros = (captured_at - seconds * MICROSECONDS).astype(np.int32)
    upper = seconds // 10_000
    thousands = micros // 1_000
    text = np.empty((len(captured_at), _TIME_BYTES), np.uint8)
    text[:, 0], text[:, 11], text[:, 18] = b"(.)"
    # Hardly any second of a block is another than the one before: the upper digits are looked up once each.
    firsts = np.flatnonzero(np.diff(upper, prepend=-1))
    digits = np.frombuffer("".join(f"{number:06d}" for number in upper[firsts].tolist()).encode(), np.uint8)
    text[:, 1:7] = np.repeat(digits.reshape(-1, 6), np.diff(firsts, append=len(upper)), axis=0)
    text[:, 7:11] = _FOUR_DIGITS[seconds - upper * 10_000]
    text[:, 12:15] = _THREE_DIGITS[thousands]
    text[:, 15:18] = _THREE_DIGITS[micros - thousands * 1_000]
    return text
