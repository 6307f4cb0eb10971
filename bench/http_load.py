"""A load over HTTP: some clients, each with a connection that it keeps, each asking again as soon as it is answered.

One thread and no library of HTTP, so that it takes little of the core that it shares with the database.
"""

import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from domain.errors import StoreError

TIMEOUT_S: Final = 10.0
_READ_BYTES: Final = 1 << 18
_HEADERS_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


class Load(NamedTuple):
    """How a server did under a load."""

    requests: int
    seconds: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


@dataclass(slots=True)
class _Client:
    socket: socket.socket
    sent_at_s: float = 0.0
    got: bytearray = field(default_factory=bytearray)
    wanted: int = -1  # bytes of the answer, -1: not told yet


def load(port: int, requests: Sequence[bytes], clients: int, seconds: float, check: Callable[[bytes], bool]) -> Load:
    """Send requests by turns for some seconds; each answer must pass the check. Raises StoreError for one that fails.

    What is asked within the time counts, until it is answered.
    """
    took_s: list[float] = []
    turn = 0
    with selectors.DefaultSelector() as selector:

        def ask(client: _Client) -> None:
            nonlocal turn
            client.sent_at_s, client.wanted = time.perf_counter(), -1
            client.got.clear()
            client.socket.sendall(requests[turn % len(requests)])
            turn += 1

        began_s = time.perf_counter()
        opened = [_Client(socket.create_connection(("127.0.0.1", port), TIMEOUT_S)) for _ in range(clients)]
        try:
            for client in opened:
                client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(client.socket, selectors.EVENT_READ, client)
                ask(client)
            waiting = clients
            while waiting:
                ready = selector.select(TIMEOUT_S)
                if not ready:
                    raise StoreError(f"there is no answer for {TIMEOUT_S:g} s")
                for key, _ in ready:
                    client = key.data
                    answer = _received(client)
                    if answer is None:
                        continue
                    at_s = time.perf_counter()
                    took_s.append(at_s - client.sent_at_s)
                    if not check(answer):
                        raise StoreError(f"an answer is not as it should be: {answer[:300]!r}")
                    if at_s - began_s < seconds:
                        ask(client)
                    else:
                        waiting -= 1
            ended_s = time.perf_counter()
        finally:
            for client in opened:
                client.socket.close()
    took_s.sort()
    return Load(len(took_s), ended_s - began_s, took_s[int(len(took_s) * 0.99)] * 1_000)


def _received(client: _Client) -> bytes | None:
    """Return the answer that a client has got; None: not all of it. Raises StoreError where the server has gone."""
    part = client.socket.recv(_READ_BYTES)
    if not part:
        raise StoreError("the server has closed a connection")
    client.got += part
    if client.wanted < 0:
        end = client.got.find(_HEADERS_END)
        if end < 0:
            return None
        head = bytes(client.got[:end]).lower()
        begin = head.index(_LENGTH) + len(_LENGTH)
        client.wanted = end + len(_HEADERS_END) + int(head[begin:].partition(b"\r\n")[0])
    return bytes(client.got) if len(client.got) >= client.wanted else None
