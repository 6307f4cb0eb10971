"""Finds the document that a request names by its hash, and refuses what is not trusted where only that is executed."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from adapters.documents import Documents, sha256_of
from adapters.graphql.errors import ErrorCode
from domain.errors import FleettwinError

DOCUMENTS_REMEMBERED_MAX: Final = 1_000
NOT_FOUND: Final = "PersistedQueryNotFound"  # the message by which clients know that they are to send the document
REMEMBERED_S: Final = 60.0  # after which one that was taken back is trusted no more


class UntrustedError(FleettwinError):
    """A document that is not executed."""

    def __init__(self, code: ErrorCode, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy


class NoDocuments(Documents):
    """Keeps none."""

    def find(self, sha256: str) -> str | None:  # noqa: ARG002  # the port
        """Find nothing."""
        return None


@dataclass(slots=True)
class TrustedDocuments:
    """Documents by their hash; with `only` no others are executed."""

    documents: Documents
    only: bool = False
    now_s: Callable[[], float] = time.monotonic
    _remembered: OrderedDict[str, tuple[str, float]] = field(default_factory=OrderedDict)  # until when
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def at_once(self, document: str | None, sha256: str | None) -> str | None:
        """Return the document to execute, where that takes no time; None: see `resolve`."""
        return document if sha256 is None and not self.only else None

    def resolve(self, document: str | None, sha256: str | None) -> str:
        """Return the document to execute, of which a request has given text, hash or both.

        Raises UntrustedError; StoreError where it cannot be told now.
        """
        if sha256 is None:
            assert document is not None
            if self.only and self._find(sha256_of(document)) is None:
                what, remedy = "only documents that the operator has registered are executed", "ask by the hash of one"
                raise UntrustedError(ErrorCode.QUERY_NOT_IN_SAFELIST, what, remedy)
            return document
        if document is not None and sha256_of(document) != sha256:
            what, remedy = "the hash is not that of the document", "give its SHA-256 in hexadecimal digits"
            raise UntrustedError(ErrorCode.BAD_REQUEST, what, remedy)
        found = self._find(sha256)
        if found is not None:
            return found
        if document is None or self.only:
            raise UntrustedError(ErrorCode.PERSISTED_QUERY_NOT_FOUND, NOT_FOUND, "have the operator register it")
        return document

    def _find(self, sha256: str) -> str | None:
        with self._lock:
            document, until_s = self._remembered.get(sha256, ("", 0.0))
        if until_s > self.now_s():
            return document
        found = self.documents.find(sha256)
        with self._lock:
            self._remembered.pop(sha256, None)
            if found is not None:
                self._remembered[sha256] = found, self.now_s() + REMEMBERED_S
                if len(self._remembered) > DOCUMENTS_REMEMBERED_MAX:
                    self._remembered.popitem(last=False)
        return found
