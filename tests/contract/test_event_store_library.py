"""The eventsourcing library's own test cases for recorders, on ours.

Its `AggregateRecorderTestCase` is for recorders without positions (it wants `None` where an application recorder
returns them), which this project has none of. Its subscription on PostgreSQL is left out, and used nowhere: it begins
to listen after its first look at the log, and of an event in between it hears only when the next one comes.
"""

from collections.abc import Iterator

import psycopg
import pytest
from eventsourcing.tests.persistence import ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase

from adapters.memory.event_store import MemoryEventLog
from adapters.postgres.event_store import PostgresEventLog


class _OnPostgres:
    @pytest.fixture(autouse=True)
    def use(self, database: str) -> Iterator[None]:
        log = PostgresEventLog.open(database)
        with psycopg.connect(database) as connection:
            connection.execute("TRUNCATE stored_events")
        self.log = log
        yield
        log.close()

    def create_recorder(self) -> PostgresEventLog:
        return self.log


class TestPostgresEventLog(_OnPostgres, ApplicationRecorderTestCase[PostgresEventLog]):
    pass


class TestPostgresEventLogOrder(_OnPostgres, NonInterleavingNotificationIDsBaseCase):
    pass


class TestMemoryEventLog(ApplicationRecorderTestCase[MemoryEventLog]):
    def create_recorder(self) -> MemoryEventLog:
        return MemoryEventLog()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestMemoryEventLogOrder(NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> MemoryEventLog:
        return MemoryEventLog()


del ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase  # pytest would run them here as well
