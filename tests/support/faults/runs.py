"""Runs of seeds: their verdicts, as a test or a person reads them."""

import shutil
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.support.faults.rig import Outcome, Rig
from tests.support.faults.schedule import Schedule
from tests.support.faults.services import Services
from tests.support.simulation.runs import FINDINGS_MAX, commit


def run(seed: int, services: Services, folder: Path, tell: Callable[[str], None] = lambda _: None) -> Outcome:
    """Run a seed; what it leaves in `folder` is kept if something was found, an exception included."""
    rig = Rig(services, Schedule.draw(seed), folder, tell)
    try:
        rig.run()
    except Exception:  # noqa: BLE001  # whatever it is, its seed must be told
        rig.outcome.findings.append(traceback.format_exc())
    if not rig.outcome.findings:
        shutil.rmtree(folder)
    return rig.outcome


def report(outcome: Outcome) -> str:
    """Return everything that is worth knowing, the way back to it included."""
    seed, numbers = outcome.schedule.seed, outcome.numbers
    injected = ", ".join(f"{count} × {what}" for what, count in sorted(outcome.injected.items()))
    lines = [
        f"seed {seed} at {commit()}: {'FAILED' if outcome.findings else 'good'}",
        f"  injected: {injected}",
        f"  {', '.join(f'{name} {number:.0f}' for name, number in numbers.items())}",
        *(f"  ! {finding}" for finding in outcome.findings[:FINDINGS_MAX]),
    ]
    if len(outcome.findings) > FINDINGS_MAX:
        lines.append(f"  ! and {len(outcome.findings) - FINDINGS_MAX} more")
    if outcome.findings:
        lines += ["  what happened:", *(f"  {line}" for line in outcome.journal)]
        for name, tail in outcome.tails.items():
            lines += [f"  {name} said last:", *(f"    {line}" for line in tail.splitlines())]
        lines += [f"  kept: {outcome.folder}", f"  again: make faults SEED={seed}"]
    return "\n".join(lines)
