"""A plausible day of a simulated car, made by hand: a drive in the morning, a charge at noon, the rest is sleep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from adapters.simulator.specs import Drive, Platform
from adapters.simulator.trace import (
    DAY_S,
    PART_S,
    ROWS,
    CodesSaid,
    Gear,
    Said,
    SongSaid,
    Trace,
    TroubleCode,
    Truth,
    VinSaid,
)
from domain.vin import Vin

VIN: Final = "WVWZZZE1ZMP000001"
OPENED_S, ON_S, DRIVES_S, STANDS_S, OFF_S, LOCKED_S, SLEEPS_S = 100, 110, 130, 730, 750, 770, 830
CHARGES_S, CHARGED_S = 2_000, 2_300
SONGS: Final = (
    SongSaid("Für Elise", "Ludwig van Beethoven", "Bagatellen"),
    SongSaid("月亮代表我的心", "邓丽君", ""),
    SongSaid("Подмосковные вечера", "Владимир Трошин", "Песни нашей страны"),
)
CODES: Final = CodesSaid(0x7E0, 0x7E8, (TroubleCode(0x030100, 0x27), TroubleCode(0xC12187, 0x2F)))


def during(*spans: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return flags that hold from each first second to before each last one."""
    flags = np.zeros(ROWS, np.bool_)
    for first, end in spans:
        flags[first:end] = True
    return flags


def short_day(day: int = 0, *, electric: bool = True, said: Sequence[Said] | None = None) -> Trace:
    """Return day `day`: ten minutes of driving and five of charging."""
    seconds = np.arange(ROWS, dtype=np.float64)
    moving = during((DRIVES_S, STANDS_S))
    phase = (seconds - DRIVES_S) / (STANDS_S - DRIVES_S)
    speed = np.where(moving, 90 * np.sin(np.pi * np.clip(phase, 0, 1)) ** 0.5, 0.0)
    speed[STANDS_S:] = 0.0
    way_m = np.concatenate([[0.0], np.cumsum((speed[:-1] + speed[1:]) / 7.2)])
    acceleration = np.gradient(speed) / 3.6
    charging = during((CHARGES_S, CHARGED_S))
    power = np.where(charging, 11.0, np.where(moving, -12.0, 0.0))
    energy = 40.0 - 2.0 * day + np.concatenate([[0.0], np.cumsum(power[:-1])]) / 3_600
    ignition = during((ON_S, OFF_S))
    heading = 350.0 + way_m / 100
    return Trace(
        day=day,
        speed_kmh=speed,
        odometer_m=12_345_600.0 + 20_000 * day + way_m,
        latitude_deg=52.42 + way_m * 8e-6,
        longitude_deg=10.78 + way_m * 1e-5,
        heading_deg=heading,
        altitude_m=60 + way_m / 1_000,
        acceleration_ms2=acceleration,
        steering_deg=40 * np.sin(seconds / 20) * moving,
        energy_kwh=energy,
        battery_power_kw=power,
        state_of_charge_percent=energy / 0.58,
        range_km=energy * 6,
        plug=during((CHARGES_S - 20, CHARGED_S + 60)),
        plug_locked=during((CHARGES_S, CHARGED_S)),
        charging=charging,
        charging_power_kw=np.where(charging, 11.0, 0.0),
        charging_left_min=np.where(charging, (CHARGED_S - seconds) / 60, 0.0),
        fuel_l=35 - way_m / 20_000,
        engine_rpm=np.zeros(ROWS) if electric else np.where(ignition, 800 + 20 * speed, 0.0),
        coolant_celsius=20 + 70 * np.clip((seconds - ON_S) / 400, 0, 1),
        outside_celsius=12 + seconds / 10_000,
        low_voltage_v=np.full(ROWS, 12.6),
        tire_kpa=np.array([[260.0], [261.0], [258.0], [259.0]]) + way_m / 2_000,
        awake=during((OPENED_S, SLEEPS_S), (CHARGES_S - 30, CHARGED_S + 90)),
        accessories=during((OPENED_S, OFF_S + 10)),
        ignition=ignition,
        fixed=during((ON_S + 5, SLEEPS_S)),
        gear=np.where(during((DRIVES_S - 5, STANDS_S + 5)), Gear.D, Gear.P).astype(np.int8),
        brake=during((DRIVES_S - 8, DRIVES_S), (STANDS_S - 30, OFF_S)),
        parking_brake=~during((DRIVES_S - 3, STANDS_S + 3)),
        driver_door_open=during((OPENED_S, OPENED_S + 6), (OFF_S + 5, OFF_S + 12)),
        locked=~during((OPENED_S, LOCKED_S)),
        driver_belted=during((DRIVES_S - 10, OFF_S)),
        media_source=np.where(ignition, 9, 14).astype(np.int8),
        media_playback=np.where(ignition, 2, 14).astype(np.int8),
        volume_percent=np.where(seconds < 400, 30, 35).astype(np.int8),
        destination_set=during((140, STANDS_S)),
        destination_latitude_deg=np.full(ROWS, 52.5),
        destination_longitude_deg=np.full(ROWS, 10.9),
        said=tuple(_said(day) if said is None else said),
        truth=Truth((), (), (), (), ()),
    )


def _said(day: int) -> list[Said]:
    first = day * DAY_S
    told = [
        Said(112.0, VinSaid()),
        Said(113.0, CODES),
        *(Said(150.25 + 150 * number, song) for number, song in enumerate(SONGS)),
        Said(700.0, CodesSaid(0x7E0, 0x7E8, ())),
    ]
    return [Said(first + said.at_s, said.what) for said in told]


@dataclass(frozen=True, slots=True)
class HandMadeCar:
    """A car without a fleet."""

    platform: Platform = Platform.MEB
    drive: Drive = Drive.ELECTRIC
    number: int = 0
    seed: int = 7
    tank_l: float = 0.0
    vin: Vin = field(default_factory=lambda: Vin.parse(VIN))


@dataclass(slots=True)
class HandMadeLife:
    """The same short day, again and again."""

    car: HandMadeCar = field(default_factory=HandMadeCar)
    days: dict[int, Trace] = field(default_factory=dict)

    def part(self, number: int, /) -> Trace:
        """Return a part of a day."""
        day, part_of_day = divmod(number, DAY_S // PART_S)
        return self.day(day).part(part_of_day)

    def said(self, day: int, /) -> Sequence[Said]:
        """Return what is said on a day."""
        return self.day(day).said

    def day(self, number: int) -> Trace:
        """Return a day."""
        if number not in self.days:
            self.days[number] = short_day(number, electric=self.car.drive is Drive.ELECTRIC)
        return self.days[number]


def life_of(drive: Drive) -> HandMadeLife:
    """Return the life of a car with this drive."""
    if drive is Drive.ELECTRIC:
        return HandMadeLife()
    return HandMadeLife(HandMadeCar(Platform.MQB, drive, tank_l=50.0))
