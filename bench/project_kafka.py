"""Events from Kafka into PostgreSQL read models: ours against Quix Streams, on the same topic and the same server."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from typing import Final

from adapters.kafka.topics import VEHICLE_EVENTS
from adapters.postgres.read_models import PostgresReadModels
from adapters.twins import PROJECTIONS
from bench.distributed import Asking, Speed, Worker, append, measured, rig, wait_for
from bench.project import fleet_events
from bench.report import Result
from domain.errors import StoreError
from projections.digest import digest
from projections.projection import Projection

VEHICLES: Final = 80
BAR: Final = 20_000  # events/s
PEER_BAR: Final = 1.0  # times the peer


def run() -> Sequence[Result]:
    """Fold the events of 80 vehicles, one projection at a time: with `run project`, and with an application of Quix.

    Both are a process of their own, read committed records only, and use the same bytes, folds, and writing of rows.
    What both keep in PostgreSQL of how far they have read shows the rate, from the first checkpoint to the last.
    """
    from bench.peers import quix_projector  # noqa: PLC0415  # what the other benchmarks do without

    events = fleet_events(VEHICLES)
    count = len(events)
    results: list[Result] = []
    with rig() as opened, closing(PostgresReadModels(opened.conninfo).open()) as read_models, opened.asking() as asking:
        append(opened.conninfo, events)
        del events
        with opened.started("run", "relay") as relay:
            wait_for(lambda: asking.published() >= count, relay)
        until = asking.end()
        for projection in PROJECTIONS:
            with opened.started("run", "project", "--only", projection.name) as worker:
                ours = _measured(asking, projection, until, count, worker)
            beside = replace(projection, version=projection.version + 1)
            read_models.prepare(beside)
            group = f"quix-{projection.name}"
            servers = opened.cluster.bootstrap_servers
            told = (beside.name, beside.version, opened.conninfo, servers, VEHICLE_EVENTS, group)
            with opened.beside(group, quix_projector.project, *told) as worker:
                peer = _measured(asking, beside, until, count, worker)
            if digest(read_models, projection) != digest(read_models, beside):
                raise StoreError(f"{projection.name}: the rows of the two sides are not the same")
            what = f"project {count:,} events of {VEHICLES} vehicles from Kafka: {projection.name}"
            results += _results(what, ours, peer)
    return results


def _measured(asking: Asking, projection: Projection, until: int, count: int, worker: Worker) -> Speed:
    """Return the speed in events; what shows are offsets, some of which are marks of transactions."""
    speed = measured(lambda: asking.folded(projection), until, worker)
    return speed._replace(done=speed.done * count / until)


def _results(what: str, ours: Speed, peer: Speed) -> list[Result]:
    return [
        Result(
            name=f"{what}, by the clock",
            unit="events/s",
            peer_name=f"Quix Streams {version('quixstreams')}",
            peer=peer.rate,
            ours=ours.rate,
            bar=PEER_BAR,
        ),
        Result(name=f"{what}, a second of a processor", unit="events/s", ours=ours.rate_a_core, bar=BAR),
    ]
