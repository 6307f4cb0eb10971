"""Passes over the events of a page that later ones of it make old news: see `projections.projection.Renewed`.

Of such an event there is left, at most, a row that it is copied to: those of many records that lie alike are read
together, a column at a time. Both need records that lie as those that were read before: that they can be read is known.
"""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from adapters.avro.columns import Copier, copier
from adapters.avro.quick import MORE, MORE_BITS
from adapters.avro.shapes import Place, Shape
from adapters.avro.wire import PREFIX, RecordReader, RecordReaders, UnreadableError
from adapters.event_log import StoredRecord
from adapters.row_block import RowBlock
from projections.projection import Renewed

BLOCK_MIN: Final = 8  # rows: fewer are made faster one by one
_TIME_BYTES: Final = 8
_TIME_BITS: Final = MORE_BITS | 1  # that are alike in all times of our age: with them, the later is the greater word


class _Alike(NamedTuple):
    """Records of a page that lie alike, and where they have what they tell."""

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
    ways = _Ways(renewed, readers)
    vehicle = -1
    told: dict[str, int] = {}  # after when each signal is measured again
    put: set[bytes] = set()  # the rows that are put again
    for place in range(len(records) - 1, -1, -1):
        _, vehicle_id, _, topic, data, _ = records[place]
        alike = ways.find(topic, data) if topic in renewed else None
        if alike:
            if vehicle_id.int != vehicle:  # which is compared several times as fast as the id
                vehicle, told, put = vehicle_id.int, {}, set()
            first = int.from_bytes(data[alike.first_at], "little")
            last = int.from_bytes(data[alike.last_at], "little")
            if first & _TIME_BITS == last & _TIME_BITS == MORE:  # else whoever decodes it sees
                row = data[alike.row]
                if min(map(told.get, alike.signals, repeat(last))) > last and (not row or row in put):
                    alike.passed.append(place)
                    continue
                told.update(dict.fromkeys(alike.signals, first))
                put.add(row)
        kept.append(place)
    blocks: list[RowBlock] = []
    for alike in ways.known.values():
        if alike and alike.copier:
            block = alike.copier([records[each] for each in alike.passed]) if len(alike.passed) >= BLOCK_MIN else None
            if block:
                blocks.append(block)
            else:
                kept += alike.passed
    kept.sort()
    return [records[place] for place in kept], blocks


class _Ways:
    """The ways in which records of a page lie."""

    def __init__(self, renewed: Mapping[str, Renewed], readers: RecordReaders) -> None:
        self._renewed = renewed
        self._readers = readers
        self._started: dict[bytes, RecordReader | None] = {}  # by what records begin with
        self.known: dict[int, _Alike | None] = {}  # by the identity of a shape: none comes or goes meanwhile

    def find(self, topic: str, data: bytes) -> _Alike | None:
        """Return how a record lies; None where it has to be decoded."""
        start = data[: PREFIX.size]
        if start not in self._started:
            self._started[start] = self._reader(topic, data)
        reader = self._started[start]
        shape = reader.shape_of(data) if reader and reader.topic == topic else None
        if not shape or not reader:
            return None
        if id(shape) not in self.known:
            self.known[id(shape)] = _first(shape, self._renewed[topic], reader)
        return self.known[id(shape)]

    def _reader(self, topic: str, data: bytes) -> RecordReader | None:
        try:
            return self._readers.find(topic, data)
        except UnreadableError:
            return None


def _first(shape: Shape, rule: Renewed, reader: RecordReader) -> _Alike | None:
    """Return how to see what records of a shape tell; None where they have to be decoded."""
    signals = shape.names.get(rule.paths, ()) if rule.paths else rule.signals
    times, row = shape.places.get(rule.measured_at), shape.places.get(rule.row) if rule.row else Place(0, 0)
    made = copier(rule.copied, shape, reader) if rule.copied else None
    if not signals or not times or times.end - times.at < _TIME_BYTES or not row or (rule.copied and not made):
        return None
    last = slice(times.end - _TIME_BYTES, times.end)
    # Of what is always told together there is but one moment that counts.
    first = slice(times.at, times.at + _TIME_BYTES) if rule.paths else last
    return _Alike(signals, first, last, slice(row.at, row.end), made, [])
