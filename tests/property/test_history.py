"""Rows are what the log says, however they came to be; and where they are not, the first difference is named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.read_models import MemoryReadModels
from domain import events as e
from domain.events import VehicleEvent
from domain.units import Metres
from projections.diagnostics.projector import DIAGNOSTICS
from projections.digest import digest
from projections.folding import Folder
from projections.history import Difference, compare, rows_after, verify
from projections.media.model import PlayRow
from projections.media.projector import MEDIA
from projections.navigation.projector import NAVIGATION
from projections.ports import Commit, Moved
from projections.projection import Key, Projection, Recorded, Row, row_key, row_spec
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
        assert list(compare((live, beside), store, feed, vehicles_of(events))) == []
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
        assert list(compare((live, beside), store, feed, vehicles_of(events))) == []


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
    assert (first.last.version, first.last.position) == (spoilt.event_version, spoilt.position)
    assert (first.first, [each.id for each in first.unknown]) == (None, [live.id])


def louder(title: str) -> Projection:
    """Return a newer fold of media, which tells one title in capitals."""

    def started(recorded: Recorded, x: e.TrackStarted, rows: Any) -> None:
        told = replace(x, title=x.title.upper()) if x.title == title else x
        MEDIA.folds[e.TrackStarted](recorded._replace(event=told), told, rows)

    return replace(MEDIA, version=2, folds={**MEDIA.folds, e.TrackStarted: started})


def played(*titles: str) -> Car:
    car = Car(1)
    for number, title in enumerate(titles):
        car.play(T0 + number * SECOND, title)
    return car


def folded_by(events: Sequence[VehicleEvent], *projections: Projection) -> tuple[MemoryReadModels, ListFeed]:
    store, feed = MemoryReadModels(), ListFeed(recorded(events))
    for each in projections:
        runner(each, feed, store).run_until(len(events))
    return store, feed


def compared(
    left: Projection, right: Projection, store: MemoryReadModels, feed: ListFeed, after: tuple[int, int] = (0, 0)
) -> tuple[list[Difference], int]:
    found = list(compare((left, right), store, feed, vehicles_of(feed.events), after))
    return [each for of_vehicle in found for each in of_vehicle.differences], sum(each.outside for each in found)


def test_the_first_event_from_which_on_two_folds_differ_is_found_though_others_follow() -> None:
    newer, car = louder("two"), played("one", "two", "three", "two")
    found, outside = compared(MEDIA, newer, *folded_by(car.events, MEDIA, newer))
    plays = [each for each in found if each.table == "plays"]
    assert [(each.field, each.left, each.right, each.first and each.first.version) for each in plays] == [
        ("title", "two", "TWO", 3),
        ("title", "two", "TWO", 5),
    ]
    (newest,) = (each for each in found if each.table == "signals")
    # Between them both said the same.
    assert (newest.left, newest.right, newest.first and newest.first.version) == ("two", "TWO", 5)
    assert outside == 0


def text_of(rows: Mapping[type[Row], Mapping[Key, Row]], found: Difference) -> str:
    """Return what rows say where a difference was found."""
    for row_type, of_type in rows.items():
        if row_spec(row_type).table == found.table:
            row: Any = of_type.get((found.vehicle_id, *found.key))
            return repr(row and (getattr(row, found.field) if found.field else True))
    return repr(None)


@settings(max_examples=25)
@given(st.data())
def test_the_first_event_is_the_one_after_which_all_the_steps_of_both_folds_differ(data: st.DataObject) -> None:
    events = recorded(data.draw(logs(vehicles=1)))
    live = data.draw(st.sampled_from(PROJECTIONS))
    dropped = data.draw(st.sets(st.sampled_from(sorted(live.folds, key=lambda each: each.__name__)), min_size=1))
    newer = replace(live, version=2, folds={name: fold for name, fold in live.folds.items() if name not in dropped})
    store, feed = MemoryReadModels(), ListFeed(events)
    for each in (live, newer):
        runner(each, feed, store).run_until(len(events))
    found, _ = compared(live, newer, store, feed)
    # Backwards from the end, where they differ, to where they last do not.
    steps = [(rows_after(live, events[:count]), rows_after(newer, events[:count])) for count in range(len(events) + 1)]
    for difference in found:
        differ = [text_of(left, difference) != text_of(right, difference) for left, right in steps]
        first = len(differ) - differ[::-1].index(False)
        assert difference.first
        assert (difference.first.version, difference.first.position) == (first, events[first - 1].position)


def test_each_field_has_its_own_first_event() -> None:
    """The newer fold counts half of every drive, and from some event on does not say when it ends."""

    def extended(recorded: Recorded, x: e.TrackExtended, rows: Any) -> None:
        ended_at = x.trip_started_at if x.originator_version >= 5 else x.trip_ended_at
        told = replace(x, trip_distance_m=Metres(x.trip_distance_m / 2), trip_ended_at=ended_at)
        NAVIGATION.folds[e.TrackExtended](recorded._replace(event=told), told, rows)

    newer = replace(NAVIGATION, version=2, folds={**NAVIGATION.folds, e.TrackExtended: extended})
    car = Car(1)
    car.trip(1, T0, ended=False)
    piece = car.events[-1]
    car.events += [replace(piece, originator_version=piece.originator_version + more) for more in range(1, 4)]
    found, _ = compared(NAVIGATION, newer, *folded_by(car.events, NAVIGATION, newer))
    firsts = {each.field: each.first and each.first.version for each in found if each.table == "trips"}
    assert firsts == {"distance_m": 3, "ended_at": 5}


def test_a_newer_fold_that_tells_of_more_events_parts_at_the_first_of_these_though_the_older_fold_is_gone() -> None:
    """The older fold did not hear what was played after the first piece."""
    older = replace(MEDIA, folds={})
    car = played("one", "two")
    store, feed = MemoryReadModels(), ListFeed(recorded(car.events))
    runner(MEDIA, feed, store).run_until(2)
    runner(older, feed, store).run_until(3)
    newer = replace(MEDIA, version=2)
    runner(newer, feed, store).run_until(3)
    found, _ = compared(MEDIA, newer, store, feed)
    signals = [each for each in found if each.table == "signals" and each.field is not None]
    assert signals
    assert {each.first and each.first.version for each in signals} == {3}
    # Whether it had this play until then it does not say.
    (play,) = (each for each in found if each.table == "plays")
    assert (play.left, play.first, [each.id for each in play.unknown]) == (None, None, ["media v1"])
    assert play.last.version == 3


def test_the_first_event_is_not_known_where_rows_are_of_a_fold_that_is_gone() -> None:
    newer, car = louder("one"), played("one", "two", "one")
    store, feed = folded_by(car.events, MEDIA, newer)
    gone = replace(newer, folds=MEDIA.folds)  # what this program folds in its place
    found, _ = compared(MEDIA, gone, store, feed)
    assert {each.left for each in found} == {"one"}
    assert {each.first for each in found} == {None}
    assert [each.last.version for each in found] == [2, 4, 4]
    assert {tuple(of.id for of in each.unknown) for each in found} == {("media v2",)}


@EXAMPLES
@given(st.data())
def test_what_lies_before_the_first_event_of_a_version_is_no_difference(data: st.DataObject) -> None:
    events = recorded(data.draw(logs(vehicles=2)))
    live = data.draw(st.sampled_from(PROJECTIONS))
    store, feed, beside = MemoryReadModels(), ListFeed(events), replace(live, version=2)
    runner(live, feed, store).run_until(len(events))
    after = data.draw(st.integers(0, len(events)))
    begun_after(beside, store, events, after)
    fill(beside, ListFeed(events[after:]), store, lambda most: most, whole=False)
    assert compared(live, beside, store, feed, (0, after))[0] == []
    assert compared(beside, live, store, feed, (after, 0))[0] == []


def begun_after(projection: Projection, store: MemoryReadModels, events: Sequence[Recorded], position: int) -> None:
    """Let a version begin after a position: all before it counts as folded."""
    versions = {each.event.originator_id: each.event.originator_version for each in events[:position]}
    store.commit(projection, Commit(versions={key: Moved(0, version) for key, version in versions.items()}))


def test_of_a_version_that_begins_later_only_what_it_folds_is_compared() -> None:
    newer, car = louder("two"), played("one", "two", "three", "two")
    store, feed = folded_by(car.events, MEDIA)
    begun_after(newer, store, feed.events, 3)
    fill(newer, ListFeed(feed.events[3:]), store, lambda most: most, whole=False)
    found, outside = compared(MEDIA, newer, store, feed, (0, 3))
    assert [(each.table, each.field, each.right, each.first and each.first.version) for each in found] == [
        ("plays", "title", "TWO", 5),
        ("signals", "text", "TWO", 5),
    ]
    assert outside == 2  # the plays of before
    # Rows whose fold is gone: those that are told of later are compared with what the other version says in all.
    same = replace(MEDIA, version=2)
    store, feed = folded_by(car.events, replace(louder("two"), version=1))
    begun_after(same, store, feed.events, 3)
    fill(same, ListFeed(feed.events[3:]), store, lambda most: most, whole=False)
    found, outside = compared(MEDIA, same, store, feed, (0, 3))
    assert [(each.table, each.field, each.left, each.first) for each in found] == [
        ("plays", "title", "TWO", None),
        ("signals", "text", "TWO", None),
    ]
    assert outside == 2


def test_a_row_that_only_one_of_them_has_is_a_difference() -> None:
    car = played("one")
    newer = replace(MEDIA, version=2)
    store, feed = folded_by(car.events, MEDIA, newer)
    (row,) = store.rows(MEDIA, PlayRow)
    store.commit(MEDIA, Commit(deletes={PlayRow: [row_key(row)]}))
    ((found,), _) = compared(MEDIA, newer, store, feed)
    assert (found.field, found.left, found.right, found.last.version) == (None, None, row, 2)
    assert (found.first, [each.id for each in found.unknown]) == (None, ["media v1"])


def test_no_row_differs_where_a_number_is_not_one() -> None:
    car = Car(1)
    car.sample(T0, {"Vehicle.Exterior.AirTemperature": float("nan")})
    store, feed = MemoryReadModels(), ListFeed(recorded(car.events))
    for each in (DIAGNOSTICS, replace(DIAGNOSTICS, version=2)):
        runner(each, feed, store).run_until(2)
    assert list(compare((DIAGNOSTICS, replace(DIAGNOSTICS, version=2)), store, feed, [car.id])) == []
