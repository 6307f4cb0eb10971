"""The Vehicle: decides which events a batch of telemetry makes, and is the fold of them.

Decisions look at the state, the batch and nothing else, and the state is a function of the events alone: a Vehicle
loaded from the log decides exactly like one that was never away.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Self
from uuid import UUID

from eventsourcing.domain import OriginatorVersionError

from domain import events as e
from domain.catch_up import EVENTS_AT_A_TIME, check_next, telling
from domain.errors import DecommissionedError
from domain.observation import Observation
from domain.signals import SignalBatch
from domain.state import FOLDS, VehicleState
from domain.streams import StreamProgress
from domain.units import Micros


class Vehicle:
    """The aggregate of one vehicle."""

    __slots__ = ("_pending", "state", "version")

    def __init__(self, vehicle_id: UUID) -> None:
        self.state = VehicleState(vehicle_id)
        self.version = 0
        self._pending: list[e.VehicleEvent] = []

    @classmethod
    def register(cls, vehicle_id: UUID, *, vin: str, brand: str, model: str | None, at: Micros) -> Self:
        """Return a new vehicle."""
        vehicle = cls(vehicle_id)
        vehicle.trigger_event(e.VehicleRegistered, captured_at=at, received_at=at, vin=vin, brand=brand, model=model)
        return vehicle

    @property
    def id(self) -> UUID:
        """The vehicle's id, as the library's repository and caches want it."""
        return self.state.vehicle_id

    def decommission(self, reason: str, *, at: Micros) -> None:
        """Take the vehicle out of the fleet; a second time changes nothing."""
        if not self.state.decommissioned:
            self.trigger_event(e.VehicleDecommissioned, captured_at=at, received_at=at, reason=reason)

    def observe(self, batch: SignalBatch, progress: StreamProgress | None) -> StreamProgress:
        """Take a batch of telemetry, given how far its stream was taken; return how far it is now.

        A batch that was taken before changes nothing. Raises `DecommissionedError` for a vehicle that has left
        the fleet, and `RejectedCommandError` for a stream with too many holes.
        """
        assert batch.vehicle_id == self.id
        progress = progress or StreamProgress(batch.stream_id)
        if progress.has(batch.sequence):
            return progress
        if self.state.decommissioned:
            raise DecommissionedError(self.id)
        after = progress.taken(batch.sequence, final=batch.final)
        Observation(self, batch, progress.last_sequence, after.missing).take()
        return after

    def trigger_event(self, event_class: type[e.VehicleEvent], **fields: object) -> None:
        """Add an event with the next version and fold it into the state."""
        event = event_class(originator_id=self.id, originator_version=self.version + 1, **fields)  # type: ignore[arg-type]  # checked by each class
        self.apply(event)
        self._pending.append(event)

    def collect_events(self) -> Sequence[e.VehicleEvent]:
        """Return the new events and forget them."""
        pending, self._pending = self._pending, []
        return pending

    def apply(self, event: e.VehicleEvent) -> None:
        """Fold one event, which must be the next one of this vehicle."""
        if event.originator_version != self.version + 1:
            raise OriginatorVersionError(event.originator_version, self.version + 1)
        FOLDS[type(event)](self.state, event)
        self.version = event.originator_version


def project_vehicle(vehicle: Vehicle | None, events: Iterable[e.VehicleEvent]) -> Vehicle | None:
    """Fold events into a vehicle: the library's `projector_func`, passing over what later events tell anew.

    Raises the library's `OriginatorVersionError` or `OriginatorIDError` for an event that is not the next one.
    """
    left = iter(events)
    while some := list(islice(left, EVENTS_AT_A_TIME)):
        if vehicle is None:
            vehicle = Vehicle(some[0].originator_id)
        check_next(some, vehicle.id, vehicle.version)
        for event in telling(some):
            FOLDS[type(event)](vehicle.state, event)
        vehicle.version += len(some)
    return vehicle
