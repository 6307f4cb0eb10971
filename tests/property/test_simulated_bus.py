"""Frames of a simulated car are the same however the time is cut, and the same again."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.can.blocks import joined_run, widened
from adapters.can.dbc import Dbc, load_dbc, opendbc_path
from adapters.can.frames import FrameBlock
from adapters.simulator.bus import JITTER_US, CarBus
from adapters.simulator.ecu import exchanges
from adapters.simulator.messages import timetable
from adapters.simulator.messages_meb import MEB
from adapters.simulator.messages_mqb import MQB
from adapters.simulator.specs import Drive
from adapters.simulator.trace import DAY_S, Said, SongSaid, VinSaid
from domain.errors import BadInputError
from domain.vin import Vin
from tests.support.traces import (
    CHARGED_S,
    CHARGES_S,
    ON_S,
    OPENED_S,
    SLEEPS_S,
    VIN,
    HandMadeCar,
    HandMadeLife,
    life_of,
    short_day,
)

ORIGIN_US = 1_770_000_000_000_000
SECOND = 1_000_000


@cache
def dbcs() -> dict[str, Dbc]:
    try:
        files = {name: load_dbc(opendbc_path(name)) for name in ("vw_meb", "vw_mqb")}
    except BadInputError as absent:
        pytest.skip(str(absent))
    return files | {"fleettwin": load_dbc(Path(__file__).parents[2] / "schemas/dbc/fleettwin.dbc")}


@cache
def bus(drive: Drive) -> CarBus:
    return CarBus(life_of(drive), dbcs())


def as_bytes(block: FrameBlock) -> tuple[bytes, ...]:
    data = widened(block.data, 64)
    return tuple(column.tobytes() for column in (block.captured_at, block.can_id, block.bus, block.length, data))


# Where something begins or ends, in the first days.
EDGES = [OPENED_S, ON_S, 150, 600, SLEEPS_S, CHARGES_S, CHARGED_S, DAY_S, DAY_S + OPENED_S]


@given(
    st.sampled_from([Drive.ELECTRIC, Drive.PETROL]),
    st.sampled_from(EDGES),
    st.integers(-3 * SECOND, 3 * SECOND),
    st.lists(st.integers(0, 2 * SECOND), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_the_cut_does_not_matter(drive: Drive, edge_s: int, offset_us: int, steps: list[int]) -> None:
    first = edge_s * SECOND + offset_us
    cuts = np.cumsum([first, *steps]).tolist()

    whole = bus(drive).frames(cuts[0], cuts[-1], ORIGIN_US)
    parts = [bus(drive).frames(begin, end, ORIGIN_US) for begin, end in pairwise(cuts)]

    assert as_bytes(joined_run([*parts, bus(drive).frames(0, 0, ORIGIN_US)])) == as_bytes(whole)
    assert (np.diff(whole.captured_at) >= 0).all()
    if len(whole):
        assert whole.captured_at[0] >= ORIGIN_US + cuts[0]
        assert whole.captured_at[-1] < ORIGIN_US + cuts[-1]


@pytest.mark.parametrize("drive", list(Drive))
def test_the_same_seed_makes_the_same_bytes_and_another_one_others(drive: Drive) -> None:
    span = (199 * SECOND, 202 * SECOND, ORIGIN_US)
    again = CarBus(life_of(drive), list(dbcs().values()) if drive is Drive.ELECTRIC else dbcs())
    life = life_of(drive)
    car = HandMadeCar(life.car.platform, drive, number=1, tank_l=life.car.tank_l)

    assert as_bytes(again.frames(*span)) == as_bytes(bus(drive).frames(*span))
    assert as_bytes(CarBus(HandMadeLife(car), dbcs()).frames(*span)) != as_bytes(bus(drive).frames(*span))


@pytest.mark.parametrize("drive", list(Drive))
@pytest.mark.parametrize("wanted", [100, 1_000, 2_000])
def test_a_car_that_drives_sends_about_as_many_frames_as_wanted(drive: Drive, wanted: int) -> None:
    block = CarBus(life_of(drive), dbcs(), frames_per_second=wanted).frames(500 * SECOND, 510 * SECOND, 0)

    assert len(block) == pytest.approx(10 * wanted, rel=0.02)
    ids, counts = np.unique(block.can_id, return_counts=True)
    assert counts.min() >= 9
    for can_id in ids[counts > 100]:
        spaces = np.diff(block.captured_at[block.can_id == can_id])
        assert np.ptp(spaces) <= 2 * JITTER_US
        assert len(np.unique(spaces)) > 20


def test_no_message_comes_less_than_once_a_second() -> None:
    for table in (MEB, MQB):
        slowest = timetable(table, 1)
        assert set(slowest.periods_us) == {SECOND}


def test_a_bus_sleeps_and_a_car_that_charges_says_little() -> None:
    electric = bus(Drive.ELECTRIC)

    assert len(electric.frames(0, OPENED_S * SECOND, 0)) == 0
    assert len(electric.frames(SLEEPS_S * SECOND, (CHARGES_S - 30) * SECOND, 0)) == 0
    charging = electric.frames((CHARGES_S + 10) * SECOND, (CHARGES_S + 20) * SECOND, 0)
    _, counts = np.unique(charging.can_id, return_counts=True)
    assert set(counts.tolist()) == {10}
    assert len(counts) < 15


def test_counters_follow_the_index_of_the_frame() -> None:
    block = bus(Drive.ELECTRIC).frames(500 * SECOND, 503 * SECOND, 0)
    speeds = block.data[block.can_id == 0xFD]
    counters = (speeds[:, 1] & 0x0F).astype(int)
    assert (np.diff(counters) % 16 == 1).all()


def test_what_is_said_at_one_time_is_said_in_turn() -> None:
    song = SongSaid("t" * 60, "a" * 60, "b" * 60)
    trace = short_day(said=[Said(5.0, song), Said(5.0, VinSaid()), Said(5.01, song), Said(9.0, song)])

    said = exchanges(trace.said, Vin.parse(VIN))

    assert (np.diff(said.captured_at) > 0).all()
    asked = said.captured_at[np.isin(said.can_id, [0x773, 0x710]) & (said.data[:, 1] == 0x22)]
    assert asked[0] == 5 * SECOND
    assert asked[-1] == 9 * SECOND
    assert len(asked) == 4


def test_without_the_files_of_its_platform_a_car_cannot_speak() -> None:
    with pytest.raises(BadInputError, match="there is no message LWI_01"):
        CarBus(life_of(Drive.ELECTRIC), [dbcs()["fleettwin"]])
