"""Frames of simulated cars that drive, one core, with what the physics of the day costs; there is no peer for it.

A car drives two hours of a day, so its day, which is written once for each part of it, is charged to two hours of
frames. Decoding is not part of it.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from adapters.can.candump_writer import candump_text
from adapters.can.dbc import load_dbc, opendbc_path
from adapters.can.frames import FrameBlock
from adapters.simulator.bus import CarBus
from adapters.simulator.fleet import Car, simulated_fleet
from adapters.simulator.life import CarLife
from adapters.simulator.specs import Drive
from adapters.simulator.trace import DAY_S, PART_S
from bench.report import ROOT, Result
from domain.units import MICROS_PER_SECOND

SEED: Final = 42
FLEET: Final = 8  # the first cars of a fleet have every drive
BLOCK_S: Final = 10
BLOCKS: Final = 60  # of each car: ten minutes
ROUNDS: Final = 5
DRIVEN_S: Final = 7_200  # of a day
FRAMES_PER_SECOND: Final = 1_000
CARS_BAR: Final = 200  # in real time, on one core
TEXT_BAR: Final = 1_000_000  # frames/s


def run() -> Sequence[Result]:
    """Simulate one car of each drive while it drives."""
    dbcs = {name: load_dbc(opendbc_path(name)) for name in ("vw_meb", "vw_mqb")}
    dbcs["fleettwin"] = load_dbc(Path(ROOT, "schemas/dbc/fleettwin.dbc"))
    results: list[Result] = []
    seconds = frames = 0.0
    for car in one_of_each_drive():
        day_s = best_day(car)
        bus_s, blocks = best_blocks(car, CarBus(CarLife(car), dbcs))
        count = sum(map(len, blocks))
        name = f"{car.spec.model}: {count:,} frames in blocks of {BLOCK_S} s"
        results.append(Result(name=name, unit="frames/s", ours=count / bus_s, bar=CARS_BAR * FRAMES_PER_SECOND))
        seconds += bus_s + day_s * (DAY_S / PART_S) * BLOCKS * BLOCK_S / DRIVEN_S
        frames += count
        results.append(written(car, blocks))
    cars = frames / seconds / FRAMES_PER_SECOND
    name = f"simulated cars in real time on one core, at {FRAMES_PER_SECOND:,} frames a second a car, days included"
    return [*results, Result(name=name, unit="cars", ours=cars, bar=CARS_BAR)]


def one_of_each_drive() -> list[Car]:
    """Return the first car of a fleet with each drive."""
    fleet = simulated_fleet(FLEET, SEED)
    return [next(car for car in fleet if car.drive is drive) for drive in Drive]


def best_day(car: Car) -> float:
    """Return the seconds that a day of a car takes, the best of some."""
    seconds = []
    for _ in range(ROUNDS):
        life = CarLife(car)
        began = time.perf_counter()
        life.day(0)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def best_blocks(car: Car, bus: CarBus) -> tuple[float, list[FrameBlock]]:
    """Return the blocks of a car that drives, and the seconds that they take in the best round."""
    moving = np.flatnonzero(CarLife(car).day(0).speed_kmh > 0)
    first_us = int(moving[0]) * MICROS_PER_SECOND
    spans = [
        (first_us + number * BLOCK_S * MICROS_PER_SECOND, first_us + (number + 1) * BLOCK_S * MICROS_PER_SECOND)
        for number in range(BLOCKS)
    ]
    bus.frames(*spans[0], 0)  # the day is worked out
    least, blocks = float("inf"), []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        blocks = [bus.frames(begin, end, 0) for begin, end in spans]
        least = min(least, time.perf_counter() - began)
    return least, blocks


def written(car: Car, blocks: Sequence[FrameBlock]) -> Result:
    """Return how fast the frames become candump text."""
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for block in blocks:
            candump_text(block)
        least = min(least, time.perf_counter() - began)
    name = f"{car.spec.model}: the same as candump text"
    return Result(name=name, unit="frames/s", ours=sum(map(len, blocks)) / least, bar=TEXT_BAR)
