"""The raw events of a vehicle, as the log keeps them."""

from difflib import get_close_matches
from typing import Final

import strawberry
from strawberry import ID

from adapters.event_log import StoredRecord, own_fields
from adapters.graphql.fields import computed
from adapters.graphql.ids import event_id_of
from adapters.graphql.node import Node
from adapters.graphql.scalars import Int64, Json
from domain.errors import BadInputError
from domain.events import EVENT_TYPES, VehicleEvent
from domain.units import Micros
from domain.upcasts import today, topics_of

TOPICS: Final = tuple(event_type.TOPIC for event_type in EVENT_TYPES)
NEAREST_TYPES: Final = 3  # that an error names


def chosen_topics(types: list[str] | None) -> tuple[str, ...] | None:
    """Return the topics of the types that a caller names, None for all. Raises `BadInputError` for one that is none.

    Whoever names a former topic means the type of event that it is today.
    """
    for topic in types or ():
        if today(topic) not in TOPICS:
            near = _near(topic)
            remedy = (
                f"did you mean {' or '.join(map(repr, near))}?" if near else "leave it out: every event tells its type"
            )
            raise BadInputError(f"{topic[:60]!r} is no type of event", where="types", remedy=remedy)
    named = {today(topic) for topic in types or ()}
    return None if types is None else tuple(sorted(topics_of(each for each in EVENT_TYPES if each.TOPIC in named)))


def _near(topic: str) -> list[str]:
    letters = _letters(topic)
    within = [
        each for each in TOPICS if letters and letters in _letters(each)
    ]  # TripStarted is vehicle.trip_started.v1
    return (get_close_matches(topic, TOPICS) or within)[:NEAREST_TYPES]


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.lower()))


@strawberry.type(description="One event of a vehicle.")
class Event(Node):
    """One event of a vehicle."""

    record: strawberry.Private[StoredRecord]
    event: strawberry.Private[VehicleEvent]

    id: ID = computed(lambda each: event_id_of(each.record.originator_id, each.record.version))
    type: str = computed(lambda each: each.event.TOPIC, 'Its permanent name, e.g. "vehicle.trip_started.v1".')
    version: Int64 = computed(lambda each: each.record.version, "1, 2, 3 … in the vehicle's history.")
    position: Int64 = computed(lambda each: each.record.position, "1, 2, 3 … in the whole log.")
    captured_at: Micros = computed(
        lambda each: each.event.captured_at, "By the car's clock, corrected where it was wrong."
    )
    received_at: Micros = computed(lambda each: each.event.received_at, "When it reached us.")
    recorded_at: Micros = computed(lambda each: each.record.recorded_at, "When it was recorded in the log.")
    data: Json = computed(
        lambda each: own_fields(each.event),
        "The other fields, as its Avro schema names them (/subjects); times in microseconds since 1970, UTC.",
    )
