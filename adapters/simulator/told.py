"""What is said of a drive, and what a twin should know of it: codes, the trip, the destination."""

from typing import Final

import numpy as np

from adapters.simulator import faults, truth
from adapters.simulator.leg import Leg
from adapters.simulator.today import Today
from adapters.simulator.trace import CodeTruth, Said, VinSaid
from domain.trouble_codes import parse_code

CODES_EVERY_S: Final = 180


def ask(today: Today, on: int, off: int) -> None:
    """Let a tester in the car ask for the VIN and the trouble codes."""
    today.said.append(Said(today.at_s(on + 1.0), VinSaid()))
    told = set(today.state.codes_told)
    for row in range(on + 2, off - 3, CODES_EVERY_S):
        for number, ecu in enumerate(faults.ECUS[today.car.spec.drive]):
            at_s = today.at_s(row + 0.4 * number)
            answer = faults.answer(ecu, today.faults, at_s)
            today.said.append(Said(at_s, answer))
            held = {(ecu.response_id, code.code) for code in answer.codes}
            known = {key for key in told if key[0] == ecu.response_id}
            for key in sorted(held ^ known):
                code = parse_code((key[1] >> 8).to_bytes(2, "big"))
                today.codes.append(CodeTruth(at_s, f"{key[0]:03X}", code, key[1] & 0xFF, key in held))
            told = told - known | held
    today.state.codes_told = frozenset(told)


def tell_trip(today: Today, leg: Leg) -> None:
    """Note the trip, and what it says of the consumption."""
    rows, spec, state = leg.rows, today.car.spec, today.state
    distance = np.zeros(rows.off - rows.on + 1)
    distance[rows.go - rows.on : rows.stop - rows.on + 1] = leg.motion.distance_m
    distance[rows.stop - rows.on :] = leg.motion.distance_m[-1]
    energy = leg.use.energy_kwh if spec.battery_kwh else None
    today.trips.append(truth.trip(today.first_s, rows.on, leg.speed_kmh, distance, energy))
    hectokilometres = float(leg.motion.distance_m[-1]) / 1e5
    if leg.use.engine_rpm.any():
        litres = float(leg.use.fuel_l[0] - leg.use.fuel_l[-1])
        state.consumption_l_100km += 0.1 * (litres / hectokilometres - state.consumption_l_100km)
    elif energy is not None:
        kwh = max(float(energy[0] - energy[-1]), 0.0)
        state.consumption_kwh_100km += 0.1 * (kwh / hectokilometres - state.consumption_kwh_100km)
    today.consumption.append((rows.off, state.consumption_kwh_100km, state.consumption_l_100km))


def navigate(today: Today, leg: Leg) -> None:
    """Set a destination, in most drives, and take it back half-way in some."""
    chance, rows, motion = today.chance, leg.rows, leg.motion
    guided, taken_back = chance.random() < today.driver.guided, chance.random() < 0.15
    place = float(motion.latitude_deg[-1]), float(motion.longitude_deg[-1])
    away_m = truth.distances_m(motion.latitude_deg[:1], motion.longitude_deg[:1], place)[0]
    if not guided or away_m < 5 * truth.ARRIVAL_RADIUS_M:
        return
    start = rows.on + int(chance.integers(3, 7))
    end = rows.stop + 3
    if taken_back:
        end = rows.go + int((rows.stop - rows.go) * float(chance.uniform(0.3, 0.7)))
    today.timeline.hold(
        start, destination_set=True, destination_latitude_deg=place[0], destination_longitude_deg=place[1]
    )
    today.timeline.hold(end, destination_set=False, destination_latitude_deg=0, destination_longitude_deg=0)
    seen = np.arange(start, end)
    along = np.clip(seen - rows.go, 0, len(motion.latitude_deg) - 1)
    fixed = np.ones(len(seen), np.bool_)
    if leg.tunnel:
        fixed[(seen >= leg.tunnel[0]) & (seen < leg.tunnel[1])] = False
    way = motion.latitude_deg[along], motion.longitude_deg[along], fixed
    today.destinations += truth.destination(today.first_s, (start, end), place, way)
