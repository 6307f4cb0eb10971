"""A fleet that says what it measures at once, at a steady rate: the load under which latency is measured.

Its cars share the processors with what they are a load for, so that they send by librdkafka, which costs least.
"""

import time
from collections.abc import Sequence
from multiprocessing.connection import Connection as Pipe
from typing import Final, NamedTuple

from confluent_kafka import Producer

from adapters.avro.registry import SchemaRegistry
from adapters.avro.telemetry import TOPIC, TelemetryCodec
from adapters.clock import now
from adapters.kafka.cloud_events import cloud_event_headers
from adapters.kafka.partition import partition_of
from adapters.kafka.topics import TELEMETRY
from bench.distributed import PARTITIONS
from bench.driven import Drive, Probe, captured_last, shifted, vehicle_id_of, vins, with_probe
from domain.errors import StoreError
from domain.units import Micros

CONFIRMED_WITHIN_S: Final = 30.0
LINGER_MS: Final = 5
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
    encode = TelemetryCodec(SchemaRegistry.load()).encode
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,  # and so, each is confirmed by all
            "compression.type": "lz4",
            "linger.ms": LINGER_MS,
        }
    )
    fleet = [(vin.text, vehicle_id_of(vin)) for vin in vins(load.first_number, load.vehicles)]
    sent, began_s = 0, time.monotonic()
    failed: list[object] = []

    def on_delivery(error: object, _: object) -> None:
        if error is not None:
            failed.append(error)

    while time.monotonic() - began_s < load.seconds:
        due = int((time.monotonic() - began_s) * load.batches_a_second)
        probes: list[Probe] = []
        for number in range(sent, due):
            turn, place = divmod(number, len(fleet))
            sequence = turn + 2  # the first batches have been sent
            vin, vehicle_id = fleet[place]
            drive = drives[place % len(drives)]
            at = now()
            batch = drive[(place + turn) % len(drive)]  # not all of them start, or arrive, at once
            batch = shifted(batch, vehicle_id, sequence, at - captured_last(batch))
            if place % load.every == 0:
                batch = with_probe(batch, at)
                probes.append(Probe(vin, at))
            key = str(vehicle_id).encode()
            headers = cloud_event_headers(key, f"{batch.stream_id}/{sequence}", TOPIC, at)
            producer.produce(TELEMETRY, encode(batch), key, partition_of(key, PARTITIONS), on_delivery, headers=headers)
        if producer.flush(CONFIRMED_WITHIN_S) or failed:
            raise StoreError(f"Kafka does not confirm telemetry: {failed}")
        confirmed_at = now()
        told.send([Told(probe, confirmed_at) for probe in probes])
        sent = due
        time.sleep(max(0.0, began_s + sent / load.batches_a_second + TICK_S - time.monotonic()))
    told.send(None)
