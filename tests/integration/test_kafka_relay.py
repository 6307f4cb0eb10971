"""The log on a real broker: every event once, in order, whoever is killed or hangs."""

import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Final

import psycopg
import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from adapters import demo
from adapters.avro.codec import AvroCodec
from adapters.kafka import relay as relay_module
from adapters.kafka.client import Connection
from adapters.kafka.partition import partition_of
from adapters.kafka.positions import KafkaPositions
from adapters.kafka.relay import Relay
from adapters.postgres.event_store import PostgresEventLog
from adapters.wiring import RELAY_GROUP
from tests.support.command_line import CommandLine
from tests.support.events import registry
from tests.support.kafka import PARTITIONS

pytestmark = pytest.mark.broker

PATIENCE_S: Final = 120
CODEC: Final = AvroCodec(registry())


@dataclass
class Rig:
    """A command line with a database and topics of its own."""

    fleettwin: CommandLine
    bootstrap_servers: str
    topic: str

    def stored(self) -> dict[str, list[tuple[int, int, str, bytes]]]:
        """Return position, version, type and bytes of every event in the log, by the vehicle's id."""
        assert self.fleettwin.database is not None
        log = PostgresEventLog.open(self.fleettwin.database)
        found: dict[str, list[tuple[int, int, str, bytes]]] = {}
        for each in log.read(0, 1_000_000):
            told = (each.position, each.version, each.topic, each.state)
            found.setdefault(str(each.originator_id), []).append(told)
        log.close()
        return found

    def published(self) -> dict[str, list[tuple[int, int, str, bytes]]]:
        """Return the same of every committed record, in the order of the partitions."""
        partitions = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
        found: dict[str, list[tuple[int, int, str, bytes]]] = {}
        with KafkaConsumer(bootstrap_servers=self.bootstrap_servers, isolation_level="read_committed") as consumer:
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(partitions)
            while any(consumer.position(each) < ends[each] for each in partitions):
                for partition, records in consumer.poll(timeout_ms=200).items():
                    for record in records:
                        headers = {name: value.decode() for name, value in record.headers}
                        assert partition.partition == partition_of(record.key, PARTITIONS)
                        told = (int(headers["position"]), int(headers["version"]), headers["ce_type"], record.value)
                        found.setdefault(record.key.decode(), []).append(told)
        return found

    def wait(self, *relays: "subprocess.Popen[str]") -> None:
        """Wait until the topic holds what the log holds, while these live."""
        deadline = time.monotonic() + PATIENCE_S
        while self.published() != (stored := self.stored()):
            assert time.monotonic() < deadline, {key: len(value) for key, value in stored.items()}
            assert all(relay.poll() is None for relay in relays)

    def ingest(self, number: int) -> None:
        """Ingest the recording of the demo as that of another car."""
        maps = [word for name in demo.MAPPINGS for word in ("--map", name)]
        with demo.recording() as path:
            self.fleettwin.ingest(path, "--vin", f"WVWZZZE1ZTP{number:06d}", "--any-vin", *maps)


@pytest.fixture
def rig(kafka_fleettwin: CommandLine, bootstrap_servers: str, topic_prefix: str) -> Rig:
    return Rig(kafka_fleettwin, bootstrap_servers, f"{topic_prefix}vehicle-events")


def test_the_topic_holds_what_the_log_holds_and_stopped_and_started_goes_on(rig: Rig) -> None:
    for number in range(2):
        rig.ingest(number)
        with rig.fleettwin.started("run", "relay") as relay:
            rig.wait(relay)
            relay.send_signal(signal.SIGTERM)
            _, said = relay.communicate(timeout=PATIENCE_S)
        assert (relay.returncode, said.splitlines()[-1]) == (0, "stopped")
    for vehicle, records in rig.published().items():
        assert [version for _, version, _, _ in records] == list(range(1, len(records) + 1)), vehicle


@pytest.mark.slow
def test_relays_that_are_killed_and_hang_publish_each_event_once(rig: Rig) -> None:
    with rig.fleettwin.started("run", "relay") as hanging:
        for number in range(6):
            rig.ingest(number)
            if number == 2:
                rig.wait(hanging)
                hanging.send_signal(signal.SIGSTOP)
            with rig.fleettwin.started("run", "relay") as killed:
                rig.ingest(number + 10)
                killed.kill()
            if number == 4:
                hanging.send_signal(signal.SIGCONT)
        with rig.fleettwin.started("run", "relay") as fresh:
            rig.wait(fresh)


def test_a_log_that_is_older_than_the_topic_is_not_published(rig: Rig) -> None:
    rig.ingest(1)
    with rig.fleettwin.started("run", "relay") as relay:
        rig.wait(relay)
    assert rig.fleettwin.database is not None
    with psycopg.connect(rig.fleettwin.database) as connection:
        connection.execute("DELETE FROM stored_events WHERE notification_id > 9")

    done = rig.fleettwin.run("run", "relay")
    assert done.status == 2
    assert "the log ends at 9: it is older than what was published (a restored backup?)" in done.stderr.splitlines()[-1]


def test_partitions_that_are_published_further_than_others_are_not_published_again(
    rig: Rig, bootstrap_servers: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that takes partitions over from one that was quicker has them further than its own."""
    for number in range(4):
        rig.ingest(number)
    stored = rig.stored()
    last = max(position for records in stored.values() for position, *_ in records)
    further = partition_of(next(iter(stored)).encode(), PARTITIONS)
    group = f"{topic_prefix}relays"
    with KafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=group, enable_auto_commit=False) as consumer:
        consumer.commit({TopicPartition(rig.topic, further): OffsetAndMetadata(last - 1, "", -1)})
    monkeypatch.setattr(relay_module, "EVENTS_MAX", 20)  # several pages before the partition is reached

    assert rig.fleettwin.database is not None
    log, stopping = PostgresEventLog.open(rig.fleettwin.database), threading.Event()
    connection = Connection(bootstrap_servers)
    relay = Relay(connection, rig.topic, PARTITIONS, group, log)
    thread = threading.Thread(target=relay.run, args=(stopping,))
    thread.start()
    positions = KafkaPositions(connection, topic_prefix, PARTITIONS, group)
    deadline = time.monotonic() + PATIENCE_S
    while set(positions.published().values()) != {last}:
        assert time.monotonic() < deadline
    stopping.set()
    thread.join()
    log.close()

    expected = {
        vehicle: [each for each in records if partition_of(vehicle.encode(), PARTITIONS) != further or each[0] == last]
        for vehicle, records in stored.items()
    }
    assert rig.published() == {vehicle: records for vehicle, records in expected.items() if records}


def test_relays_share_the_partitions_and_each_notes_how_far_all_of_the_log_is_published(
    rig: Rig, bootstrap_servers: str, topic_prefix: str
) -> None:
    positions = KafkaPositions(Connection(bootstrap_servers), topic_prefix, PARTITIONS, f"{topic_prefix}{RELAY_GROUP}")
    with rig.fleettwin.started("run", "relay") as first:
        said_to_publish(first)
        with rig.fleettwin.started("run", "relay") as second:
            said_to_publish(second)
            rig.ingest(1)  # of a car that is in the partition of one of them
            last = max(position for records in rig.stored().values() for position, *_ in records)
            deadline = time.monotonic() + PATIENCE_S
            while set(positions.published().values()) != {last}:
                assert time.monotonic() < deadline, positions.published()


def said_to_publish(relay: "subprocess.Popen[str]") -> None:
    """Wait until a relay says that partitions were left to it."""
    said = threading.Event()

    def listen() -> None:
        assert relay.stderr is not None
        for line in relay.stderr:
            if "publishes test" in line:
                said.set()

    threading.Thread(target=listen, daemon=True).start()
    assert said.wait(PATIENCE_S)
