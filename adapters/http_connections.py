"""HTTP connections that do not wait for their client for ever: not for the head of a request, nor to be read from."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapters.cut_off import CutOff
from adapters.socket_connections import BoundedSocket

HEAD_S: Final = 10.0  # from the begin of a connection, or the first byte of its next request, to the end of a head
HEAD_BYTES_MAX: Final = 64 * 1024  # the parser in C has no limit of its own
WRITE_S: Final = 60.0  # in which a client takes some of what waits for it
KEEP_ALIVE_S: Final = 5  # between two requests
CONNECTIONS_MAX: Final = 800  # fewer than the files that a process may usually have open


class BoundedConnection(HttpToolsProtocol):
    """A connection that is cut off when its client takes too long.

    Of too many one goes whose client is waited for: first a WebSocket of which nobody knows whose it is, then whoever
    has been waited for longest. How long a body may take, its reader says.
    """

    head_s = HEAD_S
    write_s = WRITE_S
    connections_max = CONNECTIONS_MAX
    head_bytes: int | None = None  # of the head that is being read, beside those that began it; None: there is none
    body_since_s: float | None = None  # by the clock of the loop; None: no body is waited for

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.head = CutOff(transport)
        self.reading = CutOff(transport)
        self.head.begin(self.head_s)
        if len(self.connections) > self.connections_max:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if not self._answering():
            self.head.begin(self.head_s)
        if self.head_bytes is not None:
            self.head_bytes += len(data)
        super().data_received(data)
        if self._answering():
            self.head.end()
        if (self.head_bytes or 0) > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response(f"The head of a request has at most {HEAD_BYTES_MAX} bytes.")

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        super().on_message_begin()
        self.head_bytes = 0

    def on_headers_complete(self) -> None:
        """Begin to answer, and to wait for a body."""
        self.head_bytes = None
        self.body_since_s = self.loop.time()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for a body no more."""
        self.body_since_s = None
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to another protocol."""
        self.head.end()
        super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        """Take the next request, which may be there already, or end when the client has read what there is."""
        super().on_response_complete()
        if self.transport.is_closing():
            self.reading.begin(self.write_s)

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nothing comes when the client has read what there is."""
        super().timeout_keep_alive_handler()
        self.reading.begin(self.write_s)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self.reading.begin(self.write_s)

    def resume_writing(self) -> None:
        """Wait no more, unless for the rest."""
        super().resume_writing()
        self.reading.end()
        if self.transport.is_closing():
            self.reading.begin(self.write_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self.head.end()
        self.reading.end()

    @property
    def wait_since_s(self) -> float | None:
        """Since when the client has been waited for; None: it is not."""
        known = [each for each in (self.head.since_s, self.body_since_s, self.reading.since_s) if each is not None]
        return min(known, default=None)

    def _answering(self) -> bool:
        cycle: Any = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _make_room(self) -> None:
        """Cut off another connection; this one, if all others are being answered."""
        sockets: list[tuple[float, asyncio.Transport]] = []
        requests: list[tuple[float, asyncio.Transport]] = []
        for each in self.connections:
            if isinstance(each, BoundedSocket) and each.wait_since_s is not None:
                sockets.append((each.wait_since_s, each.transport))
            elif isinstance(each, BoundedConnection) and each is not self and each.wait_since_s is not None:
                requests.append((each.wait_since_s, each.transport))
        _, chosen = min(sockets or requests or [(0.0, self.transport)], key=lambda each: each[0])
        chosen.abort()
