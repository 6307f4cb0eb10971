"""Events as bytes, by the schemas of their topics."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from adapters.avro.registry import SchemaRegistry
from adapters.avro.wire import RecordReaders, RecordWriter, UnreadableError
from adapters.event_log import StoredRecord
from domain.errors import BadInputError, UnknownEventError
from domain.events import EVENT_TYPES, VehicleEvent
from domain.upcasts import Fields, today, topics_of, upcasts_of
from projections.ports import RowBlock
from projections.projection import Renewed


class AvroCodec:
    """Encodes events with the newest schema of their topic; decodes those of every version, and of former topics.

    What it gives is of today's classes, whatever the log holds.
    """

    def __init__(self, registry: SchemaRegistry, event_types: Iterable[type[VehicleEvent]] = EVENT_TYPES) -> None:
        self._writers: dict[type[VehicleEvent], RecordWriter] = {}
        self._types: dict[str, type[VehicleEvent]] = {}  # by topic
        self._upcasts: dict[str, list[Callable[[Fields], Fields]]] = {}  # by former topic
        by_topic = {event_type.TOPIC: event_type for event_type in event_types}
        for topic in sorted(topics_of(by_topic.values())):
            versions = registry.by_topic.get(topic)
            if versions is None:
                raise BadInputError("no schema has this topic", where=topic, remedy="add it to schemas/avro")
            self._types[topic] = event_type = by_topic[today(topic)]
            if topic == event_type.TOPIC:
                self._writers[event_type] = RecordWriter(versions[-1])
            else:
                self._upcasts[topic] = upcasts_of(topic)
        self._readers = RecordReaders(registry, self._types)

    def encode(self, event: VehicleEvent) -> bytes:
        """Return the bytes of an event; its vehicle and version are not among them.

        Raises `ValueError` for a value that does not fit the schema (see `adapters.avro.fit`): a mistake of the code
        that made the event.
        """
        event_type = type(event)
        return self._writers[event_type].write(event.__dict__, event_type.__name__)

    def decode(self, topic: str, data: bytes, originator_id: UUID, originator_version: int) -> VehicleEvent:
        """Return the event that `data` holds. Raises `UnknownEventError` for bytes that are none of this topic."""
        try:
            fields = self._readers.find(topic, data).read(data)
            if topic in self._upcasts:
                fields = self._upcast(topic, fields)
        except UnreadableError as error:
            msg = f"vehicle {originator_id}, version {originator_version}, {topic}: {error}"
            raise UnknownEventError(msg, begins_as=self._types[topic] if self.is_of(topic, data) else None) from error
        fields["originator_id"] = originator_id
        fields["originator_version"] = originator_version
        event = _new(self._types[topic])
        _set(event, "__dict__", fields)  # what the schema gave fits; the constructor of a frozen class is far slower
        return event

    def _upcast(self, topic: str, fields: Fields) -> Fields:
        """Return what fields of a former topic are today. Raises `UnreadableError` where an upcast fails."""
        try:
            for upcast in self._upcasts[topic]:
                fields = upcast(fields)
        except Exception as error:
            # One event that nobody thought of stops its vehicle, not the feed; the error's text may have a VIN in it.
            raise UnreadableError(f"its upcast to {today(topic)} fails ({type(error).__name__})") from error
        return fields

    def starts_of_others(self, topics: Collection[str]) -> list[tuple[str, bytes]]:
        """Return every other topic with what the bytes of its events begin with, for each of its schemas."""
        return [(topic, start) for topic, start in self._readers.starts() if topic not in topics]

    def telling(
        self, records: Sequence[StoredRecord], renewed: Mapping[type[VehicleEvent], Renewed]
    ) -> tuple[Sequence[StoredRecord], Sequence[RowBlock]]:
        """Return records of vehicles without those whose events leave but rows, and the rows: see `old_news`."""
        from adapters.avro.old_news import pass_over  # noqa: PLC0415  # only a rebuild needs numpy

        return pass_over(records, {each.TOPIC: rule for each, rule in renewed.items()}, self._readers)

    def is_of(self, topic: str, data: bytes) -> bool:
        """Whether `data` begins as the events of a topic do; what follows is not read."""
        try:
            self._readers.find(topic, data)
        except UnreadableError:
            return False
        return True


_new: Final = object.__new__
_set: Final = object.__setattr__
