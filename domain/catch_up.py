"""Folding a long history: which of its events can be passed over, because later ones tell anew what they tell.

A run is a row of events of one stream that tell newer values, or a longer leg, and nothing else. Within it every signal
and every leg is told in order of time, since what is older than what its stream has told is told as late
(`domain.observation`), and a leg that does more to the trips than make its own one longer is told after an event that
says so. So the state after a run is the same without the events of which later ones of the run tell everything anew.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from eventsourcing.domain import OriginatorIDError, OriginatorVersionError

from domain import events as e
from domain.warnings import WARNING_BY_PATH

EVENTS_AT_A_TIME: Final = 1_000  # they are read twice: about as many as stay in the cache of a processor meanwhile
_ID: Final = attrgetter("originator_id")
_VERSION: Final = attrgetter("originator_version")


def _track(x: e.TrackExtended) -> Iterable[object]:
    return (x.leg_started_at, e.TrackExtended) if x.fix_captured_at else (x.leg_started_at,)


_TOLD_BY: Final[dict[type[e.VehicleEvent], Callable[[Any], Iterable[object]]]] = {
    e.SignalsSampled: attrgetter("path"),
    e.TrackExtended: _track,  # its leg, and a fix
    e.MediaSourceSelected: lambda _: (e.MediaSourceSelected,),
    e.TrackStarted: lambda _: (e.TrackStarted,),
    e.PlaybackStateChanged: lambda _: (e.PlaybackStateChanged,),
    e.VolumeChanged: lambda _: (e.VolumeChanged,),
    e.OdometerAdvanced: lambda _: (e.OdometerAdvanced,),
}


def check_next(events: Sequence[e.VehicleEvent], vehicle_id: UUID, version: int) -> None:
    """Check that events are those of a vehicle that follow `version`, without a hole.

    Raises the library's `OriginatorVersionError` or `OriginatorIDError` for the first that is not.
    """
    due = list(range(version + 1, version + 1 + len(events)))
    if list(map(_VERSION, events)) == due and list(map(_ID, events)).count(vehicle_id) == len(events):
        return
    for event, due_version in zip(events, due, strict=True):
        if event.originator_version != due_version:
            raise OriginatorVersionError(event.originator_version, due_version)
        if event.originator_id != vehicle_id:
            raise OriginatorIDError(event.originator_id, vehicle_id)


def telling(events: Sequence[e.VehicleEvent]) -> Sequence[e.VehicleEvent]:
    """Return events that follow each other in a vehicle's history, in order, without those that can be passed over."""
    kept: list[e.VehicleEvent] = []
    stream_id: str | None = None  # of the run
    told: set[object] = set()  # by later events of the run
    x: Any
    for x in reversed(events):
        told_by = _TOLD_BY.get(type(x))
        if told_by is None:
            told.clear()
            kept.append(x)
            continue
        if x.stream_id != stream_id:
            stream_id = x.stream_id
            told.clear()
        tells = told_by(x)
        if not told.issuperset(tells):
            told.update(tells)
            if type(x) is e.SignalsSampled:
                told -= _undecided(x)
            kept.append(x)
    kept.reverse()
    return kept


def _undecided(x: e.SignalsSampled) -> set[str]:
    """Return the signals whose value here leaves their warning as it was: an earlier value decides about it."""
    return {
        path
        for path, value in zip(x.path, x.value, strict=True)
        if path in WARNING_BY_PATH and WARNING_BY_PATH[path].verdict(value) is None
    }
