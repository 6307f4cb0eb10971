"""One connection that only calls the functions that append.

An append of ten events takes about as long as the disk takes to make them durable, so every microsecond around it
shows. A cursor of psycopg and a pool cost a third on top: this speaks to libpq through psycopg's own `pq` and
`generators`, on a connection that it keeps. Appends of one process wait for each other here instead of in the server.
"""

import struct
import threading
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError
from psycopg import Connection
from psycopg.generators import execute
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from adapters.postgres.arrays import ArrayParameter
from adapters.postgres.datastore import Datastore

FUNCTIONS: Final = {
    b"append_events": 4,
    b"append_with_progress": 17,
    b"append_consumed": 20,
    b"append_with_origins": 25,
}  # and how many arrays they take

_BIGINT: Final = struct.Struct(">q")


class Writer:
    """Calls functions of `FUNCTIONS`, one at a time. Raises the errors of the eventsourcing library."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._lock = threading.Lock()
        self._connection: Connection[Any] | None = None

    def call(self, function: bytes, parameters: Sequence[ArrayParameter]) -> int:
        """Call a function in a transaction of its own, and return the number that it returns once that is durable."""
        with self._lock:
            try:
                connection = self._connection or self._connect()
                connection.pgconn.send_query_prepared(
                    function, parameters, [Format.BINARY] * len(parameters), Format.BINARY
                )
                value = self._result(connection, ExecStatus.TUPLES_OK).get_value(0, 0)
            except psycopg.IntegrityError as error:  # the connection is as good as before
                raise IntegrityError(str(error)) from error
            except psycopg.Error as error:
                lost = self._connection is None or self._connection.broken
                self._disconnect()
                if lost or isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
                    raise OperationalError(str(error)) from error
                raise PersistenceError(str(error)) from error
            except BaseException:
                self._disconnect()
                raise
        assert value is not None
        number: int = _BIGINT.unpack(value)[0]
        return number

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._disconnect()

    def _connect(self) -> Connection[Any]:
        self._connection = self._datastore.borrow()
        for function, count in FUNCTIONS.items():
            arrays = ", ".join(f"${number}" for number in range(1, count + 1))
            self._connection.pgconn.send_prepare(function, f"SELECT {function.decode()}({arrays})".encode())
            self._result(self._connection, ExecStatus.COMMAND_OK)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()  # so that the pool makes a new one
            self._datastore.give_back(self._connection)
            self._connection = None

    @staticmethod
    def _result(connection: Connection[Any], expected: ExecStatus) -> PGresult:
        """Return the answer. A second one, an error, follows if the commit fails: only the last word counts."""
        results: list[PGresult] = connection.wait(execute(connection.pgconn))
        for result in results:
            if result.status != expected:
                raise psycopg.errors.error_from_result(result, connection.info.encoding)
        return results[0]
