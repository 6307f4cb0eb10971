"""What a reader of partitions says of that which makes it begin anew."""

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Self

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError

from adapters.kafka import client as kafka_client
from adapters.kafka import partition_consumer, sources
from adapters.kafka.client import Connection
from adapters.kafka.partition import PartitionsError
from adapters.kafka.partition_consumer import BACKOFF_S, HELD_S, PartitionConsumer
from adapters.received import HeldBackError, Received
from domain.errors import FleettwinError, PositionConflictError, StoreError, VersionConflictError


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

    def __init__(self, ids: list[str], partitions: int = 12) -> None:
        self._ids = ids
        self._partitions: list[dict[str, Any]] = [{}] * partitions

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def describe_topics(self, _: list[str]) -> list[dict[str, Any]]:
        found = self._ids.pop(0) if self._ids else None
        return [{"error_code": 0 if found else 3, "topic_id": found, "partitions": self._partitions}]


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

    PartitionConsumer(Connection("127.0.0.1:1"), "telemetry", 12, "a group", worker, 1).run(stopping)

    said = (
        "another process has taken records of these partitions, or the database has crashed; they are read anew:"
        f" {conflict}{hint}"
    )
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

    PartitionConsumer(Connection("127.0.0.1:1"), "telemetry", 12, "a group", HasRead(), 1).run(Once())

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

    PartitionConsumer(Connection("127.0.0.1:1"), "telemetry", 12, "a group", Nobody(), 1).run(Once())

    assert caplog.messages == [f"the reader of telemetry begins anew: {said}"]


def test_a_topic_that_was_made_anew_with_other_partitions_ends_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping, clients = threading.Event(), iter([Administration(["one"] * 9), Administration(["other"] * 9, 6)])
    monkeypatch.setattr(kafka_client, "KafkaAdminClient", lambda **_: next(clients))
    monkeypatch.setattr(PartitionConsumer, "_open", lambda _: Consumer(NodeNotReadyError(1)))
    monkeypatch.setattr(partition_consumer, "BACKOFF_S", 0.0)

    with pytest.raises(PartitionsError, match=r"^topic telemetry: has 6 partitions, and the settings say 12; "):
        PartitionConsumer(Connection("127.0.0.1:1"), "telemetry", 12, "a group", Nobody(), 1).run(stopping)


class Widened(Administration):
    """A client of a topic that is given more partitions while it is read."""

    def describe_topics(self, topics: list[str]) -> list[dict[str, Any]]:
        found = super().describe_topics(topics)
        self._partitions = [{}] * 24
        return found


def test_a_topic_that_is_given_more_partitions_ends_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_client, "KafkaAdminClient", lambda **_: Widened(["one"] * 9))
    monkeypatch.setattr(PartitionConsumer, "_open", lambda _: Consumer(None))
    monkeypatch.setattr(partition_consumer, "GATHERED_MS", 0)
    monkeypatch.setattr(sources, "CHECKED_S", -1.0)

    with pytest.raises(PartitionsError, match="has 24 partitions, and the settings say 12; "):
        PartitionConsumer(Connection("127.0.0.1:1"), "telemetry", 12, "a group", Nobody(), 1).run(threading.Event())


def test_brokers_that_do_not_answer_are(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection("127.0.0.1:1", bootstrap_timeout_ms=100)
    PartitionConsumer(connection, "telemetry", 12, "a group", Nobody(), 1).run(Once())

    (said,) = (each for each in caplog.messages if each.startswith("the reader of"))
    assert said.startswith(
        "the reader of telemetry begins anew: 127.0.0.1:1: no Kafka answers there; start the brokers ("
    )


class Record(NamedTuple):
    """A record as the client gives it."""

    offset: int
    key: bytes = b"key"
    value: bytes = b"value"
    headers: tuple[()] = ()


class TwoPartitions(Consumer):
    """A consumer of two partitions with a few records each, which seeks, pauses and resumes as the client does."""

    def __init__(self, end: int) -> None:
        super().__init__(None)
        self.end = end
        self.places = {TopicPartition("telemetry", number): 0 for number in (0, 1)}
        self.paused: set[Any] = set()

    def poll(self, **_: Any) -> dict[Any, Any]:
        found = {
            each: [Record(offset) for offset in range(place, self.end)]
            for each, place in self.places.items()
            if each not in self.paused and place < self.end
        }
        self.places |= dict.fromkeys(found, self.end)
        return found

    def assignment(self) -> set[Any]:
        return set(self.places)

    def beginning_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(partitions, 0)

    def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        return dict.fromkeys(partitions, self.end)

    def seek(self, partition: Any, offset: int) -> None:
        self.places[partition] = offset

    def pause(self, partition: Any) -> None:
        self.paused.add(partition)

    def resume(self, partition: Any) -> None:
        self.paused.discard(partition)


def trouble(reader: PartitionConsumer) -> str | None:
    """Return what it says of itself now: it is another thing with each step."""
    return reader.trouble


class HoldsBack(Nobody):
    """A worker that cannot take the first partition, until it can; ends the consumer after some rounds without work."""

    def __init__(self) -> None:
        self.full = True
        self.taken: list[tuple[str, int]] = []

    def take(self, records: Sequence[Received]) -> None:
        held = {each.source for each in records if each.source.startswith("telemetry/0")}
        if held and self.full:
            raise HeldBackError("no more can wait", held)
        self.taken += [(each.source.partition("#")[0], each.position) for each in records]


def stepping(consumer: Consumer, worker: Nobody) -> tuple[PartitionConsumer, Any]:
    """Return a reader, and what makes it come round once."""
    reader = PartitionConsumer(Connection("127.0.0.1:1"), "telemetry", 12, "a group", worker, 9)
    same = type("Same", (), {"check_now_and_then": lambda _: None, "check": lambda _: None})()
    return reader, lambda: reader._step(consumer, None, same, Once())


def test_a_partition_that_is_held_back_is_tried_again_and_the_other_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    at_s = [1_000.0]
    monkeypatch.setattr("adapters.kafka.partition_consumer.time.monotonic", lambda: at_s[0])
    consumer, worker = TwoPartitions(3), HoldsBack()
    reader, step = stepping(consumer, worker)

    for _ in range(4):
        step()
    other, held = [[(f"telemetry/{number}", position) for position in range(3)] for number in (1, 0)]
    assert worker.taken == other
    assert trouble(reader) == "1 of 2 partitions are held back: no more can wait"

    worker.full = False
    step()
    assert worker.taken == other
    at_s[0] += HELD_S
    step()
    step()
    assert worker.taken == other + held
    assert trouble(reader) is None


def test_why_nothing_is_taken_is_told_until_something_is() -> None:
    class Fails(Nobody):
        failing = True

        def take(self, _: Sequence[Received]) -> None:
            if self.failing:
                raise StoreError("the event store does not answer")

    worker = Fails()
    reader, step = stepping(TwoPartitions(1), worker)
    step()
    assert trouble(reader) is None
    step()
    assert trouble(reader) == "the reader of telemetry waits: the event store does not answer"
    worker.failing = False
    step()
    assert trouble(reader) is None
