"""The clock of the adapters."""

import time

from domain.units import Micros


def now() -> Micros:
    """Return the time, UTC."""
    return Micros(time.time_ns() // 1_000)
