"""What the command line does with records that were set aside."""

from uuid import UUID

from adapters.set_aside import SetAside, SetAsideStore
from domain.errors import BadInputError

_SEE_LIST = "see `fleettwin set-aside list`"


def find_record(store: SetAsideStore, source: str, position: int) -> SetAside:
    """Return the record that was set aside there. Raises BadInputError where there is none, or are several."""
    found = store.find(source, position)
    if not found:
        raise BadInputError("no such record is set aside", where=f"{source} {position}", remedy=_SEE_LIST)
    if len(found) > 1:
        what, remedy = f"that is in {len(found)} topics of this name", "say which: "
        remedy += " or ".join(each.source for each in found)
        raise BadInputError(what, where=f"{source} {position}", remedy=remedy)
    return found[0]


def discard(store: SetAsideStore, source: str | None, position: int | None, vehicle: str | None, *, every: bool) -> int:
    """Drop a record, what waits for a vehicle, or all that waits for none; return how many. Raises BadInputError."""
    if (source is not None) + (vehicle is not None) + every != 1 or (source is None) != (position is None):
        remedy = "give SOURCE and POSITION, or --vehicle, or --all"
        raise BadInputError("does not say what", where="set-aside discard", remedy=remedy)
    if source is not None and position is not None:
        return store.remove([find_record(store, source, position).place])
    if vehicle is None:
        return store.discard(None)
    try:
        dropped = store.discard(UUID(vehicle.strip()))
    except ValueError:
        dropped = 0
    if not dropped:
        raise BadInputError("no batch waits for such a vehicle", where=vehicle, remedy=_SEE_LIST)
    return dropped
