"""Blocks of frames for tests that need no file."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from adapters.can.frames import CLASSIC_WIDTH, FD_WIDTH, FrameBlock


class Heard(NamedTuple):
    """One frame; bit 31 of `can_id` marks a 29-bit identifier."""

    can_id: int
    data: bytes
    captured_at: int = 0
    bus: int = 0


def block_of(frames: Iterable[Heard]) -> FrameBlock:
    """Return frames as one block, as wide as the longest payload asks for."""
    heard = list(frames)
    width = CLASSIC_WIDTH if all(len(frame.data) <= CLASSIC_WIDTH for frame in heard) else FD_WIDTH
    return FrameBlock(
        np.array([frame.captured_at for frame in heard], dtype=np.int64),
        np.array([frame.can_id for frame in heard], dtype=np.uint32),
        np.array([frame.bus for frame in heard], dtype=np.uint8),
        np.array([len(frame.data) for frame in heard], dtype=np.uint8),
        np.frombuffer(b"".join(frame.data.ljust(width, b"\0") for frame in heard), dtype=np.uint8).reshape(-1, width),
    )
