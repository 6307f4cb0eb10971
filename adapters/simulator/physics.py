"""What moves a car and what it costs: forces along the road, power of the battery, fuel, by the second.

All functions take columns (float64[n], one value a second) and give columns. The road is level and the air is still.
"""

from typing import Final

import numpy as np

from adapters.simulator.specs import CarSpec, Drive
from adapters.simulator.trace import Flags, Numbers

GRAVITY_MS2: Final = 9.81
ROTATING: Final = 1.04  # wheels, shafts and rotor turn faster too: UN GTR No. 15 takes 3 % at least
AIR_PASCAL: Final = 101_325.0
AIR_GAS_J_KG_K: Final = 287.05  # gas constant of dry air
ZERO_CELSIUS_K: Final = 273.15

ELECTRIC_EFFICIENCY: Final = 0.87  # from the battery to the wheels, and back: battery, inverter, motor, one gear
RECUPERATED: Final = 0.92  # of what brakes a car: the axle without a motor brakes as well
ELECTRIC_SYSTEMS_KW: Final = 0.35  # control units, pumps, lights
GENERATOR_KW: Final = 0.70  # at the crankshaft, what a petrol car needs for the same

PETROL_KWH_PER_L: Final = 8.8  # lower heating value
INDICATED_EFFICIENCY: Final = 0.40  # of what an engine burns beyond its own friction (Willans line)
GEARBOX_EFFICIENCY: Final = 0.93
COLD_EXTRA: Final = 0.25  # burnt more by a cold engine
WARM_CELSIUS: Final = 90.0  # the thermostat opens
IDLE_RPM: Final = 780.0
CUT_OFF_RPM: Final = 1_200.0  # above it a car that rolls burns nothing
_RPM_PER_KMH: Final = np.array([115.0, 68.0, 45.0, 34.0, 26.5, 21.5, 18.5])  # of seven gears
_SHIFT_KMH: Final = np.array([14.0, 25.0, 38.0, 50.0, 66.0, 84.0])  # into the next gear

HYBRID_ENGINE_ABOVE_KW: Final = 9.0  # a hybrid of empty battery drives on electricity below it
HYBRID_FLOOR: Final = 0.18  # of the battery; a hybrid keeps it with its engine


def per_second(column: Numbers) -> Numbers:
    """Return how fast a column changes at each second: half the difference of its neighbours."""
    padded = np.concatenate((column[:1], column, column[-1:]))
    mean: Numbers = (padded[2:] - padded[:-2]) / 2
    return mean


def wheel_kw(spec: CarSpec, speed_ms: Numbers, gained_ms2: Numbers, outside_celsius: float) -> Numbers:
    """Return the power at the wheels; negative: the car must be braked."""
    air_kg_m3 = AIR_PASCAL / (AIR_GAS_J_KG_K * (outside_celsius + ZERO_CELSIUS_K))
    newtons = (
        spec.mass_kg * ROTATING * gained_ms2
        + 0.5 * air_kg_m3 * spec.drag_area_m2 * speed_ms**2
        + spec.rolling_resistance * spec.mass_kg * GRAVITY_MS2
    )
    kw: Numbers = newtons * speed_ms / 1000
    return kw


def climate_kw(outside_celsius: float, seconds: Numbers) -> Numbers:
    """Return what heat pump or compressor takes, `seconds` after the start: more until the cabin is as it should be."""
    heating = 0.05 * max(0.0, 19.0 - outside_celsius)
    cooling = 0.07 * max(0.0, outside_celsius - 23.0)
    kw: Numbers = np.minimum((heating + cooling) * (1 + 1.2 * np.exp(-seconds / 300)), 5.0)
    return kw


def battery_kw(spec: CarSpec, at_wheels_kw: Numbers, speed_ms: Numbers, systems_kw: Numbers) -> Numbers:
    """Return the power of the battery of a car that drives on electricity; positive: into the battery.

    Recuperation fades out below 3 m/s, where the brakes take over.
    """
    driving = np.maximum(at_wheels_kw, 0.0) / ELECTRIC_EFFICIENCY
    fade = np.clip((speed_ms - 0.8) / 2.2, 0.0, 1.0)
    braking = np.maximum(-at_wheels_kw, 0.0) * (RECUPERATED * ELECTRIC_EFFICIENCY) * fade
    kw: Numbers = np.minimum(braking, spec.recuperation_kw) - driving - systems_kw
    return kw


def engine_rpm(speed_kmh: Numbers, at_wheels_kw: Numbers, runs: Flags) -> Numbers:
    """Return the speed of the engine behind a gearbox of two clutches and seven gears: high gears, lower under load."""
    load = np.clip((at_wheels_kw - 10.0) / 30.0, 0.0, 1.0)
    gear = np.searchsorted(_SHIFT_KMH, speed_kmh / (1 + 0.45 * load))
    rpm: Numbers = np.where(runs, np.maximum(IDLE_RPM, _RPM_PER_KMH[gear] * speed_kmh), 0.0)
    return rpm


def fuel_l_per_h(spec: CarSpec, at_wheels_kw: Numbers, rpm: Numbers, coolant_celsius: Numbers) -> Numbers:
    """Return what the engine burns: its friction by its speed, and what it gives by a Willans line.

    Nothing while it rests, and nothing while the car drives the engine (overrun cut-off).
    """
    given_kw = np.maximum(at_wheels_kw, 0.0) / GEARBOX_EFFICIENCY + GENERATOR_KW
    idle_kw = spec.idle_l_per_h * PETROL_KWH_PER_L - GENERATOR_KW / INDICATED_EFFICIENCY
    cold = 1 + COLD_EXTRA * np.clip((WARM_CELSIUS - coolant_celsius) / 70.0, 0.0, 1.0)
    burnt_kw = cold * (idle_kw * rpm / IDLE_RPM + given_kw / INDICATED_EFFICIENCY)
    burns = (rpm > 0) & ~((at_wheels_kw < -1.0) & (rpm > CUT_OFF_RPM))
    litres: Numbers = np.where(burns, burnt_kw / PETROL_KWH_PER_L, 0.0)
    return litres


def warming_celsius(start_celsius: float, runs: Flags) -> Numbers:
    """Return the coolant of an engine that warms up in the seconds that it runs in, a few minutes in all."""
    ran_s = np.concatenate(([0.0], np.cumsum(runs[:-1], dtype=np.float64)))
    celsius: Numbers = WARM_CELSIUS - (WARM_CELSIUS - min(start_celsius, WARM_CELSIUS)) * np.exp(-ran_s / 240.0)
    return celsius


def hybrid_kw(
    spec: CarSpec, energy_kwh: float, at_wheels_kw: Numbers, electric_kw: Numbers, standby_kw: Numbers
) -> tuple[Numbers, Flags]:
    """Return the power of a hybrid's battery and when its engine runs.

    Electric down to `HYBRID_FLOOR`; from then on the engine drives where much is wanted, and gives the battery back
    what the rest takes. `electric_kw` is what the battery would do without the engine, `standby_kw` what it gives to
    all but the wheels.
    """
    floor_kwh = HYBRID_FLOOR * spec.battery_kwh
    left_kwh = energy_kwh + integral(electric_kw) / 3600
    empty = int(np.argmax(left_kwh < floor_kwh)) if (left_kwh < floor_kwh).any() else len(left_kwh)
    late = np.arange(len(left_kwh)) >= empty
    runs = late & (at_wheels_kw > HYBRID_ENGINE_ABOVE_KW)
    kw = np.where(runs, -standby_kw, electric_kw)
    if not runs.any():
        return kw, runs
    wanted_kw = -float(np.sum(kw[late])) / float(np.count_nonzero(runs))
    kw[runs] += np.clip(wanted_kw, 0.0, 20.0)
    return kw, runs


def integral(column: Numbers) -> Numbers:
    """Return the integral of a column over its seconds, from 0: the column is straight in between."""
    summed: Numbers = np.concatenate(([0.0], np.cumsum((column[1:] + column[:-1]) / 2)))
    return summed


def wltc_consumption(spec: CarSpec, speed_kmh: Numbers, outside_celsius: float = 23.0) -> tuple[float, float]:
    """Return kWh and litres for 100 km of a drive that begins warm and with a battery that suffices."""
    speed_ms = speed_kmh / 3.6
    wheels = wheel_kw(spec, speed_ms, per_second(speed_ms), outside_celsius)
    hectokilometres = float(integral(speed_ms)[-1]) / 1e5
    if spec.drive is Drive.PETROL:
        runs = np.ones(len(speed_ms), np.bool_)
        rpm = engine_rpm(speed_kmh, wheels, runs)
        burnt = fuel_l_per_h(spec, wheels, rpm, warming_celsius(outside_celsius, runs))
        return 0.0, float(integral(burnt)[-1]) / 3600 / hectokilometres
    systems = ELECTRIC_SYSTEMS_KW + climate_kw(outside_celsius, np.arange(float(len(speed_ms))))
    power = battery_kw(spec, wheels, speed_ms, systems)
    return -float(integral(power)[-1]) / 3600 / hectokilometres, 0.0
