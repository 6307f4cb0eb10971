"""The log on a real broker: every event once, in order, whoever is killed or hangs."""

import random
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import MemberToRemove
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaTimeoutError, RebalanceInProgressError

from adapters import demo
from adapters.avro.codec import AvroCodec
from adapters.clock import now
from adapters.kafka import last_record, pages, sources
from adapters.kafka import relay as relay_module
from adapters.kafka.broker import HOST
from adapters.kafka.client import Connection
from adapters.kafka.cluster import JVM_QUICK_START, Cluster, free_ports
from adapters.kafka.distribution import Distribution
from adapters.kafka.group import HEARTBEAT_MS, join_group
from adapters.kafka.partition import partition_of
from adapters.kafka.positions import KafkaPositions
from adapters.kafka.published import PublishedWatch
from adapters.kafka.relay import Relay
from adapters.kafka.relayed import BehindKafkaError
from adapters.kafka.sources import SameTopic, source_of, topic_id
from adapters.kafka.topics import create_topics
from adapters.memory.event_store import MemoryEventLog
from adapters.postgres.event_store import PostgresEventLog
from adapters.vehicle_log import EVENT_BYTES_MAX
from domain.errors import StoreError
from domain.units import MICROS_PER_SECOND, Micros
from tests.support.command_line import CommandLine
from tests.support.events import registry
from tests.support.kafka import PARTITIONS, remake_topic
from tests.support.running import running
from tests.support.tcp_proxy import Link, TcpProxy

pytestmark = pytest.mark.broker

PATIENCE_S: Final = 120
FOREIGN: Final = b"not an event"
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


@dataclass
class RelayHere:
    """A relay in a thread of this process, on a log in memory in which each partition has a vehicle of its own."""

    bootstrap_servers: str
    topic_prefix: str
    group: str
    log: MemoryEventLog
    found: dict[int, list[int]]  # positions that were published, by partition

    @classmethod
    def on_new_topic(cls, bootstrap_servers: str, topic_prefix: str) -> "RelayHere":
        create_topics(Connection(bootstrap_servers), PARTITIONS, topic_prefix)
        found: dict[int, list[int]] = {number: [] for number in range(PARTITIONS)}
        return cls(bootstrap_servers, topic_prefix, f"{topic_prefix}relay", MemoryEventLog(now), found)

    @property
    def topic(self) -> str:
        return f"{self.topic_prefix}vehicle-events"

    @property
    def partitions(self) -> list[TopicPartition]:
        return [TopicPartition(self.topic, number) for number in range(PARTITIONS)]

    def append(self, version: int, state: bytes = b"") -> None:
        """Append an event of each vehicle, in the order of their partitions."""
        cars = {partition_of(str(UUID(int=number)).encode(), PARTITIONS): UUID(int=number) for number in range(100)}
        self.log.append([StoredEvent(cars[number], version, "x", state) for number in range(PARTITIONS)])

    def remake(self) -> None:
        """Delete the topic, and make it anew."""
        remake_topic(self.bootstrap_servers, self.topic, PARTITIONS, self.topic_prefix)

    def commit(self, position: int, topic_id: str) -> None:
        """Commit a position for all partitions, as a relay does."""
        with KafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, group_id=self.group, enable_auto_commit=False
        ) as consumer:
            consumer.assign(self.partitions)
            consumer.commit({each: OffsetAndMetadata(position, topic_id, -1) for each in self.partitions})

    def complete(self, versions: int) -> bool:
        """Whether all of so many versions of each vehicle were found, each once and in order."""
        return self.found == {
            number: [1 + number + PARTITIONS * version for version in range(versions)] for number in range(PARTITIONS)
        }

    def publish(self, version: int) -> None:
        """Append an event of each vehicle, and have a relay publish it."""
        self.append(version)
        with self.running():
            self.wait(lambda: self.complete(version))

    @contextmanager
    def running(self, at: str = "") -> Iterator[None]:
        relay = Relay(Connection(at or self.bootstrap_servers), self.topic, PARTITIONS, self.group, self.log)
        with running(relay.run):
            yield

    def wait(self, published: Callable[[], bool]) -> None:
        """Read the topic from its beginning until something is published."""
        for each in self.found.values():
            each.clear()
        deadline = time.monotonic() + PATIENCE_S / 2
        with KafkaConsumer(bootstrap_servers=self.bootstrap_servers, isolation_level="read_committed") as consumer:
            consumer.assign(self.partitions)
            consumer.seek_to_beginning()
            while not published():
                assert time.monotonic() < deadline, self.found
                for partition, records in consumer.poll(timeout_ms=200).items():
                    ours = [dict(each.headers) for each in records if each.value != FOREIGN]
                    self.found[partition.partition] += [int(headers["position"]) for headers in ours]


@pytest.fixture
def here(bootstrap_servers: str, topic_prefix: str) -> RelayHere:
    return RelayHere.on_new_topic(bootstrap_servers, topic_prefix)


class Held:
    """Holds whoever comes first back, when it is armed."""

    def __init__(self) -> None:
        self.armed = threading.Event()
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def arm(self) -> None:
        self.armed.set()

    def come(self) -> None:
        if self.armed.is_set() and not self.reached.is_set():
            self.reached.set()
            assert self.go_on.wait(PATIENCE_S)


@contextmanager
def holding(monkeypatch: pytest.MonkeyPatch, where: type, method: str) -> Iterator[Held]:
    """Hold who calls a method."""
    held, original = Held(), getattr(where, method)

    def come(*arguments: object) -> object:
        held.come()
        return original(*arguments)

    monkeypatch.setattr(where, method, come)
    try:
        yield held
    finally:
        held.go_on.set()


def test_a_partition_that_is_ahead_of_another_is_not_published_again_while_that_catches_up(
    here: RelayHere, bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "EVENTS_MAX", 10)
    for version in range(1, 16):
        here.append(version)
    ahead = here.partitions[1]
    with KafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=here.group, enable_auto_commit=False) as consumer:
        consumer.assign([ahead])
        consumer.commit({ahead: OffsetAndMetadata(41, "", -1)})  # another relay had it until now
    with here.running():
        here.wait(lambda: all(here.found[number][-1:] == [57 + number] for number in range(PARTITIONS)))
    wanted = {number: list(range(1 + number, 61, PARTITIONS)) for number in range(PARTITIONS)}
    assert here.found == wanted | {1: [position for position in wanted[1] if position > 41]}


@pytest.mark.parametrize("late", [KafkaTimeoutError("not confirmed"), StoreError("a transaction has not ended")])
def test_events_of_many_bytes_go_out_in_pages_that_brokers_confirm_in_time(
    here: RelayHere, monkeypatch: pytest.MonkeyPatch, late: Exception
) -> None:
    versions, transact = 5, Relay._transact
    sent: list[int] = []  # events of a transaction
    for version in range(1, versions + 1):
        here.append(version, random.Random(version).randbytes(900_000))

    def transact_slowly(relay: Relay, producer: KafkaProducer, chosen: Collection[Any], *more: Any) -> None:
        sent.extend([len(chosen)] if chosen else [])
        if len(chosen) > 5:
            raise late
        transact(relay, producer, chosen, *more)

    monkeypatch.setattr(Relay, "_transact", transact_slowly)
    with here.running():
        here.wait(lambda: here.complete(versions))
    assert sent == [18, 9, 4, 4, 4, 4, 4]


def test_a_relay_that_has_nothing_to_do_gives_partitions_to_others_and_takes_them_back(
    here: RelayHere, bootstrap_servers: str
) -> None:
    here.append(1)
    with here.running():
        here.wait(lambda: all(here.found.values()))
        deadline = time.monotonic() + PATIENCE_S / 2
        with closing(join_group(Connection(bootstrap_servers), here.group, here.topic)) as other:
            while len(other.assignment()) < PARTITIONS / 2:
                assert time.monotonic() < deadline, other.assignment()
                other.poll(timeout_ms=500)
            lacking = {each.partition for each in other.assignment()}
            here.append(2)
            here.wait(lambda: all(len(here.found[number]) == 2 for number in here.found if number not in lacking))
            assert all(len(here.found[number]) == 1 for number in lacking)
        here.wait(lambda: all(len(each) == 2 for each in here.found.values()))


def test_a_relay_that_has_fallen_out_of_the_group_goes_on_from_where_others_have_come(
    here: RelayHere, bootstrap_servers: str
) -> None:
    here.append(1)
    with here.running():
        here.wait(lambda: all(here.found.values()))
        with here.log._database_lock, closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
            # It hangs in the log, is taken for dead, and another relay publishes what comes.
            (member,) = admin.describe_groups([here.group])[here.group]["members"]
            admin.remove_group_members(here.group, [MemberToRemove(member_id=member["member_id"])])
            here.append(2)
            offsets = {each: OffsetAndMetadata(2 * PARTITIONS, "", -1) for each in here.partitions}
            admin.alter_group_offsets(here.group, offsets)
            threading.Event().wait(2 * HEARTBEAT_MS / 1_000)  # it hears of it with its next heartbeat
        deadline = time.monotonic() + PATIENCE_S
        with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
            while not admin.describe_groups([here.group])[here.group]["members"]:
                assert time.monotonic() < deadline
        here.append(3)
        here.wait(lambda: all(each and each[-1] > 2 * PARTITIONS for each in here.found.values()))
    assert here.found == {number: [1 + number, 9 + number] for number in range(PARTITIONS)}


def test_a_relay_that_loses_partitions_and_gets_them_back_within_one_poll_goes_on_from_where_another_has_come(
    here: RelayHere, bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.append(1)
    reached, go_on, process = threading.Event(), threading.Event(), ConsumerCoordinator._process_sync_group_response
    with here.running():
        here.wait(lambda: here.complete(1))
        with closing(join_group(Connection(bootstrap_servers), here.group, here.topic)) as other:
            rounds = iter(range(1, PATIENCE_S))

            def process_late(coordinator: ConsumerCoordinator, response: Any, sent_at_s: float) -> Any:
                # The first round takes partitions from the relay, the second gives them to the other.
                if coordinator is not other._coordinator and next(rounds) == 2:
                    reached.set()
                    assert go_on.wait(PATIENCE_S)
                    response.error_code = RebalanceInProgressError.errno  # as for one that had asked so late
                return process(coordinator, response, sent_at_s)

            monkeypatch.setattr(ConsumerCoordinator, "_process_sync_group_response", process_late)
            deadline = time.monotonic() + PATIENCE_S / 2
            while not (reached.is_set() and other.assignment()):
                assert time.monotonic() < deadline
                other.poll(timeout_ms=500)
            lacking = {each.partition for each in other.assignment()}
            here.append(2)
            other.commit({each: OffsetAndMetadata(2 * PARTITIONS, "", -1) for each in other.assignment()})
        go_on.set()
        here.append(3)
        here.wait(lambda: all(each and each[-1] > 2 * PARTITIONS for each in here.found.values()))
    assert 0 < len(lacking) < PARTITIONS
    assert here.found == {
        number: [1 + number, *(() if number in lacking else (5 + number,)), 9 + number] for number in range(PARTITIONS)
    }


@pytest.mark.slow
def test_a_relay_that_has_lost_its_partitions_in_the_middle_of_a_step_is_refused(
    here: RelayHere, bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relay_module, "STUCK_S", PATIENCE_S)
    here.append(1)
    with here.running(), holding(monkeypatch, Relay, "_transact") as held:
        here.wait(lambda: here.complete(1))
        held.arm()
        here.append(2)
        assert held.reached.wait(PATIENCE_S)
        with closing(KafkaAdminClient(bootstrap_servers=bootstrap_servers)) as admin:
            (member,) = admin.describe_groups([here.group])[here.group]["members"]
            admin.remove_group_members(here.group, [MemberToRemove(member_id=member["member_id"])])
        with here.running():
            here.wait(lambda: here.complete(2))
            assert "begins anew" not in caplog.text
            held.go_on.set()
            deadline = time.monotonic() + PATIENCE_S
            while "begins anew" not in caplog.text:
                here.wait(lambda: here.complete(2))
                assert time.monotonic() < deadline
            here.append(3)
            here.wait(lambda: here.complete(3))


@contextmanager
def broker_behind_link(distribution: Distribution) -> Iterator[tuple[str, Link]]:
    """Run a broker; give its address, and the link by which a client reaches it that begins there."""
    own, way = free_ports(2)
    plain = f"PLAINTEXT://{HOST}:{own.client}"
    settings = {
        "listeners": f"{plain},CONTROLLER://{HOST}:{own.controller},LINK://{HOST}:{way.client}",
        "advertised.listeners": f"{plain},LINK://{HOST}:{way.controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LINK:PLAINTEXT",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    }
    with (
        tempfile.TemporaryDirectory(prefix="fleettwin-relay-") as name,
        TcpProxy() as proxy,
        Cluster(Path(name), distribution, ports=[own], settings=settings, jvm=JVM_QUICK_START) as cluster,
    ):
        yield cluster.bootstrap_servers, proxy.link((HOST, way.client), way.controller)


@pytest.mark.slow
def test_a_transaction_that_does_not_end_is_given_up(
    kafka_distribution: Distribution, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with broker_behind_link(kafka_distribution) as (bootstrap_servers, link):
        here = RelayHere.on_new_topic(bootstrap_servers, "stuck-")
        here.append(1)
        with here.running(at=f"{HOST}:{link.port}"):
            here.wait(lambda: here.complete(1))
            monkeypatch.setattr(relay_module, "STUCK_S", 2.0)
            stalled, commit = threading.Event(), KafkaProducer.commit_transaction

            def stall_and_commit(producer: KafkaProducer) -> None:
                if not stalled.is_set():
                    stalled.set()
                    link.stall()
                commit(producer)

            monkeypatch.setattr(KafkaProducer, "commit_transaction", stall_and_commit)
            here.append(2)
            deadline = time.monotonic() + PATIENCE_S
            while "a transaction has not ended within 2 s" not in caplog.text:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            link.flow()
            here.append(3)
            here.wait(lambda: here.complete(3))
        while any(each.name == "transaction" for each in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_no_producer_is_left_behind_by_a_transaction_that_was_given_up(
    here: RelayHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "STUCK_S", 1.0)
    opened: list[KafkaProducer] = []
    with holding(monkeypatch, Relay, "_open_producer") as held:
        held_open = Relay._open_producer

        def note(relay: Relay) -> KafkaProducer:
            opened.append(held_open(relay))
            return opened[-1]

        monkeypatch.setattr(Relay, "_open_producer", note)
        held.arm()
        here.append(1)
        with here.running():
            assert held.reached.wait(PATIENCE_S)
            time.sleep(5 * relay_module.STUCK_S)
            held.go_on.set()
            here.wait(lambda: here.complete(1))
    assert opened
    assert all(each._closed for each in opened)


def test_a_topic_that_is_made_anew_while_a_relay_runs_gets_the_whole_log(here: RelayHere) -> None:
    here.append(1)
    with here.running():
        here.wait(lambda: here.complete(1))
        here.remake()
        here.append(2)
        here.wait(lambda: here.complete(2))


def test_a_topic_that_is_made_anew_while_no_relay_runs_gets_the_whole_log(
    here: RelayHere, bootstrap_servers: str, topic_prefix: str
) -> None:
    here.append(1)
    here.commit(PARTITIONS, "0123abcd")  # by a relay that knew the topic before; brokers mostly forget it with that
    positions = KafkaPositions(Connection(bootstrap_servers), topic_prefix, PARTITIONS, here.group, here.log)
    assert positions.published().up_to == dict.fromkeys(range(PARTITIONS), 0)
    with here.running():
        here.wait(lambda: here.complete(1))
        assert positions.published().up_to == dict.fromkeys(range(PARTITIONS), PARTITIONS)


def test_what_is_not_of_this_topic_is_not_taken_for_published(here: RelayHere, bootstrap_servers: str) -> None:
    with Connection(bootstrap_servers).administration() as client:
        named = {each: source_of(each, topic_id(client, here.topic)) for each in here.partitions}
        told: list[dict[str, int]] = []
        with KafkaConsumer(bootstrap_servers=bootstrap_servers) as reader:
            reader.assign(here.partitions)
            reader.seek_to_beginning()
            for identity in ("0123abcd", topic_id(client, here.topic)):
                here.commit(7, identity)
                watch = PublishedWatch(here.group, PARTITIONS, lambda positions, _: told.append(dict(positions)))
                for _ in range(2):  # it asks, and it tells
                    watch.look(client, named, reader)
    assert told == [dict.fromkeys(named.values(), 7)]


@pytest.mark.parametrize("moment", [(Relay, "_transact"), (SameTopic, "check")])
def test_a_topic_that_is_made_anew_before_or_after_records_were_sent_gets_each_event_once(
    here: RelayHere, monkeypatch: pytest.MonkeyPatch, moment: tuple[type, str]
) -> None:
    here.append(1)
    monkeypatch.setattr(sources, "CHECKED_S", PATIENCE_S)  # the transaction itself has to look
    with here.running(), holding(monkeypatch, *moment) as held:
        here.wait(lambda: here.complete(1))
        held.arm()
        here.append(2)
        assert held.reached.wait(PATIENCE_S)
        here.remake()
        held.go_on.set()
        here.wait(lambda: here.complete(2))


def test_records_of_others_in_the_topic_say_nothing_of_how_far_it_is(
    here: RelayHere, bootstrap_servers: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_record, "LOOK_BACK", 3)
    here.publish(1)
    here.append(2)
    key = str(here.log.read(0, 1)[0].originator_id).encode()
    foreign: list[tuple[bytes | None, list[tuple[str, bytes | None]]]] = [
        (None, []),
        (key, [("position", b"x"), ("version", b"1")]),
        (key, [("position", b"1000000")]),
        (None, [("position", b"1000000"), ("version", b"1"), ("ce_id", b"/1")]),
        (key, [("position", b"9" * 30), ("version", b"1"), ("ce_id", key + b"/1")]),
        (key, [("position", b"0"), ("version", b"1"), ("ce_id", key + b"/1")]),
        (key, [("position", b"5"), ("version", b"1"), ("ce_id", key + b"/1")]),  # at 5 there is version 2
        (b"\xff", [("position", b"5"), ("version", b"1"), ("ce_id", b"\xff/1")]),
    ]
    with Connection(bootstrap_servers).administration() as client:
        client.delete_groups([here.group])
    with closing(KafkaProducer(bootstrap_servers=bootstrap_servers)) as producer:
        for each, headers in foreign:
            for number in range(PARTITIONS):
                producer.send(here.topic, FOREIGN, key=each, headers=headers, partition=number).get(PATIENCE_S)
    positions = KafkaPositions(Connection(bootstrap_servers), topic_prefix, PARTITIONS, here.group, here.log)
    assert positions.published().up_to == {number: 1 + number for number in range(PARTITIONS)}
    with here.running():
        here.wait(lambda: here.complete(2))


def test_a_record_that_only_looks_like_one_of_a_newer_log_ends_no_relay(
    here: RelayHere, bootstrap_servers: str
) -> None:
    here.publish(1)
    key = str(here.log.read(0, 1)[0].originator_id).encode()
    headers = [("position", b"1000000"), ("version", b"1"), ("ce_id", key + b"/1")]
    with closing(KafkaProducer(bootstrap_servers=bootstrap_servers)) as producer:
        for number in range(PARTITIONS):
            producer.send(here.topic, FOREIGN, key=key, headers=headers, partition=number).get(PATIENCE_S)
    here.publish(2)  # a relay would have noted that it had come there


def test_a_log_that_is_older_than_the_topic_is_not_published_though_the_group_has_forgotten(
    here: RelayHere, bootstrap_servers: str
) -> None:
    here.publish(1)
    with Connection(bootstrap_servers).administration() as client:
        client.delete_groups([here.group])
    relay = Relay(Connection(bootstrap_servers), here.topic, PARTITIONS, here.group, MemoryEventLog(now))
    with pytest.raises(BehindKafkaError, match="the log ends at 0"):
        relay.run(threading.Event())


def test_a_log_that_was_restored_and_has_grown_since_is_not_published(here: RelayHere, bootstrap_servers: str) -> None:
    here.publish(1)
    other = RelayHere(here.bootstrap_servers, here.topic_prefix, here.group, MemoryEventLog(now), {})
    for version in range(1, 4):  # as many events as the topic has, and more
        other.append(version)
    relay = Relay(Connection(bootstrap_servers), here.topic, PARTITIONS, here.group, other.log)
    with pytest.raises(BehindKafkaError, match="has another event at position 4 than the log") as refused:
        relay.run(threading.Event())
    positions = [
        KafkaPositions(Connection(bootstrap_servers), here.topic_prefix, PARTITIONS, here.group, log).published()
        for log in (here.log, other.log)
    ]
    assert positions[0].trouble is None
    assert (positions[1].trouble or "").partition(" ")[2] == str(refused.value).partition(" ")[2]  # of any partition


class SilentConsumer:
    """A client that gets nothing from the brokers."""

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.at = offset

    def position(self, _: TopicPartition) -> int:
        return self.at

    def poll(self, **_: object) -> dict[TopicPartition, list[object]]:
        return {}


def test_a_partition_that_gives_nothing_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_record, "SILENT_S_MAX", 0.01)
    with pytest.raises(StoreError, match="events/3 has not given what it holds from offset 5 on"):
        list(last_record.events_between(SilentConsumer(), TopicPartition("events", 3), 5, 9))


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


LOG_IS_OLDER = "the log ends at 9: it is older than what was published (a restored backup?)"
REMEDY = (
    "; restore a newer one, or, to go on with this one, stop every `fleettwin run relay` and make the topic anew with"
    " `fleettwin republish --recreate`"
)


def take_back_the_log(rig: Rig) -> None:
    """Leave the first nine events, as a restored backup would."""
    assert rig.fleettwin.database is not None
    with psycopg.connect(rig.fleettwin.database) as connection:
        connection.execute("DELETE FROM stored_events WHERE notification_id > 9")


def test_a_log_that_is_older_than_the_topic_is_not_published(rig: Rig) -> None:
    rig.ingest(1)
    with rig.fleettwin.started("run", "relay") as relay:
        rig.wait(relay)
    take_back_the_log(rig)

    done = rig.fleettwin.run("run", "relay")
    assert done.status == 2
    assert LOG_IS_OLDER in done.stderr.splitlines()[-1]
    assert LOG_IS_OLDER in rig.fleettwin.run("status", "--json").json["kafka"]["relay"]["trouble"]
    (told,) = (each for each in rig.fleettwin.run("status").stdout.splitlines() if each.startswith("relay: "))
    assert told.endswith(LOG_IS_OLDER + REMEDY)

    assert rig.fleettwin.run("republish", "--recreate").status == 0  # as it says
    assert rig.published() == rig.stored()
    assert "trouble" not in rig.fleettwin.run("status", "--json").json["kafka"]["relay"]


def test_a_log_that_goes_back_under_a_running_relay_ends_it(rig: Rig) -> None:
    rig.ingest(1)
    with rig.fleettwin.started("run", "relay") as relay:
        rig.wait(relay)
        take_back_the_log(rig)
        _, said = relay.communicate(timeout=PATIENCE_S)
    assert relay.returncode == 2
    assert LOG_IS_OLDER in said.splitlines()[-1]


def test_so_does_one_that_has_other_events_in_the_places_of_those_that_it_lost(rig: Rig) -> None:
    rig.ingest(1)
    with rig.fleettwin.started("run", "relay") as relay:
        rig.wait(relay)
        assert rig.fleettwin.database is not None
        with psycopg.connect(rig.fleettwin.database) as connection:
            connection.execute("UPDATE stored_events SET recorded_at = recorded_at + 1 WHERE notification_id > 9")
        _, said = relay.communicate(timeout=PATIENCE_S)
    assert relay.returncode == 2
    assert "has another event at position" in said.splitlines()[-1]


def test_an_event_of_the_most_bytes_that_the_log_takes_is_published(here: RelayHere) -> None:
    odd = bytes(Random(5).randbytes(EVENT_BYTES_MAX))  # which no compression makes smaller
    cars = {partition_of(str(UUID(int=number)).encode(), PARTITIONS): UUID(int=number) for number in range(100)}
    here.log.append([StoredEvent(cars[number], 1, "x", odd) for number in range(PARTITIONS)])
    with here.running():
        here.wait(lambda: here.complete(1))


class LateLog(MemoryEventLog):
    """A log that answers who has waited with a position of long ago."""

    def wait(self, after_position: int, timeout_ms: int) -> int:
        super().wait(after_position, timeout_ms)
        return 0


def test_events_of_a_clock_that_is_ahead_by_hours_are_published(here: RelayHere) -> None:
    here.log = MemoryEventLog(lambda: Micros(now() + 3 * 3_600 * MICROS_PER_SECOND))
    here.publish(1)


def test_an_old_answer_of_the_log_does_not_end_a_relay(here: RelayHere) -> None:
    here.log = LateLog(now)
    here.append(1)
    with here.running():
        here.wait(lambda: here.complete(1))
        time.sleep(2 * relay_module.WAIT_MS / 1_000)
        here.append(2)
        here.wait(lambda: here.complete(2))


def test_the_topic_is_made_anew_from_the_log(rig: Rig) -> None:
    rig.ingest(1)
    with rig.fleettwin.started("run", "relay") as relay:
        rig.wait(relay)
        assert rig.fleettwin.run("republish").complaint.endswith("stop every `fleettwin run relay` first")
        relay.send_signal(signal.SIGTERM)
        relay.wait(PATIENCE_S)
    before = rig.published()
    assert ": holds records already; with --recreate it is deleted first" in rig.fleettwin.run("republish").complaint
    assert rig.published() == before

    for _ in range(2):
        done = rig.fleettwin.run("republish", "--recreate")
        assert (done.status, done.stdout) == (0, f"{sum(map(len, before.values()))} events are published\n"), done
        assert rig.published() == rig.stored() == before


def test_a_topic_that_kafka_has_lost_is_filled_from_the_log(rig: Rig) -> None:
    rig.ingest(1)
    with rig.fleettwin.started("run", "relay") as relay:
        rig.wait(relay)
    with Connection(rig.bootstrap_servers).administration() as client:
        client.delete_records({TopicPartition(rig.topic, number): -1 for number in range(PARTITIONS)})
    assert not rig.published()

    rig.ingest(2)
    assert rig.fleettwin.run("republish").status == 0
    assert rig.published() == rig.stored()
