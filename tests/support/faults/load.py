"""What simulated cars send in a run: known before it begins, and sent again until it is confirmed."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Final
from uuid import UUID

from adapters.avro.telemetry import TOPIC, TelemetryCodec
from adapters.kafka.client import Connection
from adapters.kafka.telemetry_producer import TelemetryProducer
from domain.errors import StoreError
from domain.fleet import Fleet
from domain.signals import SignalBatch
from domain.streams import StreamProgress
from domain.vin import Vin
from tests.support.batches import T0
from tests.support.command_line import VIN_KEY
from tests.support.events import registry
from tests.support.simulation.sources import busy_car

VEHICLES: Final = 30
BATCHES_OF_A_VEHICLE: Final = 130
SENT_AT_ONCE: Final = 40  # batches of several vehicles that are confirmed together
GIVEN_UP_AFTER_S: Final = 180.0


@dataclass(frozen=True)
class Load:
    """All batches of a run, in the order in which they are sent; a vehicle's are in its own order."""

    vins: Sequence[Vin]
    batches: Sequence[SignalBatch]

    @classmethod
    def draw(cls, rng: Random) -> "Load":
        """Draw what the cars say, and how they take turns."""
        vins = [Vin.parse(f"WVWZZZE1ZRP{number:06d}") for number in range(VEHICLES)]
        said = []
        for vin in vins:
            vehicle_id = vin.vehicle_id(VIN_KEY.encode())
            said.append([replace(each, vehicle_id=vehicle_id) for each in busy_car(rng, BATCHES_OF_A_VEHICLE)])
        turns = [number for number, batches in enumerate(said) for _ in batches]
        rng.shuffle(turns)
        queues = [iter(batches) for batches in said]
        return cls(vins, [next(queues[number]) for number in turns])

    @cached_property
    def progress(self) -> dict[UUID, dict[str, StreamProgress]]:
        """How far each stream of each vehicle is when everything has been taken."""
        found: defaultdict[UUID, dict[str, StreamProgress]] = defaultdict(dict)
        for each in self.batches:
            before = found[each.vehicle_id].get(each.stream_id) or StreamProgress(each.stream_id)
            found[each.vehicle_id][each.stream_id] = before.taken(each.sequence, final=each.final)
        return dict(found)

    def register(self, fleet: Fleet) -> None:
        """Make the vehicles known."""
        for number, vin in enumerate(self.vins):
            fleet.register(vin, brand="Volkswagen", model=f"ID.{number % 10}", at=T0)

    def pieces(self) -> Iterator[Sequence[SignalBatch]]:
        """Yield the batches as they are sent."""
        for at in range(0, len(self.batches), SENT_AT_ONCE):
            yield self.batches[at : at + SENT_AT_ONCE]


class Sender:
    """A thread that sends a load within about `seconds`, each piece again until it is confirmed."""

    def __init__(self, load: Load, bootstrap_servers: str, topic: str, partitions: int, seconds: float) -> None:
        self._load = load
        self._seconds = seconds
        self._producer = TelemetryProducer(
            Connection(bootstrap_servers), topic, partitions, TelemetryCodec(registry()).encode, TOPIC
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self.confirmed = 0  # batches
        self.repeated = 0  # batches that were not confirmed at first
        self.complaints: list[str] = []

    @property
    def done(self) -> bool:
        """Whether every batch is confirmed."""
        return self.confirmed == len(self._load.batches)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, whether all was sent or not."""
        self._stopping.set()
        self._thread.join(GIVEN_UP_AFTER_S)
        self._producer.close()

    def _run(self) -> None:
        pause_s = self._seconds * SENT_AT_ONCE / len(self._load.batches)
        for piece in self._load.pieces():
            while not self._stopping.wait(pause_s):  # this is the pace of the cars
                try:
                    self._producer.send(piece)
                except StoreError as error:
                    self.repeated += len(piece)
                    self.complaints.append(str(error))
                else:
                    self.confirmed += len(piece)
                    break
