"""Runs of frames of any length, cut into blocks of always the same length."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from adapters.can.frames import BLOCK_FRAMES, CLASSIC_WIDTH, FD_WIDTH, FrameBlock


def in_blocks(runs: Iterable[FrameBlock]) -> Iterator[FrameBlock]:
    """Yield the frames of `runs` in blocks of exactly `BLOCK_FRAMES`, the last one shorter.

    What a reader happens to read at once has no influence: the same frames always give the same blocks.
    """
    waiting: list[FrameBlock] = []
    count = 0
    for run in runs:
        waiting.append(run)
        count += len(run)
        if count >= BLOCK_FRAMES:
            joined = joined_run(waiting)
            whole = count - count % BLOCK_FRAMES
            for first in range(0, whole, BLOCK_FRAMES):
                yield _fitted(run_slice(joined, first, first + BLOCK_FRAMES))
            waiting = [run_slice(joined, whole, count)]
            count -= whole
    if count:
        yield _fitted(joined_run(waiting))


def joined_run(runs: Sequence[FrameBlock]) -> FrameBlock:
    """Return the frames of `runs`, one after the other, as one run as wide as the widest."""
    if len(runs) == 1:
        return runs[0]
    width = max(run.data.shape[1] for run in runs)
    return FrameBlock(
        np.concatenate([run.captured_at for run in runs]),
        np.concatenate([run.can_id for run in runs]),
        np.concatenate([run.bus for run in runs]),
        np.concatenate([run.length for run in runs]),
        np.concatenate([widened(run.data, width) for run in runs]),
    )


def run_slice(run: FrameBlock, first: int, end: int) -> FrameBlock:
    """Return frames `first` up to `end` of a run."""
    rows = slice(first, end)
    return FrameBlock(run.captured_at[rows], run.can_id[rows], run.bus[rows], run.length[rows], run.data[rows])


def run_take(run: FrameBlock, rows: NDArray[np.intp] | NDArray[np.bool_]) -> FrameBlock:
    """Return the frames of a run at `rows` (indexes or a mask)."""
    return FrameBlock(run.captured_at[rows], run.can_id[rows], run.bus[rows], run.length[rows], run.data[rows])


def widened(data: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Return payloads `width` bytes wide, with zeros added at the right."""
    if data.shape[1] == width:
        return data
    wide = np.zeros((len(data), width), np.uint8)
    wide[:, : data.shape[1]] = data
    return wide


def _fitted(run: FrameBlock) -> FrameBlock:
    """Return a run as wide as its own longest payload asks for: 8 bytes, or 64 with CAN FD."""
    width = CLASSIC_WIDTH if int(run.length.max()) <= CLASSIC_WIDTH else FD_WIDTH
    data = np.ascontiguousarray(run.data[:, :width]) if run.data.shape[1] >= width else widened(run.data, width)
    return FrameBlock(run.captured_at, run.can_id, run.bus, run.length, data)
