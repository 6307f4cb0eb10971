"""Rows are what the log says, however they came to be; and where they are not, the first difference is named."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.read_models import MemoryReadModels
from domain import events as e
from domain.events import VehicleEvent
from projections.diagnostics.projector import DIAGNOSTICS
from projections.digest import digest
from projections.folding import Folder
from projections.history import compare, verify
from projections.media.model import PlayRow
from projections.media.projector import MEDIA
from projections.ports import Commit
from projections.projection import Projection, Recorded, row_key
from tests.property.test_projections import logs
from tests.support.batches import T0
from tests.support.read_side import PROJECTIONS, ListFeed, recorded, runner
from tests.support.twins import SECOND, Car

EXAMPLES = settings(max_examples=40)


def vehicles_of(events: Sequence[Recorded]) -> list[UUID]:
    return sorted({each.event.originator_id for each in events})


def fill(
    projection: Projection, feed: ListFeed, store: MemoryReadModels, cut: Callable[[int], int], *, whole: bool
) -> None:
    """Fill a version vehicle by vehicle, in pages, each by another folder that knows nothing.

    `whole`: the folder is told that what no fold takes may be missing, and it is.
    """
    for vehicle_id in vehicles_of(feed.events):
        events = [each for each in feed.events if each.event.originator_id == vehicle_id]
        while events:
            page, events = events[: (size := cut(len(events)))], events[size:]
            taken, reach = page, {}
            if whole:
                taken = [each for each in page if type(each.event) in projection.folds]
                versions = [each.event.originator_version for each in page]
                reach = {vehicle_id: (versions[0] - 1, versions[-1])}
            folder = Folder(projection, feed, store, lambda: T0)
            folder.take(taken, Commit(), reach)
            assert folder.counts.filled == 0  # nothing is asked for once more


@EXAMPLES
@given(st.data())
def test_what_is_filled_vehicle_by_vehicle_is_what_was_folded_live(data: st.DataObject) -> None:
    events = recorded(data.draw(logs(vehicles=3)))
    for live in PROJECTIONS:
        store, feed, beside = MemoryReadModels(), ListFeed(events), replace(live, version=2)
        moving = runner(live, feed, store)
        while moving.step(data.draw(st.integers(1, 30))):
            if data.draw(st.booleans()):
                moving = runner(live, feed, store)  # a restart
        fill(beside, feed, store, lambda most: data.draw(st.integers(1, most)), whole=data.draw(st.booleans()))
        ids = vehicles_of(events)
        assert store.versions(beside, ids) == store.versions(live, ids)
        assert store.parked(beside).keys() == store.parked(live).keys()
        assert digest(store, beside) == digest(store, live)
        assert list(compare(live, beside, store, feed, vehicles_of(events))) == []
        for each in (live, beside):
            (proved,) = verify(each, store, feed, iter([vehicles_of(events)]))
            assert (proved.kept, proved.first) == (proved.told, None)
            assert proved.kept == digest(store, live)


@EXAMPLES
@given(st.data())
def test_one_that_is_behind_is_compared_at_the_event_of_the_other(data: st.DataObject) -> None:
    events = recorded(data.draw(logs(vehicles=2)))
    behind = data.draw(st.integers(0, len(events)))
    for live in PROJECTIONS:
        store, feed, beside = MemoryReadModels(), ListFeed(events), replace(live, version=2)
        runner(live, feed, store).run_until(len(events))
        runner(beside, feed, store).run_until(behind)
        assert list(compare(live, beside, store, feed, vehicles_of(events))) == []


@EXAMPLES
@given(st.data())
def test_a_row_that_was_changed_is_the_first_difference(data: st.DataObject) -> None:
    events = recorded(data.draw(logs(vehicles=2)))
    store, feed = MemoryReadModels(), ListFeed(events)
    live = data.draw(st.sampled_from(PROJECTIONS))
    runner(live, feed, store).run_until(len(events))
    rows = [row for row_type in live.row_types for row in store.rows(live, row_type)]
    if not rows:
        return
    spoilt: Any = data.draw(st.sampled_from(rows))
    store.commit(live, Commit(upserts={type(spoilt): [spoilt._replace(position=spoilt.position + 1)]}))
    (proved,) = verify(live, store, feed, iter([vehicles_of(events)]))
    assert proved.kept != proved.told
    first = proved.first
    assert first
    assert (first.vehicle_id, first.key, first.field) == (spoilt.vehicle_id, row_key(spoilt)[1:], "position")
    assert (first.left, first.right) == (spoilt.position + 1, spoilt.position)
    assert (first.event_version, first.position) == (spoilt.event_version, spoilt.position)


def test_the_first_event_from_which_on_two_folds_differ_is_found_though_others_follow() -> None:
    """The newer fold takes the album for the title."""

    def started(recorded: Recorded, x: e.TrackStarted, rows: Any) -> None:
        told = replace(x, title=x.title.upper()) if x.title == "two" else x
        MEDIA.folds[e.TrackStarted](recorded._replace(event=told), told, rows)

    newer = replace(MEDIA, version=2, folds={**MEDIA.folds, e.TrackStarted: started})
    car = Car(1)
    for number, title in enumerate(["one", "two", "three", "two"]):
        car.play(T0 + number * SECOND, title)
    events: list[VehicleEvent] = car.events
    store, feed = MemoryReadModels(), ListFeed(recorded(events))
    for each in (MEDIA, newer):
        runner(each, feed, store).run_until(len(events))
    found = list(compare(MEDIA, newer, store, feed, [car.id]))
    plays = [each for each in found if each.table == "plays"]
    assert [(each.field, each.left, each.right, each.event_version) for each in plays] == [
        ("title", "two", "TWO", 3),
        ("title", "two", "TWO", 5),
    ]
    (newest,) = (each for each in found if each.table == "signals")
    assert (newest.left, newest.right, newest.event_version) == ("two", "TWO", 5)  # between them both said the same


def test_a_row_that_only_one_of_them_has_is_a_difference() -> None:
    car = Car(1)
    car.play(T0, "one")
    store, feed = MemoryReadModels(), ListFeed(recorded(car.events))
    for each in (MEDIA, replace(MEDIA, version=2)):
        runner(each, feed, store).run_until(2)
    (row,) = store.rows(MEDIA, PlayRow)
    store.commit(MEDIA, Commit(deletes={PlayRow: [row_key(row)]}))
    (found,) = compare(MEDIA, replace(MEDIA, version=2), store, feed, [car.id])
    assert (found.field, found.left, found.right, found.event_version) == (None, None, row, 2)


def test_no_row_differs_where_a_number_is_not_one() -> None:
    car = Car(1)
    car.sample(T0, {"Vehicle.Exterior.AirTemperature": float("nan")})
    store, feed = MemoryReadModels(), ListFeed(recorded(car.events))
    for each in (DIAGNOSTICS, replace(DIAGNOSTICS, version=2)):
        runner(each, feed, store).run_until(2)
    assert list(compare(DIAGNOSTICS, replace(DIAGNOSTICS, version=2), store, feed, [car.id])) == []
