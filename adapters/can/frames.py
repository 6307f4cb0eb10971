"""CAN frames as columns: what every reader yields and every decoder takes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

EXTENDED_ID: Final = 0x8000_0000  # bit 31 of a can_id marks a 29-bit identifier (SocketCAN CAN_EFF_FLAG, linux/can.h)
CLASSIC_WIDTH: Final = 8  # bytes of a classic CAN payload (ISO 11898-1)
FD_WIDTH: Final = 64  # bytes of a CAN FD payload (ISO 11898-1)
BLOCK_FRAMES: Final = (
    65_536  # frames a reader puts into one block: fixed, so that the batches of a recording are always the same
)


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """A run of n CAN data frames in the order heard.

    `captured_at` int64[n], microseconds since the epoch, UTC; `can_id` uint32[n] with `EXTENDED_ID` set for 29-bit
    identifiers; `bus` uint8[n]; `length` uint8[n], payload bytes; `data` uint8[n, 8 or 64], zero padded.
    """

    captured_at: NDArray[np.int64]
    can_id: NDArray[np.uint32]
    bus: NDArray[np.uint8]
    length: NDArray[np.uint8]
    data: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.captured_at)
