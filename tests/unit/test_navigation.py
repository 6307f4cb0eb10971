"""The read model of navigation."""

from domain import paths
from domain.events import TripEnded, TripStarted
from domain.signals import Quality, SignalBatch
from projections.navigation.model import DestinationRow, NavigationSignalRow, TrackRow, TripRow, merge_track
from tests.support.batches import (
    DOOR,
    VEHICLE_ID,
    Stream,
    at,
    destination,
    drive,
    ignition,
    no_destination,
    place,
    sample,
    trace,
)
from tests.support.given import Car, of_type
from tests.support.read_side import project, rows_of


def destination_after(*batches: SignalBatch) -> DestinationRow:
    car = Car()
    car.observe(*batches)
    (row,) = rows_of(project(car.events), DestinationRow)
    return row


# --- trips and tracks -------------------------------------------------------------------------------------------------


def test_a_trip_is_a_row_from_its_start_to_its_end() -> None:
    car, stream = Car(), Stream()
    car.observe(stream.batch(ignition(0, "ON"), drive(0, 20)))
    (going,) = rows_of(project(car.events), TripRow)
    car.observe(stream.batch(drive(30, 50), ignition(55, "OFF")))
    (over,) = rows_of(project(car.events), TripRow)

    assert going[:7] == (VEHICLE_ID, of_type(car.events, TripStarted)[0].trip_id, at(0), at(20), False, None, going[6])
    assert over[1:6] == (going.trip_id, at(0), at(55), True, "ignition off")
    assert over.distance_m == of_type(car.events, TripEnded)[0].distance_m > going.distance_m


def test_trips_that_turn_out_to_be_one_are_one_row() -> None:
    car = Car()
    car.observe(Stream("a").batch(drive(0, 100), final=True, received=9_999), Stream("b").batch(drive(500, 600)))
    assert len(rows_of(project(car.events), TripRow)) == 2
    car.observe(Stream("c").batch(drive(150, 450)))
    (row,) = rows_of(project(car.events), TripRow)

    assert (row.started_at, row.ended_at, row.ended) == (at(0), at(600), False)


def test_a_trip_that_goes_on_after_all_is_not_over() -> None:
    car = Car()
    car.observe(Stream("a").batch(drive(0, 20), final=True, received=9_999))
    assert rows_of(project(car.events), TripRow)[0].ended
    car.observe(Stream("b").batch(drive(30, 50)))

    assert [(row.ended, row.end_reason, row.ended_at) for row in rows_of(project(car.events), TripRow)] == [
        (False, None, at(50))
    ]


def test_a_track_is_kept_in_pieces_as_it_was_told() -> None:
    car, stream = Car(), Stream()
    car.observe(stream.batch(trace(0, 30)), stream.batch(trace(40, 60, first=4)))
    pieces = rows_of(project(car.events), TrackRow)

    assert [piece.fix_captured_at for piece in pieces] == [
        [at(n) for n in (0, 10, 20, 30)],
        [at(n) for n in (40, 50, 60)],
    ]
    assert [(piece.started_at, piece.ended_at) for piece in pieces] == [(at(0), at(30)), (at(40), at(60))]


def test_where_two_streams_tell_a_moment_the_track_has_it_once() -> None:
    car = Car()
    car.observe(Stream("b").batch(trace(0, 30)), Stream("a").batch(trace(5, 25), place(30, 50.0)))
    track = merge_track(rows_of(project(car.events), TrackRow), at(0), at(30))

    assert [fix.captured_at for fix in track] == [at(n) for n in (0, 5, 10, 15, 20, 25, 30)]
    assert track[-1].latitude_deg == 48.003  # of b, which sorts last


def test_a_fix_that_one_leg_ends_and_the_next_begins_with_keeps_what_goes_with_it() -> None:
    car, stream = Car(), Stream()
    car.observe(
        stream.batch(ignition(0, "ON"), sample(paths.HEADING, 0, 90.0), trace(0, 30)),
        stream.batch(ignition(30, "OFF"), ignition(31, "ON"), trace(35, 40, first=5, step=5)),
    )
    track = merge_track(rows_of(project(car.events), TrackRow), at(0), at(99))

    assert [fix.heading_deg for fix in track] == [90.0] * 6


def test_fixes_outside_a_trip_are_not_in_its_track() -> None:
    car = Car()
    car.observe(Stream().batch(trace(0, 60)))

    assert [fix.captured_at for fix in merge_track(rows_of(project(car.events), TrackRow), at(15), at(30))] == [
        at(20),
        at(30),
    ]


# --- signals ----------------------------------------------------------------------------------------------------------


def test_only_what_is_about_place_and_motion_is_kept() -> None:
    car = Car()
    car.observe(Stream().batch(sample(paths.SPEED, 0, 36.0), sample(DOOR, 0, value=True), place(0, 48.0)))
    rows = rows_of(project(car.events), NavigationSignalRow)

    assert {row.path for row in rows} == {paths.SPEED, paths.LATITUDE, paths.LONGITUDE}


def test_the_last_fix_of_a_track_is_where_the_car_is() -> None:
    car = Car()
    car.observe(Stream().batch(trace(0, 30)))
    rows = {row.path: row for row in rows_of(project(car.events), NavigationSignalRow)}

    assert (rows[paths.LATITUDE].value, rows[paths.LATITUDE].captured_at) == (48.003, at(30))


def test_an_older_value_does_not_replace_a_newer_one() -> None:
    car = Car()
    car.observe(Stream("a").batch(sample(paths.SPEED, 9, 50.0)), Stream("b").batch(sample(paths.SPEED, 5, 36.0)))
    (row,) = rows_of(project(car.events), NavigationSignalRow)

    assert (row.value, row.captured_at, row.stream_id, row.quality) == (50.0, at(9), "a", Quality.OK)


def test_a_value_that_is_lost_is_a_row_without_a_value() -> None:
    car, stream = Car(), Stream()
    car.observe(stream.batch(sample(paths.SPEED, 0, 36.0), sample(paths.SPEED, 1, None, Quality.INVALID)))
    (row,) = rows_of(project(car.events), NavigationSignalRow)

    assert (row.kind, row.value, row.quality, row.captured_at) == ("none", None, Quality.INVALID, at(1))


# --- destination ------------------------------------------------------------------------------------------------------


def test_a_destination_is_set_and_reached() -> None:
    stream = Stream()
    row = destination_after(stream.batch(destination(1, 48.01)), stream.batch(place(9, 48.01)))

    assert row[1:6] == ("REACHED", 48.01, 11.0, at(1), at(9))


def test_a_destination_is_set_and_cleared() -> None:
    stream = Stream()
    row = destination_after(stream.batch(destination(1, 48.01)), stream.batch(no_destination(9)))

    assert row[1:6] == ("CLEARED", 48.01, 11.0, at(1), at(9))


def test_a_destination_of_the_past_is_not_the_present_one() -> None:
    new, old = Stream("a").batch(destination(9, 49.0)), Stream("b").batch(destination(1, 48.01))
    for batches in ((new, old), (old, new)):
        assert destination_after(*batches)[1:6] == ("SET", 49.0, 11.0, at(9), at(9))


def test_what_was_set_between_setting_and_clearing_is_what_was_cleared() -> None:
    a, b = Stream("a"), Stream("b")
    first, last, between = a.batch(destination(1, 48.01)), a.batch(no_destination(9)), b.batch(destination(5, 49.0))
    for batches in ((first, last, between), (between, first, last), (first, between, last)):
        assert destination_after(*batches)[1:6] == ("CLEARED", 49.0, 11.0, at(5), at(9))
