"""Memory of an ingest: the peak of the whole process, for a million frames and for ten million."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.report import Result

FRAMES: Final = (1_000_000, 10_000_000)
BAR_MB: Final = 500
CHUNK_FRAMES: Final = 100_000
IDS: Final = 100  # that no mapping reads
ANSWERED_EVERY: Final = 5  # frames: one of them is an OBD-II answer
PIDS: Final = (0x04, 0x05, 0x0B, 0x0C, 0x0D, 0x11, 0x2F, 0x42)
VIN: Final = "WVWZZZ1KZAW000001"

_CHILD: Final = """
import resource, sys
from adapters.cli import main
try:
    main()
except SystemExit as end:
    status = end.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def run() -> Sequence[Result]:
    """Ingest candump files of OBD-II answers among other traffic, 2,000 frames a second, into an embedded database."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for frames in FRAMES:
            path = Path(folder, f"{frames}.log")
            _write(path, frames)
            results.append(
                Result(
                    name=f"peak memory of the process that ingests {frames:,} frames",
                    unit="MB",
                    ours=_peak_mb(path, Path(folder, f"home-{frames}")),
                    bar=BAR_MB,
                    lower_is_better=True,
                )
            )
            path.unlink()
    return results


def _peak_mb(path: Path, home: Path) -> float:
    command = [sys.executable, "-c", _CHILD, "ingest", str(path), "--vin", VIN, "--map", "obd2"]
    environment = {**os.environ, "FLEETTWIN_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return float(done.stderr.split()[-1]) / 1024


def _write(path: Path, frames: int) -> None:
    rng = np.random.default_rng(5)
    with path.open("w") as file:
        for first in range(0, frames, CHUNK_FRAMES):
            payloads = rng.integers(0, 1 << 62, CHUNK_FRAMES).tolist()
            for number, payload in enumerate(payloads, first):
                seconds, part = divmod(number * 500, 1_000_000)
                if number % ANSWERED_EVERY:
                    frame = f"{0x100 + number % IDS:03X}#{payload:016X}"
                else:
                    pid = PIDS[number // ANSWERED_EVERY % len(PIDS)]
                    frame = f"7E8#0441{pid:02X}{payload & 0xFFFF:04X}000000"
                file.write(f"({1_780_000_000 + seconds}.{part:06d}) can0 {frame}\n")
