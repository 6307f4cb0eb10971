"""Tables on terminals of any width: nothing is lost, what belongs together stays together."""

import re
from collections import Counter
from collections.abc import Sequence
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from adapters import screens, terminal
from adapters.config import SETTINGS, Config
from adapters.simulation_check import Difference
from adapters.simulation_screen import simulation_screen
from adapters.tables import Rows

VIN = "WVWZZZE1ZTP000042"
PATH = "Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsChargingCableConnected"
TIME = "2026-06-01 07:34:21"
SIGNALS = (
    (PATH, "True", "", TIME),
    ("Cabin.Infotainment.Navigation.DestinationSet.Latitude", "UNSUPPORTED: it has no value", "degrees", TIME),
    ("CurrentLocation.Latitude", "52.4335918", "degrees", TIME),
)
DIGEST = "7153c675976642e066a8b2730a40a03c0f78133dc82eefd3adc2ad00825bd4c6"


def lines(screen: RenderableType, width: int) -> list[str]:
    """Return what a terminal of so many columns shows."""
    shown = StringIO()
    terminal.print_screen(screen, Console(file=shown, force_terminal=True, width=width, color_system=None))
    return shown.getvalue().splitlines()


def letters(text: str) -> str:
    return "".join(re.findall(r"[^\s│┃─━┌┐└┘├┤┼┬┴┏┓┡┩┳╇]", text))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Rows:
    made = Rows(columns)
    for row in rows:
        made.add_row(*row)
    return made


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 160, 200])
def test_no_width_loses_a_character_or_is_exceeded(width: int) -> None:
    shown = lines(table(("signal", "value", "unit", "captured"), SIGNALS), width)
    assert max(map(cell_len, shown)) <= width
    given = "".join(text for row in SIGNALS for text in row)
    assert Counter(letters("".join(shown))) >= Counter(letters(given))


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
def test_values_units_and_times_stay_whole_and_names_fold_at_dots(width: int) -> None:
    shown = lines(table(("signal", "value", "unit", "captured"), SIGNALS), width)
    assert sum(TIME in line for line in shown) == len(SIGNALS)
    assert sum(bool(re.search(r"\b52\.4335918\b", line)) for line in shown) == 1
    assert sum("degrees" in line for line in shown) == 2
    assert "IsChargingCableConnected" in " ".join(shown)


def test_a_row_is_one_line_where_there_is_room() -> None:
    assert len(lines(table(("signal", "value", "unit", "captured"), SIGNALS), 200)) == 4 + len(SIGNALS)


def test_where_a_row_cannot_be_read_each_column_has_a_line_of_its_own() -> None:
    shown = lines(table(("projection", "lag", "note", "digest"), [("navigation v1", "0", "", DIGEST)] * 2), 80)
    assert [line.split() for line in shown] == [
        ["projection", "│", "navigation", "v1"],
        ["lag", "│", "0"],
        ["digest", "│", DIGEST],
        shown[3].split(),
        ["projection", "│", "navigation", "v1"],
        ["lag", "│", "0"],
        ["digest", "│", DIGEST],
    ]
    assert letters(shown[3]) == ""


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_setting_is_told_in_lines_of_a_decent_width(width: int) -> None:
    shown = lines(screens.settings(Config.read({"FLEETTWIN_HOME": "/a/folder/of/some/length/that/takes/room"})), width)
    assert len(shown) < 7 * (len(SETTINGS) + 1)  # with the file of settings
    for text in (*(each.variable for each in SETTINGS), "/a/folder/of/some/length/that/takes/room"):
        assert any(text in line for line in shown)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_difference_names_its_car_whole(width: int) -> None:
    counts = {
        "vehicles": 3,
        "simulatedSeconds": 3_600,
        "frames": 4_012_292,
        "batches": 145,
        "duplicateBatches": 3,
        "lostBatches": 0,
        "events": {"SignalsSampled": 136, "TrackExtended": 123, "TroubleCodesRead": 13, "TelemetryGapDetected": 1},
    }
    where = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure"
    song = "雨停之后 · 白鹭乐队 · 江南慢车 · INTERNET"
    differences = [
        Difference(VIN, where, "263.4", "258.0", "its sensor is stuck"),
        Difference(VIN, "song", song, "none", None),
    ]
    shown = lines(simulation_screen(counts, differences), width)
    assert max(map(cell_len, shown)) <= width
    assert sum(VIN in line for line in shown) == 2
    assert any("江南慢车" in line for line in shown)


def test_what_is_not_known_of_a_simulation_over_kafka_has_no_row() -> None:
    counts = {
        "vehicles": 1,
        "simulatedSeconds": 60,
        "frames": 4_012,
        "batches": 145,
        "duplicateBatches": 0,
        "lostBatches": 0,
        "events": {},
    }
    shown = [letters(line) for line in lines(simulation_screen(counts, None), 80)]
    assert "batches145" in shown
    assert not any(line.startswith("events") for line in shown)


def test_numbers_of_a_screen_are_rounded_to_what_they_mean() -> None:
    assert [screens._energy(kwh) for kwh in (2.822172215, 0.0, None)] == ["2.82", "0.00", ""]
    assert screens._place({"latitude": 51.1998014, "longitude": 6.7903560999999995}) == "51.1998, 6.79036"
    assert screens._place({"latitude": None, "longitude": None}) == ""
