"""Scalars beyond those of the GraphQL specification."""

import math
from datetime import datetime, timedelta
from typing import Any, Final, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from adapters.clock import EPOCH, TIME_MAX, TIME_MIN
from domain.signals import INTEGER_MAX, SignalValue
from domain.units import Micros

Int64 = NewType("Int64", int)
SignalScalar = NewType("SignalScalar", object)
Json = NewType("Json", object)

DIGITS_MAX: Final = 20  # of a whole number with 64 bits, and its sign
SAFE_INTEGER_MAX: Final = 2**53 - 1  # ECMAScript, Number.MAX_SAFE_INTEGER
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_TIME: Final = 'a DateTime is text of RFC 3339, such as "2026-02-03T04:05:06.000007Z"'
_NO_NUMBER: Final = "an Int64 is a whole number, or its digits as a string"


def format_time(at: Micros) -> str:
    """Return a time as RFC 3339 text in UTC with microseconds: "2026-02-03T04:05:06.000007Z".

    A time that no four-digit year has (a car's clock may show anything) is told as the nearest that one has.
    """
    moment = EPOCH + timedelta(microseconds=min(max(at, TIME_MIN), TIME_MAX))
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_time(text: object) -> Micros:
    """Return the time that an RFC 3339 text with an offset names. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(_NO_TIME)  # noqa: TRY004  # what the library turns into an error of the request
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(_NO_TIME) from None  # whose own words are of Python
    if at.tzinfo is None:
        raise ValueError('a DateTime needs its offset from UTC: end it with "Z" or "+01:00"')
    return Micros((at - EPOCH) // _MICROSECOND)


def whole_number(value: int) -> int | str:
    """Return a whole number as JSON can hold it for every reader: a number, or digits beyond 2^53 - 1."""
    return value if -SAFE_INTEGER_MAX <= value <= SAFE_INTEGER_MAX else str(value)


def parse_whole_number(value: object) -> int:
    """Return the whole number that an argument gives. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(_NO_NUMBER)  # noqa: TRY004  # what the library turns into an error of the request
    if isinstance(value, str) and len(value) > DIGITS_MAX:  # Python makes no number of more than 4,300 digits
        raise ValueError("an Int64 has 64 bits")
    try:
        number = int(value)
    except ValueError:
        raise ValueError(_NO_NUMBER) from None  # whose own words are of Python
    if not -INTEGER_MAX - 1 <= number <= INTEGER_MAX:
        raise ValueError("an Int64 has 64 bits")
    return number


def signal_value(value: SignalValue) -> SignalValue:
    """Return the value of a signal as JSON can hold it."""
    return whole_number(value) if isinstance(value, int) and not isinstance(value, bool) else value


def plain(value: Any) -> Any:
    """Return the fields of an event as JSON can hold them: ids as text, a number that is not finite as its name."""
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return whole_number(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value)


SCALARS: Final[dict[object, ScalarDefinition]] = {
    Micros: strawberry.scalar(
        name="DateTime",
        description='A moment in UTC with microseconds, RFC 3339: "2026-02-03T04:05:06.000007Z". Input: any offset.',
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=format_time,
        parse_value=parse_time,
    ),
    Int64: strawberry.scalar(
        name="Int64",
        description="A whole number of up to 64 bits: a JSON number, or a JSON string of digits beyond ±(2^53 - 1), "
        "which JavaScript cannot hold.",
        serialize=whole_number,
        parse_value=parse_whole_number,
    ),
    SignalScalar: strawberry.scalar(
        name="SignalScalar",
        description="A signal's value as the car sent it: a JSON number (whole ones as in Int64), string or boolean.",
        serialize=signal_value,
    ),
    Json: strawberry.scalar(
        name="JSON",
        description="Any JSON value. Ids are strings, whole numbers as in Int64; numbers that are not finite are"
        ' "nan", "inf" or "-inf".',
        serialize=plain,
    ),
}
