"""How many vehicles there are, and of what kind: of the present, by one statement."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import strawberry

from adapters.fleet_counts import GROUPS_MAX, LISTED_MAX, Counted, GroupBy
from adapters.graphql.cohort import Context, Seen
from adapters.graphql.fields import computed
from adapters.graphql.permits import Permits
from adapters.graphql.scopes import NAVIGATION
from adapters.twins import VehicleFilter

_KINDS: Final = {
    "byBrand": GroupBy.BRAND,
    "byModel": GroupBy.MODEL,
    "byRegion": GroupBy.REGION,
    "byTroubleCode": GroupBy.TROUBLE_CODE,
    "byWarning": GroupBy.WARNING,
}
_COUNTED_BY_PLACE: Final = "Query.fleet(filter: place)"


@strawberry.type(description="Vehicles with the same value.")
class VehicleGroup:
    """Vehicles with the same value."""

    value: str | None = strawberry.field(description="The brand, model, region, code or warning. Null: they have none.")
    vehicles: int = strawberry.field(description="How many vehicles. Unit: none.")


@strawberry.type(description="Vehicles by what they have in common.")
class VehicleGroups:
    """Vehicles by what they have in common."""

    groups: list[VehicleGroup] = strawberry.field(
        description=f"The greatest first, those of one size by their values; at most {GROUPS_MAX}."
    )
    has_more: bool = strawberry.field(description=f"Whether there are more than {GROUPS_MAX} groups.")


def _groups(name: str, description: str, scopes_of: str | None = None) -> VehicleGroups:
    def compute(fleet: "Fleet") -> VehicleGroups | None:
        if scopes_of is not None and not fleet.permits.may_read(scopes_of):
            return None
        found = fleet.counted.groups[_KINDS[name]]
        groups = [VehicleGroup(value=each.value, vehicles=each.vehicles) for each in found[:GROUPS_MAX]]
        return VehicleGroups(groups=groups, has_more=len(found) > GROUPS_MAX)

    made: VehicleGroups = computed(compute, description)
    return made


@strawberry.type(description="Vehicles, counted.")
class Fleet:
    """Vehicles, counted."""

    counted: strawberry.Private[Counted]
    permits: strawberry.Private[Permits]

    vehicles: int = computed(lambda fleet: fleet.counted.vehicles, "How many vehicles. Unit: none.")
    by_brand: VehicleGroups = _groups("byBrand", "By Vehicle.brand.")
    by_model: VehicleGroups = _groups("byModel", "By Vehicle.model.")
    by_region: VehicleGroups = _groups("byRegion", "By Vehicle.region.")
    by_trouble_code: VehicleGroups | None = _groups(
        "byTroubleCode",
        "By the codes that some ECU holds now; a vehicle counts in the group of each of its codes. Scope:"
        " diagnostics:read.",
        "Fleet.byTroubleCode",
    )
    by_warning: VehicleGroups | None = _groups(
        "byWarning",
        "By the warnings that are raised now; a vehicle counts in the group of each of its warnings. Scope:"
        " diagnostics:read.",
        "Fleet.byWarning",
    )


def note_chosen_by_place(context: Context, seen: Seen, chosen: VehicleFilter, found: Iterable[UUID], name: str) -> None:
    """Note those of whom an answer tells where they are, or are not, if they are chosen by their place.

    `found` are those that fit, also one that only says that another page follows. Of vehicles that are named it is
    told of each whether it is there.
    """
    if not chosen.by_place:
        return
    named = seen.read.vehicles_named((), sorted(set(chosen.vins))) if chosen.vins else ()
    for vehicle_id in {*found, *(entry.vehicle_id for entry in named)}:
        context.permits.note(vehicle_id, name, NAVIGATION)


def fleet_of(context: Context, chosen: VehicleFilter) -> Fleet:
    """Return the counts that a document asks for.

    Who counts a few vehicles by their place learns where these are: that is put on record as if they had been shown.
    """
    names = context.asked.names
    kinds = {kind for name, kind in _KINDS.items() if name in names}
    found = context.read.counted(chosen, kinds, GROUPS_MAX + 1, LISTED_MAX if chosen.by_place else 0)
    single = found.vehicle_ids if found.vehicles <= LISTED_MAX else ()
    note_chosen_by_place(context, Seen(context.read), chosen, single, _COUNTED_BY_PLACE)
    return Fleet(counted=found, permits=context.permits)
