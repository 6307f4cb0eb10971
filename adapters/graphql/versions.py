"""Versions of projections beside each other: how far each is, the digest of its rows, and where two differ."""

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry
from strawberry import ID, Info

from adapters.differences import Sides, plain, sides_of, why_unknown
from adapters.graphql.cohort import Context
from adapters.graphql.fields import computed, resolved
from adapters.graphql.ids import cursor_of, read_cursor, vehicle_id_of
from adapters.graphql.paging import Edge, PageInfo, page_of
from adapters.graphql.permits import Permits
from adapters.graphql.scalars import Int64, Json
from adapters.graphql.scopes import lacking, of_difference
from adapters.graphql.vehicle import Vehicle
from adapters.parked_events import projection_place
from adapters.projection_versions import VersionSeen, at_version, named, no_such_version
from adapters.twins import ANY_VEHICLE, ProjectionPosition
from adapters.version_pages import ALL_TOLD, BEFORE_ALL, Place, Summed, compared_page, summed_page
from domain.errors import BadInputError
from domain.units import Micros
from projections.digest import Digest
from projections.history import Difference as Found
from projections.history import Event

PARKED_MAX: Final = 10_000  # vehicles of one version that a proof looks up
COUNT_MAX: Final = 2**53  # in a cursor
_HALF: Final = 128  # bits

ProjectionName = Annotated[str, strawberry.argument(description="navigation, media or diagnostics.")]


@strawberry.enum(description="What is done with a version of a projection.")
class VersionState(Enum):
    """What is done with a version of a projection."""

    FOLLOWING = strawberry.enum_value("FOLLOWING", description="It has taken the log up to its position, and goes on.")
    FILLING = strawberry.enum_value("FILLING", description="It is not filled yet (fleettwin rebuild).")
    PART = strawberry.enum_value(
        "PART", description="It was filled for some events or vehicles only: it can be compared, not shown."
    )


def _state(seen: VersionSeen) -> VersionState:
    if not seen.state.ready:
        return VersionState.FILLING
    return VersionState.PART if seen.state.partial else VersionState.FOLLOWING


@strawberry.type(description="A version of a projection, and how far it is.")
class ProjectionVersion:
    """A version of a projection, and how far it is."""

    seen: strawberry.Private[VersionSeen]
    log_position: strawberry.Private[int]

    projection: str = computed(lambda each: each.seen.state.projection, "navigation, media or diagnostics.")
    version: int = computed(lambda each: each.seen.state.version, "Of its rows. Unit: none.")
    shown: bool = computed(lambda each: each.seen.shown, "Whether it is the one that vehicles are shown from.")
    state: VersionState = computed(lambda each: _state(each.seen), "What is done with it.")
    position: Int64 | None = computed(
        lambda each: each.seen.position if each.seen.follows else None,
        "The last position of the log that it has taken. Null: it does not follow the log.",
    )
    lag: Int64 | None = computed(
        lambda each: max(0, each.log_position - each.seen.position) if each.seen.follows else None,
        "Events of the log that it has not taken yet. Unit: none. Null: it does not follow the log.",
    )
    parked: int = computed(lambda each: each.seen.parked, "Vehicles that it could not take further. Unit: none.")
    after_position: Int64 = computed(
        lambda each: each.seen.state.from_position,
        "The position of the log after which it was filled; 0: from the beginning. Unit: none.",
    )
    until_position: Int64 = computed(
        lambda each: each.seen.state.until_position,
        "The position of the log up to which it is filled vehicle by vehicle; 0: it never was. Unit: none.",
    )
    vehicles: int | None = computed(
        lambda each: None if each.seen.state.vehicle_ids is None else len(each.seen.state.vehicle_ids),
        "Vehicles that it is limited to. Unit: none. Null: it is for all.",
    )
    filled: Int64 | None = computed(
        lambda each: None if each.seen.state.ready else each.seen.folded,
        "Events that it has folded while it is being filled, those that it begins after among them. Unit: none. Null:"
        " it is filled.",
    )
    to_fill: Int64 | None = computed(
        lambda each: None if each.seen.state.ready else max(each.seen.to_fold, each.seen.folded),
        "As many the version that is shown has folded by now of the same vehicles. Unit: none. Null: it is filled.",
    )


@strawberry.type(
    description="The digest of the rows of a version: the same for the same rows, however they came about. It is summed"
    " up for some seconds; until it is complete, ask again with after: endCursor."
)
class VersionDigest:
    """The digest of the rows of a version, as far as it is summed up."""

    complete: bool = strawberry.field(description="Whether all rows are summed up; else: those up to here.")
    end_cursor: str | None = strawberry.field(description="Give it as `after` to go on. Null: it is complete.")
    digest: str = strawberry.field(description="Of the rows that are kept, 64 hexadecimal digits.")
    told: str | None = strawberry.field(
        description="Of what the log says that the rows are to be: the same as digest if they are. Null: not asked for."
    )
    rows: Int64 = strawberry.field(description="Rows that are summed up. Unit: none.")
    vehicles: Int64 = strawberry.field(description="Vehicles whose rows are summed up. Unit: none.")
    from_position: Int64 = strawberry.field(
        description="The position of the version when it began; where position is another, rows have changed meanwhile."
        " Unit: none."
    )
    position: Int64 = strawberry.field(description="The position of the version now.")
    left_out: list[ID] = strawberry.field(
        description="Vehicles of this answer that are in neither digest, since their history is too long to be folded"
        " here: see fleettwin verify."
    )


@strawberry.type(description="An event of a vehicle by its place.")
class EventPlace:
    """An event of a vehicle by its place."""

    found: strawberry.Private[Event]

    version: Int64 = computed(lambda each: each.found.version, "1, 2, 3 … in the vehicle's history.")
    position: Int64 | None = computed(
        lambda each: each.found.position or None, "In the whole log. Null: the log does not have it."
    )
    recorded_at: Micros | None = computed(
        lambda each: each.found.recorded_at, "When it was recorded in the log. Null: the log does not have it."
    )


def _value(difference: "Difference", value: Any) -> Any:
    return None if difference.withheld_scopes() else plain(value)


@strawberry.type(description="A field of a row that two versions of a projection tell otherwise.")
class Difference:
    """A field of a row that two versions tell otherwise."""

    projection: strawberry.Private[str]
    found: strawberry.Private[Found]
    permits: strawberry.Private[Permits]

    def withheld_scopes(self) -> str | None:
        """Return why the values are not shown; None: they are, and that is noted."""
        needed = of_difference(self.projection, self.found.table, self.found.key)
        missing = self.permits.missing(needed)
        if missing:
            return lacking(missing)
        self.permits.note(self.found.vehicle_id, "Difference", needed)
        return None

    vehicle_id: ID = computed(lambda each: vehicle_id_of(each.found.vehicle_id), "The id of the vehicle.")
    table: str = computed(lambda each: each.found.table, 'The kind of row, e.g. "trips".')
    key: list[str] = computed(
        lambda each: [str(part) for part in each.found.key], "Which row of this kind and of the vehicle it is."
    )
    field: str | None = computed(
        lambda each: each.found.field, "The field that differs. Null: only one of the two has the row."
    )
    left: Json | None = computed(
        lambda each: _value(each, each.found.left),
        "What the left version tells: a value, or where field is null the row. Null: it tells none, or see withheld.",
    )
    right: Json | None = computed(
        lambda each: _value(each, each.found.right),
        "What the right version tells: a value, or where field is null the row. Null: it tells none, or see withheld.",
    )
    withheld: str | None = computed(
        lambda each: each.withheld_scopes(),
        "Why left and right are not shown: they need the scopes of what they tell, as of the past. Null: they are.",
    )
    first_event: EventPlace | None = computed(
        lambda each: each.found.first and EventPlace(found=each.found.first),
        "The first event from which on the two differ, to the end. Null: it is not known, see firstEventUnknown.",
    )
    first_event_unknown: str | None = computed(
        lambda each: why_unknown(each.found), "Why the first event is not known. Null: it is."
    )
    last_event: EventPlace = computed(
        lambda each: EventPlace(found=each.found.last), "The last event that the row tells of, on either side."
    )

    @resolved("Its vehicle, as it is now.")
    def vehicle(self, info: Info[Context, None]) -> Vehicle | None:
        """Return the vehicle."""
        twin = info.context.twin_of(self.found.vehicle_id, info.variable_values)
        return None if twin is None else Vehicle(twin=twin)


@strawberry.type(
    description="A page of the differences of two versions, in the order of vehicles. It ends after some seconds,"
    " wherever it is by then: it may be empty, and others follow it (pageInfo)."
)
class ComparisonConnection:
    """A page of the differences of two versions."""

    edges: list[Edge[Difference]] = strawberry.field(description="The differences in the order of the list.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")
    vehicles: Int64 = strawberry.field(description="Vehicles that are compared in all. Unit: none.")
    vehicles_compared: int = strawberry.field(
        description="Vehicles that this page has compared to their last difference. Unit: none."
    )
    rows_outside: int = strawberry.field(
        description="Rows of this page's vehicles that differ only because one of the two was filled from a later"
        " position on; they are no differences. Unit: none."
    )
    not_compared: list[str] = strawberry.field(description="What of the two versions is not compared, in sentences.")
    left_out: list[ID] = strawberry.field(
        description="Vehicles of this page that are not compared, since their history is too long to be folded here:"
        " see fleettwin compare."
    )


def versions_of(context: Context) -> list[ProjectionVersion]:
    """Return every version of a projection."""
    log_position = context.read.positions().log_position
    return [ProjectionVersion(seen=each, log_position=log_position) for each in context.read.versions()]


def _there(context: Context, name: str) -> dict[int, VersionSeen]:
    named(name)
    return {each.state.version: each for each in context.read.versions() if each.state.projection == name}


def comparison(
    info: Info[Context, None], name: str, versions: tuple[int, int], asked: tuple[int, str | None]
) -> ComparisonConnection:
    """Return a page of the differences of two versions. Raises `BadInputError` where one of them is not there."""
    context = info.context
    there = {version: each.state for version, each in _there(context, name).items()}
    sides = sides_of(there, name, *versions)
    first, after = asked
    page = page_of("differences", first, after)
    place = _place(page.after, (projection_place(name), *versions)) if page.after else None
    found = compared_page(context.read, context.decode, sides, first, place)
    context.know_vehicles([each.vehicle_id for _, each in found.found], info.variable_values)

    def cursor(at: Place) -> str:
        return cursor_of("differences", projection_place(name), *versions, at.vehicle_id, at.told)

    edges: list[Any] = [
        Edge(cursor=cursor(at), node=Difference(projection=name, found=each, permits=context.permits))
        for at, each in found.found
    ]
    whole = edges[-1].cursor if edges else None
    known = context.read.counted(ANY_VEHICLE, (), 0, 0).vehicles
    return ComparisonConnection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=found.reached is not None,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=cursor(found.reached) if found.reached else whole,
        ),
        vehicles=Int64(_chosen(sides, known)),
        vehicles_compared=found.vehicles,
        rows_outside=found.outside,
        not_compared=list(sides.not_compared(_chosen(sides, known), known)),
        left_out=[ID(vehicle_id_of(each)) for each in found.left_out],
    )


def _chosen(sides: Sides, known: int) -> int:
    limits = [set(each.vehicle_ids) for each in sides.states if each.vehicle_ids is not None]
    return len(set.intersection(*limits)) if limits else known


def _place(key: Sequence[Any], of: tuple[int, int, int]) -> Place:
    projection, left, right, vehicle_id, told = key
    if (projection, left, right) != of or not 0 <= told <= ALL_TOLD:
        remedy = "give that of the page before, or leave it out for the first page"
        raise BadInputError("this cursor is of other versions", where="after", remedy=remedy)
    return Place(vehicle_id, told)


def digest(context: Context, name: str, version: int, after: str | None, *, prove: bool) -> VersionDigest:
    """Return the digest of a version as far as it is summed up. Raises `BadInputError` where it is not there."""
    of = _there(context, name).get(version)
    if of is None:
        raise no_such_version(name, version)
    key = (projection_place(name), version, int(prove))
    begun, began_at = _begun(read_cursor("digest", after), key) if after else (_nothing(prove=prove), of.position)
    position = ProjectionPosition(name, version, of.position, of.parked)
    parked = context.read.parked(PARKED_MAX, None, [position]) if prove and of.parked else ()
    projection = at_version(named(name), version)
    ids = {each.parked.vehicle_id for each in parked}
    found = summed_page(context.read, context.decode, of, projection, begun, ids)
    return VersionDigest(
        complete=found.whole,
        end_cursor=None if found.whole else _cursor(found, key, began_at),
        digest=str(found.kept),
        told=None if found.told is None else str(found.told),
        rows=Int64(found.kept.rows),
        vehicles=Int64(found.vehicles),
        from_position=Int64(began_at),
        position=Int64(of.position),
        left_out=[ID(vehicle_id_of(each)) for each in found.left_out],
    )


def _nothing(*, prove: bool) -> Summed:
    return Summed(Digest(), Digest() if prove else None, 0, BEFORE_ALL, False, ())


def _cursor(found: Summed, key: tuple[int, int, int], began_at: int) -> str:
    told = found.told or Digest()
    halves = [UUID(int=half) for each in (found.kept, told) for half in divmod(each.total, 1 << _HALF)]
    counts = (found.vehicles, found.kept.rows, told.rows)
    return cursor_of("digest", *key, began_at, found.after, *counts, *halves)


def _begun(key: Sequence[Any], of: tuple[int, int, int]) -> tuple[Summed, int]:
    """Return how far a digest was, and at which position it began."""
    *named_of, began_at, after, vehicles, rows, told_rows = key[:8]
    if tuple(named_of) != of or not all(0 <= count <= COUNT_MAX for count in (began_at, vehicles, rows, told_rows)):
        remedy = "give the endCursor of the same, or leave it out to begin"
        raise BadInputError("this cursor is of another digest", where="after", remedy=remedy)
    kept, told = (
        Digest((high.int << _HALF) + low.int, count)
        for high, low, count in (
            (key[8], key[9], rows),
            (key[10], key[11], told_rows),
        )
    )
    return Summed(kept, told if of[2] else None, vehicles, after, False, ()), began_at
