"""How a database gets its tables: the files in `migrations`, in the order of their names, each once.

Architecture invariant: a migration that has been released is never edited.
"""

from importlib.resources import files
from typing import Any, Final

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import tuple_row

from domain.errors import BadInputError

# The lock of append_events, as an expression: see migrations/0001_event_log.sql.
APPENDS_LOCK: Final = "(x'666C6565'::bigint << 32) + 'stored_events'::regclass::oid::bigint"
# Whom requests are read as, and what separates the brands that it is told to read for: see migrations/0008_brands.sql.
API_ROLE: Final = "fleettwin_api"
BRANDS_SETTING: Final = "fleettwin.brands"
BRANDS_SEPARATOR: Final = "\x1f"
_MIGRATION_LOCK: Final = (
    0x666C_6565_0000_0000  # an advisory lock of this database; "flee" in ASCII, then no table's oid
)


def migrate(connection: Connection[Any]) -> None:
    """Bring the database up to date, in one transaction; any number of processes may do so at once.

    Raises BadInputError if a newer program than this one has changed the database, or we may not change it.
    """
    migrations = _migrations()
    if _version(connection) == len(migrations):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
        connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version bigint PRIMARY KEY)")
        version = _version(connection)
        if version > len(migrations):
            raise BadInputError(
                f"the database is of schema version {version}, this program knows versions up to {len(migrations)}",
                where=f"database {connection.info.dbname}",
                remedy="use a newer fleettwin",
            )
        for number, statements in enumerate(migrations[version:], start=version + 1):
            try:
                connection.execute(statements)
            except InsufficientPrivilege as error:
                what = f"the database cannot be brought up to date: {str(error).partition(chr(10))[0]}"
                raise BadInputError(
                    what,
                    where=f"database {connection.info.dbname}",
                    remedy=f"have its administrator CREATE ROLE {API_ROLE}; GRANT {API_ROLE} TO {connection.info.user}",
                ) from error
            connection.execute("INSERT INTO schema_version (version) VALUES (%s)", [number])


def _migrations() -> list[bytes]:
    folder = files("adapters.postgres") / "migrations"
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [file.read_bytes() for file in found]


def _version(connection: Connection[Any]) -> int:
    """Return how many migrations the database has seen, 0 before the first."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        if cursor.execute("SELECT to_regclass('schema_version')").fetchone() == (None,):
            return 0
        found = cursor.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()
    assert found is not None
    return int(found[0])
