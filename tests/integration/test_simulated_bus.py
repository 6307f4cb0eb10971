"""The whole path of a simulated car's frames: candump text, recording, mapping; the samples are what is true of it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from adapters.can.candump_writer import candump_text
from adapters.can.dbc import Dbc, load_dbc, opendbc_path
from adapters.can.end_to_end import ChecksumCheck
from adapters.can.recordings import open_recording
from adapters.can.translate import CanTranslator
from adapters.can.vins import VinListener
from adapters.sampling import SampleColumn
from adapters.signals.catalogue import load_catalogue
from adapters.signals.mapping import combined, load_mapping
from adapters.simulator.bus import CarBus
from adapters.simulator.specs import Drive
from adapters.simulator.trace import SongSaid, Trace
from domain import paths
from domain.errors import BadInputError
from domain.signals import Quality, TroubleCodeReport
from domain.vin import Vin
from tests.support.traces import CHARGED_S, CHARGES_S, OPENED_S, SLEEPS_S, SONGS, VIN, life_of

ORIGIN_US = 1_770_000_000_000_000
SPANS_S = ((OPENED_S - 10, SLEEPS_S + 10), (CHARGES_S - 40, CHARGED_S + 100))
FRAMES_PER_SECOND = 200
ROOT = Path(__file__).parents[2]


def dbcs() -> dict[str, Dbc]:
    try:
        files = {name: load_dbc(opendbc_path(name)) for name in ("vw_meb", "vw_mqb")}
    except BadInputError as absent:
        pytest.skip(str(absent))
    return files | {"fleettwin": load_dbc(ROOT / "schemas/dbc/fleettwin.dbc")}


class Heard(NamedTuple):
    trace: Trace
    samples: dict[str, SampleColumn]
    reports: list[TroubleCodeReport]
    vins: set[Vin]
    failed: int
    checkable: dict[int, tuple[int, int]]
    longest: int
    unmapped: dict[str, int]


@pytest.fixture(scope="module", params=list(Drive))
def heard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Heard:
    drive: Drive = request.param
    platform = "vw_meb" if drive is Drive.ELECTRIC else "vw_mqb"
    life, files = life_of(drive), dbcs()
    bus = CarBus(life, files, frames_per_second=FRAMES_PER_SECOND)
    path = tmp_path_factory.mktemp("bus") / f"{drive.name}.log"
    with path.open("wb") as file:
        for first, end in SPANS_S:
            file.write(candump_text(bus.frames(first * 10**6, end * 10**6, ORIGIN_US)))
    mapping = combined([load_mapping(name, load_catalogue()) for name in (platform, "fleettwin")])
    translator, check = CanTranslator(mapping, [files[platform], files["fleettwin"]]), ChecksumCheck(platform)
    listener = VinListener([files[platform], files["fleettwin"]])
    columns: dict[str, list[SampleColumn]] = {}
    reports: list[TroubleCodeReport] = []
    longest, counts = 0, None
    for block in open_recording(path).blocks():
        said = translator.translate(block)
        listener.feed(block)
        reports += said.trouble_codes
        counts = check.check(block) if counts is None else counts + check.check(block)
        longest = max(longest, int(block.length.max()))
        for column in said.columns:
            columns.setdefault(column.path, []).append(column)
    translator.close()
    assert counts is not None
    assert not translator.dbc.too_short
    assert not translator.diagnostics.abandoned
    assert not translator.diagnostics.unread
    samples = {
        name: SampleColumn(
            name,
            np.concatenate([part.captured_at for part in parts]) - ORIGIN_US,
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.quality for part in parts]),
        )
        for name, parts in columns.items()
    }
    by_id = dict(counts.by_id)
    vins, unmapped = listener.heard, dict(translator.unmapped)
    return Heard(life.day(0), samples, reports, vins, counts.failed, by_id, longest, unmapped)


Truth = Callable[[Trace, NDArray[np.float64]], NDArray[np.float64]]


def line(name: str, factor: float = 1.0) -> Truth:
    return lambda trace, at_s: np.interp(at_s, np.arange(86_401), getattr(trace, name)) * factor


def step(name: str) -> Truth:
    return lambda trace, at_s: getattr(trace, name)[at_s.astype(np.int64)]


def tire(row: int) -> Truth:
    return lambda trace, at_s: np.interp(at_s, np.arange(86_401), trace.tire_kpa[row])


# path: what is true, and how far a sample may be from it: half a step of the signal
NUMBERS: dict[str, tuple[Truth, float]] = {
    paths.SPEED: (line("speed_kmh"), 0.005),
    paths.LATITUDE: (line("latitude_deg"), 5e-8),
    paths.LONGITUDE: (line("longitude_deg"), 5e-8),
    "Vehicle.CurrentLocation.Heading": (lambda trace, at_s: line("heading_deg")(trace, at_s) % 360, 0.005),
    "Vehicle.Chassis.SteeringWheel.Angle": (line("steering_deg"), 0.56),
    "Vehicle.Exterior.AirTemperature": (line("outside_celsius"), 0.25),
    "Vehicle.TraveledDistance": (lambda trace, at_s: np.floor(line("odometer_m")(trace, at_s) / 1000) * 1000, 0.0),
    "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure": (tire(0), 0.5),
    "Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Pressure": (tire(1), 0.5),
    "Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure": (tire(2), 0.5),
    "Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure": (tire(3), 0.5),
    "Vehicle.Cabin.Infotainment.Media.Volume": (step("volume_percent"), 0.0),
    paths.DESTINATION_LATITUDE: (step("destination_latitude_deg"), 5e-8),
    paths.DESTINATION_LONGITUDE: (step("destination_longitude_deg"), 5e-8),
    "Vehicle.CurrentLocation.Altitude": (line("altitude_m"), 1.0),
}
BATTERY: dict[str, tuple[Truth, float]] = {
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current": (line("state_of_charge_percent"), 0.05),
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed": (line("state_of_charge_percent"), 0.25),
    "Vehicle.Powertrain.TractionBattery.StateOfCharge.CurrentEnergy": (line("energy_kwh"), 0.025),
    "Vehicle.Powertrain.TractionBattery.CurrentPower": (line("battery_power_kw", 1000), 5.0),
    "Vehicle.Powertrain.TractionBattery.Range": (line("range_km", 1000), 500.0),
    "Vehicle.Powertrain.TractionBattery.Charging.AveragePower": (step("charging_power_kw"), 0.05),
    "Vehicle.Powertrain.TractionBattery.Charging.TimeToComplete": (
        lambda trace, at_s: step("charging_left_min")(trace, at_s) * 60,
        30.0,
    ),
}
ENGINE: dict[str, tuple[Truth, float]] = {
    "Vehicle.Powertrain.CombustionEngine.Speed": (line("engine_rpm"), 1.5),
    "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature": (line("coolant_celsius"), 0.375),
    "Vehicle.Powertrain.FuelSystem.AbsoluteLevel": (line("fuel_l"), 0.5),  # whole litres, until the finer source speaks
    "Vehicle.Powertrain.FuelSystem.RelativeLevel": (line("fuel_l", 2.0), 0.5),
}
STATES: dict[str, tuple[str, dict[int, object]]] = {
    "Vehicle.Chassis.ParkingBrake.IsEngaged": ("parking_brake", {0: False, 1: True}),
    "Vehicle.Body.Lights.Brake.IsActive": ("brake", {0: "INACTIVE", 1: "ACTIVE"}),
    "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen": ("driver_door_open", {0: False, 1: True}),
    "Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted": ("driver_belted", {0: False, 1: True}),
    "Vehicle.Powertrain.Transmission.SelectedGear": ("gear", {0: 126, 1: -1, 2: 0, 3: 127}),
    "Vehicle.Cabin.Infotainment.Media.Played.Source": ("media_source", {9: "BLUETOOTH"}),
    "Vehicle.Cabin.Infotainment.Media.Action": ("media_playback", {2: "PLAY"}),
}
LOCKS = ("Row1.DriverSide", "Row1.PassengerSide", "Row2.DriverSide", "Row2.PassengerSide")


def check_numbers(heard: Heard, expected: dict[str, tuple[Truth, float]]) -> None:
    for path, (truth, tolerance) in expected.items():
        column = heard.samples[path]
        good = column.quality == Quality.OK
        assert good.any(), path
        wanted = truth(heard.trace, column.captured_at[good] / 1e6)
        worst = np.abs(column.values[good] - wanted).max()
        assert worst <= tolerance * (1 + 1e-6) + 1e-9, (path, worst)
        assert not (column.quality == Quality.INVALID).any(), path


def test_numbers_are_the_true_ones_within_the_resolution_of_their_signals(heard: Heard) -> None:
    check_numbers(heard, NUMBERS)


def test_battery_and_engine_are_told_where_there_are_some(heard: Heard) -> None:
    electric, petrol = heard.longest > 8, BATTERY.keys().isdisjoint(heard.samples)
    if not petrol:
        check_numbers(heard, BATTERY)
    if electric:
        assert ENGINE.keys().isdisjoint(heard.samples)
    else:
        check_numbers(heard, ENGINE)


def test_states_change_when_they_do(heard: Heard) -> None:
    for path, (name, values) in STATES.items():
        column = heard.samples[path]
        raws = getattr(heard.trace, name)[column.captured_at // 10**6].astype(int)
        for raw in np.unique(raws).tolist():
            told = column.values[(raws == raw) & (column.quality == Quality.OK)].tolist()
            assert set(told) == ({values[raw]} if raw in values else set()), (path, raw)


def test_terminals_become_the_state_of_the_low_voltage_system(heard: Heard) -> None:
    column = heard.samples["Vehicle.LowVoltageSystemState"]
    seconds = column.captured_at // 10**6
    wanted = np.where(
        heard.trace.ignition[seconds], "ON", np.where(heard.trace.accessories[seconds], "ACC", "OFF")
    ).tolist()
    assert column.values.tolist() == wanted
    assert set(wanted) == {"ON", "ACC", "OFF"}


def test_locks_and_plug_of_an_electric_car_are_told(heard: Heard) -> None:
    if heard.longest == 8:
        pytest.skip("the public DBC file of MQB cars has no locks")
    for door in LOCKS:
        column = heard.samples[f"Vehicle.Cabin.Door.{door}.IsLocked"]
        assert column.values.tolist() == heard.trace.locked[column.captured_at // 10**6].tolist()
    charging = "Vehicle.Powertrain.TractionBattery.Charging"
    for name, truth in (
        ("IsCharging", heard.trace.charging),
        ("ChargingPort.AnyPosition.IsChargingCableConnected", heard.trace.plug),
        ("ChargingPort.AnyPosition.IsChargingCableLocked", heard.trace.plug_locked),
    ):
        column = heard.samples[f"{charging}.{name}"]
        assert column.values.tolist() == truth[column.captured_at // 10**6].tolist()


def test_a_place_is_told_while_there_is_a_fix_and_a_destination_while_one_is_set(heard: Heard) -> None:
    for path, flags in ((paths.LATITUDE, heard.trace.fixed), (paths.DESTINATION_LATITUDE, heard.trace.destination_set)):
        column = heard.samples[path]
        there = flags[column.captured_at // 10**6]
        assert (column.quality == np.where(there, Quality.OK, Quality.NOT_AVAILABLE)).all()


def test_songs_codes_and_the_vin_are_heard(heard: Heard) -> None:
    for path, field in ((paths.MEDIA_TITLE, "title"), (paths.MEDIA_ARTIST, "artist"), (paths.MEDIA_ALBUM, "album")):
        column = heard.samples[path]
        assert column.values.tolist() == [getattr(song, field) for song in SONGS]
        assert all(isinstance(song, SongSaid) for song in SONGS)
    assert [[code.code for code in report.codes] for report in heard.reports] == [["P0301", "U0121"], []]
    assert all(report.complete and report.ecu == "7E8" for report in heard.reports)
    assert heard.vins == {Vin.parse(VIN)}
    assert not heard.unmapped


def test_every_checksum_is_right(heard: Heard) -> None:
    assert heard.failed == 0
    assert len(heard.checkable) >= 10
    assert all(count > 100 for count, _ in heard.checkable.values())


def test_only_an_meb_car_speaks_can_fd(heard: Heard) -> None:
    assert heard.longest in (8, 64)
    assert (heard.longest == 64) == (paths.SPEED in heard.samples and 0x139 in heard.checkable)
