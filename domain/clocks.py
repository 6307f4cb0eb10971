"""The car's clock, and what to do when it is wrong.

A clock that shows a time before `CLOCK_FLOOR` was never set (a control unit counts from 1970 after its battery was off); one that is ahead of the time of
receipt by more than `CLOCK_AHEAD_MAX_US` cannot be right. The raw time is kept as `captured_at - clock_offset_us`; only the corrected one orders data.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.units import MICROS_PER_SECOND, Micros

CLOCK_FLOOR: Final = Micros(
    946_684_800 * MICROS_PER_SECOND
)  # 2000-01-01T00:00:00Z: older than any car that could send this
CLOCK_AHEAD_MAX_US: Final = 600 * MICROS_PER_SECOND
CLOCK_STEP_US: Final = 60 * MICROS_PER_SECOND  # a wrong clock that falls back by more was set anew


class Correction(NamedTuple):
    """A new offset, the shown time that made it necessary, and why."""

    offset_us: int
    shown_at: Micros
    reason: str  # "past" | "future"


def fault(shown_at: Micros, received_at: Micros) -> str | None:
    """Return why a shown time cannot be right, or None."""
    if shown_at < CLOCK_FLOOR:
        return "past"
    if shown_at > received_at + CLOCK_AHEAD_MAX_US:
        return "future"
    return None


def correction(
    shown: Sequence[Micros],
    *,
    offset_us: int,
    newest_at: Micros | None,
    received_at: Micros,
    reference_at: Micros | None,
) -> Correction | None:
    """Return the offset that the wrong times of one batch need, or None if the stream's present one still serves.

    `shown` are the batch's wrong times in the order heard; `offset_us` is the stream's present offset (0: none) and `newest_at` its newest corrected time.
    The newest wrong time is taken for `reference_at`, or for the time of receipt where none is known, but never earlier than what the stream has told already.
    """
    oldest, newest = min(shown), max(shown)
    if offset_us:
        fits = newest + offset_us <= received_at + CLOCK_AHEAD_MAX_US
        goes_on = newest_at is None or oldest + offset_us >= newest_at - CLOCK_STEP_US
        if fits and goes_on:
            return None
    offset = (received_at if reference_at is None else reference_at) - newest
    if newest_at is not None:
        offset = max(offset, newest_at - oldest)
    reason = "past" if newest < CLOCK_FLOOR else "future"
    return Correction(offset, oldest, reason)
