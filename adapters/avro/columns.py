"""Copies fields of records that lie alike to rows, a column at a time: no value of them becomes an object."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adapters.avro.quick import MORE, MORE_BITS, NAMES, Odd, number
from adapters.avro.shapes import Place, Shape
from adapters.avro.wire import RecordReader
from adapters.event_log import StoredRecord
from adapters.row_block import RowBlock
from projections.projection import Copied, row_spec

Copier = Callable[[Sequence[StoredRecord]], RowBlock | None]  # None: some of them have to be decoded
_Bytes = NDArray[np.uint8]  # a record a line
_Column = Callable[[_Bytes, Sequence[StoredRecord]], Any]

_OF_RECORD: Final[dict[str, _Column]] = {
    "vehicle_id": lambda _, records: [record.originator_id for record in records],
    "event_version": lambda _, records: np.array([record.version for record in records]),
    "position": lambda _, records: np.array([record.position for record in records]),
}


def copier(copied: Copied, shape: Shape, reader: RecordReader) -> Copier | None:
    """Return what copies records of a shape; None where that has a field which only decoding gives."""
    columns: list[_Column] = []
    for column in row_spec(copied.row_type).columns:
        field, item = copied.items.get(column.name, (column.name, None))
        made = _OF_RECORD.get(column.name) or _column(shape.places.get(field), reader.kinds.get(field), item)
        if made is None:
            return None
        columns.append(made)

    def copy(records: Sequence[StoredRecord]) -> RowBlock | None:
        whole = np.frombuffer(b"".join([record.state for record in records]), np.uint8).reshape(len(records), -1)
        try:
            return RowBlock(copied.row_type, tuple(column(whole, records) for column in columns))
        except (Odd, ValueError):  # a time of another age, or a text that is none
            return None

    return copy


def _column(place: Place | None, kind: Any, item: int | None) -> _Column | None:
    """Return what reads a field at a place, or one item of it."""
    if place is None or not place.items:
        return None
    at, end, items = place
    if item is not None:
        kind, at = kind["items"], (at, end - 8)[item]
        end = at + 8
    if kind == "string":
        return lambda _, records: [NAMES[record.state[at:end]] for record in records]
    read = next((read for known, read in _READ if known == kind), None)
    return None if read is None else lambda whole, _: read(whole[:, at:end], items)


def _times(part: _Bytes, _: int) -> NDArray[np.int64]:
    """Return times of eight bytes each, as `quick` reads one."""
    words: NDArray[np.uint64] = _lines(part, "<u8")
    if ((words & MORE_BITS) != MORE).any():
        raise Odd
    numbers: NDArray[np.int64] = number(words).view(np.int64)
    return numbers


def _options(part: _Bytes, items: int) -> Any:
    """Return numbers, or nulls: behind a byte that says so, which all records have alike."""
    size = part.shape[1]
    if size == items:
        return np.full((len(part), items), None)
    if size != 9 * items:
        raise Odd
    return _lines(part.reshape(-1, items, 9)[:, :, 1:], "<f8")[:, :, 0]


def _lines(part: _Bytes, kind: str) -> Any:
    return np.ascontiguousarray(part).view(kind)


_TIME: Final = {"type": "long", "logicalType": "timestamp-micros"}
_READ: Final[Sequence[tuple[Any, Callable[[_Bytes, int], Any]]]] = (
    (_TIME, lambda part, items: _times(part, items)[:, 0]),
    ({"type": "array", "items": _TIME}, _times),
    ({"type": "array", "items": "double"}, lambda part, _: _lines(part, "<f8")),
    ({"type": "array", "items": ["null", "double"]}, _options),
)
