"""ISO 15765-2 (ISO-TP) messages as they are overheard on a bus, reassembled from blocks of frames.

Nothing is sent, so flow control frames are ignored. Single frames, which are most of the traffic, stay columns; first
and consecutive frames go through a loop. What is begun in one block goes on in the next. Addressing is normal (11
bits), normal fixed (29 bits, 18DA and 18DB) or mixed (29 bits, 18CE and 18CD: the first data byte extends the address).
"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.can.frames import CLASSIC_WIDTH, EXTENDED_ID, FrameBlock

# The longest legal silence between two frames of a message: N_Bs, wait for the flow control, and N_Cr, wait for the
# next consecutive frame, 1 s each (ISO 15765-2:2016, table 21).
SILENCE_MAX_US: Final = 2_000_000
MESSAGE_BYTES_MAX: Final = (
    65_536  # an answer that a car gives about itself is shorter; a longer one is a flash download
)
OPEN_MESSAGES_MAX: Final = 1_024

_SINGLE, _FIRST, _CONSECUTIVE = 0, 1, 2  # protocol control information, ISO 15765-2:2016, 9.6
_STANDARD_IDS: Final = range(0x700, 0x800)  # where car makers put diagnostics; OBD has 7DF, 7E0-7EF (ISO 15765-4)
_EXTENDED_PREFIXES: Final = (
    0x18DA,
    0x18DB,
    0x18CE,
    0x18CD,
    0x17FC,
    0x17FE,
)  # ISO 15765-2 normal fixed, mixed; VW group
_MIXED_PREFIXES: Final = (0x18CE, 0x18CD)


class Abandoned(StrEnum):
    """Why a message, or a frame of one, came to nothing."""

    SEQUENCE = "consecutive frame out of sequence"
    SILENCE = "no consecutive frame in time"
    INTERRUPTED = "another message began"
    NO_FIRST_FRAME = "consecutive frame without a first frame"
    MALFORMED = "length that the frame cannot have"
    TOO_LONG = "longer than is kept"
    TOO_MANY = "too many messages at once"
    UNFINISHED = "recording ended"


class IsoTpMessage(NamedTuple):
    """One reassembled message; `row` and `captured_at` are those of the frame that completed it."""

    row: int
    captured_at: int
    bus: int
    can_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SingleFrames:
    """The messages of one frame in a block as columns [k]: row, first byte of the payload in the frame, its length."""

    rows: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]

    def where(self, mask: NDArray[np.bool_]) -> "SingleFrames":
        """Return those for which `mask` bool[k] is true."""
        return SingleFrames(self.rows[mask], self.start[mask], self.length[mask])


@dataclass(slots=True)
class _Reception:
    length: int
    frame_length: int
    payload: bytearray
    next_sequence: int
    last_at: int


def is_diagnostic(can_id: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Return which identifiers carry diagnostics, so that ordinary traffic is not misread as ISO-TP."""
    standard = (can_id >= _STANDARD_IDS.start) & (can_id < _STANDARD_IDS.stop)
    return standard | _has_prefix(can_id, _EXTENDED_PREFIXES)


class IsoTpReassembler:
    """Reassembles what it is fed, block after block; `abandoned` counts what came to nothing, by reason."""

    def __init__(self) -> None:
        self.abandoned: Counter[Abandoned] = Counter()
        self._open: dict[int, _Reception] = {}

    def feed(self, block: FrameBlock) -> tuple[SingleFrames, list[IsoTpMessage]]:
        """Return the messages that end in this block: those of a single frame, and the others in the order heard."""
        rows = np.flatnonzero(is_diagnostic(block.can_id) & (block.length > 0))
        extension = _has_prefix(block.can_id[rows], _MIXED_PREFIXES).astype(np.int64)
        control = block.data[rows, extension]
        kind = control >> 4

        is_single = kind == _SINGLE
        single = self._single_frames(block, rows[is_single], extension[is_single])
        in_parts = (kind == _FIRST) | (kind == _CONSECUTIVE)
        keys = block.can_id[rows] | block.bus[rows].astype(np.int64) << 32
        keys |= np.where(extension, block.data[rows, 0], 0).astype(np.int64) << 40
        if not in_parts.any() and not self._open:
            return single, []
        # A single frame matters here only where it interrupts a message in parts.
        interesting = np.isin(keys, np.union1d(keys[in_parts], np.array(list(self._open), dtype=np.int64)))
        chosen = np.flatnonzero(in_parts | (is_single & interesting))
        return single, self._messages_in_parts(block, rows[chosen], keys[chosen].tolist(), extension[chosen].tolist())

    def close(self) -> None:
        """Count what the end of the recording cut off."""
        self._count(Abandoned.UNFINISHED, len(self._open))
        self._open.clear()

    def _count(self, reason: Abandoned, times: int = 1) -> None:
        if times:  # no reason is listed that never occurred
            self.abandoned[reason] += times

    def _single_frames(self, block: FrameBlock, rows: NDArray[np.int64], extension: NDArray[np.int64]) -> SingleFrames:
        frame_length = block.length[rows].astype(np.int64)
        length = (block.data[rows, extension] & 0x0F).astype(np.int64)
        start = extension + 1
        escaped = (length == 0) & (frame_length > CLASSIC_WIDTH)
        length[escaped] = block.data[rows[escaped], start[escaped]]
        start[escaped] += 1
        valid = (length > 0) & (start + length <= frame_length)
        self._count(Abandoned.MALFORMED, len(valid) - int(np.count_nonzero(valid)))
        return SingleFrames(rows[valid], start[valid], length[valid])

    def _messages_in_parts(
        self, block: FrameBlock, rows: NDArray[np.int64], keys: list[int], extensions: list[int]
    ) -> list[IsoTpMessage]:
        messages: list[IsoTpMessage] = []
        times, lengths = block.captured_at[rows].tolist(), block.length[rows].tolist()
        columns = zip(rows.tolist(), keys, times, lengths, extensions, block.data[rows], strict=True)
        for row, key, captured_at, frame_length, extension, data in columns:
            frame = data[extension:frame_length].tobytes()
            kind = frame[0] >> 4
            if kind == _CONSECUTIVE:
                payload = self._consecutive(key, captured_at, frame)
                if payload is not None:
                    can_id, bus = key & 0xFFFF_FFFF, key >> 32 & 0xFF
                    messages.append(IsoTpMessage(row, captured_at, bus, can_id, payload))
                continue
            if (begun := self._open.pop(key, None)) is not None:
                late = captured_at - begun.last_at > SILENCE_MAX_US
                self._count(Abandoned.SILENCE if late else Abandoned.INTERRUPTED)
            if kind == _FIRST:
                self._first(key, captured_at, frame)
        return messages

    def _first(self, key: int, captured_at: int, frame: bytes) -> None:
        header, length = 2, (frame[0] & 0x0F) << 8 | frame[1] if len(frame) > 1 else 0
        if length == 0:  # escape sequence: 32 bits of length follow
            header, length = 6, int.from_bytes(frame[2:6], "big")
        # Shorter ones go into a single frame, which has one byte of header on classic CAN and two on CAN FD.
        least = len(frame) if len(frame) <= CLASSIC_WIDTH else len(frame) - 1
        if length < least or len(frame) < CLASSIC_WIDTH - 1:
            self._count(Abandoned.MALFORMED)
        elif length > MESSAGE_BYTES_MAX:
            self._count(Abandoned.TOO_LONG)
        else:
            if len(self._open) >= OPEN_MESSAGES_MAX:
                self._open.pop(next(iter(self._open)))
                self._count(Abandoned.TOO_MANY)
            self._open[key] = _Reception(length, len(frame), bytearray(frame[header:]), 1, captured_at)

    def _consecutive(self, key: int, captured_at: int, frame: bytes) -> bytes | None:
        """Return the message that this frame completes."""
        begun = self._open.get(key)
        if begun is None:
            self._count(Abandoned.NO_FIRST_FRAME)
            return None
        wanted = min(begun.length - len(begun.payload), begun.frame_length - 1)
        wrong = None
        if captured_at - begun.last_at > SILENCE_MAX_US:
            wrong = Abandoned.SILENCE
        elif frame[0] & 0x0F != begun.next_sequence:
            wrong = Abandoned.SEQUENCE
        elif len(frame) - 1 < wanted:
            wrong = Abandoned.MALFORMED
        if wrong is not None:
            del self._open[key]
            self._count(wrong)
            return None
        begun.payload += frame[1 : 1 + wanted]
        begun.next_sequence = (begun.next_sequence + 1) & 0x0F
        begun.last_at = captured_at
        if len(begun.payload) < begun.length:
            return None
        del self._open[key]
        return bytes(begun.payload)


def _has_prefix(can_id: NDArray[np.uint32], prefixes: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which identifiers are 29-bit ones whose upper 13 bits are one of `prefixes`."""
    upper = can_id >> np.uint32(16)
    return np.isin(upper, np.array(prefixes, dtype=np.uint32) | np.uint32(EXTENDED_ID >> 16))
