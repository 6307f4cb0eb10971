from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.avro.wire import PREFIX
from domain.errors import UnknownEventError
from domain.events import EVENT_TYPES, VehicleEvent
from tests.support.events import codec, events, events_of


def decoded(event: VehicleEvent, data: bytes) -> VehicleEvent:
    return codec().decode(event.TOPIC, data, event.originator_id, event.originator_version)


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.__name__)
@settings(max_examples=50)
@given(data=st.data())
def test_an_event_comes_back_as_it_was_types_included(event_type: type[VehicleEvent], data: st.DataObject) -> None:
    event = data.draw(events_of(event_type))
    back = decoded(event, codec().encode(event))
    assert type(back) is event_type
    assert back == event
    assert repr(back) == repr(event)  # 1, 1.0 and True are equal, their texts are not; nor are those of 0.0 and -0.0
    assert vars(back).keys() == vars(event).keys()
    assert codec().encode(back) == codec().encode(event)


@given(event=events())
def test_an_event_cut_short_or_followed_by_more_is_refused(event: VehicleEvent) -> None:
    data = codec().encode(event)
    for length in range(len(data)):
        with pytest.raises(UnknownEventError):
            decoded(event, data[:length])
    with pytest.raises(UnknownEventError, match="1 bytes are left over"):
        decoded(event, data + b"\0")


@given(event=events(), at=st.integers(PREFIX.size, 1_000), byte=st.integers(0, 255))
def test_damaged_bytes_are_refused_or_make_another_event_and_do_nothing_else(
    event: VehicleEvent, at: int, byte: int
) -> None:
    data = bytearray(codec().encode(event))
    data[min(at, len(data) - 1)] = byte
    try:
        back = decoded(event, bytes(data))
    except UnknownEventError as error:
        assert str(event.originator_id) in str(error)  # noqa: PT017  # most damage is seen, some makes another value
    else:
        assert type(back) is type(event)


@given(event=events(), body=st.binary(max_size=200))
def test_any_body_is_refused_or_makes_an_event(event: VehicleEvent, body: bytes) -> None:
    data = codec().encode(event)[: PREFIX.size] + body
    with suppress(UnknownEventError):
        assert type(decoded(event, data)) is type(event)
