"""A fleet that says what it measures at once, at a steady rate: the load under which latency is measured.

Its cars share the processors with what they are a load for. What real cars do themselves, to measure and to encode, is
done before the time begins; then they send by librdkafka, which costs least. A batch is measured when it is due: one
that is sent late counts as late.
"""

import gc
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
from domain.units import MICROS_PER_SECOND, Micros

CONFIRMED_WITHIN_S: Final = 30.0
LINGER_MS: Final = 5
TICK_S: Final = 0.02  # between two lots of batches
PREPARED_WITHIN_S: Final = 45.0


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


class _Record(NamedTuple):
    """A batch as it is sent."""

    key: bytes
    partition: int
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    probe: Probe | None


def send(bootstrap_servers: str, drives: Sequence[Drive], load: Load, told: Pipe) -> None:
    """Send batches until the time is over; tell of each probe when it is confirmed, and None in the end.

    The first that is told, without any probes, is that the time begins.
    """
    began_at = Micros(now() + round(PREPARED_WITHIN_S * MICROS_PER_SECOND))
    records = _prepared(drives, load, began_at)
    gc.freeze()
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,  # and so, each is confirmed by all
            "compression.type": "lz4",
            "linger.ms": LINGER_MS,
        }
    )
    failed: list[object] = []

    def on_delivery(error: object, _: object) -> None:
        if error is not None:
            failed.append(error)

    if now() > began_at:
        raise StoreError(f"{len(records)} batches are not prepared within {PREPARED_WITHIN_S:.0f} s")
    time.sleep((began_at - now()) / MICROS_PER_SECOND)
    told.send(())
    sent = 0
    while sent < len(records):
        due = min(len(records), (now() - began_at) * load.batches_a_second // MICROS_PER_SECOND)
        lot = records[sent:due]
        for each in lot:
            producer.produce(TELEMETRY, each.value, each.key, each.partition, on_delivery, headers=list(each.headers))
        if producer.flush(CONFIRMED_WITHIN_S) or failed:
            raise StoreError(f"Kafka does not confirm telemetry: {failed}")
        confirmed_at = now()
        told.send([Told(each.probe, confirmed_at) for each in lot if each.probe])
        sent = due
        next_at = began_at + sent * MICROS_PER_SECOND / load.batches_a_second + TICK_S * MICROS_PER_SECOND
        time.sleep(max(0.0, (next_at - now()) / MICROS_PER_SECOND))
    told.send(None)


def _prepared(drives: Sequence[Drive], load: Load, began_at: Micros) -> list[_Record]:
    """Return all batches in the order in which they are due."""
    encode = TelemetryCodec(SchemaRegistry.load()).encode
    fleet = [(vin.text, vehicle_id_of(vin)) for vin in vins(load.first_number, load.vehicles)]
    records = []
    for number in range(round(load.seconds * load.batches_a_second)):
        turn, place = divmod(number, len(fleet))
        sequence = turn + 2  # the first batches have been sent
        vin, vehicle_id = fleet[place]
        drive = drives[place % len(drives)]
        at = Micros(began_at + number * MICROS_PER_SECOND // load.batches_a_second)
        batch = drive[(place + turn) % len(drive)]  # not all of them start, or arrive, at once
        batch = shifted(batch, vehicle_id, sequence, at - captured_last(batch))
        probe = None
        if place % load.every == 0:
            batch, probe = with_probe(batch, at), Probe(vin, at)
        key = str(vehicle_id).encode()
        headers = cloud_event_headers(key, f"{batch.stream_id}/{sequence}", TOPIC, at)
        records.append(_Record(key, partition_of(key, PARTITIONS), encode(batch), headers, probe))
    return records
