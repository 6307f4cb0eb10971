"""How this project connects to a cluster, and what it says of one that does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.net.compat import KafkaNetClient

from domain.errors import BadInputError

BOOTSTRAP_TIMEOUT_MS: Final = 5_000
REQUEST_TIMEOUT_MS: Final = 30_000
CLIENT_ID: Final = "fleettwin"

_REMEDY: Final = "start the brokers (`make up` does on this machine), or correct FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS"
_SAID_CHARACTERS_MAX: Final = 300


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
        except KafkaError as error:
            what = f"Kafka refuses: {str(error)[:_SAID_CHARACTERS_MAX]}"
            raise BadInputError(what, where=self.bootstrap_servers, remedy=_REMEDY) from error

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
