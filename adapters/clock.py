"""The clock of the adapters, and times as Python's own library has them."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.units import Micros

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
TIME_MIN: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND  # that a year of four digits has
TIME_MAX: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND


def now() -> Micros:
    """Return the time, UTC."""
    return Micros(time.time_ns() // 1_000)


def micros_of(moment: datetime) -> Micros:
    """Return a moment that says its offset from UTC."""
    return Micros((moment - EPOCH) // _MICROSECOND)


def iso_time(at: Micros) -> str:
    """Return a time as ISO 8601 text, UTC; of one that no four-digit year has, the nearest that has one."""
    return (EPOCH + timedelta(microseconds=min(max(at, TIME_MIN), TIME_MAX))).isoformat()
