"""What can go wrong between a simulated car and its twin: shares of batches and of cars, and what they do.

Faults of the way (lost, doubled, reordered, late, tunnel) meet batches, in `adapters.simulator.delivery`; faults of the
car itself (its clock, a sensor) are in the frames that it sends.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from math import ceil
from typing import Final, NamedTuple

import numpy as np

from adapters.can.frames import FrameBlock
from domain.errors import BadInputError
from domain.units import MICROS_PER_SECOND

ALL: Final = "all"
HOUR_US: Final = 3_600 * MICROS_PER_SECOND
CLOCK_FAULT_FROM_S: Final = (300, 1_200)  # a clock is wrong from a moment between these
CLOCK_FAULT_S: Final = (60, 600)  # for a time between these
TUNNEL_FROM_S: Final = (300, 900)
STUCK_FROM_S: Final = (300, 900)
AHEAD_US: Final = 40 * 365 * 24 * HOUR_US  # of a clock that shows the future: forty years


@dataclass(frozen=True, slots=True)
class Faults:
    """How much goes wrong: a share from 0 to 1 of the batches, or (rounded up to whole cars) of the cars."""

    lost: float = 0.0  # of the batches: they never arrive; the last one of a stream always does
    doubled: float = 0.0  # of the batches: they arrive twice
    reordered: float = 0.0  # of the batches: later ones overtake them
    late: float = 0.0  # of the batches: they arrive hours later
    tunnel: float = 0.0  # of the cars: an hour of batches arrives at once
    clock_1970: float = 0.0  # of the cars: the clock shows 1970 for some minutes
    clock_future: float = 0.0  # of the cars: it shows a far year for some minutes
    stuck_sensor: float = 0.0  # of the cars: a sensor repeats itself from some moment on

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Faults":
        """Return the faults that "lost=0.05", "tunnel" (with its usual share) or "all" name. Raises BadInputError."""
        faults = cls()
        for text in texts:
            name, given, share_text = text.partition("=")
            name = name.replace("-", "_")
            if name != ALL and name not in _USUAL:
                known = ", ".join([ALL, *(each.replace("_", "-") for each in _USUAL)])
                raise BadInputError(f"there is no fault {text!r}", where="--fault", remedy=f"give one of {known}")
            try:
                share = float(share_text) if given else None
            except ValueError:
                share = -1.0
            if share is not None and not 0 <= share <= 1:
                what = f"{share_text!r} is no share of {name.replace('_', '-')}"
                raise BadInputError(what, where="--fault", remedy="give a number from 0 to 1, or none")
            chosen = _USUAL if name == ALL else {name: _USUAL[name]}
            faults = replace(faults, **{each: usual if share is None else share for each, usual in chosen.items()})
        return faults

    @property
    def of_the_way(self) -> bool:
        """Whether something goes wrong between car and twin."""
        return any((self.lost, self.doubled, self.reordered, self.late, self.tunnel))

    def cars(self, name: str, seed: int, vehicles: int) -> frozenset[int]:
        """Return the numbers of the cars that a fault of cars meets."""
        count = ceil(getattr(self, name) * vehicles)
        order = fault_generator(seed, name).permutation(vehicles)
        return frozenset(order[:count].tolist())


_USUAL: Final = {
    "lost": 0.01,
    "doubled": 0.02,
    "reordered": 0.02,
    "late": 0.01,
    "tunnel": 0.05,
    "clock_1970": 0.05,
    "clock_future": 0.05,
    "stuck_sensor": 0.05,
}
assert list(_USUAL) == [field.name for field in fields(Faults)]


def fault_generator(seed: int, name: str, *numbers: int) -> np.random.Generator:
    """Return the dice of one fault, of one car or one batch: no two share theirs."""
    words = [int.from_bytes(name.encode()), *numbers]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


class Window(NamedTuple):
    """A span of simulated time, microseconds; `until_us` is after its end."""

    from_us: int
    until_us: int

    @classmethod
    def drawn(cls, dice: np.random.Generator, from_s: tuple[int, int], length_s: tuple[int, int]) -> "Window":
        """Return a window that begins and lasts whole seconds between the given ones."""
        began = int(dice.integers(*from_s, endpoint=True))
        ended = began + int(dice.integers(*length_s, endpoint=True))
        return cls(began * MICROS_PER_SECOND, ended * MICROS_PER_SECOND)


class ClockFault(NamedTuple):
    """For a while a car's clock shows `captured_at` off by `offset_us`, or 1970 where that is None."""

    window: Window
    offset_us: int | None

    def applied(self, block: FrameBlock, origin_us: int) -> FrameBlock:
        """Return the frames as the car's clock dates them. `origin_us` is the true time of simulated second 0."""
        began = origin_us + self.window.from_us
        wrong = (block.captured_at >= began) & (block.captured_at < origin_us + self.window.until_us)
        if not wrong.any():
            return block
        offset = -began if self.offset_us is None else self.offset_us
        times = np.where(wrong, block.captured_at + offset, block.captured_at)
        return FrameBlock(times, block.can_id, block.bus, block.length, block.data)


def clock_faults(faults: Faults, seed: int, vehicles: int) -> dict[int, ClockFault]:
    """Return the clock faults of a fleet, by number of the car; a car has at most one."""
    found: dict[int, ClockFault] = {}
    for name, offset in (("clock_future", AHEAD_US), ("clock_1970", None)):
        for car in faults.cars(name, seed, vehicles):
            window = Window.drawn(fault_generator(seed, name, car), CLOCK_FAULT_FROM_S, CLOCK_FAULT_S)
            found[car] = ClockFault(window, offset)
    return found


def tunnels(faults: Faults, seed: int, vehicles: int) -> dict[int, Window]:
    """Return when cars are in a tunnel, by number: for an hour each."""
    hour_s = HOUR_US // MICROS_PER_SECOND
    return {
        car: Window.drawn(fault_generator(seed, "tunnel", car), TUNNEL_FROM_S, (hour_s, hour_s))
        for car in faults.cars("tunnel", seed, vehicles)
    }
