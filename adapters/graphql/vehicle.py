"""A vehicle: its identity, its three models, its signals, its events."""

from enum import Enum
from typing import Annotated, Final

import strawberry
from strawberry import ID

from adapters.event_log import StoredRecord
from adapters.graphql.cohort import Context, Twin
from adapters.graphql.delivered import VEHICLES_MAX, DeliveredSignals, delivered
from adapters.graphql.diagnostics import Diagnostics
from adapters.graphql.envelope import Signal, forbidden, measured
from adapters.graphql.events import Event, chosen_topics
from adapters.graphql.fields import computed, resolved
from adapters.graphql.ids import cursor_of, vehicle_id_of
from adapters.graphql.media import Media
from adapters.graphql.navigation import Navigation
from adapters.graphql.node import OWN_ID, Node
from adapters.graphql.paging import After, Connection, First, Order, Ordered, connection, page_of
from adapters.graphql.scalars import Int64
from adapters.graphql.trouble_codes import unit_of
from adapters.twins import PageOf
from domain.errors import BadInputError
from domain.events import VehicleDecommissioned
from domain.units import Micros
from domain.upcasts import topics_of
from domain.vin import REGIONS, Vin
from projections.signal_rows import SignalRow

PATHS_MAX: Final = 1_000  # that one field may name


def event_node(context: Context, record: StoredRecord) -> Event:
    """Return an event of the log as the API shows it."""
    event = context.decode(record.topic, record.state, record.originator_id, record.version)
    return Event(record=record, event=event, permits=context.permits)


def _decommissioned_at(twin: Twin) -> Micros | None:
    """Return when a vehicle left the fleet: no event follows the one that says so, so it is the newest."""
    cohort = twin.cohort
    newest = cohort.rows(
        twin.id,
        "newest event",
        lambda read, ids: read.events(ids, PageOf(1), None),
        lambda record: record.originator_id,
    )
    if not newest or newest[0].topic not in topics_of([VehicleDecommissioned]):
        return None
    return event_node(cohort.context, newest[0]).event.captured_at


def signal_of(twin: Twin, path: str) -> Signal:
    """Return a signal; one that the vehicle never sent must be of the catalogue."""
    twin.cohort.context.ending.check()
    if twin.cohort.context.permits.lacking_for(path, past=twin.is_past):
        return _in_envelope(twin, path, None)
    row = twin.cohort.signal(twin.id, path)
    if row is None:
        twin.cohort.context.catalogue.fact(path, where="path")
    return _in_envelope(twin, path, row)


def _in_envelope(twin: Twin, path: str, row: SignalRow | None) -> Signal:
    unit, refusal = unit_of(twin.cohort.context.catalogue, path), twin.refusal(path)
    if refusal:
        made = forbidden(Signal, path, unit, refusal)
    else:
        made = measured(Signal, path, unit, row, twin.cohort.age_reference(twin.id))
    assert isinstance(made, Signal)
    return made


@strawberry.enum(
    description="A region of the world, to which ISO 3780 gives the codes of makers by their first characters."
)
class Region(Enum):
    """A region of the world."""

    AFRICA = strawberry.enum_value("AFRICA", description="A to H.")
    ASIA = strawberry.enum_value("ASIA", description="J to R.")
    EUROPE = strawberry.enum_value("EUROPE", description="S to Z.")
    NORTH_AMERICA = strawberry.enum_value("NORTH_AMERICA", description="1 to 5.")
    OCEANIA = strawberry.enum_value("OCEANIA", description="6 and 7.")
    SOUTH_AMERICA = strawberry.enum_value("SOUTH_AMERICA", description="8 and 9.")


assert [each.name for each in Region] == [region for region, _ in REGIONS]


def region_of(vin: str) -> Region | None:
    """Return the region that a VIN tells."""
    region = Vin(vin).region
    return None if region is None else Region[region]


@strawberry.type(description="The digital twin of a vehicle.")
class Vehicle(Node):
    """The digital twin of a vehicle."""

    twin: strawberry.Private[Twin]

    id: ID = computed(lambda vehicle: vehicle_id_of(vehicle.twin.id), OWN_ID)
    vin: str = computed(lambda vehicle: vehicle.twin.entry.vin, "Vehicle identification number, ISO 3779.")
    brand: str = computed(lambda vehicle: vehicle.twin.entry.brand, "As it was registered.")
    model: str | None = computed(
        lambda vehicle: vehicle.twin.entry.model, "As it was registered. Null: it was not told."
    )
    region: Region | None = computed(
        lambda vehicle: region_of(vehicle.twin.entry.vin),
        "The region of the maker's code that the VIN begins with (ISO 3780): where it comes from, not where it drives."
        " Null: nobody has that code.",
    )
    registered_at: Micros = computed(
        lambda vehicle: vehicle.twin.entry.registered_at, "When it became known, by our clock."
    )
    decommissioned_at: Micros | None = computed(
        lambda vehicle: _decommissioned_at(vehicle.twin),
        "When it was taken out of the fleet, by our clock: its history stays. Null: it is in the fleet.",
    )
    last_seen_at: Micros | None = computed(
        lambda vehicle: vehicle.twin.cohort.last_seen(vehicle.twin.id),
        "When its newest signal or trouble code is from, by the car's clock; ages of values count from it. Null: none.",
    )
    seen_position: Int64 | None = computed(
        lambda vehicle: vehicle.twin.cohort.seen.moment and Int64(vehicle.twin.cohort.seen.moment.position),
        "The position of the log that this twin of the past is seen from. Null: it is of the present.",
    )
    navigation: Navigation = computed(lambda vehicle: Navigation(twin=vehicle.twin), "Where it is, was and is going.")
    media: Media = computed(lambda vehicle: Media(twin=vehicle.twin), "What it plays and has played.")
    diagnostics: Diagnostics = computed(lambda vehicle: Diagnostics(twin=vehicle.twin), "How it is.")
    delivered: DeliveredSignals | None = computed(
        lambda vehicle: delivered(vehicle.twin),
        "What it is capable of: which signals it has ever delivered, and how often. Scope: diagnostics:read;"
        f" signals of navigation and media need theirs too. Of at most {VEHICLES_MAX} vehicles at once.",
    )

    @resolved("The newest sample of any signal, by its COVESA VSS path; null only where there is no such path.")
    def signal(
        self, path: Annotated[str, strawberry.argument(description="The COVESA VSS path of the signal.")]
    ) -> Signal | None:
        """Return a signal."""
        return signal_of(self.twin, path)

    @resolved(
        "Several signals: those of `paths` in this order, or those at or below the branch `prefix` that the vehicle "
        "has sent, by path; neither: all that it has sent. Those lists are without what the token may not read."
    )
    def signals(
        self,
        paths: Annotated[list[str] | None, strawberry.argument(description=f"VSS paths, at most {PATHS_MAX}.")] = None,
        prefix: Annotated[str | None, strawberry.argument(description='A VSS branch, e.g. "Vehicle.Cabin".')] = None,
    ) -> list[Signal]:
        """Return signals."""
        if paths is not None and prefix is not None:
            remedy = "give one of them"
            raise BadInputError("paths and prefix exclude each other", where="signals", remedy=remedy)
        if paths is None:
            rows = self.twin.cohort.branch(self.twin.id, (prefix or "").removesuffix("."))
            permits, is_past = self.twin.cohort.context.permits, self.twin.is_past
            listed = [row for row in rows if permits.may_list("Vehicle.signals", row.path, past=is_past)]
            return [_in_envelope(self.twin, row.path, row) for row in listed]
        if len(paths) > PATHS_MAX:
            remedy = f"name at most {PATHS_MAX}, or give a prefix"
            raise BadInputError(f"{len(paths)} paths are too many", where="paths", remedy=remedy)
        return [signal_of(self.twin, path) for path in paths]

    @resolved("The vehicle's events as the log keeps them. Scope: events:read.")
    def events(
        self,
        first: First,
        after: After = None,
        types: Annotated[
            list[str] | None, strawberry.argument(description='Only these, e.g. ["vehicle.trip_started.v1"].')
        ] = None,
        order: Ordered = Order.OLDEST_FIRST,
    ) -> Connection[Event] | None:
        """Return a page of events."""
        page, topics = page_of("events", first, after, order), chosen_topics(types)
        if not self.twin.may_show("Vehicle.events"):
            return None
        cohort = self.twin.cohort
        if not self.twin.is_past:
            cohort.context.known.setdefault(self.twin.id, self.twin)
        rows = cohort.rows(
            self.twin.id,
            ("events", page, topics),
            lambda read, ids: read.events(ids, page, topics),
            lambda record: record.originator_id,
        )
        return connection(
            rows,
            page,
            lambda record: cursor_of("events", record.version),
            lambda record: event_node(cohort.context, record),
        )
