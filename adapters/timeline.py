"""What happened to a vehicle, in the order of its own clock."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import RenderableType

from adapters.clock import micros_of
from adapters.tables import Rows
from domain import events as e
from domain.units import Micros

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
TIMELINE_TYPES: Final = tuple(each.TOPIC for each in _TOLD)
_BY_TOPIC: Final = {each.TOPIC: said for each, said in _TOLD.items()}


def timeline_of(nodes: Iterable[Mapping[str, Any]], begin: Micros | None, end: Micros | None) -> list[dict[str, Any]]:
    """Return what events of the API tell, in the order of the vehicle's clock.

    An event is late if an earlier batch has told of a later moment.
    """
    found: list[dict[str, Any]] = []
    newest = newest_of_batch = -math.inf
    last_batch: tuple[str, int] | None = None
    for node in nodes:  # in the order in which they were recorded
        at = _micros(node["capturedAt"])
        what, names = _BY_TOPIC[node["type"]]
        late = False
        if "stream_id" in node["data"]:  # the others are of our clock
            batch = (node["data"]["stream_id"], node["data"]["sequence"])
            if batch != last_batch:
                newest, last_batch = max(newest, newest_of_batch), batch
            late = at < newest
            newest_of_batch = max(newest_of_batch, at)
        if (begin is None or at >= begin) and (end is None or at <= end):
            details = {name: node["data"][name] for name in names if node["data"][name] is not None}
            at_both = {name: node[name] for name in ("capturedAt", "recordedAt", "type", "version", "position")}
            found.append({**at_both, "what": what, "details": details, "late": late})
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
