"""What every connection to PostgreSQL has: an end to waiting for a server that has gone without a word."""

from collections.abc import Mapping
from typing import Any, Final

from psycopg.conninfo import conninfo_to_dict

# By libpq's names (PostgreSQL 18, section 32.1.2), s but for the last, ms. Without them what was sent to a machine that
# has lost its power is waited for 15 minutes (Linux' tcp_retries2), and who only listens waits for two hours.
BOUNDS: Final[Mapping[str, int]] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def bounded(conninfo: str) -> dict[str, Any]:
    """Return the parameters of a connection string or URL, and `BOUNDS` for what it does not say itself.

    Raises psycopg.ProgrammingError for one that is none.
    """
    return {**BOUNDS, **conninfo_to_dict(conninfo)}
