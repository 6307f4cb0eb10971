"""Forces, consumption, charging and warmth: plain figures that anybody can check."""

import numpy as np
import pytest

from adapters.simulator import physics, specs
from adapters.simulator.charging import AC_EFFICIENCY, charge
from adapters.simulator.drive_cycle import load_wltc_class3b
from adapters.simulator.power import use
from adapters.simulator.specs import MODELS, CarSpec, Drive
from adapters.simulator.speeds import Way, drive_kmh, pieces
from adapters.simulator.warmth import Leak, Warmth, tires_kpa

WLTC_KMH = load_wltc_class3b().speed_km_h


def test_a_steady_drive_needs_what_air_and_tyres_take() -> None:
    spec, speed_ms = specs.ID3, np.full(3, 30.0)
    air_n = 0.5 * 1.204 * spec.drag_area_m2 * 900
    tires_n = spec.rolling_resistance * spec.mass_kg * 9.81

    kw = physics.wheel_kw(spec, speed_ms, np.zeros(3), 20.0)

    assert kw == pytest.approx((air_n + tires_n) * 30 / 1000, rel=1e-3)


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.model)
def test_consumption_on_the_wltc_is_plausible(spec: CarSpec) -> None:
    kwh, litres = physics.wltc_consumption(spec, WLTC_KMH)

    print(f"{spec.brand} {spec.model}: {kwh:.1f} kWh/100 km, {litres:.1f} l/100 km")  # noqa: T201  # shown with -rP
    if spec.drive is Drive.PETROL:
        assert 5 <= litres <= 8
    elif spec.drive is Drive.HYBRID:
        assert 12 <= kwh <= 18
    else:
        assert 14 <= kwh <= 22


@pytest.mark.parametrize("spec", [spec for spec in MODELS if spec.drive is not Drive.PETROL], ids=lambda s: s.model)
def test_cold_costs_range(spec: CarSpec) -> None:
    assert physics.wltc_consumption(spec, WLTC_KMH, -5.0)[0] > 1.15 * physics.wltc_consumption(spec, WLTC_KMH)[0]


def test_a_hybrid_drives_on_electricity_first_and_then_keeps_its_battery() -> None:
    spec = specs.GOLF_HYBRID
    far_kmh = np.concatenate([WLTC_KMH] * 4)

    full = use(spec, WLTC_KMH, 15.0, spec.battery_kwh * 0.9, 30.0, 15.0)
    empty = use(spec, far_kmh, 15.0, spec.battery_kwh * 0.3, 30.0, 15.0)

    assert not full.engine_rpm.any()
    assert full.fuel_l[-1] == 30.0
    assert empty.engine_rpm.any()
    litres_100km = (30.0 - empty.fuel_l[-1]) / (4 * 0.23266)
    assert 3.5 < litres_100km < 7.5
    assert empty.energy_kwh.min() > 0.1 * spec.battery_kwh
    assert empty.energy_kwh[-1] == pytest.approx(physics.HYBRID_FLOOR * spec.battery_kwh, abs=0.3)


def test_a_full_battery_takes_nothing_back() -> None:
    taken = use(specs.ID4, WLTC_KMH, 20.0, specs.ID4.battery_kwh, 0.0, 20.0)

    assert taken.energy_kwh.max() <= specs.ID4.battery_kwh


def test_an_engine_that_idles_burns_what_the_model_says() -> None:
    taken = use(specs.GOLF, np.zeros(3_601), 20.0, 0.0, 30.0, 90.0)

    assert 30.0 - taken.fuel_l[-1] == pytest.approx(specs.GOLF.idle_l_per_h, rel=0.01)


def test_an_engine_is_warm_after_some_minutes() -> None:
    coolant = use(specs.GOLF, np.zeros(1_801), 0.0, 0.0, 30.0, 0.0).coolant_celsius

    assert coolant is not None
    assert 45 < coolant[300] < 80
    assert 88 < coolant[-1] <= 90


def test_alternating_current_takes_hours() -> None:
    spec = specs.ID3

    session = charge(spec, 0.2 * spec.battery_kwh, 80.0, 12 * 3_600, direct=False)

    assert session
    hours = (len(session.battery_kw) - 1) / 3_600
    assert hours == pytest.approx(0.6 * spec.battery_kwh / (11 * AC_EFFICIENCY), rel=0.01)
    assert session.energy_kwh[-1] == pytest.approx(0.8 * spec.battery_kwh, abs=0.01)
    assert session.mean_kw[-1] == pytest.approx(11.0, rel=0.01)
    assert session.left_min[0] == pytest.approx(60 * hours, abs=0.1)
    assert session.left_min[-1] == 0


def test_direct_current_is_fast_and_slows_down() -> None:
    spec = specs.ID4

    session = charge(spec, 0.1 * spec.battery_kwh, 80.0, 7_200, direct=True)

    assert session
    assert 25 * 60 < len(session.battery_kw) < 45 * 60
    assert session.battery_kw.max() <= spec.dc_kw
    assert session.battery_kw[-10] < 0.55 * session.battery_kw.max()


@pytest.mark.parametrize(("kwh", "limit", "seconds"), [(60.0, 80.0, 9_000), (50.0, 80.0, 60)])
def test_there_may_be_nothing_to_charge(kwh: float, limit: float, seconds: int) -> None:
    assert charge(specs.ID3, kwh, limit, seconds, direct=False) is None


def test_no_session_ends_above_its_limit() -> None:
    for percent in (5.0, 50.0, 93.0, 99.0):
        session = charge(specs.BORN, 0.58 * percent, 100.0, 40_000, direct=False)
        assert session
        assert session.energy_kwh.max() <= specs.BORN.battery_kwh


def test_the_pieces_of_the_cycle_begin_and_end_at_a_standstill() -> None:
    for way in Way:
        assert pieces()[way]
        for piece in pieces()[way]:
            assert piece[0] == piece[-1] == 0
            assert (piece[1:-1] > 0).all()


@pytest.mark.parametrize("wanted_s", [360, 900, 1_800, 3_000])
def test_a_drive_is_about_as_long_as_it_should_be(wanted_s: int) -> None:
    for seed in range(30):
        speeds = drive_kmh(np.random.default_rng(seed), wanted_s, 60_000.0, 1.0)
        assert speeds[0] == speeds[-1] == 0
        assert 0.5 * wanted_s < len(speeds) < 1.6 * wanted_s


def test_a_drive_keeps_within_its_room() -> None:
    for seed in range(30):
        assert drive_kmh(np.random.default_rng(seed), 3_000, 9_000.0, 1.0).sum() / 3.6 <= 9_000


def test_no_drive_has_room_for_nothing() -> None:
    assert not len(drive_kmh(np.random.default_rng(1), 3_000, 10.0, 1.0))


def test_tyres_follow_the_temperature() -> None:
    cold = (240.0, 240.0, 240.0, 240.0)
    celsius = np.full(86_401, 20.0)
    celsius[1:] = 40.0

    pressures, after = tires_kpa(cold, celsius, None, 240.0, 0)

    assert pressures[:, 0] == pytest.approx(240.0)
    assert pressures[:, 1] == pytest.approx(341.325 * 313.15 / 293.15 - 101.325)
    assert after == cold


def test_a_leaking_tyre_is_pumped_up() -> None:
    cold = (240.0, 181.0, 240.0, 240.0)
    leak = Leak(wheel=1, kpa_per_s=20 / 86_400, pumped_below_kpa=180.0)

    pressures, after = tires_kpa(cold, np.full(86_401, 20.0), leak, 250.0, 7_200)

    assert pressures[1, 7_199] == pytest.approx(181 - 20 * 7_199 / 86_400)
    assert pressures[1, 7_200] == pytest.approx(250.0)
    assert after[1] == pytest.approx(250 - 20 * (86_400 - 7_200) / 86_400)


def test_what_is_warm_cools_down() -> None:
    warmth = Warmth(60.0, 6_000.0)

    warmth.cool(6_001)
    warmth.warm(6_901, 20.0, 900.0)

    assert warmth.column[6_000] == pytest.approx(60 / np.e)
    assert warmth.column[6_900] == pytest.approx(20 + (60 / np.e - 20) / np.e)
    assert warmth.now_k == warmth.column[6_900]
