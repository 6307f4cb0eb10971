"""The messages of a simulated MEB car: classic CAN and CAN FD side by side, as opendbc's `vw_meb.dbc` has them."""

from typing import Final

import numpy as np

from adapters.simulator.messages import BusCar, Message, Moments, Values, nothing
from adapters.simulator.messages_vw import (
    SHARED,
    WHEELS,
    gearbox,
    longitudinal_g,
    outside_celsius,
    pedal_percent,
    steering,
)

_GEAR_CODES: Final = np.array([1, 2, 3, 4])  # of P, R, N, D in WBA_Fahrstufe_02
_ENERGY_WH_MAX: Final = 102_200  # raw 2044; 2045 is "not counted yet"
_HV_IDLE, _HV_DRIVING, _CHARGING_AC, _CHARGING_DC = 0, 1, 4, 6  # BMS_IstModus
_AC_KW_MAX: Final = 22.0
_SPEED_KMH_MAX: Final = 255.5  # raw 1022; 1023 is an error
_FULL_BRAKE_MS2: Final = 10.0


def _esc_50(now: Moments, _: BusCar) -> Values:
    speed = now.number(now.trace.speed_kmh)
    return {
        "Lateral_Accel": 0,
        "Longitudinal_Accel": longitudinal_g(now),
        "Standstill": (speed == 0).astype(np.int64),
        "Longitudinal_Speed": np.minimum(speed, _SPEED_KMH_MAX),
    }


def _brake_percent(now: Moments) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    slower = np.clip(-now.number(now.trace.acceleration_ms2) / _FULL_BRAKE_MS2, 0, 1)
    return np.where(now.state(now.trace.brake), 99 * slower, 0)


def _esc_51(now: Moments, _: BusCar) -> Values:
    speed = now.number(now.trace.speed_kmh)
    return {f"{wheel}_Radgeschw": speed for wheel in WHEELS} | {"Brake_Pressure": _brake_percent(now)}


def _motor_51(now: Moments, _: BusCar) -> Values:
    return {"Accel_Pedal_Pressure": pedal_percent(now), "TSK_Status": 1 + now.state(now.trace.ignition)}


def _motor_54(now: Moments, _: BusCar) -> Values:
    return {"Accelerator_Pressure": np.minimum(pedal_percent(now), 85)}  # as far as its eight bits reach


def _vmm_02(now: Moments, _: BusCar) -> Values:
    braking = now.state(now.trace.brake)
    return {
        "Brake_Pressed_1": braking,
        "Brake_Pressed_2": braking,
        "Brake_Pressed_3": braking,
        "Brake_Pressure": _brake_percent(now),
    }


def _qfk_01(now: Moments, _: BusCar) -> Values:
    return {**steering(now, "Steering_Angle", "Steering_Angle_VZ", 1_000.0), "LatCon_HCA_Status": 2}


def _motor_14(now: Moments, _: BusCar) -> Values:
    braking = now.state(now.trace.brake)
    return {
        "MO_HYB_Fahrbereitschaft": now.state(now.trace.ignition),
        "MO_Fahrer_bremst": braking,
        "MO_BLS": braking,
    }


def _wba_03(now: Moments, _: BusCar) -> Values:
    return {"WBA_Fahrstufe_02": gearbox(now, _GEAR_CODES)}


def _driver_door(now: Moments, _: BusCar) -> Values:
    return {"FT_Tuer_geoeffnet": now.state(now.trace.driver_door_open), "FT_verriegelt": now.state(now.trace.locked)}


def _rear_left_door(now: Moments, _: BusCar) -> Values:
    return {"HFS_verriegelt": now.state(now.trace.locked), "HFS_Tuer_Status": 1}


def _rear_right_door(now: Moments, _: BusCar) -> Values:
    return {"HBFS_verriegelt": now.state(now.trace.locked), "HBFS_Tuer_Status": 1}


def _zv_02(now: Moments, _: BusCar) -> Values:
    locked = now.state(now.trace.locked)
    names = ("ZV_verriegelt_extern_ist", "ZV_verriegelt_extern_soll", "HFS_verriegelt", "HBFS_verriegelt")
    return dict.fromkeys(names, locked) | {
        "ZV_FT_offen": now.state(now.trace.driver_door_open),
        "ZV_ist_Zustand_verfuegbar": 1,
    }


def _klima_sensor_02(now: Moments, _: BusCar) -> Values:
    return {"BCM1_Aussen_Temp_ungef": outside_celsius(now)}


def _hvem_02(now: Moments, _: BusCar) -> Values:
    energy_wh = np.clip(now.number(now.trace.energy_kwh) * 1_000, 0, _ENERGY_WH_MAX)
    return {"HVEM_IstStrom_HVVerbraucher": 0, "HVEM_Nutzbare_Energie": energy_wh}


def _bms_04(now: Moments, _: BusCar) -> Values:
    charging = np.where(now.held(now.trace.charging_power_kw) > _AC_KW_MAX, _CHARGING_DC, _CHARGING_AC)
    otherwise = np.where(now.state(now.trace.ignition), _HV_DRIVING, _HV_IDLE)
    return {
        "BMS_IstModus": np.where(now.state(now.trace.charging), charging, otherwise),
        "BMS_Soll_SOC_HiRes": np.clip(now.number(now.trace.state_of_charge_percent), 0, 100),
    }


def _gnss_04(now: Moments, _: BusCar) -> Values:
    altitude = np.clip(now.number(now.trace.altitude_m), -500, 7_686)
    return {"GNSS_Ortung_Hoehe": np.where(now.state(now.trace.fixed), altitude, 7_688)}  # raw 4094: no value


MEB: Final = (
    *SHARED,
    Message("Motor_54", 10, _motor_54),
    Message("ESC_51", 20, _esc_51),
    Message("ESC_50", 20, _esc_50),
    Message("Motor_51", 20, _motor_51),
    Message("VMM_02", 20, _vmm_02),
    Message("QFK_01", 20, _qfk_01),
    Message("AWV_03", 50, nothing),
    Message("EML_06", 50, nothing),
    Message("ESP_24", 50, nothing),
    Message("WBA_03", 50, _wba_03),
    Message("BMS_04", 50, _bms_04, at_rest=True),
    Message("Motor_14", 100, _motor_14),
    Message("HVEM_02", 100, _hvem_02, at_rest=True),
    Message("TSG_FT_01", 100, _driver_door, at_rest=True),
    Message("TSG_HFS_01", 100, _rear_left_door, at_rest=True),
    Message("TSG_HBFS_01", 100, _rear_right_door, at_rest=True),
    Message("ZV_02", 200, _zv_02, at_rest=True),
    Message("Klima_Sensor_02", 500, _klima_sensor_02),
    Message("GNSS_04", 1_000, _gnss_04),
)
