"""Trusted documents: operations of GraphQL that an operator has registered, known by their hash ever after."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from domain.errors import BadInputError
from domain.units import Micros

FILE_BYTES_MAX: Final = 16 * 1_048_576
DOCUMENTS_MAX: Final = 10_000  # of one file
_APOLLO: Final = "apollo-persisted-query-manifest"


class TrustedDocument(NamedTuple):
    """A document, and the SHA-256 of its UTF-8 in hexadecimal digits, by which it is asked for."""

    sha256: str
    document: str
    registered_at: Micros


class Documents(Protocol):
    """Where trusted documents are kept."""

    def find(self, sha256: str) -> str | None:
        """Return the document with this hash."""


def sha256_of(document: str) -> str:
    """Return the hash of a document."""
    return hashlib.sha256(document.encode()).hexdigest()


def read_documents(path: Path) -> list[str]:
    """Return the documents of a file: GraphQL as it is, or JSON as clients' tools write it.

    JSON is that of Relay's compiler ({hash: document}) or Apollo's manifest of persisted queries, each with SHA-256.
    Raises BadInputError.
    """
    try:
        with path.open("rb") as file:
            found = file.read(FILE_BYTES_MAX + 1)
        text = found.decode("utf-8")
    except OSError as error:
        remedy = "give the path of a file"
        raise BadInputError(f"cannot be read ({error.strerror})", where=str(path), remedy=remedy) from error
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 at byte {error.start}"
        raise BadInputError(what, where=str(path), remedy="save it as UTF-8") from error
    if len(found) > FILE_BYTES_MAX:
        raise BadInputError(f"has more than {FILE_BYTES_MAX} bytes", where=str(path), remedy="give several files")
    if path.suffix != ".json":
        return [text]
    by_hash = _by_hash(path, text)
    if len(by_hash) > DOCUMENTS_MAX:
        raise BadInputError(f"has more than {DOCUMENTS_MAX} documents", where=str(path), remedy="give several files")
    for sha256, document in by_hash.items():
        if sha256_of(document) != sha256:
            remedy = "have your tool make the ids with SHA-256, in hexadecimal digits"
            raise BadInputError(f"{sha256[:64]!r} is not the SHA-256 of its document", where=str(path), remedy=remedy)
    return list(by_hash.values())


def _by_hash(path: Path, text: str) -> Mapping[str, str]:
    try:
        held: Any = json.loads(text)
        if isinstance(held, dict) and held.get("format") == _APOLLO:
            held = {each["id"]: each["body"] for each in held["operations"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        held = None
    if not isinstance(held, dict) or not all(isinstance(each, str) for each in held.values()):
        what = "is neither JSON of relay-compiler ({hash: document}) nor Apollo's manifest of persisted queries"
        raise BadInputError(what, where=str(path), remedy="give one of these, or GraphQL in a file named .graphql")
    return held


def trusted(documents: Sequence[str], at: Micros) -> list[TrustedDocument]:
    """Return documents as they are kept, each once."""
    return [TrustedDocument(sha256, text, at) for sha256, text in {sha256_of(each): each for each in documents}.items()]
