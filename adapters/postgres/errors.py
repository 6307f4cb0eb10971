"""Errors of the eventsourcing library and of PostgreSQL as those that the project names."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from eventsourcing.persistence import IntegrityError, PersistenceError

from adapters.event_log import other_vin_key
from domain.errors import BadInputError, FleettwinError, StoreError, UnstorableError, VersionConflictError


@contextmanager
def named_errors() -> Iterator[None]:
    """Raise the library's errors under the project's names."""
    try:
        yield
    except PersistenceError as error:
        raise named(error) from error


def named(error: PersistenceError) -> FleettwinError:
    """Return an error of the library as one that the project names."""
    text = str(error).partition("\n")[0]
    cause = error.__cause__
    if isinstance(error, IntegrityError):
        other_key = isinstance(cause, psycopg.Error) and cause.diag.constraint_name == "directory_vin_key"
        return other_vin_key("event store") if other_key else VersionConflictError(text)
    if isinstance(cause, psycopg.errors.DiskFull):
        return BadInputError(
            f"the database's disk is full: {text}",
            where="event store",
            remedy="make room and try again; nothing is lost",
        )
    if isinstance(cause, psycopg.DataError):
        return UnstorableError(f"the event store has no place for it: {text}")
    return StoreError(f"the event store does not answer: {text}")
