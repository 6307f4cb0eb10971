"""Passes over the events of a page that later ones of it make old news: see `projections.projection.Renewed`.

Of such an event there is left, at most, a row that it is copied to. What is passed over and what is copied is seen of
many records at once, a column at a time; what a record holds beside is not read, but that it can be is seen.

What makes an event old news may be passed over itself, by one that measures all of that still later: the last of them
stays. A record whose last time is before its first, of which that would not follow, is decoded.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, compress
from operator import attrgetter, ne
from typing import Any, Final, NamedTuple

import numpy as np

from adapters.avro.columns import RECORD_BYTES_MAX, WORD_BYTES, Columns, Flags, Names, Numbers, Words, each
from adapters.avro.copies import copies
from adapters.avro.wire import PREFIX, RecordReader, RecordReaders, UnreadableError
from adapters.event_log import StoredRecord
from adapters.row_block import RowBlock
from projections.projection import Renewed

_TOPIC: Final = attrgetter("topic")
_BEFORE_1970: Final = np.uint64(1)  # a bit of a time as eight bytes; without it the later is the greater word


class _Alike(NamedTuple):
    """Records of a page that are of one schema, and can be read."""

    rule: Renewed
    columns: Columns
    of_columns: Numbers  # where each of them is in `columns`
    places: Numbers  # and in the page
    signals: Names  # that each of them tells
    first: Words  # when they were measured, the later the greater
    last: Words


def pass_over(
    records: Sequence[StoredRecord], renewed: Mapping[str, Renewed], readers: RecordReaders
) -> tuple[list[StoredRecord], list[RowBlock]]:
    """Return records of vehicles, without those that leave nothing but rows, and these; `renewed` is by topic."""
    alike = list(_alike(records, renewed, readers))
    if not alike:
        return list(records), []
    vehicles = _vehicles(records)
    passed = _measured_again(vehicles, alike) & ~_last_of_rows(vehicles, alike)
    blocks: list[RowBlock] = []
    for one in alike:
        if one.rule.copied:
            left = np.flatnonzero(passed[one.places])
            places = one.places[left]
            passed[places] = False
            of_places = [records[place] for place in places.tolist()]
            for block, some in copies(one.rule.copied, one.columns, one.of_columns[left], of_places):
                passed[places[some]] = True
                blocks.append(block)
    return list(compress(records, (~passed).tolist())), blocks


def _alike(records: Sequence[StoredRecord], renewed: Mapping[str, Renewed], readers: RecordReaders) -> Iterator[_Alike]:
    """Give the records of which there is a rule, by their schemas; those that cannot be read so are decoded."""
    for topic, start, found in _of_schemas(records, renewed):
        rule, reader = renewed[topic], _reader(readers, topic, start)
        if not reader or not _fits(rule, reader.kinds):
            continue
        columns = Columns([records[place].state for place in found], reader.kinds, PREFIX.size)
        times = columns.spans[rule.measured_at]
        last = columns.words(times.end - WORD_BYTES)
        # Of what is always told together there is but one moment that counts.
        first = columns.words(times.at) if rule.paths else last
        usable = columns.sound & (times.items > 0) & ((first | last) & _BEFORE_1970 == 0) & (first <= last)
        told = Names([rule.signals], np.zeros(len(found), np.int64))
        if rule.paths:
            told = columns.names[rule.paths]
            usable &= columns.spans[rule.paths].items == times.items
        chosen = np.flatnonzero(usable)
        if len(chosen):
            signals = Names(told.lists, told.of_record[chosen])
            yield _Alike(rule, columns, chosen, np.array(found)[chosen], signals, first[chosen], last[chosen])


def _of_schemas(records: Sequence[StoredRecord], topics: Iterable[str]) -> Iterator[tuple[str, bytes, list[int]]]:
    """Give the places of records, by topic and what their bytes begin with, without those that are too long."""
    topic_of = list(map(_TOPIC, records))
    for topic in topics:
        found = [
            place for place, of in enumerate(topic_of) if of == topic and len(records[place].state) <= RECORD_BYTES_MAX
        ]
        starts = [records[place].state[: PREFIX.size] for place in found]
        for start in set(starts):
            yield topic, start, [place for place, of in zip(found, starts, strict=True) if of == start]


def _fits(rule: Renewed, kinds: Mapping[str, Any]) -> bool:
    """Whether records of a schema have what a rule asks for."""
    return kinds.keys() >= {rule.measured_at, *filter(None, (rule.paths, rule.row))}


def _measured_again(vehicles: Numbers, alike: Sequence[_Alike]) -> Flags:
    """Return of which records every signal is measured again by a later one of the vehicle, and later."""
    places = np.concatenate([one.places for one in alike])
    order = np.argsort(places)
    places = places[order]
    words = np.concatenate([one.first for one in alike] + [one.last for one in alike])
    ranks = np.unique(words, return_inverse=True)[1]
    first, last = ranks[: len(places)][order], ranks[len(places) :][order]
    signals, count = _numbered([one.signals for one in alike], order)
    # One number for signal, vehicle and time: greater for a signal or a vehicle before, so that the greatest of those
    # behind is of the same ones, or smaller than all of these.
    by_signal = np.argsort(signals, kind="stable")
    of_record = np.repeat(np.arange(len(places)), count)
    floor = (-signals * (vehicles[-1] + 1) - vehicles[places][of_record]) * (len(words) + 1)
    newest = np.maximum.accumulate((floor + first[of_record])[by_signal][::-1])[::-1]
    again = np.empty_like(newest)
    again[by_signal] = np.append(newest[1:], np.iinfo(np.int64).min)
    passed = np.zeros(len(vehicles), bool)
    some = count > 0
    begins = (np.cumsum(count) - count)[some]
    passed[places[some]] = np.logical_and.reduceat(again > floor + last[of_record], begins)
    return passed


def _numbered(told: Sequence[Names], order: Numbers) -> tuple[Numbers, Numbers]:
    """Return the signals of records, in an order, as numbers, those of a record once each; and how many it has."""
    numbers: dict[str, int] = {}
    lists = [{numbers.setdefault(each, len(numbers)) for each in names} for one in told for names in one.lists]
    found = np.array([signal for of_list in lists for signal in of_list], np.int64)
    counts = np.array([len(of_list) for of_list in lists])
    before = accumulate([len(one.lists) for one in told], initial=0)
    of_record = np.concatenate([one.of_record + first for one, first in zip(told, before, strict=False)])[order]
    count = counts[of_record]
    return found[each((np.cumsum(counts) - counts)[of_record], count, 1)], count


def _last_of_rows(vehicles: Numbers, alike: Sequence[_Alike]) -> Flags:
    """Return which records are the last of their schema in the page to put a row."""
    last = np.zeros(len(vehicles), bool)
    for one in alike:
        if one.rule.row:
            numbers: dict[bytes, int] = {}
            rows = [numbers.setdefault(raw, len(numbers)) for raw in one.columns.texts[one.rule.row]]
            keys = vehicles[one.places] * len(numbers) + np.array(rows)[one.of_columns]
            newest = np.unique(keys[::-1], return_index=True)[1]
            last[one.places[::-1][newest]] = True
    return last


def _vehicles(records: Sequence[StoredRecord]) -> Numbers:
    """Return of each record which vehicle's it is, counted from 0."""
    ids = [record.originator_id.int for record in records]  # which are compared several times as fast as ids
    return np.array(list(accumulate(map(ne, ids[1:], ids), initial=0)))


def _reader(readers: RecordReaders, topic: str, start: bytes) -> RecordReader | None:
    try:
        return readers.find(topic, start)
    except UnreadableError:
        return None
