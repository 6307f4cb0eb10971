"""The root of every query."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Final
from uuid import UUID

import strawberry
from strawberry import ID, Info

from adapters.event_log import DirectoryEntry
from adapters.graphql.cohort import Cohort, Context, Seen, Tracks
from adapters.graphql.errors import MEANINGS, ForbiddenError
from adapters.graphql.explanation import Explanation, explained
from adapters.graphql.federation import ENTITIES_MAX, Entity, Representation, Service, entities, service
from adapters.graphql.fields import resolved
from adapters.graphql.fleet import Fleet, fleet_of, note_chosen_by_place
from adapters.graphql.ids import List, cursor_of, read_id
from adapters.graphql.navigation import Trip
from adapters.graphql.node import Node
from adapters.graphql.operations import Operations, operations_of
from adapters.graphql.ordering import Cursor, Times, VehicleOrder, cursor_in_order, read_cursor_in_order
from adapters.graphql.paging import PAGE_MAX, After, Connection, First, Order, connection, page_of
from adapters.graphql.permits import Permits
from adapters.graphql.scalars import Int64
from adapters.graphql.scopes import DIAGNOSTICS, NAVIGATION, NAVIGATION_PAST, lacking
from adapters.graphql.status import Status, status_of
from adapters.graphql.vehicle import Region, Vehicle, event_node
from adapters.past import ORDERED_MAX
from adapters.twins import Between, Box, Circle, PageOf
from adapters.twins import VehicleFilter as Chosen
from adapters.vehicle_order import VehicleOrder as InOrder
from domain import paths
from domain.errors import BadInputError, did_you_mean
from domain.trouble_codes import check_code
from domain.units import Micros
from domain.vin import VIN_LENGTH, Vin
from domain.warnings import WARNING_NAMES

AsOf = Annotated[
    Micros | None,
    strawberry.argument(
        description="As the vehicles had told by this time of their own clock, whenever that reached us. "
        "Late data changes the answer."
    ),
]
KnownAt = Annotated[
    Micros | None,
    strawberry.argument(description="As it was known at this time of our clock. The answer never changes."),
]
Position = Annotated[
    Int64 | None,
    strawberry.argument(
        description="As of this position of the log, as seenPosition told it: for the next page of a list."
    ),
]
AtLeast = Annotated[
    Int64 | None,
    strawberry.argument(
        description="Waits some seconds until the read models have come to this position of the log, so that what is"
        " told has everything up to it; else the error POSITION_NOT_REACHED says how far they are."
    ),
]
CHOSEN_BY_PLACE: Final = "Query.vehicles(filter: place)"  # on record
NO_TIME: Final = Micros(0)  # in a cursor

_ARTICLE: Final = {"vehicle": "a", "trip": "a", "event": "an"}
DISTANCE_M_MAX: Final = 20_037_509.0  # half round the Earth
VINS_MAX: Final = PAGE_MAX  # of a filter: they fit on one page
FILTER_VALUES_MAX: Final = 1_000  # in any other list of a filter
NAME_CHARACTERS_MAX: Final = 60  # of a wrong name that are looked at and shown


@strawberry.input(
    description="Places between two parallels and two meridians, edges included; west may be east of east: the box then"
    " goes across 180°. Degrees (WGS 84)."
)
class BoundingBox:
    """A box of places."""

    south: float = strawberry.field(description=f"The least latitude. Unit: degrees. VSS: {paths.LATITUDE}")
    west: float = strawberry.field(description=f"Where it begins. Unit: degrees. VSS: {paths.LONGITUDE}")
    north: float = strawberry.field(description=f"The greatest latitude. Unit: degrees. VSS: {paths.LATITUDE}")
    east: float = strawberry.field(description=f"Where it ends. Unit: degrees. VSS: {paths.LONGITUDE}")

    def chosen(self) -> Box:
        """Return the box as the reader takes it. Raises `BadInputError`."""
        _check_number("filter.within.south", self.south, -90, 90)
        _check_number("filter.within.north", self.north, self.south, 90)
        _check_number("filter.within.west", self.west, -180, 180)
        _check_number("filter.within.east", self.east, -180, 180)
        return Box(self.south, self.west, self.north, self.east)


@strawberry.input(description="Places around a point, along a great circle. Degrees (WGS 84) and metres.")
class Around:
    """A circle of places."""

    latitude: float = strawberry.field(description=f"Of the middle, -90 to 90. Unit: degrees. VSS: {paths.LATITUDE}")
    longitude: float = strawberry.field(
        description=f"Of the middle, -180 to 180. Unit: degrees. VSS: {paths.LONGITUDE}"
    )
    distance_m: float = strawberry.field(description="From the middle at most. Unit: m.")

    def chosen(self) -> Circle:
        """Return the circle as the reader takes it. Raises `BadInputError`."""
        _check_number("filter.near.latitude", self.latitude, -90, 90)
        _check_number("filter.near.longitude", self.longitude, -180, 180)
        _check_number("filter.near.distanceM", self.distance_m, 0, DISTANCE_M_MAX)
        return Circle(self.latitude, self.longitude, self.distance_m)


@strawberry.input(description="Numbers from least to most, both included; one that is left out: as it may be.")
class PercentRange:
    """A range of percent."""

    least: float = strawberry.field(default=0.0, description="No less than this. Unit: percent.")
    most: float = strawberry.field(default=100.0, description="No more than this. Unit: percent.")

    def chosen(self) -> Between:
        """Return the range as the reader takes it. Raises `BadInputError`."""
        _check_number("filter.stateOfCharge.least", self.least, 0, 100)
        _check_number("filter.stateOfCharge.most", self.most, self.least, 100)
        return Between(self.least, self.most)


def _check_number(where: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BadInputError(f"{value:g} cannot be", where=where, remedy=f"give a number from {least:g} to {most:g}")


def check_lengths(*lists: tuple[str, Sequence[object] | None, int]) -> None:
    """Raise BadInputError for a list of a filter that has more values than it may have."""
    for name, values, most in lists:
        if values is not None and len(values) > most:
            what, where = f"{len(values)} values are too many", f"filter.{name}"
            raise BadInputError(what, where=where, remedy=f"give at most {most}")


@strawberry.input(description="Vehicles that fit everything that is given.")
class VehicleFilter:
    """Which vehicles are asked for."""

    vins: list[str] | None = strawberry.field(
        default=None, description=f"These, at most {VINS_MAX}: one page has them all."
    )
    brands: list[str] | None = strawberry.field(
        default=None,
        description="As the vehicles were registered. One that no vehicle has, or none of yours, finds none.",
    )
    models: list[str] | None = strawberry.field(
        default=None, description="As the vehicles were registered. One that no vehicle has finds none."
    )
    regions: list[Region] | None = strawberry.field(default=None, description="Vehicle.region is one of these.")
    has_trouble_code: bool | None = strawberry.field(
        default=None, description="Whether some ECU holds a code now. Scope: diagnostics:read."
    )
    trouble_codes: list[str] | None = strawberry.field(
        default=None,
        description='Some ECU holds one of these now, e.g. ["P0D59"]: without failure type. One that no ECU holds finds'
        " none. Scope: diagnostics:read.",
    )
    last_seen_after: Micros | None = strawberry.field(default=None, description="lastSeenAt is later than this.")
    last_seen_before: Micros | None = strawberry.field(
        default=None, description="lastSeenAt is earlier than this, or null: not seen since."
    )
    warnings: list[str] | None = strawberry.field(
        default=None, description='One of these is raised now, e.g. ["STATE_OF_CHARGE_LOW"]. Scope: diagnostics:read.'
    )
    state_of_charge: PercentRange | None = strawberry.field(
        default=None,
        description="The newest state of charge that is known, as the driver sees it, in percent. Scope:"
        f" diagnostics:read. VSS: {paths.STATE_OF_CHARGE_DISPLAYED}",
    )
    within: BoundingBox | None = strawberry.field(
        default=None,
        description=f"The newest place that is known. Scope: navigation:read. VSS: {paths.LATITUDE}, {paths.LONGITUDE}",
    )
    near: Around | None = strawberry.field(
        default=None,
        description=f"The newest place that is known. Scope: navigation:read. VSS: {paths.LATITUDE}, {paths.LONGITUDE}",
    )

    def chosen(self, permits: Permits, *, past: bool = False) -> Chosen:
        """Return the filter as the reader takes it. Raises `BadInputError`, also for what the token may not ask."""
        for what, scopes, given in (
            ("trouble codes", DIAGNOSTICS, (self.has_trouble_code, self.trouble_codes)),
            ("warnings", DIAGNOSTICS, (self.warnings,)),
            ("state of charge", DIAGNOSTICS, (self.state_of_charge,)),
            ("places", NAVIGATION_PAST if past else NAVIGATION, (self.within, self.near)),
        ):
            missing = permits.missing(scopes)
            if missing and any(each is not None for each in given):
                remedy = "leave it out, or ask for a token with this scope"
                raise ForbiddenError(f"{what}: {lacking(missing)}", where="filter", remedy=remedy)
        check_lengths(
            ("vins", self.vins, VINS_MAX),
            ("brands", self.brands, FILTER_VALUES_MAX),
            ("models", self.models, FILTER_VALUES_MAX),
            ("regions", self.regions, FILTER_VALUES_MAX),
            ("troubleCodes", self.trouble_codes, FILTER_VALUES_MAX),
            ("warnings", self.warnings, FILTER_VALUES_MAX),
        )
        _check_warnings(self.warnings or ())
        for code in self.trouble_codes or ():
            check_code(code, where="filter.troubleCodes")
        return Chosen(
            vins=None if self.vins is None else tuple(Vin.parse(vin).text for vin in self.vins),
            brands=None if self.brands is None else tuple(self.brands),
            models=None if self.models is None else tuple(self.models),
            has_trouble_code=self.has_trouble_code,
            trouble_codes=None if self.trouble_codes is None else tuple(self.trouble_codes),
            last_seen_after=self.last_seen_after,
            last_seen_before=self.last_seen_before,
            regions=None if self.regions is None else tuple(each.name for each in self.regions),
            warnings=None if self.warnings is None else tuple(self.warnings),
            state_of_charge=None if self.state_of_charge is None else self.state_of_charge.chosen(),
            box=None if self.within is None else self.within.chosen(),
            circle=None if self.near is None else self.near.chosen(),
        )


def _check_warnings(names: Sequence[str]) -> None:
    """Raise BadInputError for the name of no warning: nobody would learn that it has been misspelt."""
    for name in names:
        if name not in WARNING_NAMES:
            near = get_close_matches(name[:NAME_CHARACTERS_MAX].upper(), WARNING_NAMES)
            remedy = did_you_mean(near, f"there are {', '.join(WARNING_NAMES)}")
            what = f"{name[:NAME_CHARACTERS_MAX]!r} is no warning"
            raise BadInputError(what, where="filter.warnings", remedy=remedy)


Filter = Annotated[VehicleFilter | None, strawberry.argument(description="Only these; left out: all.")]


def _cohort(info: Info[Context, None], seen: Seen, *entries: DirectoryEntry) -> Cohort:
    return Cohort(info.context, entries, info.variable_values, seen)


def _one(info: Info[Context, None], seen: Seen, entry: DirectoryEntry | None) -> Vehicle | None:
    return None if entry is None else Vehicle(twin=_cohort(info, seen, entry).twins()[0])


def _page(
    info: Info[Context, None],
    seen: Seen,
    page: PageOf,
    found: Sequence[tuple[DirectoryEntry, str]],
    chosen: Chosen,
) -> Connection[Vehicle]:
    """Return a page of vehicles with their cursors, of which the last is there to say that another page follows."""
    note_chosen_by_place(info.context, seen, chosen, [entry.vehicle_id for entry, _ in found], CHOSEN_BY_PLACE)
    twins = _cohort(info, seen, *(entry for entry, _ in found[: page.limit - 1])).twins()
    by_id = {twin.id: twin for twin in twins}
    return connection(found, page, lambda each: each[1], lambda each: Vehicle(twin=by_id[each[0].vehicle_id]))


def _vehicles_in_order(
    info: Info[Context, None], asked: tuple[int, str | None], order: InOrder, chosen: Chosen, times: Times
) -> Connection[Vehicle]:
    """Return a page of vehicles in an order that was asked for."""
    first, after = asked
    begin = None if after is None else read_cursor_in_order(order, after, times)
    page = page_of("vehicles", first, None)._replace(after=begin)
    if begin is not None and times.is_past:
        seen = info.context.seen(times.as_of, None, begin.position)
    else:
        seen = info.context.seen(*times)
    placed = seen.read.ordered_vehicles(page.limit, order, begin and begin.place, chosen)
    position = seen.moment and seen.moment.position
    found = [(each.entry, cursor_in_order(order, Cursor(each.place, position), times)) for each in placed]
    return _page(info, seen, page, found, chosen)


def vehicle_key(text: str, *, where: str) -> UUID:
    """Return the vehicle that an id names. Raises `BadInputError`."""
    key = read_id(text, where=where)
    if key.kind != "vehicle":
        what = f"this is the id of {_ARTICLE[key.kind]} {key.kind}"
        raise BadInputError(what, where=where, remedy="use node(id:), or a vehicle's id")
    return key.vehicle_id


def vehicle_name(text: str, *, where: str) -> str | UUID:
    """Return the VIN, or the key of the id, which is longer. Raises `BadInputError` for what is neither."""
    return Vin.parse(text).text if len(text.strip()) <= VIN_LENGTH else vehicle_key(text, where=where)


def _named_vehicle(seen: Seen, text: str) -> DirectoryEntry | None:
    name = vehicle_name(text, where="vehicle")
    return seen.read.vehicle_by_vin(name) if isinstance(name, str) else seen.read.vehicle(name)


@strawberry.type(
    description="The twins of a fleet. An error's extensions.code is one of: "
    + "; ".join(f"{code} ({meaning})" for code, meaning in MEANINGS.items())
    + ". extensions.remedy says what to do, where that is known. A value that the token may not read is FORBIDDEN; a"
    " field that is no envelope is null then, and extensions.withheld of the answer names it with its reason."
)
class Query:
    """The root of every query."""

    @resolved(
        "One vehicle by its VIN or its id, exactly one of them; null: there is no such vehicle, or there was none yet."
    )
    def vehicle(  # its arguments in the schema
        self,
        info: Info[Context, None],
        *,
        vin: Annotated[str | None, strawberry.argument(description="Its VIN, ISO 3779.")] = None,
        id: Annotated[  # noqa: A002  # its name in the schema
            ID | None, strawberry.argument(description="Its id, as this API has told it.")
        ] = None,
        as_of: AsOf = None,
        known_at: KnownAt = None,
        position: Position = None,
        at_least: AtLeast = None,
    ) -> Vehicle | None:
        """Return a vehicle."""
        if (vin is None) == (id is None):
            what = "neither vin nor id is given" if vin is None else "vin and id are both given"
            raise BadInputError(what, where="vehicle", remedy="give exactly one of them")
        info.context.check_reached(at_least)
        seen = info.context.seen(as_of, known_at, position)
        if vin is not None:
            return _one(info, seen, seen.read.vehicle_by_vin(Vin.parse(vin).text))
        return _one(info, seen, seen.read.vehicle(vehicle_key(str(id), where="id")))

    @resolved(
        "Where the newest value of a signal comes from: event, batch, decoder, mapping, and the times of each. Null:"
        " there is no such vehicle, or there was none yet."
    )
    def explain(
        self,
        info: Info[Context, None],
        vehicle: Annotated[ID, strawberry.argument(description="Its VIN, or its id.")],
        path: Annotated[str, strawberry.argument(description="The COVESA VSS path of the signal.")],
        *,
        as_of: AsOf = None,
        known_at: KnownAt = None,
        position: Position = None,
        at_least: AtLeast = None,
    ) -> Explanation | None:
        """Return where a value comes from."""
        info.context.check_reached(at_least)
        seen = info.context.seen(as_of, known_at, position)
        entry = _named_vehicle(seen, str(vehicle))
        return None if entry is None else explained(_cohort(info, seen, entry).twins()[0], path)

    @resolved(
        "Vehicles, in the order of their ids if no other is asked for. Of the past (asOf, knownAt) every page is seen"
        " from one position of the log, which the cursors carry; by what telemetry tells no more than"
        f" {ORDERED_MAX:,} vehicles of the past are put in order."
    )
    def vehicles(
        self,
        info: Info[Context, None],
        first: First,
        after: After = None,
        filter: Filter = None,  # noqa: A002  # its name in the schema
        as_of: AsOf = None,
        known_at: KnownAt = None,
        order_by: Annotated[
            VehicleOrder | None, strawberry.argument(description="Left out: in the order of their ids.")
        ] = None,
        at_least: AtLeast = None,
    ) -> Connection[Vehicle]:
        """Return a page of vehicles."""
        info.context.check_reached(at_least)
        times = Times(as_of, known_at)
        chosen = filter.chosen(info.context.permits, past=times.is_past) if filter else Chosen()
        if order_by is not None:
            order = order_by.chosen(info.context.permits, chosen)
            return _vehicles_in_order(info, (first, after), order, chosen, times)
        kind: List = "past vehicles" if times.is_past else "vehicles"
        page = page_of(kind, first, after, Order.OLDEST_FIRST)
        key: UUID | None = page.after[0] if page.after else None
        if times.is_past and page.after:
            _, position, *of_cursor = page.after
            if of_cursor != [as_of or NO_TIME, known_at or NO_TIME]:
                remedy = "give those of the page that it ends, or leave it out for the first page"
                raise BadInputError("this cursor is of other times", where="after", remedy=remedy)
            seen = info.context.seen(as_of, None, position)
        else:
            seen = info.context.seen(as_of, known_at)
        entries = seen.read.vehicles(page.limit, key, chosen)
        moment = seen.moment
        place = (moment.position, as_of or NO_TIME, known_at or NO_TIME) if moment else ()
        found = [(entry, cursor_of(kind, entry.vehicle_id, *place)) for entry in entries]
        return _page(info, seen, page, found, chosen)

    @resolved(
        "How many vehicles there are now, of all or of those that a filter chooses: in whole, and by what they are and"
        " tell."
    )
    def fleet(
        self,
        info: Info[Context, None],
        filter: Filter = None,  # noqa: A002  # its name in the schema
        at_least: AtLeast = None,
    ) -> Fleet:
        """Return counts."""
        info.context.check_reached(at_least)
        return fleet_of(info.context, filter.chosen(info.context.permits) if filter else Chosen())

    @resolved("Whatever has this id: a vehicle, a trip or an event; null: it is not there (any more).")
    def node(
        self,
        info: Info[Context, None],
        id: Annotated[ID, strawberry.argument(description="As this API has told it.")],  # noqa: A002  # see above
    ) -> Node | None:
        """Return what an id names."""
        read, (kind, vehicle_id, part) = info.context.read, read_id(str(id))
        if kind == "vehicle":
            return _one(info, Seen(read), read.vehicle(vehicle_id))
        permits = info.context.permits
        if isinstance(part, UUID):
            trip = read.trip(vehicle_id, part) if permits.may_read("Query.node(Trip)") else None
            if trip is None or not permits.may_show(vehicle_id, "Query.node(Trip)"):  # on record is what is shown
                return None
            return Trip(row=trip, tracks=Tracks(read, [trip], permits))
        assert part is not None
        record = read.event(vehicle_id, part) if permits.may_read("Query.node(Event)") else None
        return None if record is None else event_node(info.context, record)

    @resolved("How far the log is, and how far the read models have followed it.")
    def status(self, info: Info[Context, None]) -> Status:
        """Return positions and lags."""
        return status_of(info.context.read.positions())

    @resolved(
        "What whoever operates the platform sees beside the twins. Scope: operations:read. Null: the token lacks it."
    )
    def operations(self, info: Info[Context, None]) -> Operations | None:
        """Return what is seen of the operation."""
        return operations_of(info.context)

    @resolved("For a router of Apollo Federation 2: this subgraph.", name="_service")
    def service(self, info: Info[Context, None]) -> Service:
        """Return the subgraph."""
        return service(info)

    @resolved(
        "For a router of Apollo Federation 2: the vehicles with these keys, as they are now, in this order; null: there"
        " is no such vehicle.",
        name="_entities",
    )
    def entities(
        self,
        info: Info[Context, None],
        representations: Annotated[list[Representation], strawberry.argument(description=f"At most {ENTITIES_MAX}.")],
    ) -> list[Entity | None]:
        """Return entities."""
        return entities(info, representations)
