"""WebSockets below the protocol that is spoken on them: they wait for no client for ever either."""

import asyncio
from typing import Any, Final, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from adapters.asgi_words import KNOWN, UNANSWERED
from adapters.cut_off import CutOff

PING_EVERY_S: Final = 20.0
PONG_S: Final = 60.0  # no shorter than a subscription's reader may take nothing: that one is told where to go on
LEAVE_S: Final = 60.0  # in which a client takes what was sent to it before the end, and the end


class BoundedSocket(WebSocketsSansIOProtocol):
    """A WebSocket that tells for whom it makes room: its client has not said who it is, or is to leave."""

    leave_s = LEAVE_S
    wait_since_s: float | None = None  # None: nothing is waited for

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for who it is."""
        super().connection_made(transport)
        self.leaving = CutOff(cast("asyncio.Transport", transport))
        self.wait_since_s = self.loop.time()

    def handle_connect(self, event: Request) -> None:
        """Begin to talk, to an application that may say that it knows the client."""
        super().handle_connect(event)
        if self.response.status_code == 101:  # noqa: PLR2004  # RFC 9110, section 15.2.2; else there is nobody to talk to
            self.scope["extensions"] = {**(self.scope["extensions"] or {}), KNOWN: {}}

    def keepalive_timeout(self) -> None:
        """Leave it to the application to end a connection on which no ping is answered: it knows what to tell."""
        self.pong_timer = self.pending_ping_payload = None
        unanswered: Any = {"type": UNANSWERED}
        self.queue.put_nowait(unanswered)

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message to the client, or take one for us."""
        if str(message["type"]) == KNOWN:
            self.wait_since_s = None
        else:
            await super().send(message)

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """Wait until the client has taken what there is: nothing more comes."""
        super().on_task_complete(task)
        if self in self.connections:
            self.wait_since_s = self.loop.time()
            self.leaving.begin(self.leave_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self.leaving.end()
