"""Transactions that a coordinator has ended and a partition has not, on brokers that crash."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaTimeoutError, RetriableError

from adapters.clock import now
from adapters.kafka.client import Connection
from adapters.kafka.cluster import JVM_QUICK_START, Cluster
from adapters.kafka.distribution import Distribution
from adapters.kafka.hanging import HangingTransactions
from adapters.kafka.relay import Relay
from adapters.kafka.topics import create_topics
from adapters.memory.event_store import MemoryEventLog
from tests.support.kafka import PARTITIONS
from tests.support.running import running

pytestmark = pytest.mark.broker

PATIENCE_S: Final = 60
GROUP: Final = "relay"
TOPIC: Final = "vehicle-events"
COMMITTED: Final = 7  # the position that is part of a transaction
QUICK: Final = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000"}


def producer_in_a_transaction(
    connection: Connection, name: str = "a", timeout_ms: int = PATIENCE_S * 1_000
) -> KafkaProducer:
    """Return a producer that has begun a transaction, with a record in each partition."""
    producer = KafkaProducer(
        **connection.settings(), transactional_id=f"{GROUP}-{name}", transaction_timeout_ms=timeout_ms
    )
    producer.init_transactions()
    producer.begin_transaction()
    for future in [producer.send(TOPIC, name.encode(), partition=number) for number in range(PARTITIONS)]:
        future.get(timeout=PATIENCE_S)
    producer.send_offsets_to_transaction({TopicPartition(TOPIC, 0): OffsetAndMetadata(COMMITTED, "", -1)}, GROUP)
    return producer


def committed(connection: Connection) -> OffsetAndMetadata | None:
    """Return what the group has committed. Raises KafkaTimeoutError where that is part of an open transaction."""
    settings = {**connection.settings(), "isolation_level": "read_committed", "enable_auto_commit": False}
    with KafkaConsumer(**settings, group_id=GROUP) as consumer:
        return consumer.committed(TopicPartition(TOPIC, 0), metadata=True, timeout_ms=2_000)


def read(connection: Connection) -> Mapping[int, list[bytes]] | None:
    """Return the committed records by partition; None where there may be more, behind a transaction that is open."""
    partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    found = everywhere()
    ends = {}
    for level in ("read_committed", "read_uncommitted"):
        with KafkaConsumer(**connection.settings(), isolation_level=level, auto_offset_reset="earliest") as consumer:
            consumer.assign(partitions)
            ends[level] = consumer.end_offsets(partitions)
            while level == "read_committed" and any(consumer.position(each) < ends[level][each] for each in partitions):
                for partition, records in consumer.poll(timeout_ms=200).items():
                    found[partition.partition] += [record.value for record in records]
    return found if ends["read_committed"] == ends["read_uncommitted"] else None


def everywhere(*values: bytes) -> dict[int, list[bytes]]:
    return {number: [*values] for number in range(PARTITIONS)}


def is_led_by(client: KafkaAdminClient, number: int, leader: int) -> bool:
    """Whether a broker leads a partition, -1: none; from one that has just gone that is not to be heard."""
    with suppress(RetriableError):
        (described,) = client.describe_topics([TOPIC])
        return bool(
            {each["leader_id"] for each in described["partitions"] if each["partition_index"] == number} == {leader}
        )
    return False


def has_state(client: KafkaAdminClient, name: str, state: str) -> bool:
    """Whether a transaction is in a state; while coordinators move that is not known."""
    with suppress(RetriableError):
        return bool(client.describe_transactions([f"{GROUP}-{name}"])[f"{GROUP}-{name}"].state.value == state)
    return False


def wait(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def look(connection: Connection, prefix: str = f"{GROUP}-") -> None:
    with connection.admin_client() as client:
        HangingTransactions(client, TOPIC, prefix).end_now_and_then()


def test_a_transaction_that_a_crash_left_open_is_aborted(
    kafka_distribution: Distribution, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Cluster(tmp_path, kafka_distribution, jvm=JVM_QUICK_START, settings=QUICK) as cluster:
        (broker,) = cluster.brokers
        connection = Connection(cluster.bootstrap_servers)
        create_topics(connection, PARTITIONS)
        assert committed(connection) is None  # and the topic of positions is made
        for name in "abcdef":
            producer_in_a_transaction(connection, name, timeout_ms=1_000)
            broker.kill()  # and the time of the transaction is over before it is back
            broker.start()
            cluster.wait_ready()
            with connection.admin_client() as client:
                wait(partial(has_state, client, name, "CompleteAbort"))
            if read(connection) is None:
                break  # on a busy machine the partitions may have had a leader before the coordinator looked
        else:
            pytest.skip("on this machine, as busy as it is, Kafka has ended the transaction after each of the crashes")
        with pytest.raises(KafkaTimeoutError):
            committed(connection)
        look(connection, prefix="another's-")
        assert read(connection) is None
        relay = Relay(connection, TOPIC, PARTITIONS, GROUP, MemoryEventLog(now))  # which has nothing to publish
        with running(relay.run):
            wait(lambda: read(connection) == everywhere())
        assert committed(connection) is None
        assert caplog.text.count("aborted the transaction") == PARTITIONS + 1


@pytest.mark.slow
def test_a_transaction_that_was_committed_while_a_partition_had_no_leader_is_committed(
    kafka_distribution: Distribution, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Cluster(tmp_path, kafka_distribution, brokers=3, jvm=JVM_QUICK_START, settings=QUICK) as cluster:
        connection = Connection(cluster.bootstrap_servers)
        with connection.administration() as client:
            places = {number: [1 + number % 3] for number in range(PARTITIONS)}  # each on one broker only
            client.create_topics({TOPIC: {"assignments": places}}, wait_for_metadata=True)
            producer = producer_in_a_transaction(connection)
            (coordinator,) = (each.coordinator_id for each in client.describe_transactions([f"{GROUP}-a"]).values())
            lost = next(number for number in range(3) if 1 + number not in (coordinator, 1))
            cluster.brokers[lost].kill()
        with connection.admin_client() as client:
            wait(partial(is_led_by, client, lost, -1))
        producer.commit_transaction()
        with connection.admin_client() as client:
            wait(partial(has_state, client, "a", "CompleteCommit"))
        cluster.brokers[lost].start()
        cluster.wait_ready()
        with connection.admin_client() as client:
            wait(partial(is_led_by, client, lost, 1 + lost))
        assert read(connection) is None
        look(connection)
        assert read(connection) == everywhere(b"a")
        assert caplog.text.count("committed the transaction") == 1
        said = committed(connection)
        assert said
        assert said.offset == COMMITTED


def test_a_transaction_that_is_open_is_left_alone(kafka_distribution: Distribution, tmp_path: Path) -> None:
    with Cluster(tmp_path, kafka_distribution, jvm=JVM_QUICK_START) as cluster:
        connection = Connection(cluster.bootstrap_servers)
        create_topics(connection, PARTITIONS)
        producer = producer_in_a_transaction(connection, "a")
        look(connection)
        assert read(connection) is None
        producer.commit_transaction()
        producer_in_a_transaction(connection, "b").abort_transaction()
        look(connection)
        wait(lambda: read(connection) == everywhere(b"a"))
