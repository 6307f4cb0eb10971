"""Ignition and trips."""

import pytest

from domain import events as e
from domain import paths
from domain.legs import MOVING_KMH
from domain.signals import Quality
from domain.trips import HALT_MAX_US
from domain.units import MICROS_PER_SECOND
from tests.support.batches import CABIN_TEMPERATURE, Stream, at, drive, ignition, place, sample, trace
from tests.support.given import Case, given, of_type, told

GAP_S = HALT_MAX_US // MICROS_PER_SECOND
M_A_S = 10  # 36 km/h


def ends(case: Case) -> list[e.TripEnded]:
    return list(of_type(case.car.events, e.TripEnded))


# --- ignition ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "event_type"),
    [
        ("ON", e.IgnitionTurnedOn),
        ("START", e.IgnitionTurnedOn),
        ("OFF", e.IgnitionTurnedOff),
        ("ACC", e.IgnitionTurnedOff),
        ("LOCK", e.IgnitionTurnedOff),
    ],
)
def test_a_stream_finds_the_ignition_as_it_is(state: str, event_type: type[e.StreamEvent]) -> None:
    given().when(Stream().batch(ignition(0, state))).then(
        told(event_type, initial=True, captured_at=at(0)), told(e.SignalsSampled)
    )


def test_the_ignition_goes_off() -> None:
    stream = Stream()
    given(stream.batch(ignition(0, "ON"))).when(stream.batch(ignition(5, "OFF"))).then(
        told(e.IgnitionTurnedOff, initial=False, captured_at=at(5)), told(e.SignalsSampled)
    )


def test_the_engine_starts_and_the_ignition_stays_on() -> None:
    stream = Stream()
    given(stream.batch(ignition(0, "ON"))).when(stream.batch(ignition(1, "START"), ignition(2, "ON"))).then_never(
        e.IgnitionTurnedOn, e.IgnitionTurnedOff
    )


def test_an_undefined_state_says_nothing_of_the_ignition() -> None:
    stream = Stream()
    given(stream.batch(ignition(0, "ON"))).when(stream.batch(ignition(1, "UNDEFINED"), ignition(2, "ON"))).then_never(
        e.IgnitionTurnedOn, e.IgnitionTurnedOff
    )


def test_the_ignition_that_is_confirmed_on_is_not_turned_on() -> None:
    stream = Stream()
    given(stream.batch(ignition(0, "ON"))).when(stream.batch(ignition(61, "ON"))).then(
        told(e.SignalsSampled, changed=[False])
    )


# --- a trip by speed --------------------------------------------------------------------------------------------------


def test_a_car_that_moves_starts_a_trip() -> None:
    given().when(Stream().batch(drive(0, 20))).then(
        told(e.SignalsSampled),
        told(e.TripStarted, started_at=at(0), captured_at=at(0)),
        told(e.TrackExtended, trip_started_at=at(0), trip_ended_at=at(20), leg_open=True, leg_closed=False),
    )


@pytest.mark.parametrize("kmh", [0.0, 2.0, MOVING_KMH - 0.1])
def test_a_car_that_stands_starts_no_trip(kmh: float) -> None:
    given().when(Stream().batch([sample(paths.SPEED, n, kmh + n % 2 / 100) for n in range(9)])).then(
        told(e.SignalsSampled)
    )


def test_a_car_that_reverses_moves() -> None:
    given().when(Stream().batch(sample(paths.SPEED, 0, -6.0))).then_among_others(told(e.TripStarted))


def test_a_trip_goes_on_in_the_next_batch() -> None:
    stream = Stream()
    given(stream.batch(drive(0, 20))).when(stream.batch(drive(30, 50))).then(
        told(e.SignalsSampled), told(e.TrackExtended, trip_started_at=at(0), trip_ended_at=at(50))
    )


def test_the_distance_is_the_speed_over_time() -> None:
    stream = Stream()
    case = given(stream.batch([sample(paths.SPEED, 10 * n, 36.0 + n % 2 * 36) for n in range(7)]))

    assert of_type(case.car.events, e.TrackExtended)[-1].trip_distance_m == pytest.approx(60 * 1.5 * M_A_S)


def test_a_trip_ends_when_the_ignition_goes_off() -> None:
    stream = Stream()
    given(stream.batch(ignition(0, "ON"), drive(0, 20))).when(stream.batch(ignition(25, "OFF"))).then(
        told(e.IgnitionTurnedOff),
        told(e.SignalsSampled),
        told(e.TrackExtended, leg_open=False, leg_closed=True, leg_ended_at=at(25)),
        told(e.TripEnded, started_at=at(0), ended_at=at(25), duration_s=25.0, reason="ignition off"),
    )


def test_a_halt_of_five_minutes_belongs_to_the_trip() -> None:
    stream = Stream()
    case = given(stream.batch(drive(0, 20)), stream.batch(drive(20 + GAP_S, 40 + GAP_S)))

    assert len(of_type(case.car.events, e.TripStarted)) == 1
    assert ends(case) == []


def test_a_longer_halt_parts_two_trips() -> None:
    stream = Stream()
    given(stream.batch(drive(0, 20))).when(stream.batch(drive(21 + GAP_S, 41 + GAP_S))).then(
        told(e.SignalsSampled),
        told(e.TrackExtended, leg_open=False, trip_ended_at=at(20)),
        told(e.TripStarted, started_at=at(21 + GAP_S)),
        told(e.TrackExtended, leg_open=True, leg_started_at=at(21 + GAP_S)),
        told(e.TripEnded, started_at=at(0), ended_at=at(20), reason="standstill"),
    )


def test_the_ignition_parts_two_trips_however_short_the_halt() -> None:
    stream = Stream()
    given(stream.batch(ignition(0, "ON"), drive(0, 20), ignition(21, "OFF"))).when(
        stream.batch(ignition(30, "ON"), drive(31, 51, kmh=50))
    ).then(
        told(e.IgnitionTurnedOn),
        told(e.SignalsSampled),
        told(e.TripStarted, started_at=at(31)),
        told(e.TrackExtended, trip_started_at=at(31)),
    )


def test_a_trip_that_ends_and_one_that_starts_in_the_same_batch_are_both_told() -> None:
    stream = Stream()
    given(stream.batch(ignition(0, "ON"), drive(0, 20))).when(
        stream.batch(drive(21, 31), ignition(32, "OFF"), ignition(40, "ON"), drive(41, 61, kmh=50))
    ).then_among_others(
        told(e.TrackExtended, trip_started_at=at(0), leg_closed=True),
        told(e.TripStarted, started_at=at(41)),
        told(e.TrackExtended, trip_started_at=at(41), leg_open=True),
        told(e.TripEnded, started_at=at(0), ended_at=at(32)),
    )


def test_a_trip_is_over_when_its_stream_speaks_of_other_things_long_after() -> None:
    stream = Stream()
    given(stream.batch(drive(0, 20))).when(stream.batch(sample(CABIN_TEMPERATURE, 21 + GAP_S, 20.0))).then(
        told(e.SignalsSampled), told(e.TrackExtended, leg_open=False), told(e.TripEnded, reason="standstill")
    )


def test_a_trip_is_not_over_as_long_as_it_may_go_on() -> None:
    stream = Stream()
    given(stream.batch(drive(0, 20))).when(stream.batch(sample(CABIN_TEMPERATURE, 20 + GAP_S, 20.0))).then(
        told(e.SignalsSampled)
    )


def test_a_trip_is_over_when_another_stream_speaks_long_after() -> None:
    given(Stream("a").batch(drive(0, 20))).when(Stream("b").batch(sample(CABIN_TEMPERATURE, 21 + GAP_S, 20.0))).then(
        told(e.SignalsSampled), told(e.TripEnded, ended_at=at(20))
    )


def test_a_trip_is_over_when_its_recording_ends_and_was_received_long_after() -> None:
    stream = Stream()
    given(stream.batch(drive(0, 20), received=9_999)).when(stream.batch(final=True, received=9_999)).then(
        told(e.TrackExtended, leg_open=False, fix_captured_at=[]), told(e.TripEnded, ended_at=at(20))
    )


def test_a_trip_may_go_on_after_a_stream_that_ended_just_now() -> None:
    stream = Stream()
    given(stream.batch(drive(0, 20))).when(stream.batch(final=True, received=21)).then_nothing()


def test_standing_in_a_trip_is_no_news_of_the_trip() -> None:
    stream = Stream()
    given(stream.batch(drive(0, 20), sample(paths.SPEED, 25, 0.0))).when(
        stream.batch(sample(paths.SPEED, 30, 0.0), sample(paths.SPEED, 60, 0.0))
    ).then_nothing()


def test_a_trip_is_not_ended_twice() -> None:
    stream = Stream()
    case = given(stream.batch(ignition(0, "ON"), drive(0, 20), ignition(21, "OFF")))
    case.when(stream.batch(sample(CABIN_TEMPERATURE, 999, 20.0)))

    assert len(ends(case)) == 1


def test_a_speed_that_is_lost_is_not_driven_on_with() -> None:
    stream = Stream()
    case = given(
        stream.batch(sample(paths.SPEED, 0, 36.0), sample(paths.SPEED, 10, 36.1)),
        stream.batch(sample(paths.SPEED, 15, None, Quality.INVALID)),
        stream.batch(sample(paths.SPEED, 60, 36.0)),
    )

    assert of_type(case.car.events, e.TrackExtended)[-1].trip_distance_m == pytest.approx(150, rel=0.01)


def test_the_energy_of_a_trip_is_what_the_battery_lost() -> None:
    stream = Stream()
    case = given(
        stream.batch(sample(paths.BATTERY_ENERGY, 0, 40), drive(1, 20, step=1)),
        stream.batch(sample(paths.BATTERY_ENERGY, 21, 39.5), ignition(22, "OFF")),
    )

    assert [trip.energy_kwh for trip in ends(case)] == [0.5]


def test_without_battery_a_trip_has_no_energy() -> None:
    stream = Stream()
    case = given(stream.batch(drive(0, 20), ignition(21, "OFF")))

    assert [trip.energy_kwh for trip in ends(case)] == [None]


# --- a trip by fixes --------------------------------------------------------------------------------------------------


def test_fixes_that_imply_a_speed_start_a_trip_where_there_is_no_speed() -> None:
    case = given().when(Stream().batch(trace(0, 30)))
    case.then(
        told(e.TripStarted, started_at=at(0)),
        told(e.TrackExtended, fix_captured_at=[at(0), at(10), at(20), at(30)], trip_ended_at=at(30)),
    )

    assert of_type(case.new, e.TrackExtended)[0].trip_distance_m == pytest.approx(3 * 111.2, rel=0.001)


def test_a_fix_from_the_batch_before_begins_the_track() -> None:
    stream = Stream()
    given(stream.batch(trace(0, 0))).when(stream.batch(trace(10, 20, first=1))).then(
        told(e.TripStarted, started_at=at(0)), told(e.TrackExtended, fix_captured_at=[at(0), at(10), at(20)])
    )


def test_a_trip_does_not_begin_before_the_one_before_it_has_ended() -> None:
    stream = Stream()
    given(stream.batch(ignition(0, "ON"), trace(0, 20), ignition(25, "OFF"))).when(
        stream.batch(ignition(26, "ON"), trace(30, 40, first=4))
    ).then_among_others(told(e.TripStarted, started_at=at(30)))


def test_a_trip_that_is_told_of_out_of_order_does_not_begin_before_one_that_has_ended() -> None:
    stream = Stream()
    first, second = stream.batch(place(5, 48.0), place(9, 48.001)), stream.batch(drive(100, 120), ignition(121, "OFF"))
    given(second).when(first).then_never(e.TripStarted, e.TripsRearranged, e.TrackExtended)


def test_fixes_that_hardly_move_start_no_trip() -> None:
    jitter = [each for n in range(9) for each in place(10 * n, 48 + n % 2 * 0.0001)]  # 11 m: 4 km/h
    given().when(Stream().batch(jitter)).then(told(e.SignalsSampled))


def test_fixes_start_no_trip_where_the_speed_says_that_the_car_stands() -> None:
    given().when(Stream().batch(sample(paths.SPEED, 0, 0.0), trace(0, 30))).then(told(e.SignalsSampled))


def test_a_jump_of_the_receiver_is_no_drive() -> None:
    given().when(Stream().batch(place(0, 0.0, 0.0), place(1, 48.0), place(2, 48.0))).then(told(e.SignalsSampled))


def test_a_jump_in_a_drive_adds_no_distance() -> None:
    stream = Stream()
    case = given(stream.batch(trace(0, 30), place(35, 0.0, 0.0), trace(40, 70, first=4)))

    assert of_type(case.car.events, e.TrackExtended)[-1].trip_distance_m == pytest.approx(6 * 111.2, rel=0.001)


def test_a_trip_with_speed_and_fixes_is_as_long_as_its_track() -> None:
    case = given(Stream().batch(drive(0, 60, kmh=42.0), trace(0, 60)))
    event = of_type(case.car.events, e.TrackExtended)[0]

    assert event.leg_distance_by_speed_m == pytest.approx(700, rel=0.01)
    assert event.trip_distance_m == event.leg_distance_by_fixes_m == pytest.approx(6 * 111.2, rel=0.001)


def test_a_track_that_has_holes_is_not_the_distance_of_its_trip() -> None:
    case = given(Stream().batch(drive(0, 100, kmh=42.0), trace(0, 60)))
    event = of_type(case.car.events, e.TrackExtended)[0]

    assert event.trip_distance_m == event.leg_distance_by_speed_m == pytest.approx(1_167, rel=0.01)


def test_a_position_that_is_lost_on_the_way_is_gone_on_from() -> None:
    stream = Stream()
    lost = [sample(path, 35, None, Quality.NOT_AVAILABLE) for path in (paths.LATITUDE, paths.LONGITUDE)]
    found = trace(100, 110, first=10)
    for batches in ([[*trace(0, 30), *lost, *found]], [trace(0, 30), lost, found], [[*trace(0, 30), *lost], found]):
        stream = Stream()
        case = given(*(stream.batch(batch) for batch in batches))

        assert of_type(case.car.events, e.TrackExtended)[-1].trip_distance_m == pytest.approx(11 * 111.2, rel=0.001)


def test_a_receiver_that_trembles_at_a_halt_adds_no_distance() -> None:
    stream = Stream()
    tremble = [each for n in range(9) for each in place(61 + n, 48.006 + n % 2 * 0.0001)]
    case = given(stream.batch(drive(0, 60, kmh=40.0), trace(0, 60), sample(paths.SPEED, 61, 0.0), tremble))

    assert of_type(case.car.events, e.TrackExtended)[0].trip_distance_m == pytest.approx(6 * 111.2, rel=0.001)


def test_a_fix_goes_with_what_is_told_beside_it() -> None:
    stream = Stream()
    case = given(
        stream.batch(sample(paths.HEADING, 0, 90.0), sample(paths.SPEED, 0, 40.0), sample(paths.ALTITUDE, 0, 500)),
        stream.batch(trace(90, 90), sample(paths.SPEED, 90, 41.0)),
        stream.batch(trace(100, 100, first=1)),
    )
    before, after = of_type(case.car.events, e.TrackExtended)[-2:]

    assert (before.heading_deg, before.speed_kmh, before.altitude_m) == ([90.0], [41.0], [500.0])
    assert (after.heading_deg, after.speed_kmh, after.altitude_m) == ([None], [41.0], [None])


def test_the_position_after_a_trip_is_a_signal() -> None:
    stream = Stream()
    case = given(stream.batch(ignition(0, "ON"), trace(0, 20), ignition(21, "OFF"), place(25, 48.003)))
    state = case.car.vehicle.state

    assert state.signals[paths.LATITUDE][:1] == (at(25),)
    assert state.lanes["a"].last[paths.LATITUDE][:1] == (at(25),)


# --- several streams --------------------------------------------------------------------------------------------------


def test_two_recordings_that_follow_each_other_are_one_trip() -> None:
    first, second = Stream("a"), Stream("b")
    given(first.batch(drive(0, 20), final=True)).when(second.batch(drive(30, 50))).then(
        told(e.SignalsSampled), told(e.TrackExtended, trip_started_at=at(0), trip_ended_at=at(50))
    )


def test_a_drive_earlier_than_all_becomes_a_trip_in_its_place() -> None:
    newer = Stream("a").batch(drive(9_000, 9_020), ignition(9_021, "OFF"))
    given(newer).when(Stream("b").batch(drive(0, 20), final=True, received=9_999)).then_among_others(
        told(e.TripStarted, started_at=at(0)),
        told(e.TrackExtended, trip_started_at=at(0)),
        told(e.TripEnded, started_at=at(0), ended_at=at(20)),
    )


def test_history_is_not_ended_with_every_batch() -> None:
    old = Stream("b")
    case = given(Stream("a").batch(drive(9_000, 9_020)), old.batch(drive(0, 20)), old.batch(drive(30, 50)))
    case.when(old.batch(final=True, received=9_999)).then_among_others(
        told(e.TripEnded, started_at=at(0), ended_at=at(50))
    )

    assert len(ends(case)) == 1


def test_an_earlier_beginning_gives_a_trip_another_name() -> None:
    later, earlier = Stream("a").batch(drive(100, 200)), Stream("b").batch(drive(0, 90))
    case = given(later)
    old_id = of_type(case.car.events, e.TripStarted)[0].trip_id
    case.when(earlier).then_among_others(
        told(e.TripsRearranged, removed_trip_ids=[old_id], started_at=[at(0)], ended_at=[at(200)])
    )


def test_what_lies_between_joins_two_trips() -> None:
    a, b, c = Stream("a"), Stream("b"), Stream("c")
    case = given(a.batch(drive(0, 100), final=True, received=9_999), b.batch(drive(500, 600)))
    ids = [event.trip_id for event in of_type(case.car.events, e.TripStarted)]
    case.when(c.batch(drive(150, 450))).then_among_others(
        told(e.TripsRearranged, removed_trip_ids=[ids[1]], trip_id=[ids[0]], ended_at=[at(600)]),
        told(e.TrackExtended, trip_id=ids[0]),
    )

    assert len(case.car.vehicle.state.trips) == 1


def test_an_ignition_that_is_heard_of_later_parts_a_trip() -> None:
    a, b = Stream("a"), Stream("b")
    case = given(a.batch(ignition(0, "ON"), drive(0, 100)), b.batch(drive(200, 300)))
    case.when(a.batch(ignition(150, "OFF"))).then_among_others(
        told(e.TripsRearranged, removed_trip_ids=[], started_at=[at(0), at(200)]),
        told(e.TripEnded, started_at=at(0), ended_at=at(150)),
    )


def test_a_trip_after_another_is_told_as_started_and_leaves_the_other_alone() -> None:
    a, b = Stream("a"), Stream("b")
    given(a.batch(ignition(0, "ON"), drive(0, 100), ignition(101, "OFF"))).when(b.batch(drive(110, 200))).then(
        told(e.SignalsSampled), told(e.TripStarted, started_at=at(110)), told(e.TrackExtended, trip_started_at=at(110))
    )


def test_a_drive_under_two_names_is_as_long_as_under_one() -> None:
    once, again = Stream("a").batch(drive(0, 100)), Stream("b").batch(drive(0, 100))
    case = given(once)
    length_m = case.car.vehicle.state.trips[0].distance_m
    case.when(again).then(told(e.SignalsSampled), told(e.TrackExtended, trip_distance_m=length_m))


def test_what_two_streams_tell_of_one_time_counts_once() -> None:
    case = given(Stream("a").batch(drive(0, 100)), Stream("b").batch(drive(50, 150)))
    (trip,) = case.car.vehicle.state.trips

    assert trip.distance_m == pytest.approx(150 * M_A_S, rel=0.01)


def test_late_data_tells_the_end_again() -> None:
    a, b = Stream("a"), Stream("b")
    case = given(a.batch(drive(0, 100), ignition(101, "OFF")))
    case.when(b.batch(drive(50, 200), final=True, received=9_999)).then_among_others(
        told(e.TripEnded, started_at=at(0), ended_at=at(200), reason="standstill")
    )


def test_a_batch_out_of_order_does_not_move_a_trip_back() -> None:
    stream = Stream()
    first = stream.batch(sample(CABIN_TEMPERATURE, 0, 20.0))
    second, third = stream.batch(place(5, 48.0), place(9, 48.001)), stream.batch(drive(100, 120))
    case = given(first, third)
    case.when(second).then_never(e.TripStarted, e.TrackExtended, e.TripsRearranged)

    assert case.car.vehicle.state.trips[0].ended_at == at(120)
