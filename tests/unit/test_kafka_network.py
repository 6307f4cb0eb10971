"""Connections to brokers that do not come to be."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from kafka.net.inet import KafkaNetSocket

from adapters.kafka.client import Connection
from domain.errors import BadInputError

SHORT_MS = 300


@contextmanager
def refusing() -> Iterator[int]:
    """Give a port that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


@contextmanager
def silent() -> Iterator[int]:
    """Give a port where connections come to be, and nobody says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@contextmanager
def full() -> Iterator[int]:
    """Give a port where nobody takes a connection, and no more can wait: one more never comes to be."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("broker", [refusing, silent, full])
def test_no_connection_leaves_its_socket_behind(broker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else Python closes it sometime, with a warning in whatever runs then."""
    made: list[socket.socket] = []
    make = KafkaNetSocket.socket

    def noted(*how: Any) -> socket.socket:
        made.append(make(*how))
        return made[-1]

    monkeypatch.setattr(KafkaNetSocket, "socket", noted)
    with broker() as port:
        connection = Connection(f"127.0.0.1:{port}", SHORT_MS)
        with pytest.raises(BadInputError, match="no Kafka answers there"), connection.administration():
            pass
    assert made
    assert [each for each in made if each.fileno() != -1] == []
