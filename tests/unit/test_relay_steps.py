"""What a relay publishes next, of the partitions that the group and of the events that the log have now."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent
from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.structs import ConsumerGroupMetadata, MemberState

from adapters.event_log import StoredRecord
from adapters.kafka import relay as relay_module
from adapters.kafka.client import Connection
from adapters.kafka.pages import BYTES_MAX
from adapters.kafka.partition import partition_of
from adapters.kafka.relay import Relay
from adapters.kafka.relayed import BehindKafkaError, mark_of, noted
from adapters.memory.event_store import MemoryEventLog
from domain.errors import StoreError
from tests.support.batches import T0

TOPIC: Final = "vehicle-events"
TOPIC_ID: Final = "0123abcd"
PARTITIONS: Final = 2
BOTH: Final = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
CARS: Final = {partition_of(str(UUID(int=number)).encode(), PARTITIONS): UUID(int=number) for number in range(20)}


class Same:
    """A topic that stays the one that it is."""

    identity = TOPIC_ID

    def check_now_and_then(self) -> None: ...


class Member:
    """A member of a group that has both partitions after each poll, whatever happens while it polls."""

    _coordinator = type("Coordinator", (), {"rejoining": False})

    def __init__(self) -> None:
        self.listener: ConsumerRebalanceListener | None = None
        self.offsets: dict[TopicPartition, OffsetAndMetadata] = {}
        self.meanwhile: Callable[[], None] | None = None

    def poll(self, **_: object) -> dict[TopicPartition, list[object]]:
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            happens()
        return {}

    def group_metadata(self) -> ConsumerGroupMetadata:
        return ConsumerGroupMetadata("a group", 1, "a member", None, MemberState.STABLE)

    def assignment(self) -> set[TopicPartition]:
        return {*BOTH}

    def pause(self, *_: TopicPartition) -> None: ...

    def committed(self, partition: TopicPartition, **_: object) -> OffsetAndMetadata | None:
        return self.offsets.get(partition)


class SwappedLog:
    """A log that another one comes in place of."""

    def __init__(self, log: MemoryEventLog) -> None:
        self.now = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


class Rig:
    """A relay whose transactions are committed here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relay_module, "GATHERED_MS", 0)
        monkeypatch.setattr(relay_module, "WAIT_MS", 0)
        monkeypatch.setattr(relay_module, "last_position", lambda *_, **__: 0)
        monkeypatch.setattr(relay_module, "join_group", self._join)
        monkeypatch.setattr(Relay, "_open_producer", lambda _: None)
        monkeypatch.setattr(Relay, "_transact", self._transact)
        self.log = SwappedLog(MemoryEventLog(lambda: T0))
        self.member = Member()
        self.published: list[int] = []  # positions, in the order in which they went out
        relay = Relay(Connection("127.0.0.1:1"), TOPIC, PARTITIONS, "a group", self.log)
        relay._topic_id = TOPIC_ID
        relay._join()
        self.relay = relay

    def _join(self, *settings: Any, **_: object) -> Member:
        self.member.listener = settings[3] if len(settings) > 3 else None
        return self.member

    def _transact(
        self,
        _: object,
        chosen: Collection[tuple[int, bytes, StoredRecord]],
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        *__: object,
    ) -> None:
        self.published += [record.position for _, _, record in chosen]
        self.member.offsets |= offsets

    def step(self) -> None:
        self.relay._step(self.member, Same())  # type: ignore[arg-type]


def log_of(states: Sequence[bytes]) -> MemoryEventLog:
    """Return a log with these events, of a vehicle in the one partition and of another in the other, in turns."""
    log = MemoryEventLog(lambda: T0)
    append(log, states)
    return log


def append(log: Any, states: Sequence[bytes]) -> None:
    first = log.last_position()
    events = [
        StoredEvent(CARS[at % PARTITIONS], 1 + at // PARTITIONS, "x", state) for at, state in enumerate(states, first)
    ]
    log.append(events)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


@pytest.mark.parametrize("call", ["on_partitions_revoked", "on_partitions_lost", "on_partitions_assigned"])
def test_a_partition_that_another_relay_had_within_one_poll_is_not_published_again(rig: Rig, call: str) -> None:
    append(rig.log, [b"a", b"b"])
    rig.step()
    assert rig.published == [1, 2]

    def away_and_back() -> None:
        append(rig.log, [b"c", b"d"])
        (newest,) = rig.log.read(3, 1)
        rig.member.offsets[BOTH[1]] = noted(4, TOPIC_ID, mark_of(newest))  # by the other, which has published it
        if rig.member.listener:
            getattr(rig.member.listener, call)({BOTH[1]})

    rig.member.meanwhile = away_and_back
    rig.step()
    assert rig.published == [1, 2, 3]


@pytest.mark.parametrize("lost", [1, 5])
@pytest.mark.parametrize("grown", [0, 10])
def test_a_log_that_goes_back_and_grows_again_between_two_pages_ends_the_relay(rig: Rig, lost: int, grown: int) -> None:
    states = [b"%d" % number for number in range(20)]
    append(rig.log, states)
    rig.step()
    rig.log.now = log_of([*states[:-lost], *[b"other"] * (lost + grown)])
    with pytest.raises(BehindKafkaError, match="has another event at position 20 than the log"):
        rig.step()
    assert rig.published == list(range(1, 21))


def test_so_does_one_that_goes_back_less_far_than_the_partition_that_is_furthest(rig: Rig) -> None:
    append(rig.log, [b"a", b"b", b"c", b"d"])
    (newest,) = rig.log.read(3, 1)
    rig.member.offsets[BOTH[1]] = noted(4, TOPIC_ID, mark_of(newest))
    rig.relay._follow(rig.member)
    rig.log.now = log_of([b"a", b"b", b"c", b"other", b"e"])
    with pytest.raises(BehindKafkaError, match="has another event at position 4 than the log"):
        rig.step()
    assert not rig.published


def test_a_log_with_a_hole_where_an_event_was_ends_the_relay(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    append(rig.log, [b"a", b"b", b"c"])
    rig.step()
    append(rig.log, [b"d"])
    read = rig.log.now.read
    monkeypatch.setattr(rig.log.now, "read", lambda *asked: [each for each in read(*asked) if each.position != 3])
    with pytest.raises(BehindKafkaError, match="has another event at position 3 than the log"):
        rig.step()


def test_the_event_before_a_page_takes_none_of_its_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    half = bytes(BYTES_MAX // 2)
    append(rig.log, [bytes(BYTES_MAX)] + 4 * [half])
    for published in ([1], [1, 2, 3], [1, 2, 3, 4, 5]):
        rig.step()
        assert rig.published == published
    monkeypatch.setattr("adapters.kafka.pages.EVENTS_MAX", 2)
    append(rig.log, 3 * [b"a"])
    for reached in (7, 8):
        rig.step()
        assert rig.published[-1] == reached


def test_what_nobody_has_thought_of_is_logged_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [ValueError("odd"), StoreError("no database"), BehindKafkaError("to end it")]

    def fail(_: Connection) -> None:
        raise failures.pop(0)

    monkeypatch.setattr(Connection, "admin_client", fail)
    monkeypatch.setattr(relay_module, "BACKOFF_S", 0)
    relay = Relay(Connection("127.0.0.1:1"), TOPIC, PARTITIONS, "a group", MemoryEventLog())
    with pytest.raises(BehindKafkaError):
        relay.run(threading.Event())
    assert caplog.messages == ["the relay failed and begins anew", "the relay begins anew: no database"]
    assert "odd" in caplog.text
