"""HTTP connections that do not wait for their client for ever: not for the head of a request, nor to be read from."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S: Final = 10.0  # from the begin of a connection, or the first byte of its next request, to the end of a head
WRITE_S: Final = 60.0  # in which a client takes some of what waits for it
KEEP_ALIVE_S: Final = 5  # between two requests
CONNECTIONS_MAX: Final = 800  # fewer than the files that a process may usually have open


class BoundedConnection(H11Protocol):
    """A connection that is cut off when its client takes too long.

    Of too many the one goes whose client has been waited for longest. How long a body may take, its reader says.
    """

    head_s = HEAD_S
    write_s = WRITE_S
    connections_max = CONNECTIONS_MAX

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
        super().data_received(data)
        if self._answering():
            self.head.end()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Leave the connection to another protocol."""
        self.head.end()
        super().handle_websocket_upgrade(event)

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

    def _answering(self) -> bool:
        cycle: Any = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _make_room(self) -> None:
        heads = [each.head for each in self.connections if isinstance(each, BoundedConnection)]
        min((each for each in heads if each.at_s is not None), key=lambda each: each.at_s or 0.0).now()  # one is ours


class CutOff:
    """Ends a connection unless something happens in time."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.now = transport.abort
        self._timer: asyncio.TimerHandle | None = None

    @property
    def at_s(self) -> float | None:
        """When it ends, by the clock of the loop; None: not at all."""
        return None if self._timer is None else self._timer.when()

    def begin(self, seconds: float) -> None:
        """Wait for so long, unless it is waited already."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.now)

    def end(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
