"""Arrays of numpy as parts of PostgreSQL arrays: see `adapters.postgres.arrays`."""

from typing import Any

import numpy as np

from adapters.postgres.arrays import ElementType, ItemType, elements, list_elements, of_length


def number_elements(kind: ElementType, values: Any) -> bytes:
    """Return a part of what an array of `kind` holds; values that are no array of numpy's are made one by one."""
    if not isinstance(values, np.ndarray):
        return elements(kind, values)
    made = np.empty(len(values), _number(kind))
    made["length"], made["value"] = 8, values
    return made.tobytes()


def number_list_elements(kind: ItemType, values: Any) -> bytes:
    """Return a part of what an array of lists holds, which have one length each; of objects: of nulls."""
    if not isinstance(values, np.ndarray):
        return list_elements(kind, values)
    if values.dtype == object:
        return list_elements(kind, [[None] * values.shape[1]]) * len(values)
    head, _ = of_length(kind, values.shape[1])
    made = np.empty(len(values), [("head", f"V{len(head)}"), ("items", _number(kind), values.shape[1:])])
    made["head"] = np.void(head)
    made["items"]["length"], made["items"]["value"] = 8, values
    return made.tobytes()


def _number(kind: str) -> "np.dtype[Any]":
    return np.dtype([("length", ">i4"), ("value", ">i8" if kind == "bigint" else ">f8")])
