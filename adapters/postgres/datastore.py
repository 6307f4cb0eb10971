"""Connections to one PostgreSQL database, in the form in which the eventsourcing library wants them."""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow, dict_row
from psycopg_pool import PoolTimeout

from adapters.postgres.conninfo import bounded
from adapters.postgres.priority import give_way
from domain.errors import BadInputError

ATTEMPTS_MAX: Final = (
    10  # of a statement; more than there are connections, since after a crash of the server each is broken
)
ATTEMPT_WAIT_S: Final = 0.02  # a server that restarts is waited for where connections are handed out
_CONNECTIONS_MIN: Final = 1
_CONNECTIONS_MAX: Final = 8
RECONNECT_S: Final = 5.0  # then who asks next begins anew: a pool waits twice as long after every attempt that fails
_CONNECTION_WAIT_S: Final = 30.0
_IDLE_IN_TRANSACTION_MS_MAX: Final = 60_000  # a process that is stopped in mid-transaction must not stop the others
_SHORT_OF_RESOURCES: Final = "53"  # class of SQLSTATEs: disk full, out of memory, too many connections

T = TypeVar("T")


class Datastore(PostgresDatastore):
    """A pool of connections to the database that a libpq connection string or URL names.

    Behind PgBouncer in transaction mode everything works (from 1.21 on, with `max_prepared_statements`), but LISTEN:
    new events are then found by polling. `nice` is what the server's processes are to have, where that is possible.
    """

    def __init__(self, conninfo: str, nice: int = 0) -> None:
        self._nice = nice
        try:
            self._conninfo = make_conninfo(**bounded(conninfo))
        except psycopg.ProgrammingError as error:
            raise BadInputError(
                str(error).strip(),
                where="FLEETTWIN_DATABASE_URL",
                remedy="write it as postgresql://user:password@host:port/database",
            ) from None
        super().__init__(
            dbname="",
            host="",
            port="",
            user="",
            password="",
            connect_timeout=_CONNECTION_WAIT_S,
            pool_size=_CONNECTIONS_MIN,
            max_overflow=_CONNECTIONS_MAX - _CONNECTIONS_MIN,
        )
        self.pool.conninfo = self._conninfo
        self.pool.reconnect_timeout = RECONNECT_S
        self.pool.kwargs = {"row_factory": dict_row}

    def connect(self) -> Connection[TupleRow]:
        """Return a connection that is no part of the pool.

        Raises BadInputError with the server's reason if there is none to be had.
        """
        try:
            return psycopg.connect(self._conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            raise BadInputError(
                f"no connection to the database: {str(error).strip().splitlines()[-1].strip()}",
                where="FLEETTWIN_DATABASE_URL",
                remedy="start the server or correct the address",
            ) from error

    def borrow(self) -> Connection[Any]:
        """Return a connection of the pool for longer use; waits for a server that restarts."""
        self.pool.open()
        return self.pool.getconn()

    def give_back(self, connection: Connection[Any]) -> None:
        """Return a borrowed connection to the pool."""
        self.pool.putconn(connection)

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """Return what prepares a new connection: each statement is a transaction, and sees what is committed."""

        def after_connect(connection: Connection[Any]) -> None:
            connection.autocommit = True
            connection.execute(
                "SET default_transaction_isolation = 'read committed';"
                f" SET idle_in_transaction_session_timeout = {_IDLE_IN_TRANSACTION_MS_MAX}"
            )
            if self._nice:
                give_way(connection, self._nice)

        return after_connect

    def register_type_adapters(self) -> None:
        """Do nothing: events are sent as plain arrays, not as values of a composite type."""


def again(action: Callable[[], T]) -> T:
    """Return what `action` returns; a lost connection is tried again, what more attempts would not mend is not."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return action()
        except (InterfaceError, OperationalError) as error:
            if attempt == ATTEMPTS_MAX or not _may_pass(error.__cause__):
                raise
        time.sleep(ATTEMPT_WAIT_S)
    raise AssertionError  # the last attempt returns or raises


def _may_pass(cause: BaseException | None) -> bool:
    hopeless = isinstance(cause, psycopg.Error) and (cause.sqlstate or "").startswith(_SHORT_OF_RESOURCES)
    return not (hopeless or isinstance(cause, PoolTimeout))
