"""Trusted documents, in PostgreSQL."""

from collections.abc import Sequence
from typing import LiteralString

from psycopg.rows import TupleRow, tuple_row

from adapters.documents import TrustedDocument
from adapters.postgres.datastore import again
from adapters.postgres.errors import named_errors
from adapters.postgres.event_store import PostgresEventLog


class PostgresDocuments:
    """Implements `adapters.documents.Documents`. Raises StoreError when the database does not answer."""

    def __init__(self, records: PostgresEventLog) -> None:
        self._records = records

    def register(self, documents: Sequence[TrustedDocument]) -> int:
        """Keep documents, of which there are some, all or none; return how many were not there already."""
        statement: LiteralString = (
            "INSERT INTO trusted_documents (sha256, document, registered_at)"
            " SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[]) ON CONFLICT DO NOTHING RETURNING 1"
        )
        return len(self._fetch(statement, [list(column) for column in zip(*documents, strict=True)]))

    def remove(self, sha256: str) -> bool:
        """Trust a document no more; return whether it was there."""
        return bool(self._fetch("DELETE FROM trusted_documents WHERE sha256 = %s RETURNING 1", [sha256]))

    def find(self, sha256: str) -> str | None:
        """Return the document with this hash."""
        found = self._fetch("SELECT document FROM trusted_documents WHERE sha256 = %s", [sha256])
        return str(found[0][0]) if found else None

    def all(self) -> Sequence[TrustedDocument]:
        """Return all of them, in the order in which they came."""
        rows = self._fetch("SELECT sha256, document, registered_at FROM trusted_documents ORDER BY 3, 1", [])
        return [TrustedDocument._make(row) for row in rows]

    def _fetch(self, statement: LiteralString, parameters: Sequence[object]) -> list[TupleRow]:
        def attempt() -> list[TupleRow]:
            with (
                self._records.datastore.get_connection() as connection,
                connection.cursor(binary=True, row_factory=tuple_row) as cursor,
            ):
                return cursor.execute(statement, parameters).fetchall()

        with named_errors():
            return again(attempt)
