"""Read models from a real broker: the rows of the log, whoever is killed or hangs, whatever the topic lacks."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import pytest
from kafka import KafkaProducer, TopicPartition
from psycopg import sql

from adapters import demo
from adapters.clock import now
from adapters.kafka.client import Connection
from adapters.kafka.partition import partition_of
from adapters.memory.read_models import MemoryReadModels
from adapters.postgres.event_store import PostgresEventLog
from adapters.projecting import Projecting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.vin import Vin
from projections.digest import digest
from tests.support.command_line import VIN_KEY, CommandLine
from tests.support.events import codec
from tests.support.kafka import PARTITIONS

pytestmark = pytest.mark.broker

PATIENCE_S: Final = 120
MAPS: Final = [word for name in demo.MAPPINGS for word in ("--map", name)]

Process = subprocess.Popen[str]


@dataclass
class Rig:
    """A command line with a database and topics of its own, where telemetry comes over Kafka."""

    fleettwin: CommandLine
    bootstrap_servers: str
    prefix: str

    @contextmanager
    def filling(self, *numbers: int) -> Iterator[None]:
        """Have cars with these numbers drive as in the recording of the demo, into the log, and that published."""
        with self.fleettwin.started("run", "ingest") as ingest, self.fleettwin.started("run", "relay") as relay:
            for number in numbers:
                with demo.recording() as path:
                    car = ("--vin", vin(number), "--any-vin", *MAPS)
                    assert self.fleettwin.run("ingest", path, *car, "--to", "kafka").status == 0
            yield
            assert (ingest.poll(), relay.poll()) == (None, None)

    def wait(self, *workers: Process, cars: int) -> dict[str, str]:
        """Wait until all has gone the whole way, while these live; return the digests."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            taken = self._taken()  # before the status, which is to be of all of it
            status = self.fleettwin.run("status", "--digest", "--json").json
            if taken == cars and not any(each["lag"] for each in status["projections"]):
                assert not any(each["parked"] for each in status["projections"])
                return {each["name"]: each["digest"] for each in status["projections"]}
            assert time.monotonic() < deadline, status
            assert all(worker.poll() is None for worker in workers)

    def folded(self) -> dict[str, str]:
        """Return the digests of what the log says."""
        assert self.fleettwin.database is not None
        records, rows = PostgresEventLog.open(self.fleettwin.database), MemoryReadModels()
        Projecting(lambda: PROJECTIONS, VehicleLog(records, codec()), rows, now).catch_up()
        records.close()
        return {each.name: digest(rows, each) for each in PROJECTIONS}

    def _taken(self) -> int:
        """Return how many cars' recordings are in the log to their end."""
        return int(self.ask("SELECT count(*) FROM stream_progress WHERE final")[0][0])

    def read_models(self) -> dict[str, bytes]:
        """Return everything that projections have written, by table."""
        found: dict[str, bytes] = {}
        assert self.fleettwin.database is not None
        with psycopg.connect(self.fleettwin.database) as connection, connection.cursor() as cursor:
            for table in self._tables():
                with cursor.copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))) as copy:
                    found[table] = b"".join(copy)
        return found

    def put_back(self, kept: dict[str, bytes]) -> None:
        """Take away in one transaction what projections have written since."""
        assert self.fleettwin.database is not None
        with psycopg.connect(self.fleettwin.database) as connection, connection.cursor() as cursor:
            for table, rows in kept.items():
                cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
                with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
                    copy.write(rows)

    def _tables(self) -> list[str]:
        own = [f"{each.name}_v{each.version}_%" for each in PROJECTIONS]
        names = ["projection_positions", "projection_sources", "projection_vehicles", "parked_vehicles"]
        statement = (
            "SELECT relname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relkind = 'r'"
            " AND n.nspname = current_schema() AND (relname = ANY (%s) OR relname LIKE ANY (%s)) ORDER BY relname"
        )
        return [name for (name,) in self.ask(statement, names, own)]

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return rows of the database."""
        assert self.fleettwin.database is not None
        with psycopg.connect(self.fleettwin.database) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


def vin(number: int) -> str:
    return f"WVWZZZE1ZTP{number:06d}"


def partition(number: int) -> int:
    return partition_of(id_of(number).encode(), PARTITIONS)


def id_of(number: int) -> str:
    return str(Vin.parse(vin(number)).vehicle_id(VIN_KEY.encode()))


@pytest.fixture
def rig(kafka_fleettwin: CommandLine, bootstrap_servers: str, topic_prefix: str) -> Rig:
    return Rig(kafka_fleettwin, bootstrap_servers, topic_prefix)


def test_the_rows_are_those_of_the_log_and_stopped_and_started_goes_on(rig: Rig) -> None:
    for number in (1, 2):
        with rig.filling(number), rig.fleettwin.started("run", "project") as worker:
            found = rig.wait(worker, cars=number)
            worker.send_signal(signal.SIGTERM)
            _, said = worker.communicate(timeout=PATIENCE_S)
        assert (worker.returncode, said.splitlines()[-1]) == (0, "stopped")
        assert found == rig.folded()


def test_each_projection_may_have_workers_of_its_own(rig: Rig) -> None:
    project = ("run", "project", "--only")
    with (
        rig.filling(1, 2, 3),
        rig.fleettwin.started(*project, "navigation") as one,
        rig.fleettwin.started(*project, "navigation", "--only", "media") as two,
        rig.fleettwin.started(*project, "diagnostics") as three,
    ):
        assert rig.wait(one, two, three, cars=3) == rig.folded()
    assert rig.fleettwin.run("run", "project", "--only", "nothing").complaint == (
        "fleettwin: nothing: there is no such projection; give one of navigation, media, diagnostics"
    )


@pytest.mark.slow
def test_workers_that_are_killed_and_hang_beside_a_server_that_projects_too_write_each_row_once(rig: Rig) -> None:
    with (
        rig.filling(1),
        rig.fleettwin.started("run", "project") as hanging,
        rig.fleettwin.started("serve", PORT="0") as server,
    ):
        rig.wait(hanging, cars=1)
        hanging.send_signal(signal.SIGSTOP)
        with rig.fleettwin.started("run", "project") as killed, rig.filling(2, 3):
            killed.kill()
        with rig.fleettwin.started("run", "project") as fresh, rig.filling(4):
            hanging.send_signal(signal.SIGCONT)
            assert rig.wait(hanging, fresh, server, cars=4) == rig.folded()


def test_what_the_topic_does_not_hold_any_more_comes_from_the_log(rig: Rig) -> None:
    with rig.filling(1, 2), rig.fleettwin.started("run", "project", "--only", "media") as worker:
        deadline = time.monotonic() + PATIENCE_S
        while rig.ask("SELECT count(*) FROM projection_positions WHERE position > 0")[0][0] != 1:
            assert time.monotonic() < deadline
        worker.kill()
        topic = f"{rig.prefix}vehicle-events"
        with Connection(rig.bootstrap_servers).administration() as client:
            client.delete_records({TopicPartition(topic, number): -1 for number in range(PARTITIONS)})
        with rig.fleettwin.started("run", "project") as fresh, rig.filling(3):
            assert rig.wait(fresh, cars=3) == rig.folded()


def test_a_topic_that_is_published_anew_under_a_reader_is_folded_once(rig: Rig) -> None:
    with rig.fleettwin.started("run", "project") as worker:
        with rig.filling(1):
            rig.wait(worker, cars=1)
        assert rig.fleettwin.run("republish", "--recreate").status == 0
        with rig.filling(2):
            assert rig.wait(worker, cars=2) == rig.folded()
    assert rig.ask("SELECT count(DISTINCT split_part(source, '#', 2)) FROM projection_sources") == [(2,)]
    assert rig.ask("SELECT count(*) FROM set_aside") == [(0,)]


def test_records_that_are_no_events_are_set_aside_and_one_that_is_spoilt_is_taken_from_the_log(rig: Rig) -> None:
    with rig.filling(1), rig.fleettwin.started("run", "project") as worker:
        rig.wait(worker, cars=1)
    key = id_of(2).encode()
    headers = [("ce_type", b"vehicle.registered.v1"), ("ce_time", b"2026-01-01T00:00:00+00:00"), ("position", b"1")]
    topic, partition = f"{rig.prefix}vehicle-events", partition_of(key, PARTITIONS)
    with KafkaProducer(bootstrap_servers=rig.bootstrap_servers) as producer:
        for value, more in (
            (b"{}", []),
            (b"garbage", [*headers, ("version", b"99999")]),
            (b"garbage", [*headers, ("version", b"1")]),
        ):
            producer.send(topic, value, key=key, headers=more, partition=partition).get(timeout=PATIENCE_S)
    with rig.filling(2), rig.fleettwin.started("run", "project", "--only", "media") as worker:
        deadline = time.monotonic() + PATIENCE_S
        while rig.ask("SELECT count(*) FROM set_aside")[0][0] < 2:
            assert time.monotonic() < deadline
    reasons = [reason for (reason,) in rig.ask("SELECT reason FROM set_aside ORDER BY position")]
    assert [reason.partition(":")[0] for reason in reasons] == [
        "key and headers are not those of an event",
        "version 99999 at position 1 is no event of a log",
    ]
    with rig.filling(), rig.fleettwin.started("run", "project") as worker:
        assert rig.wait(worker, cars=2) == rig.folded()


def test_a_vehicle_that_is_parked_is_shown_and_taken_up_again(rig: Rig) -> None:
    with rig.filling(1, 2):
        deadline = time.monotonic() + PATIENCE_S
        while rig.ask("SELECT count(*) FROM stream_progress WHERE final")[0][0] < 2:
            assert time.monotonic() < deadline
    where = "originator_id = %s AND originator_version = 3"
    ((good,),) = rig.ask(f"SELECT state FROM stored_events WHERE {where}", id_of(1))
    with Connection(rig.bootstrap_servers).administration() as client:
        topic = f"{rig.prefix}vehicle-events"
        client.delete_records({TopicPartition(topic, number): -1 for number in range(PARTITIONS)})
    rig.ask(f"UPDATE stored_events SET state = 'spoilt' WHERE {where}", id_of(1))
    with rig.filling(3), rig.fleettwin.started("run", "project") as worker:
        deadline = time.monotonic() + PATIENCE_S
        while any(each["lag"] for each in rig.fleettwin.status()["projections"]) or rig._taken() < 3:
            assert time.monotonic() < deadline
        assert worker.poll() is None
        parked = rig.fleettwin.run("parked", "list", "--json").json
        assert [(each["vehicleId"], each["version"], each["projection"]) for each in parked] == [
            (id_of(1), 3, f"{name} v1") for name in ("navigation", "media", "diagnostics")
        ]
        (shown, *_) = rig.fleettwin.run("parked", "show", id_of(1), "--json").json
        assert (shown["version"], shown["event"]["data"]) == (3, None)
        assert "not in the Confluent wire format" in shown["event"]["unreadable"]
        assert shown["newestVersion"] > 3
        assert "not in the Confluent wire format" in rig.fleettwin.run("parked", "show", id_of(1)).stdout
        assert rig.fleettwin.run("parked", "show", id_of(2)).complaint.endswith("see `fleettwin parked list`")
        assert rig.fleettwin.run("parked", "retry").status == 1
        rig.ask(f"UPDATE stored_events SET state = %s WHERE {where}", good, id_of(1))
        assert rig.fleettwin.run("parked", "retry").status == 0
        assert rig.wait(worker, cars=3) == rig.folded()


def test_with_two_relays_a_partition_in_which_nothing_happens_holds_nothing_up(rig: Rig) -> None:
    with (
        rig.fleettwin.started("run", "relay") as other_relay,
        rig.fleettwin.started("run", "project") as worker,
        rig.filling(1),
    ):
        assert rig.wait(other_relay, worker, cars=1) == rig.folded()


def test_what_a_crash_of_the_database_took_from_an_idle_worker_is_folded_again(rig: Rig) -> None:
    """Put back as a crash leaves it: the worker has no statement under way, and sees no error."""
    lost, other = 2, next(n for n in range(3, 99) if partition(n) != partition(2))
    with rig.fleettwin.started("run", "project") as worker:
        with rig.filling(1):
            rig.wait(worker, cars=1)
        kept = rig.read_models()
        with rig.filling(lost):
            rig.wait(worker, cars=2)
        rig.put_back(kept)
        with rig.filling(other):
            assert rig.wait(worker, cars=3) == rig.folded()
