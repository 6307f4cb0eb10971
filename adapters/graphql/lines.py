"""Connections that stay open, WebSockets and event streams: how many there may be, and whose.

Nobody can shut others out with sockets that say nothing: they make room for those that come. And however many stay
open, there are connections left for whoever asks something: see `adapters.http_connections.CONNECTIONS_MAX`.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from adapters.access import Access

LINES_MAX: Final = 400  # of a server process
LINES_OF_CLIENT_MAX: Final = 50
NEW_OF_ADDRESS_MAX: Final = 50  # sockets of one address of which nobody knows whose they are


class Line:
    """One socket. `leave` ends it, while it makes room."""

    def __init__(self, address: str | None, leave: Callable[[], None]) -> None:
        self.address = address
        self.leave = leave
        self.client: Hashable = None  # None: that is not known yet


class Lines:
    """The connections of a server process that stay open."""

    def __init__(self) -> None:
        self._new: dict[Line, None] = {}  # of which nobody knows whose they are, the oldest first
        self._of_client: Counter[Hashable] = Counter()

    @contextmanager
    def socket(self, address: str | None, leave: Callable[[], None]) -> Iterator[Line | None]:
        """Give a new socket its place, for which another one may have to leave; None: there is none."""
        same = [each for each in self._new if each.address == address]
        if len(same) >= NEW_OF_ADDRESS_MAX:
            self._send_away(same[0])
        if not self._has_room():
            yield None
            return
        line = Line(address, leave)
        self._new[line] = None
        try:
            yield line
        finally:
            self._new.pop(line, None)
            self._forget(line.client)

    def is_of(self, line: Line, client: Hashable) -> bool:
        """Note whose a socket is; False: the client has too many, or the socket had to leave."""
        if line not in self._new or self._of_client[client] >= LINES_OF_CLIENT_MAX:
            return False
        del self._new[line]
        line.client = client
        self._of_client[client] += 1
        return True

    @contextmanager
    def stream(self, client: Hashable) -> Iterator[bool]:
        """Give an event stream of a client its place; False: there is none."""
        if self._of_client[client] >= LINES_OF_CLIENT_MAX or not self._has_room():
            yield False
            return
        self._of_client[client] += 1
        try:
            yield True
        finally:
            self._forget(client)

    def _has_room(self) -> bool:
        """Return whether there is a place; who has not said who they are leaves theirs."""
        if len(self._new) + self._of_client.total() < LINES_MAX:
            return True
        oldest = next(iter(self._new), None)
        if oldest is not None:
            self._send_away(oldest)
        return oldest is not None

    def _send_away(self, line: Line) -> None:
        del self._new[line]
        line.leave()

    def _forget(self, client: Hashable) -> None:
        if client is not None:
            self._of_client -= Counter([client])


def client_of(access: Access, address: str | None) -> Hashable:
    """Return whom connections are counted for: the client of a brand, or where nobody needs a token the address."""
    return access.client, access.brands, None if access.metered else address
