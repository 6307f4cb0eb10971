"""What goes into and comes out of an event log, whichever technology keeps it."""

from typing import NamedTuple
from uuid import UUID

from domain.streams import StreamProgress
from domain.units import Micros


class StoredRecord(NamedTuple):
    """An event as the log keeps it; `state` is the very bytes that were appended."""

    position: int  # in the whole log: 1, 2, 3 … without a hole
    originator_id: UUID
    version: int  # in its stream of events: 1, 2, 3 …
    topic: str
    state: bytes
    recorded_at: Micros  # never goes down as the position goes up


class ProgressChange(NamedTuple):
    """A step of a stream of batches, taken if the log has it at `before` (new: at `StreamProgress(stream_id)`)."""

    vehicle_id: UUID
    before: StreamProgress
    after: StreamProgress


class DirectoryEntry(NamedTuple):
    """A registered vehicle; besides one event the only place that has the VIN."""

    vehicle_id: UUID
    vin: str
    brand: str
    model: str | None
    registered_at: Micros
