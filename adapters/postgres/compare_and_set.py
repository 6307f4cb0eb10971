"""The numbers of a projection that only who knows them may change: whoever was overtaken writes nothing.

Each of these statements is sent ahead with others (libpq's pipeline mode): whether it has found every number to be what
the caller believes is asked when all of them are answered.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from adapters.postgres.arrays import ArrayParameter, ElementType, array
from projections.ports import Moved, overtaken
from projections.projection import Projection


class Numbers(NamedTuple):
    """A table of numbers by a key, and what one of them is called."""

    table: LiteralString
    key: LiteralString
    kind: ElementType
    number: LiteralString
    called: str
    moved_at: LiteralString | None = None  # the column of when it was moved, by the database's clock
    raised: LiteralString | None = None  # a column beside it that only goes up


class Expected(NamedTuple):
    """How many rows a statement must have changed, and what is wrong otherwise."""

    statement: Cursor[TupleRow]
    rows: int
    projection: Projection
    otherwise: str

    def check(self) -> None:
        """Raise PositionConflictError where it has changed others, once it is answered."""
        if self.statement.rowcount != self.rows:
            raise overtaken(self.projection, self.otherwise)


_NOW_US: Final = "(SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"  # once for all rows
VERSIONS: Final = Numbers(
    "projection_vehicles", "vehicle_id", "uuid", "last_version", "at version ", "projected_at", "seen_at"
)
CONSUMED: Final = Numbers("projection_sources", "source", "text", "next", "at ")
COMPLETE: Final = CONSUMED._replace(raised="complete")


def move(
    connection: Connection[TupleRow],
    projection: Projection,
    numbers: Numbers,
    moves: Mapping[Any, Moved],
    raises: Mapping[Any, int] = MappingProxyType({}),
) -> Iterator[Expected]:
    """Move numbers; one that is not there yet is 0. Raise what is beside them to no less than `raises`."""
    table, key, kind, number, called, moved_at, raised = numbers
    column, moment, dated = (f", {moved_at}", f", {_NOW_US}", f", {moved_at} = {_NOW_US}") if moved_at else ("", "", "")
    beside, of_beside, greater = "", "", ""
    if raised:
        beside, of_beside = f", {raised}", ", n.beside"
        greater = f", {raised} = greatest(t.{raised}, {{}})"
    name = [projection.name, projection.version]
    known = sorted((each, *moved) for each, moved in moves.items() if moved.before)
    if known:
        statement = (
            f"UPDATE {table} AS t SET {number} = n.after{dated}{greater.format('n.beside')}"  # noqa: S608  # names only, from above
            f" FROM unnest(%b::{kind}[], %b::bigint[], %b::bigint[], %b::bigint[]) AS n (key, before, after, beside)"
            # Each is looked up by its key: OFFSET keeps the planner from another order, which it takes where it has
            # no statistics yet, and which costs the product of both numbers.
            f" CROSS JOIN LATERAL (SELECT f.ctid FROM {table} AS f WHERE f.projection = %s AND f.version = %s"
            f" AND f.{key} = n.key AND f.{number} = n.before OFFSET 0) AS f"
            " WHERE t.ctid = f.ctid"
        )
        besides = array("bigint", [raises.get(each) for each, *_ in known])
        done = connection.execute(statement, [*_columns(kind, known), besides, *name], prepare=False)  # tables grow
        yield Expected(done, len(known), projection, f"{_some(known)} not {called}{known[0][1]} any more")
    new = sorted((each, moved.after) for each, moved in moves.items() if not moved.before)
    if new:
        statement = (
            f"INSERT INTO {table} AS t (projection, version, {key}, {number}{column}{beside})"  # noqa: S608  # as above
            f" SELECT %s, %s, n.key, n.after{moment}{of_beside}"
            f" FROM unnest(%b::{kind}[], %b::bigint[], %b::bigint[]) AS n (key, after, beside)"
            f" ON CONFLICT (projection, version, {key})"
            f" DO UPDATE SET {number} = excluded.{number}{dated}{greater.format(f'excluded.{raised}')}"
            f" WHERE t.{number} = 0"
        )
        besides = array("bigint", [raises.get(each) for each, *_ in new])
        done = connection.execute(statement, [*name, *_columns(kind, new), besides], prepare=True)
        yield Expected(done, len(new), projection, f"{_some(new)} not {called}0 any more")


def leave_out(
    connection: Connection[TupleRow], projection: Projection, versions: Mapping[UUID, int]
) -> Iterator[Expected]:
    """Note versions that are left out of vehicles, which must be parked."""
    return _change_parked(
        connection,
        projection,
        "UPDATE parked_vehicles AS p SET newest_version = greatest(p.newest_version, n.version)"
        " FROM unnest(%b::uuid[], %b::bigint[]) AS n (vehicle_id, version)"
        " WHERE p.projection = %s AND p.version = %s AND p.vehicle_id = n.vehicle_id",
        versions,
        "not parked any more",
    )


def unpark(
    connection: Connection[TupleRow], projection: Projection, versions: Mapping[UUID, int]
) -> Iterator[Expected]:
    """Let vehicles go on whose newest version that was left out is this one."""
    return _change_parked(
        connection,
        projection,
        "DELETE FROM parked_vehicles AS p USING unnest(%b::uuid[], %b::bigint[]) AS n (vehicle_id, version)"
        " WHERE p.projection = %s AND p.version = %s AND p.vehicle_id = n.vehicle_id"
        " AND p.newest_version = n.version",
        versions,
        "not parked as before any more",
    )


def _change_parked(
    connection: Connection[TupleRow],
    projection: Projection,
    statement: LiteralString,
    versions: Mapping[UUID, int],
    otherwise: str,
) -> Iterator[Expected]:
    """Change the rows of parked vehicles; the statement must find each, `otherwise` is said of one that it does not."""
    if versions:
        rows = sorted(versions.items())
        done = connection.execute(statement, [*_columns("uuid", rows), projection.name, projection.version])
        yield Expected(done, len(rows), projection, f"{_some(rows)} {otherwise}")


def _columns(kind: ElementType, rows: Sequence[tuple[Any, ...]]) -> list[ArrayParameter]:
    keys, *numbers = zip(*rows, strict=True)
    return [array(kind, keys), *(array("bigint", each) for each in numbers)]


def _some(rows: Sequence[tuple[Any, ...]]) -> str:
    return f"{rows[0][0]} is" if len(rows) == 1 else f"one of {len(rows)} is"
