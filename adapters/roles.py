"""The roles of a distributed twin: each a process that runs until Ctrl-C or SIGTERM."""

import signal
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from adapters.terminal import err, out, told_publishing
from adapters.wiring import FleetTwin
from domain.errors import StoreError

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def run_ingest(twin: FleetTwin) -> None:
    """Take telemetry from Kafka into twins."""
    consumer = twin.telemetry_consumer()
    with _until_stopped() as stopping:
        err.print("takes telemetry; Ctrl-C stops")
        consumer.run(stopping)
        err.print("stopped")


def run_relay(twin: FleetTwin) -> None:
    """Publish the log to Kafka."""
    relay = twin.relay()
    with _until_stopped() as stopping:
        err.print("publishes events; Ctrl-C stops")
        relay.run(stopping)
        err.print("stopped")


def republish(twin: FleetTwin, *, recreate: bool) -> None:
    """Publish the whole log into an empty topic, and end. Raises BadInputError where the topic holds records."""
    anew = twin.republish()
    anew.prepare(recreate=recreate)
    until = twin.records.last_position()
    with _until_stopped() as stopping, told_publishing(until) as tell:
        whole = not until or anew.run(twin.relay(), until, stopping, tell)
    if not whole:
        raise StoreError("stopped before all was published: `fleettwin run relay` goes on from there")
    out.print(f"{until:,} events are published")


def run_project(twin: FleetTwin, only: Collection[str]) -> None:
    """Fold the events of the topic into rows: of all projections, or of these."""
    consumers = twin.event_consumers(only)
    with _until_stopped() as stopping:
        err.print(f"projects {', '.join(consumers)}; Ctrl-C stops")
        with ThreadPoolExecutor(len(consumers), "project") as threads:
            for done in [threads.submit(consumer.run, stopping) for consumer in consumers.values()]:
                done.result()
        err.print("stopped")


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Give what is set when the process is to end: what is underway is finished first."""
    stopping = threading.Event()
    before = {each: signal.signal(each, lambda *_: stopping.set()) for each in _ENDING}
    try:
        yield stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
