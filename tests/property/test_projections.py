"""Read models are what the log says, however its events come."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.read_models import MemoryReadModels
from domain import events as e
from domain.events import VehicleEvent
from domain.signals import SignalBatch
from domain.state import CodeKey
from domain.trips import trip_id
from domain.units import Micros
from projections.diagnostics.model import NO_FAILURE_TYPE, DiagnosticsSignalRow, TroubleCodeRow, WarningRow
from projections.digest import digest
from projections.media.model import MediaSignalRow, PlayRow
from projections.navigation.model import DestinationRow, NavigationSignalRow, TrackRow, TripRow, merge_track
from projections.projection import Projection, Recorded
from tests.support.batches import VEHICLE_ID, cuts, interleaved, stories, streams_of
from tests.support.given import Car
from tests.support.read_side import (
    PROJECTIONS,
    ListFeed,
    everything,
    project,
    recorded,
    rows_of,
    runner,
    without_bookkeeping,
)

EXAMPLES = settings(max_examples=60)
OTHERS = (UUID(int=8), UUID(int=9))


@st.composite
def logs(draw: st.DrawFn, vehicles: int = 1) -> list[VehicleEvent]:
    """Draw the events of some vehicles, each with a few streams, as a log interleaves them."""
    histories: list[list[VehicleEvent]] = []
    for vehicle_id in (VEHICLE_ID, *OTHERS)[:vehicles]:
        car = Car()
        streams = [draw(streams_of(name, acts_max=5)) for name in "ab"]
        car.observe(*draw(interleaved(streams)))
        histories.append([replace(event, originator_id=vehicle_id) for event in car.events])
    if vehicles == 1:
        return histories[0]
    owners = draw(st.permutations([n for n, history in enumerate(histories) for _ in history]))
    queues = [iter(history) for history in histories]
    return [next(queues[owner]) for owner in owners]


# --- however events come ----------------------------------------------------------------------------------------------


@EXAMPLES
@given(st.data())
def test_events_that_come_again_change_nothing(data: st.DataObject) -> None:
    events = recorded(data.draw(logs()))

    def stuttering(page: Sequence[Recorded]) -> Sequence[Recorded]:
        """Deliver everything from the start once more, and each event of the page twice."""
        return [*events[: page[-1].position], *chain.from_iterable((each, each) for each in page)] if page else page

    plain, again = MemoryReadModels(), MemoryReadModels()
    for projection in PROJECTIONS:
        runner(projection, ListFeed(events), plain).run_until(len(events))
        stutter = runner(projection, ListFeed(events, stuttering), again)
        while stutter.step(data.draw(st.integers(1, 20))):
            pass
        assert digest(again, projection) == digest(plain, projection)
        assert again.position(projection) == len(events)


@EXAMPLES
@given(st.data())
def test_a_rebuild_is_equal_whatever_its_batches_and_restarts(data: st.DataObject) -> None:
    events = recorded(data.draw(logs(2)))
    plain, rebuilt = project([each.event for each in events]), MemoryReadModels()
    for projection in PROJECTIONS:
        running = runner(projection, ListFeed(events), rebuilt)
        while running.step(data.draw(st.integers(1, 30))):
            if data.draw(st.booleans()):
                running = runner(projection, ListFeed(events), rebuilt)

    assert everything(rebuilt) == everything(plain)


@EXAMPLES
@given(st.data())
def test_events_that_the_feed_leaves_out_are_fetched(data: st.DataObject) -> None:
    events = recorded(data.draw(logs(2)))
    last = {each.event.originator_id: each.position for each in events}
    may_be_lost = [each.position for each in events if each.position not in last.values()]
    lost = {position for position in may_be_lost if data.draw(st.booleans())}
    plain, holed = project([each.event for each in events]), MemoryReadModels()
    for projection in PROJECTIONS:
        feed = ListFeed(events, lambda page: [each for each in page if each.position not in lost])
        runner(projection, feed, holed).step(len(events))

    assert everything(holed) == everything(plain)


# --- poison -----------------------------------------------------------------------------------------------------------


class PoisonError(Exception):
    """What a fold raises that a test has spoilt."""


def poisoned(projection: Projection, poison: set[tuple[UUID, int]]) -> Projection:
    """Return a projection that writes half of what it should for some events, and then fails."""

    def spoilt(fold: Any) -> Any:
        def spoil(each: Recorded, event: VehicleEvent, rows: Any) -> None:
            if fold:
                fold(each, event, rows)
            if (event.originator_id, event.originator_version) in poison:
                raise PoisonError("spoilt")

        return spoil

    folds = {event_type: spoilt(projection.folds.get(event_type)) for event_type in e.EVENT_TYPES}
    return replace(projection, folds=folds)


def of_vehicle(rows: Any, vehicle_id: UUID) -> dict[Any, Any]:
    return {key: row for key, row in rows.items() if row.vehicle_id == vehicle_id}


@EXAMPLES
@given(st.data())
def test_a_poison_event_parks_its_vehicle_and_leaves_the_others_alone(data: st.DataObject) -> None:
    events = recorded(data.draw(logs(3)))
    ids = (VEHICLE_ID, *OTHERS)
    versions = {
        id_: max(each.event.originator_version for each in events if each.event.originator_id == id_) for id_ in ids
    }
    poison = {
        id_: data.draw(st.integers(1, versions[id_])) for id_ in data.draw(st.sets(st.sampled_from(ids), min_size=1))
    }
    plain, store = project([each.event for each in events]), MemoryReadModels()
    for projection in PROJECTIONS:
        bad = poisoned(projection, set(poison.items()))
        running = runner(bad, ListFeed(events), store)
        while running.step(data.draw(st.integers(1, 30))):
            if data.draw(st.booleans()):
                running = runner(bad, ListFeed(events), store)
        parked = store.parked(projection)

        assert {id_: (row.version, row.error, row.attempts) for id_, row in parked.items()} == {
            id_: (version, "PoisonError: spoilt", 1) for id_, version in poison.items()
        }
        assert store.position(projection) == len(events)
        for id_ in ids:
            until = poison.get(id_, versions[id_] + 1)
            good = [
                each.event
                for each in events
                if each.event.originator_id == id_ and each.event.originator_version < until
            ]
            shown = {
                key: without_bookkeeping(row) for key, row in of_vehicle(everything(store, [projection]), id_).items()
            }
            told = {key: without_bookkeeping(row) for key, row in everything(project(good), [projection]).items()}
            assert shown == told

        still = running.retry(next(iter(poison)))
        assert still is not None
        assert still.attempts == 2
        mended = runner(projection, ListFeed(events), store)
        for id_ in poison:
            assert mended.retry(id_) is None
            assert mended.retry(id_) is None  # a second time there is nothing to do
        assert store.parked(projection) == {}
        assert everything(store, [projection]) == everything(plain, [projection])


@EXAMPLES
@given(st.data())
def test_a_vehicle_that_another_process_takes_up_again_is_gone_on_with(data: st.DataObject) -> None:
    events = recorded(data.draw(logs(2)))
    first = data.draw(st.integers(1, len(events)))
    (projection,) = data.draw(st.sampled_from([[each] for each in PROJECTIONS]))
    store, plain = MemoryReadModels(), project([each.event for each in events])
    feed = ListFeed(events[:first])
    bad = poisoned(projection, {(VEHICLE_ID, 1)})
    running = runner(bad, feed, store)
    running.run_until(first)
    running._folder.projection = projection  # a new release runs, but with what it remembers
    runner(projection, ListFeed(events[:first]), store).retry(VEHICLE_ID)
    feed.events = events
    running.run_until(len(events))

    assert store.parked(projection) == {}
    assert everything(store, [projection]) == everything(plain, [projection])


# --- what rows say ----------------------------------------------------------------------------------------------------


def car_of(batches: Iterable[SignalBatch]) -> Car:
    car = Car()
    car.observe(*batches)
    return car


@EXAMPLES
@given(st.data())
def test_rows_say_what_the_vehicle_is(data: st.DataObject) -> None:
    """Two folds of the same events, written apart: each is the oracle of the other."""
    car = car_of(data.draw(interleaved([data.draw(streams_of(name)) for name in "ab"])))
    store, state = project(car.events), car.vehicle.state

    signals = {
        row.path: (row.captured_at, row.stream_id, row.sequence, row.value, row.quality)
        for table in (NavigationSignalRow, MediaSignalRow, DiagnosticsSignalRow)
        for row in rows_of(store, table)
    }
    assert signals == {path: tuple(known) for path, known in state.signals.items()}
    assert {
        (row.trip_id, row.started_at, row.ended_at, row.distance_m, row.energy_kwh, row.ended)
        for row in rows_of(store, TripRow)
    } == {
        (name, trip.started_at, trip.ended_at, trip.distance_m, trip.energy_kwh, name not in state.open_trips)
        for trip in state.trips
        for name in [trip_id(VEHICLE_ID, trip.started_at)]
    }
    assert {
        CodeKey(row.ecu, row.service, row.code, None if row.failure_type == NO_FAILURE_TYPE else row.failure_type): (
            row.captured_at,
            row.status,
            row.held,
            row.cleared_at,
            row.active,
        )
        for row in rows_of(store, TroubleCodeRow)
    } == {
        key: (code.captured_at, code.status, code.held, code.cleared_at, code.active and code.held)
        for key, code in state.codes.items()
    }
    raised = {row.warning for row in rows_of(store, WarningRow) if row.raised}
    assert raised == {name for name, warning in state.warnings.items() if warning.raised}


def history_of(batches: Iterable[SignalBatch]) -> dict[str, Any]:
    """Return what the read models say of a vehicle, without where it was read."""
    store = project(car_of(batches).events)
    track = merge_track(rows_of(store, TrackRow), Micros(0), Micros(2**62))
    tables = [
        NavigationSignalRow,
        MediaSignalRow,
        DiagnosticsSignalRow,
        TripRow,
        TroubleCodeRow,
        DestinationRow,
        PlayRow,
    ]
    told = {table.__name__: sorted(map(without_bookkeeping, rows_of(store, table)), key=repr) for table in tables}
    return told | {"track": track, "raised": {row.warning for row in rows_of(store, WarningRow) if row.raised}}


@EXAMPLES
@given(st.data())
def test_the_order_of_ingest_does_not_change_the_history(data: st.DataObject) -> None:
    streams = [data.draw(streams_of(name, final=True)) for name in "abc"]
    in_order = history_of(chain(*streams))

    assert history_of(chain(*data.draw(st.permutations(streams)))) == in_order
    assert history_of(data.draw(interleaved(streams))) == in_order


@EXAMPLES
@given(st.data())
def test_a_drive_under_two_names_has_the_history_of_one(data: st.DataObject) -> None:
    story = data.draw(stories())
    once = data.draw(cuts("a", story, final=True))
    again = [replace(batch, stream_id="b") for batch in once]

    assert history_of(data.draw(interleaved([once, again]))) == history_of(once)


@EXAMPLES
@given(st.data())
def test_the_fixes_of_a_track_are_in_order_and_one_a_moment(data: st.DataObject) -> None:
    store = project(car_of(data.draw(interleaved([data.draw(streams_of(name)) for name in "ab"]))).events)
    pieces = rows_of(store, TrackRow)
    for trip in rows_of(store, TripRow):
        track = merge_track(data.draw(st.permutations(pieces)), trip.started_at, trip.ended_at)
        times = [fix.captured_at for fix in track]

        assert times == sorted(set(times))
        assert all(trip.started_at <= at <= trip.ended_at for at in times)
        assert all(math.isfinite(fix.latitude_deg) for fix in track)
