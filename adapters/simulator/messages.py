"""What a message of a simulated car says at given moments, and which messages a car sends how often.

Cycle times are those that are usual on the buses of such cars: 10 and 20 ms for the chassis, 50 and 100 ms for the
body, a second for what changes slowly.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adapters.simulator.specs import Drive, Platform
from adapters.simulator.trace import Codes, Flags, Numbers, Trace
from domain.units import MICROS_PER_SECOND
from domain.vin import Vin


class BusCar(Protocol):
    """What the bus of a car depends on."""

    @property
    def number(self) -> int:
        """Which car of its fleet it is."""

    @property
    def seed(self) -> int:
        """The seed of its fleet."""

    @property
    def vin(self) -> Vin:
        """The vehicle identification number."""

    @property
    def platform(self) -> Platform:
        """The modular kit that it is built from."""

    @property
    def drive(self) -> Drive:
        """What drives it."""

    @property
    def tank_l(self) -> float:
        """What its tank holds; 0: it has none, or it is not known."""


class Moments:
    """What is true at moments `at_us` int64[n], simulated time, all within the columns of `trace`."""

    def __init__(self, trace: Trace, at_us: NDArray[np.int64]) -> None:
        self.trace = trace
        second = at_us // MICROS_PER_SECOND
        self._row = second - trace.first_s
        self._part = (at_us - second * MICROS_PER_SECOND) / MICROS_PER_SECOND

    def number(self, column: Numbers) -> Numbers:
        """Return what lies on the straight line between the seconds."""
        before = column[self._row]
        between: Numbers = before + (column[self._next_row] - before) * self._part
        return between

    def state(self, column: Flags) -> NDArray[np.int64]:
        """Return a flag as it holds for the second: 0 or 1."""
        return column[self._row].astype(np.int64)

    def code(self, column: Codes) -> NDArray[np.int64]:
        """Return a code as it holds for the second."""
        return column[self._row].astype(np.int64)

    def held(self, column: Numbers) -> Numbers:
        """Return a number as it was when the second began."""
        return column[self._row]

    @cached_property
    def _next_row(self) -> NDArray[np.int64]:
        return self._row + 1


Values = Mapping[str, ArrayLike]  # by signal, in the unit of the DBC file; a signal that is not named is raw 0


class Message(NamedTuple):
    """A message as a car sends it."""

    name: str
    period_ms: float  # while the bus is awake
    values: Callable[[Moments, BusCar], Values]
    at_rest: bool = False  # sent, once a second, by a car that only charges as well


def nothing(_moments: Moments, _car: BusCar) -> Values:
    """Return that every signal is raw 0: a message that is on the bus, and that nobody reads."""
    return {}


@dataclass(frozen=True, slots=True)
class Timetable:
    """Messages with their periods in microseconds."""

    messages: tuple[Message, ...]
    periods_us: tuple[int, ...]


PERIOD_US_MAX: Final = 1_000_000  # every message comes once a second at least
PERIOD_US_MIN: Final = 1_000
_SEARCH_STEPS: Final = 60


def timetable(messages: Iterable[Message], frames_per_second: int) -> Timetable:
    """Return when messages are sent for about `frames_per_second` in all: all periods longer or shorter by one factor.

    None is longer than a second, so that as many frames as there are messages are the least.
    """
    sent = tuple(messages)
    low, high = 1e-3, 1e3
    for _ in range(_SEARCH_STEPS):
        factor = (low * high) ** 0.5
        rate = sum(MICROS_PER_SECOND / _period_us(message, factor) for message in sent)
        low, high = (factor, high) if rate > frames_per_second else (low, factor)
    return Timetable(sent, tuple(_period_us(message, high) for message in sent))


def _period_us(message: Message, factor: float) -> int:
    return round(min(max(message.period_ms * 1_000 * factor, PERIOD_US_MIN), PERIOD_US_MAX))
