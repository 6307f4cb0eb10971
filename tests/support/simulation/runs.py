"""Runs of seeds: their verdicts, as a test or a person reads them."""

import subprocess
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.support.simulation.faults import Faults
from tests.support.simulation.oracle import check
from tests.support.simulation.sources import Source, small_fleet
from tests.support.simulation.world import Parts, World

ROOT: Final = Path(__file__).parents[3]
FIRST_SEED: Final = 0  # of those that `make test` runs
KEPT: Final = ROOT / "tests/simulation/seeds.txt"
FINDINGS_MAX: Final = 10  # that a report shows


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a seed."""

    seed: int
    faults: Faults
    findings: Sequence[str]
    happened: Counter[str]
    journal: Sequence[str] = field(repr=False)
    events: int
    hours: float  # of virtual time

    def report(self) -> str:
        """Return everything that is worth knowing, the way back to it included."""
        happened = ", ".join(f"{count} × {what}" for what, count in sorted(self.happened.items()))
        lines = [
            f"seed {self.seed} at {commit()}: {'FAILED' if self.findings else 'good'}",
            f"  faults drawn: {self.faults}",
            f"  what happened in {self.hours:.1f} hours: {self.events} events; {happened}",
            *(f"  ! {finding}" for finding in self.findings[:FINDINGS_MAX]),
        ]
        if len(self.findings) > FINDINGS_MAX:
            lines.append(f"  ! and {len(self.findings) - FINDINGS_MAX} more")
        if self.findings:
            lines.append(f"  again, with all that happens: make simulate SEED={self.seed}")
        return "\n".join(lines)


def run(seed: int, source: Source = small_fleet, parts: Parts | None = None, faults: Faults | None = None) -> Run:
    """Run a seed; an exception that comes through is a finding like any other."""
    world = World(seed, source, parts, faults)
    try:
        world.run()
        findings = check(world)
    except Exception:  # noqa: BLE001  # whatever it is, its seed must be told
        findings = [*world.watch.findings, traceback.format_exc()]
    hours = (world.now - world.began_at) / 3_600_000_000
    return Run(seed, world.faults, findings, world.chance.happened, world.journal, world.log.last_position(), hours)


def needed(failed: Run, fails: Callable[[Faults], bool] | None = None) -> Faults:
    """Return faults of a failed run of which it needs every one to fail."""
    fails = fails or (lambda faults: bool(run(failed.seed, faults=faults).findings))
    faults, before = failed.faults, None
    while faults != before:  # what one fault hides may be needed no more without it
        before = faults
        for name, _ in before:
            fewer = replace(faults, **{name: 0.0})
            if fails(fewer):
                faults = fewer
    return faults


def kept_seeds() -> dict[int, str]:
    """Return the seeds that have failed once, with why."""
    lines = [line.partition("#") for line in KEPT.read_text(encoding="utf-8").splitlines()]
    return {int(seed): why.strip() for seed, _, why in lines if seed.strip()}


def commit() -> str:
    """Return the name of the present commit, and whether the tree is another."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "an unknown commit"
