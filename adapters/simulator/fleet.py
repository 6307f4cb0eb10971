"""The cars of a simulated fleet: which, where, and by which number each is known."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from adapters.simulator import specs
from adapters.simulator.dice import Purpose, dice
from adapters.simulator.specs import BRANDS, CarSpec, Drive, Platform
from adapters.simulator.vins import MODEL_YEARS, SERIALS, Marks, make_vin
from domain.errors import BadInputError
from domain.vin import Vin

_SERIAL_STEP: Final = 7_919  # has no factor in common with SERIALS, so that no two cars get the same


class Region(IntEnum):
    """Where a car drives."""

    EUROPE = 0
    CHINA = 1
    UNITED_STATES = 2

    @property
    def key(self) -> str:
        """The region as routes name it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Car:
    """One car of the fleet: `number` counts from 0, `seed` is the fleet's."""

    number: int
    seed: int
    vin: Vin
    spec: CarSpec
    region: Region

    @property
    def brand(self) -> str:
        """The brand, as people write it."""
        return self.spec.brand

    @property
    def model(self) -> str:
        """The model, without the brand."""
        return self.spec.model

    @property
    def platform(self) -> Platform:
        """The modular kit that it is built from."""
        return self.spec.platform

    @property
    def drive(self) -> Drive:
        """What drives it."""
        return self.spec.drive

    @property
    def tank_l(self) -> float:
        """What its tank holds; 0: it has none."""
        return self.spec.tank_l


class _Offer(NamedTuple):
    """A model as it is sold in a region."""

    spec: CarSpec
    region: Region
    marks: Marks


def _europe(spec: CarSpec, maker: str, descriptor: str, plant: str) -> _Offer:
    return _Offer(spec, Region.EUROPE, Marks(maker, descriptor, plant, checked=False))


def _china(spec: CarSpec, maker: str, descriptor: str, plant: str) -> _Offer:
    return _Offer(spec, Region.CHINA, Marks(maker, descriptor, plant, checked=True))


def _united_states(spec: CarSpec, maker: str, descriptor: str, plant: str) -> _Offer:
    return _Offer(spec, Region.UNITED_STATES, Marks(maker, descriptor, plant, checked=True))


# One after the other, again and again: the first eight have five brands, three regions and three drives. Makers: WVW,
# WVG, WAU, WA1 Germany; TMB Czechia; VSS Spain; LSV, LFV China; 1V2 United States; 3VW Mexico.
LINE_UP: Final = (
    _europe(specs.ID3, "WVW", "ZZZE1", "P"),
    _europe(specs.OCTAVIA_HYBRID, "TMB", "AK7NX", "M"),
    _united_states(specs.Q4, "WA1", "L2BFZ", "N"),
    _china(specs.GOLF, "LFV", "2B2CD", "5"),
    _europe(specs.BORN, "VSS", "ZZZK1", "P"),
    _europe(specs.LEON_HYBRID, "VSS", "ZZZKL", "R"),
    _united_states(specs.JETTA, "3VW", "7M7BU", "M"),
    _china(specs.ID4, "LSV", "UB2E2", "2"),
    _europe(specs.ENYAQ, "TMB", "LC7NY", "F"),
    _europe(specs.GOLF_HYBRID, "WVW", "ZZZCD", "W"),
    _united_states(specs.A3, "WAU", "GUDGY", "A"),
    _china(specs.OCTAVIA, "LSV", "XB2NX", "2"),
    _europe(specs.LEON, "VSS", "ZZZKL", "R"),
    _europe(specs.GOLF, "WVW", "ZZZCD", "W"),
    _united_states(specs.ID4, "1V2", "GNPE8", "C"),
    _china(specs.Q4, "LFV", "3B2FZ", "3"),
    _europe(specs.A3, "WAU", "ZZZGY", "A"),
    _europe(specs.OCTAVIA, "TMB", "AJ7NX", "M"),
    _china(specs.ID3, "LSV", "UA2E1", "2"),
    _china(specs.A3, "LFV", "3A2GY", "5"),
    _europe(specs.ID4, "WVG", "ZZZE2", "P"),
    _europe(specs.Q4, "WAU", "ZZZFZ", "P"),
)


def simulated_fleet(vehicles: int, seed: int, brands: Sequence[str] = ()) -> tuple[Car, ...]:
    """Return the first `vehicles` cars of the fleet of a seed, of all brands or of some.

    Car k is the same however many there are. Raises `BadInputError` for a number, a seed or a brand that cannot be.
    """
    if not 1 <= vehicles <= SERIALS:
        what = f"a fleet of {vehicles} vehicles cannot be simulated"
        raise BadInputError(what, where="--vehicles", remedy=f"give a whole number from 1 to {SERIALS}")
    if seed < 0:
        raise BadInputError(f"{seed} is no seed", where="--seed", remedy="give a whole number from 0 up")
    wanted = {_known(brand) for brand in brands} or set(BRANDS)
    offers = [offer for offer in LINE_UP if offer.spec.brand in wanted]
    return tuple(_car(number, seed, offers[number % len(offers)]) for number in range(vehicles))


def _car(number: int, seed: int, offer: _Offer) -> Car:
    first = int(dice(seed, 0, Purpose.CAR).integers(SERIALS))
    model_year = MODEL_YEARS[int(dice(seed, number, Purpose.CAR).integers(len(MODEL_YEARS)))]
    vin = make_vin(offer.marks, model_year, (first + number * _SERIAL_STEP) % SERIALS)
    return Car(number, seed, vin, offer.spec, offer.region)


def _known(brand: str) -> str:
    for known in BRANDS:
        if _plain(known) == _plain(brand):
            return known
    what = f"no simulated car is of the brand {brand!r}"
    raise BadInputError(what, where="--brand", remedy=f"give one of {', '.join(BRANDS)}")


def _plain(brand: str) -> str:
    """Return a brand in small letters and without accents."""
    return unicodedata.normalize("NFKD", brand).encode("ascii", "ignore").decode("ascii").strip().casefold()
