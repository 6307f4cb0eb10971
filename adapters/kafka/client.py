"""How this project connects to a cluster, and what it says of one that does not answer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, RetriableError
from kafka.net.compat import KafkaNetClient

from domain.errors import BadInputError

BOOTSTRAP_TIMEOUT_MS: Final = 5_000
REQUEST_TIMEOUT_MS: Final = 30_000
CLIENT_ID: Final = "fleettwin"
ABANDONED_WITHIN_S: Final = 5.0
RETRY_TIMEOUT_S: Final = 20  # a cluster goes on naming a broker that has crashed until its session runs out: 9 s

_REMEDY: Final = "start the brokers (`make up` does on this machine), or correct FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS"
_SAID_CHARACTERS_MAX: Final = 300
_RETRY_PAUSE_S: Final = 0.2

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Connection:
    """A cluster, and how long it may take to answer at first."""

    bootstrap_servers: str  # host:port, several with commas
    bootstrap_timeout_ms: int = BOOTSTRAP_TIMEOUT_MS

    def settings(self) -> dict[str, Any]:
        """Return what every client of the cluster is given."""
        return {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "bootstrap_timeout_ms": self.bootstrap_timeout_ms,
            "client_id": CLIENT_ID,
        }

    @contextmanager
    def administration(self) -> Iterator[KafkaAdminClient]:
        """Give a client that asks for topics and makes them.

        Raises BadInputError when no broker answers, or when one refuses what is asked of it.
        """
        try:
            with self._admin_client() as client:
                yield client
        except KafkaTimeoutError as error:
            raise BadInputError("no Kafka answers there", where=self.bootstrap_servers, remedy=_REMEDY) from error
        except KafkaConnectionError as error:
            what = f"one of its brokers does not answer ({str(error)[:_SAID_CHARACTERS_MAX]})"
            raise BadInputError(what, where=self.bootstrap_servers, remedy=_REMEDY) from error
        except KafkaError as error:
            what = f"Kafka refuses: {str(error)[:_SAID_CHARACTERS_MAX]}"
            raise BadInputError(what, where=self.bootstrap_servers, remedy=_REMEDY) from error

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
                passes = isinstance(error.__cause__, RetriableError) and not isinstance(
                    error.__cause__, KafkaTimeoutError
                )
                if not passes or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_PAUSE_S)

    def _admin_client(self) -> KafkaAdminClient:
        """Return a client; one that does not come to be leaves its network thread to us."""
        nets: list[KafkaNetClient] = []

        def net(**settings: Any) -> KafkaNetClient:
            nets.append(KafkaNetClient(**settings))
            return nets[-1]

        try:
            return KafkaAdminClient(**self.settings(), request_timeout_ms=REQUEST_TIMEOUT_MS, kafka_client=net)
        except BaseException:
            for each in nets:
                each.close()
            raise


def abandon(producer: KafkaProducer) -> None:
    """End a producer, whatever it has not sent yet.

    Its own `close` waits for that first; where it cannot be sent, it gives up and leaves its thread behind, which goes
    on sending.
    """
    if producer._sender is not None:  # noqa: SLF001  # nothing public ends it
        producer._sender.force_close()  # noqa: SLF001
    with suppress(KafkaError):
        producer.close(timeout=ABANDONED_WITHIN_S)
