"""Records that were set aside, in PostgreSQL."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, LiteralString, TypeVar
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import TupleRow, tuple_row

from adapters.postgres.arrays import array
from adapters.postgres.datastore import Datastore, again
from adapters.postgres.errors import named_errors
from adapters.set_aside import (
    KEPT_RECORDS_MAX,
    REASON_CHARACTERS_MAX,
    WAITING_BYTES_MAX,
    WAITING_RECORDS_MAX,
    Counted,
    Place,
    SetAside,
    counted_with,
    full,
)

_RECORD: Final = "SELECT source, position, reason, key, value, length, set_aside_at, waits_for FROM set_aside"
_THERE: Final = (
    "SELECT source, position FROM set_aside"
    " WHERE (source, position) IN (SELECT * FROM unnest(%b::text[], %b::bigint[]))"
)
_REMOVE: Final = (
    "DELETE FROM set_aside WHERE (source, position) IN (SELECT * FROM unnest(%b::text[], %b::bigint[])) RETURNING 1"
)
_COUNT: Final = "SELECT count(*) + (SELECT coalesce(sum(records), 0)::bigint FROM set_aside_counted) FROM set_aside"

T = TypeVar("T")


class PostgresSetAside:
    """Implements `adapters.set_aside.SetAsideStore`. Raises StoreError when the database does not answer.

    Several who write at once may exceed the bounds by what each of them adds.
    """

    def __init__(
        self,
        datastore: Datastore,
        kept_max: int = KEPT_RECORDS_MAX,
        waiting_max: int = WAITING_RECORDS_MAX,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        self._datastore = datastore
        self._maxima = kept_max, waiting_max, waiting_bytes_max

    def add(self, records: Sequence[SetAside]) -> Sequence[SetAside]:
        """Keep records, or count them; return those that are new."""
        return self._do(lambda cursor: self._add(cursor, records)) if records else []

    def _add(self, cursor: Cursor[TupleRow], records: Sequence[SetAside]) -> Sequence[SetAside]:
        kept_max, waiting_max, bytes_max = self._maxima
        cursor.execute(_THERE, _places([each.place for each in records]))
        there = set(cursor.fetchall())
        new = [each for each in records if each.place not in there]
        waiting = [each for each in new if each.waits_for]
        if waiting:
            cursor.execute(
                "SELECT count(*), coalesce(sum(length), 0)::bigint FROM set_aside WHERE waits_for IS NOT NULL"
            )
            ((count, size),) = cursor.fetchall()
            if count + len(waiting) > waiting_max or size + sum(each.length for each in waiting) > bytes_max:
                raise full(waiting_max, bytes_max)
        bad = [each for each in new if each.waits_for is None]
        if bad:
            cursor.execute("SELECT count(*) FROM set_aside WHERE waits_for IS NULL")
            ((count,),) = cursor.fetchall()
            bad, beyond = bad[: max(0, kept_max - count)], bad[max(0, kept_max - count) :]
        else:
            beyond = []
        self._insert(cursor, [*waiting, *bad])
        return [*waiting, *bad, *(self._count(cursor, beyond) if beyond else ())]

    def _insert(self, cursor: Cursor[TupleRow], records: Sequence[SetAside]) -> None:
        if not records:
            return
        columns = list(zip(*records, strict=True))
        cursor.execute(
            "INSERT INTO set_aside (source, position, reason, key, value, length, set_aside_at, waits_for)"
            " SELECT * FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::bytea[], %b::bytea[], %b::bigint[],"
            " %b::bigint[], %b::uuid[]) ON CONFLICT (source, position) DO NOTHING",
            [
                array("text", columns[0]),
                array("bigint", columns[1]),
                array("text", [_text(reason) for reason in columns[2]]),
                array("bytea", columns[3]),
                array("bytea", columns[4]),
                array("bigint", columns[5]),
                array("bigint", columns[6]),
                array("uuid", columns[7]),
            ],
        )

    def _count(self, cursor: Cursor[TupleRow], records: Sequence[SetAside]) -> Sequence[SetAside]:
        cursor.execute("LOCK TABLE set_aside_counted IN SHARE ROW EXCLUSIVE MODE")  # who adds to a count has read it
        cursor.execute("SELECT * FROM set_aside_counted")
        known = {(row[0], row[1]): Counted._make(row) for row in cursor.fetchall()}
        changed, new = counted_with(known, [each._replace(reason=_text(each.reason)) for each in records])
        cursor.executemany(
            "INSERT INTO set_aside_counted VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (source, reason) DO UPDATE"
            " SET (records, last_position, last_at) = (EXCLUDED.records, EXCLUDED.last_position, EXCLUDED.last_at)",
            list(changed.values()),
        )
        return new

    def newest(self, limit: int) -> Sequence[SetAside]:
        """Return the records that were set aside last, newest first."""
        return self._records(f"{_RECORD} ORDER BY set_aside_at DESC, source DESC, position DESC LIMIT %s", [limit])

    def find(self, source: str, position: int) -> Sequence[SetAside]:
        """Return what was set aside there, by source: a source without the id of its topic is each that has one."""
        wanted = "source = %s OR split_part(source, '#', 1) = %s"
        return self._records(f"{_RECORD} WHERE position = %s AND ({wanted}) ORDER BY 1", [position, source, source])

    def count(self) -> int:
        """Return how many were set aside: those that are kept and those that are only counted."""
        return int(self._fetch(_COUNT, [])[0][0])

    def counted(self) -> Sequence[Counted]:
        """Return what was not kept, in order of source and reason."""
        return list(
            map(
                Counted._make,
                self._fetch('SELECT * FROM set_aside_counted ORDER BY source COLLATE "C", reason COLLATE "C"', []),
            )
        )

    def waiting(self, vehicle_ids: Collection[UUID]) -> Collection[UUID]:
        """Return those of some vehicles that batches wait for."""
        # Each is looked up by itself: many batches may wait for one.
        statement: LiteralString = (
            "SELECT id FROM unnest(%b::uuid[]) AS id WHERE EXISTS (SELECT FROM set_aside WHERE waits_for = id)"
        )
        return {row[0] for row in self._fetch(statement, [array("uuid", list(vehicle_ids))])}

    def waiting_vehicles(self) -> Sequence[UUID]:
        """Return every vehicle that batches wait for."""
        statement: LiteralString = "SELECT DISTINCT waits_for FROM set_aside WHERE waits_for IS NOT NULL ORDER BY 1"
        return [row[0] for row in self._fetch(statement, [])]

    def waiting_of(self, vehicle_id: UUID, limit: int) -> Sequence[SetAside]:
        """Return the first batches that wait for a vehicle, in the order in which they came."""
        began = "min(set_aside_at) OVER (PARTITION BY source)"  # of topics of one name the former comes first
        return self._records(
            f"{_RECORD} WHERE waits_for = %s ORDER BY {began}, source, position LIMIT %s", [vehicle_id, limit]
        )

    def bad(self, after: Place, limit: int) -> Sequence[SetAside]:
        """Return up to `limit` records that wait for nobody, in order of their places, after one."""
        statement: LiteralString = f"{_RECORD} WHERE waits_for IS NULL AND (source, position) > (%s, %s)"
        return self._records(f"{statement} ORDER BY source, position LIMIT %s", [*after, limit])

    def refuse(self, place: Place, reason: str) -> None:
        """Let a batch wait no longer: it is bad."""
        statement: LiteralString = (
            "UPDATE set_aside SET waits_for = NULL, reason = %s WHERE source = %s AND position = %s RETURNING 1"
        )
        self._fetch(statement, [_text(reason[:REASON_CHARACTERS_MAX]), *place])

    def remove(self, places: Collection[Place]) -> int:
        """Keep records no longer; return how many there were."""
        return len(self._fetch(_REMOVE, _places(list(places))))

    def discard(self, vehicle_id: UUID | None) -> int:
        """Drop what waits for a vehicle; None: what waits for nobody, and the counts. Return how many there were."""

        def drop(cursor: Cursor[TupleRow]) -> int:
            cursor.execute("DELETE FROM set_aside WHERE waits_for IS NOT DISTINCT FROM %s::uuid", [vehicle_id])
            dropped = cursor.rowcount
            if vehicle_id is None:
                cursor.execute("DELETE FROM set_aside_counted RETURNING records")
                dropped += sum(row[0] for row in cursor.fetchall())
            return dropped

        return self._do(drop)

    def _records(self, statement: LiteralString, parameters: Sequence[object]) -> list[SetAside]:
        return [SetAside._make(row) for row in self._fetch(statement, parameters)]

    def _fetch(self, statement: LiteralString, parameters: Sequence[object]) -> list[TupleRow]:
        return self._do(lambda cursor: cursor.execute(statement, parameters).fetchall())

    def _do(self, action: Callable[[Cursor[TupleRow]], T]) -> T:
        """Do something in one transaction; after a lost connection again."""

        def attempt() -> T:
            with (
                self._datastore.get_connection() as connection,
                connection.transaction(),
                connection.cursor(binary=True, row_factory=tuple_row) as cursor,
            ):
                return action(cursor)

        with named_errors():
            return again(attempt)


def _places(places: Sequence[Place]) -> list[Any]:
    return [array("text", [source for source, _ in places]), array("bigint", [position for _, position in places])]


def _text(reason: str) -> str:
    return reason.replace("\0", "")
