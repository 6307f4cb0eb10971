"""One entry of a mapping file: the `dbc2vss` block of KUKSA's CAN provider, and our own `x-fleettwin` block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from adapters.signals.apply import OWN_NAME
from adapters.signals.catalogue import FLOATS, INTEGER_LIMITS, Catalogue, VssFact
from adapters.signals.documents import Block
from adapters.signals.expressions import FormulaError, compiled
from adapters.signals.rules import (
    HEARTBEAT_US,
    ByteField,
    ChangeRule,
    DbcSource,
    ObdSource,
    RowSource,
    SignalRule,
    Source,
    TableEntry,
    Transform,
    UdsSource,
)
from adapters.signals.units import conversion, convertible_to
from domain.errors import BadInputError

OWN_BLOCK: Final = "x-fleettwin"
DBC_BLOCKS: Final = ("dbc2vss", "dbc")  # the second name is KUKSA's older one for the same

_DBC_KEYS: Final = ("signal", "message", "interval_ms", "on_change", "transform", "multiplexer")
_SOURCE_KEYS: Final = (
    *("obd2", "uds", "row"),
    *("bus", "inputs", "available_when", "valid_when"),
    *("unit", "transform", "not_available", "invalid"),
)
_CHANGE_KEYS: Final = ("deadband", "heartbeat_ms", "landmarks", "valid", "fallback")
_OBD_KEYS: Final = ("pid", "ecu", "first", "bytes", "signed")
_UDS_KEYS: Final = ("did", "request_id", "response_id", "first", "bytes", "signed")

Number = int | float


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
        entry = _Entry(self, path, self.catalogue.fact(path, where=self._place(line)), line)
        return entry.read(node)

    def _place(self, line: int) -> str:
        return f"{self.file}:{line}" if line else self.file


@dataclass(slots=True)
class _Entry:
    reader: EntryReader
    path: str
    fact: VssFact
    line: int  # of what is being read, for error messages

    def read(self, node: Block) -> tuple[list[SignalRule], ChangeRule]:
        self._check_declared(node)
        own = self._block(node, OWN_BLOCK, (*_SOURCE_KEYS, *_CHANGE_KEYS)) or Block()
        dbc = self._dbc(node)
        low, high = self._range(own)
        sources = [(dbc, own), *self._fallbacks(own)]
        rules = [self._rule(dbc, own, rank, low, high) for rank, (dbc, own) in enumerate(sources)]
        return rules, self._change(own, dbc)

    # ------------------------------------------------------------------------------------------------ parts of an entry
    def _check_declared(self, node: Block) -> None:
        """Refuse a mapping that was written for another VSS: its values would be of another type or unit."""
        for key, known in (("datatype", self.fact.datatype), ("unit", self.fact.unit)):
            if key in node and str(node[key]) != str(known):
                self._at(node, key)
                self._refuse(
                    f"{key} {node[key]} is not that of {self.reader.catalogue.source}", f"map to {key} {known}"
                )

    def _dbc(self, node: Block) -> Block | None:
        for name in DBC_BLOCKS:
            if (block := self._block(node, name, _DBC_KEYS)) is not None:
                return block
        return None

    def _fallbacks(self, own: Block) -> Iterator[tuple[Block | None, Block]]:
        for fallback in self._list(own, "fallback"):
            if not isinstance(fallback, Block):
                self._refuse(
                    "a `fallback` is a block of its own", "give a list of blocks with dbc2vss, obd2, uds or row"
                )
            self._known(fallback, (*DBC_BLOCKS, *_SOURCE_KEYS))
            yield self._dbc(fallback), fallback

    def _rule(self, dbc: Block | None, own: Block, rank: int, low: float | None, high: float | None) -> SignalRule:
        source = self._source(dbc, own)
        inputs = {name: str(signal) for name, signal in (self._block(own, "inputs") or {}).items()}
        only_when = {str(entry["signal"]): int(entry["value"]) for entry in self._multiplexer(dbc)}
        available_when, valid_when = self._conditions(own, "available_when"), self._conditions(own, "valid_when")
        if (inputs or available_when or valid_when) and not isinstance(source, DbcSource):
            self._refuse(
                "`inputs`, `available_when` and `valid_when` name signals of a DBC message", "use them with dbc2vss"
            )
        return SignalRule(
            self.path,
            self.fact.datatype,
            source,
            rank,
            self._transform(own if "transform" in own else dbc or own, own, inputs),
            inputs,
            only_when,
            available_when,
            valid_when,
            tuple(self._list(own, "not_available")),
            tuple(self._list(own, "invalid")),
            low,
            high,
            self.fact.allowed,
        )

    def _source(self, dbc: Block | None, own: Block) -> Source:
        kinds = [kind for kind in ("obd2", "uds", "row") if kind in own]
        if len(kinds) + (dbc is not None) != 1:
            self._refuse("needs exactly one source", "give one of dbc2vss, obd2, uds and row")
        if dbc is not None:
            if not isinstance(dbc.get("signal"), str) or not dbc["signal"]:
                self._refuse("dbc2vss has no `signal`", "name the signal of the DBC file")
            message = dbc.get("message")
            return DbcSource(None if message is None else str(message), dbc["signal"], own.get("bus"))
        if kinds == ["row"]:
            return RowSource(str(own["row"]))
        keys = _OBD_KEYS if kinds == ["obd2"] else _UDS_KEYS
        block = self._block(own, kinds[0], keys) or Block()
        field = ByteField(
            self._number(block, "first", 0), self._number(block, "bytes", 1), bool(block.get("signed", False))
        )
        if kinds == ["obd2"]:
            return ObdSource(self._number(block, "pid"), field, self._number(block, "ecu", None))
        return UdsSource(
            self._number(block, "did"),
            field,
            self._number(block, "request_id", None),
            self._number(block, "response_id", None),
        )

    def _conditions(self, own: Block, key: str) -> dict[str, int]:
        return {signal: self._whole(value, key) for signal, value in (self._block(own, key) or Block()).items()}

    def _multiplexer(self, dbc: Block | None) -> Sequence[Block]:
        entries = [] if dbc is None else self._list(dbc, "multiplexer")
        for entry in entries:
            if not isinstance(entry, Block) or "signal" not in entry or not isinstance(entry.get("value"), int):
                self._refuse("a `multiplexer` entry needs `signal` and a whole `value`", "give both")
        return entries

    def _change(self, own: Block, dbc: Block | None) -> ChangeRule:
        numeric = self.fact.datatype in FLOATS or self.fact.datatype in INTEGER_LIMITS
        deadband, interval_ms = own.get("deadband", 0), (dbc or Block()).get("interval_ms", 0)
        heartbeat_ms = own.get("heartbeat_ms", self.reader.heartbeat_us // 1000)
        landmarks = self._list(own, "landmarks")
        for name, value in (("deadband", deadband), ("interval_ms", interval_ms), ("heartbeat_ms", heartbeat_ms)):
            if not _is_number(value) or value < 0:
                self._refuse(f"`{name}` is {value!r}", "give a number of 0 or more")
        if (deadband or landmarks) and not numeric:
            self._refuse(
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
        valid = self._list(own, "valid")
        if valid:
            if len(valid) != 2 or not all(end is None or _is_number(end) for end in valid):  # noqa: PLR2004 - both ends
                self._refuse(f"`valid` is {valid!r}", "give [least, greatest] in the unit of VSS, null for no bound")
            low = valid[0] if low is None or (valid[0] is not None and valid[0] > low) else low
            high = valid[1] if high is None or (valid[1] is not None and valid[1] < high) else high
        return low, high

    # ------------------------------------------------------------------------------------------------------- transforms
    def _transform(self, holder: Block, own: Block, inputs: dict[str, str]) -> Transform:
        block = self._block(holder, "transform", ("math", "mapping")) or Block()
        if "transform" in holder and not block:
            self._refuse("`transform` is empty", "give `math` or `mapping`")
        table = tuple(self._table_entry(entry) for entry in self._list(block, "mapping"))
        if "math" in block:
            if "unit" in own:
                self._refuse("has both `math` and `unit`", "let `math` give the VSS unit, and leave `unit` out")
            formula = str(block["math"])
        elif "unit" in own:
            formula = self._unit_formula(str(own["unit"]))
        else:
            return Transform(table=table)
        try:
            return Transform(formula, compiled(formula, (OWN_NAME, *inputs)), table)
        except FormulaError as error:
            self._refuse(str(error), "correct `math`")

    def _unit_formula(self, unit: str) -> str:
        if (known := conversion(unit, self.fact.unit)) is None:
            remedy = f"give `math`, or one of {', '.join(convertible_to(self.fact.unit)) or 'no unit'}"
            self._refuse(f"{unit} cannot be converted to {self.fact.unit}", remedy)
        return f"(x + {known.before!r}) * {known.factor!r}"

    def _table_entry(self, entry: Any) -> TableEntry:
        if not isinstance(entry, dict) or set(entry) != {"from", "to"}:
            self._refuse("an entry of `mapping` is not a pair of `from` and `to`", "give both")
        value = entry["to"]
        fits: Callable[[Any], bool] = _FITS.get(self.fact.datatype, _is_number)
        if not fits(value):
            quoted = "; quote it" if isinstance(value, bool) else ""
            self._refuse(f"`to: {value}` is no {self.fact.datatype}", f"give a value of that type{quoted}")
        if self.fact.allowed and value not in self.fact.allowed:
            self._refuse(f"`to: {value}` is not allowed by VSS", f"give one of {', '.join(self.fact.allowed)}")
        return TableEntry(entry["from"], value)

    # ------------------------------------------------------------------------------------------------------ small steps
    def _block(self, holder: Block, key: str, known: Sequence[str] | None = None) -> Block | None:
        if key not in holder:
            return None
        self._at(holder, key)
        block = holder[key]
        if not isinstance(block, Block):
            self._refuse(f"`{key}` is no block", f"give {', '.join(known or ['name: value'])}")
        if known is not None:
            self._known(block, known)
        return block

    def _known(self, block: Block, known: Sequence[str]) -> None:
        for key in block:
            if key not in known:
                self._at(block, key)
                self._refuse(f"`{key}` is not known here", f"use {', '.join(known)}")

    def _list(self, holder: Block, key: str) -> list[Any]:
        if key not in holder:
            return []
        self._at(holder, key)
        if not isinstance(holder[key], list):
            self._refuse(f"`{key}` is no list", "give [ … ]")
        items: list[Any] = holder[key]
        return items

    def _number(self, block: Block, key: str, default: Any = ...) -> Any:
        if key in block:
            self._at(block, key)
            return self._whole(block[key], key)
        if default is ...:
            self._refuse(f"`{key}` is missing", "give it as a whole number, 0x for hexadecimal")
        return default

    def _whole(self, value: Any, key: str) -> int:
        if not isinstance(value, int) or value < 0:
            self._refuse(f"`{key}` is {value!r}", "give a whole number of 0 or more, 0x for hexadecimal")
        return int(value)

    def _at(self, block: Block, key: str) -> None:
        self.line = block.line(key) or self.line

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        where = f"{self.reader.file}:{self.line}" if self.line else self.reader.file
        raise BadInputError(what, where=f"{where}, {self.path}", remedy=remedy)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FITS: Final[dict[str, Callable[[Any], bool]]] = {
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    **dict.fromkeys(INTEGER_LIMITS, lambda value: isinstance(value, int) and not isinstance(value, bool)),
}
