"""What a rebuild passes over, since later events tell it anew, leaves no trace; not where an event fails between."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import rebuild
from adapters.avro import copies
from adapters.avro.codec import AvroCodec
from adapters.avro.mapper import AvroMapper
from adapters.avro.registry import SchemaRegistry
from adapters.avro.wire import PREFIX
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.rebuild import Filler, Job
from adapters.vehicle_log import VehicleLog
from domain import events as e
from domain import paths
from domain.events import VehicleEvent
from projections.diagnostics.projector import DIAGNOSTICS
from projections.digest import digest
from projections.folding import Folder
from projections.navigation.projector import NAVIGATION
from projections.ports import Commit, Moved
from projections.projection import Fold, Projection, Recorded, Row, Rows
from projections.runner import Runner
from tests.property.test_projections import logs
from tests.property.test_quick_reader import TIMES
from tests.support.batches import T0, Stream, sample, trace
from tests.support.events import events_of
from tests.support.given import Car
from tests.support.read_side import PROJECTIONS

OTHER_TIMES: Final = [
    "captured_at",
    "received_at",
    "trip_started_at",
    "trip_ended_at",
    "leg_started_at",
    "leg_ended_at",
]
DOORS: Final = ["Vehicle.Cabin.Door.Row1.DriverSide.IsOpen", "Vehicle.Cabin.Door.Row1.PassengerSide.IsOpen"]


@pytest.fixture(scope="module")
def codec() -> Iterator[AvroCodec]:
    """Give a codec that copies however few records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copies, "BLOCK_MIN", 1)
        yield AvroCodec(SchemaRegistry.load())


def log_of(codec: AvroCodec, events: list[VehicleEvent]) -> VehicleLog:
    """Return a log of events."""
    log = VehicleLog(MemoryEventLog(lambda: T0), codec)
    log.append(events)
    return log


def that_fails(projection: Projection, position: int) -> Projection:
    """Return a projection whose folds fail at a position of the log."""

    def failing(fold: Fold) -> Fold:
        def folded(recorded: Recorded, event: Any, rows: Rows) -> None:
            fold(recorded, event, rows)
            if recorded.position == position:
                raise ZeroDivisionError

        return folded

    folds: Mapping[type[VehicleEvent], Fold] = {kind: failing(fold) for kind, fold in projection.folds.items()}
    return replace(projection, folds=folds)


def fill(projection: Projection, log: VehicleLog, store: MemoryReadModels, page_events: int) -> int:
    """Fill a version as a rebuild does; return how many events were decoded."""
    ids = sorted({each.event.originator_id for each in log.read(0, log.last_position())})
    folder = Folder(projection, log, store, lambda: T0)
    place, decoded = (ids[0], 0), 0
    while True:
        events, blocks, page = log.by_vehicle(place, ids[-1], (0, log.last_position()), page_events, projection)
        if not page.events:
            return decoded
        folder.take(events, Commit(), page.reach, blocks)
        place, decoded = page.place, decoded + len(events)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_filled_without_old_news_is_what_was_folded_live(codec: AvroCodec, data: st.DataObject) -> None:
    events = data.draw(logs(vehicles=2))
    log = log_of(codec, events)
    for projection in PROJECTIONS:
        # What is passed over is not folded, so that it cannot fail; none that a codec reads does.
        able = [position for position, event in enumerate(events, 1) if type(event) not in projection.renewed]
        fails_at = data.draw(st.sampled_from([0, *able]))
        store, live = MemoryReadModels(), that_fails(projection, fails_at)
        beside = replace(live, version=2)
        Runner(live, log, store, lambda: T0).run_until(len(events))
        fill(beside, log, store, data.draw(st.integers(1, len(events))))
        ids = {event.originator_id for event in events}
        assert store.versions(beside, ids) == store.versions(live, ids)
        assert store.parked(beside) == store.parked(live)
        assert digest(store, beside) == digest(store, live)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_rebuild_that_was_stopped_anywhere_goes_on_with_any_chunks(codec: AvroCodec, data: st.DataObject) -> None:
    events = data.draw(logs(vehicles=3))
    log, store = log_of(codec, events), MemoryReadModels()
    ids = sorted({event.originator_id for event in events})
    projection = data.draw(st.sampled_from(PROJECTIONS))
    stopped, at_once = replace(projection, version=2), replace(projection, version=3)
    after = data.draw(st.sampled_from([0, len(events) // 3]))
    begun = {each.originator_id: Moved(0, each.originator_version) for each in events[:after]}

    def fill_some(version: Projection, vehicle_ids: list[UUID], pages: int | None = None) -> None:
        job = Job(version.name, version.version, after, len(events))
        for _ in islice(Filler(log, cast("Any", store)).fill(job, vehicle_ids), pages):
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuild, "PAGE_EVENTS", data.draw(st.integers(1, 8)))
        for version in (stopped, at_once):
            store.commit(version, Commit(versions={**begun}))
        for chunk in [*([each] for each in ids), ids]:  # as workers leave them that are killed, and killed once more
            fill_some(stopped, chunk, data.draw(st.integers(0, 6)))
        border = data.draw(st.integers(1, len(ids)))
        for chunk in filter(None, (ids[:border], ids[border:])):
            fill_some(stopped, chunk)
        fill_some(at_once, ids)
    assert store.versions(stopped, ids) == store.versions(at_once, ids)
    assert digest(store, stopped) == digest(store, at_once)


def rows_of(store: MemoryReadModels, projection: Projection) -> list[Row]:
    """Return all rows of a projection."""
    return [row for row_type in projection.row_types for row in store.rows(projection, row_type)]


def test_pieces_of_track_are_copied_and_hardly_one_is_decoded(codec: AvroCodec) -> None:
    car, stream = Car(), Stream()
    for second in range(0, 200, 4):
        heading = sample(paths.HEADING, second, 90.0)
        car.observe(stream.batch(*trace(second, second + 2, step=2.0), *([heading] if second % 8 else [])))
    log, store, live = log_of(codec, car.events), MemoryReadModels(), replace(NAVIGATION, version=2)
    pieces = sum(isinstance(event, e.TrackExtended) for event in car.events)
    assert pieces > 45
    assert fill(NAVIGATION, log, store, len(car.events)) < len(car.events) - pieces + 5
    Runner(live, log, store, lambda: T0).run_until(len(car.events))
    assert rows_of(store, NAVIGATION) == rows_of(store, live)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=events_of(e.TrackExtended), data=st.data())
def test_what_is_copied_is_what_the_fold_makes(codec: AvroCodec, event: e.TrackExtended, data: st.DataObject) -> None:
    fixes = data.draw(st.integers(0, 3))
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    known = data.draw(st.lists(st.booleans(), min_size=fixes, max_size=fixes))

    def column(of: st.SearchStrategy[Any]) -> list[Any]:
        return data.draw(st.lists(of, min_size=fixes, max_size=fixes))

    def drawn(version: int) -> dict[str, Any]:
        return {
            "originator_version": version,
            "trip_id": data.draw(st.sampled_from([event.trip_id, event.originator_id])),
            **{name: data.draw(TIMES) for name in OTHER_TIMES},
            "leg_speed_until": None,
            "fix_captured_at": column(TIMES),
            "latitude_deg": column(numbers),
            "longitude_deg": column(numbers),
            "heading_deg": column(numbers),
            "speed_kmh": [data.draw(numbers) if each else None for each in known],
            "altitude_m": [None] * fixes,
        }

    events: list[VehicleEvent] = [replace(event, **drawn(version)) for version in range(1, 5)]
    log, store, live = log_of(codec, events), MemoryReadModels(), replace(NAVIGATION, version=2)
    fill(NAVIGATION, log, store, len(events))
    Runner(live, log, store, lambda: T0).run_until(len(events))
    assert rows_of(store, NAVIGATION) == rows_of(store, live)


def test_what_is_damaged_is_not_copied(codec: AvroCodec) -> None:
    car, stream = Car(), Stream()
    car.observe(*[stream.batch(*trace(second, second + 2, step=2.0)) for second in range(0, 200, 4)])
    log_of(codec, car.events)
    mapper, records = AvroMapper(codec), MemoryEventLog(lambda: T0)
    stored = [mapper.to_stored_event(event) for event in car.events]
    place = next(place for place, event in enumerate(car.events) if isinstance(event, e.TrackExtended)) + 20
    state = bytearray(stored[place].state)
    state[PREFIX.size + 8 + 3] &= 0x7F  # the time of reception ends early
    stored[place] = replace(stored[place], state=bytes(state))
    records.append(stored)
    store, live = MemoryReadModels(), replace(NAVIGATION, version=2)
    fill(NAVIGATION, VehicleLog(records, codec), store, len(stored))
    Runner(live, VehicleLog(records, codec), store, lambda: T0).run_until(len(stored))
    assert rows_of(store, NAVIGATION) == rows_of(store, live)
    assert store.parked(NAVIGATION) == store.parked(live)
    assert store.parked(NAVIGATION)[car.vehicle.id].version == place + 1


def test_rows_that_are_copied_are_not_written_where_an_event_before_them_fails(codec: AvroCodec) -> None:
    car, stream = Car(), Stream()
    car.observe(*[stream.batch(*trace(second, second + 2, step=2.0)) for second in range(0, 200, 4)])
    log, store = log_of(codec, car.events), MemoryReadModels()
    fails_at = next(place for place, each in enumerate(car.events, 1) if isinstance(each, e.TripStarted))
    fill(that_fails(NAVIGATION, fails_at), log, store, len(car.events))
    assert rows_of(store, NAVIGATION) == []
    assert store.parked(NAVIGATION).keys() == {car.vehicle.id}


def doors(*opened: bool) -> list[VehicleEvent]:
    """Return what a car tells whose doors are opened and closed once a second."""
    car, stream = Car(), Stream()
    for second, is_open in enumerate(opened):
        car.observe(stream.batch(*[sample(path, second, is_open) for path in DOORS]))
    return [*car.events]


def test_of_signals_that_change_all_the_time_hardly_an_event_is_decoded(codec: AvroCodec) -> None:
    events = doors(*[second % 2 == 0 for second in range(50)])
    assert sum(isinstance(event, e.SignalsSampled) for event in events) == 50
    assert fill(DIAGNOSTICS, log_of(codec, events), MemoryReadModels(), len(events)) <= 2


def test_where_an_event_fails_what_it_would_have_told_anew_is_folded_after_all(codec: AvroCodec) -> None:
    events = doors(True, False, True, False)
    log, store = log_of(codec, events), MemoryReadModels()
    failing = that_fails(DIAGNOSTICS, len(events))
    fill(failing, log, store, len(events))
    (parked,) = store.parked(failing).values()
    assert (parked.position, parked.newest_version) == (len(events), len(events))
    rows = [row for row_type in failing.row_types for row in store.rows(failing, row_type)]
    assert [(row.path, row.flag, row.position) for row in rows] == [(path, True, len(events) - 1) for path in DOORS]  # type: ignore[attr-defined]


def test_a_signal_that_no_later_event_tells_is_no_old_news(codec: AvroCodec) -> None:
    car, stream = Car(), Stream()
    for second, more in enumerate([[sample(paths.LOW_VOLTAGE, 0, 12.5)], [], []]):
        car.observe(stream.batch(*more, *[sample(path, second, second % 2 == 0) for path in DOORS]))
    store = MemoryReadModels()
    fill(DIAGNOSTICS, log_of(codec, [*car.events]), store, len(car.events))
    row_type = DIAGNOSTICS.row_types[0]
    assert {row.path for row in store.rows(DIAGNOSTICS, row_type)} == {*DOORS, paths.LOW_VOLTAGE}  # type: ignore[attr-defined]
