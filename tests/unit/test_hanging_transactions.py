"""When a transaction that a partition has open is one that hangs: a client that answers as a cluster may."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import TransactionState
from kafka.errors import TopicAuthorizationFailedError

from adapters.kafka import hanging
from adapters.kafka.hanging import POSITIONS_TOPIC, HangingTransactions

TOPIC = "vehicle-events"
PRODUCER = 7


class Cluster:
    """A topic of one partition. `starts` are the first offsets of the open transaction, None: none, one a look."""

    def __init__(self, starts: Iterable[int | None], state: TransactionState | None) -> None:
        self._starts = iter(starts)
        self._listed = [] if state is None else [SimpleNamespace(producer_id=PRODUCER, transactional_id="relay-a")]
        self._state = state
        self._manager = self
        self.written: list[tuple[TopicPartition, bool, int]] = []

    def describe_topics(self, topics: list[str]) -> list[Any]:
        return [{"partitions": [{"partition_index": 0}] if topics == [TOPIC] else []}]

    def describe_producers(self, partitions: list[TopicPartition]) -> dict[TopicPartition, Any]:
        if not partitions:
            return {}
        start = next(self._starts)
        offset = -1 if start is None else start
        producer = SimpleNamespace(producer_id=PRODUCER, current_transaction_start_offset=offset)
        return {partitions[0]: SimpleNamespace(active_producers=[producer])}

    def list_transactions(self, producer_id_filters: list[int]) -> dict[int, list[Any]]:
        assert producer_id_filters == [PRODUCER]
        return {1: self._listed}

    def describe_transactions(self, ids: list[str]) -> dict[str, Any]:
        return {each: SimpleNamespace(producer_id=PRODUCER, producer_epoch=3, state=self._state) for each in ids}

    def run(self, _: Any, __: Any, partition: TopicPartition, request: Any) -> None:
        (marker,) = request.markers
        self.written.append((partition, marker.transaction_result, marker.producer_epoch))


@pytest.mark.parametrize(
    ("starts", "state", "written"),
    [
        ([5, 5], TransactionState.COMPLETE_ABORT, [False]),
        ([5, 5], TransactionState.COMPLETE_COMMIT, [True]),
        ([5, None], TransactionState.COMPLETE_COMMIT, []),  # it was about to be ended
        ([5, 9], TransactionState.COMPLETE_COMMIT, []),  # it was, and the next one is open
        ([5, 5], TransactionState.ONGOING, []),
        ([5, 5], TransactionState.PREPARE_COMMIT, []),  # its coordinator is about to
        ([None], TransactionState.COMPLETE_COMMIT, []),
    ],
)
def test_what_its_coordinator_has_ended_and_stays_open_hangs(
    starts: list[int | None], state: TransactionState, written: list[bool]
) -> None:
    cluster = Cluster(starts, state)
    HangingTransactions(cluster, TOPIC, "relay-").end_now_and_then()
    assert cluster.written == [(TopicPartition(TOPIC, 0), committed, 3) for committed in written]


def test_what_no_coordinator_knows_is_told(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster([5, 5], None)
    HangingTransactions(cluster, TOPIC, "relay-").end_now_and_then()
    assert not cluster.written
    assert f"nobody knows any more how the transaction of producer 7 in {TOPIC}/0 from offset 5 on ended" in caplog.text


def test_it_is_looked_again_only_after_a_while() -> None:
    cluster = Cluster([None], None)
    looking = HangingTransactions(cluster, TOPIC, "relay-")
    for _ in range(3):
        looking.end_now_and_then()


def test_what_we_may_not_ask_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(hanging, "LOOKED_S", 0.0)

    def refuse(_: object, partitions: object) -> None:
        raise TopicAuthorizationFailedError(partitions)

    cluster = Cluster([], None)
    monkeypatch.setattr(Cluster, "describe_producers", refuse)
    looking = HangingTransactions(cluster, TOPIC, "relay-")
    for _ in range(3):
        looking.end_now_and_then()
    assert [TOPIC in line or POSITIONS_TOPIC in line for line in caplog.text.splitlines()] == [True, True]
