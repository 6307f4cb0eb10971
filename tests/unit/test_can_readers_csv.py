from pathlib import Path

import pytest

from adapters.can.recordings import open_recording
from domain.errors import BadInputError
from tests.support.frames import Frame, frames_of, read_through

GVRET = "Time Stamp,ID,Extended,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8"
PYTHON_CAN = "timestamp,arbitration_id,extended,remote,error,dlc,data"
SHORT = Frame(1_964_453_900, 0x4F1, extended=False, data=bytes.fromhex("000064A0"), bus=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "drive.csv"


def read(path: Path, *lines: str) -> list[Frame]:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return frames_of(open_recording(path).blocks())


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (GVRET, "1964453900,000004F1,false,1,4,00,00,64,A0"),
        (GVRET, "1964453900,4F1,FALSE,1,4,00,00,64,a0,"),
        (GVRET, "1964453900,000004F1,false,1,4,00,00,64,A0,00,00,00,00"),
        ("\ufeff" + GVRET + ",", "1964453900,000004F1,0,1,4,00,00,64,A0,,,,\r"),
        (GVRET.replace("Bus", "Dir,Bus"), "1964453900,000004F1,false,Rx,1,4,00,00,64,A0"),
    ],
)
def test_gvret_rows_of_every_writer(path: Path, header: str, row: str) -> None:
    assert read(path, header, row, "") == [SHORT]


@pytest.mark.parametrize(
    "row",
    [
        "1964453900,000004F1,false,1,4,00,00,64",
        "1964453900,000004F1,false,1,4,00,00,64,A",
        "1964453900,000004F1,false,1,4,00,00,64,XY",
        "1964453900,000004F1,maybe,1,4,00,00,64,A0",
        "1964453900,00000FFF,false,1,4,00,00,64,A0",
        "1964453900,40000000,true,1,4,00,00,64,A0",
        "1964453900,-4F1,false,1,4,00,00,64,A0",
        "1964453900,000004F1,false,256,4,00,00,64,A0",
        "1964453900,000004F1,false,1,-1,00,00,64,A0",
        "noon,000004F1,false,1,4,00,00,64,A0",
        "99999999999999999999,000004F1,false,1,4,00,00,64,A0",
        "1964453900",
    ],
)
def test_a_malformed_gvret_row_is_bad_input_with_its_line(path: Path, row: str) -> None:
    good = "1964453900,000004F1,false,1,4,00,00,64,A0"
    with pytest.raises(BadInputError, match="not a line of GVRET CSV") as error:
        read(path, GVRET, good, row, good)
    assert error.value.where == f"{path}, line 3"


@pytest.mark.parametrize(
    ("header", "row"),
    [(GVRET, "1964453900,000004F1,false,1,4,00,00,64,A0"), (PYTHON_CAN, "1.0,0x1,0,0,0,3,AAAA")],
)
def test_a_cut_last_row_counts_as_truncated_and_a_whole_one_needs_no_newline(path: Path, header: str, row: str) -> None:
    path.write_text(f"{header}\n{row}\n{row}", encoding="ascii")
    statistics = read_through(open_recording(path))
    assert (statistics.frames, statistics.truncated_lines) == (2, 0)
    path.write_text(f"{header}\n{row}\n{row[:-1]}", encoding="ascii")
    statistics = read_through(open_recording(path))
    assert (statistics.frames, statistics.truncated_lines) == (1, 1)


def test_a_gvret_header_without_a_column_is_bad_input(path: Path) -> None:
    with pytest.raises(BadInputError, match="the header has no column bus, d1"):
        read(path, "Time Stamp,ID,Extended,LEN", "1,1,false,0")


def test_python_can_rows_with_remote_and_error_frames(path: Path) -> None:
    rows = ["1483389946.197,0x00dadada,1,0,0,6,WzQyLCA5XQ==", "1.5,0x7ff,0,1,0,8,", "1.5,0x0,0,0,1,0,"]
    with pytest.raises(BadInputError, match="7 data bytes of 6"):
        read(path, PYTHON_CAN, *rows)
    rows[0] = rows[0].replace(",6,", ",7,")
    assert read(path, PYTHON_CAN, *rows) == [Frame(1_483_389_946_197_000, 0x00DADADA, extended=True, data=b"[42, 9]")]
    statistics = read_through(open_recording(path))
    assert (statistics.remote_frames, statistics.error_frames) == (1, 1)


@pytest.mark.parametrize(
    "row", ["1.0,0x1,0,0,0,1", "1.0,0x1,0,0,0,1,A", "nan,0x1,0,0,0,0,", "1e99,0x1,0,0,0,0,", "1.0,0x800,0,0,0,0,"]
)
def test_a_malformed_python_can_row_is_bad_input_with_its_line(path: Path, row: str) -> None:
    with pytest.raises(BadInputError, match="not a line of python-can CSV") as error:
        read(path, PYTHON_CAN, "1.0,0x1,0,0,0,0,", row, "1.0,0x1,0,0,0,0,")
    assert error.value.where == f"{path}, line 3"


def test_columns_in_another_order_are_bad_input(path: Path) -> None:
    with pytest.raises(BadInputError, match="the header is not"):
        read(path, "timestamp,arbitration_id,remote,extended,error,dlc,data", "1.0,0x1,0,0,0,0,")


@pytest.mark.parametrize("text", ["time,speed\n1,2\n", "vehicle,captured_at,signal,value\n"])
def test_rows_of_decoded_signals_are_no_recording_of_a_bus(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
    with pytest.raises(BadInputError, match="not a recording of a CAN bus"):
        open_recording(path)
