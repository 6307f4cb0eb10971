"""A schema registry of somebody else: its ids are on the topics, ours in the store."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import httpx
import psycopg
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from kafka import KafkaProducer

from adapters import demo
from adapters.avro.telemetry import TOPIC, TelemetryCodec
from adapters.avro.wire import PREFIX
from adapters.kafka.partition import partition_of
from domain.vin import Vin
from tests.support.command_line import VIN_KEY, CommandLine
from tests.support.events import codec, event_fields, registry
from tests.support.kafka import PARTITIONS
from tests.support.others import PATIENCE_S, Deserializer, Read, read_by_others
from tests.support.schema_registry import API, SchemaRegistryServer

pytestmark = pytest.mark.slow

OURS: Final = registry()
SCHEMAS: Final = len(OURS.by_id)
ID: Final = Vin.parse(demo.VIN).vehicle_id(VIN_KEY.encode())
CAR: Final = ("--vin", demo.VIN, "--brand", demo.BRAND, "--model", demo.MODEL)
MAPS: Final = [word for name in demo.MAPPINGS for word in ("--map", name)]
OTHER: Final = '{"type": "record", "name": "Other", "namespace": "of.others", "fields": []}'


class Rig:
    """A command line with a registry, a database and topics of its own."""

    def __init__(self, fleettwin: CommandLine, bootstrap_servers: str, prefix: str) -> None:
        self.fleettwin = fleettwin
        self.bootstrap_servers = bootstrap_servers
        self.events_topic = f"{prefix}vehicle-events"
        self.telemetry_topic = f"{prefix}telemetry"

    def send_demo(self) -> list[Read]:
        """Send the recording of the demo, and return the telemetry."""
        with demo.recording() as path:
            sent = self.fleettwin.run("ingest", path, *CAR, *MAPS, "--to", "kafka", "--json").json[0]
        return self.telemetry(sent["batches"])

    def telemetry(self, count: int) -> list[Read]:
        return read_by_others(self.bootstrap_servers, self.telemetry_topic, count)

    def put(self, *values: bytes) -> None:
        """Put telemetry into the topic as somebody else does."""
        key = str(ID).encode()
        with KafkaProducer(bootstrap_servers=self.bootstrap_servers) as producer:
            for value in values:
                where = {"key": key, "partition": partition_of(key, PARTITIONS)}
                producer.send(self.telemetry_topic, value, **where).get(timeout=30)

    def consumed(self) -> int:
        """Return how much of the telemetry was read."""
        return int(self._select("SELECT coalesce(sum(position), 0) FROM consumed_positions")[0][0])

    def aside(self) -> list[str]:
        return [reason for (reason,) in self._select("SELECT reason FROM set_aside ORDER BY source, position")]

    def stored(self) -> list[tuple[str, int, str, bytes]]:
        """Return vehicle, version, type and bytes of every event, in the order of the log."""
        return self._select(
            "SELECT originator_id::text, originator_version, topic, state FROM stored_events ORDER BY notification_id"
        )

    def _select(self, statement: str) -> list[Any]:
        assert self.fleettwin.database is not None
        with psycopg.connect(self.fleettwin.database) as connection:
            return connection.execute(statement.encode()).fetchall()

    def taken(self, count: int, worker: "subprocess.Popen[str]") -> None:
        """Wait until so many records of telemetry were read."""
        deadline = time.monotonic() + PATIENCE_S
        while (consumed := self.consumed()) != count:
            assert time.monotonic() < deadline, consumed
            assert worker.poll() is None

    def projected(self, worker: "subprocess.Popen[str]") -> None:
        """Wait until the read models are where the log is."""
        deadline = time.monotonic() + PATIENCE_S
        while any(each["lag"] for each in self.fleettwin.status()["projections"]):
            assert time.monotonic() < deadline
            assert worker.poll() is None


@pytest.fixture
def rig(
    kafka_fleettwin: CommandLine, bootstrap_servers: str, topic_prefix: str, schema_registry: SchemaRegistryServer
) -> Rig:
    kafka_fleettwin.settings = {**kafka_fleettwin.settings, "SCHEMA_REGISTRY_URL": schema_registry.url}
    return Rig(kafka_fleettwin, bootstrap_servers, topic_prefix)


@pytest.fixture
def confluent(schema_registry: SchemaRegistryServer) -> Iterator[SchemaRegistryClient]:
    """Give Confluent's client of the registry, which holds more than our schemas: so its ids are not ours by chance."""
    with SchemaRegistryClient({"url": schema_registry.url}) as client:
        for number in range(SCHEMAS + 1):
            client.register_schema(f"of.others.Other{number}", Schema(OTHER.replace("Other", f"Other{number}"), "AVRO"))
        yield client


def test_ids_of_the_registry_are_on_the_topics_and_ours_in_the_store(
    rig: Rig, confluent: SchemaRegistryClient, other_fleettwin: CommandLine
) -> None:
    telemetry = rig.send_demo()
    with rig.fleettwin.started("run", "ingest") as worker:
        rig.taken(len(telemetry), worker)
    stored = rig.stored()
    with rig.fleettwin.started("run", "relay"):
        events = read_by_others(rig.bootstrap_servers, rig.events_topic, len(stored))
    with demo.recording() as path:
        other_fleettwin.ingest(path, *CAR, *MAPS)

    theirs = {
        schema.topic: confluent.get_latest_version(schema.subject).schema_id
        for versions in OURS.by_topic.values()
        for schema in versions[-1:]
    }
    assert not set(theirs.values()) & set(OURS.by_id)
    assert {record.schema_id for record in telemetry} == {theirs[TOPIC]}
    assert rig.aside() == []
    assert told(rig.fleettwin) == told(other_fleettwin)

    deserializer = Deserializer(confluent)
    assert len({topic for _, _, topic, _ in stored}) > 5
    for (vehicle, version, topic, state), record in zip(stored, sorted(events, key=position), strict=True):
        assert PREFIX.unpack_from(state)[1] == OURS.by_topic[topic][-1].id
        assert (record.key, record.headers["version"], record.headers["ce_type"]) == (vehicle, str(version), topic)
        assert record.value == PREFIX.pack(0, theirs[topic]) + state[PREFIX.size :]
        event = codec().decode(topic, bytes(state), ID, version)
        ours = {name: repr(getattr(event, name)) for name in event_fields(type(event))}
        decoded = deserializer.fields(rig.events_topic, record.value)
        assert {name: repr(value) for name, value in decoded.items()} == ours
    assert [deserializer.fields(rig.telemetry_topic, record.value)["sequence"] for record in telemetry] == list(
        range(1, len(telemetry) + 1)
    )

    with rig.fleettwin.started("run", "project") as worker:
        rig.projected(worker)
        worker.send_signal(signal.SIGTERM)
        _, log = worker.communicate(timeout=PATIENCE_S)
    assert "is taken from the log" not in log  # which would be a way to do without the registry
    assert rig.aside() == []


def test_schemas_are_registered_once_and_those_who_only_read_register_none(
    rig: Rig, confluent: SchemaRegistryClient
) -> None:
    with rig.fleettwin.started("run", "ingest") as worker:
        said(worker, "takes telemetry")
    assert not any(subject.startswith("fleettwin.") for subject in confluent.get_subjects())
    for _ in range(2):
        with rig.fleettwin.started("run", "relay") as relay:
            said(relay, "publishes events")
    subjects = [subject for subject in confluent.get_subjects() if subject.startswith("fleettwin.")]
    assert sorted(subjects) == sorted({schema.subject for schema in OURS.by_id.values()})
    for subject in subjects:
        assert confluent.get_versions(subject) == [
            schema.version for schema in OURS.by_id.values() if schema.subject == subject
        ]


def test_what_others_encode_with_our_schema_is_taken_and_what_with_theirs_is_set_aside(
    rig: Rig, confluent: SchemaRegistryClient
) -> None:
    (first, *_) = telemetry = rig.send_demo()
    schema = OURS.by_topic[TOPIC][-1]
    laid_out = json.dumps({**schema.definition, "doc": "the same, with a note of ours"}, indent=2)
    same = confluent.register_schema("of.others.value", Schema(laid_out, "AVRO"))
    assert same != first.schema_id
    batch = TelemetryCodec(OURS).decode(PREFIX.pack(0, schema.id) + first.value[PREFIX.size :], ID)
    unheard = TelemetryCodec(OURS).encode(replace(batch, stream_id="of-others"))[PREFIX.size :]
    others = confluent.get_latest_version("of.others.Other3").schema_id
    event = confluent.get_latest_version("fleettwin.vehicle.TripStarted").schema_id
    foreign = [PREFIX.pack(0, number) + unheard for number in (same, others, others, 1_000_000, event)]
    rig.put(*foreign, PREFIX.pack(0, schema.id) + unheard)
    with rig.fleettwin.started("run", "ingest") as worker:
        rig.taken(len(telemetry) + len(foreign) + 1, worker)

    trip_started = OURS.by_topic["vehicle.trip_started.v1"][-1]
    assert rig.aside() == [
        *[f"in the schema registry the id {others} is of no schema of ours"] * 2,
        "in the schema registry the id 1000000 is of no schema of ours",
        f"schema {trip_started.id} is of {trip_started.topic}",
        f"in the schema registry the id {schema.id} is of no schema of ours",  # our own id means something else there
    ]
    assert rig._select("SELECT count(*) FROM stream_progress WHERE stream_id = 'of-others'") == [(1,)]


def test_a_registry_that_is_away_is_waited_for(
    rig: Rig, confluent: SchemaRegistryClient, schema_registry: SchemaRegistryServer
) -> None:
    assert confluent.get_subjects()
    telemetry = rig.send_demo()
    rig.fleettwin.settings = {**rig.fleettwin.settings, "KAFKA_TOPIC_PREFIX": f"{rig.telemetry_topic}-"}
    assert rig.fleettwin.run("topics", "create").status == 0
    copy = Rig(rig.fleettwin, rig.bootstrap_servers, f"{rig.telemetry_topic}-")
    with rig.fleettwin.started("run", "ingest") as worker:
        said(worker, "takes telemetry")
        schema_registry.stop()
        copy.put(*(record.value for record in telemetry))
        said(worker, "waits: the schema registry")
        assert (copy.consumed(), copy.aside()) == (0, [])
        schema_registry.start()
        copy.taken(len(telemetry), worker)
    assert copy.aside() == []
    assert len(copy.stored()) > len(telemetry)


def test_a_registry_that_cannot_be_used_is_one_line(rig: Rig, schema_registry: SchemaRegistryServer) -> None:
    def complaint(*command: str, url: str = schema_registry.url) -> str:
        return rig.fleettwin.run(*command, SCHEMA_REGISTRY_URL=url).complaint

    with demo.recording() as path:
        commands = [("run", "relay"), ("run", "ingest"), ("ingest", str(path), *CAR, *MAPS, "--to", "kafka")]
        for command in commands:
            root = schema_registry.url.removesuffix(API)
            assert f"{root}/apis: this is no schema registry with the API of Confluent's" in complaint(
                *command, url=f"{root}/apis"
            )
        with claimed(schema_registry, "fleettwin.vehicle.TripStarted"):
            for command in (commands[0], commands[2]):
                said = complaint(*command)
                assert said.startswith("fleettwin: subject fleettwin.vehicle.TripStarted: the schema registry at http")
                assert "holds a schema that ours is not compatible with" in said
        schema_registry.stop()
        for command in commands:
            assert f"{schema_registry.url}: no schema registry answers there" in complaint(*command)


@contextmanager
def claimed(schema_registry: SchemaRegistryServer, subject: str) -> Iterator[None]:
    """Have somebody else's schema under a subject of ours, and the registry look at what is compatible."""
    namespace, _, name = subject.rpartition(".")
    schema = {"type": "record", "name": name, "namespace": namespace, "fields": [{"name": "x", "type": "bytes"}]}
    with SchemaRegistryClient({"url": schema_registry.url}) as client:
        client.set_compatibility(level="BACKWARD")
        client.register_schema(subject, Schema(json.dumps(schema), "AVRO"))
    yield
    assert httpx.delete(f"{schema_registry.url}/subjects/{subject}").is_success


def said(process: "subprocess.Popen[str]", what: str) -> None:
    """Wait until a process has said something; it is killed if it says nothing for too long."""
    assert process.stderr is not None
    late = threading.Timer(PATIENCE_S, process.kill)
    late.start()
    lines: list[str] = []
    try:
        while not lines or what not in lines[-1]:
            lines.append(process.stderr.readline())
            assert lines[-1], lines[:-1]
    finally:
        late.cancel()


def told(fleettwin: CommandLine) -> list[dict[str, Any]]:
    """Return what the vehicle has told; it was registered at another time."""
    return [{name: value for name, value in each.items() if name != "position"} for each in fleettwin.events(demo.VIN)][
        1:
    ]


def position(record: Read) -> int:
    return int(record.headers["position"])
