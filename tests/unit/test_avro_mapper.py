from eventsourcing.persistence import EventStore
from eventsourcing.popo import POPOAggregateRecorder

from adapters.avro.mapper import AvroMapper
from tests.support.events import VEHICLE_ID, codec, example_events


def test_an_event_store_of_the_library_keeps_our_bytes_and_gives_our_events() -> None:
    recorder = POPOAggregateRecorder()
    store = EventStore(AvroMapper(codec()), recorder)
    events = example_events()
    store.put(events)
    assert list(store.get(VEHICLE_ID)) == events
    stored = recorder.select_events(VEHICLE_ID)
    assert [(record.topic, record.state) for record in stored] == [
        (event.TOPIC, codec().encode(event)) for event in events
    ]
    assert [record.originator_version for record in stored] == list(range(1, len(events) + 1))
