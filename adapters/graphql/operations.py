"""What whoever operates the platform sees beside the twins: how far each stage is, and what could not be folded."""

from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Final

import strawberry
from strawberry import ID, Info

from adapters.graphql.cohort import Context
from adapters.graphql.events import Event
from adapters.graphql.fields import computed, resolved
from adapters.graphql.ids import cursor_of, vehicle_id_of
from adapters.graphql.paging import After, Connection, First, connection, page_of
from adapters.graphql.scalars import Int64
from adapters.graphql.vehicle import Vehicle, event_node
from adapters.graphql.versions import (
    ComparisonConnection,
    ProjectionName,
    ProjectionVersion,
    VersionDigest,
    comparison,
    digest,
    versions_of,
)
from adapters.lag import Lag, Observation
from adapters.parked_events import ParkedEvent as Found
from adapters.parked_events import ParkedPlace
from domain.errors import UnknownEventError
from domain.units import Micros

NOT_SEEN: Final = "this server does not look at the stages"


@strawberry.enum(description="What a stage of the path does.")
class StageKind(Enum):
    """What a stage of the path does."""

    INGEST = strawberry.enum_value("INGEST", description="Takes telemetry of its topic into the log.")
    RELAY = strawberry.enum_value("RELAY", description="Publishes the events of the log in their topic.")
    PROJECTION = strawberry.enum_value("PROJECTION", description="Folds the events of the log into a read model.")


@strawberry.type(description="A stage of the path from the telemetry to the read models, and what waits for it.")
class Stage:
    """A stage of the path, and what waits for it."""

    kind: StageKind = strawberry.field(description="What it does.")
    name: str = strawberry.field(description='Its name, e.g. "relay" or "navigation v1".')
    waiting: Int64 | None = strawberry.field(
        description="Records (INGEST) or events that it has not taken yet. Unit: none. Null: Kafka does not answer."
    )
    oldest_waits_s: float | None = strawberry.field(
        description="Since when the oldest of them has waited; 0: nothing waits. Unit: s. Null: Kafka does not answer."
    )


@strawberry.type(
    description="An event that a version of a projection could not fold. Its vehicle is parked there: what followed was"
    " left out, too, until it is taken up again (retryParked)."
)
class ParkedEvent:
    """An event that could not be folded."""

    found: strawberry.Private[Found]

    projection: str = computed(lambda each: each.found.projection, "navigation, media or diagnostics.")
    version: int = computed(lambda each: each.found.version, "Of the projection. Unit: none.")
    vehicle_id: ID = computed(lambda each: vehicle_id_of(each.found.parked.vehicle_id), "The id of its vehicle.")
    type: str | None = computed(
        lambda each: each.found.record and each.found.record.topic,
        'Its permanent name, e.g. "vehicle.trip_started.v1". Null: the log does not have it.',
    )
    event_version: Int64 = computed(lambda each: each.found.parked.version, "1, 2, 3 … in the vehicle's history.")
    position: Int64 = computed(lambda each: each.found.parked.position, "1, 2, 3 … in the whole log.")
    recorded_at: Micros | None = computed(
        lambda each: each.found.record and each.found.record.recorded_at,
        "When it was recorded in the log. Null: the log does not have it.",
    )
    error: str = computed(lambda each: each.found.parked.error, "Why it could not be folded; it may quote the event.")
    attempts: int = computed(lambda each: each.found.parked.attempts, "How often that was tried. Unit: none.")
    parked_at: Micros = computed(lambda each: each.found.parked.parked_at, "When it was tried last.")
    left_out: Int64 = computed(
        lambda each: each.found.parked.newest_version - each.found.parked.version + 1,
        "Events of the vehicle that were left out by now, this one among them. Unit: none.",
    )

    @resolved("The event. Scope: events:read. Null: the log does not have it, or it cannot be read: see error.")
    def event(self, info: Info[Context, None]) -> Event | None:
        """Return the event itself."""
        record = self.found.record
        if record is None or not info.context.permits.may_show(record.originator_id, "ParkedEvent.event"):
            return None
        try:
            return event_node(info.context, record)
        except UnknownEventError:
            return None

    @resolved("Its vehicle, as it is now. Null: it is not registered.")
    def vehicle(self, info: Info[Context, None]) -> Vehicle | None:
        """Return the vehicle of the event."""
        twin = info.context.twin_of(self.found.parked.vehicle_id, info.variable_values)
        return None if twin is None else Vehicle(twin=twin)


@strawberry.type(
    description="What whoever operates the platform sees beside the twins. Of vehicles it tells those of the token's"
    " brands alone, as everything does."
)
class Operations:
    """What whoever operates the platform sees beside the twins."""

    seen: strawberry.Private[Observation | None]

    observed_at: Micros | None = computed(
        lambda each: each.seen and each.seen.at, "When the stages were looked at, some seconds ago. Null: see problem."
    )
    problem: str | None = strawberry.field(description="Why stages are missing or do not tell. Null: all is seen.")
    stages: list[Stage] = computed(
        lambda each: list(stages_of(each.seen)) if each.seen else [],
        "Every stage, in the order of the path; those before the log where Kafka is used.",
    )
    set_aside: Int64 | None = computed(
        lambda each: each.seen and each.seen.set_aside,
        "Records that no vehicle could take (fleettwin set-aside). Unit: none. Null: see problem.",
    )

    @resolved("Every version of every projection: of each the one that is shown first.")
    def projections(self, info: Info[Context, None]) -> list[ProjectionVersion]:
        """Return every version of a projection."""
        return versions_of(info.context)

    @resolved("The digest of the rows of a version, of the token's vehicles, as fleettwin status and verify tell it.")
    def digest(
        self,
        info: Info[Context, None],
        projection: ProjectionName,
        version: Annotated[int, strawberry.argument(description="Of the projection. Unit: none.")],
        after: Annotated[str | None, strawberry.argument(description="endCursor of the answer before.")] = None,
        *,
        prove: Annotated[
            bool, strawberry.argument(description="Also sum up what the log says, each event of it folded again.")
        ] = False,
    ) -> VersionDigest:
        """Return the digest of a version."""
        return digest(info.context, projection, version, after, prove=prove)

    @resolved("Where two versions of a projection tell something else of the token's vehicles, as fleettwin compare.")
    def comparison(
        self,
        info: Info[Context, None],
        projection: ProjectionName,
        left: Annotated[int, strawberry.argument(description="One version. Unit: none.")],
        right: Annotated[int, strawberry.argument(description="The other version. Unit: none.")],
        first: First,
        after: After = None,
    ) -> ComparisonConnection:
        """Return a page of differences."""
        return comparison(info, projection, (left, right), (first, after))

    @resolved("Events that could not be folded, in the order of projection, version and vehicle.")
    def parked(self, info: Info[Context, None], first: First, after: After = None) -> Connection[ParkedEvent]:
        """Return a page of events that could not be folded."""
        context, page = info.context, page_of("parked", first, after)
        place = ParkedPlace(*page.after) if page.after else None
        rows = context.read.parked(page.limit, place, context.read.positions().projections)
        context.know_vehicles([each.parked.vehicle_id for each in rows], info.variable_values)
        return connection(
            rows, page, lambda each: cursor_of("parked", *each.place), lambda each: ParkedEvent(found=each)
        )


def operations_of(context: Context) -> Operations | None:
    """Return what is seen; None: the token does not show it."""
    if not context.permits.may_read("Query.operations"):
        return None
    if context.operating is None:
        return Operations(seen=None, problem=NOT_SEEN)
    operations = context.operating.operations
    return Operations(seen=operations.seen(), problem=operations.problem())


def stages_of(seen: Observation) -> Iterator[Stage]:
    """Give every stage in the order of the path."""
    if seen.kafka or seen.kafka_problem:
        yield _stage(StageKind.INGEST, "ingest", seen.kafka and seen.kafka.telemetry)
        yield _stage(StageKind.RELAY, "relay", seen.relay and seen.relay.lag)
    for of, lag in seen.projections:
        yield _stage(StageKind.PROJECTION, f"{of.name} v{of.version}", lag)


def _stage(kind: StageKind, name: str, lag: Lag | None) -> Stage:
    if lag is None:
        return Stage(kind=kind, name=name, waiting=None, oldest_waits_s=None)
    return Stage(kind=kind, name=name, waiting=Int64(lag.waiting), oldest_waits_s=round(lag.seconds, 3))
