"""Producers that cannot send."""

import threading
import time
from typing import Final

import pytest
from kafka import KafkaProducer

from adapters.kafka.client import Connection, abandon
from adapters.kafka.topics import create_topics
from tests.support.kafka import PARTITIONS

PATIENCE_S: Final = 30

pytestmark = pytest.mark.broker


def test_a_producer_that_is_abandoned_leaves_nothing_behind(bootstrap_servers: str, topic_prefix: str) -> None:
    create_topics(Connection(bootstrap_servers), PARTITIONS, topic_prefix)
    before = set(threading.enumerate())
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers, delivery_timeout_ms=120_000, linger_ms=60_000)
    producer.send(f"{topic_prefix}telemetry", b"never sent", partition=0)
    abandon(producer)
    deadline = time.monotonic() + PATIENCE_S
    while left := [each for each in set(threading.enumerate()) - before if each.is_alive()]:
        assert time.monotonic() < deadline, left
