"""What Kafka's settings may be, and what is said of those that may not."""

import pytest

from adapters.config import Config
from adapters.kafka.partition import check_partitions
from domain.errors import BadInputError

NOT_IN_BRACKETS = ("[::1:9092", "[]:9092", "::1:9092", "::1]:9092", "[one]:9092", "[::1]x:9092", "[::1]9092")


def read(**settings: str) -> Config:
    return Config.read({f"FLEETTWIN_KAFKA_{name}": value for name, value in settings.items()})


def test_unless_set_there_is_no_kafka() -> None:
    config = Config.read({})
    assert (config.kafka_bootstrap_servers, config.kafka_partitions, config.kafka_topic_prefix) == (None, 12, "")
    with pytest.raises(BadInputError, match=r"^FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS: no Kafka is set; .*make up"):
        config.kafka()


def test_brokers_are_listed_with_commas() -> None:
    assert (
        read(BOOTSTRAP_SERVERS="one:9092, [::1]:9093,[fe80::1%eth0]:1").kafka()
        == "one:9092,[::1]:9093,[fe80::1%eth0]:1"
    )


@pytest.mark.parametrize(
    "servers", ["localhost", "one:9092,", ":9092", "one:port", "one:0", "one:65536", *NOT_IN_BRACKETS]
)
def test_what_is_no_broker_is_refused(servers: str) -> None:
    with pytest.raises(BadInputError, match=r"is no broker; give host:port"):
        read(BOOTSTRAP_SERVERS=servers)


@pytest.mark.parametrize("partitions", ["0", "-1", "many", "1.5", "10001"])
def test_what_is_no_number_of_partitions_is_refused(partitions: str) -> None:
    with pytest.raises(BadInputError, match=r"is no number of partitions; give a number from 1 to 10000"):
        read(PARTITIONS=partitions)


@pytest.mark.parametrize("prefix", ["a b", "a/b", "ä", "x" * 201])
def test_what_begins_no_topic_is_refused(prefix: str) -> None:
    with pytest.raises(BadInputError, match="begins no topic"):
        read(TOPIC_PREFIX=prefix)


def test_a_topic_with_another_number_of_partitions_is_refused_in_one_line() -> None:
    check_partitions({"telemetry": 12}, 12)
    with pytest.raises(BadInputError) as refused:
        check_partitions({"telemetry": 6}, 12)
    assert str(refused.value) == (
        "topic telemetry: has 6 partitions, and the settings say 12;"
        " set FLEETTWIN_KAFKA_PARTITIONS=6, or delete the topic and run `fleettwin topics create`:"
        " another number would mix up the order of a vehicle"
    )
