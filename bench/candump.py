"""Reading candump text into frames, against python-can's reader; decoding is another matter (see `decode`)."""

import random
import tempfile
import time
import timeit
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

import can

from adapters.can.recordings import open_recording
from bench.report import Result

FRAMES: Final = 300_000
IDS: Final = 120
EXTENDED_SHARE: Final = 0.2  # of the ids: cars of the MEB platform have about that many
SHORT_SHARE: Final = 0.1  # of the ids: payloads of less than 8 bytes
FRAME_SPACING_US: Final = 400
START_US: Final = 1_700_000_000_000_000
ROUNDS: Final = 7
PEER_ROUNDS: Final = 2
SEED: Final = 42


def run() -> list[Result]:
    """Read the same file with both; each frame must come out of both."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drive.log"
        _write(path)
        ours_s, peer_s = (_seconds(read, path, rounds) for read, rounds in ((_ours, ROUNDS), (_peer, PEER_ROUNDS)))
    return [
        Result(
            name=f"candump text to frames, {FRAMES:,} frames",
            unit="frames/s",
            peer=FRAMES / peer_s,
            peer_name=f"python-can {version('python-can')}",
            ours=FRAMES / ours_s,
            bar=10,
        )
    ]


def _seconds(read: Callable[[Path], None], path: Path, rounds: int) -> float:
    """Return the best CPU time: both use one core, and whatever else the machine does must not decide."""
    return min(timeit.repeat(lambda: read(path), timer=time.process_time, number=1, repeat=rounds))


def _ours(path: Path) -> None:
    frames = sum(len(block) for block in open_recording(path).blocks())
    assert frames == FRAMES


def _peer(path: Path) -> None:
    frames = sum(1 for _ in can.CanutilsLogReader(path))
    assert frames == FRAMES


def _write(path: Path) -> None:
    """Write traffic of a few ids, some of them extended, some with short payloads."""
    rng = random.Random(SEED)
    ids = [
        (
            f"{rng.randrange(1 << 29):08X}" if rng.random() < EXTENDED_SHARE else f"{rng.randrange(1 << 11):03X}",
            rng.randrange(8) if rng.random() < SHORT_SHARE else 8,
        )
        for _ in range(IDS)
    ]
    with path.open("w", encoding="ascii") as file:
        for number in range(FRAMES):
            seconds, micros = divmod(START_US + number * FRAME_SPACING_US, 1_000_000)
            identifier, length = rng.choice(ids)
            file.write(f"({seconds}.{micros:06d}) can0 {identifier}#{rng.randbytes(length).hex().upper()}\n")
