"""The server on a real port, in a thread of the test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from adapters.access import Access, TokenRefusedError
from adapters.graphql.app import AsgiApp
from adapters.http_connections import BoundedConnection
from adapters.socket_connections import BoundedSocket

WITHIN_S: Final = 60.0
CONNECTIONS: Final = {"http": BoundedConnection, "ws": BoundedSocket}


class Porter:
    """Lets in who bears the name of an access."""

    required = True

    def __init__(self, known: dict[str, Access]) -> None:
        self.known = known

    def remembered(self, token: str) -> Access | None:
        return self.known.get(token)

    def verify(self, _: str) -> Access:
        raise TokenRefusedError("there is no such token")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def served(app: AsgiApp, send_buffer_bytes: int | None = None, **settings: Any) -> Iterator[int]:
    """Serve on a free port; in the end what is answered is finished."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if send_buffer_bytes is not None:  # which every connection gets from it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        server = _Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, **{**CONNECTIONS, **settings})
        )
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            assert server.listens.wait(WITHIN_S)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(WITHIN_S)
            assert not thread.is_alive()
