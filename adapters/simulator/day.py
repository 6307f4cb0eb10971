"""One day of a car, drive after drive, as it happens."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adapters.simulator import media, warmth
from adapters.simulator.driver import Errand, plan
from adapters.simulator.leg import Leg, Rows, choose_leg, opened_rows
from adapters.simulator.physics import HYBRID_FLOOR
from adapters.simulator.specs import Drive
from adapters.simulator.stop import close
from adapters.simulator.today import AWAKE_V, DRIVING_V, STARTER_V, Today
from adapters.simulator.told import ask, navigate, tell_trip
from adapters.simulator.trace import DAY_S, ROWS, Gear, Trace

BRAKE_LIGHT_MS2: Final = -0.6
PUMP_S: Final = 2 * 3_600  # a tyre that is too low is pumped up at this time of a day


def write_day(today: Today) -> Trace:
    """Write the whole day; `today.state` is then how the car stands at its end."""
    errands = plan(today.car, today.driver, today.day)
    for number, errand in enumerate(errands):
        _errand(today, errand, errands[number + 1] if number + 1 < len(errands) else None)
    return _finish(today)


def _errand(today: Today, errand: Errand, following: Errand | None) -> None:
    woken = max(errand.start_s, today.free)
    rows = opened_rows(today.chance, woken, plugged=today.state.plugged)
    celsius = float(today.outside[min(rows.on, DAY_S)])
    leg = choose_leg(today, errand, rows, celsius)
    if leg is None:
        return
    on, off = leg.rows.on, leg.rows.off
    _open(today, leg.rows)
    _drive(today, leg)
    today.coolant.cool(on)
    if leg.use.coolant_celsius is not None:
        today.coolant.write(leg.use.coolant_celsius - today.outside[on : off + 1])
    today.tires.cool(leg.rows.go)
    mean_kmh = leg.motion.distance_m[-1] / (leg.rows.stop - leg.rows.go) * 3.6
    today.tires.warm(leg.rows.stop, 6.0 + 0.15 * mean_kmh, warmth.TIRES_WARM_S)
    _listen(today, leg.rows)
    ask(today, on, off)
    tell_trip(today, leg)
    navigate(today, leg)
    close(today, leg.rows, errand, following)


def _open(today: Today, rows: Rows) -> None:
    line = today.timeline
    line.hold(rows.woken, awake=True, low_voltage_v=AWAKE_V)
    if today.state.plugged:
        line.hold(rows.woken + 1, plug_locked=False)
        line.hold(rows.woken + 3, plug=False)
        today.state.plugged = False
    line.hold(rows.opened, locked=False)
    line.hold(rows.opened + 1, driver_door_open=True)
    line.hold(rows.opened + 2, accessories=True)
    line.hold(rows.seated, driver_door_open=False)
    line.hold(rows.on, ignition=True, brake=True)
    line.hold(rows.on + 2, driver_belted=True)
    line.hold(rows.on + 1, low_voltage_v=STARTER_V if today.car.spec.drive is Drive.PETROL else AWAKE_V)
    line.hold(rows.on + 2, low_voltage_v=DRIVING_V)
    line.hold(rows.geared, gear=Gear.D)
    line.hold(rows.geared + 1, parking_brake=False)
    line.hold(rows.opened + int(today.chance.integers(4, 15)), fixed=True)


def _drive(today: Today, leg: Leg) -> None:
    rows, motion, use = leg.rows, leg.motion, leg.use
    line, state = today.timeline, today.state
    odometer = state.odometer_m + motion.distance_m
    line.run(
        rows.go,
        speed_kmh=motion.speed_kmh,
        odometer_m=odometer,
        latitude_deg=motion.latitude_deg,
        longitude_deg=motion.longitude_deg,
        heading_deg=motion.heading_deg,
        altitude_m=motion.altitude_m,
        acceleration_ms2=motion.acceleration_ms2,
        steering_deg=motion.steering_deg,
        brake=(motion.acceleration_ms2 < BRAKE_LIGHT_MS2) | (motion.speed_kmh == 0),
    )
    line.run(rows.on, battery_power_kw=use.battery_kw, energy_kwh=use.energy_kwh, engine_rpm=use.engine_rpm)
    if today.car.spec.tank_l:
        line.run(rows.on, fuel_l=use.fuel_l)
    tunnel = leg.tunnel
    if tunnel:
        line.hold(tunnel[0], fixed=False)
        line.hold(tunnel[1], fixed=True)
    for name in (
        "odometer_m",
        "latitude_deg",
        "longitude_deg",
        "heading_deg",
        "altitude_m",
        "energy_kwh",
        "fuel_l",
    ):
        setattr(state, name, line[name].now)
    state.place_m, state.onward = motion.place_m, leg.onward


def _listen(today: Today, rows: Rows) -> None:
    if today.media_chance.random() > today.driver.music:
        return
    on = rows.opened + int(today.media_chance.integers(4, 8))
    played = media.play(today.timeline, today.media_chance, on, rows.left, today.state.song)
    today.said += (said._replace(at_s=today.at_s(said.at_s)) for said in played.said)
    today.plays += (song._replace(at_s=today.at_s(song.at_s)) for song in played.plays)
    today.state.song = played.song


def _finish(today: Today) -> Trace:
    spec, state = today.car.spec, today.state
    today.coolant.cool(ROWS)
    today.tires.cool(ROWS)
    state.warm_coolant_k, state.warm_tires_k = today.coolant.now_k, today.tires.now_k
    columns: dict[str, Any] = today.timeline.columns()
    pressures, state.tire_cold_kpa = warmth.tires_kpa(
        state.tire_cold_kpa, today.outside + today.tires.column, today.leak, spec.tire_kpa, PUMP_S
    )
    electric = spec.battery_kwh > 0
    columns["range_km"] = _range(today, columns)
    columns["state_of_charge_percent"] = (
        columns["energy_kwh"] * (100 / spec.battery_kwh) if electric else columns["energy_kwh"]
    )
    columns["coolant_celsius"] = today.outside + today.coolant.column if spec.tank_l else today.outside
    columns["outside_celsius"] = today.outside
    columns["tire_kpa"] = pressures
    for column in columns.values():
        column.flags.writeable = False
    said = tuple(sorted(today.said, key=lambda one: one.at_s))
    return Trace(day=today.day, said=said, truth=today.truth(), **columns)


def _range(today: Today, columns: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return how far the battery reaches; of a petrol car, the tank."""
    spec = today.car.spec
    floor_kwh = HYBRID_FLOOR * spec.battery_kwh if spec.drive is Drive.HYBRID else 0.0
    reaches = np.maximum(columns["energy_kwh"] - floor_kwh, 0.0) if spec.battery_kwh else columns["fuel_l"].copy()
    ends = [row for row, _, _ in today.consumption[1:]]
    for start, end, (_, kwh, litres) in zip([0, *ends], [*ends, ROWS], today.consumption, strict=True):
        reaches[start:end] *= 100 / (kwh if spec.battery_kwh else litres)
    return reaches
