"""The small HTTP server of a role: for those who scrape metrics and those who ask whether it lives."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import urlsplit

from adapters.operation import Answer
from domain.errors import BadInputError

REQUESTS_MAX: Final = 8  # answered at a time; the connections of more are closed
REQUEST_TIMEOUT_S: Final = 5.0  # for each read of a request and each write of an answer
NOT_FOUND: Final = 404

Answers = Callable[[str, str], Answer | None]  # path and Accept header


@contextmanager
def answering(host: str, port: int, answers: Answers) -> Iterator[str]:
    """Answer in the background; give the address. Raises BadInputError where the port cannot be had."""
    try:
        server = _Server((host, port), partial(_Handler, answers))
    except OSError as error:
        what = f"port {port} cannot be bound ({error.strerror or error})"
        remedy = "set FLEETTWIN_METRICS_PORT to another one, to 0 for any free one, or not at all"
        raise BadInputError(what, where=host, remedy=remedy) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, name="operation", daemon=True)
        thread.start()
        shown = f"[{host}]" if ":" in host else host  # RFC 3986, section 3.2.2
        try:
            yield f"http://{shown}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that is silent does not keep the process from ending

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._free = threading.BoundedSemaphore(REQUESTS_MAX)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without a look at the name service, which the library's own server asks."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there is one."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer in this thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do nothing: the client has gone."""


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT_S

    def __init__(self, answers: Answers, *arguments: Any) -> None:
        self._answers = answers
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Answer."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._answer(with_body=False)

    def version_string(self) -> str:
        """Return the name of this server."""
        return "fleettwin"

    def log_message(self, *_: Any) -> None:
        """Do nothing: whoever asks does so every few seconds."""

    def _answer(self, *, with_body: bool) -> None:
        found = self._answers(urlsplit(self.path).path, self.headers.get("accept", ""))
        answer = found or Answer(NOT_FOUND, "text/plain; charset=utf-8", b"look at /metrics, /health, /ready\n")
        self.send_response(answer.status)
        self.send_header("content-type", answer.content_type)
        self.send_header("content-length", str(len(answer.body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)
