"""Samples as columns: what every source yields before change detection cuts it into batches."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SampleColumn:
    """n samples of one VSS signal in the order heard.

    `captured_at` int64[n] microseconds; `values` float64, int64, bool or object (str) [n]; `quality` uint8[n]
    (`domain.signals.Quality`); a value whose quality is not OK means nothing.
    """

    path: str
    captured_at: NDArray[np.int64]
    values: NDArray[Any]
    quality: NDArray[np.uint8]
