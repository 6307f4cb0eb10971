"""Telemetry over a real broker: sent, taken by workers that die and hang, each batch once."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from struct import pack
from typing import Any, Final

import psycopg
import pytest
from confluent_kafka import Producer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from adapters import demo
from adapters.avro.telemetry import TOPIC, TelemetryCodec
from adapters.kafka.client import Connection
from adapters.kafka.partition import partition_of
from adapters.kafka.sources import topic_id
from domain.signals import Sample, SignalBatch
from domain.units import Micros
from domain.vin import Vin
from tests.support.batches import T0, sample
from tests.support.command_line import VIN_KEY, CommandLine
from tests.support.events import registry
from tests.support.kafka import PARTITIONS, remake_topic

pytestmark = pytest.mark.broker

PATIENCE_S: Final = 120
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
MAPS: Final = [word for name in demo.MAPPINGS for word in ("--map", name)]
OTHER_VIN: Final = "WVWZZZE1ZTP000002"
ID: Final = Vin.parse(demo.VIN).vehicle_id(VIN_KEY.encode())
TOO_LARGE: Final = (
    f"vehicle {ID}: its event vehicle.signals_sampled.v1 has 1,370,151 bytes, more than 1,000,000; send fewer or"
    " shorter samples in a batch"
)


@dataclass
class Rig:
    """A command line with a database and topics of its own."""

    fleettwin: CommandLine
    bootstrap_servers: str
    topic: str

    def send_demo(self, vin: str = demo.VIN) -> Any:
        """Send the recording of the demo."""
        with demo.recording() as path:
            car = ("--vin", vin, "--any-vin", "--brand", demo.BRAND, "--model", demo.MODEL)
            return self.fleettwin.run("ingest", path, *car, *MAPS, "--to", "kafka", "--json").json[0]

    def ends(self) -> dict[str, int]:
        """Return what comes next in each partition."""
        with_topic = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
        with KafkaConsumer(bootstrap_servers=self.bootstrap_servers) as consumer:
            found = consumer.end_offsets(with_topic)
        return {f"{each.topic}/{each.partition}": end for each, end in found.items() if end}

    def send(self, values: Sequence[bytes | None]) -> None:
        """Send records of the vehicle of the demo."""
        key = str(ID).encode()
        partition = partition_of(key, PARTITIONS)
        with KafkaProducer(bootstrap_servers=self.bootstrap_servers, max_request_size=2_000_000) as producer:
            for value in values:
                producer.send(self.topic, value, key=key, partition=partition).get(timeout=PATIENCE_S)

    def sources(self) -> list[str]:
        """Return every partition that was read, of each topic of that name, also of one that is to be read again."""
        assert self.fleettwin.database is not None
        with psycopg.connect(self.fleettwin.database) as connection:
            return [source for (source,) in connection.execute("SELECT source FROM consumed_positions")]

    def positions(self) -> dict[str, int]:
        """Return how far each partition was read, of each topic of that name."""
        assert self.fleettwin.database is not None
        with psycopg.connect(self.fleettwin.database) as connection:
            return dict(connection.execute("SELECT source, position FROM consumed_positions WHERE position > 0"))

    def consumed(self) -> dict[str, int]:
        """Return how far each partition was read."""
        return {source.partition("#")[0]: position for source, position in self.positions().items()}

    def wait(self, *workers: "subprocess.Popen[str]") -> None:
        """Wait until everything was read, while these live."""
        ends, deadline = self.ends(), time.monotonic() + PATIENCE_S
        while self.consumed() != ends:
            assert time.monotonic() < deadline, (self.consumed(), ends)
            assert all(worker.poll() is None for worker in workers)

    def aside(self) -> list[tuple[str, str]]:
        """Return what was set aside, and why."""
        assert self.fleettwin.database is not None
        with psycopg.connect(self.fleettwin.database) as connection:
            return connection.execute("SELECT source, reason FROM set_aside ORDER BY source, position").fetchall()


def told(fleettwin: CommandLine, vin: str) -> list[dict[str, Any]]:
    """Return what a vehicle has told; it was registered at another time."""
    registered, *events = fleettwin.events(vin)
    assert registered["type"] == "vehicle.registered.v1"
    return [{name: value for name, value in event.items() if name != "position"} for event in events]


def origins(fleettwin: CommandLine) -> list[tuple[Any, ...]]:
    """Return what the streams come from."""
    assert fleettwin.database is not None
    with psycopg.connect(fleettwin.database) as connection:
        return connection.execute(
            "SELECT * FROM stream_origins ORDER BY vehicle_id, stream_id, from_sequence"
        ).fetchall()


@pytest.fixture
def rig(kafka_fleettwin: CommandLine, bootstrap_servers: str, topic_prefix: str) -> Rig:
    return Rig(kafka_fleettwin, bootstrap_servers, f"{topic_prefix}telemetry")


@pytest.fixture
def workers(rig: Rig) -> Iterator[list["subprocess.Popen[str]"]]:
    """Give two who take telemetry."""
    with ExitStack() as started:
        yield [started.enter_context(rig.fleettwin.started("run", "ingest")) for _ in range(2)]


def test_a_recording_over_kafka_is_the_twin_that_it_is_without(rig: Rig, other_fleettwin: CommandLine) -> None:
    sent = rig.send_demo()
    with rig.fleettwin.started("run", "ingest") as worker:
        rig.wait(worker)
        rig.send_demo()  # again: nothing new
        rig.wait(worker)
        worker.send_signal(signal.SIGTERM)
        _, said = worker.communicate(timeout=PATIENCE_S)
    with demo.recording() as path:
        other_fleettwin.ingest(path, "--vin", demo.VIN, "--brand", demo.BRAND, "--model", demo.MODEL, *MAPS)

    assert (worker.returncode, said.splitlines()[-1]) == (0, "stopped")
    assert sum(rig.ends().values()) == 2 * sent["batches"]
    assert told(rig.fleettwin, demo.VIN) == told(other_fleettwin, demo.VIN)
    assert origins(rig.fleettwin) == origins(other_fleettwin) != []


def test_a_vehicle_that_cannot_be_read_holds_up_no_other_and_is_taken_in_order_once_it_can(
    rig: Rig, other_fleettwin: CommandLine
) -> None:
    sent = rig.send_demo()
    rig.send_demo(OTHER_VIN)
    rewrite = "UPDATE stored_events SET state = {} WHERE originator_id = %s AND originator_version = 1"
    assert rig.fleettwin.database is not None
    with psycopg.connect(rig.fleettwin.database, autocommit=True) as connection:
        connection.execute(rewrite.format("state || '\\x00'::bytea"), [ID])
        with rig.fleettwin.started("run", "ingest") as worker:
            rig.wait(worker)
            refused = rig.fleettwin.run("set-aside", "retry")
            connection.execute(
                rewrite.format("substring(state FOR octet_length(state) - 1)"),
                [ID],
            )
            rig.send_demo()  # again: it waits, too, behind what came before
            rig.wait(worker)
            retried = rig.fleettwin.run("set-aside", "retry")
    with demo.recording() as path:
        for vin in (demo.VIN, OTHER_VIN):
            car = ("--vin", vin, "--any-vin", "--brand", demo.BRAND, "--model", demo.MODEL)
            other_fleettwin.ingest(path, *car, *MAPS)

    assert (refused.status, refused.stdout) == (1, f"{sent['batches']:,} still set aside\n")
    assert (retried.status, retried.stdout) == (0, f"{2 * sent['batches']:,} taken; nothing is set aside\n")
    assert told(rig.fleettwin, OTHER_VIN) == told(other_fleettwin, OTHER_VIN)
    assert told(rig.fleettwin, demo.VIN) == told(other_fleettwin, demo.VIN)
    assert rig.aside() == []


def test_a_batch_is_a_cloud_event_under_the_key_of_its_vehicle(rig: Rig) -> None:
    rig.send_demo()
    partition = TopicPartition(rig.topic, partition_of(str(ID).encode(), PARTITIONS))
    with KafkaConsumer(bootstrap_servers=rig.bootstrap_servers, auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        record = next(consumer)
    headers = {name: value.decode() for name, value in record.headers}
    batch = TelemetryCodec(registry()).decode(record.value, ID)

    assert record.key == str(ID).encode()
    assert headers.pop("ce_time").endswith("+00:00")
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": f"{ID}/{batch.stream_id}/{batch.sequence}",
        "ce_source": "fleettwin",
        "ce_type": TOPIC,
        "ce_subject": str(ID),
        "content-type": "application/avro",
    }
    assert demo.VIN.encode() not in record.value


def test_bad_records_are_set_aside_and_their_partition_goes_on(rig: Rig) -> None:
    bad = [b"{}", b"\0\0\0\x27\x0fx", b"\1garbage", None, bytes(1_000_001)]
    rig.send(bad)
    sent = rig.send_demo()
    with rig.fleettwin.started("run", "ingest") as worker:
        rig.wait(worker)

    assert [reason for _, reason in rig.aside()] == [
        "the bytes are not in the Confluent wire format",
        "no schema has the id 9999",
        "the bytes are not in the Confluent wire format",
        "it has no value",
        "its 1,000,001 bytes are more than 1,000,000",
    ]
    assert len(rig.fleettwin.events(demo.VIN)) > sent["batches"]


def test_a_batch_that_no_car_would_send_is_set_aside_and_its_partition_goes_on(rig: Rig) -> None:
    speed, codec = "Vehicle.Speed", TelemetryCodec(registry())
    sent = rig.send_demo()  # registers the vehicle
    usual = SignalBatch(ID, "odd", 1, T0, (sample(speed, 0, 36.5), sample(speed, 1, 36.5)))
    many = tuple(Sample(f"{number:x}", Micros(number % 60), value=True) for number in range(80_000))
    odd = [
        replace(usual, stream_id="a\0b"),
        replace(usual, received_at=Micros(-(2**63))),
        replace(usual, samples=(Sample(speed, Micros(-(2**63)), 1.0), Sample(speed, Micros(2**63 - 1), 1.0))),
        replace(usual, sequence=2**63 - 1),
        replace(usual, stream_id="many", samples=many),
        usual,
    ]
    # The number is one that our sender makes invalid.
    rig.send([codec.encode(batch).replace(pack("<d", 36.5), pack("<d", 1e308)) for batch in odd])
    with rig.fleettwin.started("run", "ingest") as worker:
        rig.wait(worker)

    assert [reason for _, reason in rig.aside()] == [
        "its stream_id has a character NUL",
        "its received_at is before 1900 or after 2199, which no clock shows",
        "its sample_captured_at is before 1900 or after 2199, which no clock shows",
        "its sequence is 9223372036854775807, and counts from 1 to 1,000,000,000,000",
        TOO_LARGE,
    ]
    assert len(rig.fleettwin.events(demo.VIN)) > sent["batches"]


def test_what_cars_say_that_are_simulated_comes_over_kafka_each_batch_once(rig: Rig) -> None:
    pytest.importorskip("opendbc")
    cars = ("--vehicles", "2", "--seed", "5", "--hours", "0.25", "--speedup", "200", "--rate", "50")
    with rig.fleettwin.started("run", "ingest") as worker:
        driven = rig.fleettwin.run("simulate", *cars, "--live", "--to", "kafka", "--json").json
        rig.wait(worker)

    with psycopg.connect(rig.fleettwin.database or "") as connection:
        statement = (
            "SELECT count(DISTINCT vehicle_id), sum(last_sequence), bool_and(isempty(missing)) FROM stream_progress"
        )
        ((vehicles, batches, complete),) = connection.execute(statement).fetchall()
    assert (vehicles, batches, complete) == (2, sum(rig.ends().values()), True)
    assert driven["vehicles"] == 2
    assert rig.aside() == []
    status = rig.fleettwin.run("status", "--json").json
    assert status["logPosition"] > 0
    assert {each["position"] for each in status["projections"]} == {0}  # which `run project` folds, not who sends


def test_a_topic_that_is_made_anew_while_it_is_read_is_read_from_its_beginning(rig: Rig, topic_prefix: str) -> None:
    with rig.fleettwin.started("run", "ingest") as worker:
        sent = rig.send_demo()
        rig.wait(worker)
        before = rig.fleettwin.events(demo.VIN)
        remake_topic(rig.bootstrap_servers, rig.topic, PARTITIONS, topic_prefix)
        rig.send_demo()  # again, at the offsets that were read: it counts once
        rig.send_demo(OTHER_VIN)
        deadline = time.monotonic() + PATIENCE_S
        with Connection(rig.bootstrap_servers).administration() as client:
            identity = topic_id(client, rig.topic)
        # What came before the worker has noticed counts for the old topic too, and is a duplicate in the new one.
        while sum(at for source, at in rig.positions().items() if source.endswith(identity)) != 2 * sent["batches"]:
            assert time.monotonic() < deadline, rig.positions()
            assert worker.poll() is None

    # A worker that has seen the new topic's end before its identity has put the old one's positions back to 0.
    assert len({source.partition("#")[2] for source in rig.sources()}) == 2
    assert rig.fleettwin.events(demo.VIN) == before
    assert len(told(rig.fleettwin, OTHER_VIN)) == len(told(rig.fleettwin, demo.VIN))
    assert rig.aside() == []


def send_compressed(rig: Rig, codec: str) -> None:
    """Send a batch of records that cannot be taken, compressed by a client that knows all codecs."""
    key = str(ID).encode()
    producer = Producer({"bootstrap.servers": rig.bootstrap_servers, "compression.type": codec, "linger.ms": 100})
    for _ in range(10):
        producer.produce(rig.topic, b"garbage" * 100, key, partition=partition_of(key, PARTITIONS))
    assert producer.flush(PATIENCE_S) == 0


def test_whatever_it_is_compressed_with_telemetry_can_be_read(rig: Rig) -> None:
    rig.send_demo()  # which makes the tables, too
    for codec in CODECS:
        send_compressed(rig, codec)
    with rig.fleettwin.started("run", "ingest") as worker:
        rig.wait(worker)
    assert len(rig.aside()) == 10 * len(CODECS)


@pytest.mark.parametrize("codec", ["snappy", "zstd"])
def test_a_batch_that_cannot_be_unpacked_is_told_with_what_to_do(rig: Rig, codec: str) -> None:
    with Connection(rig.bootstrap_servers).administration() as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, rig.topic, {"compression.type": "producer"})])
    send_compressed(rig, codec)
    with rig.fleettwin.started("run", "ingest") as worker:
        assert worker.stderr is not None
        said = next(line for line in worker.stderr if "begins anew" in line)
    assert f"{codec} compression codec not found" in said
    assert "set compression.type=lz4 on the topic" in said


@pytest.mark.slow
def test_workers_that_are_killed_and_hang_lose_and_double_nothing(
    rig: Rig, workers: list["subprocess.Popen[str]"], other_fleettwin: CommandLine, tmp_path: Path
) -> None:
    pytest.importorskip("opendbc")
    fleet = ("--vehicles", "6", "--hours", "0.4", "--rate", "30", "--seed", "5", "--out", tmp_path / "fleet")
    assert other_fleettwin.run("simulate", *fleet).status == 0
    cars = [
        (tmp_path / "fleet" / f"{car['vin']}.log", "--vin", car["vin"], *(w for m in car["map"] for w in ("--map", m)))
        for car in json.loads((tmp_path / "fleet" / "fleet.json").read_text())
    ]
    cars = [car for car in cars if car[0].exists()]
    killed, hanging = workers
    for number, car in enumerate(cars):
        assert rig.fleettwin.run("ingest", *car, "--to", "kafka", "--json").status == 0
        if number == 0:
            hanging.send_signal(signal.SIGSTOP)
        if number == 1:
            killed.kill()
            hanging.send_signal(signal.SIGCONT)
        other_fleettwin.run("ingest", *car)
    with rig.fleettwin.started("run", "ingest") as fresh:
        rig.wait(fresh, hanging)

    for _, _, vin, *_ in cars:
        assert told(rig.fleettwin, str(vin)) == told(other_fleettwin, str(vin))
    assert rig.aside() == []
