import struct
import zlib
from pathlib import Path

import can
import pytest

from adapters.can.recordings import open_recording
from domain.errors import BadInputError
from tests.support.frames import Frame, frames_of, message_of, read_through, write_blf

FRAMES = [Frame(1_700_000_000_000_000 + number, number, extended=False, data=bytes(8), bus=1) for number in range(100)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "drive.blf"
    write_blf(path, FRAMES)
    return path


def test_remote_and_error_frames_are_counted(path: Path) -> None:
    with can.BLFWriter(path) as writer:
        for message in (
            can.Message(timestamp=1.7e9, is_remote_frame=True, dlc=8, channel=0),
            can.Message(timestamp=1.7e9, is_error_frame=True, channel=0),
            message_of(FRAMES[0], channel=0),
        ):
            writer.on_message_received(message)
    statistics = read_through(open_recording(path))
    assert (statistics.frames, statistics.remote_frames, statistics.error_frames) == (1, 1, 1)


def test_times_before_1990_are_kept_as_those_of_a_logger(path: Path) -> None:
    write_blf(path, [Frame(5_000_000, 1, extended=False, data=b"", bus=1), Frame(7_000_001, 2, True, b"", 1)])
    recording = open_recording(path)
    first, second = frames_of(recording.blocks())
    assert second.captured_at - first.captured_at == 2_000_001
    assert not recording.has_wall_clock


def test_a_file_that_was_never_closed_is_read(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack("<Q", 144)  # the size of the file, as the header says it
    path.write_bytes(content)
    assert frames_of(open_recording(path).blocks()) == FRAMES


def test_a_file_that_was_cut_between_containers_is_bad_input(path: Path) -> None:
    content = path.read_bytes()
    last = content.rindex(b"LOBJ", 0, len(content) - 20)
    path.write_bytes(content[:last])
    with pytest.raises(BadInputError, match=f"the file ends at byte {last} of {len(content)}"):
        read_through(open_recording(path))


def test_a_file_that_was_never_closed_and_ends_within_a_frame_is_bad_input(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack("<Q", 144)
    second = content.index(b"LOBJ", content.index(b"LOBJ") + 32)
    path.write_bytes(content[:second])
    with pytest.raises(BadInputError, match="the file ends within a frame"):
        next(open_recording(path).blocks())


def test_a_flipped_bit_in_a_container_is_bad_input_before_the_first_block(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="a container cannot be unpacked") as error:
        next(open_recording(path).blocks())
    assert ", byte " in error.value.where


def test_an_unknown_compression_is_bad_input_and_not_passed_over(path: Path) -> None:
    content = bytearray(path.read_bytes())
    first = content.index(b"LOBJ")
    content[first + 16] = 7
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"unknown compression 7"):
        read_through(open_recording(path))


def test_containers_that_are_not_compressed_are_checked_too(path: Path) -> None:
    with can.BLFWriter(path, compression_level=0) as writer:
        for frame in FRAMES:
            writer.on_message_received(message_of(frame, channel=0))
    content = bytearray(path.read_bytes())
    assert frames_of(open_recording(path).blocks()) == FRAMES
    inner = content.index(b"LOBJ", content.index(b"LOBJ", 200) + 200)
    content[inner] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="no object begins"):
        next(open_recording(path).blocks())


def test_a_container_that_says_another_size_is_bad_input(path: Path) -> None:
    content = path.read_bytes()
    first = content.index(b"LOBJ")
    size = struct.unpack_from("<L", content, first + 8)[0]
    data = zlib.decompress(content[first + 32 : first + size])
    packed = zlib.compress(data[:-8])
    header = struct.pack("<4sHHLL", b"LOBJ", 16, 1, 32 + len(packed), 10) + struct.pack("<H6xL4x", 2, len(data))
    path.write_bytes(content[:first] + header + packed)
    with pytest.raises(BadInputError, match="holds"):
        read_through(open_recording(path))
