"""A whole fleet of thousands as lines: for a slow reader the server holds two pages, and every vehicle comes once."""

import asyncio
import json
from typing import Any, Final

from adapters.graphql.app import build_app
from adapters.graphql.http import NDJSON
from tests.support.asgi import HOST, WITHIN_S, Connection
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, Car, memory_world

COUNT: Final = 3_000
PAGE: Final = 100
PAGES_AHEAD_MAX: Final = 2  # one that lies there to be taken, and one that waits until it is
FLEET: Final = f"""query ($after: String) {{
  vehicles(first: {PAGE}, after: $after) {{ edges {{ cursor node {{ vin }} }} pageInfo {{ hasNextPage endCursor }} }}
}}"""
HEADERS: Final = {"host": HOST, "accept": NDJSON, "content-type": "application/json"}


class Counted:
    """Twins, and how often they were read: once for a page."""

    def __init__(self, twins: Any) -> None:
        self._twins = twins
        self.read = 0

    def reading(self, brands: Any = None) -> Any:
        self.read += 1
        return self._twins.reading(brands)


def test_for_a_slow_reader_of_thousands_two_pages_are_held_and_every_vehicle_comes_once() -> None:
    cars = [Car(number) for number in range(1, COUNT + 1)]
    twins = Counted(memory_world(*cars).twins)
    app = build_app(twins, CATALOGUE, CODEC.decode, REGISTRY)
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": headers}

    async def read() -> tuple[bytes, list[int]]:
        """Take each message only once the server can go no further; return all, and the pages that were ahead."""
        slow = Connection(unread_max=1)
        slow.tell({"type": "http.request", "body": json.dumps({"query": FLEET}).encode()})
        running = asyncio.ensure_future(app(scope, slow.receive, slow.send))
        running.add_done_callback(lambda _: slow.blocked.set())
        text, ahead, more = b"", [], True
        while more:
            await asyncio.wait_for(slow.blocked.wait(), WITHIN_S)
            slow.blocked.clear()
            ahead.append(twins.read - text.count(b"\n") // PAGE)
            message = await slow.read()
            text += message.get("body", b"")
            more = message["type"] == "http.response.start" or message.get("more_body", False)
            if running.done():
                slow.blocked.set()
        await asyncio.wait_for(running, WITHIN_S)
        return text, ahead

    text, ahead = asyncio.run(read())
    *edges, end = [json.loads(each) for each in text.splitlines()]
    assert end["end"] == {"vehicles": COUNT}
    vins = [edge["node"]["vin"] for edge in edges]
    assert (len(vins), set(vins)) == (COUNT, {car.vin for car in cars})
    assert twins.read == COUNT // PAGE
    assert max(ahead) == PAGES_AHEAD_MAX, ahead
