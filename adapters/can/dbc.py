"""DBC files as people have them, loaded through cantools.

The fixes are textual and keep every line number, so that an error still points into the user's file:
- an identifier above 0x7FF without bit 31 is a 29-bit one whose mark was forgotten (the VW files of opendbc);
- a file whose `NS_ :` section has no `BS_:` after it gets one (SavvyCAN writes such files);
- text that is not UTF-8 throughout is read line by line as UTF-8 or else as Windows-1252.

Overlapping signals and signals beyond their message are let through (`strict=False`): files in use have them, and only
mapped signals are decoded.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import cantools.database
from cantools.database.can import Database, Message, Signal
from cantools.database.errors import UnsupportedDatabaseFormatError

from adapters.can.frames import EXTENDED_ID
from domain.errors import BadInputError

_STANDARD_ID_MAX: Final = 0x7FF  # 11 bits, ISO 11898-1
# A quoted string, which stays as it is, or a keyword and the id of the message that it is about.
_STRING_OR_ID: Final = re.compile(
    r'"(?:\\"|[^"])*?"'
    r"|(?P<head>\b(?:BO_|SG_|VAL_|SIG_VALTYPE_|SG_MUL_VAL_)[ \t]+)(?P<id>\d+)\b"
)
_BIT_TIMING: Final = re.compile(r"^[ \t]*BS_[ \t]*:", re.MULTILINE)
_NEW_SYMBOLS: Final = re.compile(r"^[ \t]*NS_[ \t]*:", re.MULTILINE)
_AFTER_NEW_SYMBOLS: Final = re.compile(r"^[ \t]*(?=BU_[ \t]*:|BO_[ \t]+\d|VAL_TABLE_[ \t]+\w)", re.MULTILINE)
_QUOTE: Final = re.compile(r'(?<!\\)"')
_SYNTAX_PLACE: Final = re.compile(r"line (\d+), column (\d+)")  # as textparser, which cantools parses with, words it
_NAMED_MESSAGE: Final = re.compile(r"\bmessage (\w+)")
_EXCERPT_LENGTH: Final = 60


class SignalRef(NamedTuple):
    """One signal of one message of a DBC file."""

    message: str
    signal: str


@dataclass(frozen=True, slots=True)
class Dbc:
    """A loaded DBC file: its messages by can_id as in `FrameBlock` (bit 31 set for a 29-bit identifier)."""

    path: Path
    messages: dict[int, Message]
    _refs: dict[str, tuple[SignalRef, ...]]
    _signals: dict[SignalRef, Signal]
    sha256: str = ""  # of the file's bytes, hexadecimal

    @classmethod
    def of(cls, path: Path, messages: Iterable[Message], sha256: str = "") -> "Dbc":
        """Return the messages of a file; one name may stand for several identifiers."""
        by_id = {message.frame_id | (EXTENDED_ID if message.is_extended_frame else 0): message for message in messages}
        refs: dict[str, list[SignalRef]] = defaultdict(list)
        signals: dict[SignalRef, Signal] = {}
        for message in by_id.values():
            for signal in message.signals:
                ref = SignalRef(message.name, signal.name)
                if ref not in signals:
                    refs[signal.name].append(ref)
                signals[ref] = signal
        return cls(path, by_id, {name: tuple(found) for name, found in refs.items()}, signals, sha256)

    def refs(self, signal: str, message: str | None = None) -> tuple[SignalRef, ...]:
        """Return where a signal of this name is (in `message` only, if one is given); empty if nowhere."""
        return tuple(ref for ref in self._refs.get(signal, ()) if message in (None, ref.message))

    def signal(self, ref: SignalRef) -> Signal:
        """Return what the file says of a signal (unit, range, length); KeyError if it has none such."""
        return self._signals[ref]

    def labels(self, ref: SignalRef) -> dict[int, str]:
        """Return the value table of a signal: raw value to label; empty if it has none."""
        return {raw: str(label) for raw, label in (self._signals[ref].choices or {}).items()}


def load_dbc(path: Path) -> Dbc:
    """Read a DBC file; raises BadInputError naming file, line and remedy."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        what = f"the DBC file cannot be read ({error.strerror})"
        raise BadInputError(what, where=str(path), remedy="give the path of a readable DBC file") from error
    text = _decoded(raw)
    try:
        database = cantools.database.load_string(_repaired(text), database_format="dbc", strict=False)
    except UnsupportedDatabaseFormatError as error:
        raise _bad_dbc(path, text, error.e_dbc if error.e_dbc is not None else error) from error
    assert isinstance(database, Database)
    if not database.messages:
        what = "holds no CAN message"
        raise BadInputError(what, where=str(path), remedy="give a DBC file with BO_ and SG_ lines")
    for message in database.messages:
        names = {signal.name for signal in message.signals}
        for signal in message.signals:
            if signal.multiplexer_signal is not None and signal.multiplexer_signal not in names:
                what = (
                    f"{message.name}.{signal.name} has the multiplexer {signal.multiplexer_signal}, which is not there"
                )
                raise BadInputError(what, where=str(path), remedy="correct its SG_ or SG_MUL_VAL_ line")
    return Dbc.of(path, database.messages, hashlib.sha256(raw).hexdigest())


def opendbc_path(name: str) -> Path:
    """Return the DBC file `name` (with or without ".dbc") of the opendbc package, or raise BadInputError.

    The package is found, not imported: its DBC files are data, its car code is no business of ours.
    """
    spec = find_spec("opendbc")
    if spec is None or not spec.submodule_search_locations:
        remedy = "install fleettwin[vw] (Python 3.11 or 3.12), or give the path of a DBC file with --dbc"
        raise BadInputError("the opendbc package is not installed", where=f"DBC {name}", remedy=remedy)
    path = Path(spec.submodule_search_locations[0], "dbc", f"{name.removesuffix('.dbc')}.dbc")
    if not path.is_file():
        remedy = "check the name in the package's dbc folder, or give the path of a DBC file with --dbc"
        raise BadInputError("the opendbc package has no such DBC file", where=str(path), remedy=remedy)
    return path


def _decoded(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "".join(_decoded_line(line) for line in raw.splitlines(keepends=True))
    return text.removeprefix("\ufeff")


def _decoded_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _repaired(text: str) -> str:
    text = _STRING_OR_ID.sub(_with_bit_31, text)
    if _NEW_SYMBOLS.search(text) and not _BIT_TIMING.search(text):
        text = _AFTER_NEW_SYMBOLS.sub("BS_: ", text, count=1)
    return text


def _with_bit_31(match: re.Match[str]) -> str:
    if match["id"] is None:
        return match[0]
    frame_id = int(match["id"])
    return f"{match['head']}{frame_id | EXTENDED_ID if frame_id > _STANDARD_ID_MAX else frame_id}"


def _bad_dbc(path: Path, text: str, error: Exception) -> BadInputError:
    """Say where in the file the error is; cantools gives a line for syntax, and at best a message for the rest."""
    lines = text.splitlines()
    said = " ".join(str(error).split()) or type(error).__name__
    if place := _SYNTAX_PLACE.search(said):
        line = _first_open_quote(lines) or int(place[1])
        excerpt = (
            "".join(c if c.isprintable() else "?" for c in lines[line - 1].strip()[:_EXCERPT_LENGTH]) if lines else ""
        )
        what = f"no valid DBC syntax in `{excerpt}`"
        return BadInputError(what, where=f"{path}:{line}", remedy="correct this line, or the one before it")
    where = str(path)
    if named := _NAMED_MESSAGE.search(said):
        definition = re.compile(rf"BO_ +\d+ +{named[1]}\b")
        where = next((f"{path}:{line}" for line, words in enumerate(lines, 1) if definition.match(words)), where)
    what = f"cannot be used as a DBC ({said})"
    return BadInputError(what, where=where, remedy="correct the file, or load one that other CAN tools accept")


def _first_open_quote(lines: list[str]) -> int | None:
    """Return the first signal line with a quote that is not closed: the parser would stumble only at the file's end."""
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("SG_ ") and len(_QUOTE.findall(line)) % 2:
            return number
    return None
