"""What a mapping says: where the values of a VSS path come from, what they mean, and which changes are worth telling.

Plain data and vectorised functions; `mapping` reads the files, `apply` turns source values into samples, `changes`
decides what is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

HEARTBEAT_US: Final = 60_000_000  # an unchanged value is confirmed once a minute, unless the mapping says otherwise


class DbcSource(NamedTuple):
    """A signal of a DBC file; `message` None: whichever message has a signal of that name (KUKSA names none)."""

    message: str | None
    signal: str
    bus: int | None = None  # heard on this bus of the recording only


class ByteField(NamedTuple):
    """A big-endian whole number in the data bytes of a diagnostic answer (after service and identifier)."""

    first: int = 0
    size: int = 1
    signed: bool = False

    def read(self, data: bytes) -> int | None:
        """Return the number, or None where the answer is too short."""
        held = data[self.first : self.first + self.size]
        return int.from_bytes(held, "big", signed=self.signed) if len(held) == self.size else None


class ObdSource(NamedTuple):
    """The answer to an OBD-II request of current data (SAE J1979 / ISO 15031-5, service 01)."""

    pid: int
    bytes: ByteField
    ecu: int | None = None  # answers with this CAN identifier only


class UdsSource(NamedTuple):
    """The answer to a ReadDataByIdentifier request (ISO 14229-1, service 22)."""

    did: int
    bytes: ByteField
    request_id: int | None = None  # CAN identifiers, bit 31 set for 29-bit ones as in `FrameBlock`
    response_id: int | None = None


class UdsTextSource(NamedTuple):
    """A text in the answer to a ReadDataByIdentifier request: the data bytes from `first` to the end, as UTF-8."""

    did: int
    first: int = 0
    request_id: int | None = None
    response_id: int | None = None

    def read(self, data: bytes) -> str | None:
        """Return the text without what fills the field behind it, or None where the bytes are no UTF-8."""
        try:
            return data[self.first :].rstrip(_TEXT_PADDING).decode("utf-8")
        except UnicodeDecodeError:
            return None


_TEXT_PADDING: Final = b"\x00\xff"  # what fixed fields are filled with; no text of UTF-8 ends in either


class RowSource(NamedTuple):
    """A name in already-decoded rows."""

    name: str


Source = DbcSource | ObdSource | UdsSource | UdsTextSource | RowSource


class SourceColumn(NamedTuple):
    """n values of one source signal as they were heard.

    `raw` is what was transmitted (markers and value tables speak of it), `scaled` the same in the unit of the source;
    both the same object where the source has no scale. `choices` is the DBC value table: raw value to text. For rows
    both hold float64, bool or object (str).
    """

    raw: NDArray[Any]
    scaled: NDArray[Any]
    choices: Mapping[int, str] | None = None


class TableEntry(NamedTuple):
    """One line of a `transform.mapping`: `from` and `to`."""

    heard: bool | float | str
    value: bool | float | str


@dataclass(frozen=True, slots=True)
class Transform:
    """From source values to VSS values: formula, then table, then the cast to the VSS data type; each may be absent."""

    text: str | None = None  # the formula as written
    formula: Callable[[Mapping[str, Any]], Any] | None = field(default=None, compare=False)  # what `text` does
    table: tuple[TableEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class SignalRule:
    """One source of one VSS path.

    `rank` counts the sources of a path: 0 is preferred. `inputs` are further signals of the same message under the
    names that the formula uses. A row counts only where every signal of `only_when` has its raw value (a multiplexer);
    it is NOT_AVAILABLE where one of `available_when` has not, and INVALID where one of `valid_when` has not.
    """

    path: str
    datatype: str
    source: Source
    rank: int = 0
    transform: Transform = Transform()
    inputs: Mapping[str, str] = field(default_factory=dict)  # name in the formula: signal of the same message
    only_when: Mapping[str, int] = field(default_factory=dict)  # signal of the same message: raw value
    available_when: Mapping[str, int] = field(default_factory=dict)
    valid_when: Mapping[str, int] = field(default_factory=dict)
    not_available: tuple[float | str, ...] = ()  # raw values (or texts) by which the car says "no value"
    invalid: tuple[float | str, ...] = ()  # raw values (or texts) by which the car says "wrong value"
    low: float | None = None  # valid range in the unit of VSS, both ends included
    high: float | None = None
    allowed: tuple[str, ...] = ()  # the only texts that VSS knows for the path; empty: any
    unit: str | None = None  # of the source's values, where that is known
    row_unit: str | None = None  # what rows write for it, where that is the name of another unit

    @property
    def others(self) -> tuple[str, ...]:
        """The signals that are needed beside the source's own."""
        return tuple(dict.fromkeys((*self.inputs.values(), *self.only_when, *self.available_when, *self.valid_when)))


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Which samples of a path are told.

    A number is told when it has left the last told value by more than `deadband`, or has arrived at one of `landmarks`,
    but not sooner than `interval_us` after it; any other value at every change; an unchanged one every `heartbeat_us`.
    """

    deadband: float = 0.0
    heartbeat_us: int = HEARTBEAT_US
    interval_us: int = 0
    landmarks: tuple[float, ...] = ()


# Signals that are one thing: they are told together, with the same captured_at. A fix is never torn.
TOGETHER: Final[tuple[tuple[str, str], ...]] = (
    ("Vehicle.CurrentLocation.Latitude", "Vehicle.CurrentLocation.Longitude"),
    (
        "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.Latitude",
        "Vehicle.Cabin.Infotainment.Navigation.DestinationSet.Longitude",
    ),
)


class MappingFile(NamedTuple):
    """A mapping file as it was read."""

    name: str
    sha256: str  # of its bytes, hexadecimal


@dataclass(frozen=True)
class SignalMapping:
    """One mapping file, or several combined."""

    name: str
    rules: Sequence[SignalRule]
    changes: Mapping[str, ChangeRule]  # by path; a path without one is told at every change
    digest: str  # of everything that decides which samples come out
    dbc_files: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()  # whose end-to-end checksums the frames carry
    files: tuple[MappingFile, ...] = ()

    def change_rule(self, path: str) -> ChangeRule:
        """Return which samples of a path are told."""
        return self.changes.get(path, _EVERY_CHANGE)

    def of(self, *kinds: type[Source]) -> tuple[SignalRule, ...]:
        """Return the rules whose source is of one of these kinds."""
        return tuple(rule for rule in self.rules if isinstance(rule.source, kinds))

    @cached_property
    def rows(self) -> Mapping[str, tuple[SignalRule, ...]]:
        """The rules by the name that already-decoded rows use."""
        named: dict[str, list[SignalRule]] = {}
        for rule in self.rules:
            if isinstance(rule.source, RowSource):
                named.setdefault(rule.source.name, []).append(rule)
        return {name: tuple(rules) for name, rules in named.items()}


_EVERY_CHANGE: Final = ChangeRule()
