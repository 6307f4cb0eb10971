"""`fleettwin documents`: which documents of GraphQL are trusted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from adapters.clock import iso_time, now
from adapters.documents import TrustedDocument, read_documents, trusted
from adapters.graphql.execution import why_refused
from adapters.tables import Rows
from adapters.wiring import FleetTwin
from domain.errors import BadInputError

SHOWN_CHARACTERS_MAX: Final = 60


def register(twin: FleetTwin, paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Trust the documents of files, all or none. Raises BadInputError for what this release would not execute."""
    found: list[str] = []
    for path in paths:
        documents = read_documents(path)
        for document in documents:
            if (reason := why_refused(document)) is not None:
                remedy = "correct it, and make its hash anew"
                raise BadInputError(f"{_shown(document)}: {reason}", where=str(path), remedy=remedy)
        found += documents
    kept = trusted(found, now())
    twin.documents.register(kept)
    return [data_of(each) for each in kept]


def remove(twin: FleetTwin, sha256: str) -> None:
    """Trust a document no more. Raises BadInputError where it is not among those that are."""
    if not twin.documents.remove(sha256):
        remedy = "`fleettwin documents list` shows those that are"
        raise BadInputError("no document with this hash is registered", where=sha256[:64], remedy=remedy)


def data_of(found: TrustedDocument) -> dict[str, Any]:
    """Return a document as --json prints it."""
    return {"sha256": found.sha256, "registeredAt": iso_time(found.registered_at), "document": found.document}


def documents_screen(found: Sequence[dict[str, Any]]) -> RenderableType:
    """Return documents as a person reads them."""
    if not found:
        return Text("no document is registered")
    table = Rows(("SHA-256", "registered", "document"))
    for each in found:
        table.add_row(each["sha256"], each["registeredAt"][:19].replace("T", " "), _shown(each["document"]))
    return table


def _shown(document: str) -> str:
    text = " ".join(document.split())
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[: SHOWN_CHARACTERS_MAX - 1]}…"
