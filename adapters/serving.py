"""The server as a process: the API and the projections side by side, until Ctrl-C."""

import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

import uvicorn

from adapters.collector import settle
from adapters.config import Config, is_loopback
from adapters.graphql.app import AsgiApp
from adapters.graphql.http import BODY_BYTES_MAX
from adapters.heartbeat import Heartbeat
from adapters.http_connections import KEEP_ALIVE_S, BoundedConnection
from adapters.operation import Operation
from adapters.socket_connections import PING_EVERY_S, PONG_S, BoundedSocket
from adapters.terminal import err, out
from adapters.twins import PROJECTIONS
from adapters.wiring import FleetTwin
from domain.errors import BadInputError

FINISHED_WITHIN_S: Final = 15  # what is being answered when the end comes; longer than a request may take
CONNECTIONS: Final[Mapping[str, Any]] = {  # how they are bounded, in the words of uvicorn
    "http": BoundedConnection,
    "ws": BoundedSocket,
    "ws_ping_interval": PING_EVERY_S,
    "ws_ping_timeout": PONG_S,
    "ws_max_size": BODY_BYTES_MAX,
    "timeout_keep_alive": KEEP_ALIVE_S,
}


def serve_twins(twin: FleetTwin, listener: socket.socket, queries: Sequence[str] = (), *, project: bool = True) -> None:
    """Serve until Ctrl-C at an address that is `bound`; once it listens print where, and these queries to try.

    Without `project`, others keep the twins up to date.
    """
    host, port = twin.config.host, twin.config.port
    heartbeats = {each.name: Heartbeat(each.name) for each in PROJECTIONS if project}
    operation = Operation(list(heartbeats.values()), twin.watch)
    app = twin.app(operation.answer)
    settings = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=FINISHED_WITHIN_S,
        **CONNECTIONS,
    )
    with operation.observing():
        if project:
            twin.projecting.start(twin.records.wait, heartbeats)
            twin.snapshotting.start()
        settle()
        try:
            _Server(settings, app, queries, _doors(twin.config)).run([listener])
        except KeyboardInterrupt:
            err.print("stopped")
        finally:
            twin.snapshotting.stop()
            twin.projecting.stop()


def bound(config: Config) -> socket.socket:
    """Return a socket at the address of the settings: the server library would end the process where it is taken.

    Raises BadInputError where it is, or where others than this machine would reach it.
    """
    host, port = config.host, config.port
    if not is_loopback(host) and config.tokens.keys is None:
        remedy = "set FLEETTWIN_HOST to 127.0.0.1, or FLEETTWIN_TOKEN_KEYS to the keys that tokens are verified with"
        raise BadInputError(f"{host} is no loopback address, and anyone could come in", where="host", remedy=remedy)
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        what = f"port {port} cannot be bound ({error.strerror or error})"
        remedy = "set FLEETTWIN_PORT to another one, or to 0 for any free one"
        raise BadInputError(what, where=host, remedy=remedy) from error


class _Server(uvicorn.Server):
    """A server that says where it is once it listens, and ends what has no end of itself before it goes down."""

    def __init__(self, config: uvicorn.Config, app: AsgiApp, queries: Sequence[str], doors: str) -> None:
        super().__init__(config)
        self._app = app
        self._queries = queries
        self._doors = doors

    async def startup(self, sockets: Any = None) -> None:
        """Bind, then tell."""
        await super().startup(sockets)
        if not self.started:
            return
        port = self.servers[0].sockets[0].getsockname()[1]
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host  # RFC 3986, section 3.2.2
        out.print(f"GraphQL: http://{host}:{port}/graphql")
        out.print(f"{self._doors} Ctrl-C stops.")
        out.print(f"Console: http://{host}:{port}/")
        for text in self._queries:
            out.print(f"\n{text}")

    async def shutdown(self, sockets: Any = None) -> None:
        """Go down."""
        await self._app.drain()
        await super().shutdown(sockets)


def _doors(config: Config) -> str:
    """Return who is let in, in a sentence."""
    if not config.tokens.required:
        return "Bound to loopback only, for development: nobody needs a token (FLEETTWIN_TOKEN_KEYS)."
    if config.tokens.keys is None:
        return "A token is needed: `fleettwin token` issues one for development."
    return f"A token of {config.tokens.issuer} is needed. It is a secret: let TLS end before this port."
