from tests.support.command_line import fleettwin, other_fleettwin
from tests.support.databases import database, fresh_database, server
from tests.support.kafka import bootstrap_servers, kafka_distribution, kafka_fleettwin, topic_prefix
from tests.support.schema_registry import schema_registry, schema_registry_distribution

__all__ = [
    "bootstrap_servers",
    "database",
    "fleettwin",
    "fresh_database",
    "kafka_distribution",
    "kafka_fleettwin",
    "other_fleettwin",
    "schema_registry",
    "schema_registry_distribution",
    "server",
    "topic_prefix",
]
