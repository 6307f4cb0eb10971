"""Where two versions of a projection tell something else, for programs: whoever asks, and however it is read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from adapters.clock import iso_time
from adapters.event_log import DirectoryEntry
from adapters.projection_versions import VersionState, at_version, named, no_such_version
from projections.history import Difference, Event
from projections.projection import Projection


class Sides(NamedTuple):
    """Two versions of a projection, and how each was filled."""

    versions: tuple[Projection, Projection]
    states: tuple[VersionState, VersionState]

    @property
    def began_after(self) -> tuple[int, int]:
        """The positions after which they were filled."""
        return self.states[0].from_position, self.states[1].from_position

    def of_both(self, vehicle_ids: Iterable[UUID]) -> list[UUID]:
        """Return those of some vehicles that both are filled for, in the order of their ids."""
        limits = [set(each.vehicle_ids) for each in self.states if each.vehicle_ids is not None]
        return sorted(set(vehicle_ids).intersection(*limits))

    def not_compared(self, chosen: int, known: int, outside: int | None = None) -> Iterable[str]:
        """Yield what of them is not compared: of `known` vehicles others than `chosen`, and rows from `outside`."""
        if chosen < known:
            ids = " and ".join(each.id for each in self.states if each.vehicle_ids is not None)
            of = f"{known:,} vehicle{'' if known == 1 else 's'}"
            yield f"{ids}: filled for {chosen:,} of {of}, the others are not compared"
        positions = {each.from_position for each in self.states}
        if len(positions) > 1:
            late = max(self.states, key=lambda each: each.from_position)
            rows = "rows that differ only because of that are no differences"
            said = rows if outside is None else f"{rows}: {outside:,}"
            yield f"{late.id}: filled after position {late.from_position:,}; {said}"
        for each in self.states:
            if not each.ready:
                yield f"{each.id}: still being filled; what it does not hold yet was folded in memory"


def sides_of(there: Mapping[int, VersionState], name: str, left: int, right: int) -> Sides:
    """Return two versions of those that are there. Raises BadInputError where one of them is not."""
    one, other = (at_version(named(name), version, where=f"{name} {version}") for version in (left, right))
    for version in (left, right):
        if version not in there:
            raise no_such_version(name, version)
    return Sides((one, other), (there[left], there[right]))


def difference_data(found: Difference, entry: DirectoryEntry) -> dict[str, Any]:
    """Return a difference as JSON has it."""
    return {
        "brand": entry.brand,
        "vehicleId": str(found.vehicle_id),
        "vin": entry.vin,
        "table": found.table,
        "key": [str(part) for part in found.key],
        "field": found.field,
        "left": plain(found.left),
        "right": plain(found.right),
        "firstEvent": found.first and _event(found.first),
        "firstEventUnknown": why_unknown(found),
        "lastEvent": _event(found.last),
    }


def _event(event: Event) -> dict[str, Any]:
    at = None if event.recorded_at is None else iso_time(event.recorded_at)
    return {"version": event.version, "position": event.position or None, "recordedAt": at}


def why_unknown(found: Difference) -> str | None:
    """Return why the first event from which on two sides differ is not known; None: it is."""
    if found.first is not None:
        return None
    ids = " and ".join(each.id for each in found.unknown)
    return (
        f"this program does not fold the log to what {ids} has there (an earlier release did, or it was changed);"
        " it is the last event, or one before"
    )


def plain(value: Any) -> Any:
    """Return a value of a row, or a row, as JSON can hold it."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
