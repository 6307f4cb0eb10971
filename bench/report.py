"""What a benchmark hands over, how it is printed, and the results file that it is kept in.

A benchmark is a module `bench/<name>.py` with a function `run() -> Sequence[Result]`; `python -m bench <name>` runs it.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = ROOT / "bench" / "results"
BYTES_PER_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of a benchmark: a peer and ours, both measured in this run, in `unit`.

    With a peer, `bar` is the least `ratio` wanted. Without one, `bar` is the limit of `ours` itself: the least wanted,
    or the most allowed where `lower_is_better`.
    """

    name: str  # what is measured and how much of it: "decode, VW MQB, 1,000,000 frames"
    unit: str  # of `peer` and `ours`: "frames/s", "events/s", "MB"
    ours: float
    bar: float
    peer: float | None = None
    peer_name: str = ""  # "cantools 45.1.0"
    lower_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer ours is; None without a peer."""
        if self.peer is None:
            return None
        return self.peer / self.ours if self.lower_is_better else self.ours / self.peer

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        if self.ratio is not None:
            return self.ratio >= self.bar
        return self.ours <= self.bar if self.lower_is_better else self.ours >= self.bar


def record(name: str, results: Sequence[Result], *, folder: Path = RESULTS) -> Path:
    """Append the results of benchmark `name` to `folder/<name>.jsonl` as one JSON line; return the file."""
    line = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": _machine(),
        "results": [asdict(result) | {"ratio": result.ratio, "met": result.met} for result in results],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return path


def print_table(name: str, results: Iterable[Result], console: Console) -> None:
    """Print the results of benchmark `name` as a table: peer, ours, ratio, bar, met."""
    table = Table(title=name, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("measured")
    table.add_column("peer", justify="right")
    table.add_column("ours", justify="right")
    table.add_column("unit")
    table.add_column("ratio", justify="right")
    table.add_column("bar", justify="right")
    table.add_column("met")
    for result in results:
        peer = "–" if result.peer is None else f"{result.peer_name} {_figure(result.peer)}".strip()
        ratio = "–" if result.ratio is None else f"{_figure(result.ratio)} x"
        table.add_row(
            result.name, peer, _figure(result.ours), result.unit, ratio, _bar(result), "yes" if result.met else "NO"
        )
    console.print(table)


def _bar(result: Result) -> str:
    if result.ratio is not None:
        return f">= {result.bar:g} x"
    return f"{'<=' if result.lower_is_better else '>='} {_figure(result.bar)}"


def _figure(value: float) -> str:
    """Return `value` with three significant digits and thousands set apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _commit() -> str:
    """Return the short commit hash, with "+" where the tree differs from it, or "unknown" outside a repository."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":!bench/results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+" if changed else head


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _machine() -> Mapping[str, str | int | float]:
    return {
        "cpu": _cpu_model(),
        "cores": os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / BYTES_PER_GIB, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model() -> str:
    """Return the CPU's name from Linux' /proc/cpuinfo, elsewhere what Python knows of it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
