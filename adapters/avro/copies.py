"""Copies fields of many records to rows, a column at a time: see `projections.projection.Copied`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adapters.avro.columns import TIME, WORD_BYTES, Columns, Numbers, Words
from adapters.avro.quick import NAMES, number
from adapters.event_log import StoredRecord
from adapters.row_block import Lists, RowBlock
from projections.projection import Copied, row_spec

BLOCK_MIN: Final = 8  # rows: fewer are made faster one by one
_TIMES: Final = {"type": "array", "items": TIME}
_DOUBLES: Final = {"type": "array", "items": "double"}
_OPTIONS: Final = {"type": "array", "items": ["null", "double"]}  # a byte says which; a null has no other
_OPTION: Final = np.dtype([("branch", "u1"), ("number", "<f8")])

_Field = tuple[str, int | None]  # its name, and which item of it


def copies(
    copied: Copied, columns: Columns, places: Numbers, records: Sequence[StoredRecord]
) -> Iterator[tuple[RowBlock, Numbers]]:
    """Give rows of records that lie at `places` in `columns`, and of which records; others have to be decoded."""
    fields: list[_Field] = [copied.items.get(name, (name, None)) for name, _, _ in row_spec(copied.row_type).columns]
    if not all(_is_known(columns, field) for field in fields):
        return
    nulls = np.zeros(len(places), np.int64)  # a bit for each list whose items may be null: whether all are
    whole = np.ones(len(places), bool)  # whether no other is null
    for bit, (field, item) in enumerate(fields):
        if field in columns.kinds:
            at, end, items = (bounds[places] for bounds in columns.spans[field])
            if item is not None:
                whole &= items > 0
            if columns.kinds[field] == _OPTIONS:
                null = end - at == items
                whole &= null | (end - at == items * _OPTION.itemsize)
                nulls |= null.astype(np.int64) << bit
    for alike in np.unique(nulls[whole]).tolist():
        some = np.flatnonzero(whole & (nulls == alike))
        if len(some) >= BLOCK_MIN:
            of_some = [records[place] for place in some.tolist()]
            rows = tuple(_column(columns, field, places[some], of_some) for field in fields)
            yield RowBlock(copied.row_type, rows), some


def _is_known(columns: Columns, field: _Field) -> bool:
    name, item = field
    kind = columns.kinds.get(name)
    return name in _OF_RECORD or kind == _TIMES or (item is None and kind in ("string", TIME, _DOUBLES, _OPTIONS))


def _column(columns: Columns, field: _Field, places: Numbers, records: Sequence[StoredRecord]) -> Any:
    """Return a field of records as a column of rows."""
    name, item = field
    if name in _OF_RECORD:
        return _OF_RECORD[name](records)
    kind, span = columns.kinds[name], columns.spans[name]
    if kind == "string":
        texts = columns.texts[name]
        return [NAMES[texts[place]] for place in places.tolist()]
    if kind == TIME or item is not None:
        return _times(
            columns.words((span.end - WORD_BYTES if item == -1 else span.at + WORD_BYTES * (item or 0))[places])
        )
    lengths, any_place = span.items[places], places[0]
    if kind == _OPTIONS and span.end[any_place] - span.at[any_place] == lengths[0]:
        return Lists(lengths, None)  # nulls, as in all of these records
    return Lists(lengths, _items(kind, b"".join(columns.slices(name, places))))


def _items(kind: Any, data: bytes) -> NDArray[Any]:
    """Return the items of lists."""
    if kind == _TIMES:
        return _times(np.frombuffer(data, "<u8"))
    return np.frombuffer(data, "<f8") if kind == _DOUBLES else np.frombuffer(data, _OPTION)["number"]


def _times(words: Words) -> NDArray[np.int64]:
    """Return times of eight bytes each."""
    found: NDArray[np.int64] = number(words).view(np.int64)
    return found


_OF_RECORD: Final[dict[str, Callable[[Sequence[StoredRecord]], Any]]] = {
    "vehicle_id": lambda records: [record.originator_id for record in records],
    "event_version": lambda records: np.array([record.version for record in records]),
    "position": lambda records: np.array([record.position for record in records]),
}
