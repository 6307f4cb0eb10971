"""Columns as PostgreSQL arrays in binary form, made several times faster than psycopg makes them from lists.

Layout: PostgreSQL source, `array_recv`: dimensions, "has nulls", element type; then length and lower bound of the one
dimension; then each element as its length (-1 for null) and its bytes, all big-endian.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, Literal
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from domain.errors import UnstorableError

ItemType = Literal["bigint", "double precision"]
ElementType = Literal["boolean", "bigint", "double precision", "text", "uuid", "bytea"]

_HEADER: Final = struct.Struct(">iiIii")
_LENGTH: Final = struct.Struct(">i").pack
_NULL: Final = _LENGTH(-1)
_BIGINT: Final = struct.Struct(">iq").pack
_DOUBLE: Final = struct.Struct(">id").pack
_BOOLEANS: Final = {False: _LENGTH(1) + b"\0", True: _LENGTH(1) + b"\1"}
_UUID_LENGTH: Final = _LENGTH(16)


class ArrayParameter(bytes):
    """A whole array in binary form; the statement says its type by a cast or by the function that takes it."""

    __slots__ = ()


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: ArrayParameter) -> Buffer:
        return obj


psycopg.adapters.register_dumper(ArrayParameter, _ArrayDumper)


def _uuid(value: UUID) -> bytes:
    return _UUID_LENGTH + value.bytes


def _bytes(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _LENGTH(len(encoded)) + encoded


# Type oids: PostgreSQL source, `pg_type.dat`.
_ELEMENTS: Final[dict[ElementType, tuple[int, Callable[..., bytes]]]] = {
    "boolean": (16, lambda value: _BOOLEANS[value]),
    "bytea": (17, _bytes),
    "bigint": (20, lambda value: _BIGINT(8, value)),
    "text": (25, _text),
    "double precision": (701, lambda value: _DOUBLE(8, value)),
    "uuid": (2950, _uuid),
}


@contextmanager
def _named_errors(kind: ElementType) -> Iterator[None]:
    try:
        yield
    except (struct.error, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnstorableError(f"no column has a place for it, as {kind}: {error}") from error


def array(kind: ElementType, values: Sequence[object]) -> ArrayParameter:
    """Return `values`, None among them as null, as a one-dimensional array of `kind`."""
    return joined(kind, len(values), elements(kind, values))


def elements(kind: ElementType, values: Sequence[object]) -> bytes:
    """Return a part of what an array of `kind` holds. Raises UnstorableError where a value is none of that kind."""
    element = _ELEMENTS[kind][1]
    with _named_errors(kind):
        return b"".join([_NULL if value is None else element(value) for value in values])


def joined(kind: ElementType | None, count: int, *parts: bytes) -> ArrayParameter:
    """Return parts as one array of so many elements; None: of a composite type."""
    oid = _ELEMENTS[kind][0] if kind else 0
    return ArrayParameter(_HEADER.pack(1, 1, oid, count, 1) + b"".join(parts))


LENGTHS_KEPT_MAX: Final = 256  # of lists: what lies before and between the items of each

# Layout: PostgreSQL source, `record_send`: number of columns; then of each its type, its length and its bytes.
_RECORD: Final = struct.Struct(">iiIi")
_ITEMS: Final[dict[ItemType, tuple[int, str]]] = {"bigint": (1016, "q"), "double precision": (1022, "d")}  # of arrays


def list_elements(kind: ItemType, values: Sequence[Sequence[float | None] | None]) -> bytes:
    """Return a part of what an array of lists holds. Raises UnstorableError where an item is none of that kind."""
    with _named_errors(kind):
        return b"".join([_NULL if value is None else _items(kind, value) for value in values])


def _items(kind: ItemType, items: Sequence[float | None]) -> bytes:
    if None in items:
        whole = array(kind, items)
        return _RECORD.pack(_RECORD.size - 4 + len(whole), 1, _ITEMS[kind][0], len(whole)) + whole
    head, pack = of_length(kind, len(items))
    lengths_and_items: list[float | None] = [8] * (2 * len(items))
    lengths_and_items[1::2] = items
    return head + pack(*lengths_and_items)


@lru_cache(LENGTHS_KEPT_MAX)
def of_length(kind: ItemType, count: int) -> tuple[bytes, Callable[..., bytes]]:
    """Return what lies before the items of a list of so many, and what makes these of their lengths and themselves."""
    oid, code = _ITEMS[kind]
    size = _HEADER.size + 12 * count
    head = _RECORD.pack(_RECORD.size - 4 + size, 1, oid, size) + _HEADER.pack(1, 0, _ELEMENTS[kind][0], count, 1)
    return head, struct.Struct(">" + f"i{code}" * count).pack
