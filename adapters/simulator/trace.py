"""What is true of a simulated car: one day of it by the second, and what a twin should come to know.

Simulated time counts from the start of the simulation, which is half past six in the morning where each car is.
"""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

DAY_S: Final = 86_400  # seconds of a day
PART_S: Final = 4 * 3_600  # of a part of it
ROWS: Final = DAY_S + 1  # of a column: the last one is second 0 of the next day, so that no reading needs a neighbour

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]


class Gear(IntEnum):
    """What the driver has selected."""

    P = 0
    R = 1
    N = 2
    D = 3


class SongSaid(NamedTuple):
    """The head unit says what it plays."""

    title: str
    artist: str
    album: str


class TroubleCode(NamedTuple):
    """A trouble code as a control unit holds it: three bytes of code and failure type (SAE J2012-DA), and its status.

    `status` is the statusOfDTC byte of ISO 14229-1, D.2.
    """

    code: int
    status: int


class CodesSaid(NamedTuple):
    """A control unit lists the trouble codes that it holds (ISO 14229-1, service 0x19, sub-function 0x02)."""

    request_id: int  # CAN identifiers, 11 bits
    response_id: int
    codes: tuple[TroubleCode, ...]


class VinSaid(NamedTuple):
    """A control unit says the car's VIN (ISO 14229-1, service 0x22, data identifier 0xF190)."""


class Said(NamedTuple):
    """What a control unit says now and then, in simulated seconds."""

    at_s: float
    what: SongSaid | CodesSaid | VinSaid


class TripTruth(NamedTuple):
    """A drive, in simulated seconds, as `domain.legs` delimits it.

    It begins when the car comes to 5 km/h and ends when the ignition goes off, half a minute after the arrival at most;
    no halt in between lasts five minutes. `energy_kwh` is what the battery has lost; None: no battery drives the car.
    """

    started_s: float
    ended_s: float
    distance_m: float
    energy_kwh: float | None


class PlayTruth(NamedTuple):
    """A song that begins."""

    at_s: float
    title: str
    artist: str
    album: str
    source: str  # as VSS names it


class CodeTruth(NamedTuple):
    """A trouble code that a reading is the first to tell, or the first to tell no more.

    A reading that tells it with another status does not count.
    """

    at_s: float
    ecu: str  # response identifier, as `domain.signals.TroubleCodeReport` has it
    code: str  # SAE J2012, e.g. "P0D59"
    failure_type: int
    raised: bool


class ChargeTruth(NamedTuple):
    """A charging session."""

    started_s: float
    ended_s: float
    start_percent: float
    end_percent: float
    energy_kwh: float


class DestinationTruth(NamedTuple):
    """A destination that is set, reached or cleared."""

    at_s: float
    state: str  # "SET", "REACHED", "CLEARED"
    latitude_deg: float
    longitude_deg: float


class Truth(NamedTuple):
    """What happened to a car in one day, in order of time; a drive or a charge belongs to the day it begins on."""

    trips: tuple[TripTruth, ...]
    plays: tuple[PlayTruth, ...]
    codes: tuple[CodeTruth, ...]
    charges: tuple[ChargeTruth, ...]
    destinations: tuple[DestinationTruth, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One day of one car. Columns have `ROWS` values, one a second from `first_s`; `tire_kpa` is float64[4, ROWS].

    The columns of a part of the day have `PART_S + 1`; what is said and true is of the whole day there too.
    Flags and codes hold for the second that they begin; numbers are at that moment, and straight in between.
    """

    day: int  # 0, 1, 2 …
    from_s: int = 0  # the second of the day that the columns begin with
    speed_kmh: Numbers
    odometer_m: Numbers
    latitude_deg: Numbers
    longitude_deg: Numbers
    heading_deg: Numbers  # clockwise from north; may leave 0 to 360, so that it is straight in between
    altitude_m: Numbers
    acceleration_ms2: Numbers
    steering_deg: Numbers  # of the steering wheel, positive to the left
    energy_kwh: Numbers  # that the battery can still give; 0 where there is none
    battery_power_kw: Numbers  # positive: into the battery
    state_of_charge_percent: Numbers
    range_km: Numbers  # on electricity; of a car without a battery, on fuel
    plug: Flags
    plug_locked: Flags
    charging: Flags
    charging_power_kw: Numbers  # mean of the present session so far
    charging_left_min: Numbers
    fuel_l: Numbers
    engine_rpm: Numbers  # 0 where there is no engine, or it rests
    coolant_celsius: Numbers  # of the engine; as outside where there is none
    outside_celsius: Numbers
    low_voltage_v: Numbers
    tire_kpa: Numbers  # front left, front right, rear left, rear right
    awake: Flags  # the bus speaks
    accessories: Flags  # terminal S (DIN 72552)
    ignition: Flags  # terminal 15 (DIN 72552)
    fixed: Flags  # the satellite receiver has a fix
    gear: Codes  # `Gear`
    brake: Flags
    parking_brake: Flags
    driver_door_open: Flags
    locked: Flags
    driver_belted: Flags
    media_source: Codes  # raw values of the message FT_Media, schemas/dbc/fleettwin.dbc; not available when off
    media_playback: Codes
    volume_percent: Codes
    destination_set: Flags
    destination_latitude_deg: Numbers
    destination_longitude_deg: Numbers
    said: tuple[Said, ...]  # of this day, in order of time
    truth: Truth

    @property
    def first_s(self) -> int:
        """The simulated second that the columns begin with."""
        return self.day * DAY_S + self.from_s

    def part(self, number: int) -> "Trace":
        """Return part 0, 1, 2 … of a whole day, which keeps no memory of the others, nor of what does not change."""
        assert self.from_s == 0
        from_s = number * PART_S
        changed: dict[str, Any] = {"from_s": from_s}
        for field in fields(self):
            column = getattr(self, field.name)
            if isinstance(column, np.ndarray):
                part = column[..., from_s : from_s + PART_S + 1]
                first = part[..., :1].copy()
                changed[field.name] = np.broadcast_to(first, part.shape) if (part == first).all() else _kept(part)
        return replace(self, **changed)


def _kept(column: NDArray[Any]) -> NDArray[Any]:
    kept = column.copy()
    kept.flags.writeable = False
    return kept
