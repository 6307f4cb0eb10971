"""Events that a projection could not fold, as whoever operates the platform asks for them: page by page."""

from typing import Final, NamedTuple
from uuid import UUID

from adapters.event_log import StoredRecord
from adapters.twins import PROJECTIONS
from projections.ports import Parked


class ParkedPlace(NamedTuple):
    """The place of a parked event in their list, which is in this order."""

    projection: int  # its place among the projections
    version: int
    vehicle_id: UUID


BEFORE_ALL: Final = ParkedPlace(-1, 0, UUID(int=0))


class ParkedEvent(NamedTuple):
    """A vehicle that a version of a projection could not take further, and the event that stopped it."""

    projection: str
    version: int
    parked: Parked
    record: StoredRecord | None  # None: the log does not have it

    @property
    def place(self) -> ParkedPlace:
        """Its place in the list."""
        return ParkedPlace(projection_place(self.projection), self.version, self.parked.vehicle_id)


def projection_place(name: str) -> int:
    """Return the place of a projection among them all."""
    return next(place for place, each in enumerate(PROJECTIONS) if each.name == name)
