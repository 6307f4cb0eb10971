"""How processes of one role share the partitions of a topic: as members of a consumer group."""

import time
from typing import Any, Final

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from adapters.kafka.client import Connection

SESSION_TIMEOUT_MS: Final = 10_000  # a process that is silent for so long has lost its partitions
HEARTBEAT_MS: Final = 3_000
REJOIN_S_MAX: Final = 10.0  # others hear of it with their next heartbeat, and finish what they do
REJOIN_POLL_MS: Final = 500


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


def poll(consumer: KafkaConsumer, timeout_ms: int) -> Any:
    """Return what a member has fetched, as `consumer.poll` does; while it joins its group anew, stay until it has.

    The client (kafka-python 3.0.12) drops a join that is answered while nobody polls, and begins the next one: a loop
    that does something else between short polls would never have joined, nor would those who wait for it.
    """
    found = consumer.poll(timeout_ms=timeout_ms)
    deadline = time.monotonic() + REJOIN_S_MAX
    while not found and consumer._coordinator.rejoining and time.monotonic() < deadline:  # noqa: SLF001  # nothing public says so
        found = consumer.poll(timeout_ms=REJOIN_POLL_MS)
    return found
