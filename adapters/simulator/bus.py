"""The CAN bus of a simulated car: frames of any span of simulated time, the same however the time is cut.

A message is sent again and again since the simulation began, each time a little early or late; where the bus sleeps,
the sending is left out and the counting goes on. So which frame comes when, and what its counter is, follows from its
index alone.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from adapters.can.blocks import joined_run, run_slice, run_take
from adapters.can.dbc import Dbc
from adapters.can.encode import Encoder
from adapters.can.end_to_end import is_sealed, seal
from adapters.can.frames import CLASSIC_WIDTH, FD_WIDTH, FrameBlock
from adapters.simulator.ecu import exchanges
from adapters.simulator.messages import BusCar, Message, Moments, timetable
from adapters.simulator.messages_meb import MEB
from adapters.simulator.messages_mqb import MQB
from adapters.simulator.messages_own import own_messages
from adapters.simulator.specs import Platform
from adapters.simulator.trace import PART_S, Said, Trace
from domain.errors import BadInputError
from domain.units import MICROS_PER_SECOND

FRAMES_PER_SECOND: Final = 1_000  # of a car that drives
JITTER_US: Final = 300  # a frame is sent less than this later than its period has it
SAID_DAYS_KEPT: Final = 3
PART_US: Final = PART_S * MICROS_PER_SECOND

_MASK: Final = (1 << 64) - 1


class Life(Protocol):
    """What is true of a car, part of a day by part."""

    @property
    def car(self) -> BusCar:
        """The car."""

    def part(self, number: int, /) -> Trace:
        """Return the part 0, 1, 2 … of the simulation, `PART_S` each."""

    def said(self, day: int, /) -> Sequence[Said]:
        """Return what control units say on day 0, 1, 2 …."""


class CarBus:
    """What is sent on the bus of one car. `dbcs` are the DBC files of its platform and of our own messages."""

    def __init__(
        self, life: Life, dbcs: Mapping[str, Dbc] | Sequence[Dbc], *, frames_per_second: int = FRAMES_PER_SECOND
    ) -> None:
        self._life = life
        car = life.car
        platform = car.platform.value
        if isinstance(dbcs, Mapping):
            dbcs = [dbcs[name] for name in (platform, "fleettwin")]
        table = timetable(
            (*(MEB if car.platform is Platform.MEB else MQB), *own_messages(car.drive)), frames_per_second
        )
        self._senders = [
            _Sender(message, period_us, car, platform, dbcs)
            for message, period_us in zip(table.messages, table.periods_us, strict=True)
        ]
        self._said: dict[int, FrameBlock] = {}

    def frames(self, from_us: int, until_us: int, origin_us: int) -> FrameBlock:
        """Return the frames whose simulated time is in [from_us, until_us), in order of time.

        `captured_at` is `origin_us` plus the simulated time. A block is 8 bytes wide, or 64 with CAN FD frames in it.
        """
        assert from_us >= 0
        runs = [
            self._of_part(part, max(from_us, part * PART_US), min(until_us, (part + 1) * PART_US), origin_us)
            for part in range(from_us // PART_US, -(-until_us // PART_US))
        ]
        runs = [run for run in runs if len(run)]
        return joined_run(runs) if runs else _NO_FRAMES

    def _of_part(self, number: int, from_us: int, until_us: int, origin_us: int) -> FrameBlock:
        trace = self._life.part(number)
        day = trace.day
        awake = _Awake.of(trace, from_us, until_us)
        sent = [sent for sender in self._senders if (sent := sender.sent(trace, awake, from_us, until_us)) is not None]
        said = [part for of in (day - 1, day) if of >= 0 for part in [self._told(of, from_us, until_us)] if len(part)]
        lengths = [len(part.at_us) for part in sent]
        frames = sum(lengths)
        width = FD_WIDTH if any(part.data.shape[1] > CLASSIC_WIDTH for part in sent) else CLASSIC_WIDTH
        if not frames and not said:
            return _NO_FRAMES
        at_us = np.empty(frames, np.int64)
        data = np.zeros((frames, width), np.uint8)
        first = 0
        for part, count in zip(sent, lengths, strict=True):
            rows = slice(first, first + count)
            at_us[rows], data[rows, : part.data.shape[1]] = part.at_us, part.data
            first += count
        can_id = np.repeat(np.array([part.can_id for part in sent], np.uint32), lengths)
        length = np.repeat(np.array([part.data.shape[1] for part in sent], np.uint8), lengths)
        whole = FrameBlock(at_us, can_id, np.zeros(frames, np.uint8), length, data)
        if said:
            whole = joined_run([whole, *said])
        whole = run_take(whole, np.argsort(whole.captured_at, kind="stable"))
        whole.captured_at[:] += origin_us
        return whole

    def _told(self, day: int, from_us: int, until_us: int) -> FrameBlock:
        """Return the diagnostic frames of a span that belong to what is said on a day."""
        if day not in self._said:
            self._said[day] = exchanges(self._life.said(day), self._life.car.vin)
            while len(self._said) > SAID_DAYS_KEPT:
                del self._said[next(iter(self._said))]
        said = self._said[day]
        first, end = np.searchsorted(said.captured_at, [from_us, until_us]).tolist()
        return run_slice(said, first, end)


class _Awake(NamedTuple):
    """What the bus does in the seconds of a span from second `first` of the simulation on."""

    first: int
    fully: NDArray[np.bool_]
    at_rest: NDArray[np.bool_]  # the car only charges

    @classmethod
    def of(cls, trace: Trace, from_us: int, until_us: int) -> "_Awake":
        first, end = from_us // MICROS_PER_SECOND, -(-until_us // MICROS_PER_SECOND)
        rows = slice(first - trace.first_s, end - trace.first_s)
        in_use = trace.accessories[rows] | trace.ignition[rows] | trace.driver_door_open[rows]
        at_rest = trace.awake[rows] & trace.charging[rows] & ~in_use
        return cls(first, trace.awake[rows] & ~at_rest, at_rest)


class _Sent(NamedTuple):
    at_us: NDArray[np.int64]
    can_id: int
    data: NDArray[np.uint8]


class _Sender:
    """Sends one message."""

    def __init__(self, message: Message, period_us: int, car: BusCar, platform: str, dbcs: Sequence[Dbc]) -> None:
        self._message = message
        self._car = car
        self._platform = platform
        self._period_us = period_us
        self._can_id, self._encoder = _found(message.name, dbcs)
        self._sealed = is_sealed(platform, self._can_id)
        self._key = np.uint64(_mixed(_mixed(_mixed(car.seed) ^ car.number) ^ self._can_id))
        self._phase_us = int(self._key) % period_us

    def sent(self, trace: Trace, awake: _Awake, from_us: int, until_us: int) -> _Sent | None:
        """Return the frames of a span within the columns of `trace`, None if there is none."""
        if not awake.fully.any() and not (self._message.at_rest and awake.at_rest.any()):
            return None
        first = max(-(-(from_us - JITTER_US - self._phase_us) // self._period_us), 0)
        end = max(-(-(until_us - self._phase_us) // self._period_us), first)
        index = np.arange(first, end, dtype=np.int64)
        due_us = index * self._period_us + self._phase_us
        at_us = due_us + self._late_us(index)
        second = at_us // MICROS_PER_SECOND - awake.first
        inside = (at_us >= from_us) & (at_us < until_us)
        second = np.where(inside, second, 0)
        speaks = awake.fully[second]
        if self._message.at_rest:
            opens_second = due_us // MICROS_PER_SECOND != (due_us - self._period_us) // MICROS_PER_SECOND
            speaks |= awake.at_rest[second] & opens_second
        speaks &= inside
        if not speaks.all():
            index, at_us = index[speaks], at_us[speaks]
        if not len(index):
            return None
        values = self._message.values(Moments(trace, at_us), self._car)
        data = self._encoder.encode(values, len(index))
        if self._sealed:
            seal(self._platform, self._can_id, data, index)
        return _Sent(at_us, self._can_id, data)

    def _late_us(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how late each frame is, by chance that follows from its index (the mixing of splitmix64)."""
        bits = (index.view(np.uint64) + self._key) * np.uint64(0x9E37_79B9_7F4A_7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) >> np.uint64(32)
        return ((bits * np.uint64(JITTER_US)) >> np.uint64(32)).view(np.int64)


def _found(name: str, dbcs: Sequence[Dbc]) -> tuple[int, Encoder]:
    """Return the identifier and the encoder of a message, of the first file that has it."""
    for dbc in dbcs:
        for can_id, message in dbc.messages.items():
            if message.name == name:
                return can_id, Encoder(message)
    files = ", ".join(str(dbc.path) for dbc in dbcs)
    raise BadInputError(f"there is no message {name}", where=files, remedy="simulate with the DBC files of opendbc")


def _mixed(number: int) -> int:
    """Return 64 bits that look like chance, by a number (splitmix64)."""
    bits = (number + 0x9E37_79B9_7F4A_7C15) & _MASK
    bits = (bits ^ (bits >> 30)) * 0xBF58_476D_1CE4_E5B9 & _MASK
    bits = (bits ^ (bits >> 27)) * 0x94D0_49BB_1331_11EB & _MASK
    return bits ^ (bits >> 31)


_NO_FRAMES: Final = FrameBlock(
    np.empty(0, np.int64),
    np.empty(0, np.uint32),
    np.empty(0, np.uint8),
    np.empty(0, np.uint8),
    np.empty((0, CLASSIC_WIDTH), np.uint8),
)
