"""Raw values of a DBC signal to values in its unit, bit for bit as `cantools.database.conversion` gives them."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

import numpy as np
from cantools.database.can import Signal
from numpy.typing import NDArray

from adapters.can.bitfield import BitField

_INT64: Final = np.iinfo(np.int64)
_EXACT_IN_FLOAT64: Final = 1 << 53
_NEAREST_IN_FLOAT64: Final = 1 << 51  # below this a double is near enough to its number to be rounded to a whole one


@dataclass(frozen=True, slots=True)
class Scaling:
    """`raw * scale + offset` in that order, exactly in integers where both are integers and the raw value is one."""

    scale: float
    offset: float
    value_type: type[np.int64 | np.float64 | np.object_]
    identity: bool
    in_python: bool  # with Python's numbers, since a value on the way may not fit 64 bits or would be rounded too early

    @classmethod
    def of(cls, signal: Signal, field: BitField) -> "Scaling":
        """Return the scaling that a DBC file gives a signal."""
        scale, offset = signal.conversion.scale, signal.conversion.offset
        identity = scale == 1 and offset == 0
        if field.is_float or identity:
            return cls(scale, offset, np.float64, identity, in_python=False)
        if float(scale).is_integer() and float(offset).is_integer():
            scale, offset = int(scale), int(offset)
            products = [raw * scale for raw in field.range]
            met = (*field.range, *products, *(product + offset for product in products), scale, offset)
            fits = all(_INT64.min <= number <= _INT64.max for number in met)
            return cls(scale, offset, np.int64 if fits else np.object_, identity, in_python=not fits)
        # A whole scale keeps the product exact until the offset is added; doubles can do that below 2**53 only.
        late = isinstance(scale, int) and any(abs(raw * scale) > _EXACT_IN_FLOAT64 for raw in field.range)
        return cls(scale, offset, np.float64, identity, in_python=late or field.length > 64)

    def values(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Return the values of raw values [k], as int64, float64 or object (int) [k]."""
        if self.identity:
            return raw
        if self.in_python:
            return (raw.astype(object) * self.scale + self.offset).astype(self.value_type)
        scaled = raw * (self.scale if self.value_type is np.int64 else float(self.scale))
        if self.offset or self.scale < 0 or raw.dtype == np.float64:  # even 0 matters: it makes minus zero plus zero
            scaled += self.offset
        return scaled

    def raw(self, values: NDArray[Any], field: BitField) -> NDArray[Any]:
        """Return the raw values [k] nearest to values in the signal's unit: float64, or object (int) where that rounds.

        They are whole for an integer field, whether or not they fit it. Raises ValueError, OverflowError at a value
        that is no number and would have to be whole.
        """
        if field.is_float:
            return (
                values.astype(np.float64) if self.identity else (values.astype(np.float64) - self.offset) / self.scale
            )
        if _rounds_in_float64(self.scale, self.offset, field):
            return np.rint((values.astype(np.float64) - self.offset) / self.scale)
        scale, offset = Fraction(self.scale), Fraction(self.offset)
        exact = np.empty(len(values), dtype=object)
        exact[:] = [round((Fraction(value) - offset) / scale) for value in values.tolist()]
        return exact


@lru_cache(maxsize=4096)
def _rounds_in_float64(scale: float, offset: float, field: BitField) -> bool:
    """Return whether doubles find the raw value nearest to any value of a field."""
    shift = abs(Fraction(offset) / Fraction(scale))
    return max(map(abs, field.range)) + shift < _NEAREST_IN_FLOAT64
