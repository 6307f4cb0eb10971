"""A simulated fleet on its way into the twin: frames, translation, batches, delivery, events, a step of time at a time.

What the twin comes to know has gone the whole way: nothing but CAN frames leaves a simulated car.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from adapters.can.dbc import Dbc
from adapters.can.frames import FrameBlock
from adapters.can.translate import CanTranslator
from adapters.ingest import Takes, take_in_turn
from adapters.jobs import can_dbcs, mapping_of
from adapters.origin import can_origin
from adapters.signals.batches import Batcher
from adapters.signals.catalogue import Catalogue
from adapters.signals.changes import ChangeDetector
from adapters.signals.rules import SignalMapping
from adapters.simulator.bus import CarBus
from adapters.simulator.delivery import Delivery
from adapters.simulator.fault_plan import STUCK_FROM_S, ClockFault, Faults, clock_faults, fault_generator
from adapters.simulator.fleet import Car, simulated_fleet
from adapters.simulator.life import CarLife
from adapters.simulator.specs import Platform
from adapters.simulator.stuck import SENSORS, StuckSensor
from domain.signals import SignalBatch
from domain.streams import StreamProgress
from domain.units import MICROS_PER_SECOND, Micros
from domain.vin import Vin

STEP_S: Final = 30  # of simulated time that a car gathers before it sends a batch
TAKEN_AT_ONCE: Final = 50  # batches in one transaction of the log
OWN_MAPPING: Final = "fleettwin"  # of the messages that every simulated car sends beside those of its platform


class Twins(Takes, Protocol):
    """What a simulation needs of a fleet: `domain.fleet.Fleet`, or a way to it."""

    def register(self, vin: Vin, *, brand: str, model: str | None, at: Micros) -> UUID:
        """Make a vehicle known and return its id."""

    def progress(self, vehicle_id: UUID, stream_id: str) -> StreamProgress:
        """Return how far a stream of a vehicle has been taken."""


class Progress(NamedTuple):
    """How far a simulation is, in simulated seconds, and what it has done."""

    simulated_s: float
    frames: int
    batches: int
    events: int


@dataclass(slots=True)
class Counts:
    """What a simulation did."""

    frames: int = 0
    batches: int = 0  # that arrived
    duplicate_batches: int = 0
    events: Counter[str] = field(default_factory=Counter)


class Plan(NamedTuple):
    """What is simulated: the same plan makes the same frames, byte for byte."""

    vehicles: int
    seed: int
    brands: tuple[str, ...] = ()
    faults: Faults = Faults()
    frames_per_second: int = 1_000  # of a car that drives
    dbc: tuple[Path, ...] = ()  # files instead of those of the opendbc package


class SimulatedCar:
    """A car and its bus. `clock` is a fault of its clock, `stuck` one of a sensor."""

    def __init__(self, car: Car, dbcs: Sequence[Dbc], plan: Plan, clock: ClockFault | None) -> None:
        self.car = car
        self.life = CarLife(car)
        self.stuck: StuckSensor | None = None
        if car.number in plan.faults.cars("stuck_sensor", plan.seed, plan.vehicles):
            dice = fault_generator(plan.seed, "stuck_sensor", car.number)
            sensor, from_s = dice.choice(list(SENSORS)), int(dice.integers(*STUCK_FROM_S))
            self.stuck = StuckSensor(self.life, str(sensor), from_s)
        self.clock = clock
        self._bus = CarBus(self.stuck or self.life, dbcs, frames_per_second=plan.frames_per_second)

    def frames(self, from_us: int, until_us: int, origin_us: int) -> FrameBlock:
        """Return the frames of a span of simulated time, dated by the car's clock."""
        block = self._bus.frames(from_us, until_us, origin_us)
        return self.clock.applied(block, origin_us) if self.clock else block


def mappings_of(platform: Platform) -> tuple[str, str]:
    """Return the names of the mappings that read the frames of a platform."""
    return platform.value, OWN_MAPPING


class Platforms:
    """The mapping and the DBC files of each platform, read once; `given` are files instead of the package's."""

    def __init__(self, catalogue: Catalogue, given: Sequence[Path] = ()) -> None:
        self._catalogue = catalogue
        self._given = given
        self._known: dict[Platform, tuple[SignalMapping, tuple[Dbc, ...]]] = {}

    def of(self, platform: Platform) -> tuple[SignalMapping, tuple[Dbc, ...]]:
        """Return what reads the frames of a platform. Raises BadInputError where its DBC files are not to be had."""
        if platform not in self._known:
            mapping = mapping_of(mappings_of(platform), self._catalogue)
            given = [path for path in self._given if path.name in mapping.dbc_files]
            self._known[platform] = mapping, can_dbcs(mapping, given)
        return self._known[platform]


def simulated_cars(plan: Plan, platforms: Platforms) -> Iterator[SimulatedCar]:
    """Yield the cars of a plan. Raises BadInputError for a plan that cannot be, before the first one."""
    clocks = clock_faults(plan.faults, plan.seed, plan.vehicles)
    cars = simulated_fleet(plan.vehicles, plan.seed, plan.brands)
    dbcs = {platform: platforms.of(platform)[1] for platform in dict.fromkeys(car.platform for car in cars)}
    return (SimulatedCar(car, dbcs[car.platform], plan, clocks.get(car.number)) for car in cars)


class _Stream:
    """One stream of one car: from frames to batches. A batch is cut at the end of every step."""

    def __init__(
        self, car: SimulatedCar, mapping: SignalMapping, dbcs: Sequence[Dbc], vehicle_id: UUID, stream_id: str
    ) -> None:
        self.car = car
        self._translator = CanTranslator(mapping, dbcs)
        self._changes = ChangeDetector(mapping)
        self._batcher = Batcher(vehicle_id, stream_id, origin=can_origin("simulated bus", mapping, dbcs))

    def step(self, from_us: int, until_us: int, origin_us: int) -> tuple[int, list[SignalBatch]]:
        """Return how many frames a span of simulated time has, and the batches that the car sends at its end."""
        block = self.car.frames(from_us, until_us, origin_us)
        if not len(block):
            return 0, []
        said = self._translator.translate(block)
        sent_at = Micros(origin_us + until_us)
        batches = self._batcher.add(self._changes.changed(said.columns), said.trouble_codes, received_at=sent_at)
        return len(block), [*batches, *self._batcher.cut(received_at=sent_at)]

    def finish(self, sent_at: Micros) -> SignalBatch:
        """Return the last batch of the stream."""
        self._translator.close()
        self._changes.finish()
        return self._batcher.finish(received_at=sent_at)


class Simulation:
    """A fleet that is simulated into twins, from `from_us` of simulated time on.

    `origin_us` is the true time of simulated second 0. `session` names the streams: a session that goes on where
    another one ended has a name of its own. Raises BadInputError for a plan that cannot be.
    """

    def __init__(
        self, plan: Plan, fleet: Twins, catalogue: Catalogue, *, origin_us: int, session: str, from_us: int = 0
    ) -> None:
        self.plan = plan
        platforms = Platforms(catalogue, plan.dbc)
        self.cars = list(simulated_cars(plan, platforms))
        self.origin_us = origin_us
        self.from_us = self.at_us = from_us
        self.counts = Counts()
        self.delivery = Delivery(plan.faults, plan.seed, plan.vehicles, origin_us)
        self._fleet = fleet
        self._stream_id = f"simulator:{session}"
        self.vehicle_ids: dict[int, UUID] = {}
        self._streams: list[_Stream] = []
        self._arrived: list[SignalBatch] = []  # and not taken yet
        self._finished = False
        for simulated in self.cars:
            car = simulated.car
            vehicle_id = fleet.register(car.vin, brand=car.brand, model=car.model, at=Micros(origin_us + from_us))
            self.vehicle_ids[car.number] = vehicle_id
            mapping, dbcs = platforms.of(car.platform)
            self._streams.append(_Stream(simulated, mapping, dbcs, vehicle_id, self._stream_id))

    def step(self, until_us: int) -> None:
        """Simulate up to a time, and take what arrives by then; after a failure the same call goes on with the rest."""
        if until_us > self.at_us:
            for stream in self._streams:
                frames, batches = stream.step(self.at_us, until_us, self.origin_us)
                self.counts.frames += frames
                for batch in batches:
                    self.delivery.send(stream.car.car.number, batch, until_us)
            self.at_us = until_us
            self._arrived += self.delivery.arrived(until_us)
        self._take()

    def run(
        self, until_us: int, tell: Callable[[Progress], None], note: Callable[[int], None] = lambda _: None
    ) -> None:
        """Simulate up to a time in steps of `STEP_S`, as fast as the machine does.

        `note` is given each simulated time before anything of it is taken.
        """
        while self.at_us < until_us:
            following_us = min(until_us, self.at_us + STEP_S * MICROS_PER_SECOND)
            note(following_us)
            self.step(following_us)
            tell(self.progress)

    def finish(self) -> None:
        """End every stream, and take what is still on its way; after a failure, likewise."""
        if not self._finished:
            sent_at = Micros(self.origin_us + self.at_us)
            for stream in self._streams:
                self.delivery.send(stream.car.car.number, stream.finish(sent_at), self.at_us)
            self._arrived += self.delivery.rest()
            self._finished = True
        self._take()

    def progress_of(self, car: int) -> StreamProgress:
        """Return how far the stream of a car has been taken."""
        return self._fleet.progress(self.vehicle_ids[car], self._stream_id)

    @property
    def progress(self) -> Progress:
        """How far the simulation is."""
        counts = self.counts
        return Progress(
            (self.at_us - self.from_us) / MICROS_PER_SECOND, counts.frames, counts.batches, counts.events.total()
        )

    def _take(self) -> None:
        while self._arrived:
            batches = self._arrived[:TAKEN_AT_ONCE]
            taken = take_in_turn(self._fleet, batches)
            del self._arrived[: len(batches)]
            self.counts.batches += len(batches)
            self.counts.duplicate_batches += taken.duplicates
            self.counts.events.update(type(event).__name__ for event in taken.events)
