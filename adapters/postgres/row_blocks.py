"""Rows by columns as a query that gives them: see `projections.ports.RowBlock`.

The lists of a column are sent as one array, of which each row takes its part: the server is done with that in half the
time that a list for each row takes it.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from adapters.postgres.arrays import ArrayParameter, ElementType, ItemType, elements, joined, list_elements
from adapters.row_block import Lists


def query_of(columns: Mapping[str, tuple[str, Any]]) -> tuple[str, list[ArrayParameter]]:
    """Return a query that gives rows, and its parameters; `columns` are type and values of each by its name."""
    chosen: list[str] = []
    parts: list[ArrayParameter] = []
    names: list[str] = []
    sent: list[str] = []
    others: list[ArrayParameter] = []
    ends: dict[bytes, str] = {}  # of columns of lists, by how long they are: the columns that say where each ends

    def send(name: str, kind: str, parameter: ArrayParameter) -> str:
        names.append(f'"{name}"')
        sent.append(f"%b::{kind}[]")
        others.append(parameter)
        return names[-1]

    for name, (kind, values) in columns.items():
        item = kind.removesuffix("[]")
        if isinstance(values, Lists):
            key = values.lengths.tobytes()
            if key not in ends:
                ends[key] = str(len(ends))
                send(f"#length {ends[key]}", "bigint", _column("bigint", values.lengths))
                send(f"#end {ends[key]}", "bigint", _column("bigint", np.cumsum(values.lengths)))
            length, end = (f'"#{what} {ends[key]}"' for what in ("length", "end"))
            if values.items is None:
                chosen.append(f"array_fill(NULL::{item}, ARRAY[{length}::int])")
            else:
                chosen.append(f"(%b::{kind})[{end} - {length} + 1:{end}]")
                parts.append(_column(cast("ElementType", item), values.items))
        elif kind != item:
            lists = joined(None, len(values), list_elements(cast("ItemType", item), values))
            chosen.append(send(name, f"{item.replace(' ', '_')}_items", lists))
        else:
            chosen.append(send(name, kind, _column(cast("ElementType", item), values)))
    source = f"unnest({', '.join(sent)}) AS r ({', '.join(names)})"
    return f"SELECT {', '.join(chosen)} FROM {source}", [*parts, *others]  # noqa: S608  # names only, from row types


def _column(kind: ElementType, values: Any) -> ArrayParameter:
    made = _numbers(kind, values) if isinstance(values, np.ndarray) else elements(kind, values)
    return joined(kind, len(values), made)


def _numbers(kind: str, values: Any) -> bytes:
    """Return what an array of `kind` holds."""
    number = ">i8" if kind == "bigint" else ">f8"
    made = np.empty(len(values), [("length", ">i4"), ("value", number)])
    made["length"], made["value"] = 8, values
    return made.tobytes()
