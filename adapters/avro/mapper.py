"""The codec in the terms of the eventsourcing library: its event store writes and reads our bytes."""

from typing import cast
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from adapters.avro.codec import AvroCodec
from domain.events import VehicleEvent


class AvroMapper(Mapper[UUID]):
    """Turns events of a vehicle into stored events and back; the stored topic is the event's `TOPIC`."""

    def __init__(self, codec: AvroCodec) -> None:
        super().__init__(JSONTranscoder())  # not used: the library wants one
        self._codec = codec

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Return the event as the library stores it. Raises what `AvroCodec.encode` raises."""
        event = cast("VehicleEvent", domain_event)
        return StoredEvent(event.originator_id, event.originator_version, event.TOPIC, self._codec.encode(event))

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """Return the event that is stored. Raises what `AvroCodec.decode` raises."""
        vehicle_id = cast("UUID", stored_event.originator_id)
        return self._codec.decode(stored_event.topic, stored_event.state, vehicle_id, stored_event.originator_version)
