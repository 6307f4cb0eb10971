"""The clocks of recordings: seconds of any kind into microseconds, and whether they are a date at all."""

from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

MICROSECONDS: Final = 1_000_000  # in a second
EARLIEST_WALL_CLOCK: Final = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * MICROSECONDS


def microseconds(seconds: ArrayLike) -> NDArray[np.int64]:
    """Return `seconds` as whole microseconds, rounded to the nearest.

    A double holds microseconds exactly enough until the year 2255 (its step is 0.24 µs at today's dates).
    """
    return np.rint(np.asarray(seconds, np.float64) * MICROSECONDS).astype(np.int64)


def is_wall_clock(captured_at: int) -> bool:
    """Tell whether a time can be a date: many loggers count from their own start, which looks like 1 January 1970."""
    return captured_at >= EARLIEST_WALL_CLOCK


def naive_as_utc(local: datetime) -> int:
    """Return a date and time written without its time zone as microseconds, read as UTC.

    The same file must give the same times on every machine, so the zone of this machine is never asked.
    """
    return int((local.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * MICROSECONDS)
