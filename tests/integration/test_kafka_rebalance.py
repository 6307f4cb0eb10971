"""Workers that lose their partitions in the middle of a batch: nothing is lost, nothing taken twice."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Final
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent
from kafka import KafkaAdminClient
from kafka.admin import MemberToRemove

from adapters.avro.codec import AvroCodec
from adapters.avro.telemetry import TOPIC as TELEMETRY_TYPE
from adapters.avro.telemetry import TelemetryCodec
from adapters.clock import now
from adapters.event_log import ConsumedChange, DirectoryEntry, ProgressChange
from adapters.ingest_worker import BATCHES_MAX, IngestWorker
from adapters.kafka.client import Connection
from adapters.kafka.partition_consumer import PartitionConsumer
from adapters.kafka.telemetry_producer import TelemetryProducer
from adapters.kafka.topics import create_topics
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.set_aside import MemorySetAside
from adapters.vehicle_log import VehicleLog
from domain.fleet import Fleet
from domain.signals import SignalBatch
from domain.vin import Vin
from tests.support.batches import T0, Stream, drive
from tests.support.events import registry
from tests.support.kafka import PARTITIONS
from tests.support.running import running

pytestmark = pytest.mark.broker

PATIENCE_S: Final = 60
KEY: Final = b"a key for tests, and only for tests"
VINS: Final = [Vin.parse(f"WVWZZZE1ZMP{number:06d}") for number in range(12)]
BATCHES: Final = 6  # of each car


class Log(MemoryEventLog):
    """A log that holds back whoever comes first to append what comes from a topic, when it is armed."""

    def __init__(self) -> None:
        super().__init__(now)
        self.armed = threading.Event()
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def append(
        self,
        events: Sequence[StoredEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> Sequence[int]:
        """Append, or wait first."""
        if consumed and self.armed.is_set() and not self.reached.is_set():
            self.reached.set()
            assert self.go_on.wait(PATIENCE_S)
        return super().append(events, progress, directory, consumed)

    def told(self) -> dict[UUID, list[tuple[str, bytes]]]:
        """Return the events of each vehicle."""
        found: dict[UUID, list[tuple[str, bytes]]] = {}
        for each in self.read(0, self.last_position()):
            found.setdefault(each.originator_id, []).append((each.topic, each.state))
        return found


def fleet_on(log: MemoryEventLog) -> Fleet:
    fleet = Fleet(VehicleLog(log, AvroCodec(registry())), KEY)
    for vin in VINS:
        fleet.register(vin, brand="Volkswagen", model=None, at=T0)
    return fleet


def batches() -> list[SignalBatch]:
    """Return what all cars send, in turns."""
    streams = {vin: Stream(f"drive-{vin.text}") for vin in VINS}
    return [
        replace(streams[vin].batch(drive(100.0 * part, 100.0 * part + 60)), vehicle_id=vin.vehicle_id(KEY))
        for part in range(BATCHES)
        for vin in VINS
    ]


@contextmanager
def worker(connection: Connection, prefix: str, log: Log) -> Iterator[None]:
    taking = IngestWorker(fleet_on(log), TelemetryCodec(registry()), log, MemorySetAside(), now)
    consumer = PartitionConsumer(connection, f"{prefix}telemetry", PARTITIONS, f"{prefix}ingest", taking, BATCHES_MAX)
    with running(consumer.run):
        yield


def wait(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_that_has_lost_its_partitions_in_the_middle_of_a_batch_is_refused(
    bootstrap_servers: str, topic_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection, group = Connection(bootstrap_servers), f"{topic_prefix}ingest"
    create_topics(connection, PARTITIONS, topic_prefix)
    log, calm, sent = Log(), Log(), batches()
    fleet_on(calm).take(sent)
    wanted, half = calm.told(), len(sent) // 2
    producer = TelemetryProducer(
        connection, f"{topic_prefix}telemetry", PARTITIONS, TelemetryCodec(registry()).encode, TELEMETRY_TYPE
    )
    with ExitStack() as opened:
        opened.enter_context(closing(producer))
        admin = opened.enter_context(closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)))
        opened.callback(log.go_on.set)
        opened.enter_context(worker(connection, topic_prefix, log))
        log.armed.set()
        producer.send(sent[:half])
        assert log.reached.wait(PATIENCE_S)  # it has decided, and is about to write
        (member,) = admin.describe_groups([group])[group]["members"]
        admin.remove_group_members(group, [MemberToRemove(member_id=member["member_id"])])
        opened.enter_context(worker(connection, topic_prefix, log))
        wait(lambda: sum(log.consumed_positions().values()) == half)  # all of it is taken by another one
        log.go_on.set()
        wait(lambda: "another process has taken records" in caplog.text)
        producer.send(sent[half:])
        wait(lambda: sum(log.consumed_positions().values()) == len(sent))
        wait(lambda: len(admin.describe_groups([group])[group]["members"]) == 2)
        wait(lambda: admin.describe_groups([group])[group]["protocol_data"] == "cooperative-sticky")
    assert log.told() == wanted
