"""Several streams of frames, each in the order of time, merged into one."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adapters.can.blocks import joined_run, run_slice, run_take
from adapters.can.frames import FrameBlock


def merged(streams: list[Iterator[FrameBlock]]) -> Iterator[FrameBlock]:
    """Yield the frames of all streams in the order of time; frames of one time in the order of the streams.

    No stream is empty. A time that goes back within a stream does not change the order of that stream.
    Of each stream the next run is waiting: what is earlier than the last time of every waiting run is complete.
    """
    waiting = [_Waiting(stream) for stream in streams]
    while waiting:
        unfinished = [one for one in waiting if not one.ended]
        limit = min((one.last for one in unfinished), default=None)
        parts = [one.take_before(limit) for one in waiting]
        run = joined_run([part for part, _ in parts])
        if len(parts) > 1:
            run = run_take(run, np.argsort(np.concatenate([key for _, key in parts]), kind="stable"))
        for one in unfinished:
            if one.last == limit:
                one.extend()
        waiting = [one for one in waiting if len(one)]
        if len(run):
            yield run


class _Waiting:
    """The next frames of a stream; `key` is the time that they sort by, which never falls within a stream."""

    def __init__(self, stream: Iterator[FrameBlock]) -> None:
        self._stream = stream
        self._run = next(stream)
        self._key: NDArray[np.int64] = np.maximum.accumulate(self._run.captured_at)
        self.ended = False
        self.last = int(self._key[-1])

    def __len__(self) -> int:
        return len(self._key)

    def take_before(self, limit: int | None) -> tuple[FrameBlock, NDArray[np.int64]]:
        """Take the frames before `limit`, or all."""
        end = len(self._key) if limit is None else int(np.searchsorted(self._key, limit))
        taken, key = run_slice(self._run, 0, end), self._key[:end]
        self._run, self._key = run_slice(self._run, end, len(self._key)), self._key[end:]
        return taken, key

    def extend(self) -> None:
        """Add the next run of the stream."""
        run = next(self._stream, None)
        if run is None:
            self.ended = True
            return
        key = np.maximum.accumulate(np.maximum(run.captured_at, self.last))
        self._run, self._key = joined_run([self._run, run]), np.concatenate([self._key, key])
        self.last = int(self._key[-1])
