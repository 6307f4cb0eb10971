"""What a car carries from one day into the next, and what of it a new car begins with."""

from dataclasses import dataclass, fields
from functools import cache

import numpy as np

from adapters.simulator.dice import Purpose, dice
from adapters.simulator.fleet import Car
from adapters.simulator.motion import altitude_m
from adapters.simulator.routes import Route, load_routes
from adapters.simulator.specs import Drive


@dataclass(slots=True)
class CarState:
    """How a car stands, asleep and locked. It is copied before it is changed."""

    odometer_m: float
    place_m: float  # on its road, from its first point
    onward: bool  # it drives towards the last point
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    heading_deg: float
    energy_kwh: float
    fuel_l: float
    warm_coolant_k: float  # above the temperature outside
    warm_tires_k: float
    tire_cold_kpa: tuple[float, float, float, float]  # at 20 °C
    plugged: bool
    song: int  # the last one that was played, by its place in the catalogue
    codes_told: frozenset[tuple[int, int]]  # identifier of the answer, code
    consumption_kwh_100km: float  # what the range is told from
    consumption_l_100km: float

    def copy(self) -> "CarState":
        """Return a copy."""
        return CarState(**{field.name: getattr(self, field.name) for field in fields(self)})


def road_of(car: Car) -> Route:
    """Return the road that a car drives on, all of its life."""
    roads = [route for route in _routes() if route.region == car.region.key]
    return roads[int(dice(car.seed, car.number, Purpose.DRIVER, 1).integers(len(roads)))]


@cache
def _routes() -> tuple[Route, ...]:
    return load_routes()


def new_state(car: Car, road: Route) -> CarState:
    """Return how a car stands when the simulation begins."""
    chance = dice(car.seed, car.number, Purpose.DRIVER, 2)
    spec = car.spec
    least, most = (0.25, 0.95) if spec.drive is Drive.HYBRID else (0.5, 0.95)
    place_m = float(chance.uniform(0.05, 0.95)) * road.length_m
    here = road.at(np.array([place_m]))
    return CarState(
        odometer_m=float(chance.integers(3_000_000, 95_000_000)),
        place_m=place_m,
        onward=bool(chance.random() < 0.5),
        latitude_deg=float(here.latitude_deg[0]),
        longitude_deg=float(here.longitude_deg[0]),
        altitude_m=float(altitude_m(road, np.array([place_m]))[0]),
        heading_deg=float(here.heading_deg[0]),
        energy_kwh=spec.battery_kwh * float(chance.uniform(least, most)),
        fuel_l=spec.tank_l * float(chance.uniform(0.35, 1.0)),
        warm_coolant_k=0.0,
        warm_tires_k=0.0,
        tire_cold_kpa=_tires(chance, spec.tire_kpa),
        plugged=False,
        song=int(chance.integers(1_000)),
        codes_told=frozenset(),
        consumption_kwh_100km=spec.consumption_kwh_100km,
        consumption_l_100km=spec.consumption_l_100km,
    )


def _tires(chance: np.random.Generator, usual_kpa: float) -> tuple[float, float, float, float]:
    a, b, c, d = (usual_kpa + float(chance.normal(-3.0, 5.0)) for _ in range(4))
    return a, b, c, d
