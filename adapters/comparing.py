"""Two versions of a projection beside each other: where they tell something else, for programs and for people."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from rich.console import Group, RenderableType
from rich.text import Text

from adapters.differences import Sides, difference_data, sides_of
from adapters.projection_versions import versions_there
from adapters.rebuild import chunks
from adapters.tables import Rows, counted
from adapters.wiring import FleetTwin
from projections.history import Difference, Event, compare
from projections.ports import END_VERSION

DIFFERENCES_SHOWN_MAX: Final = 1_000  # as a table; as JSON all
_VERSIONS: Final = "projection_vehicles"  # the table that tells how far a version is with each vehicle
VEHICLES_AT_ONCE: Final = 50  # whose rows are held while they are compared


class Comparison(NamedTuple):
    """Where two versions tell something else, and in lines what of them was not compared."""

    differences: Sequence[Mapping[str, Any]]
    not_compared: Sequence[str]


def compare_versions(
    twin: FleetTwin, name: str, left: int, right: int, tell: Callable[[str, int, int], None] = lambda *_: None
) -> Comparison:
    """Return where two versions tell something else. Raises BadInputError where one of them is not there."""
    sides = sides_of(versions_there(twin.versions, name), name, left, right)
    entries = {entry.vehicle_id: entry for entry in twin.records.vehicles()}
    chosen = sides.of_both(entries)
    found, outside, done = [], 0, 0
    followed = _followed(twin, sides)
    for chunk in chunks(chosen, VEHICLES_AT_ONCE):
        found += [difference_data(each, entries[each.vehicle_id]) for each in _lacking(twin, sides, followed, chunk)]
        for each in compare(sides.versions, twin.read_models, twin.log, chunk, sides.began_after):
            found += [difference_data(difference, entries[difference.vehicle_id]) for difference in each.differences]
            outside += each.outside
        done += len(chunk)
        tell(f"{name} v{left}, v{right}", done, len(chosen))
    return Comparison(found, list(sides.not_compared(len(chosen), len(entries), outside)))


class _Followed(NamedTuple):
    """A version that follows the log: up to where it has taken everything, but for the vehicles that are parked."""

    side: int
    position: int
    parked: Collection[UUID]


def _followed(twin: FleetTwin, sides: Sides) -> list[_Followed]:
    """Return those that lack no event which they have passed; to be asked before their vehicles are."""
    return [
        _Followed(side, twin.read_models.position(projection), twin.read_models.parked(projection))
        for side, (projection, state) in enumerate(zip(sides.versions, sides.states, strict=True))
        if state.ready and not state.partial
    ]


def _lacking(
    twin: FleetTwin, sides: Sides, followed: Sequence[_Followed], vehicle_ids: Sequence[UUID]
) -> Iterator[Difference]:
    """Yield the vehicles of which a version has not taken what it has passed: nobody else would ever fold that."""
    known = [twin.read_models.versions(each, vehicle_ids) for each in sides.versions]
    for side, position, parked in followed:
        versions = {each: known[side].get(each, 0) for each in vehicle_ids if each not in parked}
        for vehicle_id in sorted(twin.log.behind(versions, position)):
            after = twin.log.history(vehicle_id, versions[vehicle_id], END_VERSION)
            lacks = [
                Event(each.event.originator_version, each.position, each.recorded_at)
                for each in after
                if each.position <= position
            ]
            left, right = (of_side.get(vehicle_id, 0) for of_side in known)
            yield Difference(vehicle_id, _VERSIONS, (), "last_version", left, right, lacks[-1], lacks[0])


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


def _place(event: Mapping[str, Any] | None) -> str:
    if event is None:
        return "not known"
    if event["position"] is None:
        return f"version {event['version']}, which the log does not have"
    return f"version {event['version']}, position {event['position']}"


def _short(value: Any) -> str:
    if value is None:
        return "(none)"
    return "(row)" if isinstance(value, dict) else str(value)
