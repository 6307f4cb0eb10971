"""What every reader of twins does, in memory and in PostgreSQL."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.clock import now
from adapters.event_log import OriginFrom, ProgressChange
from adapters.graphql.port import Twins
from adapters.past import PastReader
from adapters.twins import ANY_VEHICLE, PROJECTIONS, PageOf, Span, VehicleFilter, newest, signal_table
from domain import events as e
from domain import paths
from domain.signals import Origin
from domain.streams import StreamProgress
from domain.units import Micros
from projections.navigation.model import TripRow
from projections.snapshots import Moment
from tests.support.databases import new_database
from tests.support.twins import CATALOGUE, CODEC, SECOND, T0, Car, World, full_car, memory_world, postgres_world

HOUR = 3600 * SECOND
CLOCKS_APART_US = SECOND  # of this process and of the database, on one machine


@dataclass
class PastTwins:
    """The twins as they were a moment ago, when all had happened already."""

    twins: Twins

    @contextmanager
    def reading(self, brands: Collection[str] | None = None) -> Iterator[PastReader]:
        with self.twins.reading(brands) as read:
            yield PastReader(read, CODEC.decode, Moment(read.position_at(None), now()))


WORLDS = ["memory", "postgres", "past in memory", "past in postgres"]


@contextmanager
def world_of(request: pytest.FixtureRequest, cars: Sequence[Car]) -> Iterator[World]:
    """Give a fleet in the one of `WORLDS` that is asked for."""
    past, _, where = request.param.rpartition("past in ")
    with ExitStack() as opened:
        if where == "memory":
            made = memory_world(*cars)
        else:
            conninfo = opened.enter_context(new_database(request.getfixturevalue("server")))
            made = opened.enter_context(postgres_world(conninfo, *cars))
        if past:
            made.twins = cast("Twins", PastTwins(made.twins))
        yield made


@pytest.fixture(scope="module", params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Give a fleet of seven vehicles of two brands; the last has told nothing."""
    cars = [full_car(number, brand="Audi" if number % 2 else "Skoda") for number in range(1, 7)]
    cars.append(Car(99, model=None))
    with world_of(request, cars) as made:
        yield made


@pytest.fixture
def read(world: World) -> Iterator[Any]:
    with world.twins.reading() as reader:
        yield reader


def ids(read: Any) -> list[UUID]:
    return [entry.vehicle_id for entry in read.vehicles(100, None, ANY_VEHICLE)]


def test_vehicles_are_found_by_ids_and_vins_each_once(read: Any) -> None:
    every = [(entry.vehicle_id, entry.vin) for entry in read.vehicles(100, None, ANY_VEHICLE)]
    named = ([each for each, _ in every[:3]] + [UUID(int=7)], [vin for _, vin in every[2:5]] + [Car(777).vin])
    assert sorted(entry.vehicle_id for entry in read.vehicles_named(*named)) == [each for each, _ in every[:5]]
    assert list(read.vehicles_named([], [])) == []


def test_vehicles_come_in_the_order_of_their_ids(read: Any) -> None:
    found = ids(read)
    assert len(found) == 7
    assert found == sorted(found)


def test_a_page_of_vehicles_begins_after_the_last_of_the_page_before(read: Any) -> None:
    every = ids(read)
    assert [entry.vehicle_id for entry in read.vehicles(3, every[1], ANY_VEHICLE)] == every[2:5]


def test_a_vehicle_is_found_by_its_id_and_by_its_vin(read: Any) -> None:
    car = Car(99)
    assert read.vehicle(car.id).vin == car.vin
    assert read.vehicle_by_vin(car.vin).vehicle_id == car.id
    assert read.vehicle(UUID(int=1)) is None
    assert read.vehicle_by_vin("WVWZZZE1ZMP777777") is None


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        (VehicleFilter(brands=["Audi"]), {1, 3, 5}),
        (VehicleFilter(brands=[]), set()),
        (VehicleFilter(models=["ID.3"], brands=["Skoda"]), {2, 4, 6}),
        (VehicleFilter(vins=[Car(2).vin, Car(99).vin, "WVWZZZE1ZMP777777"]), {2, 99}),
        (VehicleFilter(has_trouble_code=True), {1, 2, 3, 4, 5, 6}),
        (VehicleFilter(has_trouble_code=False), {99}),
        (VehicleFilter(trouble_codes=["P0D59"]), {1, 2, 3, 4, 5, 6}),
        (VehicleFilter(trouble_codes=["U0100"]), set()),  # cleared
        (VehicleFilter(last_seen_after=Micros(T0 + 2 * HOUR + 600 * SECOND + 4 * SECOND)), {5, 6}),
        (VehicleFilter(last_seen_after=Micros(T0 + 9 * HOUR)), set()),
    ],
)
def test_a_filter_lets_only_vehicles_through_that_fit_all_of_it(
    read: Any, chosen: VehicleFilter, numbers: set[int]
) -> None:
    found = {entry.vehicle_id for entry in read.vehicles(100, None, chosen)}
    assert found == {Car(number).id for number in numbers}


def test_signals_are_chosen_by_path_and_by_the_beginning_of_their_path(read: Any) -> None:
    car = full_car(1)
    rows = read.signals([car.id], [paths.SPEED, paths.MEDIA_ARTIST, paths.ALTITUDE], ["Vehicle.Powertrain.F"])
    found = {row.path: row.value for row in newest(rows).values()}
    assert found == {paths.SPEED: 50.5, paths.MEDIA_ARTIST: "Artist", paths.FUEL_LEVEL: 83}


def test_no_path_asked_for_is_no_signal(read: Any) -> None:
    assert list(read.signals(ids(read), [], [])) == []


def test_the_newest_time_of_a_vehicle_is_that_of_its_newest_signal(read: Any) -> None:
    assert read.last_seen(ids(read)) == {
        Car(number).id: T0 + number * SECOND + 2 * HOUR + 600 * SECOND for number in range(1, 7)
    }


def test_each_vehicle_has_its_own_page_of_trips(read: Any) -> None:
    rows = read.trips(ids(read), PageOf(2))
    of_each = {vehicle_id: [row for row in rows if row.vehicle_id == vehicle_id] for vehicle_id in ids(read)}
    assert sorted(len(trips) for trips in of_each.values()) == [0, 2, 2, 2, 2, 2, 2]
    for trips in of_each.values():
        assert [trip.distance_m for trip in trips] in ([], [3000.0, 2000.0])


def test_trips_are_paged_in_both_directions(read: Any) -> None:
    car = full_car(1)
    newest_first = read.trips([car.id], PageOf(9))
    assert read.trips([car.id], PageOf(9, None, newest_first=False)) == newest_first[::-1]
    key = (newest_first[0].started_at, newest_first[0].trip_id)
    assert read.trips([car.id], PageOf(1, key)) == newest_first[1:2]
    key = (newest_first[1].started_at, newest_first[1].trip_id)
    assert read.trips([car.id], PageOf(9, key, newest_first=False)) == newest_first[:1]


def test_one_trip_is_found_by_its_id(read: Any) -> None:
    (row,) = read.trips([full_car(1).id], PageOf(1))
    assert read.trip(row.vehicle_id, row.trip_id) == row
    assert read.trip(row.vehicle_id, UUID(int=7)) is None


def test_a_trip_that_has_ended_is_not_the_current_one(read: Any) -> None:
    assert list(read.current_trips(ids(read))) == []


def test_tracks_of_several_spans_come_with_the_index_of_their_span(read: Any) -> None:
    car, other = full_car(1), full_car(2)
    spans = [
        Span(car.id, Micros(T0), Micros(T0 + 10 * HOUR)),
        Span(UUID(int=1), Micros(T0), Micros(T0 + HOUR)),
        Span(other.id, Micros(T0 + HOUR), Micros(T0 + HOUR + 30 * SECOND)),
    ]
    found = [(index, piece.vehicle_id) for index, piece in read.tracks(spans)]
    assert sorted(found) == [(0, car.id)] * 3 + [(2, other.id)]
    assert list(read.tracks([])) == []


def test_columns_of_a_track_come_back_as_they_were_told(read: Any) -> None:
    ((_, piece),) = read.tracks([Span(full_car(1).id, Micros(T0), Micros(T0 + 2 * SECOND))])
    assert piece.latitude_deg == [52.0, 52.001, 52.002]
    assert piece.altitude_m == [None, None, None]


def test_destinations_codes_warnings_charging_and_quality_are_read_for_all_vehicles_at_once(read: Any) -> None:
    every = ids(read)
    assert len(read.destinations(every)) == 6
    assert {(row.code, row.held) for row in read.trouble_codes(every)} == {("P0D59", True), ("U0100", False)}
    assert [row.code for row in read.trouble_codes([full_car(4).id])] == ["P0D59", "U0100"]
    assert {row.warning for row in read.warnings(every)} == {"FUEL_LEVEL_LOW"}
    assert len(read.charging(every, PageOf(2))) == 12
    assert {row.missing_batches for row in read.quality(every)} == {3}


def test_no_vehicle_asked_about_is_no_row(read: Any) -> None:
    assert list(read.trips([], PageOf(5))) == []
    assert list(read.trouble_codes([])) == []
    assert read.last_seen([]) == {}


def test_events_are_paged_by_version_and_chosen_by_topic(read: Any) -> None:
    car = full_car(3)
    oldest = read.events([car.id], PageOf(3, None, newest_first=False), None)
    assert [record.version for record in oldest] == [1, 2, 3]
    assert [record.version for record in read.events([car.id], PageOf(2, (3,), newest_first=True), None)] == [2, 1]
    chosen = read.events([car.id], PageOf(99, None, newest_first=False), [e.TripStarted.TOPIC, e.TripEnded.TOPIC])
    assert [record.topic for record in chosen] == [e.TripStarted.TOPIC, e.TripEnded.TOPIC] * 3
    assert list(read.events([car.id], PageOf(9), [])) == []


def test_the_newest_event_of_each_vehicle_is_a_page_of_one(read: Any) -> None:
    newest = {record.originator_id: record for record in read.events(ids(read), PageOf(1), None)}
    assert newest.keys() == set(ids(read))
    for vehicle_id, record in newest.items():
        assert [record] == read.events([vehicle_id], PageOf(1), None)
        assert read.event(vehicle_id, record.version + 1) is None


def test_one_event_is_found_by_its_version(read: Any) -> None:
    car = full_car(3)
    assert read.event(car.id, 2).topic == e.SignalsSampled.TOPIC
    assert read.event(car.id, len(car.events) + 1) is None
    assert read.event(UUID(int=1), 1) is None


def test_positions_are_those_of_log_and_projections(read: Any) -> None:
    log_position, projections = read.positions()
    assert log_position == sum(len(full_car(number).events) for number in range(1, 7)) + 1
    assert [(each.name, each.version, each.position, each.parked) for each in projections] == [
        (each.name, each.version, log_position, 0) for each in PROJECTIONS
    ]


# --- what a test writes for itself ------------------------------------------------------------------------------------


def test_a_vehicle_that_told_only_trouble_codes_was_seen(world: World) -> None:
    car = Car(1004)
    car.code(T0 + 7)
    world.write(car)
    with world.twins.reading() as read:
        assert read.last_seen([car.id]) == {car.id: T0 + 7}
        chosen = VehicleFilter(vins=[car.vin], last_seen_after=Micros(T0 + 6))
        assert [entry.vin for entry in read.vehicles(9, None, chosen)] == [car.vin]
        assert list(read.vehicles(9, None, chosen._replace(last_seen_after=Micros(T0 + 7)))) == []


def test_a_trip_that_goes_on_is_the_current_one(world: World) -> None:
    car = Car(1001)
    car.trip(1, T0)
    trip_id = car.trip(2, T0 + HOUR, ended=False)
    world.write(car)
    with world.twins.reading() as read:
        assert [trip.trip_id for trip in read.current_trips([car.id])] == [trip_id]


def test_a_piece_that_goes_on_after_a_gap_is_played_once(world: World) -> None:
    car = Car(1002)
    car.play(T0, "A")
    car.play(T0 + SECOND, "A", initial=True)  # goes on
    car.play(T0 + 2 * SECOND, "A", initial=True)  # goes on still
    car.play(T0 + 3 * SECOND, "A")  # again
    car.play(T0 + 4 * SECOND, "B", initial=True)  # another was found playing
    car.play(T0 + 5 * SECOND, "B", initial=True, artist=None)  # and another of this name
    car.play(T0 + 6 * SECOND, "B", initial=True, artist=None)
    world.write(car)
    with world.twins.reading() as read:
        played = read.plays([car.id], PageOf(9, None, newest_first=False))
        assert [(row.started_at - T0) // SECOND for row in played] == [0, 3, 4, 5]
        after = (T0 + 4 * SECOND,)
        assert [row.started_at for row in read.plays([car.id], PageOf(1, after))] == [T0 + 3 * SECOND]


def test_every_signal_of_the_catalogue_is_asked_of_the_table_that_keeps_it(world: World) -> None:
    car = Car(1003)
    car.sample(T0, {fact.path: 1.0 for fact in CATALOGUE})
    world.write(car)
    with world.twins.reading() as read:
        rows = read.signals([car.id], [fact.path for fact in CATALOGUE], [])
    assert {row.path for row in rows} == {fact.path for fact in CATALOGUE}
    assert len(rows) == len(CATALOGUE)
    assert {signal_table(row.path).__name__ for row in rows} == {
        "NavigationSignalRow",
        "MediaSignalRow",
        "DiagnosticsSignalRow",
    }


def told(decoder: str, sequence: int) -> tuple[OriginFrom, ...]:
    return (OriginFrom(sequence, Origin(decoder, "a mapping")),)


def test_the_way_of_a_value_is_its_event_its_origin_and_when_its_projection_wrote_the_vehicle(world: World) -> None:
    car = Car(3001)
    car.sample(T0, {paths.SPEED: 30.0, paths.MEDIA_ARTIST: "Artist"})
    stream = StreamProgress(car.events[-1].stream_id)  # type: ignore[attr-defined]  # an event of a stream
    world.write(car)
    read: Any
    with world.twins.reading() as read:
        rows = read.signals([car.id], [paths.SPEED, paths.MEDIA_ARTIST], [])
        assert [read.hops(row).origin for row in rows] == [None, None]
        assert read.hops(rows[0]._replace(event_version=99)) is None

    other = StreamProgress("another")
    steps = [
        ProgressChange(car.id, stream, stream.taken(3, final=False), told("car.dbc", 1) + told("too late", 3)),
        ProgressChange(car.id, other, other.taken(2, final=False), told("of another stream", 2)),
        ProgressChange(full_car(1).id, stream, stream.taken(2, final=False), told("of another vehicle", 2)),
    ]
    world.log.append([], steps)
    car.code(T0 + SECOND)  # is not of navigation, and yet an event of the vehicle
    before = now()
    world.write(car)
    twins: object = world.twins
    with world.twins.reading() as read:
        for row in rows:
            record, origin, projected = read.hops(row)
            assert (record.originator_id, record.version, record.position) == (car.id, 2, row.position)
            assert record == read.event(car.id, 2)
            assert origin == Origin("car.dbc", "a mapping")
            if isinstance(twins, PastTwins):
                assert projected is None  # no read model holds the past
            else:
                assert projected.version == 3
                assert before - CLOCKS_APART_US <= projected.at <= now() + CLOCKS_APART_US
        if not isinstance(twins, PastTwins):  # where batches come from is no matter of a moment
            assert read.origins(car.id, stream.stream_id) == [*told("car.dbc", 1), *told("too late", 3)]
            assert read.origins(car.id, "never heard of") == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
@given(starts=st.lists(st.integers(0, 5), max_size=12), limit=st.integers(1, 5), newest_first=st.booleans())
def test_pages_of_any_size_make_the_whole_list(
    world: World, starts: list[int], limit: int, *, newest_first: bool
) -> None:
    """Several trips may start at one moment: the id decides between them."""
    numbers.append(len(numbers))
    car = Car(2000 + len(numbers))
    for number, start in enumerate(starts):
        car.trip(number + 1, T0 + start * HOUR, fixes=0)
    world.write(car)
    with world.twins.reading() as read:
        whole = read.trips([car.id], PageOf(100, None, newest_first))
        assert len(whole) == len(starts)
        assert list(whole) == sorted(whole, key=_key, reverse=newest_first)
        pages: list[TripRow] = []
        while True:
            page = read.trips([car.id], PageOf(limit, _key(pages[-1]) if pages else None, newest_first))
            pages += page
            if len(page) < limit:
                break
        assert pages == list(whole)


numbers: list[int] = []


def _key(row: TripRow) -> tuple[Any, ...]:
    return (row.started_at, row.trip_id)
