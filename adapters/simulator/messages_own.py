"""This project's own messages (schemas/dbc/fleettwin.dbc) as a simulated car sends them."""

from typing import Final

import numpy as np

from adapters.simulator.messages import BusCar, Message, Moments, Values
from adapters.simulator.specs import Drive

_ACCURACY_M: Final = 3.0  # of a position, as receivers in cars have it under a free sky
_NO_ACCURACY_M: Final = 25.4  # raw 254: no value
_FIX_3D: Final = 2
_POWER_KW_MAX: Final = 327.67
_ENERGY_KWH_MAX: Final = 163.81
_RANGE_KM_MAX: Final = 4_093
_CHARGING_KW_MAX: Final = 409.3
_CHARGING_MIN_MAX: Final = 4_093
_TIRE_KPA_MAX: Final = 1_021


def _position(now: Moments, _: BusCar) -> Values:
    valid = now.state(now.trace.fixed)
    return {
        "Position_Latitude_deg": np.where(valid, now.number(now.trace.latitude_deg), 0),
        "Position_Longitude_deg": np.where(valid, now.number(now.trace.longitude_deg), 0),
        "Position_Valid": valid,
    }


def _motion(now: Moments, _: BusCar) -> Values:
    valid = now.state(now.trace.fixed)
    return {
        "Speed_kmh": now.number(now.trace.speed_kmh),
        "Heading_deg": np.mod(np.rint(now.number(now.trace.heading_deg) * 100), 36_000) / 100,
        "Altitude_m": np.clip(now.number(now.trace.altitude_m), -500, 6_000),
        "HorizontalAccuracy_m": np.where(valid, _ACCURACY_M, _NO_ACCURACY_M),
        "Speed_Valid": valid,
        "Heading_Valid": valid,
        "Altitude_Valid": valid,
        "FixType": valid * _FIX_3D,
    }


def _destination(now: Moments, _: BusCar) -> Values:
    valid = now.state(now.trace.destination_set)
    return {
        "Destination_Latitude_deg": np.where(valid, now.held(now.trace.destination_latitude_deg), 0),
        "Destination_Longitude_deg": np.where(valid, now.held(now.trace.destination_longitude_deg), 0),
        "Destination_Valid": valid,
    }


def _terminals(now: Moments, _: BusCar) -> Values:
    return {"Terminal_S": now.state(now.trace.accessories), "Terminal_15": now.state(now.trace.ignition)}


def _odometer(now: Moments, _: BusCar) -> Values:
    return {"Odometer_km": np.floor(now.number(now.trace.odometer_m) / 100) / 10}


def _battery(now: Moments, _: BusCar) -> Values:
    charge = np.clip(now.number(now.trace.state_of_charge_percent), 0, 100)
    return {
        "StateOfCharge_Current_percent": charge,
        "StateOfCharge_Displayed_percent": charge,
        "Battery_Energy_kWh": np.clip(now.number(now.trace.energy_kwh), 0, _ENERGY_KWH_MAX),
        "Battery_Power_kW": np.clip(now.number(now.trace.battery_power_kw), -_POWER_KW_MAX, _POWER_KW_MAX),
        "Range_km": np.clip(now.number(now.trace.range_km), 0, _RANGE_KM_MAX),
    }


def _charging(now: Moments, _: BusCar) -> Values:
    return {
        "Plug_Connected": now.state(now.trace.plug),
        "Plug_Locked": now.state(now.trace.plug_locked),
        "Charging_Active": now.state(now.trace.charging),
        "Charging_Average_Power_kW": np.clip(now.held(now.trace.charging_power_kw), 0, _CHARGING_KW_MAX),
        "Charging_Time_Left_min": np.clip(now.held(now.trace.charging_left_min), 0, _CHARGING_MIN_MAX),
    }


def _tires(now: Moments, _: BusCar) -> Values:
    names = ("Front_Left", "Front_Right", "Rear_Left", "Rear_Right")
    return {
        f"Tire_{name}_kPa": np.clip(now.number(column), 0, _TIRE_KPA_MAX)
        for name, column in zip(names, now.trace.tire_kpa, strict=True)
    }


def _media(now: Moments, _: BusCar) -> Values:
    return {
        "Media_Source": now.code(now.trace.media_source),
        "Media_Playback": now.code(now.trace.media_playback),
        "Media_Volume_percent": now.code(now.trace.volume_percent),
    }


_ALWAYS: Final = (
    Message("FT_Position", 200, _position),
    Message("FT_Motion", 100, _motion),
    Message("FT_Destination", 1_000, _destination),
    Message("FT_Terminals", 200, _terminals, at_rest=True),
    Message("FT_Odometer", 1_000, _odometer),
    Message("FT_Tires", 1_000, _tires),
    Message("FT_Media", 500, _media),
)
_WITH_BATTERY: Final = (
    Message("FT_Battery", 500, _battery, at_rest=True),
    Message("FT_Charging", 500, _charging, at_rest=True),
)


def own_messages(drive: Drive) -> tuple[Message, ...]:
    """Return the messages of a car with this drive."""
    return _ALWAYS if drive is Drive.PETROL else _ALWAYS + _WITH_BATTERY
