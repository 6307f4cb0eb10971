"""The roles of a distributed twin: each a process that runs until Ctrl-C or SIGTERM."""

import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from adapters.collector import settle
from adapters.heartbeat import HeardStopping, Heartbeat
from adapters.lag import Observation, relay_trouble
from adapters.operation import Operation
from adapters.operation_server import answering
from adapters.terminal import err, out, told_publishing
from adapters.twins import chosen_projections
from adapters.wiring import FleetTwin
from domain.errors import StoreError

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def run_ingest(twin: FleetTwin) -> None:
    """Take telemetry from Kafka into twins."""
    consumer = twin.telemetry_consumer()
    with running(twin, ["ingest"], lambda _: consumer.trouble) as (stopping,):
        err.print("takes telemetry; Ctrl-C stops")
        consumer.run(stopping)
    err.print("stopped")


def run_relay(twin: FleetTwin) -> None:
    """Publish the log to Kafka."""
    relay = twin.relay()
    with running(twin, ["relay"], relay_trouble) as (stopping,):
        err.print("publishes events; Ctrl-C stops")
        relay.run(stopping)
    err.print("stopped")


def run_snapshots(twin: FleetTwin) -> None:
    """Make the snapshots that the past is folded from."""
    with running(twin, ["snapshots"]) as (stopping,):
        err.print("makes snapshots; Ctrl-C stops")
        twin.snapshotting.run(stopping)
    err.print("stopped")


@contextmanager
def running(
    twin: FleetTwin, loops: Sequence[str], trouble: Callable[[Observation], str | None] = lambda _: None
) -> Iterator[list[HeardStopping]]:
    """Give each loop what tells it that the process is to end: what is underway is finished first.

    A loop that asks it has come round. Where the settings say so the process answers about itself meanwhile, and is not
    ready where `trouble` tells why in what it sees of the path. Raises BadInputError where it cannot answer.
    """
    heartbeats = [Heartbeat(name) for name in loops]
    with ExitStack() as stack:
        stopping = stack.enter_context(_until_stopped())
        port = twin.config.metrics_port
        if port is not None:
            operation = Operation(heartbeats, twin.watch, trouble)
            address = stack.enter_context(answering(twin.config.metrics_host, port, operation.answer))
            stack.enter_context(operation.observing())
            err.print(f"metrics: {address}/metrics")
        settle()
        yield [HeardStopping(stopping, each) for each in heartbeats]


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
    worker = twin.project_worker(only)
    consumer = twin.event_consumer(worker)
    trouble = lambda seen: consumer.trouble or (seen.relay and seen.relay.trouble)  # noqa: E731
    with running(twin, ["project"], trouble) as (stopping,):
        err.print(f"projects {', '.join(each.name for each in chosen_projections(only))}; Ctrl-C stops")
        others = twin.projecting_others(only, worker)
        others.start(twin.records.wait)
        try:
            consumer.run(stopping)
        finally:
            others.stop()
    err.print("stopped")


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Give what is set when the process is to end."""
    stopping = threading.Event()
    before = {each: signal.signal(each, lambda *_: stopping.set()) for each in _ENDING}
    try:
        yield stopping
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
