"""Records that were set aside, in PostgreSQL."""

from collections.abc import Sequence
from typing import Final, LiteralString

import psycopg
from psycopg.rows import TupleRow

from adapters.postgres.arrays import array
from adapters.postgres.datastore import Datastore
from adapters.set_aside import SetAside
from domain.errors import StoreError

_RECORD: Final = "SELECT source, position, reason, key, value, length, set_aside_at FROM set_aside"


class PostgresSetAside:
    """Implements `adapters.set_aside.SetAsideStore`. Raises StoreError when the database does not answer."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def add(self, records: Sequence[SetAside]) -> None:
        """Keep records; one that is there already stays as it is."""
        if not records:
            return
        columns = list(zip(*records, strict=True))
        self._fetch(
            "INSERT INTO set_aside (source, position, reason, key, value, length, set_aside_at)"
            " SELECT * FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::bytea[], %b::bytea[], %b::bigint[],"
            " %b::bigint[]) ON CONFLICT (source, position) DO NOTHING RETURNING 1",
            [
                array("text", columns[0]),
                array("bigint", columns[1]),
                array("text", [reason.replace("\0", "") for reason in columns[2]]),
                array("bytea", columns[3]),
                array("bytea", columns[4]),
                array("bigint", columns[5]),
                array("bigint", columns[6]),
            ],
        )

    def newest(self, limit: int) -> Sequence[SetAside]:
        """Return the records that were set aside last, newest first."""
        found = self._fetch(f"{_RECORD} ORDER BY set_aside_at DESC, source DESC, position DESC LIMIT %s", [limit])
        return [SetAside._make(row) for row in found]

    def find(self, source: str, position: int) -> Sequence[SetAside]:
        """Return what was set aside there, by source: a source without the id of its topic is each that has one."""
        wanted = "source = %s OR split_part(source, '#', 1) = %s"
        found = self._fetch(f"{_RECORD} WHERE position = %s AND ({wanted}) ORDER BY 1", [position, source, source])
        return [SetAside._make(row) for row in found]

    def count(self) -> int:
        """Return how many there are."""
        return int(self._fetch("SELECT count(*) FROM set_aside", [])[0][0])

    def _fetch(self, statement: LiteralString, parameters: Sequence[object]) -> list[TupleRow]:
        try:
            with self._datastore.connect() as connection, connection.cursor(binary=True) as cursor:
                return cursor.execute(statement, parameters).fetchall()
        except psycopg.Error as error:
            msg = f"the records that are set aside cannot be reached: {str(error).partition(chr(10))[0]}"
            raise StoreError(msg) from error
