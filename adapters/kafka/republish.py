"""Makes the topic of events anew from the log, after Kafka has lost its data."""

import threading
import time
from collections.abc import Callable
from typing import Final

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import GroupIdNotFoundError, NonEmptyGroupError

from adapters.kafka.client import Connection
from adapters.kafka.group import SESSION_TIMEOUT_MS
from adapters.kafka.positions import partition_ends
from adapters.kafka.relay import Relay
from adapters.kafka.topics import create_topics
from domain.errors import BadInputError, StoreError

GONE_WITHIN_S: Final = SESSION_TIMEOUT_MS / 1_000 + 5  # a relay that was killed counts as running until then
REMADE_WITHIN_S: Final = 30.0  # a topic that was deleted goes on being there for a while

_POLL_S: Final = 0.2


class Republish:
    """Publishes the whole log into an empty topic, as the only relay of its group."""

    def __init__(self, connection: Connection, topic: str, partitions: int, prefix: str, group: str) -> None:
        self._connection = connection
        self._topic = topic
        self._partitions = partitions
        self._prefix = prefix
        self._group = group

    def prepare(self, *, recreate: bool) -> None:
        """Make the topic where it is missing; with `recreate` delete it first. Forget how far it was published.

        Raises BadInputError while relays run, and for a topic that holds records unless it is recreated.
        """
        create_topics(self._connection, self._partitions, self._prefix)
        with self._connection.administration() as client:
            self._check_alone(client)
            held = self._holds_records(client)
            if held and not recreate:
                raise BadInputError(
                    "holds records already",
                    where=f"topic {self._topic}",
                    remedy="with --recreate it is deleted first, and everyone reads it again from its beginning",
                )
            if held:
                client.delete_topics([self._topic])
                self._remake()
            self._forget(client)

    def run(self, relay: Relay, until: int, stopping: threading.Event, tell: Callable[[int], None]) -> bool:
        """Publish until a position that the log has; `tell` is told how far it is. Return whether it came so far."""
        reached = 0

        def told(position: int) -> None:
            nonlocal reached
            reached = position
            tell(min(position, until))
            if position >= until:
                stopping.set()

        relay.run(stopping, told)
        return reached >= until

    def _check_alone(self, client: KafkaAdminClient) -> None:
        deadline = time.monotonic() + GONE_WITHIN_S
        while client.describe_groups([self._group])[self._group]["members"]:
            if time.monotonic() > deadline:
                raise self._not_alone()
            time.sleep(_POLL_S)

    def _forget(self, client: KafkaAdminClient) -> None:
        (said,) = client.delete_groups([self._group]).values()  # "OK", or the name of an error
        if said == NonEmptyGroupError.__name__:
            raise self._not_alone()
        if said not in {"OK", GroupIdNotFoundError.__name__}:
            raise StoreError(f"group {self._group} cannot be deleted: {said}")

    def _not_alone(self) -> BadInputError:
        return BadInputError(
            "relays are running", where=f"group {self._group}", remedy="stop every `fleettwin run relay` first"
        )

    def _holds_records(self, client: KafkaAdminClient) -> bool:
        """Return whether the topic holds any. Offsets tell no number: markers of transactions have some of them."""
        partitions = [TopicPartition(self._topic, number) for number in range(self._partitions)]
        return any(held.first < held.end for held in partition_ends(client, partitions).values())

    def _remake(self) -> None:
        deadline = time.monotonic() + REMADE_WITHIN_S
        while True:
            made = create_topics(self._connection, self._partitions, self._prefix)
            if any(topic.created for topic in made if topic.name == self._topic):
                return
            if time.monotonic() > deadline:
                raise StoreError(f"topic {self._topic} is still there {REMADE_WITHIN_S:.0f} s after it was deleted")
            time.sleep(_POLL_S)
