"""Reads a record whose bytes lie as those of one that was read before: all its values by one `struct`, none looked for.

Most records of a schema differ in their numbers alone: lengths, branches and names are the same, at the same places.
Whether they are is asked of all of them at once, with the bytes as one integer: no other record has these bits there.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import Any, Final, NamedTuple

RECORD_BYTES_MAX: Final = 1_024  # of longer ones hardly two lie alike
SHAPES_MAX: Final = 4  # of records of one length; the oldest is forgotten
MISSES_MIN: Final = 32  # records of a length that lie otherwise, until one is learned: it costs as much as reading 100

# Which bits of a byte must be as they were.
_ALL: Final = 0xFF
_MORE: Final = 0x80  # of a number: whether another byte follows
_NONE: Final = 0


class Shape(NamedTuple):
    """How some records of one length lie."""

    mask: int
    pattern: int
    read: Callable[[bytes], dict[str, Any]]


class Shapes:
    """What was learned of the records of one schema.

    `space` has what makes values of bytes: `time`, `text` and `uuid`; and `long`, a number and where it ends.
    """

    def __init__(self, fields: Sequence[Mapping[str, Any]], prefix_bytes: int, space: Mapping[str, Any]) -> None:
        self._fields = fields
        self._prefix_bytes = prefix_bytes
        self._space = space
        self._misses: Counter[int] = Counter()  # by length
        self.by_length: dict[int, tuple[Shape, ...]] = {}

    def find(self, data: bytes) -> Shape | None:
        """Return how a record lies, where that is known."""
        known = self.by_length.get(len(data))
        if known:
            number = int.from_bytes(data, "little")
            for shape in known:
                if number & shape.mask == shape.pattern:
                    return shape
        return None

    def missed(self, data: bytes) -> None:
        """Note a record that was read otherwise. Ever fewer are learned: some lengths have too many shapes."""
        length = len(data)
        if length <= RECORD_BYTES_MAX:
            self._misses[length] = misses = self._misses[length] + 1
            if misses >= MISSES_MIN and not misses & (misses - 1):
                known = self.by_length.get(length, ())
                self.by_length[length] = (self._learned(data), *known)[:SHAPES_MAX]

    def _learned(self, data: bytes) -> Shape:
        walk = _Walk(data, self._prefix_bytes, self._space)
        made = ", ".join([f"{field['name']!r}: {walk.value(field['type'])}" for field in self._fields])
        names = "".join(f"v{number}, " for number in range(walk.values))
        walk.space["unpack"] = Struct("<" + "".join(walk.format)).unpack
        code = f"def read(data):\n    {names or '()'} = unpack(data)\n    return {{{made}}}"
        exec(code, walk.space)  # noqa: S102  # made of the text in this module and of names of our schemas
        mask = int.from_bytes(walk.mask, "little")
        pattern = int.from_bytes(data, "little") & mask
        return Shape(mask, pattern, walk.space["read"])


class _Walk:
    """Goes through a record that was read, value by value, and notes what lies where."""

    def __init__(self, data: bytes, at: int, space: Mapping[str, Any]) -> None:
        self.space = dict(space)
        self.mask = bytearray(at)
        self.format = [f"{at}x"]
        self.values = 0
        self._data = data

    def value(self, kind: Any) -> str:
        """Pass a value; return the code that makes it."""
        match kind:
            case "null":
                code = "None"
            case "boolean":
                code = self._pass(1, _NONE, "?")  # as fastavro has it, any byte but zero is true
            case "double":
                code = self._pass(8, _NONE, "d")
            case "int" | "long":
                code = self._number()
            case "string" | {"logicalType": "uuid"}:
                size = self._mark()
                code = f"{'text' if kind == 'string' else 'uuid'}[{self._pass(size, _NONE, f'{size}s')}]"
            case {"logicalType": _}:  # a time, which says itself where its bytes are not just eight
                code = f"time[{self._pass(8, _NONE, '8s')}]"
            case {"items": items}:
                code = self._column(items)
            case _:  # of several types
                code = self.value(kind[self._mark()])
        return code

    def _column(self, items: Any) -> str:
        at = len(self.mask)
        count = self._mark()
        if items in ("int", "string"):  # names and qualities: as they were, mostly
            self.space[f"column{at}"] = [self._mark() if items == "int" else self._name() for _ in range(count)]
            code = f"*column{at}"
        else:
            code = ", ".join([self.value(items) for _ in range(count)])
        if count:
            self._mark()  # of its end
        return f"[{code}]"

    def _name(self) -> str:
        size = self._mark()
        at = len(self.mask)
        self._pass(size, _ALL)
        name: str = self.space["text"][self._data[at : at + size]]
        return name

    def _number(self) -> str:
        at = len(self.mask)
        parts = [self._pass(1, _MORE, "B") for _ in range(self._long(at)[1] - at)]
        word = " | ".join(f"({part} & 127) << {7 * place}" for place, part in enumerate(parts))
        return f"(({word}) >> 1) ^ -({parts[0]} & 1)"

    def _mark(self) -> int:
        """Pass a number that says where others lie."""
        at = len(self.mask)
        number, end = self._long(at)
        self._pass(end - at, _ALL)
        return number

    def _pass(self, size: int, mask: int, kind: str = "") -> str:
        """Pass bytes; those of a `kind` that `struct` knows are a value, whose name is returned."""
        self.mask += bytes([mask]) * size
        self.format.append(kind or f"{size}x")
        self.values += bool(kind)
        return f"v{self.values - 1}"

    def _long(self, at: int) -> tuple[int, int]:
        long: Callable[[bytes, int], tuple[int, int]] = self.space["long"]
        return long(self._data, at)
