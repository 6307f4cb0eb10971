"""The root of every subscription.

A subscription is executed once to see what it asks for (`Opening`), and then once for each thing that it delivers.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID

import strawberry
from strawberry import ID, Info

from adapters.event_log import check_position
from adapters.graphql.cohort import Context
from adapters.graphql.errors import ForbiddenError
from adapters.graphql.events import Event, chosen_topics
from adapters.graphql.fields import computed, resolved
from adapters.graphql.ids import cursor_of, read_cursor, shortened, vehicle_id_of
from adapters.graphql.paging import Edge
from adapters.graphql.query import FILTER_VALUES_MAX, check_lengths, vehicle_name
from adapters.graphql.scalars import Int64
from adapters.graphql.scopes import DIAGNOSTICS, EVENTS, MEDIA, NAVIGATION, Scopes, lacking
from adapters.graphql.vehicle import Vehicle, event_node
from adapters.twins import EventFilter, Logged
from domain.errors import BadInputError

VEHICLES_MAX: Final = 100  # that a subscription names
PER_SECOND_MAX: Final = 10
PER_SECOND: Final = 2
LOG: Final = "the log"


@strawberry.enum(description="A read model of a vehicle.")
class ReadModel(Enum):
    """A read model of a vehicle; its value is the name of its projection."""

    NAVIGATION = strawberry.enum_value("navigation", description="Where it is and goes: `Vehicle.navigation`.")
    MEDIA = strawberry.enum_value("media", description="What it plays: `Vehicle.media`.")
    DIAGNOSTICS = strawberry.enum_value("diagnostics", description="How it is: `Vehicle.diagnostics`.")


MODEL_SCOPES: Final[Mapping[ReadModel, Scopes]] = {
    ReadModel.NAVIGATION: NAVIGATION,
    ReadModel.MEDIA: MEDIA,
    ReadModel.DIAGNOSTICS: DIAGNOSTICS,
}


class Change(NamedTuple):
    """A read model of a vehicle, how many events have changed it, and the position of the newest of them."""

    logged: Logged
    model: ReadModel
    events: int


class Asked(NamedTuple):
    """What a subscription asks for."""

    chosen: EventFilter
    after: int | None  # position; None: only what comes from now on
    per_second: float | None = None  # None: each event, not what has changed
    models: Collection[ReadModel] = ()  # that are told of


@dataclass(slots=True)
class Opening:
    """The root of the execution that only tells what is asked for."""

    after: str | None = None  # the cursor after which to begin, whatever is asked for
    asked: Asked | None = None


class Delivered(NamedTuple):
    """The root of the execution for one thing that is delivered; `position` is as far as the log is told with it."""

    position: int
    event: Logged | None
    changes: Sequence[Change] = ()


class _OpenedError(Exception):
    """Ends the execution of an opening: there is nothing to show yet."""


@strawberry.input(name="EventFilter", description="Events that fit everything that is given.")
class EventFilterInput:
    """Which events are asked for."""

    vehicles: list[ID] | None = strawberry.field(
        default=None, description=f"Of these vehicles: VINs or ids, at most {VEHICLES_MAX}."
    )
    brands: list[str] | None = strawberry.field(default=None, description="Of vehicles registered under one of these.")
    models: list[str] | None = strawberry.field(default=None, description="Of vehicles registered as one of these.")
    types: list[str] | None = strawberry.field(default=None, description='Of these, e.g. ["vehicle.trip_started.v1"].')

    def chosen(self, context: Context) -> EventFilter:
        """Return the filter as the log takes it. Raises `BadInputError`."""
        check_lengths(
            ("vehicles", self.vehicles, VEHICLES_MAX),
            ("brands", self.brands, FILTER_VALUES_MAX),
            ("models", self.models, FILTER_VALUES_MAX),
            ("types", self.types, FILTER_VALUES_MAX),
        )
        return EventFilter(
            vehicle_ids=None if self.vehicles is None else _vehicles(context, [*map(str, self.vehicles)]),
            brands=None if self.brands is None else tuple(self.brands),
            models=None if self.models is None else tuple(self.models),
            topics=chosen_topics(self.types),
        )


def _vehicles(context: Context, texts: Sequence[str]) -> list[UUID]:
    """Return the vehicles with these VINs or ids. Raises `BadInputError` where one is not there."""
    names = [vehicle_name(text, where="filter.vehicles") for text in texts]
    found = context.read.vehicles_named(
        [each for each in names if isinstance(each, UUID)], [each for each in names if isinstance(each, str)]
    )
    by_name = {name: each.vehicle_id for each in found for name in (each.vehicle_id, each.vin)}
    for text, name in zip(texts, names, strict=True):
        if name not in by_name:
            what, remedy = (
                f"{shortened(text)}: there is no such vehicle",
                "leave it out, or wait until it is registered",
            )
            raise BadInputError(what, where="filter.vehicles", remedy=remedy)
    return [by_name[name] for name in names]


def _position(context: Context, after: str | None) -> int | None:
    if after is None:
        return None
    (position,) = read_cursor(LOG, after)
    check_position(position, context.read.positions().log_position, where="after")
    return int(position)


@strawberry.type(description="What has changed of a vehicle: ask for it.")
class VehicleChange:
    """A read model of a vehicle that has changed."""

    change: strawberry.Private[Change]

    vehicle_id: ID = computed(lambda each: vehicle_id_of(each.change.logged.entry.vehicle_id), "The id of the vehicle.")
    model: ReadModel = computed(lambda each: each.change.model, "Which of its read models has changed.")
    position: Int64 = computed(
        lambda each: each.change.logged.record.position,
        "The position of the newest event that changed it; the read models have reached it. May be given as atLeast.",
    )
    events: int = computed(
        lambda each: each.change.events, "How many events have changed it since it was told last. Unit: none."
    )

    @resolved("The vehicle, as it is now.")
    def vehicle(self, info: Info[Context, None]) -> Vehicle | None:
        """Return the vehicle."""
        twin = info.context.twin_of(self.change.logged.entry.vehicle_id, info.variable_values)
        return None if twin is None else Vehicle(twin=twin)


@strawberry.type(description="All that has changed of the vehicles that were asked for since it was told last.")
class VehicleChanges:
    """What has changed of some vehicles."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    position: Int64 = strawberry.field(description="The position of the log up to which the changes are told.")
    changes: list[VehicleChange] = strawberry.field(description="One for each read model of each vehicle.")


After = Annotated[
    str | None,
    strawberry.argument(
        description="A cursor of this subscription, however old, or that of status: what comes after it."
    ),
]


Filter = Annotated[EventFilterInput | None, strawberry.argument(description="Only these; left out: all.")]


@strawberry.type(
    description="What happens, as it happens: over WebSocket (subprotocol graphql-transport-ws), or in answer to a POST"
    " or GET as text/event-stream (graphql-sse, distinct connections)."
)
class Subscription:
    """The root of every subscription."""

    @resolved(
        "The events of the log in its order: the past, then the live, without a gap and without one twice. Without"
        " `after` it begins with the first event. To go on after a break, however long, give the cursor of the last"
        " event that has come. Scope: events:read, and for the data of the events those that they need."
    )
    def events(
        self,
        info: Info[Context, Any],
        after: After = None,
        filter: Filter = None,  # noqa: A002  # its name in the schema
    ) -> Edge[Event]:
        """Return the event that is delivered."""
        root = info.root_value
        if isinstance(root, Opening):
            missing = info.context.permits.missing(EVENTS)
            if missing:
                raise ForbiddenError(lacking(missing), where="events", remedy="ask for a token with this scope")
            chosen = filter.chosen(info.context) if filter else EventFilter()
            root.asked = Asked(chosen, _position(info.context, root.after or after) or 0)
            raise _OpenedError
        assert isinstance(root, Delivered)
        assert root.event is not None
        node = event_node(info.context, root.event.record)
        edge: Any = Edge(cursor=cursor_of(LOG, root.position), node=node)
        return edge  # type: ignore[no-any-return]  # generic types of Strawberry are made at run time

    @resolved(
        "Which read models of which vehicles have changed: a screen that shows them asks for them again. A vehicle that"
        " changes often is told of at most `perSecond` times a second, and a reader that is slow less often: always all"
        " that has changed meanwhile, once. Read models that the token has no scope for are left out."
    )
    def vehicle_changed(
        self,
        info: Info[Context, Any],
        after: After = None,
        filter: Filter = None,  # noqa: A002  # its name in the schema
        per_second: Annotated[
            int, strawberry.argument(description=f"1 to {PER_SECOND_MAX} times a second at most.")
        ] = PER_SECOND,
    ) -> VehicleChanges:
        """Return the changes that are delivered."""
        root = info.root_value
        if isinstance(root, Opening):
            permits = info.context.permits
            models = [model for model, needed in MODEL_SCOPES.items() if not permits.missing(needed)]
            if not models:
                what = lacking(frozenset().union(*MODEL_SCOPES.values()))
                raise ForbiddenError(what, where="vehicleChanged", remedy="ask for a token with one of these scopes")
            if not 1 <= per_second <= PER_SECOND_MAX:
                what, remedy = f"{per_second} cannot be", f"give a number from 1 to {PER_SECOND_MAX}"
                raise BadInputError(what, where="perSecond", remedy=remedy)
            chosen = filter.chosen(info.context) if filter else EventFilter()
            root.asked = Asked(chosen, _position(info.context, root.after or after), per_second, models)
            raise _OpenedError
        assert isinstance(root, Delivered)
        changes = [VehicleChange(change=each) for each in root.changes]
        cursor = cursor_of(LOG, root.position)
        return VehicleChanges(cursor=cursor, position=Int64(root.position), changes=changes)
