"""A drive that is about to be made: its rows, its motion, what it takes; shorter where energy or the day is short."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from adapters.simulator.driver import SHORTEST_S, Driver, Errand
from adapters.simulator.fleet import Car
from adapters.simulator.motion import Motion, move
from adapters.simulator.power import Use, use
from adapters.simulator.routes import Route
from adapters.simulator.speeds import drive_kmh
from adapters.simulator.state import CarState
from adapters.simulator.trace import DAY_S, Numbers
from adapters.simulator.warmth import Warmth

LAST_ROW: Final = DAY_S - 600  # by then the car is at rest again
LEAST_SHARE: Final = 0.05  # of the battery, LEAST_L of the tank: a drive that leaves less is not made
LEAST_L: Final = 2.0
STRAIGHT_DEG, FLOWING_KMH = 15.0, 15.0
EDGE_M: Final = 100.0  # no drive goes so near the end of its road
_TURN_BACK_M: Final = 9_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """When things happen, by row of the day."""

    woken: int
    opened: int
    seated: int  # the door is shut
    on: int  # ignition
    geared: int
    go: int  # the last second of standstill
    stop: int  # the first one
    off: int  # ignition
    left: int  # accessories off


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """A drive. `speed_kmh` and `use` are from ignition on to off, `motion` from `rows.go` to `rows.stop`."""

    rows: Rows
    motion: Motion
    use: Use
    speed_kmh: Numbers
    onward: bool
    tunnel: tuple[int, int] | None  # rows without a fix


class Standing(Protocol):
    """A car before a drive."""

    car: Car
    driver: Driver
    road: Route
    state: CarState
    chance: np.random.Generator
    coolant: Warmth


def opened_rows(chance: np.random.Generator, woken: int, *, plugged: bool) -> Rows:
    """Return the rows of a drive from the waking of the car on, as far as its length does not matter."""
    opened = woken + (5 if plugged else 0)
    seated = opened + int(chance.integers(4, 9))
    on = seated + int(chance.integers(3, 8))
    geared = on + int(chance.integers(8, 15))
    go = geared + int(chance.integers(2, 6))
    off = go + int(chance.integers(5, 25))
    left = off + int(chance.integers(5, 14))
    return Rows(woken=woken, opened=opened, seated=seated, on=on, geared=geared, go=go, stop=go, off=off, left=left)


def choose_leg(standing: Standing, errand: Errand, rows: Rows, outside_celsius: float) -> Leg | None:
    """Return the drive, made shorter until energy and day suffice; None where even the shortest does not fit."""
    state, road = standing.state, standing.road
    onward = state.onward != errand.homeward
    if _room_m(state, road, onward=onward) < _TURN_BACK_M:
        onward = not onward
    room_m = _room_m(state, road, onward=onward)
    wanted_s = errand.wanted_s
    while wanted_s >= SHORTEST_S // 2:
        speeds = drive_kmh(standing.chance, wanted_s, room_m, standing.driver.pace)
        leg = _leg(standing, rows, speeds, outside_celsius, onward=onward) if len(speeds) else None
        if leg and leg.rows.left <= LAST_ROW - 600 and _suffices(standing, leg.use):
            return leg
        wanted_s = wanted_s * 2 // 3
    return None


def _room_m(state: CarState, road: Route, *, onward: bool) -> float:
    return (road.length_m - state.place_m if onward else state.place_m) - EDGE_M


def _suffices(standing: Standing, taken: Use) -> bool:
    spec = standing.car.spec
    least_kwh = LEAST_SHARE * spec.battery_kwh
    return bool(taken.energy_kwh.min() >= least_kwh) and (not spec.tank_l or bool(taken.fuel_l[-1] >= LEAST_L))


def _leg(standing: Standing, rows: Rows, speeds_kmh: Numbers, outside_celsius: float, *, onward: bool) -> Leg:
    lasts = len(speeds_kmh) - 1
    moved = Rows(
        woken=rows.woken,
        opened=rows.opened,
        seated=rows.seated,
        on=rows.on,
        geared=rows.geared,
        go=rows.go,
        stop=rows.go + lasts,
        off=rows.off + lasts,
        left=rows.left + lasts,
    )
    state, spec = standing.state, standing.car.spec
    motion = move(standing.road, state.place_m, state.heading_deg, speeds_kmh, spec.wheelbase_m, onward=onward)
    speed = np.concatenate((np.zeros(moved.go - moved.on), speeds_kmh, np.zeros(moved.off - moved.stop)))
    coolant = outside_celsius + standing.coolant.now_k
    taken = use(spec, speed, outside_celsius, state.energy_kwh, state.fuel_l, coolant)
    return Leg(moved, motion, taken, speed, onward, _tunnel(standing.chance, moved, motion))


def _tunnel(chance: np.random.Generator, rows: Rows, motion: Motion) -> tuple[int, int] | None:
    """Return the rows of a tunnel that some drives pass, if the road is straight there and the car does not stop.

    The receiver has no fix in it, and a twin joins its ends by a straight line.
    """
    lasts_s = int(chance.integers(15, 60))
    if chance.random() > 0.2 or rows.stop - rows.go < 600:
        return None
    begins = int(chance.integers(120, rows.stop - rows.go - 300))
    inside = slice(begins, begins + lasts_s + 1)
    if np.ptp(motion.heading_deg[inside]) > STRAIGHT_DEG or motion.speed_kmh[inside].min() < FLOWING_KMH:
        return None
    return rows.go + begins, rows.go + begins + lasts_s
