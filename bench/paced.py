"""A fleet that says what it measures at once, at a steady rate: the load under which latency is measured."""

import time
from collections.abc import Sequence
from contextlib import closing
from multiprocessing.connection import Connection as Pipe
from typing import Final, NamedTuple

from adapters.avro.registry import SchemaRegistry
from adapters.avro.telemetry import TOPIC, TelemetryCodec
from adapters.clock import now
from adapters.kafka.client import Connection
from adapters.kafka.telemetry_producer import TelemetryProducer
from adapters.kafka.topics import TELEMETRY
from bench.distributed import PARTITIONS
from bench.driven import Drive, Probe, captured_last, shifted, vehicle_id_of, vins, with_probe
from domain.signals import SignalBatch
from domain.units import Micros

TICK_S: Final = 0.02  # between two lots of batches


class Load(NamedTuple):
    """So many batches a second, from vehicles that send one each `BATCH_S`."""

    batches_a_second: int
    vehicles: int
    seconds: float
    first_number: int  # of the VINs
    every: int  # so many vehicles, one is a probe


class Told(NamedTuple):
    """A probe, and when its batch was confirmed by the broker."""

    probe: Probe
    confirmed_at: Micros


def send(bootstrap_servers: str, drives: Sequence[Drive], load: Load, told: Pipe) -> None:
    """Send batches until the time is over; tell of each probe when it is confirmed, and None in the end."""
    producer = TelemetryProducer(
        Connection(bootstrap_servers), TELEMETRY, PARTITIONS, TelemetryCodec(SchemaRegistry.load()).encode, TOPIC
    )
    fleet = [(vin.text, vehicle_id_of(vin)) for vin in vins(load.first_number, load.vehicles)]
    sent, began_s = 0, time.monotonic()
    with closing(producer):
        while time.monotonic() - began_s < load.seconds:
            due = int((time.monotonic() - began_s) * load.batches_a_second)
            batches: list[SignalBatch] = []
            probes: list[Probe] = []
            for number in range(sent, due):
                turn, place = divmod(number, len(fleet))
                sequence = turn + 2  # the first batches have been sent
                vin, vehicle_id = fleet[place]
                drive = drives[place % len(drives)]
                at = now()
                batch = drive[(sequence - 1) % len(drive)]
                batch = shifted(batch, vehicle_id, sequence, at - captured_last(batch))
                if place % load.every == 0:
                    batch = with_probe(batch, at)
                    probes.append(Probe(vin, at))
                batches.append(batch)
            producer.send(batches)
            confirmed_at = now()
            told.send([Told(probe, confirmed_at) for probe in probes])
            sent = due
            time.sleep(max(0.0, began_s + sent / load.batches_a_second + TICK_S - time.monotonic()))
    told.send(None)
