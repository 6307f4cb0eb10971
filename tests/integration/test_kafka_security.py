"""A broker that asks for TLS, for users, for certificates: the whole path over it, and what is said of each refusal."""

import logging
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx
import psycopg
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import SaslAuthenticationFailedError

from adapters import demo
from adapters.config import Config
from adapters.kafka.client import Connection
from adapters.kafka.distribution import Distribution
from adapters.kafka.topics import TELEMETRY, VEHICLE_EVENTS
from adapters.postgres.event_store import PostgresEventLog
from domain.errors import BadInputError
from tests.support.command_line import CommandLine
from tests.support.kafka import PARTITIONS
from tests.support.secured_kafka import PLAIN_PASSWORD, SecuredKafka, secured_kafka

pytestmark = pytest.mark.broker

PATIENCE_S: Final = 120
AT_ONCE_S: Final = 60  # a process starts, on a busy machine
SHORT_MS: Final = 1_500
MAPS: Final = [word for name in demo.MAPPINGS for word in ("--map", name)]
REFUSED: Final = "the broker refuses user and password (Authentication failed"
UNTRUSTED: Final = "the broker's certificate is signed by nobody who is trusted"
CORRECT: Final = "correct FLEETTWIN_KAFKA_USERNAME, FLEETTWIN_KAFKA_PASSWORD or FLEETTWIN_KAFKA_SASL_MECHANISM"


@pytest.fixture(scope="module")
def secured(kafka_distribution: Distribution) -> Iterator[SecuredKafka]:
    """Give the broker of this module."""
    with secured_kafka(kafka_distribution) as running:
        yield running


@dataclass
class Rig:
    """A command line that comes in by one of its listeners."""

    fleettwin: CommandLine
    secured: SecuredKafka

    def send_demo(self) -> None:
        """Send the recording of the demo."""
        with demo.recording() as path:
            done = self.fleettwin.run("ingest", path, "--vin", demo.VIN, *MAPS, "--to", "kafka", "--json")
        assert done.status == 0, done.stderr

    def wait(self, *roles: "subprocess.Popen[str]") -> None:
        """Wait until all that was sent is in the log, and all of the log is in its topic, while these live."""
        deadline = time.monotonic() + PATIENCE_S
        while not (self._all_taken() and self._all_published()):
            assert time.monotonic() < deadline
            assert all(role.poll() is None for role in roles)

    def await_projected(self) -> None:
        """Wait until nothing waits for any stage any more, as `status` sees it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = self.fleettwin.run("status", "--json").json
            assert found["kafka"]["answers"], found["kafka"]
            stages = (*found["projections"], found["kafka"]["telemetry"], found["kafka"]["relay"])
            if not any(stage["lag"] for stage in stages):
                return
            assert time.monotonic() < deadline, found

    def _all_taken(self) -> bool:
        assert self.fleettwin.database is not None
        with psycopg.connect(self.fleettwin.database) as connection:
            (taken,) = connection.execute("SELECT sum(position) FROM consumed_positions").fetchone() or (0,)
        return bool(taken) and taken == len(self._values(TELEMETRY))

    def _all_published(self) -> bool:
        assert self.fleettwin.database is not None
        log = PostgresEventLog.open(self.fleettwin.database)
        stored = Counter(each.state for each in log.read(0, 1_000_000))
        log.close()
        return stored == Counter(self._values(VEHICLE_EVENTS))

    def _values(self, topic: str) -> list[bytes]:
        """Return what a topic holds, as somebody sees it who needs no password."""
        name = self.fleettwin.settings["KAFKA_TOPIC_PREFIX"] + topic
        partitions = [TopicPartition(name, number) for number in range(PARTITIONS)]
        found: list[bytes] = []
        with KafkaConsumer(**self.secured.plain.settings(), isolation_level="read_committed") as consumer:
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(partitions)
            while any(consumer.position(each) < ends[each] for each in partitions):
                for records in consumer.poll(timeout_ms=200).values():
                    found += [record.value for record in records]
        return found


def rig(secured: SecuredKafka, fleettwin: CommandLine, listener: str, prefix: str, **others: str) -> Rig:
    topics = {"KAFKA_PARTITIONS": str(PARTITIONS), "KAFKA_TOPIC_PREFIX": f"{prefix}-"}
    return Rig(replace(fleettwin, settings=secured.settings(listener) | topics | others), secured)


@pytest.mark.parametrize("listener", ["SCRAM", "PLAIN"])
def test_everything_goes_over_tls_with_a_user(secured: SecuredKafka, fleettwin: CommandLine, listener: str) -> None:
    made = rig(secured, fleettwin, listener, f"path-{listener}")
    assert made.fleettwin.run("topics", "create").status == 0
    with (
        made.fleettwin.started("run", "ingest") as ingest,
        made.fleettwin.started("run", "relay") as relay,
        made.fleettwin.started("run", "project", METRICS_PORT="0") as project,
    ):
        address = said_by(project, "metrics: ").split()[1].removesuffix("/metrics")
        made.send_demo()
        made.wait(ingest, relay, project)
        made.await_projected()
        ready = httpx.get(f"{address}/ready", timeout=PATIENCE_S)
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
        assert "\nfleettwin_kafka_answers 1.0\n" in httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text


@pytest.mark.parametrize(
    ("listener", "others"),
    [("SCRAM", {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}), ("CLEAR", {}), ("MUTUAL", {})],
    ids=["SCRAM-SHA-256", "SASL_PLAINTEXT", "mutual TLS"],
)
def test_topics_are_made_whatever_is_asked_for(
    secured: SecuredKafka, tmp_path: Path, listener: str, others: dict[str, str]
) -> None:
    prefix = f"topics-{listener}"
    made = rig(secured, CommandLine(tmp_path / "home"), listener, prefix, **others)
    found = made.fleettwin.run("topics", "create", "--json").json
    assert [each["topic"] for each in found] == [f"{prefix}-telemetry", f"{prefix}-vehicle-events"]


@pytest.mark.parametrize(
    ("listener", "others", "complaint"),
    [
        ("SCRAM", {"KAFKA_PASSWORD": "wrong"}, f"{REFUSED} during authentication due to invalid credentials"),
        ("PLAIN", {"KAFKA_PASSWORD": "wrong"}, f"{REFUSED}: Invalid username or password); {CORRECT}"),
        (
            "PLAIN",
            {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"},
            "the broker does not take this SASL mechanism; set FLEETTWIN_KAFKA_SASL_MECHANISM to one that",
        ),
        (
            "SCRAM",
            {"KAFKA_CA_FILE": ""},
            f"{UNTRUSTED} (self-signed certificate in certificate chain); set FLEETTWIN_KAFKA_CA_FILE to the",
        ),
        ("SCRAM", {"KAFKA_CA_FILE": "{client}"}, UNTRUSTED),
        (
            "SCRAM",
            {"KAFKA_BOOTSTRAP_SERVERS": "localhost:{SCRAM}"},
            "the broker's certificate is for another host (Hostname mismatch, certificate is not valid for 'localhost'",
        ),
        (
            "MISNAMED",
            {},
            "the broker's certificate is for another host (Hostname mismatch, certificate is not valid for",
        ),
        (
            "MUTUAL",
            {"KAFKA_CERTIFICATE_FILE": "", "KAFKA_KEY_FILE": ""},
            "the broker asks for a certificate of ours, or does not take it (",
        ),
        (
            "CLEAR",
            {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:{SCRAM}"},
            "what answers speaks TLS, or no Kafka at all; set FLEETTWIN_KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL",
        ),
        (
            "CLEAR",
            {"KAFKA_BOOTSTRAP_SERVERS": "{plain}"},
            "the broker asks for no user and password at this port; correct FLEETTWIN_KAFKA_SECURITY_PROTOCOL",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "-".join(value),
)
def test_what_a_broker_refuses_is_said_at_once_in_one_line(
    secured: SecuredKafka, tmp_path: Path, listener: str, others: dict[str, str], complaint: str
) -> None:
    known = {"client": secured.certificates.client, "plain": secured.plain.bootstrap_servers, **secured.ports}
    settings = secured.settings(listener, **{name: value.format(**known) for name, value in others.items()})
    began = time.monotonic()
    said = CommandLine(tmp_path / "home").run("topics", "create", **settings).complaint
    assert said.startswith(f"fleettwin: {settings['KAFKA_BOOTSTRAP_SERVERS']}: {complaint}")
    assert time.monotonic() - began < AT_ONCE_S


def connection(secured: SecuredKafka, listener: str, timeout_ms: int, **others: str) -> Connection:
    settings = secured.settings(listener, **others)
    config = Config.read({f"FLEETTWIN_{name}": value for name, value in settings.items()})
    return Connection(config.kafka(), timeout_ms, config.kafka_security)


def test_a_wrong_password_is_shown_once(secured: SecuredKafka, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for listener in ("SCRAM", "PLAIN", "CLEAR") * 2:
        caplog.clear()
        wrong = connection(secured, listener, AT_ONCE_S * 1_000, KAFKA_PASSWORD="wrong")
        with pytest.raises(BadInputError, match=r"the broker refuses user and password"), wrong.administration():
            pass
        tries = [record for record in caplog.records if "Initializing connection" in record.message]
        assert len(tries) == 1, listener


def test_no_log_has_a_password_that_is_sent(secured: SecuredKafka, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with connection(secured, "PLAIN", 5_000).administration() as client:
        client.list_topics()
    assert "Authenticated as $ConnectionString via SASL / Plain" in caplog.text
    assert PLAIN_PASSWORD not in caplog.text


def test_a_password_that_is_refused_later_is_not_shown_again_at_once(secured: SecuredKafka) -> None:
    secured.let_in("former")
    with connection(secured, "SCRAM", 5_000, KAFKA_USERNAME="former").administration() as client:
        secured.lock_out("former")
        with pytest.raises(SaslAuthenticationFailedError):
            client.list_topics()
        assert client._manager._backoff


def test_what_looks_like_a_broker_that_is_not_ready_is_said_in_the_end(secured: SecuredKafka) -> None:
    def complaint(listener: str, servers: str, **others: str) -> str:
        made = connection(secured, listener, SHORT_MS, KAFKA_BOOTSTRAP_SERVERS=servers, **others)
        with pytest.raises(BadInputError) as refused, made.administration():
            pass
        return str(refused.value).removeprefix(f"{servers}: ")

    asked = "the broker answers, and closes the connection when it is asked for more; it may ask for a user and a"
    clear, scram = (f"127.0.0.1:{secured.ports[listener]}" for listener in ("CLEAR", "SCRAM"))
    with pytest.raises(BadInputError, match=asked), Connection(clear, SHORT_MS).administration():
        pass
    mutual = {"KAFKA_CERTIFICATE_FILE": "", "KAFKA_KEY_FILE": ""}
    assert complaint("MUTUAL", scram, **mutual).startswith(asked)
    assert complaint("MUTUAL", secured.plain.bootstrap_servers).startswith("no TLS is spoken there (")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert complaint("SCRAM", f"127.0.0.1:{silent.getsockname()[1]}").startswith("no Kafka answers there; start")


def test_one_broker_that_refuses_leaves_the_others(secured: SecuredKafka, tmp_path: Path) -> None:
    port = secured.ports["SCRAM"]
    settings = secured.settings("SCRAM", KAFKA_BOOTSTRAP_SERVERS=f"localhost:{port},127.0.0.1:{port}")
    settings["KAFKA_TOPIC_PREFIX"] = "others-"
    assert CommandLine(tmp_path / "home").run("topics", "create", **settings).status == 0


def test_whoever_begins_with_a_wrong_password_ends_at_once(secured: SecuredKafka, fleettwin: CommandLine) -> None:
    wrong = rig(secured, fleettwin, "SCRAM", "wrong", KAFKA_PASSWORD="wrong").fleettwin
    with demo.recording() as path:
        for command in (
            ("ingest", path, "--vin", demo.VIN, *MAPS, "--to", "kafka"),
            ("run", "ingest"),
            ("run", "relay"),
        ):
            began = time.monotonic()
            said = wrong.run(*command).complaint
            assert said.startswith(f"fleettwin: 127.0.0.1:{secured.ports['SCRAM']}: {REFUSED}"), said
            assert said.endswith(CORRECT)
            assert time.monotonic() - began < AT_ONCE_S


def said_by(role: "subprocess.Popen[str]", what: str) -> str:
    """Return the line in which a role says something; it is killed where it does not in time."""
    assert role.stderr is not None
    patience = threading.Timer(PATIENCE_S, role.kill)
    patience.start()
    try:
        return next((line for line in role.stderr if what in line), "")
    finally:
        patience.cancel()


def test_a_role_that_is_locked_out_says_so_and_goes_on_when_it_is_let_in(
    secured: SecuredKafka, fleettwin: CommandLine
) -> None:
    secured.let_in("guest")
    guest = rig(secured, fleettwin, "SCRAM", "guest", KAFKA_USERNAME="guest")
    assert guest.fleettwin.run("topics", "create").status == 0
    with guest.fleettwin.started("run", "ingest") as ingest, guest.fleettwin.started("run", "relay") as relay:
        guest.send_demo()
        guest.wait(ingest, relay)
        secured.lock_out("guest")
        for role in (ingest, relay):
            assert said_by(role, REFUSED)
        secured.let_in("guest")
        guest.send_demo()
        guest.wait(ingest, relay)
