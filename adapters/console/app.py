"""The console's files before the API: whatever is not theirs is passed on.

They tell nothing of any vehicle, so they need no token. What the page shows it asks for at `/graphql`, with the token
of whoever looks.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeVar, cast

from adapters.console.files import Answer, Files

_BODILESS: Final = "HEAD"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]
App = TypeVar("App", bound=AsgiApp)


def with_console(app: App) -> App:
    """Return a server that answers `/` and `/console/…` with the console, and is everything else that `app` is."""
    return cast("App", _WithConsole(app))


class _WithConsole:
    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        self._files = Files.load()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        answer = None
        if scope["type"] == "http" and scope["method"] in ("GET", _BODILESS):
            headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
            answer = self._files.answer(
                scope["path"], headers.get(b"accept-encoding", ""), headers.get(b"if-none-match", "")
            )
        if answer is None:
            await self._app(scope, receive, send)
        else:
            await _send(answer, send, with_body=scope["method"] != _BODILESS)


async def _send(answer: Answer, send: Send, *, with_body: bool) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})
