"""The models of the simulated fleet, and the facts of each that its physics needs.

Source: the makers' technical data of the model years 2021 to 2024 (press kits and price lists). Kerb masses are those
of Regulation (EU) 1230/2012, with a driver of 75 kg, rounded to 5 kg; batteries are net. The makers publish drag
coefficients, and frontal areas of some models; those of the others follow from width and height. Tyres of rolling
resistance class A to C (Regulation (EU) 2020/740) have coefficients of 0.0065 to 0.0090; bearings and brakes are added.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Drive(Enum):
    """What drives a car."""

    ELECTRIC = "electric"
    HYBRID = "plug-in hybrid"
    PETROL = "petrol"


class Platform(Enum):
    """The modular kit that a car is built from, named as the mapping of its messages is (schemas/vss)."""

    MEB = "vw_meb"
    MQB = "vw_mqb"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarSpec:
    """A model. What a drive has not is 0: the tank of an electric car, the battery of a petrol car."""

    brand: str
    model: str
    drive: Drive
    platform: Platform
    mass_kg: float  # kerb mass
    drag_area_m2: float  # drag coefficient × frontal area
    rolling_resistance: float = 0.0095
    wheelbase_m: float
    battery_kwh: float = 0.0
    ac_kw: float = 0.0  # at the plug
    dc_kw: float = 0.0  # at the best; 0: cannot
    recuperation_kw: float = 0.0  # at the most, into the battery
    tank_l: float = 0.0
    idle_l_per_h: float = 0.0
    tire_kpa: float = 240.0  # above the pressure of the air, cold, at 20 °C
    consumption_kwh_100km: float = 0.0  # what the range is told from when the car is new
    consumption_l_100km: float = 0.0


def _electric(brand: str, model: str, mass_kg: float, drag_area_m2: float, battery_kwh: float, dc_kw: float) -> CarSpec:
    """MEB: 150 kW at the rear axle, wheelbase 2.77 m, alternating current with 11 kW."""
    return CarSpec(
        brand=brand,
        model=model,
        drive=Drive.ELECTRIC,
        platform=Platform.MEB,
        mass_kg=mass_kg,
        drag_area_m2=drag_area_m2,
        wheelbase_m=2.77,
        battery_kwh=battery_kwh,
        ac_kw=11.0,
        dc_kw=dc_kw,
        recuperation_kw=100.0,
        tire_kpa=260.0,
        consumption_kwh_100km=17.0 if mass_kg < 2000 else 19.0,
    )


def _hybrid(brand: str, model: str, mass_kg: float, drag_area_m2: float, wheelbase_m: float) -> CarSpec:
    """MQB: 1.4 TSI of 110 kW and electric motor of 85 kW, battery of 13.0 kWh gross, alternating current only."""
    return CarSpec(
        brand=brand,
        model=model,
        drive=Drive.HYBRID,
        platform=Platform.MQB,
        mass_kg=mass_kg,
        drag_area_m2=drag_area_m2,
        wheelbase_m=wheelbase_m,
        battery_kwh=10.4,
        ac_kw=3.6,
        recuperation_kw=60.0,
        tank_l=40.0,
        idle_l_per_h=0.55,
        tire_kpa=250.0,
        consumption_kwh_100km=17.0,
        consumption_l_100km=5.8,
    )


def _petrol(brand: str, model: str, mass_kg: float, drag_area_m2: float, wheelbase_m: float) -> CarSpec:
    """MQB: 1.5 TSI of 110 kW, tank of 50 l."""
    return CarSpec(
        brand=brand,
        model=model,
        drive=Drive.PETROL,
        platform=Platform.MQB,
        mass_kg=mass_kg,
        drag_area_m2=drag_area_m2,
        wheelbase_m=wheelbase_m,
        tank_l=50.0,
        idle_l_per_h=0.60,
        tire_kpa=240.0,
        consumption_l_100km=6.2,
    )


ID3: Final = _electric("Volkswagen", "ID.3 Pro", 1815, 0.267 * 2.36, 58.0, 120.0)
ID4: Final = _electric("Volkswagen", "ID.4 Pro", 2125, 0.28 * 2.56, 77.0, 135.0)
Q4: Final = _electric("Audi", "Q4 40 e-tron", 2125, 0.28 * 2.58, 77.0, 135.0)
ENYAQ: Final = _electric("Škoda", "Enyaq iV 80", 2090, 0.265 * 2.58, 77.0, 135.0)
BORN: Final = _electric("CUPRA", "Born 58", 1830, 0.27 * 2.37, 58.0, 120.0)

GOLF_HYBRID: Final = _hybrid("Volkswagen", "Golf eHybrid", 1615, 0.275 * 2.21, 2.63)
OCTAVIA_HYBRID: Final = _hybrid("Škoda", "Octavia iV", 1620, 0.25 * 2.26, 2.68)
LEON_HYBRID: Final = _hybrid("SEAT", "Leon e-HYBRID", 1615, 0.29 * 2.20, 2.68)

GOLF: Final = _petrol("Volkswagen", "Golf 1.5 TSI", 1330, 0.275 * 2.21, 2.63)
JETTA: Final = _petrol("Volkswagen", "Jetta 1.5 TSI", 1395, 0.27 * 2.20, 2.69)
A3: Final = _petrol("Audi", "A3 35 TFSI", 1395, 0.28 * 2.20, 2.64)
OCTAVIA: Final = _petrol("Škoda", "Octavia 1.5 TSI", 1340, 0.25 * 2.26, 2.68)
LEON: Final = _petrol("SEAT", "Leon 1.5 TSI", 1340, 0.29 * 2.20, 2.68)

MODELS: Final = (
    *(ID3, ID4, Q4, ENYAQ, BORN),
    *(GOLF_HYBRID, OCTAVIA_HYBRID, LEON_HYBRID),
    *(GOLF, JETTA, A3, OCTAVIA, LEON),
)
BRANDS: Final = tuple(dict.fromkeys(spec.brand for spec in MODELS))
