"""What a relay does with a transaction that brokers refuse: readers would wait for its end till its time is over."""

from typing import Any, Final, NamedTuple

import pytest
from kafka.errors import (
    CommitFailedError,
    KafkaError,
    KafkaTimeoutError,
    ProducerFencedError,
    TopicAuthorizationFailedError,
)

from adapters.clock import iso_time, now
from adapters.event_log import StoredRecord
from adapters.kafka.client import Connection
from adapters.kafka.partition import PartitionsError
from adapters.kafka.relay import Relay
from adapters.kafka.sources import TopicGoneError
from adapters.memory.event_store import MemoryEventLog
from domain.units import Micros
from tests.support.batches import T0
from tests.support.events import VEHICLE_ID

RECORD: Final = (0, b"key", StoredRecord(1, VEHICLE_ID, 1, "a.topic.v1", b"x", Micros(1)))


class Producer:
    """Does what it is told until a step fails."""

    def __init__(self, failing: str, failure: Exception, then: Exception | None = None) -> None:
        self._failing, self._failure, self._then = failing, failure, then
        self.did: list[str] = []
        self.sent: list[dict[str, Any]] = []

    def send(self, *_: object, **sent: Any) -> "Sent":
        self.sent.append(sent)
        return Sent(self._failure if self._failing == "send" else None)

    def __getattr__(self, name: str) -> Any:
        def do(*_: object, **__: object) -> None:
            self.did.append(name)
            if name == self._failing:
                raise self._failure
            if name == "abort_transaction" and self._then:
                raise self._then

        return do


class Sent(NamedTuple):
    """A record that is confirmed, or not."""

    failure: Exception | None

    def get(self, **_: object) -> None:
        if self.failure:
            raise self.failure


class Topic:
    """Is the same, or not."""

    def __init__(self, failure: Exception | None) -> None:
        self._failure = failure

    def check(self) -> None:
        if self._failure:
            raise self._failure


@pytest.mark.parametrize(
    ("failing", "failure", "ended"),
    [
        ("send_offsets_to_transaction", CommitFailedError("others have its partitions"), True),
        ("send", TopicAuthorizationFailedError("vehicle-events"), True),
        ("check", TopicGoneError("it was made anew"), True),
        ("check", PartitionsError("has 6", where="topic vehicle-events", remedy="make it anew"), True),
        ("send_offsets_to_transaction", KafkaTimeoutError("no answer"), False),
        ("send", KafkaTimeoutError("no answer"), False),
        ("send", ValueError("nobody has thought of it"), True),
        ("commit_transaction", ProducerFencedError(), False),
    ],
)
def test_a_transaction_that_is_refused_is_aborted_and_one_that_is_not_known_to_be_is_left(
    failing: str, failure: Exception, *, ended: bool
) -> None:
    for then in (None, KafkaError("nor is that done")):
        producer = Producer(failing, failure, then)
        topic = Topic(failure if failing == "check" else None)
        relay = Relay(Connection("127.0.0.1:1"), "vehicle-events", 1, "a group", MemoryEventLog(now))
        with pytest.raises(type(failure)) as raised:
            relay._transact(producer, [RECORD], {}, None, topic)  # type: ignore[arg-type]
        assert raised.value is failure
        assert ("abort_transaction" in producer.did) == ended
        assert ("commit_transaction" in producer.did) == (failing == "commit_transaction")


@pytest.mark.parametrize(
    ("clock", "said_ms"), [(T0 - 1, T0 // 1_000 - 1), (T0, T0 // 1_000), (T0 + 9_000, T0 // 1_000)]
)
def test_a_record_says_no_time_that_is_yet_to_come_but_its_event_when_the_store_recorded_it(
    clock: int, said_ms: int
) -> None:
    producer, record = Producer("nothing", KafkaError()), RECORD[2]._replace(recorded_at=T0)
    log = MemoryEventLog(now)
    relay = Relay(Connection("127.0.0.1:1"), "vehicle-events", 1, "a group", log, clock=lambda: Micros(clock))
    relay._transact(producer, [(0, b"key", record)], {}, None, Topic(None))  # type: ignore[arg-type]
    (sent,) = producer.sent
    assert sent["timestamp_ms"] == said_ms
    assert dict(sent["headers"])["ce_time"] == iso_time(T0).encode()
