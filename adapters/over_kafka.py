"""A fleet that is told its telemetry over Kafka: it knows its vehicles, and takes their batches later."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.fleet import Fleet, Taken
from domain.signals import SignalBatch
from domain.streams import StreamProgress
from domain.units import Micros
from domain.vin import Vin


class Sends(Protocol):
    """Sends telemetry, and returns when it is confirmed."""

    def send(self, batches: Sequence[SignalBatch]) -> None:
        """Send batches, those of a vehicle in order. Raises StoreError where one is not confirmed."""


class FleetOverKafka:
    """Implements `adapters.ingest.Takes` and `adapters.simulation.Twins`.

    Vehicles are registered in the store: VINs do not go over Kafka.
    """

    def __init__(self, fleet: Fleet, producer: Sends) -> None:
        self._fleet = fleet
        self._producer = producer

    def register(self, vin: Vin, *, brand: str, model: str | None, at: Micros) -> UUID:
        """Make a vehicle known and return its id."""
        return self._fleet.register(vin, brand=brand, model=model, at=at)

    def take(self, batches: Sequence[SignalBatch]) -> Taken:
        """Send batches; what they do to the fleet is not known here."""
        self._producer.send(batches)
        return Taken([], 0, 0)

    def progress(self, vehicle_id: UUID, stream_id: str) -> StreamProgress:
        """Return how far a stream of a vehicle has been taken by now."""
        self._fleet.forget()
        return self._fleet.progress(vehicle_id, stream_id)
