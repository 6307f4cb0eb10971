"""How much a client may ask for: points that come back with time, as in a leaky bucket.

Each server process counts for itself: behind several a client has as many budgets.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

CLIENTS_MAX: Final = 10_000  # whose points are remembered: who has not asked for longest is taken to have all


class Throttle(NamedTuple):
    """What a client has left, points, and how many come back a second."""

    maximum: float
    available: float
    restored_a_second: float

    def wait_s(self, points: float) -> int:
        """Return after how many whole seconds there are so many points, 0: now."""
        return max(0, math.ceil((points - self.available) / self.restored_a_second))


@dataclass(slots=True)
class Budgets:
    """The points of every client."""

    maximum: int
    restored_a_second: int
    now_s: Callable[[], float] = time.monotonic
    _spent: OrderedDict[Hashable, tuple[float, float]] = field(default_factory=OrderedDict)  # points, and when
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, client: Hashable, points: float) -> tuple[bool, Throttle]:
        """Take points of a client, unless it has too few: then nothing is taken. A negative number gives some back."""
        with self._lock:
            at_s = self.now_s()
            spent, when_s = self._spent.pop(client, (0.0, at_s))
            spent = max(0.0, spent - (at_s - when_s) * self.restored_a_second)
            allowed = spent + points <= self.maximum
            if allowed:
                spent = max(0.0, spent + points)
            self._spent[client] = spent, at_s
            if len(self._spent) > CLIENTS_MAX:
                self._spent.popitem(last=False)
        return allowed, Throttle(self.maximum, self.maximum - spent, self.restored_a_second)
