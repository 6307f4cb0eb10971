"""Finds the fields of many records of one schema at once: each step over a field is taken with all of the records.

No value becomes an object, and no two records have to lie alike. What lies otherwise than our writer writes it, and
what is damaged, is seen as in `quick`: such a record is not `sound`, and is left to whoever reads records one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from adapters.avro.quick import MORE, MORE_BITS, NAMES, Kept, Odd, names

ITEMS_MAX: Final = 1_024  # of a list: each is a step, for all records
RECORD_BYTES_MAX: Final = 32_768  # so that a page of records is not copied as a whole where they are long
TIME: Final = {"type": "long", "logicalType": "timestamp-micros"}
WORD_BYTES: Final = 8
_OPTION_BYTES: Final = 9  # that is no null
_LONG_BYTES_MAX: Final = 9
LISTS_KEPT_MAX: Final = 8_192  # of texts
_EACH_BYTE: Final = np.arange(WORD_BYTES)

Numbers = NDArray[np.int64]
Words = NDArray[np.uint64]
Flags = NDArray[np.bool_]


class Span(NamedTuple):
    """Where a field lies, of each record: its bytes from `at` up to `end`; of a list those of its items."""

    at: Numbers
    end: Numbers
    items: Numbers  # how many; 1, unless it is a list


class Names(NamedTuple):
    """Lists of texts of records: those that there are, and which of them each record has."""

    lists: Sequence[tuple[str, ...]]
    of_record: Numbers


class Columns:
    """Fields of records, by their names. `kinds` are their types in order; the bytes of a prefix are not looked at."""

    def __init__(self, states: Sequence[bytes], kinds: Mapping[str, Any], prefix_bytes: int) -> None:
        self.kinds = kinds
        self.data = b"".join(states)
        self._bytes = np.frombuffer(self.data, np.uint8)
        ends = np.cumsum([len(state) for state in states])
        self.sound = np.ones(len(states), bool)
        self.spans: dict[str, Span] = {}
        self.names: dict[str, Names] = {}  # of lists of texts
        self.texts: dict[str, list[bytes]] = {}  # of single texts and ids
        self._at = np.concatenate(([0], ends[:-1])) + prefix_bytes
        self._every = np.arange(len(states))
        for field, kind in kinds.items():
            self.spans[field] = self._field(field, kind)
        self.sound &= self._at == ends

    def slices(self, field: str, places: Numbers) -> list[bytes]:
        """Return the bytes of a field, of some records."""
        span = self.spans[field]
        return self._cut(span.at[places], span.end[places])

    def _cut(self, at: Numbers, end: Numbers) -> list[bytes]:
        data = self.data
        return [data[begins:ends] for begins, ends in zip(at.tolist(), end.tolist(), strict=True)]

    def words(self, at: Numbers) -> Words:
        """Return eight bytes from each place on."""
        found: Words = self._bytes.take(at[:, None] + _EACH_BYTE, mode="clip").view("<u8")[:, 0]
        return found

    def _field(self, field: str, kind: Any) -> Span:
        match kind:
            case {"type": "array", "items": items}:
                return self._list(field, items)
            case "string":
                return self._text(field, NAMES.__getitem__)
            case {"logicalType": "uuid"}:
                return self._text(field, _IDS.__getitem__)
            case _:
                at = self._at.copy()
                self._value(kind, self._every)
                return Span(at, self._at.copy(), np.ones_like(at))

    def _value(self, kind: Any, which: Numbers) -> None:
        """Pass a value of the records at some places."""
        match kind:
            case "boolean":
                self._at[which] += 1
            case "double":
                self._at[which] += WORD_BYTES
            case "int" | "long":
                self._long(which)
            case {"logicalType": "timestamp-micros"}:
                self._wrong(which, (self.words(self._at[which]) & MORE_BITS) != MORE)
                self._at[which] += WORD_BYTES
            case ["null", option]:
                branch = self._byte(which)
                self._wrong(which, (branch != 0) & (branch != 2))  # noqa: PLR2004  # branches are counted by twos
                self._value(option, which[branch == 2])  # noqa: PLR2004
            case _:
                self.sound[:] = False  # a type that is not known here

    def _byte(self, which: Numbers) -> NDArray[np.uint8]:
        """Pass a byte, and return it."""
        found: NDArray[np.uint8] = self._bytes.take(self._at[which], mode="clip")
        self._at[which] += 1
        return found

    def _long(self, which: Numbers) -> Numbers:
        """Pass a number, and return it."""
        byte = self._byte(which)
        word = (byte & 0x7F).astype(np.int64)
        more = np.flatnonzero(byte >= 0x80)  # noqa: PLR2004  # another byte follows
        for place in range(1, _LONG_BYTES_MAX):
            if not len(more):
                break
            byte = self._byte(which[more])
            word[more] |= (byte & 0x7F).astype(np.int64) << 7 * place
            more = more[byte >= 0x80]  # noqa: PLR2004
        self.sound[which[more]] = False
        return (word >> 1) ^ -(word & 1)

    def _size(self, which: Numbers, size_max: int = RECORD_BYTES_MAX) -> Numbers:
        """Pass a number of bytes or items, and return it: 0 where there cannot be so many."""
        size = self._long(which)
        wrong = (size < 0) | (size > size_max)
        self._wrong(which, wrong)
        size[wrong] = 0
        return size

    def _wrong(self, which: Numbers, wrong: Flags) -> None:
        self.sound[which[wrong]] = False

    def _text(self, field: str, make: Callable[[bytes], Any]) -> Span:
        size = self._size(self._every)
        span = Span(self._at.copy(), self._at + size, np.ones_like(size))
        self._at = span.end.copy()
        self.texts[field] = self._readable(span.at, span.end, self._every, make)
        return span

    def _readable(self, at: Numbers, end: Numbers, which: Numbers, make: Callable[[bytes], Any]) -> list[bytes]:
        """Return bytes, and note of which records nothing can be made of them."""
        found = self._cut(at, end)
        wrong = set()
        for raw in set(found):
            try:
                make(raw)
            except ValueError:
                wrong.add(raw)
        if wrong:
            self._wrong(which, np.array([raw in wrong for raw in found]))
        return found

    def _list(self, field: str, items: Any) -> Span:
        count = self._size(self._every, ITEMS_MAX)
        at = self._at.copy()
        if items == "string":
            self._texts(count)
            self.names[field] = self._names(at, self._at, count)
        else:
            self._items(items, at, count)
        end = self._at.copy()
        closed = np.flatnonzero(count)
        self._wrong(closed, self._byte(closed) != 0)
        return Span(at, end, count)

    def _items(self, items: Any, at: Numbers, count: Numbers) -> None:
        """Pass the items of a list."""
        if items == "boolean":
            self._at += count
        elif items == "double":
            self._at += count * WORD_BYTES
        elif items == "int":
            self._at += count
            self._wrong_of(count, self._bytes.take(each(at, count, 1), mode="clip") >= 0x80)  # noqa: PLR2004
        elif items == TIME:
            self._at += count * WORD_BYTES
            self._wrong_of(count, (self.words(each(at, count, WORD_BYTES)) & MORE_BITS) != MORE)
        elif isinstance(items, list) and set(items) <= _OF_BRANCHES.keys():
            self._branches(items, at, count)
        else:
            self.sound[:] = False  # a type that is not known here

    def _branches(self, items: Sequence[str], at: Numbers, count: Numbers) -> None:
        """Pass items of several types, each behind a byte that says of which it is: all are numbers, mostly."""
        branch = 2 * items.index("double") if "double" in items else -1
        others = self._bytes.take(each(at, count, _OPTION_BYTES), mode="clip") != branch
        mixed = np.zeros(len(count), bool)
        mixed[np.repeat(np.arange(len(count)), count)[others]] = True
        self._at += np.where(mixed, 0, count * _OPTION_BYTES)
        left = np.flatnonzero(mixed)
        sizes = np.zeros(_BRANCHES, np.int64)
        sizes[: 2 * len(items) : 2] = [_OF_BRANCHES[kind] for kind in items]
        known = np.zeros(_BRANCHES, bool)
        known[: 2 * len(items) : 2] = True
        for item in range(int(count[left].max(initial=0))):
            which = left[count[left] > item]
            found = self._byte(which)
            self._wrong(which, ~known[found])
            self._at[which] += sizes[found]
            if "long" in items:
                self._long(which[found == 2 * items.index("long")])
            if "string" in items:
                of_texts = which[found == 2 * items.index("string")]
                size = self._size(of_texts)
                begins = self._at[of_texts]
                self._at[of_texts] += size
                self._readable(begins, begins + size, of_texts, _utf_8)

    def _texts(self, count: Numbers) -> None:
        """Pass lists of texts; whether they are any is not seen."""
        for item in range(int(count.max(initial=0))):
            some = np.flatnonzero(count > item)
            size = self._size(some)  # which moves what is added to
            self._at[some] += size

    def _names(self, at: Numbers, end: Numbers, count: Numbers) -> Names:
        """Return the lists of texts that lie there."""
        found = list(zip(count.tolist(), self._cut(at, end), strict=True))
        lists: list[tuple[str, ...]] = []
        numbers: dict[tuple[int, bytes], int] = {}
        for key in set(found):
            try:
                lists.append(_LISTS[key])
                numbers[key] = len(lists) - 1
            except (Odd, IndexError, ValueError):
                numbers[key] = -1
        of_record = np.array([numbers[each] for each in found])
        self.sound &= of_record >= 0
        return Names(lists, of_record)

    def _wrong_of(self, count: Numbers, wrong: Flags) -> None:
        """Note of which records some item is wrong."""
        if wrong.any():
            self.sound[np.repeat(np.arange(len(count)), count)[wrong]] = False


def each(at: Numbers, count: Numbers, stride: int) -> Numbers:
    """Return where the items of lists lie that begin at `at`, one list after another."""
    ends = np.cumsum(count)
    found: Numbers = np.repeat(at - (ends - count) * stride, count) + np.arange(count.sum()) * stride
    return found


_BRANCHES: Final = 256  # that a byte can say
_OF_BRANCHES: Final = {"null": 0, "boolean": 1, "long": 0, "double": WORD_BYTES, "string": 0}  # bytes, or as is told
_IDS: Final = Kept(lambda raw: UUID(str(raw, "ascii")))
_LISTS: Final = Kept(lambda key: tuple(names(key[1], 0, key[0])[0]), LISTS_KEPT_MAX)
_utf_8: Final = partial(str, encoding="utf-8")  # of values, of which hardly one comes twice
