"""Versions of projections, as PostgreSQL keeps them: see `adapters.projection_versions`."""

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.rows import TupleRow, tuple_row

from adapters.clock import now
from adapters.postgres.conninfo import bounded
from adapters.postgres.read_models import TABLES_LOCK, table_name
from adapters.projection_versions import Shown, VersionState
from domain.errors import BadInputError, StoreError
from projections.projection import Projection, row_spec

_KEPT: Final = (
    "SELECT projection, version, state = 'ready', until_position, from_position, vehicle_ids FROM projection_versions"
)
_HELD_LOCK: Final = 0x666C_6565  # the class of the advisory locks of versions; each has the CRC-32 of its name
_INT4_MAX: Final = 0x7FFF_FFFF
# Everything that is kept by projection and version, beside its rows.
_BOOKKEEPING: Final[tuple[LiteralString, ...]] = (
    "projection_positions",  # first: whoever writes rows holds it until they are written, and without it writes none
    "projection_versions",
    "projection_vehicles",
    "projection_sources",
    "parked_vehicles",
)
# Of this database, whoever's they are: each holds a lock on itself until it ends.
_TRANSACTIONS: Final[LiteralString] = (
    "SELECT l.virtualtransaction FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
    " WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND a.datname = current_database()"
    " AND l.pid <> pg_backend_pid() AND a.backend_type IS DISTINCT FROM 'autovacuum worker'"
)
_AMONG: Final[LiteralString] = "l.virtualtransaction = ANY (%s)"
VIEWS_END_S: Final = 30.0  # what a request of the API takes, more than twice
VIEWS_LOOKED_S: Final = 0.1  # between two looks


class PostgresProjectionVersions:
    """Implements `adapters.projection_versions.ProjectionVersions`. Raises StoreError where nothing answers."""

    def __init__(self, conninfo: str) -> None:
        self._settings: Final = bounded(conninfo)

    def shown(self) -> Mapping[str, Shown]:
        """Return what is shown of each projection; absent: the version that the code names."""
        with self._connection() as connection:
            found = connection.execute("SELECT projection, version, previous FROM shown_projections").fetchall()
        return {name: Shown(version, previous) for name, version, previous in found}

    def kept(self) -> Sequence[VersionState]:
        """Return the versions that were filled, or are being filled, beside those that the code names."""
        with self._connection() as connection:
            found = connection.execute(f"{_KEPT} ORDER BY projection, version").fetchall()
        return [VersionState._make(row) for row in found]

    def begin(self, wanted: VersionState) -> VersionState:
        """Note that a version is being filled, and return it as it is noted: it may have begun before."""
        vehicle_ids = None if wanted.vehicle_ids is None else list(wanted.vehicle_ids)
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO projection_versions"
                " (projection, version, state, until_position, from_position, vehicle_ids)"
                " VALUES (%s, %s, 'building', %s, %s, %s) ON CONFLICT DO NOTHING",
                [wanted.projection, wanted.version, wanted.until_position, wanted.from_position, vehicle_ids],
            )
            found = connection.execute(
                f"{_KEPT} WHERE projection = %s AND version = %s", [wanted.projection, wanted.version]
            ).fetchone()
        assert found
        return VersionState._make(found)

    def ready(self, projection: str, version: int) -> None:
        """Note that a version is filled up to its position, from where it follows the log."""
        with self._connection() as connection:
            connection.execute(
                "UPDATE projection_positions AS p SET position = v.until_position FROM projection_versions AS v"
                " WHERE (v.projection, v.version) = (%s, %s) AND v.state = 'building'"
                " AND (p.projection, p.version) = (v.projection, v.version) AND p.position < v.until_position",
                [projection, version],
            )
            connection.execute(
                "UPDATE projection_versions SET state = 'ready' WHERE projection = %s AND version = %s",
                [projection, version],
            )

    def switch(self, projection: str, version: int, before: int) -> None:
        """Show another version in place of `before`. Raises BadInputError where that is not shown any more."""
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO shown_projections (projection, version, switched_at) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                [projection, before, now()],
            )
            connection.execute(  # it goes on
                "INSERT INTO projection_versions (projection, version, state, until_position, from_position)"
                " VALUES (%s, %s, 'ready', 0, 0) ON CONFLICT DO NOTHING",
                [projection, before],
            )
            changed = connection.execute(
                "UPDATE shown_projections SET version = %s, previous = version, switched_at = %s"
                " WHERE projection = %s AND version = %s",
                [version, now(), projection, before],
            )
            if not changed.rowcount:
                what = f"another version than {before} is shown by now"
                raise BadInputError(what, where=projection, remedy="see `fleettwin status`")

    @contextmanager
    def held(self, projection: str, version: int) -> Iterator[None]:
        """Keep a version for this process. Raises BadInputError where another one fills, shows or deletes it."""
        key = zlib.crc32(f"{projection} {version}".encode()) & _INT4_MAX
        with closing(self._connect(autocommit=True)) as connection:
            with _named():
                found = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [_HELD_LOCK, key]).fetchone()
            if found != (True,):
                remedy = "wait for its end, or stop it (Ctrl-C, kill): what it has filled stays, and it can go on"
                what = "another process is filling, showing or deleting this version right now"
                raise BadInputError(what, where=f"{projection} {version}", remedy=remedy)
            yield

    def discard(self, projection: Projection) -> None:
        """Forget a version that is not shown, and delete its tables: when no view is open any more that may show it.

        Raises BadInputError where one stays open.
        """
        self._await_views(f"{projection.name} {projection.version}")
        self.clear(projection)

    def clear(self, projection: Projection) -> None:
        """Forget everything that is kept under a version, and delete its tables, all at once."""
        with self._connection() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [TABLES_LOCK])
            for table_of_all in _BOOKKEEPING:
                connection.execute(
                    sql.SQL("DELETE FROM {} WHERE projection = %s AND version = %s").format(
                        sql.Identifier(table_of_all)
                    ),
                    [projection.name, projection.version],
                )
            for row_type in projection.row_types:
                table = sql.Identifier(table_name(projection, row_spec(row_type)))
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            connection.execute(
                "UPDATE shown_projections SET previous = NULL WHERE projection = %s AND previous = %s",
                [projection.name, projection.version],
            )

    def _await_views(self, where: str) -> None:
        """Wait until each transaction has ended that is open now, and may have seen what was shown before."""
        with closing(self._connect(autocommit=True)) as connection, _named():
            begun = [each for (each,) in connection.execute(_TRANSACTIONS)]
            until_s = time.monotonic() + VIEWS_END_S
            while begun and time.monotonic() < until_s:
                time.sleep(VIEWS_LOOKED_S)
                begun = [each for (each,) in connection.execute(f"{_TRANSACTIONS} AND {_AMONG}", [begun])]
        if begun:
            what = f"transactions that may show it have been open for {VIEWS_END_S:,.0f} s and longer"
            remedy = "try again when they have ended (pg_stat_activity tells whose they are); nothing was deleted"
            raise BadInputError(what, where=where, remedy=remedy)

    @contextmanager
    def _connection(self) -> Iterator[Connection[TupleRow]]:
        """Give a connection whose statements are one transaction."""
        with _named(), self._connect(autocommit=False) as connection:
            yield connection

    def _connect(self, *, autocommit: bool) -> Connection[TupleRow]:
        settings: dict[str, Any] = dict(self._settings)
        with _named():
            return psycopg.connect(**settings, row_factory=tuple_row, autocommit=autocommit)


@contextmanager
def _named() -> Iterator[None]:
    """Name what the database cannot do."""
    try:
        yield
    except psycopg.Error as error:
        said = str(error).partition(chr(10))[0]
        raise StoreError(f"the versions of projections cannot be reached: {said}") from error
