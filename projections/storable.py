"""What a column has a place for: told before a database is asked, which names no row that it refuses."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from domain.errors import UnstorableError
from domain.signals import INTEGER_MAX, UNRECORDABLE
from projections.projection import Column, Key, R, Row, row_spec

_FLOAT_MAX: Final = 2**1024 - 2**971  # the largest double of IEEE 754


def check_row(row: Row) -> None:
    """Raise UnstorableError unless each column has a place for its value."""
    assert isinstance(row, tuple)  # a NamedTuple
    _check(row_spec(type(row)).columns, row)


def check_key(row_type: type[R], key: Key) -> None:
    """Raise UnstorableError unless there may be a row with this key, told without its `vehicle_id`."""
    _check(row_spec(row_type).columns[1 : 1 + len(key)], key)


def _check(columns: Sequence[Column], values: Sequence[Any]) -> None:
    for column, value in zip(columns, values, strict=True):
        if not _fits(column, value):
            raise UnstorableError(f"no column has a place for it: {column.name} is {value!r}")


def _fits(column: Column, value: Any) -> bool:
    if value is None:
        return column.nullable
    kind = column.kind.removesuffix("[]")
    if kind == column.kind:
        return _is_of(kind, value)
    return isinstance(value, list) and all(item is None or _is_of(kind, item) for item in value)


def _is_of(kind: str, value: Any) -> bool:
    match kind:
        case "uuid":
            return isinstance(value, UUID)
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and -INTEGER_MAX - 1 <= value <= INTEGER_MAX
        case "float":
            return isinstance(value, float) or (isinstance(value, int) and abs(value) <= _FLOAT_MAX)
        case _:
            return isinstance(value, str) and not UNRECORDABLE.search(value)
