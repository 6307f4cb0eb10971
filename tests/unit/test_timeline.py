"""Which events of a vehicle came late: what was measured before something that was known already."""

from typing import Any, Final
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from adapters.timeline import late_versions
from domain import events as e
from domain.units import Micros
from tests.support.batches import T0
from tests.support.events import VEHICLE_ID

TRIP_ID: Final = UUID(int=1)
TOTALS: Final = {"trip_id": TRIP_ID, "distance_m": 1.0, "duration_s": 1.0, "energy_kwh": None, "reason": "standstill"}


def event(kind: type[e.VehicleEvent], at: int, sequence: int, **told: Any) -> e.VehicleEvent:
    """Return an event without its place in a history."""
    told = {"stream_id": "one", "sequence": sequence, **told}
    return kind(originator_id=VEHICLE_ID, originator_version=0, captured_at=Micros(at), received_at=T0, **told)


def sampled(sequence: int, *moments: int) -> e.VehicleEvent:
    """Return samples of some moments."""
    columns: dict[str, Any] = {"path": ["Vehicle.Speed"], "value": [1.0], "quality": [0], "changed": [True]}
    columns = {name: column * len(moments) for name, column in columns.items()}
    return event(e.SignalsSampled, moments[0], sequence, sampled_at=list(moments), **columns)


def ignition(sequence: int, at: int) -> e.VehicleEvent:
    return event(e.IgnitionTurnedOff, at, sequence, initial=False)


def trip_ended(sequence: int, at: int) -> e.VehicleEvent:
    return event(e.TripEnded, at, sequence, started_at=0, ended_at=at, **TOTALS)


def late(*events: e.VehicleEvent) -> list[int]:
    """Return which of these events are late, counted from 1."""
    return sorted(
        late_versions(type(each)(**{**vars(each), "originator_version": n}) for n, each in enumerate(events, 1))
    )


def test_what_was_measured_before_a_sample_of_an_earlier_batch_is_late() -> None:
    assert late(sampled(1, 10, 50), ignition(2, 40), ignition(3, 50), ignition(4, 60)) == [2]


def test_the_order_within_a_batch_is_of_no_account() -> None:
    assert late(ignition(1, 30), sampled(1, 10, 50), ignition(1, 20)) == []


def test_a_trip_whose_end_turns_out_later_is_not_late() -> None:
    assert late(sampled(1, 10, 50), sampled(2, 60), trip_ended(2, 40), sampled(3, 70)) == []
    assert late(sampled(1, 10, 50), trip_ended(2, 40)) == []


def test_a_trip_of_data_that_came_late_is_late() -> None:
    assert late(sampled(1, 90), sampled(2, 10, 50), trip_ended(2, 40)) == [2, 3]
    assert late(sampled(1, 90), sampled(2, 50), trip_ended(2, 40)) == [2, 3]


def test_what_is_of_our_clock_is_never_late_and_makes_nothing_late() -> None:
    left = e.VehicleDecommissioned(
        originator_id=VEHICLE_ID, originator_version=0, captured_at=Micros(99), received_at=T0, reason="sold"
    )
    assert late(left, ignition(1, 10), sampled(2, 5), left) == [3]


@given(st.lists(st.lists(st.integers(0, 1_000), min_size=1, max_size=3), max_size=8))
def test_by_its_time_every_event_of_telemetry_is_late_or_the_newest_so_far(batches: list[list[int]]) -> None:
    events = [ignition(number, at) for number, batch in enumerate(batches) for at in batch]
    before = {number: max((at for each in batches[:number] for at in each), default=-1) for number in range(9)}
    expected = [n for n, each in enumerate(events, 1) if each.captured_at < before[each.sequence]]  # type: ignore[attr-defined]
    assert late(*events) == expected
