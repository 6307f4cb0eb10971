"""Rows by columns as a query that gives them: see `projections.ports.RowBlock`.

Lists that have one length are sent as one array, of which each row takes its part: the server is done with that in half
the time that a list for each row takes it.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from adapters.postgres.arrays import ArrayParameter, ElementType, ItemType, array, elements, joined, list_elements


def query_of(columns: Mapping[str, tuple[str, Any]]) -> tuple[str, list[ArrayParameter]]:
    """Return a query that gives rows, and its parameters; `columns` are type and values of each by its name.

    Values are a list, or an array: of two dimensions where each is a list; of objects where each is a list of nulls.
    """
    chosen: list[str] = []
    lists: list[ArrayParameter] = []
    names: list[str] = []
    sent: list[str] = []
    others: list[ArrayParameter] = []
    for name, (kind, values) in columns.items():
        item = cast("ElementType", kind.removesuffix("[]"))
        if kind != item and isinstance(values, np.ndarray):
            count = values.shape[1]
            if values.dtype == object:
                chosen.append(f"%b::{kind}")
                lists.append(array(item, [None] * count))
            else:
                chosen.append(f'(%b::{kind})[("#" - 1) * {count} + 1:"#" * {count}]')
                lists.append(joined(item, values.size, _numbers(item, values.reshape(-1))))
            continue
        chosen.append(f'"{name}"')
        names.append(f'"{name}"')
        if kind != item:
            sent.append(f"%b::{item.replace(' ', '_')}_items[]")
            others.append(joined(None, len(values), list_elements(cast("ItemType", item), values)))
        else:
            sent.append(f"%b::{kind}[]")
            others.append(joined(item, len(values), _elements(item, values)))
    source = f'unnest({", ".join(sent)}) WITH ORDINALITY AS r ({", ".join(names)}, "#")'
    return f"SELECT {', '.join(chosen)} FROM {source}", [*lists, *others]  # noqa: S608  # names only, from row types


def _elements(kind: ElementType, values: Any) -> bytes:
    return _numbers(kind, values) if isinstance(values, np.ndarray) else elements(kind, values)


def _numbers(kind: str, values: Any) -> bytes:
    """Return what an array of `kind` holds."""
    number = ">i8" if kind == "bigint" else ">f8"
    made = np.empty(len(values), [("length", ">i4"), ("value", number)])
    made["length"], made["value"] = 8, values
    return made.tobytes()
