"""Answers as text/event-stream: the protocol graphql-sse with distinct connections, one operation each.

Of a subscription every event has an id, its cursor: whoever reconnects with the header Last-Event-ID goes on after it,
as an EventSource of a browser does by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, NamedTuple
from uuid import UUID

from adapters.access import Access
from adapters.graphql.execution import Answer, unavailable
from adapters.graphql.http import COMPLETE, EVENT_STREAM, Call, Response, Send, next_event
from adapters.graphql.lines import Lines
from adapters.graphql.streams import Delivery, Patience, Stream, StreamEndedError, Streams, Taken, taken

ALIVE_EVERY_S: Final = 15.0  # a comment, so that no proxy takes the connection for dead
COMMENT: Final = b":\n\n"
HEADERS: Final = (("vary", "accept"), ("x-accel-buffering", "no"))


class Subscribing(NamedTuple):
    """Who subscribes to what; `client` is whom connections are counted for."""

    document: str
    call: Call
    access: Access
    client: Hashable
    request_id: UUID


def subscription(streams: Streams, lines: Lines, asked: Subscribing) -> Response:
    """Return the response that delivers what a subscription does."""

    async def conversation(gone: asyncio.Future[Any], send: Send) -> None:
        async with _opened(streams, lines, asked) as found:
            if await taken(_begin(send, asked.request_id), gone, streams.patience) is Taken.NEVER:
                return
            if isinstance(found, Answer):
                await taken(_end(send, next_event(found.body) + COMPLETE), gone, streams.patience)
            else:
                await _deliver(found, send, gone, streams.patience)

    return Response(200, EVENT_STREAM, b"", HEADERS, conversation=conversation)


@asynccontextmanager
async def _opened(streams: Streams, lines: Lines, asked: Subscribing) -> AsyncIterator[Stream | Answer]:
    with lines.stream(asked.client) as has_place:
        if not has_place:
            yield unavailable("too many sockets and event streams at once")
            return
        async with streams.opened(asked.document, asked.call, asked.access, asked.request_id) as found:
            yield found


async def _deliver(stream: Stream, send: Send, gone: asyncio.Future[Any], patience: Patience) -> None:
    async with aclosing(stream.deliveries()) as deliveries:
        coming: asyncio.Future[Delivery] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(deliveries))
                await asyncio.wait({coming, gone}, timeout=ALIVE_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                delivery = coming.result() if coming.done() else None
                part = next_event(delivery.body, delivery.cursor) if delivery else COMMENT
                how = await taken(_send(send, part), gone, patience)
                if how is Taken.NEVER:
                    return
                if delivery is not None:
                    stream.take(delivery)
                    coming = None
                if how is Taken.LATE:
                    raise stream.stalled(patience)
        except StreamEndedError as ended:
            await taken(_end(send, next_event({"errors": [ended.error]}) + COMPLETE), gone, patience)
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)


async def _begin(send: Send, request_id: UUID) -> None:
    kind = ("content-type", f"{EVENT_STREAM}; charset=utf-8")
    headers = (kind, ("cache-control", "no-store"), ("x-request-id", str(request_id)), *HEADERS)
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": 200, "headers": encoded})
    await send({"type": "http.response.body", "body": COMMENT, "more_body": True})


async def _send(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})


async def _end(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part})
