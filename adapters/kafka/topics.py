"""The topics: how they are made, and how a role sees that they are as it was told.

`telemetry` holds what cars say, `vehicle-events` what came of it; in both the key is the vehicle's id, so that all of a
vehicle is in one partition, in order. Another number of partitions would move vehicles between partitions and mix up
their order: it is fixed when the topics are made, and checked by whoever uses them.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import BrokerResponseError, TopicAlreadyExistsError, for_code

from adapters.kafka.client import Connection
from adapters.kafka.partition import check_partitions
from domain.errors import BadInputError

TELEMETRY: Final = "telemetry"
VEHICLE_EVENTS: Final = "vehicle-events"
REPLICAS_MAX: Final = 3

_DAY_MS: Final = 24 * 60 * 60 * 1_000
_SETTINGS: Final = {
    "cleanup.policy": "delete",  # never compact: each record is a fact of its own, not the newest of its key
    "compression.type": "lz4",  # as we send it; the broker repacks what comes otherwise, which readers may not know
    "message.timestamp.type": "CreateTime",
    "unclean.leader.election.enable": "false",  # rather no leader than one that lacks records
}
# Telemetry is read once; a week covers what may keep its readers. Events are in the store for ever, and readers that
# come too late take them from there: a month covers readers of others.
_RETENTION_MS: Final = {TELEMETRY: 7 * _DAY_MS, VEHICLE_EVENTS: 30 * _DAY_MS}


class Topic(NamedTuple):
    """A topic as it is in the cluster."""

    name: str
    partitions: int
    replicas: int
    created: bool  # just now, by us
    settings: Mapping[str, str]  # in force, of those that we set
    differences: tuple[str, ...]  # those of them that somebody has set otherwise, with what we would set


def topic_settings(topic: str, replicas: int) -> dict[str, str]:
    """Return the settings that a topic is made with; `topic` is its name without prefix.

    A write is acknowledged when all but one of the replicas have it, so one broker may be down.
    """
    own = {"retention.ms": str(_RETENTION_MS[topic]), "min.insync.replicas": str(max(1, replicas - 1))}
    return _SETTINGS | own


def create_topics(connection: Connection, partitions: int, prefix: str = "") -> list[Topic]:
    """Make the topics that are missing; change nothing of those that are there.

    Raises BadInputError when one of those has another number of partitions.
    """
    names = {topic: prefix + topic for topic in _RETENTION_MS}
    created: set[str] = set()

    def work(client: Any) -> list[Topic]:
        replicas = min(REPLICAS_MAX, len(client.describe_cluster()["brokers"]))
        wanted = {topic: topic_settings(topic, replicas) for topic in names}
        found = _partition_counts(client, [*names.values()])
        check_partitions(found, partitions)
        missing = {
            name: {"num_partitions": partitions, "replication_factor": replicas, "configs": wanted[topic]}
            for topic, name in names.items()
            if name not in found
        }
        if missing:
            created.update(_create(client, missing))
        client.wait_for_topics([*names.values()])
        described = {each["name"]: each["partitions"] for each in client.describe_topics([*names.values()])}
        check_partitions({name: len(each) for name, each in described.items()}, partitions)
        return [
            _topic(name, described[name], name in created, wanted[topic], _in_force(client, name, wanted[topic]))
            for topic, name in names.items()
        ]

    return connection.administer(work)


def check_topics(connection: Connection, partitions: int, prefix: str = "") -> None:
    """Raise BadInputError unless both topics are there with this number of partitions."""
    names = [prefix + topic for topic in _RETENTION_MS]
    found = connection.administer(lambda client: _partition_counts(client, names))
    for name in names:
        if name not in found:
            raise BadInputError("there is no such topic", where=f"topic {name}", remedy="run `fleettwin topics create`")
    check_partitions(found, partitions)


def _partition_counts(client: Any, names: list[str]) -> dict[str, int]:
    return {each["name"]: len(each["partitions"]) for each in client.describe_topics(names) if not each["error_code"]}


def _create(client: Any, topics: Mapping[str, Any]) -> set[str]:
    """Return which topics were made; another process may have been quicker."""
    created = set()
    for each in client.create_topics(topics, raise_errors=False)["topics"]:
        error: type[BrokerResponseError] = for_code(each["error_code"])
        if not each["error_code"]:
            created.add(each["name"])
        elif error is not TopicAlreadyExistsError:
            what = f"Kafka does not create it: {each['error_message'] or error.__name__}"
            raise BadInputError(what, where=f"topic {each['name']}", remedy="see the message")
    return created


def _in_force(client: Any, name: str, wanted: Mapping[str, str]) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, name, list(wanted))
    found = client.describe_configs([resource], config_filter="all")["topic"][name]
    return {setting: str(found[setting]["value"]) for setting in wanted if setting in found}


def _topic(
    name: str, partitions: list[Any], created: bool, wanted: Mapping[str, str], in_force: Mapping[str, str]
) -> Topic:
    differences = tuple(
        f"{setting} is {in_force[setting]}, not {value}"
        for setting, value in wanted.items()
        if in_force.get(setting, value) != value
    )
    replicas = min(len(each["replica_nodes"]) for each in partitions)
    return Topic(name, len(partitions), replicas, created, in_force, differences)
