"""Frames of a live CAN bus, through python-can: SocketCAN on Linux, and whatever else python-can drives."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import can

from adapters.can.frames import FrameBlock
from adapters.can.messages import FrameGatherer
from adapters.can.recording_file import RecordingStatistics
from domain.errors import BadInputError

LIVE_BLOCK_FRAMES_MAX: Final = 4096  # about a second of a full bus at 500 kbit/s
LIVE_BLOCK_WAIT_MS_MAX: Final = 250  # from the first frame of a block until it is given out
RECEIVE_WAIT_MS: Final = 50  # without a frame, until `stop` is looked at again


class LiveBus:
    """A bus that is listened to; blocks are cut by number of frames and by time, whichever comes first.

    `number` is the bus that the frames are given; `statistics` counts since the start.
    """

    def __init__(
        self,
        interface: str,
        channel: str,
        *,
        number: int = 0,
        frames_max: int = LIVE_BLOCK_FRAMES_MAX,
        wait_ms_max: int = LIVE_BLOCK_WAIT_MS_MAX,
    ) -> None:
        self.statistics = RecordingStatistics()
        self._interface = interface
        self._channel = channel
        self._number = number
        self._frames_max = frames_max
        self._wait_s_max = wait_ms_max / 1000
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End `blocks` after what has been heard; from any thread, or from a signal handler."""
        self._stopping.set()

    def blocks(self) -> Iterator[FrameBlock]:
        """Yield what is heard until `stop`; the bus is closed when this ends.

        Raises BadInputError where the bus cannot be opened, or fails; what was heard before is given out first.
        """
        with self._translated_faults():
            bus = can.Bus(interface=self._interface, channel=self._channel, fd=True)
        frames = FrameGatherer()
        with bus:
            try:
                while not self._stopping.is_set():
                    with self._translated_faults():
                        self._listen(bus, frames)
                    if len(frames):
                        yield self._counted(frames.take())
            except BadInputError:
                if len(frames):
                    yield self._counted(frames.take())
                raise

    def _listen(self, bus: can.BusABC, frames: FrameGatherer) -> None:
        """Gather the frames of one block, or none if none comes while `stop` need not be looked at."""
        end = time.monotonic() + RECEIVE_WAIT_MS / 1000
        while (left := end - time.monotonic()) > 0 and not self._stopping.is_set():
            message = bus.recv(min(left, RECEIVE_WAIT_MS / 1000))
            if message is None:
                continue
            first = not len(frames)
            frames.add_message(message, self.statistics, first_bus=self._number)
            if first and len(frames):
                end = time.monotonic() + self._wait_s_max
            if len(frames) >= self._frames_max:
                return

    def _counted(self, block: FrameBlock) -> FrameBlock:
        self.statistics.count(block)
        return block

    @contextmanager
    def _translated_faults(self) -> Iterator[None]:
        try:
            yield
        except (can.CanError, OSError) as fault:
            raise BadInputError(
                f"the bus cannot be read ({fault})",
                where=f"{self._interface} {self._channel}",
                remedy="check that the interface exists and is up (`ip -details link show`)",
            ) from fault
