"""Trips as a function of legs: whatever order the legs come in, the same trips result.

A leg is what one stream knows of a drive. A trip is a run of legs that overlap, or follow each other within
`JOIN_GAP_US` without the ignition having closed the earlier one. Where two legs tell of the same time, that part of the
distance counts once.
"""

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from domain.units import MICROS_PER_SECOND, KilowattHours, Metres, Micros

HALT_MAX_US: Final = (
    300 * MICROS_PER_SECOND
)  # a halt of up to five minutes belongs to the drive: most fleet systems' rule
JOIN_GAP_US: Final = 120 * MICROS_PER_SECOND  # between streams: long enough for a restart, too short for an errand
TRIP_IDS_KEPT: Final = 1 << 14  # a batch asks for the same one several times, and so does the next


class Leg(NamedTuple):
    """What one stream knows of a drive; the first two fields name it."""

    started_at: Micros
    stream_id: str
    ended_at: Micros
    closed: bool  # by the ignition
    open: bool  # its stream may go on with it
    distance_m: Metres
    energy_kwh: KilowattHours | None


class Trip(NamedTuple):
    """Legs that belong together, and their totals."""

    started_at: Micros
    ended_at: Micros
    closed: bool  # by the ignition
    distance_m: Metres
    energy_kwh: KilowattHours | None
    legs: tuple[Leg, ...]

    def is_over(self, newest_at: Micros | None) -> bool:
        """Whether nothing more is expected of it, `newest_at` being the newest time that any stream has told."""
        if self.closed or not any(leg.open for leg in self.legs):
            return True
        return newest_at is not None and newest_at > self.ended_at + HALT_MAX_US


class Change(NamedTuple):
    """What one leg does to the trips: `trips[low:high]` become `after`; `trip` is the one that holds the leg."""

    low: int
    high: int
    after: tuple[Trip, ...]
    trip: Trip


@lru_cache(maxsize=TRIP_IDS_KEPT)
def trip_id(vehicle_id: UUID, started_at: Micros) -> UUID:
    """Return the id of the trip of a vehicle that starts at `started_at`: the same in whatever order its data came."""
    return uuid5(vehicle_id, f"trip:{started_at}")


def gather(legs: Iterable[Leg]) -> tuple[Trip, ...]:
    """Return the trips that `legs` make up, in order of time; no two start at the same time."""
    trips: list[Trip] = []
    run: list[Leg] = []
    end, closed = Micros(0), False
    for leg in sorted(legs, key=lambda leg: (leg.started_at, -leg.ended_at, leg.stream_id)):
        if run and (
            leg.started_at < end
            or leg.started_at == run[0].started_at
            or (not closed and leg.started_at - end <= JOIN_GAP_US)
        ):
            end, closed = max((end, closed), (leg.ended_at, leg.closed))
        else:
            if run:
                trips.append(_trip(run, end, closed=closed))
            run = []
            end, closed = leg.ended_at, leg.closed
        run.append(leg)
    if run:
        trips.append(_trip(run, end, closed=closed))
    return tuple(trips)


def _trip(legs: list[Leg], end: Micros, *, closed: bool) -> Trip:
    """Add up legs in order of their start, longest first.

    Each counts with the share of its time that no earlier one covers.
    """
    distance, energy = 0.0, None
    covered = Micros(legs[0].started_at - 1)
    for leg in legs:
        if leg.ended_at <= covered:
            continue
        duration = leg.ended_at - leg.started_at
        share = (leg.ended_at - max(leg.started_at, covered)) / duration if duration else 1.0
        distance += share * leg.distance_m
        if leg.energy_kwh is not None:
            energy = (energy or 0.0) + share * leg.energy_kwh
        covered = leg.ended_at
    return Trip(
        legs[0].started_at,
        end,
        closed,
        Metres(distance),
        None if energy is None else KilowattHours(energy),
        tuple(legs),
    )


def change(trips: list[Trip], leg: Leg) -> Change:
    """Return what `leg` does to `trips`, which are in order of time.

    The leg is new, or a later state of one that is known by its start and stream.
    """
    high = bisect_right(trips, leg.ended_at + JOIN_GAP_US, key=attrgetter("started_at"))
    low = high
    while low > 0 and trips[low - 1].ended_at >= leg.started_at - JOIN_GAP_US:
        low -= 1
    name = leg[:2]
    if high - low == 1 and len(trips[low].legs) == 1 and trips[low].legs[0][:2] == name:
        trip = _trip([leg], leg.ended_at, closed=leg.closed)  # the usual case: a stream goes on with its own trip
        return Change(low, high, (trip,), trip)
    others = [known for trip in trips[low:high] for known in trip.legs if known[:2] != name]
    after = gather([*others, leg])
    return Change(low, high, after, next(trip for trip in after if leg in trip.legs))
