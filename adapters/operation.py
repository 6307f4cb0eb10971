"""What a process answers about itself: `/metrics`, `/health`, `/ready`, without a word about any vehicle."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from prometheus_client.exposition import choose_encoder

from adapters.heartbeat import Heartbeat
from adapters.lag import Observation
from adapters.metrics import REGISTRY, ObservedCollector
from adapters.watch import Watch

METRICS: Final = "/metrics"
HEALTH: Final = "/health"
READY: Final = "/ready"
OK: Final = 200
UNAVAILABLE: Final = 503
JSON: Final = "application/json; charset=utf-8"


class Answer(NamedTuple):
    """What is answered over HTTP."""

    status: int
    content_type: str
    body: bytes


class Operation:
    """The answers of a process: its loops tell by their heartbeats that they come round.

    `trouble` finds in what was seen of the path why the process gets nowhere though it has work.
    """

    def __init__(
        self,
        heartbeats: Sequence[Heartbeat],
        watch: Watch,
        trouble: Callable[[Observation], str | None] = lambda _: None,
    ) -> None:
        self._heartbeats = heartbeats
        self._watch = watch
        self._trouble = trouble

    @contextmanager
    def observing(self) -> Iterator[None]:
        """Look at the whole path, and show it among the metrics."""
        collector = ObservedCollector(self._watch.seen)
        REGISTRY.register(collector)
        try:
            with self._watch.looking():
                yield
        finally:
            REGISTRY.unregister(collector)

    def answer(self, path: str, accept: str) -> Answer | None:
        """Return the answer to a GET; None: there is nothing of this name."""
        if path == METRICS:
            encode, content_type = choose_encoder(accept)
            return Answer(OK, content_type, encode(REGISTRY))
        if path == HEALTH:
            return _told("up", "hangs", self._hanging())
        if path == READY:
            return _told("ready", "not ready", self._not_ready())
        return None

    def _hanging(self) -> str | None:
        return "; ".join(filter(None, (each.complaint() for each in self._heartbeats))) or None

    def _not_ready(self) -> str | None:
        waiting = [f"{each.name} has not begun" for each in self._heartbeats if not each.begun]
        return self._watch.problem() or "; ".join(waiting) or self._hanging() or self._standing()

    def _standing(self) -> str | None:
        seen = self._watch.seen()
        return self._trouble(seen) if seen else None


def _told(well: str, otherwise: str, reason: str | None) -> Answer:
    body: dict[str, Any] = {"status": otherwise if reason else well}
    if reason:
        body["reason"] = reason
    return Answer(UNAVAILABLE if reason else OK, JSON, json.dumps(body, ensure_ascii=False).encode())
