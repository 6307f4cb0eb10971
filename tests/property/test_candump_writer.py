"""What is written as candump text is read as the same frames."""

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.can.candump_writer import CAPTURED_AT_END, candump_text
from adapters.can.recordings import open_recording
from tests.support.frame_blocks import Heard, block_of
from tests.support.frames import Frame, as_block_tells, candump_line, frames, frames_of


def heard(frame: Frame) -> Heard:
    mark = 0x8000_0000 if frame.extended else 0
    return Heard(mark | frame.identifier, frame.data, frame.captured_at, frame.bus)


@given(frames(fd=True, buses=(0, 1, 7, 255)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_read_again(tmp_path: Path, given_frames: list[Frame]) -> None:
    block = block_of(map(heard, given_frames))
    path = tmp_path / "written.log"

    path.write_bytes(candump_text(block))

    if given_frames:
        assert frames_of(open_recording(path).blocks()) == as_block_tells(given_frames)
    else:
        assert path.read_bytes() == b""


@given(frames(fd=True, buses=(0, 12)))
def test_it_is_what_candump_writes(given_frames: list[Frame]) -> None:
    long = [frame for frame in given_frames if frame.fd == (len(frame.data) > 8)]

    text = candump_text(block_of(map(heard, long)))

    assert text.decode() == "".join(candump_line(frame) + "\n" for frame in long)


@given(st.lists(st.integers(0, CAPTURED_AT_END - 1), min_size=1, max_size=20))
def test_any_time_in_any_order_is_written(times: list[int]) -> None:
    text = candump_text(block_of(Heard(0x123, b"", at) for at in times))

    assert text.decode().split("\n")[:-1] == [f"({at // 10**6:010d}.{at % 10**6:06d}) can0 123#" for at in times]


def test_blocks_one_after_the_other_are_the_text_of_all() -> None:
    generator = np.random.default_rng(3)
    everything = [
        Heard(int(generator.integers(0x800)), generator.bytes(int(generator.integers(9))), at) for at in range(200)
    ]
    assert candump_text(block_of(everything)) == candump_text(block_of(everything[:70])) + candump_text(
        block_of(everything[70:])
    )
