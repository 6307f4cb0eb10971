"""What the command line shows a person."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from adapters.config import Config
from adapters.summary import Summary
from adapters.tables import Rows
from domain.units import METRES_PER_KILOMETRE

LISTED_MAX: Final = 10  # of unknown ids and names; the rest is counted

BOOKKEEPING: Final = ("stream_id", "sequence", "clock_offset_us")  # of every event: in the JSON only

BRAND_UNKNOWN: Final = "unknown"  # what a vehicle is registered with where nobody says its brand

GEAR: Final = "Powertrain.Transmission.SelectedGear"
GEARS: Final = {-1: "R", 0: "N", 126: "P", 127: "D"}  # VSS 6.0, Vehicle.Powertrain.Transmission.SelectedGear

TWIN_QUERY: Final = """
query Twin($vin: String!, $asOf: DateTime, $knownAt: DateTime) {
  vehicle(vin: $vin, asOf: $asOf, knownAt: $knownAt) {
    id seenPosition vin brand model registeredAt decommissionedAt lastSeenAt
    navigation {
      location { status latitude longitude capturedAt }
      destination { state latitude longitude capturedAt }
      currentTrip { startedAt endedAt distanceM durationS }
      trips(first: 5) { edges { node { startedAt endedAt ended distanceM durationS energyKwh } } }
    }
    media { playHistory(first: 5) { edges { node { startedAt title artist source } } } }
    diagnostics {
      odometer { value unit status capturedAt }
      troubleCodes { code failureType ecu service active held status { byte } lastSeenAt
        explanation { system origin group failureType } }
      warnings { warning raised value unit limit capturedAt }
      chargingSessions(first: 5) { edges { node { startedAt endedAt startPercent endPercent energyAddedKwh } } }
      telemetryQuality { gaps missingBatches lateSamples clockCorrections }
    }
    signals { path value unit status reason capturedAt }
  }
}
"""

EVENTS_QUERY: Final = """
query Events($vin: String!, $first: Int!, $after: String, $types: [String!]) {
  vehicle(vin: $vin) {
    events(first: $first, after: $after, types: $types) {
      edges { cursor node { type version position capturedAt receivedAt recordedAt data } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


def twin(vehicle: Mapping[str, Any]) -> RenderableType:
    """Return one vehicle's state as tables."""
    navigation, diagnostics = vehicle["navigation"], vehicle["diagnostics"]
    brand = None if vehicle["brand"] == BRAND_UNKNOWN else vehicle["brand"]  # it would read as if the VIN were unknown
    name = " ".join(filter(None, (brand, vehicle["model"], vehicle["vin"])))
    seen = _time(vehicle["lastSeenAt"]) or "never"
    odometer = diagnostics["odometer"]["value"]
    travelled = "" if odometer is None else f", odometer {odometer / METRES_PER_KILOMETRE:,.0f} km"
    left = f", decommissioned {_time(vehicle['decommissionedAt'])}" if vehicle["decommissionedAt"] else ""
    parts: list[RenderableType] = [
        Text(f"{name}, last seen {seen}{travelled}{left}", style="bold"),
        _signals(vehicle["signals"]),
    ]
    trips = [edge["node"] for edge in navigation["trips"]["edges"]]
    if trips:
        parts.append(_trips(trips))
    destination = navigation["destination"]
    if destination["state"]:
        parts.append(Text(f"destination {destination['state']}: {_place(destination)}"))
    plays = [edge["node"] for edge in vehicle["media"]["playHistory"]["edges"]]
    if plays:
        parts.append(table("played", plays, ("startedAt", "title", "artist", "source")))
    if diagnostics["troubleCodes"]:
        parts.append(_codes(diagnostics["troubleCodes"]))
    if diagnostics["warnings"]:
        parts.append(table("warnings", diagnostics["warnings"], ("warning", "raised", "value", "unit", "capturedAt")))
    sessions = [edge["node"] for edge in diagnostics["chargingSessions"]["edges"]]
    if sessions:
        columns = ("startedAt", "endedAt", "startPercent", "endPercent", "energyAddedKwh")
        rounded = [{**session, "energyAddedKwh": _energy(session["energyAddedKwh"])} for session in sessions]
        parts.append(table("charging", rounded, columns))
    quality = diagnostics["telemetryQuality"]
    parts.append(
        Text(
            f"telemetry: {quality['gaps']} gaps ({quality['missingBatches']} batches), "
            f"{quality['lateSamples']} late samples, {quality['clockCorrections']} clock corrections",
            style="dim",
        )
    )
    return Group(*parts)


def _signals(signals: Iterable[Mapping[str, Any]]) -> Rows:
    table = Rows(("signal", "value", "unit", "captured"), "signals (Vehicle.…)")
    for signal in signals:
        value = text_of(signal["value"])
        if signal["status"] == "STALE":
            value += " (stale)"
        elif signal["status"] != "OK":
            value = ": ".join(filter(None, (signal["status"], signal["reason"])))
        path = signal["path"].removeprefix("Vehicle.")
        if path == GEAR and signal["value"] in GEARS:
            value += f" ({GEARS[signal['value']]})"
        table.add_row(path, value, signal["unit"] or "", _time(signal["capturedAt"]))
    return table


def _time(text: str | None) -> str:
    """Return an RFC 3339 time, UTC, to the second."""
    return "" if text is None else text[:19].replace("T", " ")


def _place(place: Mapping[str, Any]) -> str:
    """Return a place to the metre."""
    return ", ".join(str(round(place[name], 5)) for name in ("latitude", "longitude") if place[name] is not None)


def _energy(kwh: float | None) -> str:
    return "" if kwh is None else f"{kwh:.2f}"


def _trips(trips: Iterable[Mapping[str, Any]]) -> Rows:
    table = Rows(("started", "ended", "km", "minutes", "kWh"), "trips")
    for trip in trips:
        ended = _time(trip["endedAt"]) if trip["ended"] else "under way"
        kilometres, minutes = f"{trip['distanceM'] / METRES_PER_KILOMETRE:.2f}", f"{trip['durationS'] / 60:.1f}"
        table.add_row(_time(trip["startedAt"]), ended, kilometres, minutes, _energy(trip["energyKwh"]))
    return table


def _codes(codes: Iterable[Mapping[str, Any]]) -> Rows:
    table = Rows(("code", "ECU", "service", "status", "state", "means"), "trouble codes")
    for code in codes:
        failure = "" if code["failureType"] is None else f"-{code['failureType']:02X}"
        status = "" if code["status"] is None else f"0x{code['status']['byte']:02X}"
        state = "active" if code["active"] else "held" if code["held"] else "past"
        means = code["explanation"]
        origin = means["origin"].lower().replace("manufacturer", "maker's")
        text = ", ".join(filter(None, (means["system"], origin, means["group"], means["failureType"])))
        table.add_row(code["code"] + failure, code["ecu"], code["service"], status, state, text)
    return table


def table(title: str, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> Rows:
    """Return rows as a table."""
    table = Rows(columns, title)
    for row in rows:
        table.add_row(*(_time(row[column]) if column.endswith("At") else text_of(row[column]) for column in columns))
    return table


def text_of(value: object) -> str:
    """Return a value as a person reads it; none is empty."""
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def events(nodes: Iterable[Mapping[str, Any]]) -> Rows:
    """Return raw events as a table."""
    table = Rows(("version", "captured", "event", "data"))
    for node in nodes:
        told = ((key, value) for key, value in node["data"].items() if key not in BOOKKEEPING)
        data = ", ".join(f"{key}={_short(value)}" for key, value in told)
        table.add_row(str(node["version"]), _time(node["capturedAt"]), node["type"], data)
    return table


def _short(value: object) -> str:
    return f"{len(value)} values" if isinstance(value, list) else text_of(value)


def parked(found: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return what the projections could not take further."""
    rows = list(found)
    if not rows:
        return Text("nothing is parked")
    return table("parked", rows, ("projection", "vehicleId", "version", "position", "attempts", "parkedAt", "error"))


def parked_details(found: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return all of one parked vehicle."""
    table = Rows(("", ""))
    for each in found:
        event = each["event"] or {"type": "(not in the log)", "data": {}}
        rows = {**each, "left out": f"versions {each['version']} to {each['newestVersion']}", "event": event["type"]}
        for name in ("projection", "vehicleId", "left out", "position", "attempts", "parkedAt", "error", "event"):
            table.add_row(name, _time(rows[name]) if name.endswith("At") else text_of(rows[name]))
        for name, value in (event["data"] or {"bytes": event.get("bytes"), "unreadable": event["unreadable"]}).items():
            table.add_row(f"  {name}", _short(value))
    return table


def topics(found: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return the topics, and what of them is not as we would set it."""
    rows = [
        {**each, "created": "just now" if each["created"] else "before", "otherwise": "\n".join(each["differences"])}
        for each in found
    ]
    return table("topics", rows, ("topic", "partitions", "replicas", "created", "otherwise"))


def settings(config: Config) -> Rows:
    """Return every setting, its value and where it comes from."""
    table = Rows(("setting", "value", "from", "what it is"))
    for value in config.values:
        table.add_row(value.setting.variable, value.shown or "(unset)", value.source, value.setting.sentence)
    return table


def summary_data(summary: Summary) -> dict[str, Any]:
    """Return what an ingest found and did, for JSON."""
    return {
        "path": summary.path,
        "format": summary.format,
        "frames": summary.frames,
        "decodedFrames": summary.decoded_frames,
        "otherFrames": dict(+summary.other_frames),
        "unknownIds": dict(summary.unknown_ids.most_common()),
        "unknownSignals": dict(summary.unknown_signals.most_common()),
        "unmapped": dict(summary.unmapped.most_common()),
        "tooShort": dict(summary.too_short),
        "diagnostics": dict(summary.diagnostics),
        "checksums": {"checkable": summary.checkable_frames, "failed": summary.failed_checksums},
        "samples": summary.samples,
        "toldSamples": summary.told_samples,
        "batches": summary.batches,
        "duplicateBatches": summary.duplicate_batches,
        "knownDrives": summary.known_drives,
        "events": dict(summary.events.most_common()),
        "notes": summary.notes,
    }


def _taken(summary: Summary) -> str:
    return "sent to Kafka" if summary.sent else f"of which {summary.duplicate_batches:,} had been taken before"


def summary_screen(summary: Summary) -> RenderableType:
    """Return what an ingest found and did, for a person."""
    table = Rows(("", ""), f"{summary.path} ({summary.format})", header=False)
    checkable = summary.checkable_frames
    rows = (
        ("frames or rows read", f"{summary.frames:,}"),
        ("frames decoded by DBC", f"{summary.decoded_frames:,}" if summary.decoded_frames else ""),
        ("other frames", _counts(+summary.other_frames)),
        ("unknown ids", _counts(summary.unknown_ids, "frames")),
        ("unknown signals", _counts(summary.unknown_signals, "rows")),
        ("known, but not mapped", _counts(summary.unmapped, "frames or answers")),
        ("frames too short", _counts(summary.too_short)),
        ("diagnostic answers", _counts(summary.diagnostics)),
        (
            "checksum failures",
            f"{summary.failed_checksums:,} of {checkable:,} checkable frames" if checkable else "",
        ),
        ("samples", f"{summary.samples:,}, of which {summary.told_samples:,} told a change or a heartbeat"),
        ("batches", f"{summary.batches:,}, {_taken(summary)}"),
        ("drives known already", str(summary.known_drives) if summary.known_drives else ""),
        ("events", "" if summary.sent else _counts(summary.events) or "none: nothing new"),
        *(("note", note) for note in summary.notes),
    )
    for name, value in rows:
        if value:
            table.add_row(name, value)
    return table


def _counts(counts: Mapping[str, int], of: str = "") -> str:
    if not counts:
        return ""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name} {count:,}" for name, count in ordered[:LISTED_MAX])
    rest = f", and {len(ordered) - LISTED_MAX} more" if len(ordered) > LISTED_MAX else ""
    head = f"{len(ordered):,} ({sum(counts.values()):,} {of}): " if of else ""
    return head + listed + rest
