"""What turned what a car sent into samples, in words that tell it from any other for good."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Final

from adapters.can.dbc import Dbc
from adapters.signals.rules import SignalMapping
from domain.signals import Origin

DIGITS: Final = 12  # of a SHA-256, hexadecimal: enough to tell the files of one fleet apart
FILES_MAX: Final = 10  # that are named; the others are told by one hash of theirs
NAME_MAX: Final = 100  # characters of the name of a file
NO_MAPPING: Final = "none"  # rows that name VSS paths themselves need none
ANSWERS: Final = "OBD-II and UDS answers"  # are read whatever the mapping is


def can_origin(heard: str, mapping: SignalMapping, dbcs: Sequence[Dbc]) -> Origin:
    """Return the origin of what CAN frames say; `heard` is the format, or the bus."""
    files = _files([(dbc.path.name, dbc.sha256) for dbc in dbcs])
    return _origin(heard, mapping, ", ".join(filter(None, (files, ANSWERS))))


def rows_origin(form: str, mapping: SignalMapping) -> Origin:
    """Return the origin of what rows say that were decoded before they came here."""
    return _origin(form, mapping, "decoded elsewhere")


def _origin(heard: str, mapping: SignalMapping, decoded: str) -> Origin:
    return Origin(f"fleettwin {_version()}, {heard}: {decoded}", _files(mapping.files) or NO_MAPPING)


@cache
def _version() -> str:
    return version("fleettwin")


def _files(files: Sequence[tuple[str, str]]) -> str:
    """Return names and hashes of files, in the order in which they count."""
    told = [f"{_name(name)} {_hash(sha256)}" for name, sha256 in files[:FILES_MAX]]
    if rest := files[FILES_MAX:]:
        of_all = hashlib.sha256("".join(sha256 for _, sha256 in rest).encode()).hexdigest()
        told.append(f"{len(rest)} more {_hash(of_all)}")
    return ", ".join(told)


def _hash(sha256: str) -> str:
    return f"sha256:{sha256[:DIGITS]}"


def _name(name: str) -> str:
    """Return the name of a file as text: one that is no UTF-8, or ever so long, is told as far as it goes."""
    return name.encode(errors="replace").decode()[:NAME_MAX]
