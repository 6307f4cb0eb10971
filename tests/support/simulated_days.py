"""Days of simulated cars: what must hold for each of them, and what a twin that misses nothing hears of one."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from adapters.simulator.fleet import Car, simulated_fleet
from adapters.simulator.life import CarLife
from adapters.simulator.media import SOURCES
from adapters.simulator.specs import Drive
from adapters.simulator.trace import DAY_S, ROWS, CodesSaid, SongSaid, Trace
from adapters.simulator.truth import distances_m
from domain import paths
from domain.signals import Quality, Sample, SignalBatch, TroubleCodeReport, TroubleCodeStatus
from domain.trouble_codes import parse_code
from tests.support.batches import Stream, at, sample

COLUMNS: Final = tuple(name for name in Trace.__slots__ if name not in {"day", "from_s", "said", "truth"})
BATCH_S: Final = 60


@cache
def life(number: int, seed: int = 1) -> CarLife:
    """Return the life of a car."""
    return CarLife(simulated_fleet(number + 1, seed)[number])


def runs_of(flag: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where a column is true: the first row of each run, and the row after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flag, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def check_day(car: Car, day: Trace) -> None:
    """Check what holds for every day of every car."""
    for name in COLUMNS:
        column = getattr(day, name)
        assert column.shape == ((4, ROWS) if name == "tire_kpa" else (ROWS,)), name
        assert not column.flags.writeable, name
        assert np.isfinite(column).all(), name
    _check_driving(day)
    _check_energy(car, day)
    _check_switches(day)


def _check_driving(day: Trace) -> None:
    speed_ms = day.speed_kmh / 3.6
    assert day.speed_kmh.min() == 0
    assert day.speed_kmh.max() < 140
    assert np.abs(np.diff(speed_ms)).max() < 2.0
    assert np.abs(day.acceleration_ms2).max() < 2.0
    steps_m = np.diff(day.odometer_m)
    assert steps_m.min() >= 0
    np.testing.assert_allclose(steps_m, (speed_ms[1:] + speed_ms[:-1]) / 2, atol=1e-6)
    moved_m = [
        float(distances_m(day.latitude_deg[k : k + 1], day.longitude_deg[k : k + 1], place)[0])
        for k, place in zip(
            range(0, ROWS - 60, 60),
            zip(day.latitude_deg[60::60].tolist(), day.longitude_deg[60::60].tolist(), strict=True),
            strict=True,
        )
    ]
    assert (np.array(moved_m) <= np.diff(day.odometer_m[::60]) * 1.006 + 0.01).all()  # never farther than it drove
    going = speed_ms > 5
    fast_turn = np.abs(np.diff(day.heading_deg))[going[1:] & going[:-1]]
    assert fast_turn.max(initial=0.0) < 60
    assert np.abs(day.steering_deg).max() < 500
    assert (day.steering_deg[day.speed_kmh == 0] == 0).all()


def _check_energy(car: Car, day: Trace) -> None:
    spec = car.spec
    power = day.battery_power_kw
    gained_kwh = np.concatenate(([0.0], np.cumsum((power[1:] + power[:-1]) / 2))) / 3600
    np.testing.assert_allclose(day.energy_kwh - day.energy_kwh[0], gained_kwh, atol=1e-6)
    assert (day.energy_kwh >= 0).all()
    assert (day.energy_kwh <= spec.battery_kwh + 1e-9).all()
    assert (day.state_of_charge_percent >= 0).all()
    assert (day.state_of_charge_percent <= 100 + 1e-9).all()
    assert (day.fuel_l >= 0).all()
    assert (day.fuel_l <= spec.tank_l).all()
    assert (day.range_km >= 0).all()
    assert (day.range_km < 1_200).all()
    assert (day.engine_rpm < 6_000).all()
    assert bool(day.engine_rpm.any()) <= (spec.tank_l > 0)
    assert (day.coolant_celsius <= 90.01).all()
    assert (day.tire_kpa > 90).all()
    assert (day.tire_kpa < 330).all()
    if spec.drive is Drive.PETROL:
        assert not day.energy_kwh.any()
        assert not day.plug.any()


def _check_switches(day: Trace) -> None:
    assert not (day.ignition & ~day.awake).any()
    assert not (day.accessories & ~day.awake).any()
    assert not (day.charging & ~(day.awake & day.plug & day.plug_locked)).any()
    assert not (day.charging & (day.ignition | (day.speed_kmh > 0))).any()
    assert not ((day.speed_kmh > 0) & ~(day.ignition & day.accessories & day.driver_belted & (day.gear == 3))).any()
    assert not ((day.speed_kmh > 0) & (day.parking_brake | day.plug | day.locked | day.driver_door_open)).any()
    assert not (day.fixed & ~day.awake).any()
    assert not (day.destination_set & ~day.ignition).any()
    assert not ((day.media_playback != 14) & ~day.accessories).any()
    assert ((day.media_playback == 14) == (day.media_source == 14)).all()
    assert ((day.volume_percent == 126) == (day.media_source == 14)).all()
    for column in (day.awake, day.ignition, day.charging, day.driver_door_open):
        assert not column[0]
        assert not column[-1]
    for start, end in runs_of(day.ignition):
        moving = np.flatnonzero(day.speed_kmh[start:end]) + start
        assert moving[0] - start < 60
        assert end - moving[-1] < 60
        assert np.diff(moving).max(initial=0) < 240
        assert day.awake[end : end + 50].all()
    assert list(day.said) == sorted(day.said, key=lambda said: said.at_s)
    for said in day.said:
        row = int(said.at_s) - day.first_s
        assert 0 <= row < DAY_S
        assert day.accessories[row]


def heard(stream: Stream, day: Trace) -> Iterator[SignalBatch]:
    """Give what a stream tells of a day: every second that the car is awake, in batches of a minute."""
    said: dict[int, list[Any]] = {}
    for one in day.said:
        said.setdefault(int(one.at_s), []).append(one)
    for start, end in runs_of(day.awake[:DAY_S]):
        for first in range(start, end, BATCH_S):
            entries: list[Sample | TroubleCodeReport] = []
            for row in range(first, min(first + BATCH_S, end)):
                entries += _second(day, row)
                for one in said.get(day.first_s + row, ()):
                    entries += _said(one, day.media_source[row])
            yield stream.batch(entries)


def _second(day: Trace, row: int) -> Iterator[Sample]:
    at_s = day.first_s + row
    state = "ON" if day.ignition[row] else "ACC" if day.accessories[row] else "OFF"
    yield sample(paths.LOW_VOLTAGE_SYSTEM_STATE, at_s, state)
    yield sample(paths.SPEED, at_s, float(day.speed_kmh[row]))
    for path, column in ((paths.LATITUDE, day.latitude_deg), (paths.LONGITUDE, day.longitude_deg)):
        yield sample(path, at_s, float(column[row]), Quality.OK if day.fixed[row] else Quality.NOT_AVAILABLE)
    for path, column in (
        (paths.DESTINATION_LATITUDE, day.destination_latitude_deg),
        (paths.DESTINATION_LONGITUDE, day.destination_longitude_deg),
    ):
        yield sample(path, at_s, float(column[row]), Quality.OK if day.destination_set[row] else Quality.NOT_AVAILABLE)
    yield sample(paths.ODOMETER, at_s, float(day.odometer_m[row]))
    if day.energy_kwh.any():
        yield sample(paths.BATTERY_ENERGY, at_s, float(day.energy_kwh[row]))
        yield sample(paths.STATE_OF_CHARGE_DISPLAYED, at_s, float(day.state_of_charge_percent[row]))
        yield sample(paths.IS_CHARGING, at_s, bool(day.charging[row]))
    source = SOURCES.get(int(day.media_source[row]))
    yield sample(paths.MEDIA_SOURCE, at_s, source, Quality.OK if source else Quality.NOT_AVAILABLE)


def _said(one: Any, source: int) -> Iterator[Sample | TroubleCodeReport]:
    if isinstance(one.what, SongSaid):
        assert source in SOURCES
        yield sample(paths.MEDIA_ARTIST, one.at_s, one.what.artist)
        yield sample(paths.MEDIA_ALBUM, one.at_s, one.what.album)
        yield sample(paths.MEDIA_TITLE, one.at_s, one.what.title)
    elif isinstance(one.what, CodesSaid):
        codes = tuple(
            TroubleCodeStatus(parse_code((code >> 8).to_bytes(2, "big")), code & 0xFF, status, active=True)
            for code, status in one.what.codes
        )
        yield TroubleCodeReport(f"{one.what.response_id:03X}", at(one.at_s), "UDS 19", complete=True, codes=codes)
