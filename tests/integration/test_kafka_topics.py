"""Topics, made and checked on a real broker."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from adapters import demo
from adapters.kafka.client import Connection
from adapters.kafka.topics import check_topics, create_topics, topic_settings
from domain.errors import BadInputError
from tests.support.command_line import CommandLine, Finished
from tests.support.kafka import PARTITIONS

PATIENCE_S = 60
NOBODY = "127.0.0.1:1"  # tcpmux, which nothing serves
Command = Callable[..., Finished]


@pytest.fixture
def create(tmp_path: Path, bootstrap_servers: str, topic_prefix: str) -> Command:
    """Give `fleettwin topics create` for topics of this test's own."""
    settings = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers, "KAFKA_TOPIC_PREFIX": topic_prefix}

    def run(*arguments: str, **others: str) -> Finished:
        return CommandLine(tmp_path / "home").run("topics", "create", *arguments, **settings | others)

    return run


@pytest.fixture
def connection(bootstrap_servers: str) -> Connection:
    return Connection(bootstrap_servers)


def described(connection: Connection, prefix: str) -> dict[str, Any]:
    with connection.administration() as client:
        return {each["name"]: each for each in client.describe_topics() if each["name"].startswith(prefix)}


def test_topics_are_created_with_the_documented_settings_and_the_second_time_left_alone(
    create: Command, connection: Connection, topic_prefix: str
) -> None:
    first = create("--json", KAFKA_PARTITIONS="5").json
    assert [each["topic"].removeprefix(topic_prefix) for each in first] == ["telemetry", "vehicle-events"]
    for each in first:
        assert (each["partitions"], each["created"], each["differences"]) == (5, True, [])
        assert each["settings"] == topic_settings(each["topic"].removeprefix(topic_prefix), each["replicas"])
    before = described(connection, topic_prefix)
    assert [len(each["partitions"]) for each in before.values()] == [5, 5]

    second = create("--json", KAFKA_PARTITIONS="5").json
    assert second == [{**each, "created": False} for each in first]
    assert described(connection, topic_prefix) == before

    shown = create(KAFKA_PARTITIONS="5")
    assert shown.status == 0
    assert f"{topic_prefix}telemetry" in shown.stdout


def test_a_topic_that_is_missing_is_added_to_the_one_that_is_there(
    create: Command, connection: Connection, topic_prefix: str
) -> None:
    with connection.administration() as client:
        client.create_topics({f"{topic_prefix}telemetry": {"num_partitions": 3}}, wait_for_metadata=True)
    assert [each["created"] for each in create("--json", KAFKA_PARTITIONS="3").json] == [False, True]


def test_another_number_of_partitions_is_refused_in_one_line_and_changes_nothing(
    create: Command, connection: Connection, topic_prefix: str
) -> None:
    create("--json", KAFKA_PARTITIONS="4")
    before = described(connection, topic_prefix)
    assert create(KAFKA_PARTITIONS="8").complaint == (
        f"fleettwin: topic {topic_prefix}telemetry: has 4 partitions, and the settings say 8;"
        " set FLEETTWIN_KAFKA_PARTITIONS=4, or delete the topic and run `fleettwin topics create`:"
        " another number would mix up the order of a vehicle"
    )
    assert described(connection, topic_prefix) == before


def test_what_an_operator_has_set_stays_and_is_shown(
    create: Command, connection: Connection, topic_prefix: str
) -> None:
    create("--json", KAFKA_PARTITIONS="1")
    with connection.administration() as client:
        resource = ConfigResource(ConfigResourceType.TOPIC, f"{topic_prefix}telemetry", {"retention.ms": "3600000"})
        client.alter_configs([resource])
    found = create("--json", KAFKA_PARTITIONS="1").json
    assert [each["differences"] for each in found] == [["retention.ms is 3600000, not 604800000"], []]


def test_a_role_checks_that_its_topics_are_as_it_was_told(connection: Connection, topic_prefix: str) -> None:
    with pytest.raises(BadInputError, match=rf"^topic {topic_prefix}telemetry: .*run `fleettwin topics create`$"):
        check_topics(connection, 2, topic_prefix)
    create_topics(connection, 2, topic_prefix)
    check_topics(connection, 2, topic_prefix)
    with pytest.raises(BadInputError, match="has 2 partitions, and the settings say 3"):
        check_topics(connection, 3, topic_prefix)


@pytest.mark.parametrize(
    "command",
    [
        *("run ingest", "run relay", "run project", "republish"),
        "simulate --vehicles 1 --live --hours 0.1 --speedup 60 --to kafka",
        "ingest RECORDING --vin WVWZZZE1ZTP000042 --map fleettwin --to kafka",
    ],
)
def test_a_start_against_another_number_of_partitions_is_refused_in_one_line(
    command: str, kafka_fleettwin: CommandLine
) -> None:
    with demo.recording() as path:
        words = [path if word == "RECORDING" else word for word in command.split()]
        complaint = kafka_fleettwin.run(*words, KAFKA_PARTITIONS=str(PARTITIONS + 1)).complaint
    assert complaint.startswith("fleettwin: topic ")
    assert f" has {PARTITIONS} partitions, and the settings say {PARTITIONS + 1}; set " in complaint


@pytest.mark.parametrize(
    ("role", "topic"), [("ingest", "telemetry"), ("relay", "vehicle-events"), ("project", "vehicle-events")]
)
def test_a_topic_that_is_made_anew_with_other_partitions_under_a_role_ends_it(
    role: str, topic: str, kafka_fleettwin: CommandLine, connection: Connection, topic_prefix: str
) -> None:
    name, deadline = topic_prefix + topic, time.monotonic() + PATIENCE_S
    with kafka_fleettwin.started("run", role) as running, connection.administration() as client:
        assert running.stderr
        assert running.stderr.readline().endswith("Ctrl-C stops\n")  # it has checked its topics
        client.delete_topics([name])
        while client.create_topics({name: {"num_partitions": 6}}, raise_errors=False)["topics"][0]["error_code"]:
            assert time.monotonic() < deadline  # the one before is still there
        _, said = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 2
    assert said.splitlines()[-1] == (
        f"fleettwin: topic {name}: has 6 partitions, and the settings say {PARTITIONS};"
        " set FLEETTWIN_KAFKA_PARTITIONS=6, or delete the topic and run `fleettwin topics create`:"
        " another number would mix up the order of a vehicle"
    )


def test_several_may_create_them_at_once(connection: Connection, topic_prefix: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: create_topics(connection, 2, topic_prefix), range(4)))
    assert [sum(topics[which].created for topics in found) for which in range(2)] == [1, 1]


def test_what_kafka_does_not_do_is_told_in_one_line(connection: Connection) -> None:
    with pytest.raises(BadInputError) as refused:
        create_topics(connection, 2, "x" * 240)  # with the topic's own name more than Kafka allows
    assert "is longer than the max" in str(refused.value)


def test_a_kafka_that_is_not_there_is_one_line_and_status_2(tmp_path: Path) -> None:
    found = CommandLine(tmp_path / "home").run("topics", "create", KAFKA_BOOTSTRAP_SERVERS=NOBODY)
    assert found.complaint.startswith(f"fleettwin: {NOBODY}: no Kafka answers there; start the brokers (`make up`")


def test_without_a_kafka_it_says_how_to_name_one(tmp_path: Path) -> None:
    complaint = CommandLine(tmp_path / "home").run("topics", "create").complaint
    assert complaint.startswith("fleettwin: FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS: no Kafka is set; ")


def test_the_settings_of_a_topic_are_a_table_of_the_documents() -> None:
    page = (Path(__file__).parents[2] / "docs/kafka.md").read_text(encoding="utf-8")
    for topic in ("telemetry", "vehicle-events"):
        for setting, value in topic_settings(topic, 3).items():
            assert f"`{setting}={value}`" in page, json.dumps([topic, setting, value])
