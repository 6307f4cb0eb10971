"""Two short drives that this project makes: an MQB car on its own bus, and a petrol car behind an OBD-II socket."""

from collections.abc import Mapping
from typing import Final

import cantools.database
from cantools.database.can import Database

from adapters.can.dbc import opendbc_path
from adapters.can.vw_checksums import CHECKSUMS
from tests.support.candump_text import MICROSECONDS, CandumpText
from tests.support.demo_route import between

MQB_BEGAN_AT: Final = 1_780_300_800 * MICROSECONDS  # 2026-06-01T08:00:00Z
MQB_SPEED_KMH: Final = (
    (0, 0.0),
    (12, 0.0),
    (22, 48.0),
    (70, 52.0),
    (82, 0.0),
    (95, 0.0),
    (105, 50.0),
    (150, 50.0),
    (164, 0.0),
)
MQB_END_S: Final = 190
MQB_IGNITION_S: Final = (4, 175)
MQB_ODOMETER_KM: Final = 41_907.6
PARK, DRIVE = 5, 8  # values of GE_Fahrstufe
INVALID_SPEED: Final = 655.34

PETROL_BEGAN_AT: Final = 1_780_304_400 * MICROSECONDS  # 2026-06-01T09:00:00Z
PETROL_SPEED_KMH: Final = ((0, 0.0), (10, 0.0), (25, 60.0), (100, 80.0), (115, 0.0), (150, 0.0))
PETROL_COOLANT_CELSIUS: Final = ((0, 88.0), (40, 96.0), (80, 121.0), (150, 104.0))
ALL_UNITS: Final = 0x7DF
ENGINE_REQUEST, ENGINE, GEARBOX_REQUEST, GEARBOX = 0x7E0, 0x7E8, 0x7E1, 0x7E9

_CRC_POLYNOMIAL: Final = 0x2F


def mqb_drive() -> str:
    """Return three minutes of an MQB car's bus, made with the DBC file of opendbc; checksums are right."""
    text = CandumpText(MQB_BEGAN_AT)
    database = cantools.database.load_file(opendbc_path("vw_mqb"), strict=False)
    assert isinstance(database, Database)
    counters: dict[str, int] = {}

    def send(at_us: int, name: str, **values: float) -> None:
        message = database.get_message_by_name(name)
        data = message.encode(
            {signal.name: 0 if signal.minimum is None else max(0, signal.minimum) for signal in message.signals}
            | values,
            strict=False,
        )
        counters[name] = (counters.get(name, -1) + 1) % 16
        text.send(at_us, message.frame_id, _protected(message.frame_id, data, counters[name]))

    odometer_km = MQB_ODOMETER_KM
    for tenth in range(MQB_END_S * 10):
        at_s, at_us = tenth / 10, tenth * MICROSECONDS // 10
        ignition = MQB_IGNITION_S[0] <= at_s < MQB_IGNITION_S[1]
        speed_kmh = between(MQB_SPEED_KMH, at_s) if at_s < MQB_SPEED_KMH[-1][0] else 0.0
        odometer_km += speed_kmh / 36_000
        if ignition:
            shown = INVALID_SPEED if at_s < MQB_IGNITION_S[0] + 1 else round(speed_kmh, 2)
            send(at_us, "ESP_21", ESP_v_Signal=shown)
        if tenth % 10 == 0:
            send(at_us + 1_000, "Klemmen_Status_01", ZAS_Kl_S=at_s >= 2, ZAS_Kl_15=ignition)
            send(at_us + 2_000, "Getriebe_11", GE_Fahrstufe=DRIVE if speed_kmh else PARK)
            outside = 21.5 if at_s < 90 else 22.5
            send(
                at_us + 3_000,
                "Kombi_02",
                KBI_Kilometerstand=int(odometer_km),
                KBI_Inhalt_Tank=31,
                KBI_Aussen_Temp_gef=outside,
            )
    return text.text()


def _protected(can_id: int, data: bytes, counter: int) -> bytes:
    """Set counter and checksum where the platform has them (AUTOSAR end-to-end profile 2)."""
    rule = CHECKSUMS["vw_mqb"].get(can_id)
    if rule is None or rule.constants is None:
        return data
    body = bytes([data[1] & 0xF0 | counter]) + data[2:]
    crc = 0xFF
    for byte in body + rule.constants[counter : counter + 1]:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ _CRC_POLYNOMIAL if crc & 0x80 else crc << 1) & 0xFF
    return bytes([crc ^ 0xFF]) + body


def petrol_drive() -> str:
    """Return 150 s of a tester at a petrol car: the engine gets too hot, codes are found and cleared."""
    text = CandumpText(PETROL_BEGAN_AT)
    for at_s in range(PETROL_SPEED_KMH[-1][0]):
        speed = round(between(PETROL_SPEED_KMH, at_s))
        parameters: dict[int, bytes] = {
            0x0D: bytes([speed]),
            0x0C: (4 * (800 + 25 * speed)).to_bytes(2, "big"),
        }
        if at_s % 5 == 0:
            parameters[0x05] = bytes([round(between(PETROL_COOLANT_CELSIUS, at_s)) + 40])
            parameters[0x42] = (13_900 + at_s).to_bytes(2, "big")
        if at_s % 30 == 0:
            parameters[0x2F] = bytes([26 - at_s // 30])  # of 255: close to the limit of the warning
        _ask_for(text, at_s, parameters)
        if at_s in (3, 130):
            codes = bytes.fromhex("0301 0420") if at_s == 3 else b""
            at_us = at_s * MICROSECONDS + 500_000
            text.exchange(at_us, ENGINE_REQUEST, b"\x03", ENGINE, bytes([0x43, len(codes) // 2]) + codes)
            text.exchange(at_us + 100_000, GEARBOX_REQUEST, b"\x03", GEARBOX, b"\x43\x00")
            pending = b"\x47\x01\x01\x28" if at_s == 3 else b"\x47\x00"
            text.exchange(at_us + 200_000, ENGINE_REQUEST, b"\x07", ENGINE, pending)
        if at_s == 125:
            text.exchange(at_s * MICROSECONDS + 500_000, ALL_UNITS, b"\x04", ENGINE, b"\x44")
    return text.text()


def _ask_for(text: CandumpText, at_s: int, parameters: Mapping[int, bytes]) -> None:
    for number, (pid, data) in enumerate(parameters.items()):
        at_us = at_s * MICROSECONDS + 50_000 * number
        text.exchange(at_us, ALL_UNITS, bytes([0x01, pid]), ENGINE, bytes([0x41, pid]) + data)
