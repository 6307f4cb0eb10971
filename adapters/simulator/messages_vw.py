"""Messages of Volkswagen cars as a simulated car sends them: those that MEB and MQB cars share.

Names, signals and their codes are those of opendbc's `vw_meb.dbc` and `vw_mqb.dbc`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.simulator.messages import BusCar, Message, Moments, Values, nothing
from adapters.simulator.trace import Gear, Numbers

WHEELS: Final = ("VL", "VR", "HL", "HR")  # front left, front right, rear left, rear right
_PULSE_M: Final = 0.045  # of way a pulse of a wheel, about 43 a turn
_PULSES: Final = 1_001  # the count begins anew after 1000
_GEARBOX_CODES: Final = np.array([5, 6, 7, 8])  # of P, R, N, D in GE_Fahrstufe
_UNBELTED: Final = 2  # nobody but the driver is aboard; 3 is belted
_EMPTY: Final = 2
_FORCE_OF_GRAVITY: Final = 9.81
_TEMPERATURE_MAX: Final = 75.0


def steering(now: Moments, signal: str, sign: str, largest: float) -> Values:
    """Return a steering angle and its sign, which is 0 to the left."""
    angle = now.number(now.trace.steering_deg)
    return {signal: np.minimum(np.abs(angle), largest), sign: (angle < 0).astype(np.int64)}


def pedal_percent(now: Moments) -> Numbers:
    """Return how far the accelerator is pressed: what the acceleration and the speed ask for."""
    wanted = 25 * now.number(now.trace.acceleration_ms2) + 0.25 * now.number(now.trace.speed_kmh)
    pressed = (now.trace.gear != Gear.P) & ~now.trace.brake
    return np.where(now.state(pressed), np.clip(wanted, 0, 100), 0)


def gearbox(now: Moments, codes: NDArray[np.int64] = _GEARBOX_CODES) -> NDArray[np.int64]:
    """Return the codes of the selected gear."""
    return codes[now.code(now.trace.gear)]


def kilometres(now: Moments) -> Numbers:
    """Return what the odometer shows: whole kilometres that are driven."""
    return np.floor(now.number(now.trace.odometer_m) / 1_000)


def outside_celsius(now: Moments) -> Numbers:
    """Return the temperature outside."""
    return np.clip(now.number(now.trace.outside_celsius), -50, _TEMPERATURE_MAX)


def _lwi_01(now: Moments, _: BusCar) -> Values:
    return steering(now, "LWI_Lenkradwinkel", "LWI_VZ_Lenkradwinkel", 690.0)


def _lh_eps_03(now: Moments, _: BusCar) -> Values:
    return {**steering(now, "EPS_Berechneter_LW", "EPS_VZ_BLW", 613.0), "EPS_HCA_Status": 3}


def _esp_21(now: Moments, _: BusCar) -> Values:
    return {"BR_Eingriffsmoment": 0, "ESP_v_Signal": now.number(now.trace.speed_kmh)}


def _esp_10(now: Moments, _: BusCar) -> Values:
    pulses = np.mod(np.floor(now.number(now.trace.odometer_m) / _PULSE_M), _PULSES)
    backwards = (now.code(now.trace.gear) == Gear.R).astype(np.int64)
    return {f"ESP_Wegimpuls_{wheel}": pulses for wheel in WHEELS} | {
        f"ESP_{wheel}_Fahrtrichtung": backwards for wheel in WHEELS
    }


def _getriebe_11(now: Moments, _: BusCar) -> Values:
    return {"GE_Fahrstufe": gearbox(now)}


def _klemmen_status_01(now: Moments, _: BusCar) -> Values:
    on = now.state(now.trace.ignition)
    return {"ZAS_Kl_S": now.state(now.trace.accessories), "ZAS_Kl_15": on, "ZAS_Kl_X": on}


def _gateway_72(now: Moments, _: BusCar) -> Values:
    return {"ZV_FT_offen": now.state(now.trace.driver_door_open), "BCM1_Aussen_Temp_ungef": outside_celsius(now)}


def _gateway_73(now: Moments, _: BusCar) -> Values:
    return {"GE_Fahrstufe": gearbox(now), "EPB_Status": now.state(now.trace.parking_brake)}


def _licht_hinten_01(now: Moments, _: BusCar) -> Values:
    return {
        "LH_Bremslicht_H_aktiv": now.state(now.trace.brake),
        "LH_Rueckfahrlicht_aktiv": (now.code(now.trace.gear) == Gear.R).astype(np.int64),
    }


def _licht_anf_01(now: Moments, _: BusCar) -> Values:
    return {"BCM1_Tagfahrlicht_Anf": now.state(now.trace.ignition)}


def _airbag_02(now: Moments, _: BusCar) -> Values:
    others = ("BF", "Reihe2_FA", "Reihe2_MI", "Reihe2_BF")
    return {f"AB_Gurtschloss_{seat}": _UNBELTED for seat in others} | {
        "AB_Gurtschloss_FA": _UNBELTED + now.state(now.trace.driver_belted),
        "AB_Belegung_VB": _EMPTY,
    }


def _diagnose_01(now: Moments, _: BusCar) -> Values:
    # The date is unknown (month 0), so the clock is out of date.
    return {"KBI_Kilometerstand": kilometres(now), "UH_Jahr": 2000, "Uhrzeit_01_alt": 1}


def longitudinal_g(now: Moments) -> Numbers:
    """Return the acceleration along the car, m/s², within what its sensor can tell."""
    return np.clip(now.number(now.trace.acceleration_ms2), -_FORCE_OF_GRAVITY, _FORCE_OF_GRAVITY)


SHARED: Final = (
    Message("LWI_01", 10, _lwi_01),
    Message("LH_EPS_03", 10, _lh_eps_03),
    Message("Airbag_01", 20, nothing),
    Message("ESP_10", 20, _esp_10),
    Message("ESP_21", 20, _esp_21),
    Message("Getriebe_11", 20, _getriebe_11),
    Message("Gateway_73", 50, _gateway_73),
    Message("Klemmen_Status_01", 100, _klemmen_status_01, at_rest=True),
    Message("Gateway_72", 100, _gateway_72, at_rest=True),
    Message("Licht_hinten_01", 100, _licht_hinten_01),
    Message("Licht_Anf_01", 100, _licht_anf_01),
    Message("Airbag_02", 200, _airbag_02),
    Message("Diagnose_01", 1_000, _diagnose_01),
)
