"""Publishing the stored log to Kafka: ours against the plain use of the client, each a process of its own."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

from adapters.kafka.topics import VEHICLE_EVENTS
from bench.distributed import PARTITIONS, Rig, Speed, append, measured, rig
from bench.peers import plain_relay
from bench.project import fleet_events
from bench.report import Result

VEHICLES: Final = 80
BAR: Final = 10_000  # events/s
PEER_BAR: Final = 1.0  # times the peer


def run() -> Sequence[Result]:
    """Publish the events of 80 vehicles, twice: with `run relay`, and with a relay of kafka-python's examples.

    A group's offsets in Kafka are positions of the log: the rate is that between the first and the last of them.
    """
    events = fleet_events(VEHICLES)
    count = len(events)
    with rig() as opened:
        append(opened.conninfo, events)
        del events
        ours = _ours(opened, count)
        peer = _peer(opened, count)
    what = f"relay {count:,} stored events of {VEHICLES} vehicles"
    return [
        Result(
            name=f"{what}, by the clock",
            unit="events/s",
            peer_name=f"kafka-python {version('kafka-python')}",
            peer=peer.rate,
            ours=ours.rate,
            bar=PEER_BAR,
        ),
        Result(name=f"{what}, by the clock", unit="events/s", ours=ours.rate, bar=BAR),
        Result(name=f"{what}, a second of a processor", unit="events/s", ours=ours.rate_a_core, bar=BAR),
    ]


def _ours(opened: Rig, count: int) -> Speed:
    with opened.asking() as asking, opened.started("run", "relay") as worker:
        return measured(asking.published, count, worker)


def _peer(opened: Rig, count: int) -> Speed:
    group = "plain-relay"
    told = (opened.conninfo, opened.cluster.bootstrap_servers, VEHICLE_EVENTS, PARTITIONS, group)
    with opened.asking() as asking, opened.beside(group, plain_relay.publish, *told) as worker:
        return measured(lambda: asking.published(group), count, worker)
