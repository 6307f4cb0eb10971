"""The car's clock, and what to do when it is wrong.

A clock that shows a time before `CLOCK_FLOOR` was never set (a control unit counts from 1970 after its battery was
off); one that is ahead of the time of receipt by more than `CLOCK_AHEAD_MAX_US` cannot be right. The raw time is kept
as `captured_at - clock_offset_us`; only the corrected one orders data.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.units import MICROS_PER_SECOND, Micros

CLOCK_FLOOR: Final = Micros(946_684_800 * MICROS_PER_SECOND)  # 2000-01-01: older than any car that could send this
SHOWN_MIN: Final = Micros(-2_208_988_800 * MICROS_PER_SECOND)  # 1900-01-01: no clock counts from an earlier day
SHOWN_MAX: Final = Micros(7_258_118_400 * MICROS_PER_SECOND - 1)  # 2199: no counter of seconds comes as far by mistake
CLOCK_AHEAD_MAX_US: Final = 600 * MICROS_PER_SECOND
CLOCK_STEP_US: Final = MICROS_PER_SECOND  # a wrong clock that falls back by more was set anew
GUESS_EARLY_US: Final = 60 * MICROS_PER_SECOND  # a guess errs to this side: right times that follow must not look older


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
    reference_offset_us: int | None,
    before: Micros | None,
    late: bool,
) -> Correction | None:
    """Return the offset that wrong times need, or None if the stream's present one still serves.

    `shown` are times with the same fault, in the order heard; `offset_us` is the stream's present offset (0: none) and
    `newest_at` its newest corrected time. The offset is `reference_offset_us` where that is known and makes the times
    right; else the newest time is taken for one shortly before that of receipt. `before`: by a right clock the stream
    tells this time after them, so they must come before it. In a batch that is not `late` they do not come before
    `newest_at`. Never is a corrected time in the future.
    """
    oldest, newest = min(shown), max(shown)
    latest = received_at + CLOCK_AHEAD_MAX_US

    def is_right(offset_us: int) -> bool:
        return oldest + offset_us >= CLOCK_FLOOR and newest + offset_us <= latest

    if offset_us and is_right(offset_us):
        fits = before is None or newest + offset_us < before
        goes_on = newest_at is None or oldest + offset_us >= newest_at - CLOCK_STEP_US
        if late or (fits and goes_on):
            return None
    offset = received_at - GUESS_EARLY_US - newest
    if reference_offset_us is not None and is_right(reference_offset_us):
        offset = reference_offset_us
    if newest_at is not None and not late:
        offset = max(offset, newest_at - oldest)
    offset = min(offset, latest - newest, *(() if before is None else (before - 1 - newest,)))
    if offset == offset_us:
        return None
    return Correction(offset, oldest, "past" if newest < CLOCK_FLOOR else "future")
