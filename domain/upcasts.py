"""Events of former topics, told as today's: what a log holds is read for ever, and the code meets one class of each.

Architecture invariant: an upcast is pure, and never undone: the bytes in the log stay what they are.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from domain.events import VehicleEvent

Fields = dict[str, Any]  # of an event, as its schema names them; without vehicle and version


class Upcast(NamedTuple):
    """How an event of a topic that is no longer written is told under the topic that came after it."""

    topic: str
    fields: Callable[[Fields], Fields]


UPCASTS: Final[Mapping[str, Upcast]] = {}  # by former topic; of several in a row each leads to the next


def today(topic: str) -> str:
    """Return the topic under which events of this topic are told today: its own, unless it is a former one."""
    while upcast := UPCASTS.get(topic):
        topic = upcast.topic
    return topic


def upcasts_of(topic: str) -> list[Callable[[Fields], Fields]]:
    """Return what makes the fields of an event of this topic those of today's, in order; none where it is today's."""
    steps = []
    while upcast := UPCASTS.get(topic):
        steps.append(upcast.fields)
        topic = upcast.topic
    return steps


def topics_of(event_types: Iterable[type[VehicleEvent]]) -> frozenset[str]:
    """Return every topic under which a log may hold events of these types."""
    topics = {event_type.TOPIC for event_type in event_types}
    return frozenset(topics | {former for former in UPCASTS if today(former) in topics})
