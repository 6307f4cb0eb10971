"""How a loop tells that it still comes round: every time that it asks whether it is to end."""

import threading
import time
from collections.abc import Callable
from typing import Final

SILENT_S_MAX: Final = 60.0  # a loop that has not come round for so long hangs: the longest of its waits is half of it


class Heartbeat:
    """When a loop came round last. `clock` gives monotonic seconds."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._last = clock()
        self._begun = False

    @property
    def begun(self) -> bool:
        """Whether the loop has come round at all."""
        return self._begun

    @property
    def silent_s(self) -> float:
        """Seconds since the loop came round last, or since it was to begin."""
        return self._clock() - self._last

    def beat(self) -> None:
        """Tell that the loop has come round."""
        self._last = self._clock()
        self._begun = True

    def complaint(self) -> str | None:
        """Return why the loop counts as hanging; None: it does not."""
        silent_s = self.silent_s
        if silent_s <= SILENT_S_MAX:
            return None
        return f"{self.name} has not come round for {silent_s:.0f} s, which is more than {SILENT_S_MAX:.0f}"


class HeardStopping(threading.Event):
    """What tells a loop to end; whoever asks it has come round. Several loops may share the event behind it."""

    def __init__(self, stopping: threading.Event, heartbeat: Heartbeat) -> None:
        super().__init__()
        self._stopping = stopping
        self._heartbeat = heartbeat

    def is_set(self) -> bool:
        """Whether the loop is to end."""
        self._heartbeat.beat()
        return self._stopping.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the loop is to end, at most so many seconds; return whether it is."""
        self._heartbeat.beat()
        return self._stopping.wait(timeout)

    def set(self) -> None:
        """End all loops that share the event."""
        self._stopping.set()
