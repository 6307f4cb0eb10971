"""Clients that are not ours read the topics: kcat for keys, headers and partitions, Confluent's for every value."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext
from eventsourcing.persistence import StoredEvent
from kafka import KafkaAdminClient

from adapters import demo
from adapters.avro.telemetry import TOPIC as TELEMETRY_TYPE
from adapters.avro.wire import RecordReaders
from adapters.kafka.partition import partition_of
from adapters.postgres.event_store import PostgresEventLog
from domain.events import EVENT_TYPES
from tests.support.command_line import CommandLine, serving
from tests.support.events import VEHICLE_ID, codec, event_fields, example_bytes, registry
from tests.support.kafka import PARTITIONS
from tests.support.lacking import lacking, run_without_programs
from tests.support.others import PATIENCE_S, Deserializer, Read, read_by_others

VEHICLES: Final = [uuid5(VEHICLE_ID, str(number)) for number in range(12)]
TYPES: Final = {event_type.TOPIC: event_type for event_type in EVENT_TYPES}
EXAMPLES: Final = [
    (schema.topic, data)
    for schema in registry().by_id.values()
    if schema.topic in TYPES
    for data in example_bytes(schema)
]
HEADERS: Final = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "content-type"]


@dataclass
class Topics:
    """Topics that hold every type of event, and telemetry."""

    fleettwin: CommandLine
    bootstrap_servers: str
    prefix: str
    batches: int = 0

    @property
    def events(self) -> str:
        return f"{self.prefix}vehicle-events"

    @property
    def telemetry(self) -> str:
        return f"{self.prefix}telemetry"

    def fill(self) -> None:
        """Append every example of every schema, as the history of each vehicle, and publish; send telemetry."""
        assert self.fleettwin.database is not None
        log = PostgresEventLog.open(self.fleettwin.database)
        for vehicle in VEHICLES:
            log.append([StoredEvent(vehicle, version, *each) for version, each in enumerate(EXAMPLES, start=1)])
        log.close()
        with self.fleettwin.started("run", "relay"):
            self.published()
        maps = [word for name in demo.MAPPINGS for word in ("--map", name)]
        with demo.recording() as path:
            sent = self.fleettwin.run("ingest", path, "--vin", demo.VIN, *maps, "--to", "kafka", "--json").json
        self.batches = sent[0]["batches"]

    def published(self) -> list[Read]:
        return read_by_others(self.bootstrap_servers, self.events, len(VEHICLES) * len(EXAMPLES))


Kcat = Callable[..., list[str]]


@pytest.fixture
def kcat() -> Kcat:
    """Give what runs kcat at a broker and returns the lines that it prints."""
    path = shutil.which("kcat")
    if path is None:
        lacking("install kcat (`apt-get install kcat`, `brew install kcat`) and have it on the path")

    def run(bootstrap_servers: str, *arguments: str, stdin: str = "") -> list[str]:
        command = [path, "-q", "-b", bootstrap_servers, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, text=True, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


@pytest.fixture
def topics(kafka_fleettwin: CommandLine, bootstrap_servers: str, topic_prefix: str) -> Topics:
    found = Topics(kafka_fleettwin, bootstrap_servers, topic_prefix)
    found.fill()
    return found


def test_kcat_lists_keys_headers_and_the_partitions_that_it_would_choose(kcat: Kcat, topics: Topics) -> None:
    broker = topics.bootstrap_servers
    read = ("-C", "-e", "-o", "beginning", "-X", "isolation.level=read_committed", "-f", "%p %k %h\\n", "-t")
    events, telemetry = kcat(broker, *read, topics.events), kcat(broker, *read, topics.telemetry)
    keys = {line.split()[1] for line in events + telemetry}
    probe = f"{topics.prefix}probe"
    with KafkaAdminClient(bootstrap_servers=broker) as admin:
        admin.create_topics({probe: {"num_partitions": PARTITIONS, "replication_factor": 1}})
        admin.wait_for_topics([probe])
    lines = "".join(f"{key}:x\n" for key in sorted(keys))
    kcat(broker, "-P", "-K:", "-X", "topic.partitioner=murmur2_random", "-t", probe, stdin=lines)
    chosen = {key: partition for partition, key, _ in (line.split(" ", 2) for line in kcat(broker, *read, probe))}
    assert len(chosen) == len(VEHICLES) + 1
    assert len(set(chosen.values())) > 1

    assert len(events) == len(VEHICLES) * len(EXAMPLES)
    assert len(telemetry) == topics.batches
    versions: dict[str, int] = {}
    for line in events:
        partition, key, said = line.split(" ", 2)
        headers = dict(header.split("=", 1) for header in said.split(","))
        versions[key] = versions.get(key, 0) + 1
        assert partition == chosen[key] == str(partition_of(key.encode(), PARTITIONS))
        assert list(headers) == [*HEADERS, "version", "position"]
        assert headers["version"] == str(versions[key])
        assert headers["ce_type"] == EXAMPLES[versions[key] - 1][0]
        assert (headers["ce_subject"], headers["ce_id"]) == (key, f"{key}/{versions[key]}")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", headers["ce_time"])
        assert headers["position"].isdigit()
    for line in telemetry:
        partition, key, said = line.split(" ", 2)
        headers = dict(header.split("=", 1) for header in said.split(","))
        assert partition == chosen[key]
        assert list(headers) == HEADERS
        assert headers["ce_type"] == TELEMETRY_TYPE


@pytest.mark.parametrize(("ci", "told", "status"), [("", "1 skipped", 0), ("true", "1 error", 1)])
def test_without_kcat_its_test_is_skipped_and_in_ci_it_fails(ci: str, told: str, status: int, tmp_path: Path) -> None:
    test = f"{__file__}::{test_kcat_lists_keys_headers_and_the_partitions_that_it_would_choose.__name__}"
    done = run_without_programs([test], tmp_path, ci, "127.0.0.1:1")  # which nobody comes to ask
    assert done.returncode == status, done.stdout
    assert told in done.stdout
    assert "install kcat (`apt-get install kcat`, `brew install kcat`) and have it on the path" in done.stdout


def test_an_avro_deserializer_reads_every_type_from_our_registry(topics: Topics) -> None:
    seen: set[str] = set()
    with our_registry(topics.fleettwin) as client:
        deserializer = Deserializer(client)
        for record in topics.published():
            topic, version = record.headers["ce_type"], int(record.headers["version"])
            event = codec().decode(topic, record.value, UUID(record.key), version)
            ours = {name: getattr(event, name) for name in event_fields(TYPES[topic])}
            theirs = deserializer.fields(topics.events, record.value)
            assert {name: repr(ours[name]) for name in theirs} == {name: repr(theirs[name]) for name in theirs}
            assert set(theirs) == set(registry_fields(record.schema_id))
            seen.add(topic)
        readers = RecordReaders(registry(), [TELEMETRY_TYPE])
        for record in read_by_others(topics.bootstrap_servers, topics.telemetry, topics.batches):
            ours = readers.find(TELEMETRY_TYPE, record.value).read(record.value)
            assert repr(deserializer.fields(topics.telemetry, record.value)) == repr(ours)
    assert seen == set(TYPES)
    assert topics.batches > 1


@contextmanager
def our_registry(fleettwin: CommandLine) -> Iterator[SchemaRegistryClient]:
    """Give Confluent's client of the registry that `serve` is."""
    with serving(fleettwin) as (_, address), SchemaRegistryClient({"url": address.removesuffix("/graphql")}) as client:
        yield client


def registry_fields(schema_id: int) -> list[str]:
    return [field["name"] for field in registry().by_id[schema_id].definition["fields"]]


def test_confluents_client_finds_its_way_about_our_registry(fleettwin: CommandLine) -> None:
    schema = registry().by_topic["vehicle.trip_started.v1"][-1]
    with our_registry(fleettwin) as client:
        assert len(client.get_subjects()) == len(registry().by_topic)
        assert client.get_versions(schema.subject) == list(range(1, schema.version + 1))
        latest = client.get_latest_version(schema.subject)
        assert (latest.schema_id, latest.version) == (schema.id, schema.version)
        assert latest == client.get_version(schema.subject, schema.version)
        assert client.get_subjects_by_schema_id(schema.id) == [schema.subject]
        assert [(each.subject, each.version) for each in client.get_schema_versions(schema.id)] == [
            (schema.subject, schema.version)
        ]
        assert client.get_schema(schema.id).schema_str == schema.text
        assert client.get_subjects(subject_prefix="fleettwin.vehicle.TripS") == [schema.subject]
        assert client.get_subjects(offset=1, limit=2) == client.get_subjects()[1:3]
        assert client.get_subjects_by_schema_id(schema.id, subject_name=schema.subject) == [schema.subject]
        with pytest.raises(SchemaRegistryError) as refused:
            client.get_subjects_by_schema_id(schema.id, subject_name="fleettwin.vehicle.TripEnded")
        assert refused.value.error_code == 40403
        assert client.lookup_schema(schema.subject, Schema(schema.text, "AVRO")).schema_id == schema.id
        assert client.get_compatibility(schema.subject) == "FULL_TRANSITIVE"
        assert client.get_mode(schema.subject) == "READONLY"
        with pytest.raises(SchemaRegistryError) as refused:
            client.get_schema(999_999)
        assert refused.value.error_code == 40403
        with pytest.raises(SchemaRegistryError) as refused:
            client.lookup_schema(schema.subject, Schema('"string"', "AVRO"))
        assert refused.value.error_code == 40403
        with pytest.raises(SchemaRegistryError) as refused:
            client.register_schema(schema.subject, Schema('"string"', "AVRO"))
        assert refused.value.error_code == 42205


def test_confluents_serializer_writes_with_the_ids_of_our_registry(fleettwin: CommandLine) -> None:
    schema = registry().by_topic[TELEMETRY_TYPE][-1]
    (data, *_) = example_bytes(schema)
    with our_registry(fleettwin) as client:
        fields = RecordReaders(registry(), [TELEMETRY_TYPE]).find(TELEMETRY_TYPE, data).read(data)
        by_record = {"subject.name.strategy": record_subject_name_strategy}
        serializer = AvroSerializer(client, schema.text, conf=by_record)
        assert serializer(fields, SerializationContext("telemetry", MessageField.VALUE)) == data
