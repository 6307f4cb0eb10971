"""The speed of a car on the WLTC, the cycle that consumption and emissions are measured on.

Source: UN Global Technical Regulation No. 15, Annex 1 (`data/README.md` says how the figures were read).
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

_FILE: Final = "wltc_class3b.csv"
_HEADER_LINES: Final = 2


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a cycle: the speeds at `start_s` up to and including `end_s`, seconds from the start of the cycle."""

    name: str
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True, eq=False)
class DriveCycle:
    """A speed trace at 1 Hz, and its phases in order.

    `speed_km_h` float64[n]: km/h at 0, 1, … n - 1 seconds from the start; read-only.
    """

    speed_km_h: NDArray[np.float64]
    phases: tuple[Phase, ...]


# GTR No. 15, Annex 1, paragraph 3.3.2 and tables A1/7, A1/9, A1/11 and A1/12
WLTC_CLASS3B_PHASES: Final = (
    Phase("low", 0, 589),
    Phase("medium", 590, 1022),
    Phase("high", 1023, 1477),
    Phase("extra high", 1478, 1800),
)


def load_wltc_class3b() -> DriveCycle:
    """Return the WLTC of class 3b vehicles (UN GTR No. 15, Annex 1, paragraph 3.3.2): 1,801 speeds in km/h, 23.27 km.

    It starts and ends at a standstill, so it can be driven again and again.
    """
    text = (files("adapters.simulator") / "data" / _FILE).read_text(encoding="utf-8")
    speeds_km_h = np.array([float(row.partition(",")[2]) for row in text.splitlines()[_HEADER_LINES:]])
    speeds_km_h.flags.writeable = False
    return DriveCycle(speeds_km_h, WLTC_CLASS3B_PHASES)
