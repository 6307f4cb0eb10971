"""Rows of one type by columns, as they are read from many records at once: see `projections.ports.RowBlock`."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from projections.projection import Row


@dataclass(frozen=True, slots=True)
class Lists:
    """A column of lists: the items of all of them, one list after another; none: they are nulls."""

    lengths: NDArray[np.int64]
    items: NDArray[Any] | None

    def tolist(self) -> list[list[Any]]:
        """Return them one by one."""
        if self.items is None:
            return [[None] * length for length in self.lengths.tolist()]
        ends = np.cumsum(self.lengths)
        items = self.items.tolist()
        return [items[end - length : end] for end, length in zip(ends.tolist(), self.lengths.tolist(), strict=True)]

    def __getitem__(self, places: list[int]) -> "Lists":
        chosen = np.zeros(len(self.lengths), bool)
        chosen[places] = True
        items = None if self.items is None else self.items[np.repeat(chosen, self.lengths)]
        return Lists(self.lengths[chosen], items)


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Rows; each column is a list, an array, or lists of numbers."""

    row_type: type[Row]
    columns: tuple[Any, ...]

    def rows(self) -> list[Row]:
        """Return them one by one."""
        columns = [column if isinstance(column, list) else column.tolist() for column in self.columns]
        return [self.row_type(*values) for values in zip(*columns, strict=True)]

    def without(self, vehicle_ids: Collection[UUID]) -> "RowBlock":
        """Return those of other vehicles."""
        others = [place for place, each in enumerate(self.columns[0]) if each not in vehicle_ids] if vehicle_ids else ()
        if not vehicle_ids or len(others) == len(self.columns[0]):
            return self
        columns = ([each[o] for o in others] if isinstance(each, list) else each[others] for each in self.columns)
        return RowBlock(self.row_type, tuple(columns))
