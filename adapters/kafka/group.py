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


def needs_time(consumer: KafkaConsumer) -> bool:
    """Whether a member has to join anew because others have come or gone, which a poll without a timeout never ends.

    The client throws away what the brokers answer between two polls, and asks again: a member that polls for no time
    keeps its partitions, gets no others, and lets nobody in. It says so nowhere in public.
    """
    return bool(consumer._coordinator.need_rejoin())  # noqa: SLF001
