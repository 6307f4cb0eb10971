"""Roles over a real broker and a real database tell how they are: metrics, health, readiness, logs, lag."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from kafka import KafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from adapters import demo
from adapters.avro.telemetry import TelemetryCodec
from adapters.kafka.cluster import JVM_QUICK_START, Cluster
from adapters.kafka.distribution import Distribution
from adapters.kafka.partition import partition_of
from adapters.postgres.server import EmbeddedServer
from domain.signals import Sample, SignalBatch
from domain.units import Micros
from domain.vin import Vin
from tests.support.command_line import VIN_KEY, CommandLine
from tests.support.events import registry
from tests.support.kafka import PARTITIONS

pytestmark = pytest.mark.broker

PATIENCE_S: Final = 120
PROJECTION_IDS: Final = ("navigation v1", "media v1", "diagnostics v1")
CODEC: Final = TelemetryCodec(registry())
ID: Final = Vin.parse(demo.VIN).vehicle_id(VIN_KEY.encode())
OTHER_VIN: Final = "WVWZZZE1ZTP000043"
STATUS_WITHIN_S: Final = 30  # where no Kafka answers
GROWN_S: Final = 8.0  # longer than the role waits before it looks again
MAPS: Final = [word for name in demo.MAPPINGS for word in ("--map", name)]
# 17 characters without I, O and Q; in metrics there are decimal places
LIKE_A_VIN: Final = re.compile(r"(?<![A-Za-z0-9])(?<!\d\.)[A-HJ-NPR-Z0-9]{17}(?![A-Za-z0-9])")
Samples = dict[tuple[str, str], float]  # by name and the one label, if there is one


@dataclass
class Role:
    """A role that runs, and what it has said."""

    process: "subprocess.Popen[str]"
    said: list[str]
    address: str

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.address + path, timeout=PATIENCE_S)

    def metrics(self) -> Samples:
        """Scrape."""
        found = text_string_to_metric_families(self.get("/metrics").text)
        return {
            (sample.name, next(iter(sample.labels.values()), "")): sample.value
            for family in found
            for sample in family.samples
            if not sample.name.endswith(("_bucket", "_created"))
        }

    def await_metrics(self, fits: Callable[[Samples], bool]) -> Samples:
        found: Samples = eventually(self.metrics, fits)
        return found

    def await_ready(self, status: int) -> Any:
        return eventually(lambda: self.get("/ready"), lambda answer: answer.status_code == status).json()

    def ended(self) -> str:
        """Stop it and return all that it has said."""
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0
        assert self.process.stderr is not None
        eventually(lambda: self.said[-1], lambda line: line == "stopped\n")
        return "".join(self.said)


def eventually(ask: Callable[[], Any], fits: Callable[[Any], bool]) -> Any:
    """Return the first answer that fits; fails the test where none comes."""
    deadline = time.monotonic() + PATIENCE_S
    while not fits(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
    return answer


@pytest.fixture
def roles() -> Iterator[Callable[..., Role]]:
    """Give what starts a role, by its name, at a port that is free."""
    with ExitStack() as stack:

        def start(fleettwin: CommandLine, name: str, **settings: str) -> Role:
            process = stack.enter_context(fleettwin.started("run", name, said=None, METRICS_PORT="0", **settings))
            said: list[str] = []
            told = threading.Event()

            def listen() -> None:
                assert process.stderr is not None
                for line in process.stderr:
                    said.append(line)
                    if line.startswith("metrics: "):
                        told.set()

            threading.Thread(target=listen, daemon=True).start()
            assert told.wait(PATIENCE_S), said
            (address,) = (line.split()[1].removesuffix("/metrics") for line in said if line.startswith("metrics: "))
            return Role(process, said, address)

        yield start


def send_demo(fleettwin: CommandLine) -> Any:
    with demo.recording() as path:
        car = ("--vin", demo.VIN, "--brand", demo.BRAND, "--model", demo.MODEL)
        return fleettwin.run("ingest", path, *car, *MAPS, "--to", "kafka", "--json").json[0]


def lags(fleettwin: CommandLine) -> dict[str, Any]:
    kafka = fleettwin.run("status", "--json").json["kafka"]
    assert kafka["answers"], kafka
    return {name: kafka[name]["lag"] for name in ("telemetry", "relay")}


def projected(project: Role, last: int, prefix: str) -> Role:
    """Wait until a projector is where the log is, and see that its metrics say how it came there."""
    seen = project.await_metrics(
        lambda found: all(
            found.get(("fleettwin_projection_lag_events", projection)) == 0 for projection in PROJECTION_IDS
        )
    )
    for projection in PROJECTION_IDS:
        assert seen["fleettwin_projection_events_total", projection] == last
        assert seen["fleettwin_projection_duplicate_events_total", projection] == 0
        assert seen["fleettwin_projection_gap_events_total", projection] == 0
        assert seen["fleettwin_projection_left_out_events_total", projection] == 0
        assert seen["fleettwin_projection_commit_seconds_count", projection] >= 1
        assert seen["fleettwin_projection_position", projection] == last
    names = "-".join(projection.replace(" ", "-") for projection in PROJECTION_IDS)
    assert seen["fleettwin_assigned_partitions", f"{prefix}fleettwin-project-{names}"] == PARTITIONS
    return project


def test_what_is_scraped_is_what_the_store_holds(
    kafka_fleettwin: CommandLine, roles: Callable[..., Role], bootstrap_servers: str, topic_prefix: str
) -> None:
    key, topic = str(ID).encode(), f"{topic_prefix}telemetry"
    with KafkaProducer(bootstrap_servers=bootstrap_servers) as producer:
        bad = f"no batch, but {demo.VIN}".encode()
        producer.send(topic, bad, key=key, partition=partition_of(key, PARTITIONS)).get(timeout=PATIENCE_S)
    batches = send_demo(kafka_fleettwin)["batches"]
    assert lags(kafka_fleettwin) == {"telemetry": 1 + batches, "relay": 1}  # the car is registered
    assert kafka_fleettwin.run("status", "--json").json["kafka"]["telemetry"]["lagSeconds"] > 0

    ingest, relay = roles(kafka_fleettwin, "ingest"), roles(kafka_fleettwin, "relay", LOG_FORMAT="json")
    status = eventually(
        lambda: kafka_fleettwin.run("status", "--json").json,
        lambda found: (
            found["logPosition"] > 1 and (found["kafka"]["telemetry"]["lag"], found["kafka"]["relay"]["lag"]) == (0, 0)
        ),
    )
    last = status["logPosition"]
    assert status["setAside"] == 1
    assert status["kafka"]["telemetry"]["lagSeconds"] == status["kafka"]["relay"]["lagSeconds"] == 0

    seen = ingest.await_metrics(
        lambda found: (
            found.get(("fleettwin_log_position", "")) == last
            and found.get(("fleettwin_telemetry_lag_records", "")) == 0
        )
    )
    number = str(partition_of(key, PARTITIONS))
    assert seen["fleettwin_ingest_records_total", ""] == 1 + batches
    assert seen["fleettwin_ingest_batches_total", ""] == batches
    assert seen["fleettwin_set_aside_total", ""] == seen["fleettwin_set_aside_records", ""] == 1
    assert seen["fleettwin_ingest_events_total", ""] == last - 1
    assert seen["fleettwin_ingest_duplicate_batches_total", ""] == 0
    assert seen["fleettwin_ingest_transaction_seconds_count", ""] >= 1
    assert seen["fleettwin_assigned_partitions", f"{topic_prefix}fleettwin-ingest"] == PARTITIONS
    consumed = {
        label.partition("#")[0]: value
        for (name, label), value in seen.items()
        if name == "fleettwin_telemetry_consumed_position"
    }
    assert consumed[f"{topic}/{number}"] == 1 + batches
    for projection in PROJECTION_IDS:  # nobody folds yet
        assert seen["fleettwin_projection_position", projection] == 0
        assert seen["fleettwin_projection_lag_events", projection] == last
        assert seen["fleettwin_projection_lag_seconds", projection] > 0
        assert seen["fleettwin_parked_vehicles", projection] == 0

    seen = relay.await_metrics(lambda found: found.get(("fleettwin_relay_lag_events", "")) == 0)
    assert seen["fleettwin_relay_events_total", ""] == last
    assert seen["fleettwin_relay_transaction_seconds_count", ""] >= 1
    assert seen["fleettwin_relay_published_position", number] == last
    assert seen["fleettwin_kafka_answers", ""] == 1

    project = projected(roles(kafka_fleettwin, "project"), last, topic_prefix)

    send_demo(kafka_fleettwin)  # all of it a second time
    seen = ingest.await_metrics(lambda found: found["fleettwin_ingest_records_total", ""] == 1 + 2 * batches)
    assert seen["fleettwin_ingest_duplicate_batches_total", ""] == batches

    for role in (ingest, relay, project):
        assert role.get("/health").json() == {"status": "up"}
        assert role.await_ready(200) == {"status": "ready"}
        assert role.get("/nothing").status_code == 404
        role.ended()
    (aside,) = (line for line in ingest.said if "set aside" in line)
    assert "level=warning logger=adapters.ingest_worker" in aside
    assert re.search(rf"partition={topic}/{number}#[0-9a-f]{{8}} position=0", aside)
    assert f" vehicle_id={ID} " in aside
    (entry,) = (json.loads(line) for line in relay.said if "publishes test" in line)
    assert {"timestamp", "level", "logger", "event"} <= entry.keys()


def test_neither_log_nor_metrics_tell_a_vin(
    kafka_fleettwin: CommandLine,
    roles: Callable[..., Role],
    bootstrap_servers: str,
    topic_prefix: str,
    tmp_path: Path,
) -> None:
    pytest.importorskip("opendbc")
    fleet = ("--vehicles", "3", "--hours", "0.4", "--rate", "30", "--seed", "5", "--out", tmp_path / "fleet")
    assert kafka_fleettwin.run("simulate", *fleet).status == 0
    cars = json.loads((tmp_path / "fleet" / "fleet.json").read_text())
    running = [roles(kafka_fleettwin, name) for name in ("ingest", "relay", "project")]
    for car in cars:
        recording = tmp_path / "fleet" / f"{car['vin']}.log"
        maps = [word for name in car["map"] for word in ("--map", name)]
        if recording.exists():
            assert kafka_fleettwin.run("ingest", recording, "--vin", car["vin"], *maps, "--to", "kafka").status == 0
    vins = [car["vin"] for car in cars]
    with KafkaProducer(bootstrap_servers=bootstrap_servers) as producer:
        for vin in vins:  # what others may send: of a car that is not registered, and under a key that is no id
            batch = SignalBatch(ID, vin, 1, Micros(1_770_000_000_000_000), (Sample(vin, Micros(5), vin),))
            for key in (str(ID).encode(), vin.encode()):
                value = CODEC.encode(batch)
                producer.send(f"{topic_prefix}telemetry", value, key=key, partition=0).get(timeout=PATIENCE_S)
    eventually(lambda: lags(kafka_fleettwin), lambda found: found == {"telemetry": 0, "relay": 0})

    for role in running:
        seen = role.metrics()
        told = role.get("/metrics").text + role.ended()
        assert seen["fleettwin_set_aside_total", ""] > 0 or role is not running[0]
        assert [vin for vin in vins if vin in told] == []
        assert LIKE_A_VIN.findall(told) == []


def test_a_role_is_ready_again_when_its_database_is(
    kafka_fleettwin: CommandLine, roles: Callable[..., Role], tmp_path: Path
) -> None:
    server = EmbeddedServer(tmp_path / "server")
    with server:
        kafka_fleettwin.database = server.conninfo()
        running = [roles(kafka_fleettwin, name) for name in ("ingest", "relay", "project")]
        for role in running:
            role.await_ready(200)
    for role in running:
        reason = role.await_ready(503)["reason"]
        assert "database" in reason or "do not answer" in reason
        assert role.get("/health").status_code == 200
        assert ("fleettwin_log_position", "") not in role.metrics()
    with server:
        for role in running:
            role.await_ready(200)
            assert role.process.poll() is None


def test_the_lag_of_the_relay_grows_while_kafka_is_down(
    fleettwin: CommandLine, roles: Callable[..., Role], kafka_distribution: Distribution, tmp_path: Path
) -> None:
    def append(vin: str) -> None:
        with demo.recording() as path:
            assert fleettwin.run("ingest", path, "--vin", vin, "--any-vin", *MAPS).status == 0

    def lag(seen: Samples) -> tuple[float | None, ...]:
        names = ("fleettwin_kafka_answers", "fleettwin_relay_lag_events", "fleettwin_log_position")
        return tuple(seen.get((name, "")) for name in names)

    with Cluster(tmp_path / "kafka", kafka_distribution, jvm=JVM_QUICK_START) as cluster:
        (broker,) = cluster.brokers
        fleettwin.settings = {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers, "KAFKA_PARTITIONS": str(PARTITIONS)}
        assert fleettwin.run("topics", "create").status == 0
        append(demo.VIN)
        first = fleettwin.run("status", "--json").json["logPosition"]
        relay = roles(fleettwin, "relay")
        relay.await_metrics(lambda seen: lag(seen) == (1, 0, first))

        broker.stop()
        append(OTHER_VIN)
        relay.await_metrics(lambda seen: lag(seen) == (0, first, 2 * first))
        seen = relay.await_metrics(lambda seen: seen.get(("fleettwin_relay_lag_seconds", ""), 0) > GROWN_S)
        assert lag(seen) == (0, first, 2 * first)
        assert relay.get("/ready").json()["reason"].startswith("Kafka does not answer: ")

        broker.start()
        relay.await_metrics(lambda seen: lag(seen) == (1, 0, 2 * first))


def test_status_tells_what_the_store_knows_where_kafka_is_down(fleettwin: CommandLine) -> None:
    def append(vin: str) -> None:
        with demo.recording() as path:
            fleettwin.ingest(path, "--vin", vin, *MAPS)

    append(demo.VIN)
    began_s = time.monotonic()
    found = fleettwin.run("status", "--json", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1").json
    shown = fleettwin.run("status", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert time.monotonic() - began_s < 2 * STATUS_WITHIN_S
    assert found["logPosition"] > 0
    reason = "127.0.0.1:1: no Kafka answers there"
    assert found["kafka"] == {"answers": False, "reason": reason, "telemetry": None, "relay": None}
    assert shown.status == 0
    assert shown.stdout.splitlines()[1:4] == [
        f"Kafka does not answer: {reason}",
        "telemetry: records that are not taken yet: unknown",
        f"relay: events that are not published yet: unknown, {found['logPosition']:,} of the log at most",
    ]


def test_a_port_that_is_taken_is_bad_input(kafka_fleettwin: CommandLine, roles: Callable[..., Role]) -> None:
    port = roles(kafka_fleettwin, "relay").address.rpartition(":")[2]
    done = kafka_fleettwin.run("run", "ingest", METRICS_PORT=port)
    assert done.complaint.startswith(f"fleettwin: 127.0.0.1: port {port} cannot be bound (Address already in use)")
