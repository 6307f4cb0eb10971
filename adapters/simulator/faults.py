"""Faults of control units: codes that appear, are confirmed, and are gone again.

Codes are those of SAE J2012 and the failure types of SAE J2012-DA; identifiers of requests and answers as in cars of
the Volkswagen group (ISO 15765-4 for the drive, answers 0x6A above the request elsewhere).
"""

from typing import Final, NamedTuple

import numpy as np

from adapters.simulator.dice import Purpose, dice
from adapters.simulator.fleet import Car
from adapters.simulator.specs import Drive
from adapters.simulator.trace import DAY_S, CodesSaid, TroubleCode

PERIOD_DAYS: Final = 10  # a control unit may get one fault in each period
FAULT_SHARE: Final = 0.12  # and does in so many of them
EARLY_EVERY: Final = 7  # of so many cars, one has a fault within the first minutes of its first drive

# statusOfDTC, ISO 14229-1:2020, D.2: failed, failed this cycle, pending, confirmed, failed since last clear
PENDING_STATUS: Final = 0x27
CONFIRMED_STATUS: Final = 0x2F


class Ecu(NamedTuple):
    """A control unit: what it is asked and answers with, and the codes that it may come to hold."""

    request_id: int
    response_id: int
    codes: tuple[int, ...]


class Fault(NamedTuple):
    """A code of a control unit, in simulated seconds; it is held until `gone_s`."""

    ecu: Ecu
    code: int
    appears_s: float
    confirmed_s: float
    gone_s: float

    def status(self, at_s: float) -> int | None:
        """Return the statusOfDTC byte at a time; None: not held."""
        if not self.appears_s <= at_s < self.gone_s:
            return None
        return PENDING_STATUS if at_s < self.confirmed_s else CONFIRMED_STATUS


# P0301 and P0300 misfire, P0171 too lean, P0128 coolant too cold, P0456 small leak of fuel vapour
_ENGINE: Final = Ecu(0x7E0, 0x7E8, (0x030100, 0x030000, 0x017100, 0x012800, 0x045600))
# P0A1B control unit of the drive motor, P0A94 DC/DC converter, P0562 system voltage low
_DRIVE_MOTOR: Final = Ecu(0x7E6, 0x7EE, (0x0A1B64, 0x0A9492, 0x056216))
# P0AA6 insulation of the high voltage, P0A80 battery, P0D59 proximity of the charging plug, P0CA7 charger cooling
_BATTERY: Final = Ecu(0x7E5, 0x7ED, (0x0AA61A, 0x0A8000, 0x0D5913, 0x0CA798))
# C0035 and C0040 wheel speed, U0121 nothing heard, U0428 steering angle implausible
_BRAKES: Final = Ecu(0x713, 0x77D, (0x40351F, 0x404029, 0xC12187, 0xC42886))

ECUS: Final = {
    Drive.ELECTRIC: (_DRIVE_MOTOR, _BATTERY, _BRAKES),
    Drive.HYBRID: (_ENGINE, _BATTERY, _BRAKES),
    Drive.PETROL: (_ENGINE, _BRAKES),
}


def has_early_fault(car: Car) -> bool:
    """Whether the car gets a fault within the first minutes of its first drive."""
    return car.number % EARLY_EVERY == 2


def faults(car: Car, day: int) -> list[Fault]:
    """Return the faults that may be held on a day, no code of a control unit twice.

    They come and go within a period of days, which begins at another day for each car.
    """
    shift = 3 * car.number % PERIOD_DAYS
    period = (day + shift) // PERIOD_DAYS
    chance = dice(car.seed, car.number, Purpose.FAULTS, period)
    found = [_fault(chance, ecu, (period * PERIOD_DAYS - shift) * DAY_S) for ecu in ECUS[car.spec.drive]]
    some = [fault for fault in found if fault is not None]
    if period == 0 and has_early_fault(car):
        early = _early(chance, ECUS[car.spec.drive][0])
        some = [early, *(fault for fault in some if fault[:2] != early[:2])]
    return some


def _fault(chance: np.random.Generator, ecu: Ecu, period_s: float) -> Fault | None:
    code = int(chance.choice(ecu.codes))
    appears_s = period_s + float(chance.uniform(0.2, 3)) * DAY_S
    confirmed_s = appears_s + float(chance.uniform(0.5, 20)) * 3600
    gone_s = confirmed_s + float(chance.uniform(0.5, 5)) * DAY_S
    return Fault(ecu, code, appears_s, confirmed_s, gone_s) if chance.random() < FAULT_SHARE else None


def _early(chance: np.random.Generator, ecu: Ecu) -> Fault:
    appears_s = float(chance.uniform(60, 330))
    confirmed_s = appears_s + float(chance.uniform(120, 300))
    gone_s = confirmed_s + float(chance.uniform(0.2, 1.0)) * DAY_S
    return Fault(ecu, int(chance.choice(ecu.codes)), appears_s, confirmed_s, gone_s)


def answer(ecu: Ecu, known: list[Fault], at_s: float) -> CodesSaid:
    """Return what a control unit answers when it is asked for its codes."""
    statuses = [(fault.code, fault.status(at_s)) for fault in known if fault.ecu is ecu]
    held = tuple(TroubleCode(code, status) for code, status in sorted(statuses) if status is not None)
    return CodesSaid(ecu.request_id, ecu.response_id, held)
