"""Connections to brokers: what a broker refuses for good is said at once, and one that is silent is left.

kafka-python, left alone, shows the same password and the same certificate again, without a pause, until its time is
over; says only that it is over; and waits for a TLS handshake without end.
"""

import logging
import socket
import time
from functools import partial
from typing import Any, Final
from weakref import WeakSet

from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.inet import KafkaNetSocket, create_connection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

from adapters.kafka.refusals import CLOSED, Refusal, UnreachedError, at_first, for_good

_MS_PER_SECOND: Final = 1_000

_log: Final = logging.getLogger(__name__)

for _name in ("kafka.net.connection", "kafka.protocol.parser"):
    # At DEBUG these write down the bytes that are sent, passwords among them.
    logging.getLogger(_name).addFilter(lambda record: record.levelno > logging.DEBUG)


class _All(KafkaTCPTransport):  # type: ignore[misc]  # kafka-python ships no types
    """What a broker says before it closes a connection is heard: why it does, where it refuses us.

    kafka-python throws away what comes in one piece with the end, which is found again after it.
    """

    def _sock_recv(self) -> tuple[bytes, BaseException | None]:
        data, error = super()._sock_recv()
        return data, None if data else error


class _PlainTransport(_All):
    """In the clear."""


class _TlsTransport(_All, KafkaSSLTransport):  # type: ignore[misc]
    """Over TLS."""


class _Socket(KafkaNetSocket):  # type: ignore[misc]
    """A connection that does not come to be leaves no socket open, as kafka-python does until Python finds it."""

    SCHEMES: Final = ("direct",)  # of the proxy it goes by

    async def sock_connect(self, net: Any, sock: socket.socket, *where: Any, **options: Any) -> socket.socket:
        try:
            connected: socket.socket = await super().sock_connect(net, sock, *where, **options)
        except BaseException:  # the end of the client is one
            sock.close()
            raise
        return connected


class Network(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python ships no types
    """The connections of one client. With `warns`, what brokers refuse later is logged; else it is only raised."""

    def __init__(self, net: NetworkSelector, *, warns: bool, **settings: Any) -> None:
        super().__init__(net, **settings)
        self._warns = warns
        self._reached = False  # the cluster, once
        self._closed_by_broker = False  # a connection that had come to be, before that
        self._failures: dict[Any, BaseException] = {}  # of nodes whose last connection did not come to be
        self._known: WeakSet[KafkaConnection] = WeakSet()

    def bootstrap(self, timeout_ms: float | None = None, refresh: bool = True) -> None:
        """Learn of the cluster. Raises what says why that cannot be; nothing of the client is left then."""
        try:
            super().bootstrap(timeout_ms, refresh)
        except BaseException as error:
            self.close()
            self._net.close()
            refusal = self._most_likely() if isinstance(error, KafkaTimeoutError) else None
            if refusal:
                raise UnreachedError(refusal) from error
            raise
        self._reached = True

    def get_connection(self, node_id: Any, timeout_ms: float | None = None, **options: Any) -> KafkaConnection:
        """Return the connection to a node; it may have yet to come to be."""
        if not self._reached:
            self._stop_if_all_refuse()
        connection = super().get_connection(node_id, timeout_ms, **options)
        if connection not in self._known:
            self._known.add(connection)
            connection.init_future.add_callback(lambda _: self._failures.pop(node_id, None))
            connection.init_future.add_errback(partial(self._failed, node_id))
            connection.close_future.add_errback(lambda _: self._closed(connection))
        return connection

    def reset_backoff(self, node_id: Any) -> None:
        """Forget how often a node has failed; kafka-python does even after a wrong password."""
        if node_id not in self._failures:
            super().reset_backoff(node_id)

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> KafkaTCPTransport:
        """Return what carries a connection; as kafka-python's own, but it ends, and leaves no socket behind."""
        options, within_ms = self.config["socket_options"], self.socket_connection_setup_timeout_ms(node.node_id)
        by = f"{_Socket.SCHEMES[0]}://"
        sock = await create_connection(self._net, node.host, node.port, options, by, timeout_at)
        if not self.ssl_enabled:
            return _PlainTransport(self._net, sock, node.host)
        transport = _TlsTransport(self._net, sock, node.host, ssl_context=self.config["ssl_context"])
        if timeout_at is not None:
            within_ms = max(0, timeout_at - time.monotonic()) * _MS_PER_SECOND
        try:
            await self.wait_for(self.call_soon(transport.handshake), within_ms)
        except BaseException as error:  # the end of the client is one
            transport.close()
            if isinstance(error, Exception):
                raise KafkaConnectionError(f"no TLS comes to be: {error}") from error
            raise
        return transport

    def _stop_if_all_refuse(self) -> None:
        failures = [self._failures.get(broker.node_id) for broker in self.cluster.bootstrap_brokers()]
        refusals = [failure and for_good(failure) for failure in failures]
        if refusals[0] and all(refusals):
            raise UnreachedError(refusals[0]) from failures[0]

    def _failed(self, node_id: Any, failure: BaseException) -> None:
        self._failures[node_id] = failure
        refusal = for_good(failure) if self._reached else None
        if refusal:
            self.update_backoff(node_id)
            if self._warns:
                node = self.cluster.broker_metadata(node_id)
                where = f"{node.host}:{node.port}" if node else node_id
                _log.warning("%s: %s; %s", where, *refusal)

    def _closed(self, connection: KafkaConnection) -> None:
        if not self._reached and connection.init_future.succeeded():
            self._closed_by_broker = True

    def _most_likely(self) -> Refusal | None:
        """Return what it most likely was that a cluster was not reached for."""
        found = filter(None, (at_first(failure) for failure in self._failures.values()))
        return next(found, None) or (CLOSED if self._closed_by_broker else None)


def network_client(*, warns: bool = True, **settings: Any) -> KafkaNetClient:
    """Return what kafka-python's clients take as their `kafka_client`."""
    net = NetworkSelector(**settings)
    return KafkaNetClient(net=net, manager=Network(net, warns=warns, **settings))
