"""The commands that look after a Kafka cluster."""

from adapters import screens
from adapters.config import Config
from adapters.kafka.client import Connection
from adapters.kafka.topics import create_topics
from adapters.terminal import print_found


def create_kafka_topics(config: Config, *, as_json: bool) -> None:
    """Create the topics that are missing, and print all."""
    connection = Connection(config.kafka(), security=config.kafka_security)
    found = [
        {
            "topic": topic.name,
            "partitions": topic.partitions,
            "replicas": topic.replicas,
            "created": topic.created,
            "settings": dict(topic.settings),
            "differences": list(topic.differences),
        }
        for topic in create_topics(connection, config.kafka_partitions, config.kafka_topic_prefix)
    ]
    print_found(found, as_json, screens.topics)
