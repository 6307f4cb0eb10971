"""A broker of a test's own that asks for TLS, for users or for certificates: a listener for each way to come in."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kafka.admin import UserScramCredentialDeletion, UserScramCredentialUpsertion

from adapters.kafka.broker import HOST
from adapters.kafka.client import Connection
from adapters.kafka.cluster import JVM_QUICK_START, Cluster, free_ports
from adapters.kafka.distribution import Distribution
from tests.support.certificates import Certificates, make_certificates

USER: Final = "fleet,twin=1"
PASSWORD: Final = "pass, word = of a test"
PLAIN_USER: Final = "$ConnectionString"  # as Azure Event Hubs want it
PLAIN_PASSWORD: Final = "Endpoint=sb://fleet.example/;SharedAccessKeyName=a;SharedAccessKey=b+c/d="
SCRAM_MECHANISMS: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")

# name of the listener: protocol, host that brokers tell clients, settings of its own
_SCRAM_MODULE: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN_MODULE: Final = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_REAUTHENTICATION_MS: Final = 2_000  # a connection shows its password again so often
_LISTENERS: Final = {
    "SCRAM": ("SASL_SSL", HOST),
    "PLAIN": ("SASL_SSL", HOST),
    "CLEAR": ("SASL_PLAINTEXT", HOST),
    "MUTUAL": ("SSL", HOST),
    "MISNAMED": ("SSL", "localhost"),
}


@dataclass(frozen=True)
class SecuredKafka:
    """A running one."""

    plain: Connection
    certificates: Certificates
    ports: dict[str, int]

    def settings(self, listener: str, **others: str) -> dict[str, str]:
        """Return the settings, but for their FLEETTWIN_, of who comes in by a listener as it wants it."""
        protocol, _ = _LISTENERS[listener]
        found = {
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self.ports[listener]}",
            "KAFKA_SECURITY_PROTOCOL": protocol,
        }
        if protocol.endswith("SSL"):
            found["KAFKA_CA_FILE"] = str(self.certificates.ca)
        if protocol.startswith("SASL"):
            names = ("KAFKA_SASL_MECHANISM", "KAFKA_USERNAME", "KAFKA_PASSWORD")
            of_plain = ("PLAIN", PLAIN_USER, PLAIN_PASSWORD)
            values = of_plain if listener == "PLAIN" else ("SCRAM-SHA-512", USER, PASSWORD)
            found |= dict(zip(names, values, strict=True))
        if listener == "MUTUAL":
            found["KAFKA_CERTIFICATE_FILE"] = str(self.certificates.client)
            found["KAFKA_KEY_FILE"] = str(self.certificates.client_key)
        return found | others

    def let_in(self, user: str) -> None:
        """Make a user of SCRAM known."""
        self._alter([UserScramCredentialUpsertion(user, each, PASSWORD) for each in SCRAM_MECHANISMS])

    def lock_out(self, user: str) -> None:
        """Forget them."""
        self._alter([UserScramCredentialDeletion(user, each) for each in SCRAM_MECHANISMS])

    def _alter(self, alterations: list[UserScramCredentialUpsertion | UserScramCredentialDeletion]) -> None:
        with self.plain.administration() as client:
            for each in alterations:  # a user may be in a request once
                refused = client.alter_user_scram_credentials([each])
                assert not any(refused.values()), refused


@contextmanager
def secured_kafka(distribution: Distribution) -> Iterator[SecuredKafka]:
    """Run one."""
    with tempfile.TemporaryDirectory(prefix="fleettwin-secured-") as name:
        certificates = make_certificates(Path(name), distribution.java)
        own, *others = free_ports(1 + len(_LISTENERS))
        ports = {listener: each.client for listener, each in zip(_LISTENERS, others, strict=True)}
        addresses = {"PLAINTEXT": f"{HOST}:{own.client}", "CONTROLLER": f"{HOST}:{own.controller}"}
        addresses |= {listener: f"{HOST}:{port}" for listener, port in ports.items()}
        advertised = {listener: f"{host}:{ports[listener]}" for listener, (_, host) in _LISTENERS.items()}
        advertised["PLAINTEXT"] = addresses["PLAINTEXT"]
        protocols = {listener: protocol for listener, (protocol, _) in _LISTENERS.items()}
        protocols |= {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        settings = {
            "listeners": _listed(addresses, "://"),
            "advertised.listeners": _listed(advertised, "://"),
            "listener.security.protocol.map": _listed(protocols, ":"),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.broker),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.ca),
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.plain.plain.sasl.jaas.config": f'{_PLAIN_MODULE} user_{PLAIN_USER}="{PLAIN_PASSWORD}";',
            "listener.name.scram.connections.max.reauth.ms": str(_REAUTHENTICATION_MS),
        }
        for listener in ("scram", "clear"):
            settings[f"listener.name.{listener}.sasl.enabled.mechanisms"] = ",".join(SCRAM_MECHANISMS)
            for each in SCRAM_MECHANISMS:
                settings[f"listener.name.{listener}.{each.lower()}.sasl.jaas.config"] = _SCRAM_MODULE
        folder = Path(name) / "kafka"
        with Cluster(folder, distribution, ports=[own], settings=settings, jvm=JVM_QUICK_START) as cluster:
            made = SecuredKafka(Connection(cluster.bootstrap_servers), certificates, ports)
            made.let_in(USER)
            yield made


def _listed(values: dict[str, str], between: str) -> str:
    return ",".join(f"{name}{between}{value}" for name, value in values.items())
