"""What fits a schema type, exactly.

fastavro writes what does not fit without a word: 1.5 as the long 1, true as 1, 2**31 as an int that is negative, 2**63
in a union as a double. An event that did not come back as it was would let a vehicle loaded from the log decide
otherwise than one that was never away; hence the type of every value must be the one that the schema will give back.
A double must be finite: neither JSON nor GraphQL has a word for the others, and a value that is not known is null.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final
from uuid import UUID

Fits = Callable[[Any], bool]
_Branches = Mapping[
    type, Fits | None
]  # the Python types that a schema type stands for, and what else must hold of a value

_BRANCHES: Final[dict[str, tuple[type, Fits | None]]] = {
    "null": (type(None), None),
    "boolean": (bool, None),
    "int": (int, lambda value: -(2**31) <= value < 2**31),
    "long": (int, lambda value: -(2**63) <= value < 2**63),
    "double": (float, isfinite),
    "string": (str, None),
    "uuid": (UUID, None),
}


def fits(avro_type: Any) -> Fits:
    """Return the check whether a value fits a type of a schema."""
    match avro_type:
        case {"type": "array", "items": items}:
            return _array(_branches(items))
        case {"type": "map", "values": values}:
            return _map(_array(_branches(values)))
        case _:
            return _scalar(_branches(avro_type))


def _branches(avro_type: Any) -> _Branches:
    match avro_type:
        case list():
            return dict(_BRANCHES[_name(branch)] for branch in avro_type)
        case _:
            return dict([_BRANCHES[_name(avro_type)]])


def _name(avro_type: Any) -> str:
    """Return the name of a type without parts: "uuid" for a string of that logical type, "long" for a time."""
    match avro_type:
        case {"logicalType": "uuid"}:
            return "uuid"
        case {"type": str(name)} | str(name):
            return name
        case _:
            raise TypeError(f"no event has a field of the type {avro_type}")


def _scalar(branches: _Branches) -> Fits:
    if len(branches) > 1:
        return lambda value: type(value) in branches and ((check := branches[type(value)]) is None or check(value))
    ((only, check),) = branches.items()
    if check is None:
        return lambda value: type(value) is only
    return lambda value: type(value) is only and check(value)


def _array(branches: _Branches) -> Fits:
    types = frozenset(branches)
    checks = [(checked, check) for checked, check in branches.items() if check]

    def fit(column: Any) -> bool:
        if type(column) is not list or not types.issuperset(map(type, column)):
            return False
        for checked, check in checks:
            values = column if len(types) == 1 else [value for value in column if type(value) is checked]
            if not all(map(check, values)):
                return False
        return True

    return fit


def _map(fits_values: Fits) -> Fits:
    return lambda value: (
        type(value) is dict and all(type(key) is str for key in value) and fits_values(list(value.values()))
    )
