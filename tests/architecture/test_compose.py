"""What containers are started with is what the brokers are that the tests start."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from adapters.kafka.broker import Broker, Ports
from adapters.kafka.distribution import Distribution
from adapters.local_kafka import CLIENT_PORT, CONTROLLER_PORT

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "deploy/compose.yaml"
POM: Final = ROOT / "deploy/kafka/pom.xml"

# As a container needs it: others come in by a port of this machine, data are in a volume.
OF_CONTAINERS: Final = {
    "listeners": "PLAINTEXT://:9092,CONTROLLER://localhost:19092",
    "controller.quorum.voters": "1@localhost:19092",
    "log.dirs": "/var/lib/kafka/data",
}
# What only makes tests quicker, or is Kafka's own default for one broker.
OF_TESTS: Final = {
    "min.insync.replicas",
    "offsets.topic.num.partitions",
    "transaction.state.log.num.partitions",
    "broker.session.timeout.ms",
    "broker.heartbeat.interval.ms",
}


def services() -> dict[str, Any]:
    found = yaml.safe_load(COMPOSE.read_text())["services"]
    assert isinstance(found, dict)
    return found


def test_the_broker_of_the_containers_has_the_settings_of_ours() -> None:
    broker = Broker(ROOT, Distribution("java", ROOT), 1, (Ports(CLIENT_PORT, CONTROLLER_PORT),))
    ours = broker._all_settings()
    assert ours["min.insync.replicas"] == "1"
    assert ours.keys() >= OF_TESTS
    wanted = {name: value for name, value in (ours | OF_CONTAINERS).items() if name not in OF_TESTS}
    assert {
        name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
        for name, value in services()["kafka"]["environment"].items()
    } == wanted


def test_the_broker_of_the_containers_is_of_the_version_of_the_jars() -> None:
    (version,) = re.findall(r"<kafka\.version>(.+)</kafka\.version>", POM.read_text())
    assert services()["kafka"]["image"] == f"apache/kafka:{version}"


def test_whatever_a_container_opens_only_this_machine_reaches() -> None:
    for name, service in services().items():
        assert service["ports"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert {volume.partition(":")[0] for volume in service["volumes"]} == {name}, name


def test_the_database_of_the_containers_is_the_one_that_the_head_of_the_file_names() -> None:
    told = services()["postgres"]["environment"]
    user, password, database = (told[f"POSTGRES_{each}"] for each in ("USER", "PASSWORD", "DB"))
    export = f"export FLEETTWIN_DATABASE_URL=postgresql://{user}:{password}@127.0.0.1:5432/{database}\n"
    assert export in COMPOSE.read_text()
    assert f"export FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:{CLIENT_PORT}\n" in COMPOSE.read_text()
