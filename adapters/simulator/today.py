"""A day of a car while it is being written."""

from adapters.simulator import faults, media, warmth
from adapters.simulator.dice import Purpose, dice
from adapters.simulator.driver import Driver
from adapters.simulator.fleet import Car
from adapters.simulator.routes import Route
from adapters.simulator.state import CarState
from adapters.simulator.timeline import Timeline
from adapters.simulator.trace import (
    DAY_S,
    ChargeTruth,
    CodeTruth,
    DestinationTruth,
    Gear,
    PlayTruth,
    Said,
    TripTruth,
    Truth,
)
from adapters.simulator.weather import outside_celsius

ASLEEP_V, AWAKE_V, STARTER_V, DRIVING_V = 12.5, 12.3, 11.8, 14.2


class Today:
    """What is known of the day so far. `state` is how the car stands now, at the end of what is written."""

    def __init__(
        self, car: Car, driver: Driver, road: Route, leak: warmth.Leak | None, state: CarState, day: int
    ) -> None:
        self.car, self.driver, self.road, self.leak, self.state, self.day = car, driver, road, leak, state, day
        self.chance = dice(car.seed, car.number, Purpose.LEG, day)
        self.media_chance = dice(car.seed, car.number, Purpose.MEDIA, day)
        self.faults = faults.faults(car, day)
        self.outside = outside_celsius(car.seed, car.region, day)
        self.coolant = warmth.Warmth(state.warm_coolant_k, warmth.COOLANT_COOLS_S)
        self.tires = warmth.Warmth(state.warm_tires_k, warmth.TIRES_COOL_S)
        self.free = 0  # the row from which on the car may be opened
        self.said: list[Said] = []
        self.trips: list[TripTruth] = []
        self.plays: list[PlayTruth] = []
        self.codes: list[CodeTruth] = []
        self.charges: list[ChargeTruth] = []
        self.destinations: list[DestinationTruth] = []
        self.consumption = [(0, state.consumption_kwh_100km, state.consumption_l_100km)]
        self.timeline = Timeline(
            odometer_m=state.odometer_m,
            latitude_deg=state.latitude_deg,
            longitude_deg=state.longitude_deg,
            heading_deg=state.heading_deg,
            altitude_m=state.altitude_m,
            energy_kwh=state.energy_kwh,
            fuel_l=state.fuel_l,
            low_voltage_v=ASLEEP_V,
            plug=state.plugged,
            plug_locked=state.plugged,
            parking_brake=True,
            locked=True,
            gear=Gear.P,
            media_source=media.OFF,
            media_playback=media.OFF,
            volume_percent=media.NO_VOLUME,
        )

    @property
    def first_s(self) -> int:
        """The simulated second at which the day begins."""
        return self.day * DAY_S

    def at_s(self, row: float) -> float:
        """Return the simulated second of a row, or of a moment between two."""
        return self.first_s + float(row)

    def truth(self) -> Truth:
        """Return what a twin should come to know of the day."""
        return Truth(
            tuple(self.trips), tuple(self.plays), tuple(self.codes), tuple(self.charges), tuple(self.destinations)
        )
