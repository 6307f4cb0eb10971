"""What a vehicle forgets, and what is still right then."""

from domain import events as e
from domain import paths
from domain.signals import SignalBatch
from domain.state import LANES_MAX, READINGS_MAX, CodeKey
from tests.support.batches import DOOR, Stream, at, drive, report, sample
from tests.support.given import Car, of_type, told


def streams(count: int) -> list[SignalBatch]:
    return [Stream(f"{number:03}").batch(sample(DOOR, number, value=bool(number % 2))) for number in range(count)]


def test_only_so_many_streams_are_remembered_the_one_silent_for_longest_is_forgotten() -> None:
    car = Car()
    first = Stream("first")
    car.observe(first.batch(sample(DOOR, 0, value=True)), *streams(LANES_MAX - 1))
    car.observe(first.batch(sample(DOOR, 60, value=True)))  # speaks again
    car.observe(Stream("last").batch(sample(DOOR, 70, value=True)))

    assert len(car.vehicle.state.lanes) == LANES_MAX
    assert {"first", "last"} <= car.vehicle.state.lanes.keys()
    assert "000" not in car.vehicle.state.lanes
    car.check()


def test_a_stream_that_was_forgotten_tells_its_values_anew_and_replaces_nothing_newer() -> None:
    car = Car()
    forgotten = Stream("forgotten")
    car.observe(forgotten.batch(sample(DOOR, 0, value=False)), *streams(LANES_MAX))
    new = car.observe(forgotten.batch(sample(DOOR, 1, value=False)))

    assert new == [told(e.SignalsSampled, path=[DOOR], changed=[True], sampled_at=[at(1)])]
    assert car.vehicle.state.signals[DOOR].captured_at == at(LANES_MAX - 1)
    car.check()


def test_a_batch_of_a_stream_that_was_forgotten_still_counts_once() -> None:
    car = Car()
    forgotten = Stream("forgotten")
    batch = forgotten.batch(sample(DOOR, 0, value=False))
    car.observe(batch, *streams(LANES_MAX))

    assert car.observe(batch) == []


def test_the_trip_of_a_stream_that_was_forgotten_has_an_end() -> None:
    car = Car()
    car.observe(Stream("forgotten").batch(drive(0, 60)))
    car.observe(*[Stream(f"{n}").batch(sample(DOOR, 1_000 + n, value=True)) for n in range(LANES_MAX)])

    (ended,) = of_type(car.events, e.TripEnded)
    assert ended.ended_at == at(60)
    assert car.vehicle.state.open_trips == {}
    car.check()


def test_a_stream_that_was_forgotten_in_a_drive_goes_on_with_the_trip() -> None:
    car = Car()
    forgotten = Stream("forgotten")
    car.observe(forgotten.batch(drive(0, 60)), *streams(LANES_MAX), forgotten.batch(drive(70, 100)))

    (trip,) = car.vehicle.state.trips
    assert (trip.started_at, trip.ended_at) == (at(0), at(100))
    car.check()


def test_only_so_many_readings_are_remembered_and_an_old_code_is_cleared_all_the_same() -> None:
    car, stream = Car(), Stream()
    for number in range(READINGS_MAX + 5):
        car.observe(stream.batch(report(10 + number, *(["U0100"] if number % 2 else []))))
    car.observe(Stream("old").batch(report(0, "P0301"), sample(paths.SPEED, 0, 0.0)))

    state = car.vehicle.state
    assert {len(readings) for readings in state.readings.values()} == {READINGS_MAX}
    assert not state.codes[CodeKey("7E8", "OBD 03", "P0301", None)].held
    car.check()
