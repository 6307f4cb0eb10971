"""One simulated run: everything single-threaded, in virtual time, drawn from one seed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final, NamedTuple
from uuid import UUID
from zlib import crc32

from eventsourcing.persistence import StoredEvent

from adapters.event_log import ProgressChange
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.vehicle_log import VehicleLog
from domain import events as e
from domain.errors import UnknownEventError
from domain.events import VehicleEvent
from domain.fleet import Fleet
from domain.signals import SignalBatch
from domain.units import MICROS_PER_SECOND, Micros
from domain.vin import Vin
from projections.projection import Projection, Recorded, Rows
from projections.runner import Runner
from tests.support.batches import T0, Stream, sample
from tests.support.events import codec
from tests.support.read_side import PROJECTIONS
from tests.support.simulation.actors import KEY, Projector, Topic, Worker
from tests.support.simulation.faults import Chance, Faults
from tests.support.simulation.network import Arrival, Network, Sent
from tests.support.simulation.ports import FaultyFeed, FaultyLog, FaultyStore
from tests.support.simulation.sources import Source, small_fleet
from tests.support.simulation.watch import CommitWatch

WORKERS: Final = 2
STEPS_BETWEEN_ARRIVALS_MAX: Final = 4
OVERTAKING_STEPS_MAX: Final = 3
STEP_US_MAX: Final = 2 * MICROS_PER_SECOND
CLOCK_BACK_US_MAX: Final = 3_600 * MICROS_PER_SECOND
ROUNDS_MAX: Final = 200  # in which everything must come to rest once nothing goes wrong any more
CLOSING: Final = "closing"  # the stream in which each car speaks once more
CLOSING_PATH: Final = "Vehicle.Body.Hood.IsOpen"

Actor = Worker | Projector


class Parts(NamedTuple):
    """The real parts that a run is made of; a test may put a broken one in its place."""

    fleet: type[Fleet] = Fleet
    runner: type[Runner] = Runner
    log: Callable[[Callable[[], Micros]], MemoryEventLog] = MemoryEventLog
    store: Callable[[], MemoryReadModels] = MemoryReadModels
    projections: Sequence[Projection] = PROJECTIONS


class PoisonError(Exception):
    """A fold fails, after it has written what it should."""


INJECTED: Final = (f"{PoisonError.__name__}: ", f"{UnknownEventError.__name__}: ")  # why a vehicle may be parked


class Taken(NamedTuple):
    """A batch that was taken, in the copy that was; `version` is the vehicle's after what was written with it."""

    batch: SignalBatch
    version: int


@dataclass(slots=True)
class Takings:
    """What has really been taken of each vehicle, in an order in which one worker could have taken it."""

    taken: defaultdict[UUID, list[Taken]] = field(default_factory=lambda: defaultdict(list))
    _known: set[tuple[UUID, str, int]] = field(default_factory=set)

    def has(self, batch: SignalBatch) -> bool:
        """Whether a batch has been taken, in this copy or another."""
        return (batch.vehicle_id, batch.stream_id, batch.sequence) in self._known

    def write(self, batches: Sequence[SignalBatch], events: Sequence[StoredEvent], known: Mapping[UUID, int]) -> None:
        """Note a write: batches that made no event belong where they were decided, not where they were written."""
        counts: dict[UUID, int] = {}
        for event in events:
            counts[event.originator_id] = event.originator_version  # type: ignore[index]  # ids are UUIDs here
        new: defaultdict[UUID, list[Taken]] = defaultdict(list)
        for batch in batches:
            if not self.has(batch):
                self._known.add((batch.vehicle_id, batch.stream_id, batch.sequence))
                version = counts.get(batch.vehicle_id, known.get(batch.vehicle_id, 0))
                new[batch.vehicle_id].append(Taken(batch, version))
        for vehicle_id, some in new.items():
            taken = self.taken[vehicle_id]
            place = next((n for n in range(len(taken), 0, -1) if taken[n - 1].version <= some[0].version), 0)
            taken[place:place] = some


class World:
    """Everything there is; `run` lets it happen."""

    def __init__(
        self, seed: int, source: Source = small_fleet, parts: Parts | None = None, faults: Faults | None = None
    ) -> None:
        rng = Random(seed)
        streams = Random(rng.getrandbits(64))  # what cars say does not depend on the faults, nor these on what they say
        drawn = Faults.draw(Random(rng.getrandbits(64)))  # in any case: the rest of the seed is the same with others
        self.faults = drawn if faults is None else faults
        on_the_way = Chance(self.faults, Random(rng.getrandbits(64)))
        self.chance = Chance(self.faults, Random(rng.getrandbits(64)))
        on_the_way.happened = self.chance.happened
        self.seed = seed
        self.parts = parts or Parts()
        self.began_at = self.now = T0
        self.journal: list[str] = []
        self.log = self.parts.log(self._recorded_at)
        self.store = self.parts.store()
        self.watch = CommitWatch(self.log, self.store, INJECTED, whole=not self.faults.event_missing)
        self.takings = Takings()
        self.sent: dict[UUID, Sent] = {}
        self._arrivals: list[Arrival] = []
        self._topic = Topic()
        self._vins: dict[UUID, Vin] = {}
        self._busy: list[Actor] = []
        self._mended = False
        network = Network(on_the_way)
        for number, said in enumerate(source(streams), start=1):
            vin = Vin.parse(f"WVWZZZE1ZMP{number:06d}")
            vehicle_id = vin.vehicle_id(KEY)
            self._vins[vehicle_id] = vin
            self.sent[vehicle_id], arrivals = network.send(vehicle_id, said)
            self._arrivals += arrivals
        self._arrivals.sort(key=lambda arrival: arrival.at)
        self._workers = [self._worker(f"worker {number}") for number in range(1, WORKERS + 1)]
        self._projectors = [
            self._projector(f"{projection.name} {number}", projection)
            for projection in self.parts.projections
            for number in range(1, 3 if self.chance.of("two_runners") else 2)
        ]
        self._actors: list[Actor] = [*self._workers, *self._projectors]
        for vehicle_id in self._vins:
            self.chance.rng.choice(self._workers).own(vehicle_id)

    # --- parts --------------------------------------------------------------------------------------------------------

    def _worker(self, name: str) -> Worker:
        worker = Worker(name, self._topic, self._vins, self.chance, lambda: self.now, self.tell)

        def appended(events: Sequence[StoredEvent], _: Sequence[ProgressChange], known: Mapping[UUID, int]) -> None:
            if not any(event.originator_version == 1 for event in events):  # else: a registration
                self.takings.write(worker.taking, events, known)

        log = FaultyLog(self.log, self.chance, self, appended)
        worker.start(self.parts.fleet, log, self.takings, self.watch.findings.append)
        return worker

    def _projector(self, name: str, projection: Projection) -> Projector:
        feed = FaultyFeed(VehicleLog(FaultyLog(self.log, self.chance, self), codec()), self.chance, self)
        store = FaultyStore(self.store, self.chance, self, self.watch)
        spoilt = self._spoilt(projection, store)
        return Projector(name, spoilt, self.parts.runner, feed, store, self.chance, lambda: self.now, self.tell)

    def _spoilt(self, projection: Projection, store: FaultyStore) -> Projection:
        """Return a projection whose folds fail for some events, with all that they should write written."""

        def spoilt(fold: Any) -> Any:
            def spoil(recorded: Recorded, event: VehicleEvent, rows: Rows) -> None:
                if fold:
                    fold(recorded, event, rows)
                if self.chance.faults.poison and self._is_poison(projection, event):
                    self.chance.happened["poison"] += 1
                    raise PoisonError("poison")
                if self.chance.of("fold_fails"):
                    raise PoisonError("only this time")
                store.step.folded[event.originator_id].append(event.originator_version)

            return spoil

        folds = {event_type: spoilt(projection.folds.get(event_type)) for event_type in e.EVENT_TYPES}
        return replace(projection, folds=folds)

    def _is_poison(self, projection: Projection, event: VehicleEvent) -> bool:
        text = f"{self.seed} {projection.name} {event.originator_id} {event.originator_version}"
        return not self._mended and crc32(text.encode()) < self.chance.faults.poison * 2**32

    def _recorded_at(self) -> Micros:
        back_us = self.chance.rng.randrange(CLOCK_BACK_US_MAX) if self.chance.of("clock_back") else 0
        return Micros(self.now - back_us)

    def tell(self, what: str) -> None:
        """Note what happens."""
        self.journal.append(f"{(self.now - T0) / MICROS_PER_SECOND:12.3f} s  {what}")

    # --- what happens -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let everything come that comes, then stop the faults, and wait until all is at rest."""
        rng = self.chance.rng
        for arrival in self._arrivals:
            self.now = max(self.now, arrival.at)
            self._receive(arrival.batch)
            for _ in range(rng.randrange(STEPS_BETWEEN_ARRIVALS_MAX + 1)):
                self.now = Micros(self.now + rng.randrange(STEP_US_MAX))
                self._step()
        self.chance.stop()
        self._mended = True
        self.tell("nothing goes wrong any more")
        self._close()
        self._rest()

    def overtake(self) -> None:
        """Let another worker or runner make a step, now and then."""
        if len(self._busy) == 1 and self.chance.of("overtaken"):
            busy = self._busy[0]
            free = [actor for actor in self._actors if actor is not busy]
            rivals = [actor for actor in free if actor.rivals(busy)]
            for _ in range(self.chance.rng.randint(1, OVERTAKING_STEPS_MAX)):
                actor = self.chance.rng.choice(rivals or free)
                if isinstance(actor, Projector) and self.chance.of("retried"):
                    self._act(actor, actor.retry)
                else:
                    self._act(actor)

    def _receive(self, batch: SignalBatch) -> None:
        self._topic.batches[batch.vehicle_id].append(replace(batch, received_at=self.now))

    def _step(self) -> None:
        rng, chance = self.chance.rng, self.chance
        if chance.of("rebalanced"):
            vehicle_id, worker = rng.choice(list(self._vins)), rng.choice(self._workers)
            if worker is not self._topic.owners[vehicle_id]:
                self.tell(f"{worker.name} owns {vehicle_id.hex[:4]} now")
                worker.own(vehicle_id)
        if chance.of("retried"):
            projector = rng.choice(self._projectors)
            self._act(projector, projector.retry)
        self._act(rng.choice(self._actors))

    def _act(self, actor: Actor, what: Callable[[], None] | None = None) -> None:
        self._busy.append(actor)
        try:
            (what or actor.step)()
        finally:
            self._busy.pop()

    def _close(self) -> None:
        """Let each car speak once more, so that whoever missed its last event learns of it."""
        self.now = Micros(self.now + 60 * MICROS_PER_SECOND)
        for vehicle_id, sent in self.sent.items():
            seconds = (self.now - T0) // MICROS_PER_SECOND
            batch = Stream(CLOSING).batch(sample(CLOSING_PATH, seconds, value=False), final=True)
            sent.streams[CLOSING] = [replace(batch, vehicle_id=vehicle_id)]
            sent.lost[CLOSING] = set()
            self.now = max(self.now, batch.received_at)
            self._receive(sent.streams[CLOSING][0])

    def _rest(self) -> None:
        for _ in range(ROUNDS_MAX):
            for actor in self._actors:
                self.now = Micros(self.now + MICROS_PER_SECOND)
                self._act(actor)
            behind = [
                each for each in self._projectors if self.store.position(each.projection) < self.log.last_position()
            ]
            parked = [each for each in self._projectors if self.store.parked(each.projection)]
            for projector in parked:
                self._act(projector, projector.retry)
            if not behind and not parked and all(worker.is_done for worker in self._workers):
                return
        self.watch.findings.append(f"nothing goes wrong any more, but in {ROUNDS_MAX} rounds all is not at rest")
