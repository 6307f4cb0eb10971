"""Ends transactions that their coordinator has ended, and a partition has not: who reads waits for them without end.

A coordinator that ends a transaction leaves out the partitions that have no leader just then, as if they were deleted
(Apache Kafka 4.4, `TransactionMarkerChannelManager`). One has none while the only broker that holds it comes back from
a crash. KIP-664 calls what is left there a hanging transaction.

Architecture invariant: nothing is ended that its coordinator has not ended, and in no other way than it did.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import TransactionState
from kafka.errors import KafkaError, RetriableError, for_code
from kafka.protocol.producer.transaction import WriteTxnMarkersRequest

LOOKED_S: Final = 10.0  # after which it is looked again
POSITIONS_TOPIC: Final = "__consumer_offsets"  # where positions of groups are committed

_ANY_COORDINATOR: Final = -1  # what administrators give as the epoch of the coordinator (KIP-664)
_COMMITTED: Final = {TransactionState.COMPLETE_COMMIT: True, TransactionState.COMPLETE_ABORT: False}
_log: Final = logging.getLogger(__name__)


class _Open(NamedTuple):
    """A transaction that a partition has not ended."""

    partition: TopicPartition
    producer_id: int
    start_offset: int


class _End(NamedTuple):
    """How a coordinator has ended the newest transaction of a producer."""

    committed: bool
    producer_epoch: int


class HangingTransactions:
    """Looks for those of the producers whose transactional ids begin with `prefix`, in a topic and among positions."""

    def __init__(self, client: KafkaAdminClient, topic: str, prefix: str) -> None:
        self._client = client
        self._topics = (topic, POSITIONS_TOPIC)
        self._prefix = prefix
        self._looked_at_s: float | None = None
        self._said: set[str] = set()

    def end_now_and_then(self) -> None:
        """End what hangs, unless it was looked lately. What keeps us from it is logged once: there may be nothing."""
        now_s = time.monotonic()
        if self._looked_at_s is not None and now_s - self._looked_at_s < LOOKED_S:
            return
        self._looked_at_s = now_s
        for topic in self._topics:
            try:
                self._end(topic)
            except RetriableError:
                pass  # the relay meets it too, and says so
            except KafkaError as error:
                self._say_once(f"cannot look for transactions that hang in {topic}: {error}")

    def _end(self, topic: str) -> None:
        (described,) = self._client.describe_topics([topic])
        partitions = [TopicPartition(topic, each["partition_index"]) for each in described["partitions"]]
        first = self._open(partitions)
        if not first:
            return
        ends = self._ends({each.producer_id for each in first})
        # It was open before its coordinator said that the newest one has ended, and still is: nobody will end it.
        for each in sorted(first & self._open(partitions)):
            place = f"{each.partition.topic}/{each.partition.partition} from offset {each.start_offset} on"
            what = f"the transaction of producer {each.producer_id} in {place}"
            if each.producer_id not in ends:
                self._say_once(f"nobody knows any more how {what} ended")
            elif end := ends[each.producer_id]:
                self._write(each, end)
                how = "committed" if end.committed else "aborted"
                _log.warning("%s %s: its coordinator had left that out", how, what)

    def _say_once(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            _log.warning(what)

    def _open(self, partitions: list[TopicPartition]) -> set[_Open]:
        found: Mapping[TopicPartition, Any] = self._client.describe_producers(partitions)
        return {
            _Open(partition, producer.producer_id, producer.current_transaction_start_offset)
            for partition, state in found.items()
            for producer in state.active_producers
            if producer.current_transaction_start_offset >= 0
        }

    def _ends(self, producer_ids: set[int]) -> dict[int, _End | None]:
        """Return how the newest transaction of each producer has ended; None where it has not, or is not for us to end.

        Coordinators forget a producer that has done nothing for a week.
        """
        of_brokers = self._client.list_transactions(producer_id_filters=sorted(producer_ids))
        listed = [each for of_broker in of_brokers.values() for each in of_broker]
        ends: dict[int, _End | None] = {each.producer_id: None for each in listed}
        ours = sorted(each.transactional_id for each in listed if each.transactional_id.startswith(self._prefix))
        for each in self._client.describe_transactions(ours).values():
            if each.state in _COMMITTED:
                ends[each.producer_id] = _End(_COMMITTED[each.state], each.producer_epoch)
        return ends

    def _write(self, hanging: _Open, end: _End) -> None:
        """Write what the coordinator should have. Raises KafkaError."""
        partition = hanging.partition
        marker_type = WriteTxnMarkersRequest.WritableTxnMarker
        marker = marker_type(
            producer_id=hanging.producer_id,
            producer_epoch=end.producer_epoch,
            transaction_result=end.committed,
            topics=[marker_type.WritableTxnMarkerTopic(name=partition.topic, partition_indexes=[partition.partition])],
            coordinator_epoch=_ANY_COORDINATOR,
        )
        self._client._manager.run(_send, self._client, partition, WriteTxnMarkersRequest(markers=[marker]))  # noqa: SLF001  # what is public only aborts


async def _send(client: Any, partition: TopicPartition, request: Any) -> None:
    (leader,) = await client._async_get_leader_for_partitions([partition])  # noqa: SLF001
    response = await client._manager.send(request, node_id=leader)  # noqa: SLF001
    for marker in response.markers:
        for topic in marker.topics:
            for each in topic.partitions:
                if each.error_code:
                    raise for_code(each.error_code)(f"{partition.topic}/{partition.partition}")
