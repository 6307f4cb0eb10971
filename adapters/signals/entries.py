"""One entry of a mapping file: the `dbc2vss` block of KUKSA's CAN provider, and our own `x-fleettwin` block."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.signals.apply import OWN_NAME
from adapters.signals.blocks import BlockReader, is_number
from adapters.signals.catalogue import FLOATS, INTEGER_LIMITS, Catalogue, VssFact
from adapters.signals.documents import Block
from adapters.signals.rules import (
    HEARTBEAT_US,
    ByteField,
    ChangeRule,
    DbcSource,
    ObdSource,
    RowSource,
    SignalRule,
    Source,
    UdsSource,
    UdsTextSource,
)
from adapters.signals.transforms import read_transform

OWN_BLOCK: Final = "x-fleettwin"
DBC_BLOCKS: Final = ("dbc2vss", "dbc")  # the second name is KUKSA's older one for the same

SAMPLED: Final = ("boolean", "string", *FLOATS, *INTEGER_LIMITS)  # data types that a sample can have

_DBC_KEYS: Final = ("signal", "message", "interval_ms", "on_change", "transform", "multiplexer")
_SOURCE_KEYS: Final = (
    *("obd2", "uds", "row"),
    *("bus", "inputs", "available_when", "valid_when"),
    *("unit", "row_unit", "transform", "not_available", "invalid"),
)
_CHANGE_KEYS: Final = ("deadband", "heartbeat_ms", "landmarks", "valid", "fallback")
_OBD_KEYS: Final = ("pid", "ecu", "first", "bytes", "signed")
_UDS_KEYS: Final = ("did", "request_id", "response_id", "first", "bytes", "signed", "text")
_UDS_TEXT_KEYS: Final = ("did", "request_id", "response_id", "first", "text")
_TEXT: Final = "utf-8"  # the only encoding that is read


@dataclass(frozen=True, slots=True)
class EntryReader:
    """Reads the entries of one mapping file."""

    file: str
    catalogue: Catalogue
    heartbeat_us: int = HEARTBEAT_US

    def read(self, path: str, node: Block, line: int) -> tuple[list[SignalRule], ChangeRule] | None:
        """Return the rules of a path, preferred source first, and which of its changes are told; None: not mapped."""
        if not any(block in node for block in (*DBC_BLOCKS, OWN_BLOCK)):
            return None
        fact = self.catalogue.fact(path, where=f"{self.file}:{line}" if line else self.file)
        at = BlockReader(self.file, path, line)
        if fact.datatype not in SAMPLED:
            at.refuse(f"a {fact.datatype} has no samples", f"map to a path of {', '.join(SAMPLED)}")
        return _Entry(self, at, fact).read(node)


@dataclass(slots=True)
class _Entry:
    reader: EntryReader
    at: BlockReader
    fact: VssFact

    def read(self, node: Block) -> tuple[list[SignalRule], ChangeRule]:
        self._check_declared(node)
        own = self.at.block(node, OWN_BLOCK, (*_SOURCE_KEYS, *_CHANGE_KEYS)) or Block()
        dbc = self._dbc(node)
        low, high = self._range(own)
        sources = [(dbc, own), *self._fallbacks(own)]
        rules = [self._rule(dbc, own, rank, low, high) for rank, (dbc, own) in enumerate(sources)]
        return rules, self._change(own, dbc)

    def _check_declared(self, node: Block) -> None:
        """Refuse a mapping that was written for another VSS: its values would be of another type or unit."""
        for key, known in (("datatype", self.fact.datatype), ("unit", self.fact.unit)):
            if key in node and str(node[key]) != str(known):
                self.at.at(node, key)
                self.at.refuse(
                    f"{key} {node[key]} is not that of {self.reader.catalogue.source}", f"map to {key} {known}"
                )

    def _dbc(self, node: Block) -> Block | None:
        for name in DBC_BLOCKS:
            if (block := self.at.block(node, name, _DBC_KEYS)) is not None:
                return block
        return None

    def _fallbacks(self, own: Block) -> Iterator[tuple[Block | None, Block]]:
        for fallback in self.at.items(own, "fallback"):
            if not isinstance(fallback, Block):
                self.at.refuse(
                    "a `fallback` is a block of its own", "give a list of blocks with dbc2vss, obd2, uds or row"
                )
            self.at.check_keys(fallback, (*DBC_BLOCKS, *_SOURCE_KEYS))
            yield self._dbc(fallback), fallback

    def _rule(self, dbc: Block | None, own: Block, rank: int, low: float | None, high: float | None) -> SignalRule:
        source = self._source(dbc, own)
        inputs = {name: str(signal) for name, signal in (self.at.block(own, "inputs") or {}).items()}
        if OWN_NAME in inputs:
            self.at.refuse(f"`{OWN_NAME}` is the source's own value", "give the other signal another name")
        only_when = {str(entry["signal"]): int(entry["value"]) for entry in self._multiplexer(dbc)}
        available_when, valid_when = self._conditions(own, "available_when"), self._conditions(own, "valid_when")
        if (inputs or available_when or valid_when) and not isinstance(source, DbcSource):
            self.at.refuse(
                "`inputs`, `available_when` and `valid_when` name signals of a DBC message", "use them with dbc2vss"
            )
        return SignalRule(
            self.fact.path,
            self.fact.datatype,
            source,
            rank,
            read_transform(self.at, self.fact, own if "transform" in own else dbc or own, own, inputs),
            inputs,
            only_when,
            available_when,
            valid_when,
            self.at.markers(own, "not_available"),
            self.at.markers(own, "invalid"),
            low,
            high,
            self.fact.allowed,
            self._unit(dbc, own),
            None if "row_unit" not in own else str(own["row_unit"]),
        )

    def _unit(self, dbc: Block | None, own: Block) -> str | None:
        """Return the unit of the source's values: that of VSS, or what is converted to it; with `math` nobody knows."""
        if "unit" in own:
            return str(own["unit"])
        transform = (own if "transform" in own else dbc or own).get("transform", {})
        return None if "math" in transform else self.fact.unit

    def _source(self, dbc: Block | None, own: Block) -> Source:
        kinds = [kind for kind in ("obd2", "uds", "row") if kind in own]
        if len(kinds) + (dbc is not None) != 1:
            self.at.refuse("needs exactly one source", "give one of dbc2vss, obd2, uds and row")
        if dbc is not None:
            if not isinstance(dbc.get("signal"), str) or not dbc["signal"]:
                self.at.refuse("dbc2vss has no `signal`", "name the signal of the DBC file")
            message = dbc.get("message")
            return DbcSource(
                None if message is None else str(message), dbc["signal"], self.at.whole_or_none(own, "bus")
            )
        if kinds == ["row"]:
            return RowSource(str(own["row"]))
        keys = _OBD_KEYS if kinds == ["obd2"] else _UDS_KEYS
        block = self.at.block(own, kinds[0], keys) or Block()
        if "text" in block:
            return self._text(block)
        field = ByteField(
            self.at.whole(block, "first", 0), self.at.whole(block, "bytes", 1), bool(block.get("signed", False))
        )
        if kinds == ["obd2"]:
            return ObdSource(self.at.whole(block, "pid"), field, self.at.whole_or_none(block, "ecu"))
        return UdsSource(
            self.at.whole(block, "did"),
            field,
            self.at.whole_or_none(block, "request_id"),
            self.at.whole_or_none(block, "response_id"),
        )

    def _text(self, block: Block) -> UdsTextSource:
        self.at.check_keys(block, _UDS_TEXT_KEYS)
        if block["text"] != _TEXT:
            self.at.at(block, "text")
            self.at.refuse(f"`text` is {block['text']!r}", f"give {_TEXT}")
        return UdsTextSource(
            self.at.whole(block, "did"),
            self.at.whole(block, "first", 0),
            self.at.whole_or_none(block, "request_id"),
            self.at.whole_or_none(block, "response_id"),
        )

    def _conditions(self, own: Block, key: str) -> dict[str, int]:
        block = self.at.block(own, key) or Block()
        return {signal: self.at.whole(block, signal) for signal in block}

    def _multiplexer(self, dbc: Block | None) -> Sequence[Block]:
        entries = [] if dbc is None else self.at.items(dbc, "multiplexer")
        for entry in entries:
            if not isinstance(entry, Block) or "signal" not in entry or not isinstance(entry.get("value"), int):
                self.at.refuse("a `multiplexer` entry needs `signal` and a whole `value`", "give both")
        return entries

    def _change(self, own: Block, dbc: Block | None) -> ChangeRule:
        numeric = self.fact.datatype in FLOATS or self.fact.datatype in INTEGER_LIMITS
        deadband, interval_ms = own.get("deadband", 0), (dbc or Block()).get("interval_ms", 0)
        heartbeat_ms = own.get("heartbeat_ms", self.reader.heartbeat_us // 1000)
        landmarks = self.at.numbers(own, "landmarks")
        for name, value in (("deadband", deadband), ("interval_ms", interval_ms), ("heartbeat_ms", heartbeat_ms)):
            if not is_number(value) or value < 0:
                self.at.refuse(f"`{name}` is {value!r}", "give a number of 0 or more")
        if (deadband or landmarks) and not numeric:
            self.at.refuse(
                f"a {self.fact.datatype} has no deadband", "leave `deadband` and `landmarks` out: every change is told"
            )
        return ChangeRule(
            float(deadband),
            round(heartbeat_ms * 1000),
            round(interval_ms * 1000) if numeric else 0,
            tuple(float(landmark) for landmark in landmarks),
        )

    def _range(self, own: Block) -> tuple[float | None, float | None]:
        low, high = self.fact.limits
        valid = self.at.items(own, "valid")
        if valid:
            if len(valid) != 2 or not all(end is None or is_number(end) for end in valid):  # noqa: PLR2004 - both ends
                self.at.refuse(f"`valid` is {valid!r}", "give [least, greatest] in the unit of VSS, null for no bound")
            low = valid[0] if low is None or (valid[0] is not None and valid[0] > low) else low
            high = valid[1] if high is None or (valid[1] is not None and valid[1] < high) else high
        return low, high
