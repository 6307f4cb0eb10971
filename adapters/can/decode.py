"""Selected signals of a DBC file, decoded from blocks of frames a column at a time.

Values equal those of cantools bit for bit: integers stay exact where scale and offset are integers, everything else is
the double `raw * scale + offset` in that order. Differences, all on purpose: an unknown multiplexer value or a short
frame costs only the signals that it concerns, overlapping signals are all decoded, and a multiplexer is compared by its
raw value.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from cantools.database.can import Message, Signal
from numpy.typing import NDArray

from adapters.can.bitfield import BitField, Words
from adapters.can.dbc import Dbc, SignalRef
from adapters.can.frames import FrameBlock
from adapters.can.id_index import IdIndex
from adapters.can.scaling import Scaling


class DecodedColumn(NamedTuple):
    """All values of one signal in a block: `rows` int64[k], ascending indexes into the block.

    A block has at most one column of a signal, also where a DBC file gives several identifiers to a message name.
    `raw` int64[k] (uint64 or object where that is too small, float64 for a float signal); `values` [k] int64, float64,
    uint64 or object (int), in the unit of the DBC file.
    """

    message: str
    signal: str
    rows: NDArray[np.int64]
    raw: NDArray[Any]
    values: NDArray[Any]


class DecodedBlock(NamedTuple):
    """What a decoder found in a block: `frames` of its messages, and how many of them were too short for a signal.

    Too short for a multiplexer is too short for every signal behind it.
    """

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
        self._names_are_shared = len({dbc.messages[can_id].name for can_id in plans}) < len(plans)
        self._index = IdIndex(plans)

    def decode(self, block: FrameBlock) -> DecodedBlock:
        """Return the columns of every selected signal that occurs in the block."""
        decoded = DecodedBlock([], 0, {})
        rows, bounds = self._index.group(block.can_id, None if self._bus is None else block.bus == self._bus)
        if not len(rows):
            return decoded
        lengths = block.length[rows]
        shortest = int(lengths.min())
        with np.errstate(all="ignore"):  # overflow to infinity and not-a-number are values of float signals
            for plan, (first, end) in zip(self._plans, pairwise(bounds), strict=True):
                if first != end:
                    frames = _Frames(Words(block.data, rows[first:end]), lengths[first:end])
                    plan.decode(frames, shortest, decoded)
        columns = _merged(decoded.columns) if self._names_are_shared else decoded.columns
        return DecodedBlock(columns, len(rows), decoded.too_short)


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
        return cls(BitField.of(multiplexer), tuple(sorted(set(signal.multiplexer_ids))), cls.of(message, multiplexer))

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

    needed_bytes: int
    groups: tuple[tuple[_Condition | None, tuple[_SignalPlan, ...]], ...]

    @classmethod
    def of(cls, message: Message, signals: Iterable[Signal]) -> "_MessagePlan":
        groups: dict[_Condition | None, list[_SignalPlan]] = defaultdict(list)
        for signal in signals:
            condition, field = _Condition.of(message, signal), BitField.of(signal)
            needed_bytes = max(field.needed_bytes, condition.needed_bytes if condition else 0)
            ref = SignalRef(message.name, signal.name)
            groups[condition].append(_SignalPlan(ref, field, Scaling.of(signal, field), needed_bytes))
        needed_bytes = max(plan.needed_bytes for plans in groups.values() for plan in plans)
        return cls(needed_bytes, tuple((condition, tuple(plans)) for condition, plans in groups.items()))

    def decode(self, frames: "_Frames", shortest: int, into: DecodedBlock) -> None:
        """Add this message's columns to `into`; `shortest` is a lower bound of the lengths of its `frames`."""
        if shortest < self.needed_bytes:
            shortest = int(frames.lengths.min())
        for condition, plans in self.groups:
            sent, too_short = frames, 0
            if condition is not None:
                if shortest < condition.needed_bytes:  # what these frames carry is not known
                    sent = frames.of_length(condition.needed_bytes)
                    too_short = len(frames.lengths) - len(sent.lengths)
                sent = sent.where(condition.met(sent.words)) if len(sent.lengths) else sent
            for plan in plans:
                held = sent if shortest >= plan.needed_bytes else sent.of_length(plan.needed_bytes)
                if len(held.lengths):
                    raw = plan.field.read(held.words)
                    into.columns.append(DecodedColumn(*plan.ref, held.words.rows, raw, plan.scaling.values(raw)))
                if missing := too_short + len(sent.lengths) - len(held.lengths):
                    into.too_short[plan.ref] = into.too_short.get(plan.ref, 0) + missing


class _Frames(NamedTuple):
    """The frames of one message in a block."""

    words: Words
    lengths: NDArray[np.uint8]

    def where(self, mask: NDArray[np.bool_]) -> "_Frames":
        return _Frames(self.words.select(mask), self.lengths[mask])

    def of_length(self, least: int) -> "_Frames":
        return self.where(self.lengths >= least)


def _merged(columns: list[DecodedColumn]) -> list[DecodedColumn]:
    """Return one column for each signal, its rows in order."""
    by_ref: dict[tuple[str, str], list[DecodedColumn]] = defaultdict(list)
    for column in columns:
        by_ref[column[:2]].append(column)
    merged = []
    for (message, signal), parts in by_ref.items():
        rows = np.concatenate([part.rows for part in parts])
        order = np.argsort(rows)
        raw, values = (np.concatenate(some)[order] for some in zip(*(part[3:] for part in parts), strict=True))
        merged.append(DecodedColumn(message, signal, rows[order], raw, values))
    return merged
