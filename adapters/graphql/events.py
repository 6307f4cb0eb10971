"""The raw events of a vehicle, as the log keeps them."""

from difflib import get_close_matches
from itertools import compress
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import strawberry
from strawberry import ID, Info

from adapters.event_log import StoredRecord, own_fields
from adapters.graphql.batch import Batch, TelemetryBatch
from adapters.graphql.cohort import Context
from adapters.graphql.fields import computed, resolved
from adapters.graphql.ids import event_id_of, vehicle_id_of
from adapters.graphql.node import OWN_ID, Node
from adapters.graphql.permits import Permits
from adapters.graphql.scalars import Int64, Json
from adapters.graphql.scopes import lacking, of_event
from domain.errors import BadInputError, did_you_mean
from domain.events import EVENT_TYPES, LateSamplesRecorded, SignalsSampled, StreamEvent, VehicleEvent
from domain.units import Micros
from domain.upcasts import today, topics_of

if TYPE_CHECKING:
    from adapters.graphql.vehicle import Vehicle

TOPICS: Final = tuple(event_type.TOPIC for event_type in EVENT_TYPES)


def chosen_topics(types: list[str] | None) -> tuple[str, ...] | None:
    """Return the topics of the types that a caller names, None for all. Raises `BadInputError` for one that is none.

    Whoever names a former topic means the type of event that it is today.
    """
    for topic in types or ():
        if today(topic) not in TOPICS:
            remedy = did_you_mean(_near(topic), "leave it out: every event tells its type")
            raise BadInputError(f"{topic[:60]!r} is no type of event", where="types", remedy=remedy)
    named = {today(topic) for topic in types or ()}
    return None if types is None else tuple(sorted(topics_of(each for each in EVENT_TYPES if each.TOPIC in named)))


def _near(topic: str) -> list[str]:
    letters = _letters(topic)
    within = [
        each for each in TOPICS if letters and letters in _letters(each)
    ]  # TripStarted is vehicle.trip_started.v1
    return get_close_matches(topic, TOPICS) or within


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.lower()))


class _Shown(NamedTuple):
    data: dict[str, Any]
    withheld: str | None


def _shown(each: "Event") -> _Shown:
    """Return what of an event may be shown: its data need the scopes of what they tell, as of the past."""
    vehicle_id, permits, fields = each.record.originator_id, each.permits, own_fields(each.event)
    needed = of_event(each.event)
    missing = permits.missing(needed)
    if missing:
        return _Shown({}, lacking(missing))
    permits.note(vehicle_id, "Event.data", needed)
    if not isinstance(each.event, SignalsSampled | LateSamplesRecorded):
        return _Shown(fields, None)
    reasons = [permits.refusal(vehicle_id, path, past=True) for path in each.event.path]
    if not any(reasons):
        return _Shown(fields, None)
    shown = [reason is None for reason in reasons]
    columns = {name: list(compress(held, shown)) if isinstance(held, list) else held for name, held in fields.items()}
    return _Shown(columns, "; ".join(sorted({reason for reason in reasons if reason})))


@strawberry.type(
    description="One event of a vehicle. Its data need the scopes of what they tell too: navigation:read and"
    " navigation:history, media:read, diagnostics:read."
)
class Event(Node):
    """One event of a vehicle."""

    record: strawberry.Private[StoredRecord]
    event: strawberry.Private[VehicleEvent]
    permits: strawberry.Private[Permits]

    id: ID = computed(lambda each: event_id_of(each.record.originator_id, each.record.version), OWN_ID)
    type: str = computed(lambda each: each.event.TOPIC, 'Its permanent name, e.g. "vehicle.trip_started.v1".')
    vehicle_id: ID = computed(lambda each: vehicle_id_of(each.record.originator_id), "The id of its vehicle.")
    version: Int64 = computed(lambda each: each.record.version, "1, 2, 3 … in the vehicle's history.")
    position: Int64 = computed(lambda each: each.record.position, "1, 2, 3 … in the whole log.")
    captured_at: Micros = computed(
        lambda each: each.event.captured_at, "By the car's clock, corrected where it was wrong."
    )
    received_at: Micros = computed(lambda each: each.event.received_at, "When it reached us.")
    recorded_at: Micros = computed(lambda each: each.record.recorded_at, "When it was recorded in the log.")
    data: Json = computed(
        lambda each: _shown(each).data,
        "The other fields, as its Avro schema names them (/subjects); times in microseconds since 1970, UTC. Where the"
        " token lacks a scope for them, or for some of the signals, these are left out: see withheld.",
    )
    withheld: str | None = computed(
        lambda each: _shown(each).withheld, "Why data has not everything that the event holds; null: it has."
    )

    @resolved("The batch of telemetry that it was decided with. Null: none was, as when its vehicle was registered.")
    def batch(self, info: Info[Context, None]) -> TelemetryBatch | None:
        """Return the batch of the event."""
        event, context = self.event, info.context
        if not isinstance(event, StreamEvent):
            return None
        stream = (event.originator_id, event.stream_id)
        return TelemetryBatch(
            batch=Batch(event.stream_id, event.sequence, lambda: context.origin_of(stream, event.sequence))
        )

    @resolved("Its vehicle, as it is now.")
    def vehicle(
        self, info: Info[Context, None]
    ) -> Annotated["Vehicle", strawberry.lazy("adapters.graphql.vehicle")] | None:
        """Return the vehicle of the event."""
        from adapters.graphql.vehicle import Vehicle  # noqa: PLC0415  # which imports this module

        twin = info.context.twin_of(self.record.originator_id, info.variable_values)
        return None if twin is None else Vehicle(twin=twin)
