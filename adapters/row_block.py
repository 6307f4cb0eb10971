"""Rows of one type by columns, as they are read from many records at once: see `projections.ports.RowBlock`."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from projections.projection import Row


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Rows; each column is a list, or an array: of two dimensions where each value is a list."""

    row_type: type[Row]
    columns: tuple[Any, ...]

    def rows(self) -> list[Row]:
        """Return them one by one."""
        columns = [each.tolist() if isinstance(each, np.ndarray) else each for each in self.columns]
        return [self.row_type(*values) for values in zip(*columns, strict=True)]

    def without(self, vehicle_ids: Collection[UUID]) -> "RowBlock":
        """Return those of other vehicles."""
        others = [place for place, each in enumerate(self.columns[0]) if each not in vehicle_ids] if vehicle_ids else ()
        if not vehicle_ids or len(others) == len(self.columns[0]):
            return self
        columns = (each[others] if isinstance(each, np.ndarray) else [each[o] for o in others] for each in self.columns)
        return RowBlock(self.row_type, tuple(columns))
