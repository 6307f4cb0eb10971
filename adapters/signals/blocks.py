"""Reading blocks of a mapping file so that every mistake is refused with its file, line and path."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from adapters.signals.documents import Block
from domain.errors import BadInputError


@dataclass(slots=True)
class BlockReader:
    """Reads the parts of one entry; `line` is where it is at present, for messages (0: not known)."""

    file: str
    path: str  # the VSS path that the entry is about
    line: int

    def block(self, holder: Block, key: str, known: Sequence[str] | None = None) -> Block | None:
        """Return a block, or None where there is none; `known` are the only keys that it may have."""
        if key not in holder:
            return None
        self.at(holder, key)
        block = holder[key]
        if not isinstance(block, Block):
            self.refuse(f"`{key}` is no block", f"give {', '.join(known or ['name: value'])}")
        if known is not None:
            self.check_keys(block, known)
        return block

    def check_keys(self, block: Block, known: Sequence[str]) -> None:
        """Refuse a key that is not known: a slip of the pen would change what a value means."""
        for key in block:
            if key not in known:
                self.at(block, key)
                self.refuse(f"`{key}` is not known here", f"use {', '.join(known)}")

    def items(self, holder: Block, key: str) -> list[Any]:
        """Return a list, empty where there is none."""
        if key not in holder:
            return []
        self.at(holder, key)
        if not isinstance(holder[key], list):
            self.refuse(f"`{key}` is no list", "give [ … ]")
        items: list[Any] = holder[key]
        return items

    def numbers(self, holder: Block, key: str) -> tuple[float, ...]:
        """Return a list of numbers, empty where there is none."""
        items = self.items(holder, key)
        if not all(map(is_number, items)):
            self.refuse(f"`{key}` is {items!r}", "give numbers")
        return tuple(items)

    def markers(self, holder: Block, key: str) -> tuple[float | str, ...]:
        """Return a list of raw values: numbers, or texts of a value table."""
        items = self.items(holder, key)
        if not all(isinstance(item, str) or is_number(item) for item in items):
            self.refuse(f"`{key}` is {items!r}", "give raw values, or texts of the value table")
        return tuple(items)

    def whole(self, holder: Block, key: str, default: int | None = None) -> int:
        """Return a whole number of 0 or more; without a default it must be there."""
        if key in holder:
            self.at(holder, key)
        elif default is None:
            self.refuse(f"`{key}` is missing", "give it as a whole number, 0x for hexadecimal")
        value = holder.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.refuse(f"`{key}` is {value!r}", "give a whole number of 0 or more, 0x for hexadecimal")
        return value

    def whole_or_none(self, holder: Block, key: str) -> int | None:
        """Return a whole number of 0 or more, or None where there is none."""
        return self.whole(holder, key) if key in holder else None

    def at(self, holder: Block, key: str) -> None:
        """Note where a message would point."""
        self.line = holder.line(key) or self.line

    def refuse(self, what: str, remedy: str) -> NoReturn:
        """Raise BadInputError for what is being read."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        raise BadInputError(what, where=f"{where}, {self.path}", remedy=remedy)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; a truth is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
