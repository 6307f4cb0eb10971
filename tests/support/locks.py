"""A database of which the vehicles are locked, and who waits for them."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def standing_still(database: str) -> Iterator[None]:
    """Let whatever is asked of vehicles wait for as long as it may."""
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE directory IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def waiting(database: str) -> int:
    """Return how many statements wait for a lock."""
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
    assert found is not None
    return int(found[0])
