"""A PostgreSQL for tests: one server for all worker processes of a run, an empty database for whoever asks.

A folder of tests gets the fixtures by importing them in its conftest.py.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from adapters.postgres.server import EmbeddedServer

_HOME = Path(tempfile.gettempdir()) / f"fleettwin-tests-{os.getuid()}"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """Give the server that all worker processes share; the last to finish stops it, its files stay for the next run."""
    with EmbeddedServer(_HOME) as running:
        _drop_leftovers(running)
        yield running


@pytest.fixture(scope="module")
def database(server: EmbeddedServer) -> Iterator[str]:
    """Give the connection string of an empty database that one test module has for itself."""
    with new_database(server) as conninfo:
        yield conninfo


@pytest.fixture
def fresh_database(server: EmbeddedServer) -> Iterator[str]:
    """Give the connection string of an empty database that one test has for itself."""
    with new_database(server) as conninfo:
        yield conninfo


@contextmanager
def new_database(server: EmbeddedServer) -> Iterator[str]:
    """Make an empty database and drop it in the end, whoever is still connected."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield server.conninfo(name)
        finally:
            _drop(connection, name)


def _drop(connection: psycopg.Connection[TupleRow], name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _drop_leftovers(server: EmbeddedServer) -> None:
    """Drop the databases of test runs that were killed."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        for (name,) in connection.execute(
            r"SELECT datname FROM pg_database WHERE datname ~ '^test_\d+_\d+$'"
        ).fetchall():
            try:
                os.kill(int(name.split("_")[1]), 0)
            except ProcessLookupError:
                _drop(connection, name)
