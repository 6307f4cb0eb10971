"""The past on two clocks: what was known then, and what the vehicles had told by then."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.past import PastReader
from adapters.twins import PROJECTIONS
from domain import events as e
from domain.events import VehicleEvent
from domain.signals import SignalBatch
from domain.units import Micros
from projections.as_of import told, until
from projections.projection import Row, row_key, row_spec
from projections.snapshots import Moment
from tests.support.batches import VEHICLE_ID, cuts, interleaved, stories, streams_of
from tests.support.events import events_of
from tests.support.given import Car
from tests.support.read_side import everything, project, without_bookkeeping
from tests.support.twins import CODEC, past_of

EXAMPLES = settings(max_examples=60)


def rows_then(events: Sequence[VehicleEvent], as_of: Micros | None, position: int | None = None) -> Mapping[Any, Row]:
    """Return every row of the vehicle as of a moment, by table and key."""
    moment = Moment(len(events) if position is None else position, as_of)
    read = PastReader(past_of(events), CODEC.decode, moment)
    return {
        (projection.name, row_spec(row_type).table, *row_key(row)): row
        for projection in PROJECTIONS
        for row_type in projection.row_types
        for row in read._of(row_type, [VEHICLE_ID])
    }


def history(*batches: SignalBatch) -> list[VehicleEvent]:
    car = Car()
    car.observe(*batches)
    return car.events


@EXAMPLES
@given(st.data())
def test_what_was_known_is_what_the_read_models_showed(data: st.DataObject) -> None:
    events = history(*data.draw(interleaved([data.draw(streams_of(name, acts_max=5)) for name in "ab"])))
    position = data.draw(st.integers(0, len(events)))
    assert rows_then(events, None, position) == everything(project(events[:position]))


@EXAMPLES
@given(st.data())
def test_without_late_data_what_was_told_is_what_the_read_models_showed(data: st.DataObject) -> None:
    batches = data.draw(cuts("a", data.draw(stories()), final=False))
    events = history(*batches)
    seen = [each for each in batches if each.samples or each.trouble_codes]
    if not seen:
        return
    last = data.draw(st.sampled_from(seen))
    moment = max([each.captured_at for each in last.samples] + [each.captured_at for each in last.trouble_codes])
    by_then = [each for each in events if not isinstance(each, e.StreamEvent) or each.sequence <= last.sequence]
    # Of drives more is known in hindsight: that a car stood still then only for a moment, say.
    then, live = (
        {key: without_bookkeeping(row) for key, row in rows.items() if key[1] not in {"trips", "tracks"}}
        for rows in (rows_then(events, moment), everything(project(by_then)))
    )
    assert then == live


@EXAMPLES
@given(st.data())
def test_late_data_changes_what_was_told_and_never_what_was_known(data: st.DataObject) -> None:
    first, late = (data.draw(streams_of(name, acts_max=4)) for name in "ab")
    before = history(*first)
    events = history(*first, *late)
    assert events[: len(before)] == before
    moment = data.draw(st.sampled_from([each.captured_at for each in events] or [Micros(0)]))
    assert rows_then(events, None, len(before)) == rows_then(before, None)
    assert rows_then(events, moment, len(before)) == rows_then(before, moment)
    # The order of the streams does not matter to what was told, but for trips, which are told anew where they change.
    told_then = {key: row for key, row in rows_then(events, moment).items() if key[1] == "signals"}
    other_way = {key: row for key, row in rows_then(history(*late, *first), moment).items() if key[1] == "signals"}
    assert {key: row.value for key, row in told_then.items()} == {key: row.value for key, row in other_way.items()}  # type: ignore[attr-defined]


@EXAMPLES
@given(st.data())
def test_nothing_of_a_later_moment_is_told(data: st.DataObject) -> None:
    """A clock of the car that is wrong for a while is corrected before."""
    streams = [data.draw(streams_of(name, acts_max=4)) for name in "ab"]
    events = history(*data.draw(interleaved(streams)))
    moment = data.draw(st.sampled_from([each.captured_at for each in events] or [Micros(0)]))
    for row in rows_then(events, moment).values():
        for name in ("captured_at", "started_at", "ended_at", "first_seen_at", "last_seen_at", "cleared_at", "set_at"):
            at = getattr(row, name, None)
            assert at is None or at <= moment, (name, row)


@pytest.mark.parametrize("event_type", e.EVENT_TYPES)
@given(data=st.data())
def test_an_event_is_whole_from_its_last_moment_on_and_nothing_before_its_first(
    event_type: type[VehicleEvent], data: st.DataObject
) -> None:
    event = data.draw(events_of(event_type))
    first, last = told(event)
    assert until(event, last) == event
    assert until(event, Micros(first - 1)) is None
    moment = data.draw(st.integers(first, last))
    cut = until(event, Micros(moment))
    if cut:
        assert told(cut).first >= first
        again = until(cut, Micros(moment))
        assert again == cut
