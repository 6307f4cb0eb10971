"""What our server and our application say to each other of a WebSocket besides what ASGI has."""

from typing import Final

KNOWN: Final = "fleettwin.known"  # to the server, which offers it among the extensions: who the client is
UNANSWERED: Final = "fleettwin.unanswered"  # to the application: the client has answered no ping for too long
