"""The only door to the write side: load, decide, save.

One writer a vehicle at a time: vehicles are kept in memory between batches, and all of them are thrown away whenever
anything fails, so that the next decision starts from what the log really holds.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from domain.errors import UnknownVehicleError, UnreadableHistoryError, VersionConflictError
from domain.events import VehicleEvent
from domain.signals import Origin, SignalBatch
from domain.streams import StreamProgress
from domain.units import Micros
from domain.vehicle import Vehicle, project_vehicle
from domain.vin import Vin

VEHICLES_CACHED_MAX: Final = 30_000  # some 16 KB each; one more, and a round of all of them finds none in memory


class OriginFrom(NamedTuple):
    """What the batches of a stream come from, from a sequence number on."""

    sequence: int
    origin: Origin


class ProgressChange(NamedTuple):
    """A step of a stream of batches, taken only if the log has it at `before` (new: `StreamProgress(stream_id)`)."""

    vehicle_id: UUID
    before: StreamProgress
    after: StreamProgress
    origins: tuple[OriginFrom, ...] = ()  # that its batches have told


class ConsumedChange(NamedTuple):
    """A step of a source of batches that are read from somewhere, taken only if the log has it at `before`.

    Positions are those of what comes next, by the source's own count; 0: it has not been read yet.
    """

    source: str  # e.g. "telemetry/3"
    before: int
    after: int


class DirectoryEntry(NamedTuple):
    """A registered vehicle; besides one event the only place that has the VIN."""

    vehicle_id: UUID
    vin: str
    brand: str
    model: str | None
    registered_at: Micros


class EventLog(Protocol):
    """Where events are kept."""

    def histories(self, vehicle_ids: Collection[UUID]) -> Iterable[Sequence[VehicleEvent]]:
        """Give the whole histories of vehicles, each in order: some events of one vehicle at a time.

        Raises `UnreadableHistoryError` where the bytes of one are not known.
        """

    def progress_of_all(self, vehicle_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, StreamProgress]]:
        """Return how far each stream of vehicles has been taken; absent: a vehicle of which none has."""

    def append(
        self,
        events: Sequence[VehicleEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> int:
        """Write all of it in one transaction, or nothing; return the position of the last event (0: there was none).

        Raises `VersionConflictError` where another writer has used a version, or has moved a stream or a source.
        """


class Taken(NamedTuple):
    """What a batch of batches did."""

    events: Sequence[VehicleEvent]
    position: int  # of the last of these events in the log; 0: there are none
    duplicates: int  # batches that had been taken before


@dataclass(slots=True)
class _Cached:
    vehicle: Vehicle
    progress: dict[str, StreamProgress]


@dataclass(slots=True)
class Fleet:
    """All vehicles of a deployment; `vin_key` is the deployment's secret."""

    log: EventLog
    vin_key: bytes
    _cache: OrderedDict[UUID, _Cached] = field(default_factory=OrderedDict)

    def register(self, vin: Vin, *, brand: str, model: str | None, at: Micros) -> UUID:
        """Make a vehicle known and return its id; one that is known already stays as it is."""
        vehicle_id = vin.vehicle_id(self.vin_key)
        if self._find(vehicle_id) is not None:
            return vehicle_id
        vehicle = Vehicle.register(vehicle_id, vin=vin.text, brand=brand, model=model, at=at)
        try:
            self.log.append(vehicle.collect_events(), (), [DirectoryEntry(vehicle_id, vin.text, brand, model, at)])
        except VersionConflictError:
            if self._find(vehicle_id) is None:
                raise
            return vehicle_id  # another process was first
        self._cache[vehicle_id] = _Cached(vehicle, {})
        self._forget()
        return vehicle_id

    def decommission(self, vehicle_id: UUID, reason: str, *, at: Micros) -> None:
        """Take a vehicle out of the fleet; a second time changes nothing."""
        vehicle = self._known(vehicle_id).vehicle
        vehicle.decommission(reason, at=at)
        with self._or_start_anew():
            self._append(vehicle.collect_events(), ())

    def progress(self, vehicle_id: UUID, stream_id: str) -> StreamProgress:
        """Return how far a stream of a vehicle has been taken."""
        return self._known(vehicle_id).progress.get(stream_id) or StreamProgress(stream_id)

    def take(self, batches: Sequence[SignalBatch], consumed: Sequence[ConsumedChange] = ()) -> Taken:
        """Take batches of any vehicles, in order, in one transaction; each counts once, however often it is given.

        `consumed` says from where they were read: the same transaction notes it. Raises `UnreadableHistoryError` for a
        vehicle that nothing can be decided for.
        """
        events: list[VehicleEvent] = []
        steps: dict[tuple[UUID, str], ProgressChange] = {}
        duplicates = 0
        with self._or_start_anew():
            self._load({batch.vehicle_id for batch in batches})
            for batch in batches:
                cached = self._known(batch.vehicle_id)
                before = cached.progress.get(batch.stream_id) or StreamProgress(batch.stream_id)
                after = cached.vehicle.observe(batch, before)
                if after is before:
                    duplicates += 1
                    continue
                cached.progress[batch.stream_id] = after
                key = (batch.vehicle_id, batch.stream_id)
                known = steps.get(key)
                origins = known.origins if known else ()
                if batch.origin:
                    origins = (*origins, OriginFrom(batch.sequence, batch.origin))
                steps[key] = ProgressChange(batch.vehicle_id, known.before if known else before, after, origins)
                events += cached.vehicle.collect_events()
            position = self._append(events, list(steps.values()), consumed)
        self._forget()
        return Taken(events, position, duplicates)

    @contextmanager
    def _or_start_anew(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._cache.clear()  # what was decided is not in the log, or nobody knows
            raise

    def unreadable(self, vehicle_ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return those whose history cannot be read, each with the reason; the others are in memory then."""
        found: dict[UUID, str] = {}
        for vehicle_id in vehicle_ids:
            try:
                self._load([vehicle_id])
            except UnreadableHistoryError as error:
                found[vehicle_id] = str(error)
        return found

    def forget(self) -> None:
        """Forget every vehicle: others may write them from now on."""
        self._cache.clear()

    def _append(
        self,
        events: Sequence[VehicleEvent],
        progress: Sequence[ProgressChange],
        consumed: Sequence[ConsumedChange] = (),
    ) -> int:
        return self.log.append(events, progress, (), consumed) if events or progress or consumed else 0

    def _known(self, vehicle_id: UUID) -> _Cached:
        cached = self._find(vehicle_id)
        if cached is None:
            msg = f"no vehicle {vehicle_id}: register it first"
            raise UnknownVehicleError(msg)
        return cached

    def _find(self, vehicle_id: UUID) -> _Cached | None:
        self._load([vehicle_id])
        cached = self._cache.get(vehicle_id)
        if cached is not None:
            self._cache.move_to_end(vehicle_id)
        return cached

    def _load(self, vehicle_ids: Iterable[UUID]) -> None:
        """Read the vehicles that are not in memory, together: each by itself takes longer than all that it is told."""
        unknown = [vehicle_id for vehicle_id in vehicle_ids if vehicle_id not in self._cache]
        if not unknown:
            return
        # Progress first: of a stream that another writer moves meanwhile it is too old, and so a conflict. Read last it
        # would be newer than the vehicle, and a batch that makes no event would be decided on an old state unnoticed.
        progress = self.log.progress_of_all(unknown)
        found: dict[UUID, Vehicle | None] = {}
        for events in self.log.histories(unknown):
            vehicle_id = events[0].originator_id
            try:
                found[vehicle_id] = project_vehicle(found.get(vehicle_id), events)
            except (
                Exception
            ) as error:  # of spoilt bytes that can be decoded all the same; its text may have a VIN in it
                msg = f"vehicle {vehicle_id}: its history cannot be folded ({type(error).__name__})"
                raise UnreadableHistoryError(vehicle_id, msg) from error
        for vehicle_id, vehicle in found.items():
            if vehicle is not None:
                self._cache[vehicle_id] = _Cached(vehicle, dict(progress.get(vehicle_id, {})))

    def _forget(self) -> None:
        """Forget the vehicles not used for longest; not while something decided is not in the log yet."""
        while len(self._cache) > VEHICLES_CACHED_MAX:
            self._cache.popitem(last=False)
