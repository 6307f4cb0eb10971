import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.graphql.ids import (
    List,
    NodeKey,
    cursor_of,
    event_id_of,
    read_cursor,
    read_id,
    trip_id_of,
    vehicle_id_of,
)
from domain.errors import BadInputError

INT64 = st.integers(-(2**63), 2**63 - 1)
LISTS: dict[List, int] = {"vehicles": 1, "trips": 2, "plays": 1, "charging": 2, "events": 1}  # parts of the key


@given(st.uuids(), st.uuids(), st.integers(1, 2**63 - 1))
def test_an_id_names_what_it_was_made_of(vehicle_id: UUID, trip_id: UUID, version: int) -> None:
    assert read_id(vehicle_id_of(vehicle_id)) == NodeKey("vehicle", vehicle_id)
    assert read_id(trip_id_of(vehicle_id, trip_id)) == NodeKey("trip", vehicle_id, trip_id)
    assert read_id(event_id_of(vehicle_id, version)) == NodeKey("event", vehicle_id, version)


@given(st.uuids(), INT64)
def test_a_cursor_holds_the_key_that_it_was_made_of(key_id: UUID, at: int) -> None:
    assert read_cursor("vehicles", cursor_of("vehicles", key_id)) == (key_id,)
    assert read_cursor("trips", cursor_of("trips", at, key_id)) == (at, key_id)
    assert read_cursor("charging", cursor_of("charging", at, key_id)) == (at, key_id)
    assert read_cursor("plays", cursor_of("plays", at)) == (at,)
    assert read_cursor("events", cursor_of("events", at)) == (at,)


@pytest.mark.parametrize("made_for", LISTS)
@pytest.mark.parametrize("used_for", LISTS)
def test_a_cursor_is_of_one_list_only(made_for: List, used_for: List) -> None:
    key = [7, UUID(int=7)][2 - LISTS[made_for] :] if made_for in ("vehicles", "trips", "charging") else [7]
    cursor = cursor_of(made_for, *([UUID(int=7)] if made_for == "vehicles" else key))
    if made_for == used_for:
        assert read_cursor(used_for, cursor)
    else:
        with pytest.raises(BadInputError, match=f"no cursor of {used_for}"):
            read_cursor(used_for, cursor)


@given(st.text() | st.text(alphabet=string.ascii_letters + string.digits + "-_=", max_size=80))
def test_any_other_text_is_refused_as_bad_input(text: str) -> None:
    """Either it is the one text of what it says, or it is refused; no other error."""
    try:
        key = read_id(text)
    except BadInputError as error:
        assert error.remedy  # noqa: PT017  # a text that happens to be an id is none
    else:
        assert text.rstrip("=") == text
        assert key.kind in ("vehicle", "trip", "event")
    for kind in LISTS:
        with pytest.raises(BadInputError, match="is no cursor"):
            read_cursor(kind, f"{text}!")


def test_an_error_repeats_only_the_beginning_of_a_long_text() -> None:
    with pytest.raises(BadInputError) as caught:
        read_id("x" * 10_000)
    assert len(str(caught.value)) < 200


def test_another_spelling_of_the_same_bytes_is_refused() -> None:
    """Base64 has several: padding, and bits of the last character that say nothing."""
    cursor = cursor_of("plays", 7)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    spellings = [f"{cursor}=", *(cursor[:-1] + last for last in alphabet)]
    accepted = []
    for spelling in spellings:
        try:
            accepted.append(read_cursor("plays", spelling))
        except BadInputError:
            continue
    assert len(set(accepted)) == len(accepted)
    assert (7,) in accepted
