"""What a reader of partitions says of that which makes it begin anew."""

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError

from adapters.kafka import client as kafka_client
from adapters.kafka.client import Connection
from adapters.kafka.partition_consumer import BACKOFF_S, PartitionConsumer
from adapters.received import Received
from domain.errors import FleettwinError, PositionConflictError, VersionConflictError


class Nobody:
    """A worker that is given nothing."""

    def assign(self, sources: Collection[str]) -> Mapping[str, int]:
        return dict.fromkeys(sources, 0)

    def revoke(self, sources: Collection[str]) -> None: ...

    def restart(self, positions: Mapping[str, int]) -> None:
        raise AssertionError(positions)

    def take(self, records: Sequence[Received]) -> None: ...


class Administration:
    """A client that knows the ids that a topic has, one after the other."""

    def __init__(self, ids: list[str]) -> None:
        self._ids = ids

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def describe_topics(self, _: list[str]) -> list[dict[str, Any]]:
        found = self._ids.pop(0) if self._ids else None
        return [{"error_code": 0 if found else 3, "topic_id": found}]


class Consumer:
    """A consumer that is given no partitions, and fails after a while."""

    _coordinator = type("Coordinator", (), {"rejoining": False})

    def __init__(self, failure: KafkaError | None) -> None:
        self._failure = failure

    def poll(self, **_: Any) -> dict[Any, Any]:
        if self._failure:
            raise self._failure
        return {}

    def assignment(self) -> set[Any]:
        return set()

    def close(self) -> None: ...


class Once(threading.Event):
    """Is set by who waits for it after a failure."""

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None or timeout >= BACKOFF_S:
            self.set()
        return self.is_set()


class Overtaken(Nobody):
    """A worker that another one has been quicker than, a few times."""

    def __init__(self, conflict: FleettwinError, stopping: threading.Event) -> None:
        self._conflict = conflict
        self._stopping = stopping
        self._left = 5

    def assign(self, _: Collection[str]) -> Mapping[str, int]:
        self._left -= 1
        if not self._left:
            self._stopping.set()
        raise self._conflict


@pytest.mark.parametrize(
    ("conflict", "hint"),
    [
        (
            PositionConflictError("navigation v1"),
            "; if that is a `serve`, give it --no-project, which leaves the work to",
        ),
        (VersionConflictError("a vehicle"), ""),
    ],
)
def test_that_another_is_quicker_is_said_once_in_a_while(
    conflict: FleettwinError, hint: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kafka_client, "KafkaAdminClient", lambda **_: Administration(["one"] * 99))
    monkeypatch.setattr(PartitionConsumer, "_open", lambda _: Remade(None))
    stopping = threading.Event()
    worker = Overtaken(conflict, stopping)

    PartitionConsumer(Connection("127.0.0.1:1"), "telemetry", "a group", worker, 1).run(stopping)

    said = f"another process has taken records of these partitions, which are read anew: {conflict}{hint}"
    (told,) = caplog.messages
    assert told.startswith(said)


class Remade(Consumer):
    """A consumer of a partition of a topic that has just been made anew: of the one before 500 were read."""

    def assignment(self) -> set[Any]:
        return {TopicPartition("telemetry", 3)}

    def beginning_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(partitions, 0)

    end_offsets = beginning_offsets


class HasRead(Nobody):
    """A worker that has read 500 records of each partition."""

    def assign(self, sources: Collection[str]) -> Mapping[str, int]:
        return dict.fromkeys(sources, 500)


def test_what_a_topic_lacks_that_is_made_anew_is_not_taken_for_deleted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kafka_client, "KafkaAdminClient", lambda **_: Administration(["one", "other"]))
    monkeypatch.setattr(PartitionConsumer, "_open", lambda _: Remade(None))

    PartitionConsumer(Connection("127.0.0.1:1"), "telemetry", "a group", HasRead(), 1).run(Once())

    assert caplog.messages == ["the reader of telemetry begins anew: topic telemetry was made anew"]


@pytest.mark.parametrize(
    ("ids", "failure", "said"),
    [
        ([], None, "there is no topic telemetry: run `fleettwin topics create`"),
        (["one", "other"], None, "topic telemetry was made anew"),
        (["one"] * 9, KafkaError("the group says no"), "KafkaError: the group says no"),
        (["one"] * 9, NodeNotReadyError(1), "a broker is not reached"),
        (["one"] * 9, KafkaConnectionError("111 ECONNREFUSED"), "a broker is not reached (111 ECONNREFUSED)"),
    ],
    ids=["no topic", "another topic", "the consumer's error", "a node", "a connection"],
)
def test_what_happens_while_partitions_are_read_is_no_complaint_about_brokers(
    ids: list[str],
    failure: KafkaError | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(kafka_client, "KafkaAdminClient", lambda **_: Administration(ids))
    monkeypatch.setattr(PartitionConsumer, "_open", lambda _: Consumer(failure))

    PartitionConsumer(Connection("127.0.0.1:1"), "telemetry", "a group", Nobody(), 1).run(Once())

    assert caplog.messages == [f"the reader of telemetry begins anew: {said}"]


def test_brokers_that_do_not_answer_are(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection("127.0.0.1:1", bootstrap_timeout_ms=100)
    PartitionConsumer(connection, "telemetry", "a group", Nobody(), 1).run(Once())

    (said,) = (each for each in caplog.messages if each.startswith("the reader of"))
    assert said.startswith(
        "the reader of telemetry begins anew: 127.0.0.1:1: no Kafka answers there; start the brokers ("
    )
