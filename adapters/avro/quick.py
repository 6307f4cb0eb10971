"""Reads records of a schema by code that is made for it: faster than fastavro, which asks at each value what it is.

It reads what our writer writes: times of eight bytes, each array in one block. Anything else, and what is damaged, is
left to fastavro, so that there is nothing that it could refuse wrongly, or take otherwise.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from struct import error as StructError  # noqa: N812  # the module's own name of it says nothing
from typing import Any, Final, TypeVar
from uuid import UUID

from adapters.avro.shapes import Shapes

KEPT_MAX: Final = 32_768  # of each kind: times, names, columns of names
LENGTHS_KEPT_MAX: Final = 256  # of columns
COLUMN_KEY_BYTES: Final = 64  # of a column of names, by which one that was read before is looked for

V = TypeVar("V")
Read = Callable[[bytes], dict[str, Any] | None]


class Odd(Exception):  # noqa: N818  # no error
    """What only fastavro reads."""


class Kept(dict[Any, V]):
    """What was made of some bytes before; forgets everything when there is too much of it."""

    def __init__(self, make: Callable[[Any], V], kept_max: int = KEPT_MAX) -> None:
        self._make = make
        self._kept_max = kept_max

    def __missing__(self, key: Any) -> V:
        made = self._make(key)
        if len(self) >= self._kept_max:
            self.clear()
        self[key] = made
        return made


MORE_BITS: Final = 0x8080808080808080  # of eight bytes as a word
MORE: Final = 0x0080808080808080  # what these bits are where more follow the first seven


def number(word: Any) -> Any:
    """Return what eight bytes say, seven bits in each, the lowest first, zigzag; of an array of words: as unsigned."""
    word = (word & 0x007F007F007F007F) | (word & 0x7F007F007F007F00) >> 1
    word = (word & 0x00003FFF00003FFF) | (word & 0x3FFF00003FFF0000) >> 2
    word = (word & 0x000000000FFFFFFF) | (word & 0x0FFFFFFF00000000) >> 4
    return (word >> 1) ^ -(word & 1)


def _time(raw: bytes) -> int:
    """Return a long of just eight bytes, as times of our age have."""
    word = int.from_bytes(raw, "little")
    if len(raw) != 8 or word & MORE_BITS != MORE:  # noqa: PLR2004  # bytes
        raise Odd
    found: int = number(word)
    return found


def _long(data: bytes, at: int) -> tuple[int, int]:
    """Return any long, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  # no more follow
            return (number >> 1) ^ -(number & 1), at
        shift += 7
        if shift > 56:  # noqa: PLR2004  # bits: what is longer may not fit 64
            raise Odd


def _values(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    """Return values that are null, boolean, long, double or text each, and where they end."""
    values: list[Any] = []
    for _ in range(count):
        branch = data[at]
        at += 1
        if branch == 6:  # noqa: PLR2004  # branches are counted by twos
            values.append(_DOUBLE(data, at)[0])
            at += 8
        elif branch == 8:  # noqa: PLR2004
            length, at = _long(data, at)
            if length < 0:
                raise Odd
            values.append(str(data[at : at + length], "utf-8"))
            at += length
        elif branch == 2:  # noqa: PLR2004
            values.append(_FLAGS[data[at]])
            at += 1
        elif branch == 4:  # noqa: PLR2004
            value, at = _long(data, at)
            values.append(value)
        elif branch == 0:
            values.append(None)
        else:
            raise Odd
    return values, at


def _numbers(data: bytes, at: int, count: int) -> tuple[list[float | None], int]:
    """Return values that are null or a double each, and where they end."""
    numbers: list[float | None] = []
    for _ in range(count):
        branch = data[at]
        at += 1
        if branch == 2:  # noqa: PLR2004
            numbers.append(_DOUBLE(data, at)[0])
            at += 8
        elif branch == 0:
            numbers.append(None)
        else:
            raise Odd
    return numbers, at


def names(data: bytes, at: int, count: int) -> tuple[list[str], int]:
    """Return texts, and where they end."""
    found = []
    for _ in range(count):
        length, at = (data[at] >> 1, at + 1) if not data[at] & 0x81 else _long(data, at)
        if length < 0:
            raise Odd
        found.append(NAMES[data[at : at + length]])
        at += length
    return found, at


_DOUBLE: Final = Struct("<d").unpack_from
_FLAGS: Final = (False, True)
_EVEN: Final = bytes(range(0, 128, 2))  # numbers from 0 to 63, as one byte each
_HALVES: Final = bytes(byte >> 1 for byte in range(256))
NAMES: Final = Kept(lambda raw: sys.intern(str(raw, "utf-8")))
_TIMES: Final = Kept(_time)  # by their bytes; raises Odd for those of another age
_IN_CODE: Final[Mapping[str, Any]] = {
    "Odd": Odd,
    "EVEN": _EVEN,
    "HALVES": _HALVES,
    "NULL": b"\0",
    "columns": {},  # of names
    "double": _DOUBLE,
    "doubles": Kept(lambda count: Struct(f"<{count}d").unpack_from, LENGTHS_KEPT_MAX),
    "tagged": Kept(lambda count: Struct("<" + "xd" * count).unpack_from, LENGTHS_KEPT_MAX),
    "flag": _FLAGS.__getitem__,
    "long": _long,
    "names": names,
    "numbers": _numbers,
    "text": NAMES,
    "time": _TIMES,
    "uuid": Kept(lambda raw: UUID(str(raw, "ascii"))),
    "values": _values,
}


def _indented(code: str) -> str:
    return "\n    ".join(code.strip().splitlines())


# Code that reads a value at `at` into `it`, and moves `at` beyond it. What lies beyond the end of the bytes is found by
# `data[at]`, or in the end, when `at` is not the length of the bytes.
_TIME: Final = "it = time[data[at:at + 8]]; at += 8"
_LONG: Final = """
it = data[at]
if it < 128:
    at += 1
    it = (it >> 1) ^ -(it & 1)
else:
    it, at = long(data, at)
"""
_TEXT: Final = """
length, at = (data[at] >> 1, at + 1) if not data[at] & 129 else long(data, at)
if length < 0: raise Odd
it = text[data[at:at + length]]
at += length
"""
_UUID: Final = """
if data[at] != 72: raise Odd
it = uuid[data[at + 1:at + 37]]
at += 37
"""
_SCALARS: Final = {
    "double": "it, = double(data, at); at += 8",
    "boolean": "it = flag(data[at]); at += 1",
    "int": _LONG,
    "long": _LONG,
    "string": _TEXT,
    "timestamp-micros": _TIME,
    "uuid": _UUID,
}
_OPTION: Final = """
branch = data[at]
at += 1
if branch == 2:
    {value}
elif branch == 0:
    it = None
else: raise Odd
"""
_ARRAY: Final = """
start = at
count, at = (data[at] >> 1, at + 1) if not data[at] & 129 else long(data, at)
if 0 < count <= len(data):
    {items}
    if data[at]: raise Odd
    at += 1
elif count == 0:
    it = []
else: raise Odd
"""
_COLUMN: Final = f"""
key = data[start:start + {COLUMN_KEY_BYTES}]
known = columns.get(key)
if known is not None and data.startswith(known[0], start):
    it = known[1].copy()
    at = start + len(known[0])
else:
    it, at = names(data, at, count)
    if len(columns) >= {KEPT_MAX}: columns.clear()
    columns[key] = (data[start:at], it.copy())
"""
_NUMBERS: Final = """
if data[at] and data[at:at + 9 * count:9] == b"\\x02" * count:
    it = list(tagged[count](data, at))
    at += 9 * count
elif not data[at:at + count].strip(NULL):
    it = [None] * count
    at += count
else:
    it, at = numbers(data, at, count)
"""
_VALUES: Final = """
if data[at:at + 9 * count:9] == b"\\x06" * count:
    it = list(tagged[count](data, at))
    at += 9 * count
else:
    it, at = values(data, at, count)
"""
_INTEGERS: Final = f"""
found = []
for _ in range(count):
    {_indented(_OPTION.replace("{value}", _indented(_LONG)))}
    found.append(it)
it = found
"""
_ITEMS: Final[Mapping[Any, str]] = {
    "boolean": "it = list(map(flag, data[at:at + count])); at += count",
    "double": "it = list(doubles[count](data, at)); at += 8 * count",
    "int": """
it = data[at:at + count]
if not it.strip(NULL):
    it = [0] * count
else:
    if it.translate(None, EVEN): raise Odd
    it = list(it.translate(HALVES))
at += count
""",
    "string": _COLUMN,
    "timestamp-micros": """
end = at + 8 * count
it = [time[data[each:each + 8]] for each in range(at, end, 8)] if count > 1 else [time[data[at:end]]]
at = end
""",
    ("null", "double"): _NUMBERS,
    ("null", "int"): _INTEGERS,
    ("null", "boolean", "long", "double", "string"): _VALUES,
}


def quick_reader(fields: Sequence[Mapping[str, Any]], prefix_bytes: int) -> Read | None:
    """Return what reads records with these fields, after a prefix; None where it does not know a type.

    It returns None for bytes that it does not understand.
    """
    lines = [f"at = {prefix_bytes}"]
    for number, field in enumerate(fields):
        code = _code(field["type"])
        if code is None:
            return None
        lines += [*code.strip().splitlines(), f"f{number} = it"]
    made = ", ".join(f"{field['name']!r}: f{number}" for number, field in enumerate(fields))
    lines += ["if at != len(data): raise Odd", f"return {{{made}}}"]
    code = "def read(data):\n" + "\n".join(f"    {line}" for line in lines)
    space = dict(_IN_CODE)
    exec(code, space)  # noqa: S102  # made of the text above and of names of our schemas
    read = space["read"]
    shapes = Shapes(fields, prefix_bytes, _IN_CODE)
    of_length = shapes.by_length.get
    as_number = int.from_bytes

    def quick(data: bytes) -> dict[str, Any] | None:
        found: dict[str, Any]
        try:
            known = of_length(len(data))
            if known:
                number = as_number(data, "little")
                for mask, pattern, read_shape in known:
                    if number & mask == pattern:
                        found = read_shape(data)
                        return found
            found = read(data)
        except (Odd, IndexError, ValueError, StructError):
            return None
        shapes.missed(data)
        return found

    return quick


def _code(kind: Any) -> str | None:
    match kind:
        case str():
            return _SCALARS.get(kind)
        case {"logicalType": logical}:
            return _SCALARS.get(logical)
        case {"type": "array", "items": items}:
            name = items.get("logicalType") if isinstance(items, dict) else items
            code = _ITEMS.get(tuple(name) if isinstance(name, list) else name)
            return code and _ARRAY.replace("{items}", _indented(code))
        case ["null", option]:
            code = _code(option)
            return code and _OPTION.replace("{value}", _indented(code))
        case _:
            return None
