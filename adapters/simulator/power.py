"""What a drive takes from battery and tank, from ignition on to ignition off."""

from dataclasses import dataclass

import numpy as np

from adapters.simulator import physics
from adapters.simulator.specs import CarSpec, Drive
from adapters.simulator.trace import Flags, Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """Columns from ignition on to ignition off; both ends without power."""

    battery_kw: Numbers
    energy_kwh: Numbers
    fuel_l: Numbers
    engine_rpm: Numbers
    coolant_celsius: Numbers | None  # None: there is no engine


def use(
    spec: CarSpec, speed_kmh: Numbers, outside_celsius: float, energy_kwh: float, fuel_l: float, coolant_celsius: float
) -> Use:
    """Return what a drive takes, which begins with so much energy and fuel and with the coolant so warm."""
    speed_ms = speed_kmh / 3.6
    seconds = np.arange(float(len(speed_ms)))
    on = np.ones(len(speed_ms), np.bool_)
    on[:2] = on[-1:] = False
    wheels = physics.wheel_kw(spec, speed_ms, physics.per_second(speed_ms), outside_celsius)
    zeros = np.zeros(len(speed_ms))
    if spec.drive is Drive.PETROL:
        return _with_engine(spec, speed_kmh, wheels, on, (fuel_l, coolant_celsius), (zeros, zeros))
    systems = physics.ELECTRIC_SYSTEMS_KW + physics.climate_kw(outside_celsius, seconds)
    power = np.where(on, physics.battery_kw(spec, wheels, speed_ms, systems), 0.0)
    runs = ~on
    if spec.drive is Drive.HYBRID:
        power, runs = physics.hybrid_kw(spec, energy_kwh, wheels, power, np.where(on, systems, 0.0))
    full_kw = np.minimum(power, 0.0)  # a full battery takes nothing: the brakes do
    energy = energy_kwh + physics.integral(power) / 3600
    if energy.max() > spec.battery_kwh:
        over = energy > spec.battery_kwh - 0.05
        power = np.where(over, full_kw, power)
        energy = energy_kwh + physics.integral(power) / 3600
    if spec.drive is Drive.ELECTRIC:
        return Use(power, energy, zeros, zeros, None)
    return _with_engine(spec, speed_kmh, wheels, runs & on, (fuel_l, coolant_celsius), (power, energy))


def _with_engine(
    spec: CarSpec,
    speed_kmh: Numbers,
    wheels: Numbers,
    runs: Flags,
    start: tuple[float, float],
    battery: tuple[Numbers, Numbers],
) -> Use:
    fuel_l, coolant_celsius = start
    rpm = physics.engine_rpm(speed_kmh, wheels, runs)
    coolant = physics.warming_celsius(coolant_celsius, runs)
    burnt = physics.integral(physics.fuel_l_per_h(spec, wheels + np.maximum(battery[0], 0.0), rpm, coolant)) / 3600
    return Use(*battery, fuel_l - burnt, rpm, coolant)
