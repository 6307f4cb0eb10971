"""Rows of any projection in PostgreSQL: tables made from the row types, rows and position written in one transaction.

Architecture invariant: a new read model needs no new SQL.
"""

import select
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, LiteralString, Self, cast
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.errors import (
    DeadlockDetected,
    DiskFull,
    NotNullViolation,
    ProgramLimitExceeded,
    UndefinedTable,
    UniqueViolation,
)
from psycopg.rows import TupleRow, tuple_row
from psycopg_pool import ConnectionPool

from adapters.metrics import COMMIT_SECONDS, projection_label
from adapters.postgres.arrays import ArrayParameter, ElementType, ItemType, array, joined, list_elements
from adapters.postgres.compare_and_set import COMPLETE, CONSUMED, VERSIONS, Expected, leave_out, move, unpark
from adapters.postgres.conninfo import bounded
from adapters.postgres.pipelined import pipelined
from adapters.postgres.priority import give_way
from adapters.projection_versions import ShownRows, at_version
from adapters.twins import SEEN_ROWS
from domain.errors import BadInputError, PositionConflictError, StoreError, UnstorableError
from projections.history import Kept
from projections.ports import Commit, Moved, Parked, gone
from projections.projection import Column, Key, Projection, R, Row, RowSpec, row_key, row_spec

CONNECTIONS_MAX: Final = 4
ROWS_FETCHED: Final = 5_000  # from a server-side cursor at a time
# In a page that is half empty a new version of a row finds room, so that it needs no entry in an index, and takes the
# room of those that nobody sees any more: there is little to vacuum.
_REWRITTEN: Final = "fillfactor = 50, autovacuum_vacuum_scale_factor = 1, autovacuum_analyze_scale_factor = 2"
# Rows with lists stay as they are up to nearly a page: to make lists of numbers a quarter smaller takes twice the time
# that writing them does.
_WHOLE: Final = "toast_tuple_target = 8160"
TABLES_LOCK: Final = 0x666C_6565_0000_0001  # the advisory lock under which tables are made, and discarded

_TYPES: Final[Mapping[str, ElementType]] = {
    "uuid": "uuid",
    "text": "text",
    "int": "bigint",
    "float": "double precision",
    "bool": "boolean",
}
_UNSTORABLE: Final = (psycopg.DataError, NotNullViolation, ProgramLimitExceeded)  # the same, however often it is tried
_ITEM_TYPES: Final[Mapping[str, ItemType]] = {"int[]": "bigint", "float[]": "double precision"}


class PostgresReadModels:
    """Implements `projections.ports.ReadModelStore`.

    Raises StoreError where the database does not answer, UnstorableError where it has no place for a value.
    `nice` is the priority (nice(2)) that the server's processes are to have: see `adapters.postgres.priority`.
    """

    def __init__(self, conninfo: str, nice: int = 0) -> None:
        self._pool: Final = ConnectionPool[Connection[TupleRow]](
            kwargs={**bounded(conninfo), "row_factory": tuple_row, "autocommit": True},
            min_size=1,
            max_size=CONNECTIONS_MAX,
            configure=partial(_configure, nice=nice),
            open=False,
            check=_check_if_heard,
        )

    def open(self) -> Self:
        """Begin to connect."""
        self._pool.open()
        return self

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def prepare(self, projection: Projection) -> None:
        """Create the tables of a projection where they are missing; they show the API what it may see of them."""
        self.prepare_all(lambda: [projection])

    def prepare_all(self, wanted: Callable[[], Iterable[Projection]]) -> None:
        """Prepare what `wanted` returns: it is asked when nothing can be discarded until this is done."""
        with self._transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [TABLES_LOCK])
            for projection in wanted():
                _prepare(connection, projection)

    def position(self, projection: Projection) -> int:
        """Return the position of a projection. Raises VersionGoneError."""
        statement: LiteralString = "SELECT position FROM projection_positions WHERE projection = %s AND version = %s"
        found = self._fetch(statement, [projection.name, projection.version])
        if not found:
            raise gone(projection)
        return int(found[0][0])

    def versions(self, projection: Projection, vehicle_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the last version folded of each of these vehicles; absent: none."""
        statement: LiteralString = (
            "SELECT vehicle_id, last_version FROM projection_vehicles"
            " WHERE projection = %s AND version = %s AND vehicle_id = ANY(%s::uuid[])"
        )
        return dict(self._fetch(statement, [projection.name, projection.version, array("uuid", list(vehicle_ids))]))

    def consumed(self, projection: Projection, sources: Collection[str]) -> Mapping[str, int]:
        """Return what a projection reads next in each of these partitions."""
        statement: LiteralString = (
            "SELECT source, next FROM projection_sources"
            " WHERE projection = %s AND version = %s AND source = ANY(%s) AND next > 0"
        )
        return dict(self._fetch(statement, [projection.name, projection.version, list(sources)]))

    def complete(
        self,
        projection: Projection,
        positions: Mapping[str, int],
        consumed: Mapping[str, int],
        sources: Collection[str],
    ) -> None:
        """Note up to which position of the log all events of partitions are folded. Raises PositionConflictError."""
        name = [projection.name, projection.version]
        with self._transaction() as connection:
            # One after the other: the last of several processes that do this sees what the others have noted.
            there = connection.execute(
                "SELECT FROM projection_positions WHERE projection = %s AND version = %s FOR NO KEY UPDATE", name
            )
            if not there.rowcount:
                raise gone(projection)
            stay = {source: Moved(consumed.get(source, 0), consumed.get(source, 0)) for source in positions}
            for each in move(connection, projection, COMPLETE, stay, raises=positions):
                each.check()
            connection.execute(
                "UPDATE projection_positions AS p SET position = s.lowest FROM ("
                " SELECT min(complete) AS lowest, count(*) AS found FROM projection_sources"
                " WHERE projection = %s AND version = %s AND source = ANY(%s)) AS s"
                " WHERE p.projection = %s AND p.version = %s AND s.found = %s AND p.position < s.lowest",
                [*name, list(sources), *name, len(sources)],
            )

    def load(self, projection: Projection, row_type: type[R], keys: Collection[Key]) -> Mapping[Key, R]:
        """Return the rows with these keys."""
        if not keys:
            return {}
        spec = row_spec(row_type)
        columns = [_column(spec, name) for name in spec.key]
        places = [spec.columns.index(column) for column in columns]
        of_keys = list(zip(*keys, strict=True))
        statement = (
            f"SELECT {_names(spec.columns, 'r.')}"  # noqa: S608  # names only, from row types
            f" FROM unnest({', '.join(f'%b::{_sql_type(column)}[]' for column in columns)}) AS k ({_names(columns)})"
            # Each is looked up by its key: OFFSET keeps the planner from reading the whole table where keys are many.
            f" CROSS JOIN LATERAL (SELECT * FROM {table_name(projection, spec)} AS r"
            f" WHERE {_equal(columns)} OFFSET 0) AS r"
        )
        parameters = [array(_TYPES[c.kind], list(values)) for c, values in zip(columns, of_keys, strict=True)]
        make = row_type._make  # type: ignore[attr-defined]  # a NamedTuple
        with self._gone_without_tables(projection):
            rows = self._fetch(_sql(statement), parameters)
        return {tuple(row[place] for place in places): make(row) for row in rows}

    def rows(self, projection: Projection, row_type: type[R]) -> Iterable[R]:
        """Yield every row of a table in order of its key."""
        with self._transaction() as connection:
            yield from _rows(connection, projection, row_type)

    @contextmanager
    def reading(self, projection: Projection) -> Iterator[ShownRows]:
        """Give the version of a projection that is shown, as it is at one moment.

        Until the end none of its tables is deleted, and no vacuum clears away what was written over since.
        """
        with self._transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            shown = connection.execute(
                "SELECT version FROM shown_projections WHERE projection = %s", [projection.name]
            ).fetchone()
            version = at_version(projection, shown[0]) if shown else projection
            reached = connection.execute(
                "SELECT position FROM projection_positions WHERE projection = %s AND version = %s", _name_of(version)
            ).fetchone()
            yield ShownRows(version, reached[0] if reached else 0, partial(_rows, connection, version))

    def of_vehicles(
        self, projections: Sequence[Projection], vehicle_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[Kept]]:
        """Return what is kept of each vehicle, for each projection in their order, all of it at one moment."""
        with self._transaction() as connection, connection.cursor(binary=True) as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return kept_of_vehicles(cursor.execute, projections, vehicle_ids)

    def begin_after(self, projection: Projection, position: int) -> None:
        """Let a projection begin after a position of the log: what comes before counts as folded, into nothing."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO projection_vehicles (projection, version, vehicle_id, last_version)"
                " SELECT %s, %s, originator_id, max(originator_version) FROM stored_events"
                " WHERE notification_id <= %s GROUP BY originator_id ON CONFLICT DO NOTHING",
                [projection.name, projection.version, position],
            )

    def vehicles_with_rows(self, projection: Projection) -> Collection[UUID]:
        """Return the vehicles that some table has a row of."""
        tables = " UNION ".join(
            f"SELECT vehicle_id FROM {table_name(projection, row_spec(row_type))}"  # noqa: S608  # names only, from row types
            for row_type in projection.row_types
        )
        return {vehicle_id for (vehicle_id,) in self._fetch(_sql(tables), [])}

    def parked(self, projection: Projection) -> Mapping[UUID, Parked]:
        """Return the parked vehicles."""
        statement: LiteralString = (
            "SELECT vehicle_id, event_version, position, error, attempts, parked_at, newest_version"
            " FROM parked_vehicles WHERE projection = %s AND version = %s"
        )
        found = self._fetch(statement, [projection.name, projection.version])
        return {row[0]: Parked._make(row) for row in found}

    def commit(self, projection: Projection, commit: Commit) -> None:
        """Write a step in one transaction, or nothing.

        Raises PositionConflictError, UnstorableError, VersionGoneError.
        """
        timed = COMMIT_SECONDS.labels(projection_label(projection.name, projection.version)).time()
        with timed, self._gone_without_tables(projection), self._connection() as connection:
            try:
                # To look first whether there is a row with a key costs a third of writing one; hardly ever is there.
                _write(connection, projection, commit, over_blocks=False)
            except UniqueViolation:
                _write(connection, projection, commit, over_blocks=True)

    def _fetch(self, statement: LiteralString, parameters: Sequence[object]) -> list[TupleRow]:
        with self._connection() as connection, connection.cursor(binary=True) as cursor:
            # A plan that is kept is one for a table as small as it was, until its statistics are taken.
            return cursor.execute(statement, parameters, prepare=False).fetchall()

    @contextmanager
    def _gone_without_tables(self, projection: Projection) -> Iterator[None]:
        """Raise VersionGoneError where a table is not there because its version is not."""
        try:
            yield
        except StoreError as error:
            if isinstance(error.__cause__, UndefinedTable):
                self.position(projection)
            raise

    @contextmanager
    def _transaction(self) -> Iterator[Connection[TupleRow]]:
        with self._connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[Connection[TupleRow]]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except DiskFull as error:
            remedy = "make room on the disk of the database, then do the same again: it goes on where it stopped"
            raise BadInputError("the disk is full", where="the database", remedy=remedy) from error
        except DeadlockDetected as error:  # both write the same vehicles, of which only one can be right
            msg = "another process is at the same vehicles, in another order"
            raise PositionConflictError(msg) from error
        except _UNSTORABLE as error:
            raise UnstorableError(f"no column has a place for it: {str(error).partition(chr(10))[0]}") from error
        except psycopg.Error as error:
            msg = f"the read models cannot be reached: {str(error).partition(chr(10))[0]}"
            raise StoreError(msg) from error


def _configure(connection: Connection[TupleRow], nice: int) -> None:
    # What a crash of the server takes away goes together with its position, and is folded again: nobody need wait for
    # the disk. What is on it is never newer than the log that it came from. Who had written it may see no error, as
    # the pool gives him another connection: whatever he writes next says where he believes to be.
    connection.execute("SET synchronous_commit = off")
    if nice:
        give_way(connection, nice)


def _check_if_heard(connection: Connection[TupleRow]) -> None:
    """Have a connection replaced that the server has dropped. To ask it each time would cost more than most statements.

    A server that ends a connection says so, or at least closes it: either can be read, and nothing else at this time.
    """
    heard = select.poll()
    heard.register(connection.fileno(), select.POLLIN)
    if heard.poll(0):
        ConnectionPool.check_connection(connection)


def _prepare(connection: Connection[TupleRow], projection: Projection) -> None:
    for row_type in projection.row_types:
        connection.execute(_create(projection, row_spec(row_type)))
        _check(connection, projection, row_spec(row_type))
        table = table_name(projection, row_spec(row_type))
        connection.execute("SELECT protect_vehicles(%s::regclass, 'vehicle_id')", [table])
    connection.execute(
        "INSERT INTO projection_positions (projection, version, position) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
        [projection.name, projection.version],
    )


def _check(connection: Connection[TupleRow], projection: Projection, spec: RowSpec) -> None:
    """Refuse a table that was made from a row type which has been changed since."""
    found = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table_name(projection, spec)],
    ).fetchall()
    if found != [(column.name, _sql_type(column)) for column in spec.columns]:
        msg = f"{projection.id}: table {spec.table} has other columns than its rows: a change needs a new version"
        raise StoreError(msg)


def _rows(connection: Connection[TupleRow], projection: Projection, row_type: type[R]) -> Iterator[R]:
    """Yield every row of a table in order of its key, some of them at a time."""
    spec = row_spec(row_type)
    statement = (
        f"SELECT {_names(spec.columns)} FROM {table_name(projection, spec)}"  # noqa: S608  # names only, from row types
        f" ORDER BY {_names([_column(spec, name) for name in spec.key])}"
    )
    with connection.cursor(spec.table, binary=True) as cursor:
        cursor.itersize = ROWS_FETCHED
        cursor.execute(_sql(statement))
        yield from map(row_type._make, cursor)  # type: ignore[attr-defined]  # a NamedTuple


def _write(connection: Connection[TupleRow], projection: Projection, commit: Commit, *, over_blocks: bool) -> None:
    """Write a step in one transaction, or nothing."""
    name = [projection.name, projection.version]
    with pipelined(connection) as answered:
        expected: list[Expected] = []
        # First, as who discards it does: then it stays until this is written, or nothing of this is.
        there = connection.execute(
            "SELECT FROM projection_positions WHERE projection = %s AND version = %s FOR KEY SHARE", name
        )
        if commit.expected_position is not None:
            moved = connection.execute(
                "UPDATE projection_positions SET position = %s"
                " WHERE projection = %s AND version = %s AND position = %s",
                [commit.position, *name, commit.expected_position],
            )
            otherwise = f"the position is not {commit.expected_position} any more"
            expected.append(Expected(moved, 1, projection, otherwise))
        expected += move(connection, projection, CONSUMED, commit.consumed)
        expected += move(connection, projection, VERSIONS, commit.versions, _seen(commit))
        expected += leave_out(connection, projection, commit.left_out)
        expected += unpark(connection, projection, commit.unpark)
        write_rows(connection, projection, commit, over_blocks=over_blocks)
        for parked in commit.park:
            connection.execute(
                "INSERT INTO parked_vehicles (projection, version, vehicle_id, event_version, position, error,"
                " attempts, parked_at, newest_version) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (projection, version, vehicle_id) DO UPDATE SET (event_version, position, error,"
                " attempts, parked_at, newest_version) = ROW (excluded.event_version, excluded.position,"
                " excluded.error, excluded.attempts, excluded.parked_at,"
                " greatest(excluded.newest_version, parked_vehicles.newest_version))",
                [*name, *parked],
            )
        answered()
        if not there.rowcount:
            raise gone(projection)
        for each in expected:
            each.check()


def _seen(commit: Commit) -> Mapping[UUID, int]:
    """Return the newest time that the rows of a step tell a vehicle was seen at; its blocks hold pieces of track."""
    found: dict[UUID, int] = {}
    for row_type in SEEN_ROWS:
        seen: Any
        for seen in commit.upserts.get(row_type, ()):
            at = seen.captured_at
            if at > found.get(seen.vehicle_id, at - 1):
                found[seen.vehicle_id] = at
    return found


def write_rows(
    connection: Connection[TupleRow], projection: Projection, commit: Commit, *, over_blocks: bool = True
) -> None:
    """Write the rows of a step. Without `over_blocks` those by columns must be new, else it is a UniqueViolation."""
    for row_type, keys in commit.deletes.items():
        _delete(connection, projection, row_spec(row_type), keys)
    for row_type, rows in commit.upserts.items():
        if rows:
            spec = row_spec(row_type)
            columns = list(zip(spec.columns, zip(*cast("Sequence[tuple[Any, ...]]", rows), strict=True), strict=True))
            sent = ", ".join(f"%b::{_wire_type(column)}[]" for column in spec.columns)
            query = f"SELECT * FROM unnest({sent})"  # noqa: S608  # types only, from row types
            _insert(connection, projection, spec, query, [_parameter(*each) for each in columns])
    if commit.blocks:
        from adapters.postgres.row_blocks import query_of  # noqa: PLC0415  # only a rebuild needs numpy

        for block in commit.blocks:
            spec = row_spec(block.row_type)
            values = zip(spec.columns, block.columns, strict=True)
            query, parameters = query_of({column.name: (_sql_type(column), each) for column, each in values})
            _insert(connection, projection, spec, query, parameters, over=over_blocks)


def _insert(
    connection: Connection[TupleRow],
    projection: Projection,
    spec: RowSpec,
    query: str,
    parameters: Sequence[ArrayParameter],
    *,
    over: bool = True,
) -> None:
    """Insert what a query gives; `over` the rows with the same keys."""
    statement = f"INSERT INTO {table_name(projection, spec)} ({_names(spec.columns)}) {query}"
    if over:
        others = [column for column in spec.columns if column.name not in spec.key]
        statement += (
            f" ON CONFLICT ({', '.join(spec.key)})"
            f" DO UPDATE SET ({_names(others)}) = ROW ({_names(others, 'excluded.')})"
        )
    connection.execute(_sql(statement), parameters, prepare=True)


def _delete(connection: Connection[TupleRow], projection: Projection, spec: RowSpec, keys: Sequence[Key]) -> None:
    if not keys:
        return
    columns = [_column(spec, name) for name in spec.key]
    statement = (
        f"DELETE FROM {table_name(projection, spec)} AS r"  # noqa: S608  # names only, from row types
        f" USING unnest({', '.join(f'%b::{_sql_type(column)}[]' for column in columns)})"
        f" AS k ({_names(columns)}) WHERE {_equal(columns)}"
    )
    parameters = [
        array(_TYPES[c.kind], list(values)) for c, values in zip(columns, zip(*keys, strict=True), strict=True)
    ]
    connection.execute(_sql(statement), parameters)


def _parameter(column: Column, values: Sequence[Any]) -> ArrayParameter:
    """Return one column of rows."""
    if column.kind.endswith("[]"):
        return joined(None, len(values), list_elements(_ITEM_TYPES[column.kind], values))
    return array(_TYPES[column.kind], values)


def _sql(text: str) -> LiteralString:
    """Mark a statement as made of names that row types declare, never of values."""
    return text


def _create(projection: Projection, spec: RowSpec) -> LiteralString:
    columns = [f'"{c.name}" {_sql_type(c)}{"" if c.nullable else " NOT NULL"}' for c in spec.columns]
    kept = [_REWRITTEN] * spec.rewritten + [_WHOLE] * any(column.kind.endswith("[]") for column in spec.columns)
    text = (
        f"CREATE TABLE IF NOT EXISTS {table_name(projection, spec)}"
        f" ({', '.join(columns)}, PRIMARY KEY ({', '.join(spec.key)}))"
        f"{' WITH (' + ', '.join(kept) + ')' if kept else ''}"
    )
    return _sql(text)


def kept_of_vehicles(
    fetch: Callable[[LiteralString, Sequence[object]], Iterable[Sequence[Any]]],
    projections: Sequence[Projection],
    vehicle_ids: Collection[UUID],
) -> Mapping[UUID, Sequence[Kept]]:
    """Return what `fetch` finds kept of each vehicle, for each projection in their order."""
    ids = array("uuid", list(vehicle_ids))
    found: dict[UUID, list[Kept]] = {each: [] for each in vehicle_ids}
    for projection in projections:
        statement: LiteralString = (
            "SELECT vehicle_id, last_version FROM projection_vehicles"
            " WHERE projection = %s AND version = %s AND vehicle_id = ANY(%b::uuid[])"
        )
        versions: dict[UUID, int] = {row[0]: row[1] for row in fetch(statement, [*_name_of(projection), ids])}
        rows: dict[UUID, dict[type[Row], dict[Key, Row]]] = {
            each: {row_type: {} for row_type in projection.row_types} for each in vehicle_ids
        }
        for row_type in projection.row_types:
            spec = row_spec(row_type)
            table = table_name(projection, spec)
            of_rows = f"SELECT {_names(spec.columns)} FROM {table} WHERE vehicle_id = ANY(%b::uuid[])"  # noqa: S608  # names only, from row types
            for values in fetch(_sql(of_rows), [ids]):
                row = row_type._make(values)  # type: ignore[attr-defined]  # a NamedTuple
                rows[row.vehicle_id][row_type][row_key(row)] = row
        for each in vehicle_ids:
            found[each].append(Kept(versions.get(each, 0), rows[each]))
    return found


def vehicles_with_rows_after(projection: Projection) -> LiteralString:
    """Return the statement that gives vehicles that some table has a row of, in order: after an id, up to a limit.

    Both are given once for each type of row, and the limit once more.
    """
    tables = " UNION ".join(
        f"(SELECT DISTINCT vehicle_id FROM {table_name(projection, row_spec(row_type))} WHERE vehicle_id > %s"  # noqa: S608  # names only, from row types
        " ORDER BY vehicle_id LIMIT %s)"
        for row_type in projection.row_types
    )
    return _sql(f"{tables} ORDER BY vehicle_id LIMIT %s")


def _name_of(projection: Projection) -> tuple[str, int]:
    return projection.name, projection.version


def table_name(projection: Projection, spec: RowSpec) -> str:
    """Return the name of the table that keeps the rows of a projection."""
    return f"{projection.name}_v{projection.version}_{spec.table}"


def _column(spec: RowSpec, name: str) -> Column:
    return next(column for column in spec.columns if column.name == name)


def _sql_type(column: Column) -> str:
    item, bracket, _ = column.kind.partition("[")
    return _TYPES[item] + ("[]" if bracket else "")


def _wire_type(column: Column) -> str:
    return f"{_ITEM_TYPES[column.kind].replace(' ', '_')}_items" if column.kind.endswith("[]") else _sql_type(column)


def _names(columns: Iterable[Column], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{column.name}"' for column in columns)


def _equal(columns: Iterable[Column]) -> str:
    return " AND ".join(f'r."{column.name}" = k."{column.name}"' for column in columns)
