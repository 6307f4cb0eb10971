"""What is sent to the cloud arrives as often as the faults say, whatever the seed."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator.delivery import TRAVEL_US, Delivery
from adapters.simulator.fault_plan import HOUR_US, Faults
from domain.signals import SignalBatch
from domain.units import Micros

ORIGIN_US = 1_780_288_200_000_000
STEP_US = 30_000_000
CARS = 3
shares = st.sampled_from([0.0, 0.1, 0.5, 1.0])
faults = st.builds(Faults, lost=shares, doubled=shares, reordered=shares, late=shares, tunnel=shares)


def batch(car: int, sequence: int, *, final: bool = False) -> SignalBatch:
    return SignalBatch(UUID(int=car), "s", sequence, Micros(0), (), final=final)


def run(delivery: Delivery, steps: int) -> list[SignalBatch]:
    """Send a batch of each car at each step, the last one final; return what arrived, in order."""
    came: list[SignalBatch] = []
    for step in range(1, steps + 1):
        for car in range(CARS):
            delivery.send(car, batch(car, step, final=step == steps), step * STEP_US)
        came += delivery.arrived(step * STEP_US)
    return came + delivery.rest()


@given(faults, st.integers(0, 2**32), st.integers(1, 200))
def test_every_batch_arrives_or_is_lost_and_no_more_than_the_doubled_twice(
    chosen: Faults, seed: int, steps: int
) -> None:
    delivery = Delivery(chosen, seed, CARS, ORIGIN_US)
    came = Counter((each.vehicle_id.int, each.sequence) for each in run(delivery, steps))
    lost = {(each.car, each.sequence) for each in delivery.lost}

    assert came.keys() | lost == {(car, step) for car in range(CARS) for step in range(1, steps + 1)}
    assert not came.keys() & lost
    assert sum(count - 1 for count in came.values()) == delivery.doubled
    assert set(came.values()) <= {1, 2}
    assert not any(sequence == steps for _, sequence in lost)  # the last one of a stream


@given(faults, st.integers(0, 2**32))
def test_the_same_seed_delivers_alike(chosen: Faults, seed: int) -> None:
    one, other = (run(Delivery(chosen, seed, CARS, ORIGIN_US), 40) for _ in range(2))

    assert one == other


@given(st.integers(0, 2**32))
def test_without_faults_everything_arrives_once_in_order_and_soon(seed: int) -> None:
    delivery = Delivery(Faults(), seed, CARS, ORIGIN_US)
    came = run(delivery, 20)

    assert [each.sequence for each in came if each.vehicle_id.int == 1] == list(range(1, 21))
    assert all(each.received_at == ORIGIN_US + each.sequence * STEP_US + TRAVEL_US for each in came)


@given(faults, st.integers(0, 2**32))
def test_times_of_receipt_never_go_down(chosen: Faults, seed: int) -> None:
    times = [each.received_at for each in run(Delivery(chosen, seed, CARS, ORIGIN_US), 60)]

    assert times == sorted(times)


@given(st.integers(0, 2**32))
def test_an_hour_in_a_tunnel_arrives_at_once(seed: int) -> None:
    delivery = Delivery(Faults(tunnel=0.01), seed, CARS, ORIGIN_US)
    (car,) = delivery._tunnels
    came = [each for each in run(delivery, 200) if each.vehicle_id.int == car]
    together = Counter(each.received_at for each in came).most_common(1)[0][1]

    assert together == HOUR_US // STEP_US
    assert [each.sequence for each in came] == list(range(1, 201))
