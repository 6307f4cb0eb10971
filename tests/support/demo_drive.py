"""The recording of `fleettwin demo`: a compact electric car from its unlocking to its charging, as candump text.

Made, not recorded: no real car, driver or VIN is in it. Always the same text; `make golden` writes it where the package
keeps it. Times below are seconds after the first frame.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import cantools.database
from cantools.database.can import Database

from adapters.demo import VIN
from tests.support.candump_text import MICROSECONDS, CandumpText
from tests.support.demo_route import TICK_S, WAYPOINTS, Moment, drive

BEGAN_AT: Final = 1_780_297_920 * MICROSECONDS  # 2026-06-01T07:12:00Z
ROOT: Final = Path(__file__).parents[2]
DBC: Final = ROOT / "schemas" / "dbc" / "fleettwin.dbc"
BUNDLED: Final = ROOT / "adapters" / "demo" / "drive.log.gz"
SEED: Final = 20_260_601

ACCESSORIES_S: Final = 20
IGNITION_S: Final = 32
FIRST_FIX_S: Final = 38  # the receiver needs some time
DESTINATION_S: Final = 48
DRIVE_S: Final = 60
# After the arrival
GUIDANCE_ENDS_S: Final = 6
IGNITION_OFF_S: Final = 30
ACCESSORIES_OFF_S: Final = 45
PLUG_S: Final = 90
PLUG_LOCKED_S: Final = 94
CHARGING_S: Final = 97
END_S: Final = 580

NET_ENERGY_KWH: Final = 58.0
ENERGY_AT_START_KWH: Final = 23.9
PARKED_KW: Final = -0.25
CHARGING_KW: Final = 10.3  # of 11 kW alternating current, losses off
CHARGE_LIMIT: Final = 0.8
CONSUMPTION_KWH_KM: Final = 0.168  # by which the car reckons its range
ODOMETER_AT_START_KM: Final = 18_204.3
TIRE_KPA: Final = {"Front_Left": 252.0, "Front_Right": 251.0, "Rear_Left": 262.0, "Rear_Right": 260.0}
TIRE_WARMING_KPA: Final = 9.0  # over the drive
PUNCTURE_S: Final = 250  # after the start of the drive
PUNCTURE_KPA_S: Final = 0.22
PUNCTURE_PARKED_KPA_S: Final = 0.01

# Media: from second, what changes
MEDIA: Final = (
    (ACCESSORIES_S, {"Media_Source": 3, "Media_Playback": 2, "Media_Volume_percent": 24}),  # DAB plays
    (140, {"Media_Source": 9, "Media_Playback": 2}),  # telephone by Bluetooth
    (152, {"Media_Volume_percent": 34}),
    (402, {"Media_Playback": 1}),  # a call
    (470, {"Media_Playback": 2}),
    (610, {"Media_Volume_percent": 18}),
)
OUTSIDE_CELSIUS: Final = 17.0

ENGINE: Final = (0x7E0, 0x7E8)  # request and answer, ISO 15765-4
ALL_UNITS: Final = 0x7DF
BRAKE_SWITCH: Final = bytes.fromhex("0571 64 2F")  # P0571, signal plausibility failure; failing now
LOST_BRAKE_UNIT: Final = bytes.fromhex("C121 87 28")  # U0121, missing message; stored, not failing now
READ_CODES: Final = bytes.fromhex("19 02 0F")
CLEAR_CODES: Final = bytes.fromhex("14 FF FF FF")
READ_VIN: Final = bytes.fromhex("22 F1 90")
FIRST_READING_S: Final = 52
SECOND_READING_S: Final = 330
CLEARED_S: Final = 345
THIRD_READING_S: Final = 420
PARAMETERS_EVERY_S: Final = 20


class Second(NamedTuple):
    """The state of the car at a full second; `moments` are the tenths that follow."""

    at_s: int
    moments: tuple[Moment, ...]
    energy_kwh: float
    since_arrival_s: int  # negative before


def demo_drive() -> str:
    """Return the recording."""
    rng = Random(SEED)
    moments = list(drive(rng))
    text = CandumpText(BEGAN_AT)
    car = _Car(text, rng, _database())
    for second in _seconds(moments):
        car.tell(second)
    return text.text()


def _database() -> Database:
    database = cantools.database.load_file(DBC)
    assert isinstance(database, Database)
    return database


def _seconds(moments: list[Moment]) -> Iterator[Second]:
    per_second = round(1 / TICK_S)
    standing = moments[0]._replace(distance_m=0.0, speed_ms=0.0, battery_power_kw=PARKED_KW)
    arrived = moments[-1]._replace(speed_ms=0.0, battery_power_kw=PARKED_KW)
    arrival_s = DRIVE_S + -(-len(moments) // per_second)
    energy = ENERGY_AT_START_KWH
    for at_s in range(arrival_s + END_S):
        first = (at_s - DRIVE_S) * per_second
        now = [
            standing if tick < 0 else moments[tick] if tick < len(moments) else arrived
            for tick in range(first, first + per_second)
        ]
        charging_s = at_s - arrival_s - CHARGING_S
        if charging_s >= 0:
            power = CHARGING_KW * min(1.0, charging_s / 10)
            now = [moment._replace(battery_power_kw=power) for moment in now]
        yield Second(at_s, tuple(now), energy, at_s - arrival_s)
        energy += sum(moment.battery_power_kw for moment in now) * TICK_S / 3_600


class _Car:
    """Tells what each control unit sends in a second."""

    def __init__(self, text: CandumpText, rng: Random, database: Database) -> None:
        self._text = text
        self._rng = rng
        self._database = database
        self._drift = [0.0, 0.0]  # of the receiver, metres
        self._rear_right_kpa = TIRE_KPA["Rear_Right"]
        self._charged_kwh = 0.0
        self._media: dict[str, int] = {}

    def tell(self, second: Second) -> None:
        """Send the frames of one second."""
        at_s, since_arrival = second.at_s, second.since_arrival_s
        accessories = at_s >= ACCESSORIES_S and since_arrival < ACCESSORIES_OFF_S
        ignition = at_s >= IGNITION_S and since_arrival < IGNITION_OFF_S
        self._send(at_s, 10, "FT_Terminals", Terminal_S=accessories, Terminal_15=ignition)
        odometer_km = ODOMETER_AT_START_KM + second.moments[0].distance_m / 1_000
        self._send(at_s, 20, "FT_Odometer", Odometer_km=int(odometer_km * 10) / 10)
        self._battery(second)
        self._charging(second)
        if accessories:
            self._place(second)
            self._infotainment(second)
        if ignition:
            self._tires(second)
            self._diagnostics(at_s)

    def _send(self, at_s: float, slot_ms: int, name: str, **values: float) -> None:
        """Send a message in its slot of the second, up to 0.3 ms late as arbitration has it."""
        at_us = round(at_s * 10) * MICROSECONDS // 10 + slot_ms * 1_000 + self._rng.randrange(300)
        self._text.message(at_us, self._database.get_message_by_name(name), values)

    def _battery(self, second: Second) -> None:
        charge = 100 * second.energy_kwh / NET_ENERGY_KWH
        self._send(
            second.at_s,
            30,
            "FT_Battery",
            StateOfCharge_Current_percent=round(charge, 1),
            StateOfCharge_Displayed_percent=round(2 * (charge - 4) / 0.94) / 2,
            Battery_Energy_kWh=round(second.energy_kwh, 2),
            Battery_Power_kW=round(second.moments[0].battery_power_kw, 2),
            Range_km=int(second.energy_kwh / CONSUMPTION_KWH_KM),
        )

    def _charging(self, second: Second) -> None:
        since, power = second.since_arrival_s, second.moments[0].battery_power_kw
        active = since >= CHARGING_S
        average = left_min = 0.0
        if active:
            self._charged_kwh += power / 3_600
            average = self._charged_kwh * 3_600 / (since - CHARGING_S + 1)
            left_min = 60 * (CHARGE_LIMIT * NET_ENERGY_KWH - second.energy_kwh) / CHARGING_KW
        self._send(
            second.at_s,
            40,
            "FT_Charging",
            Plug_Connected=since >= PLUG_S,
            Plug_Locked=since >= PLUG_LOCKED_S,
            Charging_Active=active,
            Charging_Average_Power_kW=round(average, 1),
            Charging_Time_Left_min=int(left_min),
        )

    def _place(self, second: Second) -> None:
        fixed = second.at_s >= FIRST_FIX_S
        first = second.moments[0]
        self._drift = [0.97 * metres + self._rng.uniform(-0.12, 0.12) for metres in self._drift]
        values: dict[str, float] = {}
        if fixed:
            values = {
                "Position_Latitude_deg": round(first.latitude_deg + self._drift[0] / 111_260, 7),
                "Position_Longitude_deg": round(first.longitude_deg + self._drift[1] / 68_065, 7),
            }
        self._send(second.at_s, 50, "FT_Position", Position_Valid=fixed, **values)
        for tick, moment in enumerate(second.moments):
            accuracy = 2.5 + abs(self._drift[0]) if fixed else 25.3
            self._send(
                second.at_s + tick / 10,
                5,
                "FT_Motion",
                Speed_kmh=round(moment.speed_ms * 3.6, 2),
                Heading_deg=round(moment.heading_deg, 2),
                Altitude_m=round(moment.altitude_m, 1),
                HorizontalAccuracy_m=round(accuracy, 1),
                Speed_Valid=1,
                Heading_Valid=fixed,
                Altitude_Valid=fixed,
                FixType=2 if fixed else 0,
            )

    def _infotainment(self, second: Second) -> None:
        for from_s, change in MEDIA:
            if from_s == second.at_s:
                self._media |= change
        if second.since_arrival_s == IGNITION_OFF_S - 5:
            self._media["Media_Playback"] = 1
        self._send(second.at_s, 60, "FT_Media", **self._media)
        guided = second.at_s >= DESTINATION_S and second.since_arrival_s < GUIDANCE_ENDS_S
        values = {}
        if guided:
            latitude, longitude = WAYPOINTS[-1]
            values = {"Destination_Latitude_deg": latitude, "Destination_Longitude_deg": longitude}
        self._send(second.at_s, 70, "FT_Destination", Destination_Valid=guided, **values)

    def _tires(self, second: Second) -> None:
        driven_s = second.at_s - DRIVE_S
        if driven_s >= PUNCTURE_S:
            moving = second.since_arrival_s < 0
            self._rear_right_kpa -= PUNCTURE_KPA_S if moving else PUNCTURE_PARKED_KPA_S
        warming = TIRE_WARMING_KPA * min(1.0, max(0, driven_s) / 600)
        pressures = {**TIRE_KPA, "Rear_Right": self._rear_right_kpa}
        values = {f"Tire_{wheel}_kPa": round(kpa + warming) for wheel, kpa in pressures.items()}
        self._send(second.at_s, 80, "FT_Tires", **values)

    def _diagnostics(self, at_s: int) -> None:
        at_us = at_s * MICROSECONDS + 300_000
        if at_s in (FIRST_READING_S, SECOND_READING_S, THIRD_READING_S):
            codes = BRAKE_SWITCH + (LOST_BRAKE_UNIT if at_s < CLEARED_S else b"")
            self._ask(at_us, READ_CODES, b"\x59\x02\xff" + codes)
        if at_s == FIRST_READING_S:
            self._ask(at_us + 100_000, READ_VIN, b"\x62\xf1\x90" + VIN.encode())
        if at_s == CLEARED_S:
            self._ask(at_us, CLEAR_CODES, b"\x54")
        if at_s % PARAMETERS_EVERY_S == 0:
            outside = round(OUTSIDE_CELSIUS + at_s / 400 + 40)
            volts = (12.5 if at_s < IGNITION_S + 8 else 14.4) + self._rng.uniform(-0.04, 0.04)
            for number, data in enumerate((bytes([0x46, outside]), b"\x42" + round(volts * 1_000).to_bytes(2, "big"))):
                at = at_us + 200_000 + 50_000 * number
                self._text.exchange(at, ALL_UNITS, b"\x01" + data[:1], ENGINE[1], b"\x41" + data)

    def _ask(self, at_us: int, request: bytes, answer: bytes) -> None:
        self._text.exchange(at_us, ENGINE[0], request, ENGINE[1], answer)
