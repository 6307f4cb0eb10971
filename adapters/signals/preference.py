"""Choosing between several sources of one VSS path.

A sample counts unless a better one was heard in the `HOLD_US` before it: any value is better than none, and of two
values the one whose source the mapping prefers. So a second source speaks while the first is silent or says that it has
no value, and the two never alternate.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from adapters.sampling import SampleColumn

HOLD_US: Final = (
    10_000_000  # a source counts as silent after this long; slower than any cyclic message or polling round
)
SOURCES_MAX: Final = 1_000  # of one path
_NEVER: Final = np.iinfo(np.int64).min // 2


class SourcePreference:
    """Merges the sources of each path of one stream; remembers when each was last heard.

    `outranked` counts the samples that were left out.
    """

    def __init__(self) -> None:
        self._heard: dict[str, dict[int, int]] = {}  # path: score: captured_at of the last sample with it
        self.outranked = 0

    def merged(self, ranked: Iterable[tuple[int, SampleColumn]]) -> list[SampleColumn]:
        """Take the columns of one block, each with the rank of its source (0: preferred), and return one column a path.

        Where several sources were merged, the samples are in the order of the vehicle's time.
        """
        by_path: dict[str, list[tuple[int, SampleColumn]]] = defaultdict(list)
        for rank, column in ranked:
            if len(column.captured_at):
                by_path[column.path].append((rank, column))
        return [self._merged(path, sources) for path, sources in by_path.items()]

    def _merged(self, path: str, sources: list[tuple[int, SampleColumn]]) -> SampleColumn:
        times = np.concatenate([column.captured_at for _, column in sources])
        quality = np.concatenate([column.quality for _, column in sources])
        ranks = np.concatenate([np.full(len(column.captured_at), rank) for rank, column in sources])
        scores = ranks + (quality != 0) * SOURCES_MAX  # lower is better
        rows = np.arange(len(times))
        before = dict(self._heard.get(path, {}))
        alone = {score % SOURCES_MAX for score in before} <= {sources[0][0]} and len(sources) == 1
        if not alone:
            rows = np.lexsort((scores, times))
            rows = rows[_kept(times[rows], scores[rows], before)]
        heard = self._heard.setdefault(path, {})
        heard.update((score, int(times[scores == score][-1])) for score in np.unique(scores).tolist())
        if alone:
            return sources[0][1]
        self.outranked += len(times) - len(rows)
        values = np.concatenate([column.values for _, column in sources])
        return SampleColumn(path, times[rows], values[rows], quality[rows])


def _kept(times: NDArray[np.int64], scores: NDArray[np.int64], heard: dict[int, int]) -> NDArray[np.bool_]:
    """Return which rows no better row of another source precedes by less than `HOLD_US`."""
    kept = np.ones(len(times), np.bool_)
    for score in np.unique(scores).tolist():
        rank = score % SOURCES_MAX
        before = max(
            (at for known, at in heard.items() if known < score and known % SOURCES_MAX != rank), default=_NEVER
        )
        better = np.where((scores < score) & (scores % SOURCES_MAX != rank), times, _NEVER)
        since = times - np.maximum(np.maximum.accumulate(better), before)
        kept &= (scores != score) | (since < 0) | (since > HOLD_US)
    return kept
