"""A whole log with what is kept beside it: out of one database and into an empty one."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, LiteralString

import psycopg
from psycopg import Connection, IsolationLevel, sql
from psycopg.rows import TupleRow

from adapters.event_log import DirectoryEntry, StoredRecord
from adapters.postgres.schema import APPENDS_LOCK
from domain.errors import BadInputError, StoreError

ROWS_AT_ONCE: Final = 1_000  # of what is kept beside the log
SHOWN_CHARACTERS_MAX: Final = 100  # of a line that nobody understands
# What the events do not tell. How far topics of Kafka were read is not among it: that is of one cluster.
BESIDE: Final[tuple[LiteralString, ...]] = ("stream_progress", "stream_origins")
_LOCK: Final[LiteralString] = f"SELECT pg_advisory_xact_lock({APPENDS_LOCK})::text"
_EVENTS: Final = (
    "COPY stored_events (notification_id, originator_id, originator_version, topic, state, recorded_at)"
    " FROM STDIN (FORMAT BINARY)"
)
_EVENT_TYPES: Final = ("int8", "uuid", "int8", "text", "bytea", "int8")
# A row is what the table would tell again: no column is unknown or missing, and no value is taken for another one.
_OTHER: Final[LiteralString] = (
    "SELECT r::jsonb, to_jsonb(t) FROM unnest(%s::text[]) AS r, jsonb_populate_record(NULL::{0}, r::jsonb) AS t"
    " WHERE to_jsonb(t) <> r::jsonb LIMIT 1"
)
_WRITE: Final[LiteralString] = (
    "INSERT INTO {0} SELECT (jsonb_populate_record(NULL::{0}, r::jsonb)).* FROM unnest(%s::text[]) AS r"
)


@contextmanager
def beside(connection: Connection[TupleRow]) -> Iterator[tuple[int, Iterator[str]]]:
    """Give the position of the newest event and, as lines of JSON, what is kept beside the log: of one moment."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with _named(), connection, connection.transaction():
        (until,) = connection.execute("SELECT coalesce(max(notification_id), 0) FROM stored_events").fetchone() or (0,)

        def lines() -> Iterator[str]:
            for table in BESIDE:
                statement = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t ORDER BY 1").format(sql.Identifier(table))
                with connection.cursor("beside") as cursor:
                    cursor.itersize = ROWS_AT_ONCE
                    for (row,) in cursor.execute(statement):
                        yield json.dumps({"table": table, "row": json.loads(row)}, ensure_ascii=False)

        yield until, lines()


def restore(
    connection: Connection[TupleRow],
    records: Iterable[StoredRecord],
    directory: Sequence[DirectoryEntry],
    rows: Iterable[Mapping[str, Any]],
) -> int:
    """Write a whole log into an empty store, in one transaction; return how many events there are.

    `directory` is read when the last of the records was, `rows` are what `beside` gave. Raises BadInputError where the
    store is not empty, or what is given is no log.
    """
    with _named(), connection, connection.transaction():
        connection.execute(_LOCK)
        for table in ("stored_events", "directory", "consumed_positions", *BESIDE):
            found = connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))).fetchone()
            if found:
                what = "the event store is not empty: an import would mix two histories"
                remedy = "give an empty one: another FLEETTWIN_HOME, or FLEETTWIN_DATABASE_URL"
                raise BadInputError(what, where="event store", remedy=remedy)
        _force_policies(connection, "NO FORCE")  # under which an owner that is no superuser may not COPY
        count = 0
        with connection.cursor() as cursor, cursor.copy(_EVENTS) as copy:
            copy.set_types(_EVENT_TYPES)
            for record in records:
                copy.write_row(record)
                count += 1
        with connection.cursor() as cursor, cursor.copy("COPY directory FROM STDIN") as copy:
            for entry in directory:
                copy.write_row(entry)
        left = iter(rows)
        while some := list(islice(left, ROWS_AT_ONCE)):
            _write_beside(connection, some)
        _force_policies(connection, "FORCE")
        connection.execute("SELECT pg_notify('stored_events', '')")
        return count


def _force_policies(connection: Connection[TupleRow], force: LiteralString) -> None:
    for table in ("stored_events", "directory"):
        statement = sql.SQL("ALTER TABLE {} {} ROW LEVEL SECURITY").format(sql.Identifier(table), sql.SQL(force))
        connection.execute(statement)


def _write_beside(connection: Connection[TupleRow], rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        if row.keys() != {"table", "row"} or row["table"] not in BESIDE or type(row["row"]) is not dict:
            what = f"nobody here can keep what the export has beside the log: {json.dumps(row)[:SHOWN_CHARACTERS_MAX]}"
            remedy = "import it with the release that exported it, or a later one; nothing was written"
            raise BadInputError(what, where="event store", remedy=remedy)
    for table in BESIDE:
        of_table = [json.dumps(row["row"]) for row in rows if row["table"] == table]
        if of_table:
            other = connection.execute(sql.SQL(_OTHER).format(sql.Identifier(table)), [of_table]).fetchone()
            if other:
                raise _contradiction(_said(table, *other))
            connection.execute(sql.SQL(_WRITE).format(sql.Identifier(table)), [of_table])


def _said(table: str, given: Mapping[str, Any], taken: Mapping[str, Any]) -> str:
    """Return what of a row the table has another way."""
    for name in given:
        if name not in taken:
            return f"{table} has no column {name[:SHOWN_CHARACTERS_MAX]!r}"
        value = json.dumps(given[name])
        if value != json.dumps(taken[name]):
            return f"{table}.{name} cannot be {value[:SHOWN_CHARACTERS_MAX]}"
    return f"{table}.{next(name for name in taken if name not in given)} is missing"


def _contradiction(said: str) -> BadInputError:
    what = f"the export contradicts itself: {said}"
    return BadInputError(what, where="event store", remedy="export it again; nothing was written")


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.DiskFull as error:
        what = "the database's disk is full"
        raise BadInputError(what, where="event store", remedy="make room and try again; nothing was written") from error
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise _contradiction(str(error).partition(chr(10))[0]) from error
    except psycopg.Error as error:
        raise StoreError(f"the event store does not answer: {str(error).partition(chr(10))[0]}") from error
