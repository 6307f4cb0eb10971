"""Values of a DBC message's signals to payloads, a column at a time: the inverse of `decode`.

A value becomes the nearest raw value. A signal that is not given is raw 0, and one behind a multiplexer is written only
into the payloads whose multiplexer selects it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from cantools.database.can import Message, Signal
from numpy.typing import ArrayLike, NDArray

from adapters.can.bitfield import BitField
from adapters.can.scaling import Scaling


@dataclass(frozen=True, slots=True)
class _SignalPlan:
    message: str
    signal: str
    field: BitField
    scaling: Scaling
    multiplexer: str | None
    multiplexer_ids: tuple[int, ...]

    @classmethod
    def of(cls, message: Message, signal: Signal) -> "_SignalPlan":
        field = BitField.of(signal)
        ids = tuple(signal.multiplexer_ids or ())
        return cls(message.name, signal.name, field, Scaling.of(signal, field), signal.multiplexer_signal, ids)

    def raw(self, values: NDArray[Any], *, scaled: bool) -> NDArray[Any]:
        """Return raw values that fit the field; raises ValueError naming the first value that does not."""
        if scaled:
            try:
                raw = self.scaling.raw(values, self.field)
            except (ValueError, OverflowError):
                raise self._unfit(next(value for value in values.tolist() if not _is_finite(value))) from None
        else:
            raw = values.astype(object) if self.field.length > 53 and not self.field.is_float else values
        if self.field.is_float:
            return self._checked_float(raw, values)
        low, high = self.field.range
        with np.errstate(invalid="ignore"):
            fits = (raw >= low) & (raw <= high)
            if raw.dtype.kind == "f" and not scaled:
                fits &= raw == np.rint(raw)
        if not fits.all():
            raise self._unfit(values[int(np.argmin(fits))])
        return raw

    def _checked_float(self, raw: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        if self.field.length < 64:
            with np.errstate(over="ignore"):
                held = raw.astype(np.float32 if self.field.length == 32 else np.float16)
            lost = np.isinf(held) & np.isfinite(raw)
            if lost.any():
                raise self._unfit(values[int(np.argmax(lost))])
        return raw

    def _unfit(self, value: Any) -> ValueError:
        return ValueError(f"{self.message}.{self.signal}: {value} does not fit its {self.field.length} bits")


class Encoder:
    """Makes the payloads of one message."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self._plans = {signal.name: _SignalPlan.of(message, signal) for signal in message.signals}

    def encode(self, values: Mapping[str, ArrayLike], count: int, *, scaled: bool = True) -> NDArray[np.uint8]:
        """Return `count` payloads, uint8[count, length], with `values` [count] by signal; one value stands for all.

        Values are in the unit of the DBC file, or raw ones unless they are `scaled`. Raises KeyError at a signal that
        the message does not have, ValueError naming message, signal and value where one does not fit its field.
        """
        raws: dict[str, NDArray[Any]] = {}
        for name, given in values.items():
            plan = self._plans[name]
            if plan.field.needed_bytes > self.message.length:
                raise ValueError(f"{plan.message}.{name}: lies beyond the {self.message.length} bytes of its message")
            raws[name] = plan.raw(np.atleast_1d(np.asarray(given)), scaled=scaled)
        # What is the same in all payloads is written once.
        constant = [name for name, raw in raws.items() if len(raw) == 1 and self._plans[name].multiplexer is None]
        payload = np.zeros((1, self.message.length), np.uint8)
        for name in constant:
            self._plans[name].field.write(raws[name], payload)
        data = np.repeat(payload, count, axis=0)
        for name, raw in raws.items():
            if name in constant:
                continue
            plan = self._plans[name]
            sent = self._sent(plan, raws)
            rows = None if sent is None else np.broadcast_to(sent, count)
            plan.field.write(raw if len(raw) == count else np.broadcast_to(raw, count), data, rows)
        return data

    def _sent(self, plan: _SignalPlan, raws: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_] | None:
        """Return the payloads whose multiplexers select a signal, None for all."""
        if plan.multiplexer is None:
            return None
        sent: NDArray[np.bool_] = np.isin(raws.get(plan.multiplexer, np.zeros(1, np.int64)), plan.multiplexer_ids)
        parent = self._sent(self._plans[plan.multiplexer], raws)
        return sent if parent is None else sent & parent


def _is_finite(value: float) -> bool:
    return value - value == 0  # of whole numbers of any size as well
