"""Asks a running server for what probes tell."""

import json
import re
import time
from collections.abc import Sequence
from datetime import datetime
from http.client import HTTPConnection
from typing import Any, Final

from adapters.clock import micros_of
from bench.distributed import Worker, wait_for
from domain.errors import StoreError
from domain.units import Micros

VEHICLES_MAX: Final = 100  # of one question
IDLE_S: Final = 2.0  # after which the connection is opened anew: the server closes it after 5

_AT: Final = re.compile(r"http://([\d.]+):(\d+)/graphql")
_DOCUMENT: Final = """query ($vins: [String!]) { vehicles(first: 100, filter: {vins: $vins}) { edges { node { vin
    navigation { speed { capturedAt } } media { volume { capturedAt } } diagnostics { fuelLevel { capturedAt } }
} } } }"""


class GraphqlClient:
    """A connection to what a `serve` has said of where it is."""

    def __init__(self, server: Worker) -> None:
        wait_for(lambda: _AT.search(server.said.read_text()) is not None, server)
        found = _AT.search(server.said.read_text())
        assert found is not None
        self._connection = HTTPConnection(found[1], int(found[2]))
        self._asked_at_s = time.monotonic()

    def captured(self, vins: Sequence[str]) -> dict[str, Micros]:
        """Return up to when all three read models know what each of these vehicles has captured."""
        found: dict[str, Micros] = {}
        for first in range(0, len(vins), VEHICLES_MAX):
            for edge in self._ask(vins[first : first + VEHICLES_MAX]):
                node = edge["node"]
                values = node["navigation"]["speed"], node["media"]["volume"], node["diagnostics"]["fuelLevel"]
                found[node["vin"]] = min(_micros(value["capturedAt"]) for value in values)
        return found

    def _ask(self, vins: Sequence[str]) -> list[Any]:
        if time.monotonic() - self._asked_at_s > IDLE_S:
            self._connection.close()  # the server has, or is about to; it is opened again
        self._asked_at_s = time.monotonic()
        body = json.dumps({"query": _DOCUMENT, "variables": {"vins": list(vins)}})
        self._connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        if "errors" in answer:
            raise StoreError(f"GraphQL refuses: {answer['errors'][0]['message']}")
        edges: list[Any] = answer["data"]["vehicles"]["edges"]
        return edges


def _micros(text: str | None) -> Micros:
    """Return a time of an answer; 0 for none."""
    return Micros(0) if text is None else micros_of(datetime.fromisoformat(text))
