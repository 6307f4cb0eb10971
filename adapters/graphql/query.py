"""The root of every query."""

from typing import Annotated, Final
from uuid import UUID

import strawberry
from strawberry import ID, Info

from adapters.event_log import DirectoryEntry
from adapters.graphql.cohort import Cohort, Context, Tracks
from adapters.graphql.errors import MEANINGS
from adapters.graphql.fields import resolved
from adapters.graphql.ids import cursor_of, read_id
from adapters.graphql.navigation import Trip
from adapters.graphql.node import Node
from adapters.graphql.paging import PAGE_MAX, Connection, Order, connection, page_of
from adapters.graphql.status import Status, status_of
from adapters.graphql.vehicle import Vehicle, event_node
from adapters.twins import VehicleFilter as Chosen
from domain.errors import BadInputError
from domain.units import Micros
from domain.vin import Vin

_ARTICLE: Final = {"vehicle": "a", "trip": "a", "event": "an"}
FILTER_VALUES_MAX: Final = 1_000  # in one list of a filter


@strawberry.input(description="Vehicles that fit everything that is given.")
class VehicleFilter:
    """Which vehicles are asked for."""

    vins: list[str] | None = None
    brands: list[str] | None = strawberry.field(default=None, description="As the vehicles were registered.")
    models: list[str] | None = strawberry.field(default=None, description="As the vehicles were registered.")
    has_trouble_code: bool | None = strawberry.field(default=None, description="Whether some ECU holds a code now.")
    trouble_codes: list[str] | None = strawberry.field(
        default=None, description='Some ECU holds one of these now, e.g. ["P0D59"].'
    )
    last_seen_after: Micros | None = strawberry.field(default=None, description="lastSeenAt is later than this.")

    def chosen(self) -> Chosen:
        """Return the filter as the reader takes it. Raises `BadInputError`."""
        for values in (self.vins, self.brands, self.models, self.trouble_codes):
            if values is not None and len(values) > FILTER_VALUES_MAX:
                remedy = f"give at most {FILTER_VALUES_MAX}"
                raise BadInputError(f"{len(values)} values are too many", where="filter", remedy=remedy)
        return Chosen(
            vins=None if self.vins is None else tuple(Vin.parse(vin).text for vin in self.vins),
            brands=None if self.brands is None else tuple(self.brands),
            models=None if self.models is None else tuple(self.models),
            has_trouble_code=self.has_trouble_code,
            trouble_codes=None if self.trouble_codes is None else tuple(self.trouble_codes),
            last_seen_after=self.last_seen_after,
        )


def _cohort(info: Info[Context, None], *entries: DirectoryEntry) -> Cohort:
    return Cohort(info.context, entries, info.variable_values)


def _one(info: Info[Context, None], entry: DirectoryEntry | None) -> Vehicle | None:
    return None if entry is None else Vehicle(twin=_cohort(info, entry).twins()[0])


@strawberry.type(
    description="The twins of a fleet. An error's extensions.code is one of: "
    + "; ".join(f"{code} ({meaning})" for code, meaning in MEANINGS.items())
    + ". extensions.remedy says what to do, where that is known."
)
class Query:
    """The root of every query."""

    @resolved("One vehicle by its VIN or its id, exactly one of them; null: there is no such vehicle.")
    def vehicle(self, info: Info[Context, None], vin: str | None = None, id: ID | None = None) -> Vehicle | None:  # noqa: A002  # its name in the schema
        """Return a vehicle."""
        if (vin is None) == (id is None):
            what = "neither vin nor id is given" if vin is None else "vin and id are both given"
            raise BadInputError(what, where="vehicle", remedy="give exactly one of them")
        if vin is not None:
            return _one(info, info.context.read.vehicle_by_vin(Vin.parse(vin).text))
        key = read_id(str(id))
        if key.kind != "vehicle":
            raise BadInputError(
                f"this is the id of {_ARTICLE[key.kind]} {key.kind}",
                where="id",
                remedy="use node(id:), or a vehicle's id",
            )
        return _one(info, info.context.read.vehicle(key.vehicle_id))

    @resolved("Vehicles in the order of their ids.")
    def vehicles(
        self,
        info: Info[Context, None],
        first: Annotated[int, strawberry.argument(description=f"1 to {PAGE_MAX}.")],
        after: str | None = None,
        filter: VehicleFilter | None = None,  # noqa: A002  # its name in the schema
    ) -> Connection[Vehicle]:
        """Return a page of vehicles."""
        page = page_of("vehicles", first, after, Order.OLDEST_FIRST)
        key: UUID | None = page.after[0] if page.after else None
        chosen = filter.chosen() if filter else Chosen()
        entries = info.context.read.vehicles(page.limit, key, chosen)
        twins = _cohort(info, *entries[:first]).twins()
        by_id = {twin.id: twin for twin in twins}
        return connection(
            entries,
            page,
            lambda entry: cursor_of("vehicles", entry.vehicle_id),
            lambda entry: Vehicle(twin=by_id[entry.vehicle_id]),
        )

    @resolved("Whatever has this id: a vehicle, a trip or an event; null: it is not there (any more).")
    def node(self, info: Info[Context, None], id: ID) -> Node | None:  # noqa: A002  # its name in the schema
        """Return what an id names."""
        read, (kind, vehicle_id, part) = info.context.read, read_id(str(id))
        if kind == "vehicle":
            return _one(info, read.vehicle(vehicle_id))
        if isinstance(part, UUID):
            trip = read.trip(vehicle_id, part)
            return None if trip is None else Trip(row=trip, tracks=Tracks(read, [trip]))
        assert part is not None
        record = read.event(vehicle_id, part)
        return None if record is None else event_node(info.context, record)

    @resolved("How far the log is, and how far the read models have followed it.")
    def status(self, info: Info[Context, None]) -> Status:
        """Return positions and lags."""
        return status_of(info.context.read.positions())
