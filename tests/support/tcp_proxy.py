"""A TCP proxy between a client and a server, with the faults of a network: cut, no bytes, no answer.

One thread passes the bytes of all links on. It reads no more of a side than the other takes: a link holds
`BUFFER_BYTES` of each direction of a connection at most, and who sends faster waits as without a proxy.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar

HOST: Final = "127.0.0.1"
BUFFER_BYTES: Final = 65_536
CONNECTIONS_MAX: Final = 256  # of a link; one more is cut at once

_CALL_TIMEOUT_S: Final = 10  # the thread of the proxy is never busy for long
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close() throws away what was not sent, and sends RST

Target = tuple[str, int] | str  # host and port, or the path of a Unix socket
Found = TypeVar("Found")


class NoAnswerError(ConnectionError):
    """An answer was thrown away, and its connection with it."""


class Link:
    """A port to which clients connect, and what they reach there. Methods may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: Target, port: int) -> None:
        self.target = target
        self._loop = loop
        self._listener = socket.create_server((HOST, port), backlog=CONNECTIONS_MAX)
        self._listener.setblocking(False)
        self.port: Final[int] = self._listener.getsockname()[1]
        self._connections: set[_Connection] = set()
        self._holds = 0
        self._answers_left = 0  # until the trap springs; 0: none is set
        self._sprung = threading.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._accepting = self._call(lambda: loop.create_task(self._accept()))

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def cut(self) -> int:
        """Reset every connection (RST to both sides); return how many there were."""
        return self._call(self._cut)

    def stall(self) -> None:
        """Pass no byte in either direction, until `flow`; connections stay, new ones are accepted and wait.

        Stalled twice, it flows again when `flow` was called twice.
        """
        self._call(lambda: self._hold(1))

    def flow(self) -> None:
        """Pass bytes again, those first that were waiting."""
        self._call(lambda: self._hold(-1))

    def swallow(self) -> int:
        """Let what clients ask reach the server, and cut each connection instead of passing its next answer on.

        Returns how many connections that will happen to; those made later are as usual.
        """

        def mark() -> int:
            for each in self._connections:
                each.unanswered = True
            return len(self._connections)

        return self._call(mark)

    def trap(self, answers: int) -> threading.Event:
        """Hold the so many-th answer from now on back, stalling everything; the event is set at that moment.

        `disarm` ends it.
        """
        assert answers > 0
        self._sprung = threading.Event()

        def arm() -> None:
            self._answers_left = answers

        self._call(arm)
        return self._sprung

    def disarm(self) -> None:
        """Take the trap away; where it has sprung, bytes pass again."""

        def take() -> None:
            self._answers_left = 0
            if self._sprung.is_set():
                self._hold(-1)

        self._call(take)

    def _answered(self) -> None:
        if self._answers_left:
            self._answers_left -= 1
            if not self._answers_left:
                self._hold(1)
                self._sprung.set()

    async def _accept(self) -> None:
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            client.setblocking(False)
            connection = _Connection(client, self.target, self._flowing, self._answered)
            if len(self._connections) >= CONNECTIONS_MAX:
                _close(client, reset=True)
                continue
            self._connections.add(connection)
            connection.task = self._loop.create_task(connection.run())
            connection.task.add_done_callback(partial(self._forget, connection))

    def _forget(self, ended: "_Connection", _: object) -> None:
        ended.close()
        self._connections.discard(ended)

    def _cut(self) -> int:
        present = list(self._connections)
        for each in present:
            each.cut()
        return len(present)

    def _hold(self, step: int) -> None:
        self._holds += step
        assert self._holds >= 0, "flow() without stall()"
        if self._holds:
            self._flowing.clear()
        else:
            self._flowing.set()

    async def end(self) -> None:
        """Take no more connections, and cut those that there are."""
        self._accepting.cancel()
        tasks = [each.task for each in self._connections if each.task]
        self._cut()
        await asyncio.gather(self._accepting, *tasks, return_exceptions=True)
        self._listener.close()

    def _call(self, work: Callable[[], Found]) -> Found:
        """Do something in the proxy's thread, and wait for it."""
        done: Future[Found] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001  # raised where it is waited for
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(_CALL_TIMEOUT_S)


class _Connection:
    """A client, and the server that it reaches."""

    def __init__(
        self, client: socket.socket, target: Target, flowing: asyncio.Event, answered: Callable[[], None]
    ) -> None:
        self._client = client
        self._server = socket.socket(socket.AF_UNIX if isinstance(target, str) else socket.AF_INET)
        self._server.setblocking(False)
        self._target = target
        self._flowing = flowing
        self._answered = answered
        self._ended_well = False
        self.unanswered = False
        self.task: asyncio.Task[None] | None = None

    def cut(self) -> None:
        assert self.task
        self.task.cancel()

    def close(self) -> None:
        """Close both sides; called when `run` has ended, also where it was cut before it began."""
        for each in (self._client, self._server):
            _close(each, reset=not self._ended_well)

    async def run(self) -> None:
        pumps: list[asyncio.Task[None]] = []
        try:
            await self._flowing.wait()
            await asyncio.get_running_loop().sock_connect(self._server, self._target)
            pumps = [
                asyncio.create_task(self._pump(self._client, self._server)),
                asyncio.create_task(self._pump(self._server, self._client)),
            ]
            await asyncio.gather(*pumps)
            self._ended_well = True
        except OSError:
            pass  # of either side, or the server is not there: the other side hears of it
        finally:
            for each in pumps:
                each.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)  # none looks at a socket that is closed

    async def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(source, BUFFER_BYTES)
            if data and sink is self._client:
                self._answered()
            await self._flowing.wait()
            if not data:
                sink.shutdown(socket.SHUT_WR)  # the other direction may go on
                return
            if self.unanswered and sink is self._client:
                raise NoAnswerError
            await loop.sock_sendall(sink, data)


class TcpProxy:
    """The thread that all links share: a context, at whose end every connection is cut."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._links: list[Link] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self._links:
            asyncio.run_coroutine_threadsafe(link.end(), self._loop).result(_CALL_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_TIMEOUT_S)
        self._loop.close()

    def link(self, target: Target, port: int = 0) -> Link:
        """Return a new link to a server; without a port it has any that is free."""
        self._links.append(Link(self._loop, target, port))
        return self._links[-1]


def _close(which: socket.socket, *, reset: bool) -> None:
    if reset:
        which.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    which.close()
