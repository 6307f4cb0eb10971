"""Two versions of a projection beside each other: where they tell something else, for programs and for people."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from adapters.clock import iso_time
from adapters.event_log import DirectoryEntry
from adapters.projection_versions import VersionState, at_version, named, no_such_version, versions_there
from adapters.rebuild import chunks
from adapters.tables import Rows, counted
from adapters.wiring import FleetTwin
from projections.history import Difference, Event, compare
from projections.projection import Projection

DIFFERENCES_SHOWN_MAX: Final = 1_000  # as a table; as JSON all
VEHICLES_AT_ONCE: Final = 50  # whose rows are held while they are compared


class Comparison(NamedTuple):
    """Where two versions tell something else, and in lines what of them was not compared."""

    differences: Sequence[Mapping[str, Any]]
    not_compared: Sequence[str]


def compare_versions(
    twin: FleetTwin, name: str, left: int, right: int, tell: Callable[[str, int, int], None] = lambda *_: None
) -> Comparison:
    """Return where two versions tell something else. Raises BadInputError where one of them is not there."""
    sides = (_projection(name, left), _projection(name, right))
    there = versions_there(twin.versions, name)
    for side in sides:
        if side.version not in there:
            raise no_such_version(name, side.version)
    states = (there[left], there[right])
    entries = {entry.vehicle_id: entry for entry in twin.records.vehicles()}
    chosen = set(entries).intersection(*(set(each.vehicle_ids) for each in states if each.vehicle_ids is not None))
    began_after = (states[0].from_position, states[1].from_position)
    found, outside, done = [], 0, 0
    for chunk in chunks(sorted(chosen), VEHICLES_AT_ONCE):
        for each in compare(sides, twin.read_models, twin.log, chunk, began_after):
            found += [difference_data(difference, entries[difference.vehicle_id]) for difference in each.differences]
            outside += each.outside
        done += len(chunk)
        tell(f"{name} v{left}, v{right}", done, len(chosen))
    return Comparison(found, list(_not_compared(states, len(chosen), len(entries), outside)))


def _projection(name: str, version: int) -> Projection:
    return at_version(named(name), version, where=f"{name} {version}")


def _not_compared(states: tuple[VersionState, VersionState], chosen: int, known: int, outside: int) -> Iterable[str]:
    if chosen < known:
        ids = " and ".join(each.id for each in states if each.vehicle_ids is not None)
        yield f"{ids}: filled for {chosen:,} of {counted(known, 'vehicle')}, the others are not compared"
    positions = {each.from_position for each in states}
    if len(positions) > 1:
        late = max(states, key=lambda each: each.from_position)
        rows = f"rows that differ only because of that are no differences: {outside:,}"
        yield f"{late.id}: filled after position {late.from_position:,}; {rows}"
    for each in states:
        if not each.ready:
            yield f"{each.id}: still being filled; what it does not hold yet was folded in memory"


def difference_data(found: Difference, entry: DirectoryEntry) -> dict[str, Any]:
    """Return a difference as JSON has it."""
    return {
        "brand": entry.brand,
        "vehicleId": str(found.vehicle_id),
        "vin": entry.vin,
        "table": found.table,
        "key": [str(part) for part in found.key],
        "field": found.field,
        "left": _plain(found.left),
        "right": _plain(found.right),
        "firstEvent": found.first and _event(found.first),
        "firstEventUnknown": _why(found.unknown) if found.first is None else None,
        "lastEvent": _event(found.last),
    }


def compare_screen(found: Sequence[Mapping[str, Any]], sides: tuple[str, str] = ("left", "right")) -> RenderableType:
    """Return the differences as tables: how many by brand and field, then one by one. `sides`: what the two are."""
    if not found:
        return Text("no difference")
    counts: dict[tuple[str, str, str], set[str]] = {}
    for each in found:
        counts.setdefault((each["brand"], each["table"], each["field"] or "(row)"), set()).add(each["vehicleId"])
    title = counted(len(found), "difference")
    sums = Rows(("brand", "table", "field", "vehicles"), title)
    for (brand, table, field), vehicles in sorted(counts.items()):
        sums.add_row(brand, table, field, f"{len(vehicles):,}")
    rows = Rows(("vin", "table", "key", "field", *sides, "first event", "last event"))
    for each in found[:DIFFERENCES_SHOWN_MAX]:
        events = (_place(each["firstEvent"]), _place(each["lastEvent"]))
        texts = (_short(each["left"]), _short(each["right"]))
        rows.add_row(each["vin"], each["table"], " ".join(each["key"]), each["field"] or "(row)", *texts, *events)
    reasons = {each["firstEventUnknown"]: None for each in found if each["firstEventUnknown"]}
    rest = len(found) - DIFFERENCES_SHOWN_MAX
    lines = [f"first event not known: {reason}" for reason in reasons]
    lines += [f"and {rest:,} more: --json has all"] if rest > 0 else []
    return Group(sums, rows, *map(Text, lines))


def _event(event: Event) -> dict[str, Any]:
    at = None if event.recorded_at is None else iso_time(event.recorded_at)
    return {"version": event.version, "position": event.position or None, "recordedAt": at}


def _why(projections: Sequence[Projection]) -> str:
    ids = " and ".join(each.id for each in projections)
    return (
        f"this program does not fold the log to what {ids} has there (an earlier release did, or it was changed);"
        " it is the last event, or one before"
    )


def _place(event: Mapping[str, Any] | None) -> str:
    if event is None:
        return "not known"
    if event["position"] is None:
        return f"version {event['version']}, which the log does not have"
    return f"version {event['version']}, position {event['position']}"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _short(value: Any) -> str:
    if value is None:
        return "(none)"
    return "(row)" if isinstance(value, dict) else str(value)
