from pathlib import Path

import can
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.can.frames import EXTENDED_ID
from adapters.can.recordings import Recording, open_recording
from domain.errors import BadInputError
from tests.support.frames import Frame, candump_line, frames, frames_of, read_through

GOOD = "(1700000000.000000) can0 123#11"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "drive.log"


def recorded(path: Path, *lines: str) -> Recording:
    path.write_text("".join(line + "\n" for line in lines), encoding="ascii", newline="")
    return open_recording(path)


def one(path: Path, line: str) -> Frame:
    [frame] = frames_of(recorded(path, line).blocks())
    return frame


def test_time_identifier_and_payload_of_a_line(path: Path) -> None:
    frame = one(path, "(1436509052.249713) can2 044#2A366C2BBA")
    assert frame == Frame(1_436_509_052_249_713, 0x044, extended=False, data=bytes.fromhex("2A366C2BBA"), bus=2)


def test_eight_digits_make_an_extended_identifier_however_small(path: Path) -> None:
    [block] = recorded(path, "(1.000000) can0 00000044#").blocks()
    assert block.can_id.tolist() == [0x044 | EXTENDED_ID]
    assert block.length.tolist() == [0]
    assert block.data.tolist() == [[0] * 8]


@pytest.mark.parametrize(
    ("time", "micros"),
    [
        ("0.0", 0),
        ("15.316", 15_316_000),
        ("0000000015.316000", 15_316_000),
        ("1.123456789", 1_123_456),
        ("1.05", 1_050_000),
    ],
)
def test_any_number_of_digits_before_and_after_the_point(path: Path, time: str, micros: int) -> None:
    assert one(path, f"({time}) can0 123#").captured_at == micros


@pytest.mark.parametrize("line", [f"{GOOD} R", f"{GOOD} T", "(1700000000.000000) vcan0 123#11"])
def test_the_direction_and_the_kind_of_interface_change_nothing(path: Path, line: str) -> None:
    assert one(path, line) == one(path, GOOD)


def test_hex_digits_may_be_small(path: Path) -> None:
    assert one(path, "(1.0) can0 1ab#deadbeef") == one(path, "(1.0) can0 1AB#DEADBEEF")


def test_can_fd_frames_of_every_flag(path: Path) -> None:
    lines = [f"(1.0) can0 123##{flags:X}{'5A' * 12}" for flags in range(16)]
    [block] = recorded(path, *lines).blocks()
    assert block.data.shape == (16, 64)
    assert block.length.tolist() == [12] * 16
    assert block.data[:, :12].tolist() == [[0x5A] * 12] * 16
    assert not block.data[:, 12:].any()


def test_a_block_of_short_can_fd_frames_is_as_narrow_as_a_classic_one(path: Path) -> None:
    [block] = recorded(path, "(1.0) can0 123##01122").blocks()
    assert block.data.shape == (1, 8)


@pytest.mark.parametrize("line", ["(1.0) can0 123#R", "(1.0) can0 12345678#R8", "(1.0) can0 123#R8_C T"])
def test_remote_frames_are_counted_and_give_no_frame(path: Path, line: str) -> None:
    recording = recorded(path, GOOD, line, line)
    assert len(frames_of(recording.blocks())) == 1
    assert recording.statistics.remote_frames == 2


def test_error_frames_are_counted_and_give_no_frame(path: Path) -> None:
    recording = recorded(path, "(1.0) can0 20000080#0000000000000000", GOOD, "(1.0) can0 12345678#0000000000000000")
    assert len(frames_of(recording.blocks())) == 2
    assert recording.statistics.error_frames == 1


def test_a_raw_length_code_above_8_is_passed_over(path: Path) -> None:
    assert one(path, "(1.0) can0 123#1122334455667788_C").data == bytes.fromhex("1122334455667788")


def test_lines_of_windows_and_blank_lines_are_read(path: Path) -> None:
    assert frames_of(recorded(path, "", GOOD + "\r", "   ", "\r", GOOD).blocks()) == [one(path, GOOD)] * 2


def test_an_interface_whose_number_is_taken_gets_the_highest_free_one(path: Path) -> None:
    lines = [f"(1.0) {name} 123#" for name in ("can0", "vcan0", "can2", "slcan", "can0", "vcan0", "can1", "can300")]
    assert [frame.bus for frame in frames_of(recorded(path, *lines).blocks())] == [0, 255, 2, 254, 0, 255, 1, 253]


def test_more_interfaces_than_a_bus_number_can_hold_are_bad_input(path: Path) -> None:
    lines = [f"(1.0) pt{number}x 123#" for number in range(257)]
    with pytest.raises(BadInputError, match="more than 256 interfaces"):
        read_through(recorded(path, *lines))


@pytest.mark.parametrize(
    "line",
    [
        "(1700000000.000000) can0 12#11",
        "(1700000000.000000) can0 8AB#11",
        "(1700000000.000000) can0 12345#11",
        "(1700000000.000000) can0 40000000#11",
        "(1700000000.000000) can0 123#1",
        "(1700000000.000000) can0 123#1G",
        "(1700000000.000000) can0 12G#11",
        "(170000000O.000000) can0 123#11",
        "(1700000000,000000) can0 123#11",
        "(1700000000.00000a) can0 123#11",
        "(1700000000.000000] can0 123#11",
        "[1700000000.000000) can0 123#11",
        "(1700000000.000000)  can0 123#11",
        "(1700000000.000000) can0 123 11",
        "(1700000000.000000) can0 123#11 X",
        "(1700000000.000000) can0 123#112233445566778899",
        "(1700000000.000000) can0 123##" + "0" + "11" * 65,
        "(2023-06-11 00:57:01.123456) can0 123#11",
        "(1700000000.000000) can0  123   [8]  11 22 33",
        "x" * 300,
        "\0" * 31,
    ],
)
def test_a_malformed_line_is_bad_input_with_its_number(path: Path, line: str) -> None:
    recording = recorded(path, GOOD, GOOD, "", line, GOOD)
    with pytest.raises(BadInputError, match="not a line of candump text") as error:
        read_through(recording)
    assert error.value.where == f"{path}, line 4"


def test_the_first_malformed_line_is_named_whatever_its_length(path: Path) -> None:
    recording = recorded(path, *[GOOD] * 50_000, GOOD + "G" * 90, "wrong", GOOD)
    with pytest.raises(BadInputError) as error:
        read_through(recording)
    assert error.value.where == f"{path}, line 50001"


def test_a_file_of_one_endless_line_is_bad_input_at_once(path: Path) -> None:
    path.write_bytes(GOOD.encode() + b"\n" + b"0" * 5_000_000)
    with pytest.raises(BadInputError, match="line 2"):
        read_through(open_recording(path))


@pytest.mark.parametrize(
    ("last", "taken", "truncated"),
    [
        ("(1.0) can0 123#1122334455667788", 1, 0),
        ("(1.0) can0 123#11223344 R", 1, 0),
        ("(1.0) can0 123##0" + "11" * 64, 1, 0),
        ("(1.0) can0 123#11223344", 0, 1),  # more could have followed
        ("(1.0) can0 123#R", 0, 1),
        ("(1.0) can0 123#112", 0, 1),
        ("(1.0", 0, 1),
        ("  ", 0, 0),
    ],
)
def test_a_last_line_without_its_newline_is_taken_only_if_it_is_certainly_whole(
    path: Path, last: str, taken: int, truncated: int
) -> None:
    path.write_text(f"{GOOD}\n{last}", encoding="ascii")
    recording = open_recording(path)
    assert len(frames_of(recording.blocks())) == 1 + taken
    assert recording.statistics.truncated_lines == truncated


def test_times_since_the_start_of_a_logger_are_kept_and_known_as_no_date(path: Path) -> None:
    recording = recorded(path, "(15.316000) can0 30B#102E020008000014")
    assert not recording.has_wall_clock
    assert read_through(recording).first_captured_at == 15_316_000


LINES = st.builds(
    lambda frame, direction: candump_line(frame) + direction,
    frames(fd=True, buses=(0, 7), size_max=1).filter(bool).map(lambda many: many[0]),
    st.sampled_from(["", " R", " T"]),
)


@given(st.lists(LINES | st.sampled_from(["(1.0) can0 123#R", "(9.5) can1 1BCDEF01#R"]), min_size=1, max_size=60))
def test_lines_in_any_mixture_are_read_as_python_can_reads_them(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    path = tmp_path_factory.mktemp("mixture") / "drive.log"
    recording = recorded(path, *lines)
    got = frames_of(recording.blocks())
    messages = list(can.CanutilsLogReader(path))
    expected = [
        Frame(
            round(message.timestamp * 1_000_000),
            message.arbitration_id,
            message.is_extended_id,
            bytes(message.data),
            int(str(message.channel)[-1]),
        )
        for message in messages
        if not message.is_remote_frame
    ]
    assert got == expected
    assert recording.statistics.remote_frames == len(messages) - len(expected)
