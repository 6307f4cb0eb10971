"""Frames of simulated cars that drive, one core, with what the physics of the day costs; there is no peer for it.

The ignition of a car is on for an hour and a half a day, so its day, which is written once for each part of it, is
charged to so many frames. Decoding is not part of it. Times are those that the process had a processor for.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from adapters.can.candump_writer import candump_text
from adapters.can.dbc import load_dbc, opendbc_path
from adapters.can.frames import FrameBlock
from adapters.live_fleet import STEP_S
from adapters.simulation import STEP_S as SIMULATED_STEP_S
from adapters.simulator.bus import CarBus
from adapters.simulator.fleet import Car, simulated_fleet
from adapters.simulator.life import CarLife
from adapters.simulator.specs import Drive
from adapters.simulator.trace import DAY_S, PART_S
from bench.report import ROOT, Result
from domain.units import MICROS_PER_SECOND

SEED: Final = 42
FLEET: Final = 8  # the first cars of a fleet have every drive
LIVE_S: Final = int(STEP_S)  # what is asked for at a time, live …
FAST_S: Final = SIMULATED_STEP_S  # … and as fast as the machine does
SPAN_S: Final = 300  # of each car
ROUNDS: Final = 5
DRIVEN_S: Final = 5_400  # of a day: mean of the time with ignition, 60 cars and three days
FRAMES_PER_SECOND: Final = 1_000
CARS_BAR: Final = 200  # in real time, on one core
TEXT_BAR: Final = 1_000_000  # frames/s


def run() -> Sequence[Result]:
    """Simulate one car of each drive while it drives."""
    dbcs = {name: load_dbc(opendbc_path(name)) for name in ("vw_meb", "vw_mqb")}
    dbcs["fleettwin"] = load_dbc(Path(ROOT, "schemas/dbc/fleettwin.dbc"))
    results: list[Result] = []
    for block_s in (LIVE_S, FAST_S):
        seconds = frames = 0.0
        for car in one_of_each_drive():
            bus_s, blocks = best_blocks(car, CarBus(CarLife(car), dbcs), block_s)
            count = sum(map(len, blocks))
            seconds += bus_s + best_day(car) * (DAY_S / PART_S) * SPAN_S / DRIVEN_S
            frames += count
            name = f"{car.spec.model}: {count:,} frames, asked for every {block_s} s"
            results.append(Result(name=name, unit="frames/s", ours=count / bus_s, bar=CARS_BAR * FRAMES_PER_SECOND))
            if block_s == FAST_S:
                results.append(written(car, blocks))
        name = (
            f"simulated cars in real time on one core, {FRAMES_PER_SECOND:,} frames/s each, asked for every {block_s} s"
        )
        results.append(Result(name=name, unit="cars", ours=frames / seconds / FRAMES_PER_SECOND, bar=CARS_BAR))
    return results


def one_of_each_drive() -> list[Car]:
    """Return the first car of a fleet with each drive."""
    fleet = simulated_fleet(FLEET, SEED)
    return [next(car for car in fleet if car.drive is drive) for drive in Drive]


def best_day(car: Car) -> float:
    """Return the seconds that a day of a car takes, the best of some."""
    seconds = []
    for _ in range(ROUNDS):
        life = CarLife(car)
        began = time.process_time()
        life.day(0)
        seconds.append(time.process_time() - began)
    return min(seconds)


def best_blocks(car: Car, bus: CarBus, block_s: int) -> tuple[float, list[FrameBlock]]:
    """Return the blocks of a car that drives, and the seconds that they take in the best round."""
    moving = np.flatnonzero(CarLife(car).day(0).speed_kmh > 0)
    first_s = int(moving[0])
    spans = [
        (begin_s * MICROS_PER_SECOND, (begin_s + block_s) * MICROS_PER_SECOND)
        for begin_s in range(first_s, first_s + SPAN_S, block_s)
    ]
    bus.frames(*spans[0], 0)  # the day is worked out
    least, blocks = float("inf"), []
    for _ in range(ROUNDS):
        began = time.process_time()
        blocks = [bus.frames(begin, end, 0) for begin, end in spans]
        least = min(least, time.process_time() - began)
    return least, blocks


def written(car: Car, blocks: Sequence[FrameBlock]) -> Result:
    """Return how fast the frames become candump text."""
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for block in blocks:
            candump_text(block)
        least = min(least, time.process_time() - began)
    name = f"{car.spec.model}: the same as candump text"
    return Result(name=name, unit="frames/s", ours=sum(map(len, blocks)) / least, bar=TEXT_BAR)
