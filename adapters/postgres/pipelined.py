"""Statements of one transaction, sent ahead of their answers: libpq's pipeline mode."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import Connection
from psycopg.generators import send
from psycopg.rows import TupleRow


@contextmanager
def pipelined(connection: Connection[TupleRow]) -> Iterator[Callable[[], None]]:
    """Begin a transaction whose statements are sent without waiting; call what is given to have them all answered.

    What psycopg itself does to have them answered waits to read alone, be everything sent or not. With more than the
    socket takes at once, each side then waits for the other for ever (mended for a pipeline's end in psycopg 3.1.18).
    """

    def send_all() -> None:
        connection.wait(send(connection.pgconn))

    with connection.pipeline() as pipeline, connection.transaction():

        def answered() -> None:
            send_all()
            pipeline.sync()

        try:
            yield answered
        except BaseException:
            with suppress(psycopg.Error):  # the rollback, too, waits for its answer
                send_all()
            raise
