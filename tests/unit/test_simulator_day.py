"""Days of simulated cars, and what a twin comes to know of them."""

import itertools

import numpy as np
import pytest

from adapters.simulator import truth
from adapters.simulator.fleet import simulated_fleet
from adapters.simulator.songs import load_songs
from adapters.simulator.trace import DAY_S, CodesSaid, SongSaid, VinSaid
from domain import events as e
from domain import legs, places
from domain.geo import great_circle_m
from domain.units import Degrees
from tests.support.batches import T0, Stream
from tests.support.given import Car, of_type
from tests.support.simulated_days import check_day, heard, life, runs_of

CARS = range(12)
FLEET = 40


@pytest.mark.parametrize("number", CARS)
def test_what_holds_for_every_day(number: int) -> None:
    for day in range(3):
        check_day(life(number).car, life(number).day(day))


@pytest.mark.parametrize("number", CARS)
def test_a_car_keeps_to_its_road(number: int) -> None:
    road, day = life(number).road, life(number).day(0)

    assert road.region == life(number).car.region.key
    for column, of_road in ((day.latitude_deg, road.latitude_deg), (day.longitude_deg, road.longitude_deg)):
        assert of_road.min() <= column.min()
        assert column.max() <= of_road.max()


def test_the_first_minutes_are_lively() -> None:
    days = [life(number).day(0) for number in range(FLEET)]
    starts = [day.truth.trips[0].started_s for day in days]
    ends = [trip.ended_s for day in days for trip in day.truth.trips]

    assert 0.6 <= sum(start < 1_200 for start in starts) / FLEET <= 0.85
    assert sum(start < 60 for start in starts) >= FLEET / 5
    assert sum(end < 900 for end in ends) >= FLEET / 10
    assert any(code.raised and code.at_s < 600 for day in days for code in day.truth.codes)


def test_a_fleet_does_everything() -> None:
    days = [life(number).day(day) for number in range(FLEET) for day in range(2)]
    states = {destination.state for day in days for destination in day.truth.destinations}

    assert states == {"SET", "REACHED", "CLEARED"}
    assert any(day.truth.charges for day in days)
    assert any((day.engine_rpm > 0).any() for day in days)
    assert any(not code.raised for day in days for code in day.truth.codes)
    assert any((day.media_playback == 1).any() for day in days)  # a call
    assert any((np.diff(day.fuel_l) > 0).any() for day in days)
    assert any((day.tire_kpa.min(axis=0) < 200).any() for day in days)


def test_songs_of_many_scripts() -> None:
    songs = load_songs()
    titles = "".join(song.title for song in songs)

    assert len({song.title for song in songs}) == len(songs) >= 30
    assert all(part == part.strip() for song in songs for part in song)
    for first, last in (("\u4e00", "\u9fff"), ("\u0410", "\u044f"), ("\u0391", "\u03c9"), ("\u00c0", "\u017e")):
        assert any(first <= letter <= last for letter in titles)


def test_a_song_never_follows_itself() -> None:
    for number in CARS:
        titles = [
            said.what.title
            for day in range(3)
            for said in life(number).day(day).said
            if isinstance(said.what, SongSaid)
        ]
        assert all(one != other for one, other in itertools.pairwise(titles))


def test_every_drive_begins_with_the_vin_and_all_codes() -> None:
    day = life(3).day(0)
    for start, end in runs_of(day.ignition):
        said = [one for one in day.said if start <= one.at_s < end]
        assert sum(isinstance(one.what, VinSaid) for one in said) == 1
        asked = [one.at_s for one in said if isinstance(one.what, CodesSaid)]
        assert asked[0] == start + 2
        assert np.diff(asked).max() <= 180


def test_the_rules_of_the_truth_are_those_of_the_vehicle() -> None:
    assert truth.MOVING_KMH == legs.MOVING_KMH
    assert truth.ARRIVAL_RADIUS_M == places.ARRIVAL_RADIUS_M


def test_distances_are_great_circles() -> None:
    metres = truth.distances_m(np.array([48.0, -3.0]), np.array([11.0, 100.0]), (48.1, 11.2))
    one, other = (great_circle_m(*(Degrees(x) for x in (*a, 48.1, 11.2))) for a in ((48.0, 11.0), (-3.0, 100.0)))

    assert metres.tolist() == pytest.approx([one, other])


@pytest.mark.parametrize("number", CARS)
def test_a_twin_that_hears_all_knows_the_truth(number: int) -> None:
    car, stream = Car(), Stream()
    days = [life(number).day(n) for n in range(2)]
    for day in days:
        car.observe(*heard(stream, day))
    trips, plays, codes, charges, destinations = (
        list(itertools.chain(*some)) for some in zip(*(day.truth for day in days), strict=True)
    )

    def seconds(at: int) -> float:
        return (at - T0) / 1e6

    ended = of_type(car.events, e.TripEnded)
    assert [seconds(trip.started_at) for trip in ended] == pytest.approx([trip.started_s for trip in trips], abs=1.0)
    assert [seconds(trip.ended_at) for trip in ended] == [trip.ended_s for trip in trips]
    assert [trip.distance_m for trip in ended] == pytest.approx([trip.distance_m for trip in trips], rel=0.02)
    told_kwh = [trip.energy_kwh for trip in ended]
    if life(number).car.spec.battery_kwh:
        assert told_kwh == pytest.approx([trip.energy_kwh for trip in trips], abs=0.05)
    else:
        assert told_kwh == [trip.energy_kwh for trip in trips] == [None] * len(trips)

    started = of_type(car.events, e.TrackStarted)
    told = [(seconds(x.captured_at), x.title, x.artist, x.album, x.source) for x in started]
    assert told == [(pytest.approx(play.at_s), *play[1:]) for play in plays]

    told_codes: list[tuple[object, ...]] = []
    held: set[tuple[str, str, int | None]] = set()
    for event in car.events:
        if isinstance(event, (e.TroubleCodeRaised, e.TroubleCodeCleared)):
            key, raised = (event.ecu, event.code, event.failure_type), isinstance(event, e.TroubleCodeRaised)
            if raised != (key in held):
                told_codes.append((seconds(event.captured_at), *key, raised))
            held ^= {key} if raised != (key in held) else set()
    assert told_codes == [(pytest.approx(code.at_s), *code[1:]) for code in codes]

    ends = of_type(car.events, e.ChargingEnded)
    assert [(seconds(x.started_at), seconds(x.captured_at)) for x in ends] == [x[:2] for x in charges]
    assert [x.energy_added_kwh for x in ends] == pytest.approx([x.energy_kwh for x in charges], abs=0.01)
    assert [x.state_of_charge_percent for x in ends] == pytest.approx([x.end_percent for x in charges], abs=0.1)

    states = {e.DestinationSet: "SET", e.DestinationReached: "REACHED", e.DestinationCleared: "CLEARED"}
    told_places = [(seconds(x.captured_at), states[type(x)]) for x in car.events if type(x) in states]
    assert told_places == [x[:2] for x in destinations]


def test_days_are_asked_for_in_any_order() -> None:
    car = simulated_fleet(1, 9)[0]
    forward, backward = life(0, 9), type(life(0, 9))(car)

    late = backward.day(3)

    assert late.truth == [forward.day(n) for n in range(4)][3].truth
    assert backward.day(0).truth == forward.day(0).truth
    assert backward.day(3).first_s == 3 * DAY_S
