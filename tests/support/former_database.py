"""A database as a release before left it: what later migrations made is undone, the newest first."""

from typing import Any, Final, LiteralString

from psycopg import Connection

_UNDONE_BY: Final[dict[int, LiteralString]] = {
    13: "DROP TABLE set_aside_counted; ALTER TABLE set_aside DROP COLUMN waits_for",
    12: "DROP FUNCTION vehicles_seen; ALTER TABLE projection_vehicles DROP COLUMN seen_at",
    11: "DROP TYPE bigint_items, double_precision_items",
    10: "DROP TABLE trusted_documents",
    9: "DROP TABLE access_records",
    8: """
        DO $body$
        DECLARE
            name regclass;
        BEGIN
            FOR name IN SELECT DISTINCT polrelid::regclass FROM pg_policy LOOP
                EXECUTE format('DROP POLICY all_rows ON %s', name);
                EXECUTE format('DROP POLICY IF EXISTS own_vehicles ON %s', name);
                EXECUTE format('DROP POLICY IF EXISTS of_all_vehicles ON %s', name);
                EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', name);
            END LOOP;
        END
        $body$;
        DROP FUNCTION protect_vehicles, log_end, log_recorded_at;
        DROP INDEX directory_brand_idx
    """,
}


def undo_migrations(connection: Connection[Any], *, after: int) -> None:
    """Leave the database as the migration `after` did; one that nobody says here how to undo raises KeyError."""
    done = connection.execute("SELECT version FROM schema_version WHERE version > %s ORDER BY 1 DESC", [after])
    for (version,) in done.fetchall():
        connection.execute(_UNDONE_BY[version])
        connection.execute("DELETE FROM schema_version WHERE version = %s", [version])
