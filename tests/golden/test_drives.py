"""Drives through the whole path, compared with what they gave before: events and read models as readable text.

After a change that is meant: `make golden`; the difference in version control is the review.
"""

import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from adapters import demo
from tests.support.demo_drive import BUNDLED, demo_drive
from tests.support.drive_text import DriveRun, differences
from tests.support.small_drives import mqb_drive, petrol_drive

DRIVES: Final = Path(__file__).parent / "drives"
Check = Callable[[str, DriveRun], None]


@pytest.fixture
def check(golden: Callable[[Path, str], None], request: pytest.FixtureRequest) -> Check:
    """Return a check of a drive against its folder of golden files."""

    def compare(name: str, run: DriveRun) -> None:
        changed = []
        for part, text in run.texts().items():
            path = DRIVES / name / f"{part}.txt"
            if path.exists() and not request.config.getoption("--rewrite-golden"):
                said = differences(path.read_text(encoding="utf-8"), text)
                changed += [f"{name}, {part}, {difference}" for difference in said]
            else:
                golden(path, text)
        if changed:
            pytest.fail("\n".join(["not as before (meant? `make golden`):", *changed]), pytrace=False)

    return compare


def test_the_bundled_recording_is_what_its_generator_makes(request: pytest.FixtureRequest) -> None:
    text = demo_drive()
    if request.config.getoption("--rewrite-golden"):
        BUNDLED.write_bytes(gzip.compress(text.encode("ascii"), mtime=0))
    with demo.recording() as path:
        bundled = gzip.decompress(path.read_bytes()).decode("ascii")
    assert bundled == text, "`make golden` writes it again"


def test_the_demo_drive(check: Check) -> None:
    run = DriveRun(BUNDLED, demo.VIN, demo.BRAND, demo.MODEL, demo.MAPPINGS)
    assert not run.summary.unknown_ids
    assert not run.summary.notes
    check("demo", run)


def test_a_drive_of_an_mqb_car(check: Check, tmp_path: Path) -> None:
    if importlib.util.find_spec("opendbc") is None:
        pytest.skip("opendbc is not installed: it has no release for this Python")
    recording = tmp_path / "mqb.log"
    recording.write_text(mqb_drive(), encoding="ascii")
    run = DriveRun(recording, "WVGZZZCAZTP000043", "Volkswagen", "Golf", ["vw_mqb"])
    assert run.summary.checkable_frames
    assert not run.summary.failed_checksums
    check("mqb", run)


def test_a_drive_of_a_petrol_car_behind_its_obd_socket(check: Check, tmp_path: Path) -> None:
    recording = tmp_path / "petrol.log"
    recording.write_text(petrol_drive(), encoding="ascii")
    check("petrol", DriveRun(recording, "TMBZZZ5JZT3000044", "Skoda", "Fabia", ["obd2"]))


def test_a_change_is_told_in_words() -> None:
    before = "     0.500 s  Vehicle.Speed  10 km/h\n     1.000 s  fix  1, 2\n"
    after = "     0.500 s  Vehicle.Speed  12 km/h\n     2.000 s  fix  1, 2\n"

    assert differences(before, before) == []
    assert differences(before, after) == [
        "t=0.500 s Vehicle.Speed: 10 km/h → 12 km/h",
        "t=1.000 s fix: 1, 2 is not told any more",
        "t=2.000 s fix: 1, 2 is new",
    ]
