"""candump text made by hand: frames of DBC messages, of OBD-II and of UDS, in the order of time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cantools.database.can import Message

MICROSECONDS: Final = 1_000_000
PADDING: Final = b"\xaa"  # of diagnostic frames, to eight bytes
_FIRST_FRAME_BYTES: Final = 6
_CONSECUTIVE_FRAME_BYTES: Final = 7
_FRAME_GAP_US: Final = 2_000  # between two frames of one diagnostic exchange
_STANDARD_ID_MAX: Final = 0x7FF


@dataclass(slots=True)
class CandumpText:
    """Collects frames; `began_at` is the time of second 0 in microseconds since the epoch."""

    began_at: int
    _frames: list[tuple[int, int, bytes]] = field(default_factory=list)

    def send(self, at_us: int, can_id: int, data: bytes) -> None:
        """Add one frame, `at_us` after second 0."""
        self._frames.append((self.began_at + at_us, can_id, data))

    def message(self, at_us: int, message: Message, values: Mapping[str, float | int]) -> None:
        """Add one frame of a DBC message; what `values` does not name is 0."""
        data = {signal.name: 0 for signal in message.signals} | dict(values)
        self.send(at_us, message.frame_id, message.encode(data, strict=False))

    def exchange(self, at_us: int, request_id: int, request: bytes, answer_id: int, answer: bytes) -> None:
        """Add a diagnostic request of one frame and its answer (ISO 15765-2, 9.6), 20 ms later."""
        self.send(at_us, request_id, _padded(bytes([len(request)]) + request))
        at_us += 10 * _FRAME_GAP_US
        if len(answer) <= _CONSECUTIVE_FRAME_BYTES:
            self.send(at_us, answer_id, _padded(bytes([len(answer)]) + answer))
            return
        first, rest = answer[:_FIRST_FRAME_BYTES], answer[_FIRST_FRAME_BYTES:]
        self.send(at_us, answer_id, (0x1000 | len(answer)).to_bytes(2, "big") + first)
        self.send(at_us + _FRAME_GAP_US, answer_id & ~8, _padded(b"\x30\x00\x00"))  # flow control: go on, all at once
        for number, place in enumerate(range(0, len(rest), _CONSECUTIVE_FRAME_BYTES), 1):
            part = rest[place : place + _CONSECUTIVE_FRAME_BYTES]
            self.send(at_us + (1 + number) * _FRAME_GAP_US, answer_id, _padded(bytes([0x20 | number & 0xF]) + part))

    def text(self) -> str:
        """Return what `candump -l` would have written."""
        return "".join(
            f"({at // MICROSECONDS}.{at % MICROSECONDS:06d}) can0 "
            f"{can_id:0{3 if can_id <= _STANDARD_ID_MAX else 8}X}#{data.hex().upper()}\n"
            for at, can_id, data in sorted(self._frames)
        )


def _padded(data: bytes) -> bytes:
    return data.ljust(8, PADDING)
