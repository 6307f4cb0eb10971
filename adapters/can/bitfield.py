"""Bit fields of CAN payloads, a column at a time: whole 8-byte words are gathered and shifted.

Bit numbers are those of the DBC format: `start` is the least significant bit of a little-endian (Intel) field and the
most significant bit of a big-endian (Motorola) field, counted 8 * byte + bit in the byte, bit 0 the least significant.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from cantools.database.can import Signal
from numpy.typing import NDArray

from adapters.can.frames import FD_WIDTH

_WORD_BYTES: Final = 8
_WORD_BITS: Final = 64
_INT64_BITS: Final = 63  # bits of an unsigned number that an int64 can hold
_FLOAT_TYPES: Final = {
    16: (np.uint16, np.float16),
    32: (np.uint32, np.float32),
    64: (np.uint64, np.float64),
}  # IEEE 754
FLOAT_BITS: Final = tuple(_FLOAT_TYPES)


class Words:
    """8-byte words of some rows of a block's payloads, each gathered once however many fields want it."""

    def __init__(self, data: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self.data = data
        self.rows = rows
        self._gathered: dict[tuple[int, bool], NDArray[np.uint64]] = {}

    def word(self, first_byte: int, *, big_endian: bool) -> NDArray[np.uint64]:
        """Return the 8 bytes from `first_byte` of every row as one number, uint64[k]."""
        key = (first_byte, big_endian)
        if key in self._gathered:
            return self._gathered[key]
        if big_endian:
            word = self.word(first_byte, big_endian=False).byteswap()
        else:
            all_rows: NDArray[np.uint64] = self.data[:, first_byte : first_byte + _WORD_BYTES].view("<u8")[:, 0]
            word = all_rows[self.rows]
        self._gathered[key] = word
        return word

    def byte(self, index: int) -> NDArray[np.uint64]:
        """Return one byte of every row, uint64[k]."""
        column: NDArray[np.uint8] = self.data[:, index]
        return column[self.rows].astype(np.uint64)

    def select(self, mask: NDArray[np.bool_]) -> "Words":
        """Return the words of the rows for which `mask` bool[k] is true."""
        chosen = Words(self.data, self.rows[mask])
        chosen._gathered = {key: word[mask] for key, word in self._gathered.items()}
        return chosen


@dataclass(frozen=True)
class BitField:
    """Where a signal's raw value lies in a payload, and how it is to be read."""

    start: int
    length: int
    big_endian: bool
    signed: bool
    is_float: bool

    @classmethod
    def of(cls, signal: Signal) -> "BitField":
        """Return where a DBC file says that a signal lies."""
        big_endian, is_float = signal.byte_order == "big_endian", signal.conversion.is_float
        return cls(signal.start, signal.length, big_endian, signal.is_signed, is_float)

    def __post_init__(self) -> None:
        assert self.length > 0
        assert not self.is_float or self.length in FLOAT_BITS

    @cached_property
    def first_bit(self) -> int:
        """How many bits of the payload lie before the field, in the bit order of its endianness."""
        return 8 * (self.start // 8) + 7 - self.start % 8 if self.big_endian else self.start

    @cached_property
    def needed_bytes(self) -> int:
        """The shortest payload that holds the whole field."""
        return (self.first_bit + self.length + 7) // 8

    @cached_property
    def range(self) -> tuple[int, int]:
        """The least and the greatest raw value of an integer field."""
        if self.signed:
            return -(1 << (self.length - 1)), (1 << (self.length - 1)) - 1
        return 0, (1 << self.length) - 1

    def read(self, words: Words) -> NDArray[Any]:
        """Return the raw values: float64[k] or int64[k]; uint64[k] for 64 unsigned bits; object[k] (int) beyond 64."""
        if self.length > _WORD_BITS:
            return self._read_beyond_word(words)
        bits = self._read_word(words)
        if self.is_float:
            unsigned, floating = _FLOAT_TYPES[self.length]
            return bits.astype(unsigned).view(floating).astype(np.float64)
        if self.signed:
            unused = np.uint64(_WORD_BITS - self.length)
            return (bits << unused).view(np.int64) >> unused.astype(np.int64)
        return bits if self.length > _INT64_BITS else bits.view(np.int64)

    def write(self, raw: NDArray[Any], data: NDArray[np.uint8], rows: NDArray[np.bool_] | None = None) -> None:
        """Put raw values [k] that lie in the range into payloads uint8[k, n]; only where `rows` bool[k] is true.

        `raw` as `read` returns it; a float that its format cannot hold becomes infinite.
        """
        bits = self._bits(raw)
        for part in self._parts:
            byte = (bits >> part.shift & part.mask).astype(np.uint8) << np.uint8(part.place)
            written = data[:, part.byte] & np.uint8(0xFF & ~(int(part.mask) << part.place)) | byte
            data[:, part.byte] = written if rows is None else np.where(rows, written, data[:, part.byte])

    def _bits(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Return the field's bits, right-aligned: uint64[k], object[k] (int) beyond 64."""
        if self.length > _WORD_BITS:
            mask = (1 << self.length) - 1
            beyond = np.empty(len(raw), dtype=object)
            beyond[:] = [int(value) & mask for value in raw]
            return beyond
        if self.is_float:
            unsigned, floating = _FLOAT_TYPES[self.length]
            with np.errstate(over="ignore"):
                return raw.astype(floating).view(unsigned).astype(np.uint64)
        if self.length > _INT64_BITS and not self.signed:
            return raw.astype(np.uint64)
        return raw.astype(np.int64).view(np.uint64)

    @cached_property
    def _parts(self) -> tuple["_Part", ...]:
        """How the field is spread over the bytes of a payload."""
        parts = []
        end = self.first_bit + self.length
        number = int if self.length > _WORD_BITS else np.uint64
        for byte in range(self.first_bit // 8, self.needed_bytes):
            low, high = max(self.first_bit, 8 * byte), min(end, 8 * byte + 8)
            shift, place = (end - high, 8 * byte + 8 - high) if self.big_endian else (low - self.first_bit, low % 8)
            parts.append(_Part(byte, number(shift), number((1 << (high - low)) - 1), place))
        return tuple(parts)

    @cached_property
    def _layout(self) -> "_Layout":
        first_byte, last_byte = self.first_bit // 8, self.needed_bytes - 1
        # An aligned word is shared with the message's other fields; one made for a field that crosses its end is not.
        word_byte = first_byte - first_byte % _WORD_BYTES
        if last_byte >= word_byte + _WORD_BYTES:
            word_byte = min(first_byte, FD_WIDTH - _WORD_BYTES)  # no classic payload holds such a field
        skipped = self.first_bit - 8 * word_byte
        shift = _WORD_BITS - skipped - self.length if self.big_endian else skipped
        return _Layout(
            word_byte,
            np.uint64(max(shift, 0)),
            np.uint64((1 << self.length) - 1),
            last_byte if last_byte >= word_byte + _WORD_BYTES else None,
            skipped,
        )

    def _read_word(self, words: Words) -> NDArray[np.uint64]:
        """Return the field's bits, right-aligned, zeros above."""
        layout = self._layout
        word = words.word(layout.word_byte, big_endian=self.big_endian)
        if layout.ninth_byte is None:
            return word >> layout.shift & layout.mask
        ninth, skipped = words.byte(layout.ninth_byte), layout.skipped
        if self.big_endian:  # align the 64 bits that follow the skipped ones, then move them down
            aligned = (word << np.uint64(skipped)) | (ninth >> np.uint64(8 - skipped))
            return aligned >> np.uint64(_WORD_BITS - self.length)
        return ((word >> layout.shift) | (ninth << np.uint64(_WORD_BITS - skipped))) & layout.mask

    def _read_beyond_word(self, words: Words) -> NDArray[np.object_]:
        first_byte = self.first_bit // 8
        payloads = words.data[words.rows, first_byte : self.needed_bytes]
        order = "big" if self.big_endian else "little"
        shift = 8 * self.needed_bytes - self.first_bit - self.length if self.big_endian else self.first_bit % 8
        mask, sign = (1 << self.length) - 1, 1 << (self.length - 1) if self.signed else 0
        values = np.empty(len(payloads), dtype=object)
        for index, payload in enumerate(payloads):
            bits = int.from_bytes(payload.tobytes(), order) >> shift & mask  # type: ignore[arg-type]
            values[index] = (bits ^ sign) - sign
        return values


class _Layout(NamedTuple):
    """How a field of at most 64 bits is cut out of a word, and which ninth byte it needs, if it does."""

    word_byte: int
    shift: np.uint64
    mask: np.uint64
    ninth_byte: int | None
    skipped: int  # bits before the field in its word


class _Part(NamedTuple):
    """The bits of a field that lie in one byte: `mask` of them after `shift`, moved up by `place` in the byte."""

    byte: int
    shift: int | np.uint64
    mask: int | np.uint64
    place: int
