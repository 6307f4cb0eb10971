"""Brokers that this project starts: they keep what they took, are shared, and end with those who use them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from adapters import local_kafka
from adapters.kafka.client import Connection
from adapters.kafka.cluster import JVM_QUICK_START, Cluster, free_ports
from adapters.kafka.distribution import Distribution
from adapters.kafka.held_process import POLL_S, HeldProcess
from adapters.kafka.keeper import STOP_TIMEOUT_S
from adapters.kafka.partition import partition_of
from adapters.kafka.topics import create_topics
from domain.errors import BadInputError
from tests.support.lacking import run_without_programs

ROOT = Path(__file__).parents[2]
WAIT_S = 30  # for what takes a second or two
KEYS = [f"{number:032x}".encode() for number in range(8)]
PARTITIONS = 4


def topic(connection: Connection, name: str, replicas: int = 1) -> str:
    with connection.administration() as client:
        settings = {"num_partitions": PARTITIONS, "replication_factor": replicas}
        client.create_topics({name: settings}, wait_for_metadata=True)
    return name


def produce(connection: Connection, name: str, value: bytes, *, explicit: bool = True) -> None:
    """Send a record of every key; each is in the log when this returns."""
    producer = KafkaProducer(**connection.settings(), acks="all", compression_type="lz4", delivery_timeout_ms=60_000)
    try:
        sent = [
            producer.send(name, key=key, value=value, partition=partition_of(key, PARTITIONS) if explicit else None)
            for key in KEYS
        ]
        for future in sent:
            future.get(timeout=WAIT_S)
    finally:
        producer.close()


def consume(connection: Connection, name: str) -> dict[int, list[tuple[bytes, bytes]]]:
    """Return key and value of all records, by partition."""
    consumer = KafkaConsumer(
        **connection.settings(), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        partitions = [TopicPartition(name, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found: dict[int, list[tuple[bytes, bytes]]] = {number: [] for number in range(PARTITIONS)}
        deadline = time.monotonic() + WAIT_S
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            assert time.monotonic() < deadline
            for partition, records in consumer.poll(timeout_ms=500).items():
                found[partition.partition] += [(record.key, record.value) for record in records]
        return found
    finally:
        consumer.close()


def expected(*values: bytes) -> dict[int, list[tuple[bytes, bytes]]]:
    found: dict[int, list[tuple[bytes, bytes]]] = {number: [] for number in range(PARTITIONS)}
    for value in values:
        for key in KEYS:
            found[partition_of(key, PARTITIONS)].append((key, value))
    return found


def test_a_record_is_where_every_client_looks_for_it(bootstrap_servers: str, topic_prefix: str) -> None:
    connection = Connection(bootstrap_servers)
    name = topic(connection, f"{topic_prefix}records")
    produce(connection, name, b"ours")
    produce(connection, name, b"theirs", explicit=False)
    assert consume(connection, name) == expected(b"ours", b"theirs")


def test_what_a_broker_took_survives_its_stop_and_its_crash(kafka_distribution: Distribution, tmp_path: Path) -> None:
    with Cluster(tmp_path, kafka_distribution, jvm=JVM_QUICK_START) as cluster:
        (broker,) = cluster.brokers
        connection = Connection(cluster.bootstrap_servers)
        name = topic(connection, "records")
        produce(connection, name, b"before")
        broker.stop()
        assert not broker.running
        broker.start()
        cluster.wait_ready()
        assert consume(connection, name) == expected(b"before")

        produce(connection, name, b"between")
        broker.kill()
        assert not broker.running
        broker.start()
        cluster.wait_ready()
        assert consume(connection, name) == expected(b"before", b"between")
    assert not broker.running


@pytest.mark.slow
def test_three_brokers_go_on_when_one_is_gone(kafka_distribution: Distribution, tmp_path: Path) -> None:
    with Cluster(tmp_path, kafka_distribution, brokers=3, jvm=JVM_QUICK_START) as cluster:
        connection = Connection(cluster.bootstrap_servers)
        name = topic(connection, "records", replicas=3)
        produce(connection, name, b"by three")
        cluster.brokers[0].kill()
        # the other two may still name the one that is gone
        assert [each.created for each in create_topics(connection, PARTITIONS)] == [True, True]
        produce(connection, name, b"by two")
        assert consume(connection, name) == expected(b"by three", b"by two")
        cluster.brokers[0].start()
        cluster.wait_ready()
        assert consume(connection, name) == expected(b"by three", b"by two")
        for broker in cluster.brokers:
            broker.kill()  # asked to stop, the last ones would look for a majority that is no more
    assert [broker.running for broker in cluster.brokers] == [False, False, False]


# --- who uses it ------------------------------------------------------------------------------------------------------

USER = """
import sys
from pathlib import Path
from adapters.kafka.cluster import JVM_QUICK_START, Cluster
from adapters.kafka.distribution import find_distribution
with Cluster(Path(sys.argv[1]), find_distribution(), jvm=JVM_QUICK_START) as cluster:
    print(cluster.bootstrap_servers, flush=True)
    sys.stdin.read()
"""


@contextmanager
def user(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run another process that uses the cluster; it leaves when its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_broker_is_shared_and_ends_with_the_last_who_uses_it_however_that_ends(
    kafka_distribution: Distribution, tmp_path: Path
) -> None:
    broker, keeper = (HeldProcess(tmp_path / name) for name in ("broker-1/pid", "keeper.pid"))
    with user(tmp_path) as first, user(tmp_path) as second:
        assert said(first) == said(second) != ""
        pid = broker.pid
        first.send_signal(signal.SIGKILL)
        first.wait()
        with Cluster(tmp_path, kafka_distribution, jvm=JVM_QUICK_START) as cluster:
            assert broker.pid == pid
            cluster.wait_ready()
        assert broker.running, "the second still uses it"
        second.send_signal(signal.SIGKILL)
        second.wait()
        deadline = time.monotonic() + STOP_TIMEOUT_S + WAIT_S
        assert broker.wait(deadline), "nobody uses it"
        assert keeper.wait(deadline)


@pytest.mark.parametrize("which", ["client", "controller"])
def test_a_port_that_is_taken_is_told_in_one_line(kafka_distribution: Distribution, tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = free_ports(1)[0]._replace(**{which: port})
        cluster = Cluster(tmp_path, kafka_distribution, ports=[ports])
        with pytest.raises(BadInputError, match=rf"does not run: Address already in use: 127.0.0.1:{port}; see"):
            cluster.start()
    keeper = HeldProcess(tmp_path / "keeper.pid")
    assert keeper.wait(time.monotonic() + WAIT_S)


def test_a_broker_that_does_not_start_says_why(kafka_distribution: Distribution, tmp_path: Path) -> None:
    settings = {"num.partitions": "0"}
    cluster = Cluster(tmp_path, kafka_distribution, settings=settings, jvm=JVM_QUICK_START)
    with pytest.raises(BadInputError, match=r"does not run: .*num\.partitions"):
        cluster.start()


def test_make_up_starts_a_broker_that_stays_and_make_down_stops_it(
    kafka_distribution: Distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ports,) = free_ports(1)
    monkeypatch.setattr(local_kafka, "CLIENT_PORT", ports.client)
    monkeypatch.setattr(local_kafka, "CONTROLLER_PORT", ports.controller)
    home = tmp_path / "h\u00f6me, 100 %d of $HOME"  # each means something to the settings of Kafka or of its log
    try:
        runs, export = local_kafka.up(home, 1)
        assert runs.startswith(f"Kafka {kafka_distribution.version} runs: 1 broker, logs and data in {home}")
        assert export == f"export FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:{ports.client}"
        broker = home / "kafka/1-broker/broker-1"
        assert (broker / "data/meta.properties").exists()
        assert "Kafka Server started" in (broker / "server.log").read_text()
        ran, again = local_kafka.up(home, 1)
        assert (ran, again) == (runs.replace(" runs:", " ran already:"), export)
        with pytest.raises(BadInputError, match=r"another set of brokers runs \(1-broker\); `make down` stops it"):
            local_kafka.up(home, 3)
    finally:
        stopped = local_kafka.down(home)
    assert stopped == ["stopped 1-broker"]
    assert local_kafka.down(home) == ["no broker runs"]


@pytest.mark.slow
def test_make_up_says_which_of_several_brokers_it_has_started_again(
    kafka_distribution: Distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = first_of_free_ports(2)
    monkeypatch.setattr(local_kafka, "CLIENT_PORT", at)
    monkeypatch.setattr(local_kafka, "CONTROLLER_PORT", at + 2)
    told = f"Kafka {kafka_distribution.version} {{}}: 2 brokers{{}}, logs"
    try:
        assert local_kafka.up(tmp_path, 2)[0].startswith(told.format("runs", ""))
        HeldProcess(tmp_path / "kafka/2-brokers/broker-2/pid").kill()
        assert local_kafka.up(tmp_path, 2)[0].startswith(told.format("runs", " (started again: 2)"))
        assert local_kafka.up(tmp_path, 2)[0].startswith(told.format("ran already", ""))
    finally:
        local_kafka.down(tmp_path)


def first_of_free_ports(brokers: int) -> int:
    """Return where as many ports in a row are free as clients and controllers of so many brokers need."""
    while True:
        ((first, _),) = free_ports(1)
        with ExitStack() as held, suppress(OSError):
            for number in range(2 * brokers):
                held.enter_context(socket.create_server(("127.0.0.1", first + number)))
            return first


UP: Final = """
import sys
from adapters import local_kafka
local_kafka.CLIENT_PORT, local_kafka.CONTROLLER_PORT = map(int, sys.argv[1:])
sys.argv[1:] = ["up", "1"]
local_kafka.main()
"""


@pytest.mark.usefixtures("kafka_distribution")
def test_a_make_up_that_is_interrupted_leaves_no_broker_behind(tmp_path: Path) -> None:
    (ports,) = free_ports(1)
    environment = os.environ | {"FLEETTWIN_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", UP, *map(str, ports)], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        broker = HeldProcess(tmp_path / "kafka/1-broker/broker-1/pid")
        deadline = time.monotonic() + WAIT_S
        while not broker.running:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(POLL_S)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=STOP_TIMEOUT_S + WAIT_S)
    assert (process.returncode, complaint) == (130, "fleettwin: stopped\n")
    assert not broker.running


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["up", "none"], "fleettwin: BROKERS: 'none' is no number of brokers; say 1 or 3\n"),
        (["up"], "fleettwin: local_kafka: wrong use; say `up BROKERS`, or `down`\n"),
    ],
)
def test_make_up_says_in_one_line_what_was_wrong(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "adapters.local_kafka", *arguments]
    environment = os.environ | {"FLEETTWIN_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", complaint)


# --- where there is none ----------------------------------------------------------------------------------------------


NO_JAVA: Final = "java: no Kafka can be started: there is no Java; install Java 17 or later and Maven"


@pytest.mark.parametrize(("ci", "told", "status"), [("", "2 skipped", 0), ("true", "2 errors", 1)])
def test_without_java_the_tests_of_brokers_skip_and_in_ci_they_fail(
    ci: str, told: str, status: int, tmp_path: Path
) -> None:
    tests = [
        f"{__file__}::{test_a_broker_that_does_not_start_says_why.__name__}",
        str(Path(__file__).with_name("test_kafka_topics.py::test_several_may_create_them_at_once")),
    ]
    done = run_without_programs(tests, tmp_path, ci)
    assert done.returncode == status, done.stdout
    assert told in done.stdout
    assert NO_JAVA in done.stdout
    if not status:
        assert done.stdout.count(NO_JAVA) == 1


@pytest.mark.parametrize(("ci", "told", "status"), [("", "1 skipped", 0), ("true", "1 error", 1)])
def test_a_cluster_that_is_given_is_no_broker_of_a_tests_own(ci: str, told: str, status: int, tmp_path: Path) -> None:
    test = f"{__file__}::{test_a_broker_that_does_not_start_says_why.__name__}"
    done = run_without_programs([test], tmp_path, ci, "127.0.0.1:1")
    assert done.returncode == status, done.stdout
    assert told in done.stdout
    assert NO_JAVA in done.stdout
