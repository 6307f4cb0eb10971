import numpy as np
import pytest

from adapters.can import blocks
from adapters.can.blocks import in_blocks
from adapters.can.frames import FrameBlock


def run(lengths: list[int], width: int) -> FrameBlock:
    count = len(lengths)
    data = np.where(np.arange(width) < np.array(lengths)[:, None], np.uint8(0xA5), np.uint8(0))
    numbers = np.arange(count)
    return FrameBlock(
        numbers.astype(np.int64),
        numbers.astype(np.uint32),
        np.zeros(count, np.uint8),
        np.array(lengths, np.uint8),
        data.astype(np.uint8),
    )


def test_a_block_is_as_wide_as_its_own_longest_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_FRAMES", 3)
    runs = [run([8, 0, 3, 64], 64), run([1, 2], 8), run([8, 8, 8, 12], 64)]
    got = list(in_blocks(runs))
    assert [block.length.tolist() for block in got] == [[8, 0, 3], [64, 1, 2], [8, 8, 8], [12]]
    assert [block.data.shape[1] for block in got] == [8, 64, 8, 64]
    for block in got:
        assert block.data.flags.c_contiguous
        assert (block.data != 0).sum(axis=1).tolist() == block.length.tolist()


def test_runs_without_a_frame_make_no_block() -> None:
    assert list(in_blocks([])) == []
    assert list(in_blocks([run([], 8), run([], 64)])) == []
