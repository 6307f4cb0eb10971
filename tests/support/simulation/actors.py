"""Who works: ingest workers that own vehicles, and the runners of projections.

Each step is one attempt of one of them.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from adapters.vehicle_log import VehicleLog
from domain.errors import PositionConflictError, UnknownEventError, VersionConflictError
from domain.fleet import Fleet
from domain.signals import SignalBatch
from domain.units import Micros
from domain.vin import Vin
from projections.ports import Feed
from projections.projection import Projection
from projections.runner import Runner
from tests.support.events import codec
from tests.support.simulation.faults import Chance
from tests.support.simulation.ports import FaultyLog, FaultyStore, Outage

KEY: Final = b"the key of a simulated fleet"
TAKEN_AT_ONCE_MAX: Final = 6  # batches
STEP_EVENTS_MAX: Final = 40
NOTICE_SHARE: Final = 0.1  # of the steps of a worker in which it notices that vehicles are not its any more


@dataclass(slots=True)
class Topic:
    """What has come of each vehicle, kept in order: who reads it keeps an offset."""

    batches: defaultdict[UUID, list[SignalBatch]] = field(default_factory=lambda: defaultdict(list))
    offsets: defaultdict[UUID, int] = field(default_factory=lambda: defaultdict(int))  # that are written down
    owners: dict[UUID, "Worker"] = field(default_factory=dict)


class Ledger(Protocol):
    """Keeps what has really been taken."""

    def has(self, batch: SignalBatch) -> bool:
        """Whether a batch has been taken, in this copy or another."""


class Worker:
    """Takes in the batches of the vehicles that it owns, or believes to own."""

    def __init__(
        self,
        name: str,
        topic: Topic,
        vins: dict[UUID, Vin],
        chance: Chance,
        now: Callable[[], Micros],
        tell: Callable[[str], None],
    ) -> None:
        self.name = name
        self.offsets: dict[UUID, int] = {}  # of the vehicles that it believes to own
        self.taking: Sequence[SignalBatch] = ()
        self._topic = topic
        self._vins = vins
        self._chance = chance
        self._now = now
        self._tell = tell

    def start(self, fleet_type: type[Fleet], log: FaultyLog, ledger: Ledger, find: Callable[[str], None]) -> None:
        """Get a connection to the log; `find` is told what must not happen."""
        self._ledger = ledger
        self._find = find
        self._new_fleet: Callable[[], Fleet] = lambda: fleet_type(VehicleLog(log, codec()), KEY)
        self.fleet = self._new_fleet()

    def own(self, vehicle_id: UUID) -> None:
        """Begin with a vehicle where its offset was written last."""
        self._topic.owners[vehicle_id] = self
        self.offsets[vehicle_id] = self._topic.offsets[vehicle_id]

    @property
    def is_done(self) -> bool:
        """Whether everything that has come is taken."""
        return all(offset == len(self._topic.batches[vehicle_id]) for vehicle_id, offset in self.offsets.items())

    def rivals(self, other: object) -> bool:
        """Whether another is at work on the same vehicle."""
        return isinstance(other, Worker) and not self.offsets.keys().isdisjoint(other.offsets)

    def step(self) -> None:
        """Take the next batches."""
        if self._chance.rng.random() < NOTICE_SHARE:
            self.offsets = {each: offset for each, offset in self.offsets.items() if self._topic.owners[each] is self}
        if self._chance.of("worker_restarts"):
            self._tell(f"{self.name} restarts")
            self._die()
        self.taking = self._next()
        if self.taking:
            try:
                self._take()
            except VersionConflictError:
                self._chance.happened["version conflicts"] += 1
                self._tell(f"{self.name}: {_said(self.taking)}: another was first")
            except (Outage, UnknownEventError) as error:
                self._tell(f"{self.name}: {_said(self.taking)}: {error}")
                if self._chance.of("worker_dies"):
                    self._tell(f"{self.name} dies; another process takes its place")
                    self._die()
            finally:
                self.taking = ()

    def _next(self) -> list[SignalBatch]:
        """Return the next batches of some vehicles: often one, seldom many."""
        rng, batches = self._chance.rng, list[SignalBatch]()
        for vehicle_id, offset in self.offsets.items():
            count = rng.choice((0, 1, 1, rng.randint(1, TAKEN_AT_ONCE_MAX)))
            batches += self._topic.batches[vehicle_id][offset : offset + count]
        return batches

    def _take(self) -> None:
        batches = self.taking
        for vehicle_id in {batch.vehicle_id: None for batch in batches}:
            self.fleet.register(self._vins[vehicle_id], brand="Volkswagen", model=None, at=self._now())
        known = sum(self._ledger.has(batch) for batch in batches)
        taken = self.fleet.take(batches)
        self._tell(f"{self.name}: {_said(batches)}: {len(taken.events)} events, {taken.duplicates} batches known")
        if taken.duplicates < known:
            self._find(f"of {_said(batches)}, {known} were taken already; {taken.duplicates} are known")
        for batch in batches:
            self.offsets[batch.vehicle_id] += 1
        for vehicle_id, offset in self.offsets.items():
            if self._topic.owners[vehicle_id] is self and not self._chance.of("offset_unwritten"):
                self._topic.offsets[vehicle_id] = offset

    def _die(self) -> None:
        self.fleet = self._new_fleet()  # that has nothing in memory
        mine = [vehicle_id for vehicle_id in self.offsets if self._topic.owners[vehicle_id] is self]
        self.offsets = {vehicle_id: self._topic.offsets[vehicle_id] for vehicle_id in mine}


def _said(batches: Sequence[SignalBatch]) -> str:
    return ", ".join(f"{batch.vehicle_id.hex[:4]} {batch.stream_id} {batch.sequence}" for batch in batches)


class Projector:
    """Runs a projection, and begins anew where it must."""

    def __init__(
        self,
        name: str,
        projection: Projection,
        runner_type: type[Runner],
        feed: Feed,
        store: FaultyStore,
        chance: Chance,
        now: Callable[[], Micros],
        tell: Callable[[str], None],
    ) -> None:
        self.name = name
        self.projection = projection
        self.store = store
        self._new_runner: Callable[[], Runner] = lambda: runner_type(projection, feed, store, now)
        self._runner: Runner | None = None
        self._chance = chance
        self._tell = tell

    def rivals(self, other: object) -> bool:
        """Whether another is at work on the same projection."""
        return isinstance(other, Projector) and other.projection.id == self.projection.id

    def step(self) -> None:
        """Fold the next events."""
        limit = self._chance.rng.randint(1, STEP_EVENTS_MAX)

        def fold(runner: Runner) -> str:
            count = runner.step(limit)
            return f"{count} events, now at {runner.position}"

        self._attempt(fold)

    def retry(self) -> None:
        """Take a parked vehicle up again, with a runner of its own or the one that is there."""

        def take_up(runner: Runner) -> str:
            parked = sorted(self.store.parked(self.projection))
            if not parked:
                return "nothing to take up again"
            vehicle_id = self._chance.rng.choice(parked)
            still = runner.retry(vehicle_id)
            return f"{vehicle_id.hex[:4]} {'stays parked: ' + still.error if still else 'is not parked any more'}"

        if self._chance.rng.random() < 0.5:
            self._runner, before = None, self._runner
            self._attempt(take_up)
            self._runner = before
        else:
            self._attempt(take_up)

    def _attempt(self, work: Callable[[Runner], str]) -> None:
        self.store.begin()
        try:
            self._runner = self._runner or self._new_runner()
            self._tell(f"{self.name}: {work(self._runner)}")
        except PositionConflictError:
            self._chance.happened["position conflicts"] += 1
            self._tell(f"{self.name}: another has moved on")
            self._runner = None
        except Outage as error:
            self._tell(f"{self.name}: {error}")
            if self._chance.of("runner_dies"):
                self._runner = None
