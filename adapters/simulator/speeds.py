"""The speed of a drive: pieces of the WLTC from standstill to standstill, put together to the length that is wanted."""

from enum import Enum
from functools import cache
from typing import Final

import numpy as np

from adapters.simulator.drive_cycle import load_wltc_class3b
from adapters.simulator.trace import Numbers

_TOWN_KMH, _COUNTRY_KMH = 60.0, 100.0  # no piece of a kind is faster


class Way(Enum):
    """What kind of road a piece is for."""

    TOWN = 0
    COUNTRY = 1
    MOTORWAY = 2


_SHORT_S, _MEDIUM_S = 840, 1_740
_SHORT: Final = ((Way.TOWN, 1.0),)
_MEDIUM: Final = ((Way.TOWN, 0.3), (Way.COUNTRY, 0.5), (Way.TOWN, 0.2))
_LONG: Final = ((Way.TOWN, 0.15), (Way.COUNTRY, 0.3), (Way.MOTORWAY, 0.4), (Way.TOWN, 0.15))


@cache
def pieces() -> dict[Way, tuple[Numbers, ...]]:
    """Return the pieces of the WLTC of each kind, km/h by the second; each begins and ends with 0."""
    speed_kmh = load_wltc_class3b().speed_km_h
    still = np.flatnonzero(speed_kmh == 0)
    found: dict[Way, list[Numbers]] = {way: [] for way in Way}
    for place in np.flatnonzero(np.diff(still) > 1):
        piece = speed_kmh[still[place] : still[place + 1] + 1]
        fastest = piece.max()
        way = Way.TOWN if fastest < _TOWN_KMH else Way.COUNTRY if fastest < _COUNTRY_KMH else Way.MOTORWAY
        found[way].append(piece)
    return {way: tuple(some) for way, some in found.items()}


def drive_kmh(chance: np.random.Generator, wanted_s: int, room_m: float, pace: float) -> Numbers:
    """Return the speeds of a drive of about `wanted_s` seconds and at most `room_m` metres, from 0 to 0.

    It is empty where no piece fits. `pace` is how fast the driver is next to the WLTC. Halts in between are of 3 to 45
    seconds.
    """
    parts = _SHORT if wanted_s < _SHORT_S else _MEDIUM if wanted_s < _MEDIUM_S else _LONG
    some: list[Numbers] = []
    left_m = room_m
    for way, share in parts:
        left_s = share * wanted_s
        while left_s > 0:
            piece = pieces()[way][int(chance.integers(len(pieces()[way])))]
            halt = np.zeros(int(chance.integers(3, 46)))
            metres = float(piece.sum()) * pace / 3.6
            if metres <= left_m and (left_s >= len(piece) / 2 or not some):
                some += [halt, piece * pace] if some else [piece * pace]
                left_m -= metres
            left_s -= len(piece) + len(halt)
    return np.concatenate(some) if some else np.zeros(0)
