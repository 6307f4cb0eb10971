"""How this project connects to a cluster, and what it says of one that does not answer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RetriableError,
    UnsupportedCodecError,
)

from adapters.kafka.network import network_client
from adapters.kafka.refusals import Refusal, UnreachedError, for_good
from adapters.kafka.security import Security
from adapters.kafka.tls import tls_context
from domain.errors import BadInputError

BOOTSTRAP_TIMEOUT_MS: Final = 5_000
REQUEST_TIMEOUT_MS: Final = 30_000
CLIENT_ID: Final = "fleettwin"
ABANDONED_WITHIN_S: Final = 5.0
RETRY_TIMEOUT_S: Final = 20  # a cluster goes on naming a broker that has crashed until its session runs out: 9 s

_REMEDY: Final = "start the brokers (`make up` does on this machine), or correct FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS"
_CODEC_REMEDY: Final = (
    "set compression.type=lz4 on the topic, so that brokers repack what comes; what it holds already can be read with"
    " python-snappy or zstandard installed"
)
_SAID_CHARACTERS_MAX: Final = 300
_RETRY_PAUSE_S: Final = 0.2

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Connection:
    """A cluster, how long it may take to answer at first, and what it asks for."""

    bootstrap_servers: str  # host:port, several with commas
    bootstrap_timeout_ms: int = BOOTSTRAP_TIMEOUT_MS
    security: Security = field(default_factory=Security)

    def settings(self) -> dict[str, Any]:
        """Return what every client of the cluster is given. Raises BadInputError where a file of TLS is none."""
        return {
            **self.security.settings(),
            "ssl_context": tls_context(self.security) if self.security.tls else None,
            "kafka_client": network_client,
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "bootstrap_timeout_ms": self.bootstrap_timeout_ms,
            "client_id": CLIENT_ID,
        }

    @contextmanager
    def administration(self) -> Iterator[KafkaAdminClient]:
        """Give a client that asks for topics and makes them.

        Raises BadInputError when no broker answers, or when one refuses us or what is asked of it.
        """
        with self._telling(), self.admin_client() as client:
            yield client

    @contextmanager
    def admin_client(self) -> Iterator[KafkaAdminClient]:
        """Give the same client to whoever does more than to ask it: what fails meanwhile is raised as it is.

        Raises BadInputError when no broker answers, or when one refuses us.
        """
        settings = {**self.settings(), "kafka_client": partial(network_client, warns=False)}
        with self._telling():
            opened = KafkaAdminClient(**settings, request_timeout_ms=REQUEST_TIMEOUT_MS)
        with opened as client:
            yield client

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            what, remedy = _told(error)
            raise BadInputError(what, where=self.bootstrap_servers, remedy=remedy) from error

    def administer(self, work: Callable[[KafkaAdminClient], Found]) -> Found:
        """Return what `work` does with such a client.

        It is done again from the start, with a client that knows nothing yet, while a broker has just gone or its
        partitions move: so it must be one that may be done twice.
        """
        deadline = time.monotonic() + RETRY_TIMEOUT_S
        while True:
            try:
                with self.administration() as client:
                    return work(client)
            except BadInputError as error:
                passes = _passes(error.__cause__)
                if not passes or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_PAUSE_S)


def in_words(error: Exception) -> str:
    """Return what an error says that a role meets, and what to do where to wait does not help."""
    match error:
        case UnsupportedCodecError():
            return f"{error}; {_CODEC_REMEDY}"
        case NodeNotReadyError():  # says the number of a node, if that
            return "a broker is not reached"
        case KafkaConnectionError():
            said = str(error).removeprefix(f"{type(error).__name__}: ")
            return f"a broker is not reached ({said[:_SAID_CHARACTERS_MAX]})"
    return str(error)


def _told(error: KafkaError) -> Refusal:
    if isinstance(error, UnreachedError):
        return error.refusal
    if isinstance(error, KafkaTimeoutError):
        return Refusal("no Kafka answers there", _REMEDY)
    said = str(error)[:_SAID_CHARACTERS_MAX]
    if isinstance(error, UnsupportedCodecError):
        return Refusal(f"a batch of records cannot be unpacked ({said})", _CODEC_REMEDY)
    known = for_good(error)
    if known:
        return known
    if isinstance(error, KafkaConnectionError):
        return Refusal(f"one of its brokers does not answer ({said})", _REMEDY)
    return Refusal(f"Kafka refuses: {said}", _REMEDY)


def _passes(error: BaseException | None) -> bool:
    """Return whether an error may be another one, or none, the next time."""
    return isinstance(error, RetriableError) and not isinstance(error, KafkaTimeoutError) and not for_good(error)


def abandon(producer: KafkaProducer) -> None:
    """End a producer, whatever it has not sent yet.

    Its own `close` waits for that first; where it cannot be sent, it gives up and leaves its thread behind, which goes
    on sending.
    """
    if producer._sender is not None:  # noqa: SLF001  # nothing public ends it
        producer._sender.force_close()  # noqa: SLF001
    with suppress(KafkaError):
        producer.close(timeout=ABANDONED_WITHIN_S)
