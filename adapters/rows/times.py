"""When a row was captured: ISO 8601 with an offset, or a number since the Unix epoch whose size tells its unit."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Final

from adapters.clock import micros_of

_NUMBER: Final = re.compile(r"-?\d+(\.\d*)?")

# A number is in seconds below the first bound, in milliseconds below the second, in microseconds below the third: each
# reads as a date between 1973 and 5138 in its own unit and as none in the others. Small numbers are seconds, so that a
# clock that was never set shows as 1970.
_SECONDS_BELOW: Final = 100_000_000_000
_MILLISECONDS_BELOW: Final = 100_000_000_000_000
_MICROSECONDS_BELOW: Final = 100_000_000_000_000_000

EPOCH_RULE: Final = (
    "give ISO 8601 with an offset (2024-05-01T12:00:00Z), or seconds, milliseconds or microseconds since 1970"
)


def captured_at_us(given: object) -> int:
    """Return a time as microseconds since the Unix epoch, UTC; raises ValueError with the reason."""
    if isinstance(given, datetime):
        return _microseconds(given)
    if isinstance(given, str):
        text = given.strip()
        if text.isascii() and text.isdecimal():
            return _scaled(int(text))
        return _scaled(Decimal(text)) if _NUMBER.fullmatch(text) else _microseconds(datetime.fromisoformat(text))
    if isinstance(given, int | float) and not isinstance(given, bool):
        return _scaled(given if isinstance(given, int) else Decimal(repr(given)))
    raise ValueError(f"{given!r} is no time")


def _microseconds(time: datetime) -> int:
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} says no offset from UTC")
    return micros_of(time)


def _scaled(number: Decimal | int) -> int:
    if (isinstance(number, Decimal) and not number.is_finite()) or number < 0:
        raise ValueError(f"{number} is no time since 1970")
    if number < _SECONDS_BELOW:
        return round(number * 1_000_000)
    if number < _MILLISECONDS_BELOW:
        return round(number * 1_000)
    if number < _MICROSECONDS_BELOW:
        return round(number)
    raise ValueError(f"{number} is later than the year 5138 in microseconds")
