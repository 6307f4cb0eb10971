"""Messages cut into ISO 15765-2 (ISO-TP) frames as their sender and receiver put them on a bus: `iso_tp` turned round.

Addressing is normal (11 bits) or normal fixed (29 bits): no data byte extends the address.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from adapters.can.frames import CLASSIC_WIDTH, FD_WIDTH

FD_LENGTHS: Final = (8, 12, 16, 20, 24, 32, 48, 64)  # of CAN FD frames that ISO-TP fills, ISO 11898-1
PADDING: Final = b"\xaa"  # fills a frame: no stuff bits (ISO 15765-2 recommends 0xCC, Volkswagen uses 0xAA)
FRAME_GAP_US: Final = 1_000  # between two frames of a message: separation time of one millisecond
ANSWER_AFTER_US: Final = 10_000  # from a request to its answer; at most 50 ms, P2 server (ISO 14229-2)
MESSAGE_BYTES_MAX: Final = 0xFFFF_FFFF

_SHORT_LENGTH_MAX: Final = 0xFFF  # 12 bits of length; the escape sequence has 32 more
_CONTINUE_TO_SEND: Final = b"\x30\x00\x00"  # all the rest, as fast as can be (ISO 15765-2:2016, 9.6.5)


class SentFrame(NamedTuple):
    """One frame of a conversation, in its order of time."""

    at_us: int
    can_id: int  # bit 31 set for 29 bits, as in `FrameBlock`
    data: bytes


def segmented(payload: bytes, frame_bytes: int = CLASSIC_WIDTH) -> list[bytes]:
    """Return the data of the frames that carry a payload: a single frame, or a first and consecutive ones.

    `frame_bytes` is the longest that a frame may be: 8, or one of `FD_LENGTHS`.
    """
    assert frame_bytes in FD_LENGTHS
    size = len(payload)
    assert 0 < size <= MESSAGE_BYTES_MAX
    if size < CLASSIC_WIDTH:
        return [_filled(bytes([size]) + payload)]
    if frame_bytes > CLASSIC_WIDTH and size <= frame_bytes - 2:
        return [_filled(bytes([0, size]) + payload)]
    head = (0x1000 | size).to_bytes(2, "big") if size <= _SHORT_LENGTH_MAX else b"\x10\x00" + size.to_bytes(4, "big")
    begun = frame_bytes - len(head)
    frames = [head + payload[:begun]]
    for number, place in enumerate(range(begun, size, frame_bytes - 1), 1):
        frames.append(_filled(bytes([0x20 | number & 0x0F]) + payload[place : place + frame_bytes - 1]))
    return frames


def sent(
    payload: bytes, can_id: int, receiver_id: int, *, at_us: int = 0, frame_bytes: int = CLASSIC_WIDTH
) -> Iterator[SentFrame]:
    """Yield the frames of a message, and after its first the receiver's flow control, one every `FRAME_GAP_US`."""
    first, *rest = segmented(payload, frame_bytes)
    yield SentFrame(at_us, can_id, first)
    if rest:
        at_us += FRAME_GAP_US
        yield SentFrame(at_us, receiver_id, _filled(_CONTINUE_TO_SEND))
    for number, data in enumerate(rest, 1):
        yield SentFrame(at_us + number * FRAME_GAP_US, can_id, data)


def exchange(
    request_id: int, request: bytes, response_id: int, answer: bytes, *, at_us: int = 0
) -> tuple[SentFrame, ...]:
    """Return the frames of a diagnostic request (UDS, OBD-II) from `at_us` on, and of its answer a little later."""
    asked = list(sent(request, request_id, response_id, at_us=at_us))
    answered = sent(answer, response_id, request_id, at_us=asked[-1].at_us + ANSWER_AFTER_US)
    return (*asked, *answered)


def _filled(data: bytes) -> bytes:
    """Return a frame's data padded to a length that a frame can have; classic ones always have 8 bytes."""
    assert len(data) <= FD_WIDTH
    return data.ljust(next(length for length in FD_LENGTHS if length >= len(data)), PADDING)
