"""Passes over the events of a page that later ones of it make old news: see `projections.projection.Renewed`.

Of such an event there is left, at most, a row that it is copied to. What is passed over and what is copied is seen of
many records at once that lie alike, a column at a time. They lie as those that were read before: that they can be read
is known.

What makes an event old news may be passed over itself, by one that measures all of that still later: the last of them
stays. A record whose last time is before its first, of which that would not follow, is decoded.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, compress, pairwise
from operator import attrgetter, itemgetter, ne
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapters.avro.columns import Copier, copier
from adapters.avro.quick import MORE, MORE_BITS
from adapters.avro.shapes import Place, Shape
from adapters.avro.wire import PREFIX, RecordReader, RecordReaders, UnreadableError
from adapters.event_log import StoredRecord
from adapters.row_block import RowBlock
from projections.projection import Renewed

BLOCK_MIN: Final = 8  # rows: fewer are made faster one by one
_TIME_BYTES: Final = 8
_TOPIC: Final = attrgetter("topic")
_START: Final = itemgetter(slice(PREFIX.size))  # of a record: what says of which schema it is
# The bits that are alike in all times of our age: with them, the later is the greater word.
_TIME_BITS: Final = np.uint64(MORE_BITS | 1)

_Numbers = NDArray[np.int64]
_Flags = NDArray[np.bool_]


class _Way(NamedTuple):
    """Where records of a shape have what they tell."""

    signals: Sequence[str]
    first_at: slice
    last_at: slice
    row: slice
    copier: Copier | None


class _Alike(NamedTuple):
    """Records of a page that lie alike, by their places in it, and the times that they tell of, as words."""

    way: _Way
    places: _Numbers
    first: NDArray[np.uint64]
    last: NDArray[np.uint64]


def pass_over(
    records: Sequence[StoredRecord], renewed: Mapping[str, Renewed], readers: RecordReaders
) -> tuple[list[StoredRecord], list[RowBlock]]:
    """Return records of vehicles, without those that leave nothing but rows, and these; `renewed` is by topic."""
    if not records:
        return [], []
    alike = list(_alike(records, renewed, readers))
    passed = _measured_again(records, alike) & ~_last_of_rows(records, alike)
    blocks: list[RowBlock] = []
    for each in alike:
        if each.way.copier:
            places = each.places[passed[each.places]]
            left = [records[place] for place in places.tolist()]
            block = each.way.copier(left) if len(left) >= BLOCK_MIN else None
            if block:
                blocks.append(block)
            else:
                passed[places] = False
    return list(compress(records, (~passed).tolist())), blocks


def _alike(records: Sequence[StoredRecord], renewed: Mapping[str, Renewed], readers: RecordReaders) -> Iterator[_Alike]:
    """Give the records that lie as those that were read before, with times of our age; the others are decoded."""
    of_length: dict[tuple[str, bytes, int], list[int]] = defaultdict(list)
    states = [record.state for record in records]
    keys = zip(map(_TOPIC, records), map(_START, states), map(len, states), strict=True)
    for place, key in enumerate(keys):
        of_length[key].append(place)
    for (topic, start, length), found in of_length.items():
        reader = _reader(readers, topic, start) if topic in renewed else None
        shapes = reader.shapes_of(length) if reader else ()
        if not reader or not shapes:
            continue
        places = np.array(found)
        whole = np.frombuffer(b"".join([states[place] for place in found]), np.uint8).reshape(len(found), length)
        for shape in shapes:
            mask, pattern = (
                np.frombuffer(bits.to_bytes(length, "little"), np.uint8) for bits in (shape.mask, shape.pattern)
            )
            lies = ~((whole ^ pattern) & mask).any(axis=1)
            way = _way(shape, renewed[topic], reader)
            if way:
                first, last = (_words(whole[:, at]) for at in (way.first_at, way.last_at))
                usable = lies & (first & _TIME_BITS == MORE) & (last & _TIME_BITS == MORE) & (first <= last)
                if usable.any():
                    yield _Alike(way, places[usable], first[usable], last[usable])
            if lies.all():
                break
            places, whole = places[~lies], whole[~lies]


def _measured_again(records: Sequence[StoredRecord], alike: Sequence[_Alike]) -> _Flags:
    """Return of which records every signal is measured again by a later one of the vehicle, and later."""
    passed = np.zeros(len(records), bool)
    if not alike:
        return passed
    together: dict[tuple[str, ...], list[_Alike]] = defaultdict(list)
    for each in alike:
        together[tuple(each.way.signals)].append(each)
    grouped = [each for ways in together.values() for each in ways]
    words = np.concatenate([each.first for each in grouped] + [each.last for each in grouped])
    ranks = np.unique(words, return_inverse=True)[1]
    # One number for vehicle and time: greater for a vehicle before, so that the greatest of those behind is of a
    # vehicle's own, or smaller than all of them.
    vehicles = np.array(_vehicles(records))
    floors = (vehicles[-1] + 1 - vehicles) * (len(words) + 1)
    of_all = np.concatenate([each.places for each in grouped])
    first, last = floors[of_all] + ranks[: len(of_all)], floors[of_all] + ranks[len(of_all) :]
    ends = list(accumulate(sum(len(each.places) for each in ways) for ways in together.values()))
    stretches = [slice(begin, end) for begin, end in pairwise([0, *ends])]
    by_signal: dict[str, list[int]] = defaultdict(list)
    for number, signals in enumerate(together):
        for signal in signals:
            by_signal[signal].append(number)
    again = np.full(len(of_all), np.iinfo(np.int64).max)
    for numbers in {tuple(each) for each in by_signal.values()}:  # signals that come together are looked at once
        newest = np.zeros(len(records) + 1, np.int64)
        for stretch in (stretches[number] for number in numbers):
            newest[of_all[stretch]] = first[stretch]
        newest = np.maximum.accumulate(newest[::-1])[::-1]  # of each place and all behind
        for stretch in (stretches[number] for number in numbers):
            again[stretch] = np.minimum(again[stretch], newest[of_all[stretch] + 1])
    passed[of_all] = again > last
    return passed


def _last_of_rows(records: Sequence[StoredRecord], alike: Sequence[_Alike]) -> _Flags:
    """Return which records are the last of the page to put a row."""
    rows: dict[int, bytes] = {}
    for each in alike:
        at = each.way.row
        if at.start != at.stop:
            rows.update((place, records[place].state[at]) for place in each.places.tolist())
    newest = {(records[place].originator_id.int, rows[place]): place for place in sorted(rows)}
    last = np.zeros(len(records), bool)
    last[list(newest.values())] = True
    return last


def _vehicles(records: Sequence[StoredRecord]) -> list[int]:
    """Return of each record which vehicle's it is, counted from 0."""
    ids = [record.originator_id.int for record in records]  # which are compared several times as fast as ids
    return list(accumulate(map(ne, ids[1:], ids), initial=0))


def _words(part: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(part).view("<u8")[:, 0]


def _reader(readers: RecordReaders, topic: str, start: bytes) -> RecordReader | None:
    try:
        return readers.find(topic, start)
    except UnreadableError:
        return None


def _way(shape: Shape, rule: Renewed, reader: RecordReader) -> _Way | None:
    """Return how to see what records of a shape tell; None where they have to be decoded."""
    signals = shape.names.get(rule.paths, ()) if rule.paths else rule.signals
    times, row = shape.places.get(rule.measured_at), shape.places.get(rule.row) if rule.row else Place(0, 0)
    made = copier(rule.copied, shape, reader) if rule.copied else None
    if not signals or not times or times.end - times.at < _TIME_BYTES or not row or (rule.copied and not made):
        return None
    last = slice(times.end - _TIME_BYTES, times.end)
    # Of what is always told together there is but one moment that counts.
    first = slice(times.at, times.at + _TIME_BYTES) if rule.paths else last
    return _Way(signals, first, last, slice(row.at, row.end), made)
