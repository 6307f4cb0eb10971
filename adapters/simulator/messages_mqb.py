"""The messages of a simulated MQB car, petrol or plug-in hybrid, as opendbc's `vw_mqb.dbc` has them."""

from typing import Final

import numpy as np

from adapters.simulator.messages import BusCar, Message, Moments, Values, nothing
from adapters.simulator.messages_vw import (
    SHARED,
    WHEELS,
    kilometres,
    longitudinal_g,
    outside_celsius,
    pedal_percent,
)
from adapters.simulator.trace import Gear

_SHOWN_KMH_MAX: Final = 325.0
_RESERVE_L: Final = 7.0  # the lamp of the tank goes on
_TANK_L_MAX: Final = 125.0
_UNKNOWN_PERCENT: Final = 126  # raw 126: no value
_UNKNOWN_TANK_L: Final = 127.0  # raw 254: no value
_NO_OIL_SENSOR_CELSIUS: Final = 193  # raw 253: not fitted
_RPM_MAX: Final = 12_000.0
_SHIFT_KMH: Final = np.array([15.0, 30.0, 45.0, 60.0, 80.0])  # from first to sixth gear


def _esp_19(now: Moments, _: BusCar) -> Values:
    speed = now.number(now.trace.speed_kmh)
    return {f"ESP_{wheel}_Radgeschw_02": speed for wheel in WHEELS}


def _esp_02(now: Moments, _: BusCar) -> Values:
    return {
        "ESP_Stillstandsflag": (now.number(now.trace.speed_kmh) == 0).astype(np.int64),
        "ESP_Querbeschleunigung": 0,
        "ESP_Laengsbeschl": longitudinal_g(now),
        "ESP_Verteil_Wankmom": 0,
    }


def _esp_05(now: Moments, _: BusCar) -> Values:
    braking = now.state(now.trace.brake)
    bar = np.where(braking, np.clip(-10 * now.number(now.trace.acceleration_ms2), 2, 120), 0)
    return {"ESP_Bremsdruck": bar, "ESP_Fahrer_bremst": braking}


def _motor_20(now: Moments, _: BusCar) -> Values:
    return {"MO_Fahrpedalrohwert_01": pedal_percent(now), "TSK_a_Soll_gradientenbegrenzt": 0}


def _motor_04(now: Moments, _: BusCar) -> Values:
    gear = np.searchsorted(_SHIFT_KMH, now.number(now.trace.speed_kmh)) + 1
    gear = np.where(now.code(now.trace.gear) == Gear.D, gear, 0)
    rpm = np.clip(now.number(now.trace.engine_rpm), 0, _RPM_MAX)
    return {"MO_Istgang": gear, "MO_Sollgang": gear, "MO_Anzeigedrehz": rpm}


def _motor_14(now: Moments, _: BusCar) -> Values:
    braking = now.state(now.trace.brake)
    return {
        "MO_HYB_Fahrbereitschaft": now.state(now.trace.ignition),
        "MO_Fahrer_bremst": braking,
        "MO_BLS": braking,
        "MO_Motor_laeuft": (now.held(now.trace.engine_rpm) > 0).astype(np.int64),
    }


def _motor_07(now: Moments, _: BusCar) -> Values:
    return {
        "MO_Ansaugluft_Temp": outside_celsius(now) + 5,
        "MO_Oel_Temp": _NO_OIL_SENSOR_CELSIUS,
        "MO_Kuehlmittel_Temp": np.clip(now.number(now.trace.coolant_celsius), -48, 141),
    }


def _kombi_01(now: Moments, _: BusCar) -> Values:
    shown = np.minimum(now.number(now.trace.speed_kmh), _SHOWN_KMH_MAX)
    return {
        "KBI_Tankwarnung": (now.held(now.trace.fuel_l) < _RESERVE_L).astype(np.int64),
        "KBI_Handbremse": now.state(now.trace.parking_brake),
        "KBI_V_Digital": shown,
        "KBI_angez_Geschw": shown,
    }


def _kombi_02(now: Moments, _: BusCar) -> Values:
    return {
        "KBI_Kilometerstand": kilometres(now),
        "KBI_Inhalt_Tank": np.clip(now.number(now.trace.fuel_l), 0, _TANK_L_MAX),
        "KBI_Aussen_Temp_gef": outside_celsius(now),
    }


def _kombi_03(now: Moments, car: BusCar) -> Values:
    fuel_l = np.clip(now.number(now.trace.fuel_l), 0, _TANK_L_MAX)
    known = car.tank_l > 0
    return {
        "KBI_Tankfuellstand_Prozent": np.minimum(100 * fuel_l / car.tank_l, 100) if known else _UNKNOWN_PERCENT,
        "KBI_Tankinhalt_hochaufl": fuel_l,
        "KBI_Max_Tankinhalt": car.tank_l if known else _UNKNOWN_TANK_L,
    }


MQB: Final = (
    *SHARED,
    Message("ESP_19", 10, _esp_19),
    Message("ESP_02", 10, _esp_02),
    Message("Motor_20", 10, _motor_20),
    Message("Motor_04", 20, _motor_04),
    Message("ESP_05", 20, _esp_05),
    Message("TSK_06", 20, nothing),
    Message("ESP_33", 20, nothing),
    Message("GRA_ACC_01", 33, nothing),
    Message("Motor_14", 50, _motor_14),
    Message("Kombi_01", 50, _kombi_01),
    Message("Motor_07", 500, _motor_07),
    Message("Kombi_02", 1_000, _kombi_02),
    Message("Kombi_03", 1_000, _kombi_03),
)
