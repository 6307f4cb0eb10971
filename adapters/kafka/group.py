"""How processes of one role share the partitions of a topic: as members of a consumer group."""

from typing import Any, Final

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from adapters.kafka.client import Connection

SESSION_TIMEOUT_MS: Final = 10_000  # a process that is silent for so long has lost its partitions
HEARTBEAT_MS: Final = 3_000


def join_group(
    connection: Connection,
    group: str,
    topic: str,
    listener: ConsumerRebalanceListener | None = None,
    **settings: Any,
) -> KafkaConsumer:
    """Return a new member, which commits nothing by itself; `settings` are more of those of the client."""
    consumer = KafkaConsumer(
        **connection.settings(),
        group_id=group,
        partition_assignment_strategy=[CooperativeStickyAssignor],
        enable_auto_commit=False,
        isolation_level="read_committed",
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        allow_auto_create_topics=False,
        **settings,
    )
    consumer.subscribe([topic], listener=listener)
    return consumer
