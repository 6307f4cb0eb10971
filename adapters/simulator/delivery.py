"""The way from a simulated car to its twin, and what can go wrong on it, in virtual time: nothing waits for a clock."""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from adapters.simulator.fault_plan import HOUR_US, Faults, Window, fault_generator, tunnels
from domain.signals import SignalBatch
from domain.units import MICROS_PER_SECOND, Micros

TRAVEL_US: Final = 200_000  # from a car to the cloud
REORDERED_S: Final = (30.0, 180.0)  # later ones overtake a batch that takes so long
LATE_HOURS: Final = (1.0, 6.0)
DOUBLED_S: Final = (1.0, 600.0)  # after its first arrival a batch comes again


class LostBatch(NamedTuple):
    """A batch that never arrives, with the simulated time from the batch before it to its own."""

    car: int
    sequence: int
    window: Window


class DelayedBatch(NamedTuple):
    """A batch that arrives later than it could, with the simulated time from the batch before it to its own."""

    sequence: int
    window: Window
    arrived_us: int


class _Travelling(NamedTuple):
    due_us: int
    order: int  # in which it was sent: no two share theirs
    car: int
    batch: SignalBatch
    again: bool  # it comes for the second time


@dataclass(slots=True)
class Delivery:
    """Delivers the batches of a fleet of `vehicles` cars.

    `lost` says what never arrives, `delayed` what comes late, `overtaken` which of these come after a later one.
    `origin_us` is the true time of simulated second 0: a batch is received at `origin_us` plus the simulated time.
    """

    faults: Faults
    seed: int
    vehicles: int
    origin_us: int
    lost: list[LostBatch] = field(default_factory=list)
    delayed: defaultdict[int, list[DelayedBatch]] = field(default_factory=lambda: defaultdict(list))  # by car
    overtaken: set[tuple[int, int]] = field(default_factory=set)  # car and sequence
    doubled: int = 0
    _tunnels: dict[int, Window] = field(init=False)
    _travelling: list[_Travelling] = field(default_factory=list)  # a heap
    _newest_arrived: dict[int, int] = field(default_factory=dict)  # sequence, by car
    _sent: int = 0
    _sent_until_us: dict[int, int] = field(default_factory=dict)  # by car

    def __post_init__(self) -> None:
        self._tunnels = tunnels(self.faults, self.seed, self.vehicles)

    def send(self, car: int, batch: SignalBatch, at_us: int) -> None:
        """Send a batch of a car at a simulated time; those of one car are sent in order."""
        window = Window(self._sent_until_us.get(car, 0), at_us)
        self._sent_until_us[car] = at_us
        dice = fault_generator(self.seed, "batch", car, batch.sequence)
        lost, doubled, reordered, late = dice.random(4) < (
            self.faults.lost,
            self.faults.doubled,
            self.faults.reordered,
            self.faults.late,
        )
        if lost and not batch.final:
            self.lost.append(LostBatch(car, batch.sequence, window))
            return
        due_us = at_us + TRAVEL_US
        if reordered:
            due_us += int(dice.uniform(*REORDERED_S) * MICROS_PER_SECOND)
        if late:
            due_us += int(dice.uniform(*LATE_HOURS) * HOUR_US)
        tunnel = self._tunnels.get(car)
        if tunnel and tunnel.from_us <= at_us < tunnel.until_us:
            due_us = max(due_us, tunnel.until_us)
        if due_us > at_us + TRAVEL_US:
            self.delayed[car].append(DelayedBatch(batch.sequence, window, due_us))
        self._travel(due_us, car, batch)
        if doubled:
            self.doubled += 1
            self._travel(due_us + int(dice.uniform(*DOUBLED_S) * MICROS_PER_SECOND), car, batch, again=True)

    def arrived(self, until_us: int) -> list[SignalBatch]:
        """Return what arrives up to a simulated time, in the order of arrival."""
        return list(self._due(until_us))

    def rest(self) -> list[SignalBatch]:
        """Return what is still on its way, in the order of arrival: for the end of a simulation."""
        return list(self._due(None))

    def _travel(self, due_us: int, car: int, batch: SignalBatch, *, again: bool = False) -> None:
        self._sent += 1
        heapq.heappush(self._travelling, _Travelling(due_us, self._sent, car, batch, again))

    def _due(self, until_us: int | None) -> Iterable[SignalBatch]:
        while self._travelling and (until_us is None or self._travelling[0].due_us <= until_us):
            due_us, _, car, batch, again = heapq.heappop(self._travelling)
            newest = self._newest_arrived.get(car, 0)
            if batch.sequence < newest and not again:
                self.overtaken.add((car, batch.sequence))
            self._newest_arrived[car] = max(newest, batch.sequence)
            yield replace(batch, received_at=Micros(self.origin_us + due_us))
