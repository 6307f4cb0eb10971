"""The read side in memory, over a feed whose faults a test chooses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from adapters.memory.read_models import MemoryReadModels
from domain.events import VehicleEvent
from domain.units import Micros
from projections.diagnostics.projector import DIAGNOSTICS
from projections.media.projector import MEDIA
from projections.navigation.projector import NAVIGATION
from projections.ports import ReadModelStore
from projections.projection import Projection, R, Recorded, Row, row_key, row_spec
from projections.runner import Runner
from tests.support.batches import T0

PROJECTIONS: Final = (NAVIGATION, MEDIA, DIAGNOSTICS)
BOOKKEEPING: Final = frozenset({"received_at", "event_version", "position", "stream_id", "sequence"})


def recorded(events: Iterable[VehicleEvent]) -> list[Recorded]:
    """Return events as a log has them, at positions 1, 2, 3 …"""
    return [Recorded(position, Micros(T0 + position), event) for position, event in enumerate(events, 1)]


@dataclass
class ListFeed:
    """A feed of events in a list; `delivered` turns what is read into what comes."""

    events: list[Recorded]
    delivered: Callable[[Sequence[Recorded]], Sequence[Recorded]] = lambda events: events
    histories: list[tuple[UUID, int, int]] = field(default_factory=list)  # that were asked for

    def read(self, after_position: int, limit: int) -> Sequence[Recorded]:
        return self.delivered(self.events[after_position : after_position + limit])

    def history(self, vehicle_id: UUID, after_version: int, until_version: int) -> Sequence[Recorded]:
        self.histories.append((vehicle_id, after_version, until_version))
        return [
            each
            for each in self.events
            if each.event.originator_id == vehicle_id and after_version < each.event.originator_version <= until_version
        ]

    def last_position(self) -> int:
        return len(self.events)


def runner(projection: Projection, feed: ListFeed, store: ReadModelStore) -> Runner:
    return Runner(projection, feed, store, lambda: T0)


def project(events: Iterable[VehicleEvent]) -> MemoryReadModels:
    """Return the read models that all projections make of events."""
    store, feed = MemoryReadModels(), ListFeed(recorded(events))
    for projection in PROJECTIONS:
        runner(projection, feed, store).run_until(feed.last_position())
    return store


def kept_of(store: MemoryReadModels) -> Mapping[str, dict[Any, Any]]:
    """Return all that a store holds now."""
    return deepcopy({name: held for name, held in vars(store).items() if isinstance(held, dict)})


def put_back(store: MemoryReadModels, kept: Mapping[str, dict[Any, Any]]) -> None:
    """Have a store lose what was written since, as a crash takes it from a database that does not wait for the disk."""
    for name, held in deepcopy(dict(kept)).items():
        vars(store)[name].clear()
        vars(store)[name].update(held)


def rows_of(store: ReadModelStore, row_type: type[R]) -> list[R]:
    """Return every row of a table."""
    (projection,) = (projection for projection in PROJECTIONS if row_type in projection.row_types)
    return list(store.rows(projection, row_type))


def everything(store: ReadModelStore, projections: Iterable[Projection] = PROJECTIONS) -> Mapping[Any, Row]:
    """Return every row of every table, by table and key."""
    return {
        (projection.name, row_spec(row_type).table, *row_key(row)): row
        for projection in projections
        for row_type in projection.row_types
        for row in store.rows(projection, row_type)
    }


def without_bookkeeping(row: Row) -> tuple[Any, ...]:
    """Return what a row says of the vehicle, without where that was read."""
    return tuple(
        value
        for column, value in zip(row_spec(type(row)).columns, row, strict=True)  # type: ignore[call-overload]
        if column.name not in BOOKKEEPING
    )
