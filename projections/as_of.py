"""What a vehicle had told by a moment of its own clock: the past is made of that, by the fold that runs live.

An event counts from its `captured_at` on. What one tells of several moments is cut off at the moment that is asked for;
totals of a trip that goes on beyond it count in proportion to its time.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from domain import events as e
from domain.events import VehicleEvent
from domain.units import KilowattHours, Metres, Micros
from projections.projection import UnreadableEvent

_SAMPLE_COLUMNS: Final = ("path", "sampled_at", "value", "quality")
_FIX_COLUMNS: Final = ("fix_captured_at", "latitude_deg", "longitude_deg", "heading_deg", "speed_kmh", "altitude_m")
_TRIP_COLUMNS: Final = ("trip_id", "started_at", "ended_at", "distance_m", "energy_kwh")


class Told(NamedTuple):
    """The first and the last moment that an event tells of, by the vehicle's clock."""

    first: Micros
    last: Micros


def told(event: VehicleEvent) -> Told:
    """Return the moments that an event is about.

    From the last on `until` leaves an event as it is, before the first it leaves nothing.
    """
    moments = [event.captured_at]
    if isinstance(event, (e.SignalsSampled, e.LateSamplesRecorded)):
        moments = event.sampled_at or moments
    elif isinstance(event, e.TrackExtended):
        moments += event.fix_captured_at
        first = max(min(moments), event.trip_started_at)
        return Told(first, max(first, *moments, event.trip_ended_at))
    elif isinstance(event, (e.TripEnded, e.TripStarted)):
        last = event.ended_at if isinstance(event, e.TripEnded) else event.started_at
        return Told(event.captured_at, max(event.captured_at, last))
    elif isinstance(event, e.TripsRearranged):
        return Told(event.captured_at, max(moments + event.ended_at))
    return Told(min(moments), max(moments))


def last_folded(events: Iterable[VehicleEvent], folded: Container[type[VehicleEvent]]) -> Micros | None:
    """Return the last moment that events of the types that are folded tell of; None: there are none of these.

    The others change no row, whenever they are asked about. Of our clock are only such: a vehicle is registered when
    its recordings are ingested, which may be years after its drives.
    """
    return max((told(event).last for event in events if type(event) in folded), default=None)


def until(event: VehicleEvent, at: Micros) -> VehicleEvent | None:
    """Return what an event tells of the time up to `at`; None where that is nothing.

    One that cannot be read counts always: what it would have told is not known, nor is anything after it.
    """
    first, last = told(event)
    if last <= at or isinstance(event, UnreadableEvent):
        return event
    return _CUTS.get(type(event), _nothing)(event, at) if first <= at else None


def _nothing(_: VehicleEvent, __: Micros) -> None:
    return None


def _samples(event: Any, at: Micros) -> Any:
    columns = _SAMPLE_COLUMNS if isinstance(event, e.LateSamplesRecorded) else (*_SAMPLE_COLUMNS, "changed")
    return _kept(event, columns, [place for place, moment in enumerate(event.sampled_at) if moment <= at])


def _track(event: Any, at: Micros) -> Any:
    cut = _kept(event, _FIX_COLUMNS, [place for place, moment in enumerate(event.fix_captured_at) if moment <= at])
    trip = (event.trip_started_at, event.trip_ended_at, event.trip_distance_m, event.trip_energy_kwh)
    ended_at, distance_m, energy_kwh = _so_far(*trip, at)
    return replace(cut, trip_ended_at=ended_at, trip_distance_m=distance_m, trip_energy_kwh=energy_kwh)


def _rearranged(event: Any, at: Micros) -> Any:
    cut = _kept(event, _TRIP_COLUMNS, [place for place, moment in enumerate(event.started_at) if moment <= at])
    trips = zip(cut.started_at, cut.ended_at, cut.distance_m, cut.energy_kwh, strict=True)
    so_far = [_so_far(*trip, at) for trip in trips]
    ended_at, distance_m, energy_kwh = map(list, zip(*so_far, strict=True)) if so_far else ([], [], [])
    return replace(cut, ended_at=ended_at, distance_m=distance_m, energy_kwh=energy_kwh)


def _kept(event: Any, columns: Iterable[str], places: Sequence[int]) -> Any:
    return replace(event, **{name: [getattr(event, name)[place] for place in places] for name in columns})


def _so_far(
    started_at: Micros, ended_at: Micros, distance_m: Metres, energy_kwh: KilowattHours | None, at: Micros
) -> tuple[Micros, Metres, KilowattHours | None]:
    """Return end, distance and energy of a trip as if it had gone on evenly until `at`."""
    if ended_at <= at:
        return ended_at, distance_m, energy_kwh
    share = (at - started_at) / (ended_at - started_at)
    return at, Metres(distance_m * share), energy_kwh and KilowattHours(energy_kwh * share)


_CUTS: Final[dict[type[VehicleEvent], Callable[[Any, Micros], VehicleEvent | None]]] = {
    e.SignalsSampled: _samples,
    e.LateSamplesRecorded: _samples,
    e.TrackExtended: _track,
    e.TripsRearranged: _rearranged,
}
