"""An Apache Kafka for tests: one broker for all worker processes of a run, topics of its own for whoever asks.

It is the cluster that FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS names, or else a broker started from the jars that Maven
resolves. Where neither is to be had, the tests that need it are skipped, and fail if CI=true. Tests of brokers that we
start ourselves need the jars in any case.

A folder of tests gets the fixtures by importing them in its conftest.py; a test that uses one is marked `broker`.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from adapters.kafka.client import Connection
from adapters.kafka.cluster import JVM_QUICK_START, Cluster
from adapters.kafka.distribution import Distribution, find_distribution
from adapters.kafka.topics import create_topics
from domain.errors import BadInputError
from tests.support.command_line import CommandLine
from tests.support.lacking import lacking

# Tests themselves do not see the settings of whoever runs them.
GIVEN: Final = os.environ.get("FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS")

PARTITIONS: Final = 4
_REMADE_WITHIN_S: Final = 30.0
_FOLDER: Final = Path(tempfile.gettempdir()) / f"fleettwin-tests-{os.getuid()}" / "kafka"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka_distribution() -> Distribution:
    """Give what brokers of a test's own are started from."""
    try:
        return find_distribution()
    except BadInputError as error:
        lacking(str(error))


@pytest.fixture(scope="session")
def bootstrap_servers(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the broker that all worker processes share; the last to finish stops it, its data go with the next run."""
    if GIVEN:
        yield GIVEN
    else:
        distribution = request.getfixturevalue("kafka_distribution")
        with Cluster(_FOLDER, distribution, jvm=JVM_QUICK_START, fresh=True) as running:
            yield running.bootstrap_servers


@pytest.fixture
def topic_prefix(bootstrap_servers: str) -> Iterator[str]:
    """Give what the names of a test's topics begin with; they are deleted in the end."""
    prefix = f"test-{os.getpid()}-{next(_numbers)}-"
    yield prefix
    with Connection(bootstrap_servers).administration() as client:
        left = [name for name in client.list_topics() if name.startswith(prefix)]
        if left:
            client.delete_topics(left)


def remake_topic(bootstrap_servers: str, topic: str, partitions: int, prefix: str) -> None:
    """Delete a topic, and make it anew once it is gone: until then to create topics finds the old one."""
    connection = Connection(bootstrap_servers)
    with connection.administration() as client:
        client.delete_topics([topic])
    deadline = time.monotonic() + _REMADE_WITHIN_S
    while not any(each.created for each in create_topics(connection, partitions, prefix)):
        assert time.monotonic() < deadline


@pytest.fixture
def kafka_fleettwin(fleettwin: CommandLine, bootstrap_servers: str, topic_prefix: str) -> CommandLine:
    """Give the command line on an empty database, with topics of its own that have `PARTITIONS` partitions."""
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": topic_prefix,
        "KAFKA_PARTITIONS": str(PARTITIONS),
    }
    made = replace(fleettwin, settings=settings)
    assert made.run("topics", "create").status == 0
    return made
