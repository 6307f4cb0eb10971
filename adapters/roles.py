"""The roles of a distributed twin: each a process that runs until Ctrl-C or SIGTERM."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from adapters.heartbeat import HeardStopping, Heartbeat
from adapters.operation import Operation
from adapters.operation_server import answering
from adapters.terminal import err
from adapters.watch import Watch
from adapters.wiring import FleetTwin

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def run_ingest(twin: FleetTwin) -> None:
    """Take telemetry from Kafka into twins."""
    consumer = twin.telemetry_consumer()
    with running(twin, ["ingest"]) as (stopping,):
        err.print("takes telemetry; Ctrl-C stops")
        consumer.run(stopping)
    err.print("stopped")


def run_relay(twin: FleetTwin) -> None:
    """Publish the log to Kafka."""
    relay = twin.relay()
    with running(twin, ["relay"]) as (stopping,):
        err.print("publishes events; Ctrl-C stops")
        relay.run(stopping)
    err.print("stopped")


@contextmanager
def running(twin: FleetTwin, loops: Sequence[str]) -> Iterator[list[HeardStopping]]:
    """Give each loop what tells it that the process is to end: what is underway is finished first.

    A loop that asks it has come round. Where the settings say so the process answers about itself meanwhile. Raises
    BadInputError where it cannot.
    """
    heartbeats = [Heartbeat(name) for name in loops]
    with ExitStack() as stack:
        stopping = stack.enter_context(_until_stopped())
        port = twin.config.metrics_port
        if port is not None:
            operation = Operation(heartbeats, Watch(twin.observe))
            address = stack.enter_context(answering(twin.config.metrics_host, port, operation.answer))
            stack.enter_context(operation.observing())
            err.print(f"metrics: {address}/metrics")
        yield [HeardStopping(stopping, each) for each in heartbeats]


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
