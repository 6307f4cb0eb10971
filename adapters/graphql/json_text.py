"""Values of scalars and enums as JSON text, as graphql-core and `json` would write them."""

import json
import math
from collections.abc import Callable
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final

from graphql import GraphQLEnumType, GraphQLScalarType

from adapters.graphql.scalars import format_time
from domain.units import Micros

TIMES_REMEMBERED_MAX: Final = 4_096  # a vehicle tells many signals at one time

quoted: Final[Callable[[str], str]] = encode_basestring


class UnwrittenError(Exception):
    """A value that is told only by going the ordinary way."""


def number(value: float) -> str:
    """Return a float."""
    if not math.isfinite(value):
        raise UnwrittenError
    return repr(float(value))


@lru_cache(TIMES_REMEMBERED_MAX)
def time(at: Micros) -> str:
    """Return a time."""
    return f'"{format_time(at)}"'


def dumped(value: object) -> str:
    """Return any value that JSON has."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _text(value: object) -> str:
    if type(value) is not str:
        raise UnwrittenError
    return quoted(value)


def _number(value: object) -> str:
    if type(value) not in (float, int):
        raise UnwrittenError
    return number(value)  # type: ignore[arg-type]  # see above


_QUICK: Final[dict[str, Callable[[Any], str]]] = {"ID": _text, "String": _text, "Float": _number, "DateTime": time}


def writer_of(kind: GraphQLScalarType | GraphQLEnumType) -> Callable[[Any], str]:
    """Return what writes values of a type that has no fields."""
    quick = _QUICK.get(kind.name)
    if quick is not None:
        return quick
    serialize = kind.serialize
    return lambda value: dumped(serialize(value))
