"""Twins that are operated: events that cannot be folded until they are mended, and what the API has of that."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from adapters.graphql.execution import Api
from adapters.lag import Observer, Sources
from adapters.memory.set_aside import MemorySetAside
from adapters.operating import Operating
from adapters.projecting import Projecting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from adapters.watch import Watch
from domain.units import Micros
from projections.ports import Feed
from projections.projection import Recorded, UnreadableEvent
from tests.support.twins import CATALOGUE, CODEC, SECOND, T0, World

REASON: Final = "it is spoilt"
PARKED_AT: Final = Micros(T0 + 5 * SECOND)


class Spoilt(Feed):
    """A feed some of whose events cannot be read, until they are taken out of `spoilt`: vehicle and version."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.spoilt: set[tuple[UUID, int]] = set()

    def read(self, after_position: int, limit: int) -> Sequence[Recorded]:
        return list(map(self._seen, self._feed.read(after_position, limit)))

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        return list(map(self._seen, self._feed.history(vehicle_id, after_version, until_version)))

    def last_position(self) -> int:
        return self._feed.last_position()

    def _seen(self, each: Recorded) -> Recorded:
        event = each.event
        if (event.originator_id, event.originator_version) not in self.spoilt:
            return each
        unreadable = UnreadableEvent(
            originator_id=event.originator_id,
            originator_version=event.originator_version,
            captured_at=event.captured_at,
            received_at=event.received_at,
            reason=REASON,
        )
        return each._replace(event=unreadable)


class Operated:
    """A world whose projections are moved here, and seen by those who operate it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.feed = Spoilt(VehicleLog(world.log, CODEC))
        self.projecting = Projecting(lambda: PROJECTIONS, self.feed, world.models, lambda: PARKED_AT)
        twins: Any = world.twins
        sources = Sources(world.log, twins, MemorySetAside(), None, lambda: PARKED_AT)
        self.watch = Watch(Observer(sources).observe)
        self.operations = Operating(self.watch, self.projecting)
        self.api = Api(world.twins, CATALOGUE, CODEC.decode, operations=self.operations)

    def write(self, *cars: Any, spoilt: Sequence[tuple[UUID, int]] = ()) -> None:
        """Append what the cars have told; some of it cannot be folded."""
        self.feed.spoilt.update(spoilt)
        self.world.append(*cars)
        self.projecting.catch_up()
        self.watch.once()

    def mend(self) -> None:
        """Make everything readable."""
        self.feed.spoilt.clear()
