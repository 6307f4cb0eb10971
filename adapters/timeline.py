"""What happened to a vehicle, in the order of its own clock."""

import math
from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from rich.console import RenderableType

from adapters.clock import micros_of
from adapters.tables import Rows
from domain import events as e
from domain.units import Micros
from projections.as_of import told

# What is told of each type of event: words, and the fields that say more.
_TOLD: Final[Mapping[type[e.VehicleEvent], tuple[str, tuple[str, ...]]]] = {
    e.VehicleRegistered: ("became known", ("brand", "model")),
    e.VehicleDecommissioned: ("left the fleet", ("reason",)),
    e.IgnitionTurnedOn: ("ignition on", ()),
    e.IgnitionTurnedOff: ("ignition off", ()),
    e.TripStarted: ("a trip starts", ()),
    e.TripEnded: ("a trip ends", ("distance_m", "duration_s", "energy_kwh", "reason")),
    e.TripsRearranged: ("trips are rearranged", ()),
    e.DestinationSet: ("destination set", ("latitude_deg", "longitude_deg")),
    e.DestinationReached: ("destination reached", ()),
    e.DestinationCleared: ("destination cleared", ()),
    e.MediaSourceSelected: ("media source", ("source",)),
    e.TrackStarted: ("plays", ("title", "artist", "source")),
    e.PlaybackStateChanged: ("playback", ("state",)),
    e.TroubleCodeRaised: ("trouble code", ("code", "ecu", "active")),
    e.TroubleCodeCleared: ("trouble code gone", ("code", "ecu")),
    e.WarningRaised: ("warning", ("warning", "value", "limit")),
    e.WarningCleared: ("warning over", ("warning", "value", "limit")),
    e.ChargingStarted: ("charging starts", ("state_of_charge_percent",)),
    e.ChargingEnded: ("charging ends", ("state_of_charge_percent", "energy_added_kwh")),
    e.TelemetryGapDetected: ("telemetry is missing", ("first_missing", "last_missing")),
    e.ClockCorrected: ("the clock is wrong", ("reason",)),
    e.LateSamplesRecorded: ("late samples", ()),
}
_IN_HINDSIGHT: Final = (e.TripStarted, e.TripEnded, e.TripsRearranged)
TIMELINE_TYPES: Final = tuple(each.TOPIC for each in _TOLD)
_BY_TOPIC: Final = {each.TOPIC: said for each, said in _TOLD.items()}


def late_versions(events: Iterable[e.VehicleEvent]) -> set[int]:
    """Return the versions of the events of a vehicle that came late, of all that it has, in their order.

    One is late if a batch before has measured something later, were it only a sample. A trip is told of in hindsight:
    it is late only if what told of it was.
    """
    late: set[int] = set()
    newest: float = -math.inf
    of_batches = (each for each in events if isinstance(each, e.StreamEvent))  # the others are of our clock
    for _, events_of_batch in groupby(of_batches, attrgetter("stream_id", "sequence")):
        batch = list(events_of_batch)
        measured = [at for event in batch if not isinstance(event, _IN_HINDSIGHT) for at in _measured(event)]
        for event in batch:
            at = event.captured_at
            in_time = not measured or (at < min(measured) and max(measured) >= newest)
            if at < newest and not (isinstance(event, _IN_HINDSIGHT) and in_time):
                late.add(event.originator_version)
        newest = max(newest, *(told(event).last for event in batch))
    return late


def _measured(event: e.StreamEvent) -> Iterable[Micros]:
    """Return the moments at which was measured what an event tells."""
    if isinstance(event, e.SignalsSampled | e.LateSamplesRecorded):
        return event.sampled_at
    return event.fix_captured_at if isinstance(event, e.TrackExtended) else [event.captured_at]


def timeline_of(
    nodes: Iterable[Mapping[str, Any]], late: Container[int], begin: Micros | None, end: Micros | None
) -> list[dict[str, Any]]:
    """Return what events of the API tell, in the order of the vehicle's clock; `late` has the versions of late ones."""
    found: list[dict[str, Any]] = []
    for node in nodes:
        at = _micros(node["capturedAt"])
        what, names = _BY_TOPIC[node["type"]]
        if (begin is None or at >= begin) and (end is None or at <= end):
            details = {name: node["data"][name] for name in names if node["data"][name] is not None}
            at_both = {name: node[name] for name in ("capturedAt", "recordedAt", "type", "version", "position")}
            found.append({**at_both, "what": what, "details": details, "late": node["version"] in late})
    return sorted(found, key=lambda each: (each["capturedAt"], each["version"]))


def timeline_screen(found: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return a timeline as a table."""
    table = Rows(("captured", "what", "details", "recorded", "version"))
    for each in found:
        details = ", ".join(f"{name}={_short(value)}" for name, value in each["details"].items())
        recorded = _text(each["recordedAt"]) + (" (late)" if each["late"] else "")
        table.add_row(_text(each["capturedAt"]), each["what"], details, recorded, str(each["version"]))
    return table


def _micros(text: str) -> Micros:
    return micros_of(datetime.fromisoformat(text))


def _text(time: str) -> str:
    return time[:19].replace("T", " ")


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
