"""What happens at the end of a drive: parked, refuelled, charged, asleep."""

from typing import Final

import numpy as np

from adapters.simulator.charging import charge
from adapters.simulator.driver import Errand
from adapters.simulator.leg import LAST_ROW, Rows
from adapters.simulator.specs import Drive
from adapters.simulator.today import ASLEEP_V, AWAKE_V, Today
from adapters.simulator.trace import ChargeTruth, Gear

REFUEL_BELOW_L: Final = 8.5
REFUEL_L_PER_S: Final = 0.6
CHARGE_BELOW_KWH: Final = 26.0  # an electric car that stops away from home
_SILENT_AFTER_S: Final = 60  # until the bus sleeps


def close(today: Today, rows: Rows, errand: Errand, following: Errand | None) -> None:
    """Write the end of a drive: the driver leaves, the tank is filled, the battery charged, the bus falls asleep."""
    line = today.timeline
    line.hold(rows.stop + 1, brake=True)
    line.hold(rows.stop + 2, gear=Gear.P)
    line.hold(rows.stop + 3, parking_brake=True)
    line.hold(rows.off, ignition=False, brake=False, low_voltage_v=AWAKE_V)
    line.hold(rows.off + 2, driver_belted=False)
    line.hold(rows.left - 2, driver_door_open=True)
    line.hold(rows.left, accessories=False)
    shut = rows.left + int(today.chance.integers(3, 9))
    if today.car.spec.tank_l and today.state.fuel_l < REFUEL_BELOW_L:
        shut = _refuel(today, rows.left + 30) + 40
    line.hold(shut, driver_door_open=False)
    line.hold(shut + 3, locked=True)
    silent = _charge(today, shut + 8, errand, following) + _SILENT_AFTER_S
    line.hold(silent, awake=False, fixed=False, low_voltage_v=ASLEEP_V)
    today.free = silent + int(today.chance.integers(120, 600))


def _refuel(today: Today, row: int) -> int:
    """Fill the tank from a row on; return the row at which it is full."""
    spec, state = today.car.spec, today.state
    seconds = int((spec.tank_l - state.fuel_l) / REFUEL_L_PER_S)
    today.timeline.run(row, fuel_l=np.linspace(state.fuel_l, spec.tank_l, seconds + 1))
    state.fuel_l = spec.tank_l
    return row + seconds


def _charge(today: Today, row: int, errand: Errand, following: Errand | None) -> int:
    """Charge from a row on where it is worth it; return the row at which the car has nothing more to do."""
    spec, state, driver = today.car.spec, today.state, today.driver
    if not spec.battery_kwh:
        return row
    percent = 100 * state.energy_kwh / spec.battery_kwh
    until = LAST_ROW if following is None else min(following.start_s - 120, LAST_ROW)
    home = errand.homeward and driver.wallbox
    if home or following is None:
        wanted = percent < (100.0 if spec.drive is Drive.HYBRID else driver.charges_below_percent)
        limit, direct = (100.0 if spec.drive is Drive.HYBRID else driver.limit_percent), False
    else:
        wanted, limit, direct = state.energy_kwh < CHARGE_BELOW_KWH and spec.dc_kw > 0, 80.0, True
        until = min(row + 2_700, LAST_ROW)
    begin = row + 15
    session = charge(spec, state.energy_kwh, limit, until - begin, direct=direct) if wanted else None
    if session is None:
        return row
    end = begin + len(session.battery_kw) - 1
    line = today.timeline
    line.hold(row, plug=True)
    line.hold(row + 2, plug_locked=True)
    line.hold(begin, charging=True)
    line.hold(end, charging=False)
    line.run(begin, battery_power_kw=session.battery_kw, energy_kwh=session.energy_kwh)
    line.run(begin, charging_power_kw=session.mean_kw, charging_left_min=session.left_min)
    line.hold(end + 5, charging_power_kw=0)
    energy_kwh = float(session.energy_kwh[-1])
    today.charges.append(
        ChargeTruth(
            today.at_s(begin),
            today.at_s(end),
            percent,
            100 * energy_kwh / spec.battery_kwh,
            energy_kwh - state.energy_kwh,
        )
    )
    state.energy_kwh, state.plugged = energy_kwh, True
    return end + 5
