"""Passes over the events of a page that later ones of it make old news: see `projections.projection.Renewed`.

Of such an event there is left, at most, a row that it is copied to: those of many records that lie alike are read
together, a column at a time. Both need records that lie as those that were read before: that they can be read is known.
"""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple
from uuid import UUID

from adapters.avro.columns import Copier, copier
from adapters.avro.quick import TIMES, Odd
from adapters.avro.shapes import Place, Shape
from adapters.avro.wire import RecordReader, RecordReaders, UnreadableError
from adapters.event_log import StoredRecord
from adapters.row_block import RowBlock
from projections.projection import Renewed

BLOCK_MIN: Final = 8  # rows: fewer are made faster one by one
_TIME_BYTES: Final = 8


class _Alike(NamedTuple):
    """Records of a page that lie alike, and where they have what they tell."""

    shape: Shape  # which is kept, so that no other is where it is
    signals: Sequence[str]
    first_at: slice
    last_at: slice
    row: slice
    copier: Copier | None
    passed: list[int]


def pass_over(
    records: Sequence[StoredRecord], renewed: Mapping[str, Renewed], readers: RecordReaders
) -> tuple[list[StoredRecord], list[RowBlock]]:
    """Return records of vehicles, without those that leave nothing but rows, and these; `renewed` is by topic."""
    kept: list[int] = []
    known: dict[int, _Alike | None] = {}  # by the identity of a shape
    vehicle_id: UUID | None = None
    told: dict[str, int] = {}  # after when each signal is measured again
    put: set[bytes] = set()  # the rows that are put again
    for place in range(len(records) - 1, -1, -1):
        record = records[place]
        rule = renewed.get(record.topic)
        if rule:
            if record.originator_id != vehicle_id:
                vehicle_id, told, put = record.originator_id, {}, set()
            data = record.state
            alike = _alike(record, rule, readers, known)
            if alike:
                try:
                    first, last = TIMES[data[alike.first_at]], TIMES[data[alike.last_at]]
                except Odd:  # whoever decodes it sees
                    kept.append(place)
                    continue
                row = data[alike.row]
                if min(map(told.get, alike.signals, repeat(last))) > last and (not row or row in put):
                    alike.passed.append(place)
                    continue
                told.update(dict.fromkeys(alike.signals, first))
                put.add(row)
        kept.append(place)
    blocks: list[RowBlock] = []
    for alike in known.values():
        if alike and alike.copier:
            block = alike.copier([records[each] for each in alike.passed]) if len(alike.passed) >= BLOCK_MIN else None
            if block:
                blocks.append(block)
            else:
                kept += alike.passed
    kept.sort()
    return [records[place] for place in kept], blocks


def _alike(
    record: StoredRecord, rule: Renewed, readers: RecordReaders, known: dict[int, _Alike | None]
) -> _Alike | None:
    try:
        reader = readers.find(record.topic, record.state)
    except UnreadableError:
        return None
    shape = reader.shape_of(record.state)
    if not shape:
        return None
    try:
        return known[id(shape)]
    except KeyError:
        known[id(shape)] = found = _first(shape, rule, reader)
        return found


def _first(shape: Shape, rule: Renewed, reader: RecordReader) -> _Alike | None:
    """Return how to see what records of a shape tell; None where they have to be decoded."""
    signals = shape.names.get(rule.paths, ()) if rule.paths else rule.signals
    times, row = shape.places.get(rule.measured_at), shape.places.get(rule.row, Place(0, 0))
    made = copier(rule.copied, shape, reader) if rule.copied else None
    if not signals or not times or times.end - times.at < _TIME_BYTES or (rule.copied and not made):
        return None
    last = slice(times.end - _TIME_BYTES, times.end)
    # Of what is always told together there is but one moment that counts.
    first = slice(times.at, times.at + _TIME_BYTES) if rule.paths else last
    return _Alike(shape, signals, first, last, slice(row.at, row.end), made, [])
