import gc
import random
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from asammdf import MDF, Signal

from adapters.can import mf4_groups
from adapters.can.recordings import open_recording
from domain.errors import BadInputError
from tests.support.frames import Frame, frames_of, read_through, write_mf4
from tests.support.mf4_files import write_unfinalized_mf4

START = 1_700_000_000_000_000
FRAMES = [
    Frame(START + 500 * number, 0x18DAF110 + number if number % 2 else number, number % 2 == 1, bytes(number % 9), 1)
    for number in range(50)
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "drive.mf4"


def test_compressed_data_is_read_alike(path: Path) -> None:
    write_mf4(path, FRAMES, compression=2)
    assert frames_of(open_recording(path).blocks()) == FRAMES


def test_frames_of_several_groups_come_in_the_order_of_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mf4_groups, "RECORDS_AT_ONCE", 3)
    frames = [Frame(START + number * number % 97 * 1000, number, False, b"", number % 3) for number in range(40)]
    frames.sort(key=lambda frame: (frame.captured_at, frame.bus))
    frames[0] = Frame(START, 0x7FF, False, b"", frames[0].bus)
    write_mf4(path, frames)
    assert frames_of(open_recording(path).blocks()) == frames


@pytest.mark.parametrize("count", [1, 2, 30])
def test_an_unfinalized_file_that_ends_with_a_whole_record_is_read(path: Path, count: int) -> None:
    write_unfinalized_mf4(path, FRAMES[:count])
    assert frames_of(open_recording(path).blocks()) == FRAMES[:count]


def test_an_unfinalized_file_that_ends_within_a_record_is_bad_input(path: Path) -> None:
    write_unfinalized_mf4(path, FRAMES)
    content = path.read_bytes()
    for cut in range(1, 20):
        path.write_bytes(content[:-cut])
        with pytest.raises(
            BadInputError, match=r"damaged MF4 file: (the file ends within a record|.*a payload lies outside)"
        ):
            read_through(open_recording(path))


def test_a_payload_outside_of_the_signal_data_is_bad_input(path: Path) -> None:
    write_unfinalized_mf4(path, FRAMES[:2])
    content = path.read_bytes()
    for place in (1 << 20, 1 << 63, (1 << 64) - 1):
        damaged = bytearray(content)
        record = content.rindex(struct.pack("<d", 500e-6))
        damaged[record + 15 : record + 23] = struct.pack("<Q", place)
        path.write_bytes(damaged)
        with pytest.raises(BadInputError, match="a payload lies outside the signal data"):
            read_through(open_recording(path))


def test_a_payload_longer_than_can_fd_is_bad_input(path: Path) -> None:
    write_unfinalized_mf4(path, [Frame(START, 1, False, bytes(65), 1)])
    with pytest.raises(BadInputError, match="a payload is too long"):
        read_through(open_recording(path))


def test_a_channel_that_reaches_out_of_its_record_is_bad_input(path: Path) -> None:
    write_unfinalized_mf4(path, FRAMES)
    content = bytearray(path.read_bytes())
    place = content.index(struct.pack("<BBBBII", 0, 0, 0, 0, 9, 32))  # CAN_DataFrame.ID: byte 9, 32 bits
    content[place + 4 : place + 8] = struct.pack("<I", 4_000_000_000)
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"'CAN_DataFrame.ID' lies outside its record"):
        read_through(open_recording(path))


def test_an_mf4_file_without_can_frames_is_bad_input(path: Path) -> None:
    with MDF(version="4.10") as mdf:
        mdf.append(Signal(np.arange(3), np.arange(3.0), name="Speed"))
        mdf.save(path, overwrite=True)
    with pytest.raises(BadInputError, match="holds no CAN frames"):
        read_through(open_recording(path))


def test_remote_and_error_frames_are_counted(path: Path) -> None:
    write_mf4(path, FRAMES[:1])
    with MDF(path) as mdf:
        for name, count in (("CAN_RemoteFrame", 2), ("CAN_ErrorFrame", 3)):
            records = np.zeros(count, np.dtype([(f"{name}.BusChannel", "u1"), (f"{name}.ID", "<u4")]))
            mdf.append(Signal(records, np.arange(float(count)), name=name))
        mdf.save(path.with_name("more.mf4"))
    statistics = read_through(open_recording(path.with_name("more.mf4")))
    assert (statistics.frames, statistics.remote_frames, statistics.error_frames) == (1, 2, 3)


def test_no_room_for_a_temporary_copy_is_bad_input(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_unfinalized_mf4(path, FRAMES)
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
        with pytest.raises(BadInputError, match="no room for a temporary copy"):
            read_through(open_recording(path))


def test_nothing_is_printed_about_a_damaged_file(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_mf4(path, FRAMES, compression=1)
    content = path.read_bytes()
    rng = random.Random(7)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[rng.randrange(len(content))] = rng.choice([0, 1, 64, 128, 255])
        path.write_bytes(damaged)
        try:
            read_through(open_recording(path))
        except BadInputError:
            refused += 1
    gc.collect()
    assert refused > 50
    assert capfd.readouterr() == ("", "")
