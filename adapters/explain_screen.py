"""Where a value comes from, from the top down."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import RenderableType

from adapters.screens import text_of
from adapters.tables import Rows

EXPLAIN_QUERY: Final = """
query Explain($vehicle: ID!, $path: String!, $asOf: DateTime, $knownAt: DateTime) {
  explain(vehicle: $vehicle, path: $path, asOf: $asOf, knownAt: $knownAt) {
    value { path value unit status reason }
    event { id type version position }
    batch { streamId sequence origin { decoder mapping } }
    times { capturedAtRaw capturedAt receivedAt recordedAt projectedAt projectedAtIsExact }
  }
}
"""

NOT_RECORDED: Final = "not recorded"
_SECOND: Final = 1.0
_UNITS: Final = ((86_400 * _SECOND, "d"), (3_600 * _SECOND, "h"), (60 * _SECOND, "min"), (_SECOND, "s"))
_FEW: Final = 3  # of a unit: what is less is told in the next smaller one


def explain_screen(explained: Mapping[str, Any]) -> RenderableType:
    """Return value, event, batch, decoder, mapping, and the times of each."""
    value, event, batch = explained["value"], explained["event"], explained["batch"]
    table = Rows(("", ""), value["path"], header=False)
    table.add_row("value", _value(value))
    if event:
        table.add_row("event", f"{event['type']}, version {event['version']}, position {event['position']}")
    if batch:
        table.add_row("batch", f"{batch['streamId']}, sequence {batch['sequence']}")
        for name in ("decoder", "mapping"):
            table.add_row(name, batch["origin"][name] if batch["origin"] else NOT_RECORDED)
    for name, text in _times(explained["times"]) if explained["times"] else ():
        table.add_row(name, text)
    return table


def _value(value: Mapping[str, Any]) -> str:
    told = " ".join(filter(None, (text_of(value["value"]), value["unit"] if value["value"] is not None else None)))
    doubt = None if value["status"] == "OK" else ": ".join(filter(None, (value["status"], value["reason"])))
    return f"{told} ({doubt})" if told and doubt else told or doubt or ""


def _times(times: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each time that is known, with what passed since the one before."""
    raw, before = times["capturedAtRaw"], times["capturedAt"]
    if raw and raw != before:
        yield "the car's clock", f"{_time(raw)}, wrong by {_passed(before, raw)}"
    yield "captured", _time(before)
    shown = "read model" if times["projectedAtIsExact"] else "read model, at the latest"
    for name, key in (("received", "receivedAt"), ("recorded", "recordedAt"), (shown, "projectedAt")):
        at = times[key]
        if at:
            yield name, f"{_time(at)}, {_passed(before, at)}"
            before = at


def _time(text: str) -> str:
    """Return an RFC 3339 time, UTC, to the millisecond."""
    return text[:23].replace("T", " ")


def _passed(before: str, after: str) -> str:
    """Return how much later (+) or earlier (-) a time is, in the unit that says most."""
    seconds = (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()
    for size, unit in _UNITS:
        if abs(seconds) >= _FEW * size:
            return f"{seconds / size:+,.0f} {unit}"
    return f"{seconds * 1_000:+,.0f} ms"
