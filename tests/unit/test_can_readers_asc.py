from pathlib import Path

import pytest

from adapters.can.recordings import open_recording
from domain.errors import BadInputError
from tests.support.frames import Frame, frames_of, machine_in_zone, read_through, write_asc

HEADER = ["date Sun Jun 11 12:57:01.500 am 2023", "base hex  timestamps absolute", "internal events logged"]
HEADER_TIME = 1_686_445_021_500_000
LINE = "   1.000000 1  123             Rx   d 2 AB CD"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "drive.asc"


def read(path: Path, *lines: str, encoding: str = "utf-8") -> list[Frame]:
    path.write_text("".join(line + "\n" for line in lines), encoding=encoding)
    return frames_of(open_recording(path).blocks())


def test_times_count_from_the_date_of_the_header(path: Path) -> None:
    assert read(path, *HEADER, LINE) == [Frame(HEADER_TIME + 1_000_000, 0x123, extended=False, data=b"\xab\xcd", bus=1)]


@pytest.mark.parametrize(
    ("date", "micros"),
    [
        ("Sun Jun 11 12:57:01.500 am 2023", 0),
        ("Sun Jun 11 12:57:01.500 pm 2023", 12 * 3600 * 10**6),
        ("Sun Jun 11 00:57:01 2023", -500_000),
        ("Sun Jun 11 00:57:01.5 2023", -495_000),  # python-can writes milliseconds without leading zeros
        ("Son Dez 11 00:57:01.500 2023", 183 * 86_400 * 10**6),
        ("Sam Mär 11 00:57:01.500 2023", -92 * 86_400 * 10**6),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_dates_as_loggers_write_them(path: Path, date: str, micros: int, encoding: str) -> None:
    [frame] = read(path, f"date {date}", *HEADER[1:], LINE, encoding=encoding)
    assert frame.captured_at == HEADER_TIME + 1_000_000 + micros


def test_the_time_zone_of_the_machine_changes_nothing(path: Path) -> None:
    with machine_in_zone("America/New_York"):
        [frame] = read(path, *HEADER, LINE)
    assert frame.captured_at == HEADER_TIME + 1_000_000


def test_times_count_from_the_trigger_block_that_they_are_in(path: Path) -> None:
    first, second = read(
        path,
        *HEADER,
        "Begin Triggerblock Sun Jun 11 01:00:00.000 am 2023",
        LINE,
        "End TriggerBlock",
        "Begin Triggerblock Sun Jun 11 02:00:00.000 am 2023",
        LINE,
        "End TriggerBlock",
    )
    assert second.captured_at - first.captured_at == 3600 * 10**6


def test_without_a_date_times_stay_those_of_the_logger(path: Path) -> None:
    path.write_text(f"base hex  timestamps absolute\nno internal events logged\n{LINE}\n", encoding="ascii")
    recording = open_recording(path)
    assert [frame.captured_at for frame in frames_of(recording.blocks())] == [1_000_000]
    assert not recording.has_wall_clock


def test_everything_that_is_no_data_frame_is_counted(path: Path) -> None:
    lines = [
        *HEADER,
        "// a comment",
        "   0.000000 Start of measurement",
        LINE,
        "   1.100000 1  123             Rx   r",
        "   1.200000 1  ErrorFrame",
        "   1.300000 1  Statistic: D 0 R 0 XD 0 XR 0 E 0 O 0 B 0.00%",
        "   1.400000 CANFD   2 Rx  ErrorFrame",
        "End TriggerBlock",
    ]
    path.write_text("\n".join(lines), encoding="ascii")
    statistics = read_through(open_recording(path))
    assert (statistics.frames, statistics.remote_frames, statistics.error_frames) == (1, 1, 2)
    assert statistics.other_lines == len(lines) - 4
    assert statistics.truncated_lines == 0


def test_an_empty_can_fd_frame_is_no_remote_frame(path: Path) -> None:
    write_asc(path, [Frame(10**15, 0x123, extended=False, data=b"", bus=1, fd=True)])
    statistics = read_through(open_recording(path))
    assert (statistics.frames, statistics.remote_frames) == (1, 0)


@pytest.mark.parametrize(
    "line",
    [
        "   1.000000 1  123             Rx   d 2 AB",
        "   1.000000 1  123             Rx   d 2 AB XY",
        "   1.000000 1  12Z             Rx   d 2 AB CD",
        "   1.000000 1  FFF             Rx   d 2 AB CD",
        "   1.000000 1  3FFFFFFFx       Rx   d 2 AB CD",
        "   1.000000 300  123           Rx   d 2 AB CD",
        "   1.000000 1  123             Rx   d",
        "Begin Triggerblock Sun Foo 11 01:00:00.000 am 2023",
        "Begin Triggerblock Sun Jun 31 01:00:00.000 am 2023",
        "base hex  timestamps relative",
        "x" * 5000,
    ],
)
def test_a_malformed_line_is_bad_input_with_its_number(path: Path, line: str) -> None:
    with pytest.raises(BadInputError, match="not a line of Vector ASC") as error:
        read(path, *HEADER, LINE, line, LINE)
    assert error.value.where == f"{path}, line 5"


def test_a_cut_last_line_counts_as_truncated(path: Path) -> None:
    path.write_text("\n".join([*HEADER, LINE, LINE[:-1]]), encoding="ascii")
    recording = open_recording(path)
    assert len(frames_of(recording.blocks())) == 1
    assert recording.statistics.truncated_lines == 1


def test_text_that_only_its_name_calls_asc_is_bad_input(path: Path) -> None:
    with pytest.raises(BadInputError, match="no line is a frame of Vector ASC"):
        read(path, "Dear diary,", "today I drove to work.")
