"""Frames that come one at a time, gathered into runs of columns."""

import math
from typing import Final

import can
import numpy as np

from adapters.can.clocks import MICROSECONDS
from adapters.can.frames import CLASSIC_WIDTH, EXTENDED_ID, FD_WIDTH, FrameBlock
from adapters.can.recording_file import RecordingStatistics

RUN_FRAMES: Final = 8192  # gathered before they become columns
STANDARD_ID_MAX: Final = 0x7FF  # 11 bits
EXTENDED_ID_MAX: Final = 0x1FFF_FFFF  # 29 bits
BUS_MAX: Final = 255  # a bus is one byte of a `FrameBlock`
SECONDS_MAX: Final = 10**12  # of a time: microseconds of more do not fit an int64


class FrameFault(ValueError):  # noqa: N818  # it never leaves the readers, which make a BadInputError of it
    """A frame that cannot be."""


class FrameGatherer:
    """Data frames in the order heard, of which `take` makes a run."""

    def __init__(self) -> None:
        self._captured_at: list[int] = []
        self._can_id: list[int] = []
        self._bus: list[int] = []
        self._data: list[bytes] = []

    def __len__(self) -> int:
        return len(self._data)

    def add(self, captured_at: int, identifier: int, data: bytes, *, extended: bool, bus: int) -> None:
        """Add a data frame; raises FrameFault where CAN (ISO 11898-1) has no such frame."""
        if not 0 <= identifier <= (EXTENDED_ID_MAX if extended else STANDARD_ID_MAX):
            raise FrameFault(f"the identifier {identifier:X} has more than {29 if extended else 11} bits")
        if len(data) > FD_WIDTH:
            raise FrameFault(f"{len(data)} payload bytes are more than {FD_WIDTH}")
        if not 0 <= bus <= BUS_MAX:
            raise FrameFault(f"the bus number {bus} is not between 0 and {BUS_MAX}")
        if abs(captured_at) > SECONDS_MAX * MICROSECONDS:
            raise FrameFault(f"{captured_at} µs is no time")
        self._captured_at.append(captured_at)
        self._can_id.append(identifier | EXTENDED_ID if extended else identifier)
        self._bus.append(bus)
        self._data.append(data)

    def add_message(
        self, message: can.Message, statistics: RecordingStatistics, *, start: int = 0, first_bus: int = 0
    ) -> None:
        """Add a message of python-can, or count it if it is no data frame; raises FrameFault.

        `start` (microseconds) is added to its time. `first_bus` is what python-can's bus 0 is called in the recording.
        """
        if message.is_error_frame:
            statistics.error_frames += 1
        elif message.is_remote_frame and not _is_empty_fd_frame(message):
            statistics.remote_frames += 1
        else:
            if not math.isfinite(message.timestamp):
                raise FrameFault(f"{message.timestamp} is no time")
            self.add(
                start + round(message.timestamp * MICROSECONDS),
                message.arbitration_id,
                bytes(message.data),
                extended=message.is_extended_id,
                bus=first_bus + (message.channel if isinstance(message.channel, int) else 0),
            )

    def take(self) -> FrameBlock:
        """Return the frames gathered so far as columns, and forget them."""
        length = np.fromiter(map(len, self._data), np.uint8, len(self._data))
        width = FD_WIDTH if length.max(initial=0) > CLASSIC_WIDTH else CLASSIC_WIDTH
        padded = b"".join([data.ljust(width, b"\0") for data in self._data])
        run = FrameBlock(
            np.array(self._captured_at, np.int64),
            np.array(self._can_id, np.uint32),
            np.array(self._bus, np.uint8),
            length,
            np.frombuffer(padded, np.uint8).reshape(-1, width),
        )
        for column in (self._captured_at, self._can_id, self._bus, self._data):
            column.clear()
        return run


def _is_empty_fd_frame(message: can.Message) -> bool:
    """Tell whether a remote frame is in truth a CAN FD frame without payload: CAN FD has no remote frames."""
    return message.is_fd and message.dlc == 0
