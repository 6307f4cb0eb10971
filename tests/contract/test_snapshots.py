"""What every store of snapshots does, in memory and in PostgreSQL: the past is the same with and without them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.snapshots import MemorySnapshots
from adapters.memory.twin_reader import MemoryTwinReader
from adapters.past import PastReader
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.snapshots import PostgresSnapshots, fetch_from
from adapters.postgres.twin_reader import PostgresTwins
from adapters.snapshotting import UnfoldableError, make_snapshots
from adapters.twins import PROJECTIONS, PageOf, Span
from adapters.vehicle_log import VehicleLog
from domain import events as e
from domain.events import VehicleEvent
from domain.units import Metres, Micros
from projections.as_of import told
from projections.navigation.model import TripRow
from projections.projection import Row, row_key, row_spec
from projections.snapshots import Block, Moment, Range, Snapshot, SnapshotStore
from tests.support.batches import T0, VEHICLE_ID, interleaved, streams_of
from tests.support.databases import new_database
from tests.support.given import Car
from tests.support.twins import CODEC, SECOND
from tests.support.twins import Car as TwinCar

ODD = 'drive "1", \\ \u2028 é \U0001f697'


class Log(NamedTuple):
    """A log, who reads it, and the snapshots of its vehicles."""

    records: Any
    snapshots: SnapshotStore
    reading: Callable[[], AbstractContextManager[Any]]


@pytest.fixture(scope="module", params=["memory", "postgres"])
def new_log(request: pytest.FixtureRequest) -> Iterator[Callable[[], Log]]:
    """Give what makes an empty log; the one before is gone then."""
    with ExitStack() as opened:
        if request.param == "memory":
            yield _in_memory
            return
        conninfo = opened.enter_context(new_database(request.getfixturevalue("server")))
        records = PostgresEventLog.open(conninfo)
        opened.callback(records.close)
        twins = opened.enter_context(closing(PostgresTwins(conninfo).open()))
        with twins.reading() as read:
            read.positions()  # so that it has connected: that asks `random`, which no strategy may meanwhile

        def in_postgres() -> Log:
            with psycopg.connect(conninfo) as connection:
                connection.execute("TRUNCATE stored_events, snapshot_blocks, snapshot_states, snapshot_rows")
            return Log(records, PostgresSnapshots(fetch_from(records.datastore)), twins.reading)

        yield in_postgres


def _in_memory() -> Log:
    records, snapshots = MemoryEventLog(), MemorySnapshots()

    @contextmanager
    def reading() -> Iterator[MemoryTwinReader]:
        yield MemoryTwinReader(records, MemoryReadModels(), snapshots)

    return Log(records, snapshots, reading)


def made(log: Log, block_events: int, vehicle_id: UUID = VEHICLE_ID) -> int:
    return sum(make_snapshots(log.records, CODEC.decode, log.snapshots, vehicle_id, block_events))


def everything(log: Log, moment: Moment, spans: Sequence[Span] = (), page: PageOf | None = None) -> Any:
    """Return all that the past reader tells of the vehicle as of a moment."""
    with log.reading() as present:
        read = PastReader(present, CODEC.decode, moment)
        rows = {
            (projection.name, row_spec(row_type).table, *row_key(row)): row
            for projection in PROJECTIONS
            for row_type in projection.row_types
            for row in read._of(row_type, [VEHICLE_ID])
        }
        page = page or PageOf(100)
        events = read.events([VEHICLE_ID], page, None)
        time = None if page.after is None else T0 + page.after[0] * 7_000_000
        trips = read.trips([VEHICLE_ID], page._replace(after=time and (time, UUID(int=1 << 127))))
        plays = read.plays([VEHICLE_ID], page._replace(after=time and (time,)))
        first = read.event(VEHICLE_ID, 1)
        every = read.events([VEHICLE_ID], PageOf(100_000, newest_first=False), None)
        return rows, sorted(read.tracks(spans)), events, first, trips, plays, every


def known_later(events: Sequence[VehicleEvent]) -> list[VehicleEvent]:
    """Return a history whose vehicle was registered, by our clock, after all that it tells of."""
    registered_at = Micros(max(told(each).last for each in events) + SECOND)
    return [replace(events[0], captured_at=registered_at), *events[1:]]


def histories() -> st.SearchStrategy[list[VehicleEvent]]:
    """Return histories of one vehicle, late streams among them; some of it became known here long after it drove."""

    def driven(streams: Any) -> st.SearchStrategy[list[VehicleEvent]]:
        def events(batches: Any) -> list[VehicleEvent]:
            car = Car()
            car.observe(*batches)
            return car.events

        drives = interleaved(list(streams)).map(events)
        return drives | drives.map(known_later)

    return st.tuples(streams_of(ODD, acts_max=5), streams_of("b", acts_max=5)).flatmap(driven)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_past_is_the_same_with_and_without_snapshots(new_log: Callable[[], Log], data: st.DataObject) -> None:
    events = data.draw(histories())
    log = new_log()
    VehicleLog(log.records, CODEC).append(events)
    times = sorted({each.captured_at for each in events})
    moments = [
        Moment(data.draw(st.integers(0, len(events))), data.draw(st.none() | st.sampled_from(times))) for _ in range(4)
    ]
    begin, end = sorted([data.draw(st.sampled_from(times)), data.draw(st.sampled_from(times))])
    spans = [Span(VEHICLE_ID, begin, end)]
    page = PageOf(
        data.draw(st.integers(1, 5)),
        data.draw(st.none() | st.tuples(st.integers(0, len(events)))),
        newest_first=data.draw(st.booleans()),
    )
    without = [everything(log, each, spans, page) for each in moments]
    block_events = data.draw(st.integers(1, 6))
    assert made(log, block_events) == len(events) // block_events
    assert [everything(log, each, spans, page) for each in moments] == without
    assert made(log, block_events) == 0


def test_a_recording_that_is_ingested_years_later_has_snapshots_of_its_own_time(new_log: Callable[[], Log]) -> None:
    car = TwinCar(1)
    for second in range(9):
        car.sample(T0 + second * SECOND, {"Vehicle.Speed": float(second)})
    events = known_later(car.events)
    log = new_log()
    VehicleLog(log.records, CODEC).append(events)
    made(log, 5, car.id)
    for second, version in ((2, 0), (3, 5), (7, 5), (8, 10)):
        newest = log.snapshots.newest([car.id], Moment(len(events), Micros(T0 + second * SECOND)))
        assert [each.to_version for each in newest.values()] == [version] * bool(version)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_comes_later_changes_no_snapshot_but_goes_on_from_it(
    new_log: Callable[[], Log], data: st.DataObject
) -> None:
    events = data.draw(histories())
    cut = data.draw(st.integers(1, len(events)))
    log, whole = new_log(), _in_memory()
    VehicleLog(whole.records, CODEC).append(events)
    feed = VehicleLog(log.records, CODEC)
    feed.append(events[:cut])
    block_events = data.draw(st.integers(1, 6))
    made(log, block_events)
    feed.append(events[cut:])
    made(log, block_events)
    as_of = data.draw(st.none() | st.sampled_from([each.captured_at for each in events]))
    moment = Moment(len(events), as_of)
    rows = everything(log, moment)[0]
    assert rows == everything(whole, moment)[0]


def test_an_event_that_nobody_can_read_ends_the_snapshots_of_its_vehicle(new_log: Callable[[], Log]) -> None:
    car = Car()
    log = new_log()
    VehicleLog(log.records, CODEC).append(car.events)
    stored = log.records.events_of(VEHICLE_ID)[0]
    for version in (2, 3, 4):
        log.records.append([StoredEvent(VEHICLE_ID, version, stored.topic, b"\0garbage")])
    making = make_snapshots(log.records, CODEC.decode, log.snapshots, VEHICLE_ID, 1)
    assert next(making) == 1
    with pytest.raises(UnfoldableError):
        next(making)
    with log.reading() as present:
        ranges = present.snapshots.ranges({VEHICLE_ID: 0}, Moment(4))
    assert ranges == [Range(VEHICLE_ID, 0, 1), Range(VEHICLE_ID, 1, ranges[-1].to_version)]


def test_of_what_another_program_has_folded_nothing_is_seen(server: Any) -> None:
    with new_database(server) as conninfo:
        records = PostgresEventLog.open(conninfo)
        with closing(records):
            VehicleLog(records, CODEC).append(Car().events)
            fetch = fetch_from(records.datastore)
            ours, others = PostgresSnapshots(fetch), PostgresSnapshots(fetch, 7)
            log = Log(records, others, lambda: closing(PostgresTwins(conninfo)))
            assert made(log, 1) == 1
            assert not ours.newest([VEHICLE_ID], None)
            assert others.newest([VEHICLE_ID], None)[VEHICLE_ID].to_version == 1
            ours.forget_others()
            assert not others.newest([VEHICLE_ID], None)


def test_rows_that_grow_are_as_they_were_after_each_block(new_log: Callable[[], Log]) -> None:
    log = new_log()
    trip, other = (
        TripRow(VEHICLE_ID, UUID(int=number), T0, T0, False, None, Metres(0.1), None, T0, 1, 1) for number in (1, 2)
    )
    longer = trip._replace(ended_at=Micros(T0 + 60), distance_m=Metres(1e300), end_reason=ODD)
    written: list[dict[UUID, TripRow | None]] = [
        {trip.trip_id: trip, other.trip_id: other},
        {trip.trip_id: longer},
        {other.trip_id: None},
    ]
    states: dict[type[Row], Any] = {
        row_type: {} for projection in PROJECTIONS for row_type in projection.row_types if not row_spec(row_type).grows
    }
    log.snapshots.add(
        [
            Snapshot(
                Block(VEHICLE_ID, number, number + 1, number + 1, number + 1, T0, T0),
                states,
                {TripRow: {(VEHICLE_ID, key): row for key, row in rows.items()}},
            )
            for number, rows in enumerate(written)
        ]
    )
    keys = [(VEHICLE_ID, trip.trip_id), (VEHICLE_ID, other.trip_id), (VEHICLE_ID, UUID(int=3))]
    for version, expected in ((1, [trip, other]), (2, [longer, other]), (3, [longer])):
        versions = {VEHICLE_ID: version}
        assert log.snapshots.load(TripRow, keys, versions) == {row_key(row): row for row in expected}
        assert sorted(log.snapshots.grown(TripRow, versions)) == expected
        touched = log.snapshots.grown(TripRow, versions, (Micros(T0 + 1), Micros(T0 + 9)))
        assert list(touched) == [row for row in expected if row is longer]
    assert log.snapshots.load(TripRow, keys, {}) == {}


def test_a_piece_that_goes_on_is_shown_once_however_short_the_page(new_log: Callable[[], Log]) -> None:
    car = TwinCar(1)
    for minute, (title, initial) in enumerate([("a", False), *[("b", False), ("b", True), ("b", True)] * 3]):
        at = T0 + minute * 60 * SECOND
        car.tell(e.TrackStarted, at, title=title, artist=None, album=None, source=None, initial=initial)
    log = new_log()
    VehicleLog(log.records, CODEC).append(car.events)
    for block_events in (0, 1):
        if block_events:
            made(log, block_events, car.id)
        for limit, after, newest_first in product(range(1, 6), (None, *range(20)), (True, False)):  # in half minutes
            page = PageOf(limit, None if after is None else (T0 + after * 30 * SECOND,), newest_first=newest_first)
            with log.reading() as present:
                found = PastReader(present, CODEC.decode, Moment(len(car.events))).plays([car.id], page)
            begun = [(row.started_at - T0) // (60 * SECOND) for row in found]
            pieces = [7, 4, 1, 0] if newest_first else [0, 1, 4, 7]
            later = [
                each for each in pieces if after is None or (each < after / 2 if newest_first else each > after / 2)
            ]
            assert begun == later[:limit], (block_events, page)


def test_a_page_of_events_that_are_rare_takes_few_statements(new_log: Callable[[], Log]) -> None:
    car = TwinCar(1)
    for second in range(200):
        car.sample(T0 + second * SECOND, {"Vehicle.Speed": float(second)})
    log = new_log()
    VehicleLog(log.records, CODEC).append(car.events)
    made(log, 1, car.id)
    with log.reading() as present:
        asked: list[Any] = []
        read = PastReader(present, CODEC.decode, Moment(len(car.events)))
        history = present.history

        def counted(*given: Any) -> Any:
            asked.append(given)
            return history(*given)

        present.history = counted
        found = read.events([car.id], PageOf(20), [e.VehicleRegistered.TOPIC])
    assert [each.version for each in found] == [1]
    assert len(asked) <= 8


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("after", [None, 77])
def test_a_page_of_a_long_history_reads_little_of_it(
    new_log: Callable[[], Log], monkeypatch: pytest.MonkeyPatch, after: int | None, newest_first: bool
) -> None:
    car, count, limit = TwinCar(1), 100, 5
    for minute in range(count):
        at = T0 + minute * 60 * SECOND
        car.tell(e.TrackStarted, at, title=str(minute), artist=None, album=None, source=None, initial=False)
    log = new_log()
    VehicleLog(log.records, CODEC).append(car.events)
    made(log, 1, car.id)
    page = PageOf(limit, None if after is None else (T0 + after * 60 * SECOND,), newest_first=newest_first)
    with log.reading() as present:
        read = PastReader(present, CODEC.decode, Moment(len(car.events)))
        fetched: list[Any] = []
        kept = read._kept

        def counted(*given: Any) -> Any:
            rows = kept(*given)
            fetched.extend(rows)
            return rows

        monkeypatch.setattr(read, "_kept", counted)
        found = [int(row.title or "") for row in read.plays([car.id], page)]
    every = [minute for minute in range(count) if after is None or (minute < after if newest_first else minute > after)]
    assert found == (every[::-1] if newest_first else every)[:limit]
    assert len(fetched) <= limit + 3
