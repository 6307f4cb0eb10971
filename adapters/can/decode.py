"""Selected signals of a DBC file, decoded from blocks of frames a column at a time.

Values equal those of cantools bit for bit: integers stay exact where scale and offset are integers, everything else is
the double `raw * scale + offset` in that order. Differences, all on purpose: an unknown multiplexer value or a short
frame costs only the signals that it concerns, overlapping signals are all decoded, and a multiplexer is compared by its
raw value.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from cantools.database.can import Message, Signal
from numpy.typing import NDArray

from adapters.can.bitfield import BitField, Words
from adapters.can.dbc import Dbc, SignalRef
from adapters.can.frames import FrameBlock
from adapters.can.id_index import IdIndex
from adapters.can.scaling import Scaling


@dataclass(frozen=True, slots=True)
class DecodedColumn:
    """All values of one signal in a block: `rows` int64[k], ascending indexes into the block.

    A message name that the DBC file gives to several identifiers has a column for each.
    `raw` int64[k] (uint64 or object where that is too small, float64 for a float signal); `values` [k] int64, float64,
    uint64 or object (int), in the unit of the DBC file.
    """

    message: str
    signal: str
    rows: NDArray[np.int64]
    raw: NDArray[Any]
    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class DecodedBlock:
    """What a decoder found in a block: `frames` of its messages, and how many frames were too short for a signal."""

    columns: list[DecodedColumn]
    frames: int
    too_short: dict[SignalRef, int]


class Decoder:
    """The decoder of selected signals; `bus` restricts it to one bus of the recording."""

    def __init__(self, dbc: Dbc, refs: Iterable[SignalRef], *, bus: int | None = None) -> None:
        self._bus = bus
        wanted = set(refs)
        assert all(dbc.refs(ref.signal, ref.message) for ref in wanted)
        plans: dict[int, _MessagePlan] = {}
        for can_id, message in dbc.messages.items():
            chosen = [signal for signal in message.signals if SignalRef(message.name, signal.name) in wanted]
            if chosen:
                plans[can_id] = _MessagePlan.of(message, chosen)
        self._plans = list(plans.values())
        self._index = IdIndex(plans)

    def decode(self, block: FrameBlock) -> DecodedBlock:
        """Return the columns of every selected signal that occurs in the block."""
        decoded = DecodedBlock([], 0, {})
        rows, bounds = self._index.group(block.can_id, None if self._bus is None else block.bus == self._bus)
        if not len(rows):
            return decoded
        lengths = block.length[rows]
        with np.errstate(all="ignore"):  # overflow to infinity and not-a-number are values of float signals
            for plan, first, end in zip(self._plans, bounds, bounds[1:], strict=False):
                if first != end:
                    plan.decode(Words(block.data, rows[first:end]), lengths[first:end], decoded)
        return DecodedBlock(decoded.columns, len(rows), decoded.too_short)


@dataclass(frozen=True, slots=True)
class _Condition:
    """A signal is in a frame if the raw value of `multiplexer` is one of `ids`, and the multiplexer itself is in it."""

    multiplexer: BitField
    ids: tuple[int, ...]
    parent: "_Condition | None"

    @classmethod
    def of(cls, message: Message, signal: Signal) -> "_Condition | None":
        if signal.multiplexer_signal is None or signal.multiplexer_ids is None:
            return None
        multiplexer = message.get_signal_by_name(signal.multiplexer_signal)
        return cls(_field(multiplexer), tuple(sorted(set(signal.multiplexer_ids))), cls.of(message, multiplexer))

    @property
    def needed_bytes(self) -> int:
        return max(self.multiplexer.needed_bytes, self.parent.needed_bytes if self.parent else 0)

    def met(self, words: Words) -> NDArray[np.bool_]:
        raw = self.multiplexer.read(words)
        met: NDArray[np.bool_] = raw == self.ids[0] if len(self.ids) == 1 else np.isin(raw, self.ids)
        return met & self.parent.met(words) if self.parent else met


@dataclass(frozen=True, slots=True)
class _SignalPlan:
    ref: SignalRef
    field: BitField
    scaling: Scaling
    needed_bytes: int


@dataclass(frozen=True, slots=True)
class _MessagePlan:
    """The selected signals of one message, those with the same multiplexer condition together."""

    groups: tuple[tuple[_Condition | None, tuple[_SignalPlan, ...]], ...]

    @classmethod
    def of(cls, message: Message, signals: Iterable[Signal]) -> "_MessagePlan":
        groups: dict[_Condition | None, list[_SignalPlan]] = defaultdict(list)
        for signal in signals:
            condition, field = _Condition.of(message, signal), _field(signal)
            needed_bytes = max(field.needed_bytes, condition.needed_bytes if condition else 0)
            ref = SignalRef(message.name, signal.name)
            groups[condition].append(_SignalPlan(ref, field, Scaling.of(signal, field), needed_bytes))
        return cls(tuple((condition, tuple(plans)) for condition, plans in groups.items()))

    def decode(self, words: Words, lengths: NDArray[np.uint8], into: DecodedBlock) -> None:
        """Add this message's columns to `into`; `words` and `lengths` are those of its frames only."""
        for condition, plans in self.groups:
            chosen, chosen_lengths = words, lengths
            if condition is not None:
                met = condition.met(words)
                chosen, chosen_lengths = words.select(met), lengths[met]
            if not len(chosen_lengths):
                continue
            shortest = int(chosen_lengths.min())
            for plan in plans:
                held = chosen
                if shortest < plan.needed_bytes:
                    long_enough = chosen_lengths >= plan.needed_bytes
                    held = chosen.select(long_enough)
                    into.too_short[plan.ref] = into.too_short.get(plan.ref, 0) + len(long_enough) - len(held.rows)
                    if not len(held.rows):
                        continue
                raw = plan.field.read(held)
                into.columns.append(DecodedColumn(*plan.ref, held.rows, raw, plan.scaling.values(raw)))


def _field(signal: Signal) -> BitField:
    return BitField(
        signal.start, signal.length, signal.byte_order == "big_endian", signal.is_signed, signal.conversion.is_float
    )
