"""`make faults`: run one schedule of faults against real processes and say all that happens, or sum many up."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from adapters.kafka.distribution import find_distribution
from domain.errors import BadInputError
from tests.support.faults.rig import CLIENTS, Outcome
from tests.support.faults.runs import report, run
from tests.support.faults.schedule import Kind, Schedule
from tests.support.faults.services import Services

FIRST_SEED: Final = 1_000  # of many: none of those that `make test` runs
COUNT: Final = 10


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; return the exit status: 1 where something was found, 2 where nothing can be run."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="the one seed to run")
    parser.add_argument("--count", type=int, default=COUNT, help=f"how many to run ({COUNT})")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help=f"the first of them ({FIRST_SEED})")
    parser.add_argument("--dry", action="store_true", help="print the schedules only")
    chosen = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    seeds = range(chosen.first, chosen.first + chosen.count) if chosen.seed is None else [chosen.seed]
    if chosen.dry or chosen.seed is not None:
        for seed in seeds:
            _print_schedule(Schedule.draw(seed), console)
    if chosen.dry:
        return 0
    try:
        distribution = find_distribution()
    except BadInputError as error:
        sys.stderr.write(f"make faults: {error}\n")
        return 2
    began = time.monotonic()
    outcomes: list[Outcome] = []
    kept = Path(tempfile.mkdtemp(prefix="fleettwin-faults-"))
    tell: Callable[[str], None] = console.print if chosen.seed is not None else lambda _: None
    with (
        tempfile.TemporaryDirectory(prefix="fleettwin-services-") as folder,
        Services(Path(folder), distribution, CLIENTS) as services,
    ):
        for seed in seeds:
            outcomes.append(run(seed, services, kept / f"seed-{seed}", tell))
            console.print(report(outcomes[-1]))
    if not any(kept.iterdir()):
        kept.rmdir()
    _print_summary(outcomes, time.monotonic() - began, console)
    return 1 if any(each.findings for each in outcomes) else 0


def _print_schedule(schedule: Schedule, console: Console) -> None:
    way = "through a proxy" if schedule.sends_through_proxy else "directly"
    console.print(f"seed {schedule.seed}: {', '.join(schedule.roles)}; telemetry is sent {way}")
    for fault in schedule.faults:
        console.print(f"{fault.at_s:7.1f} s  {fault}")
    if schedule.crashes_at_rest:
        console.print(f"  at rest  {Kind.DATABASE_CRASH}")


def _print_summary(outcomes: Sequence[Outcome], took_s: float, console: Console) -> None:
    injected, kinds, numbers = Counter[str](), Counter[str](), Counter[str]()
    for each in outcomes:
        injected += each.injected
        kinds.update({finding.partition(":")[0] for finding in each.findings})
        numbers.update(each.numbers)
    table = Table("injected", "times")
    for kind in (*Kind, "killed while it waited for an answer", "start refused"):
        table.add_row(str(kind), str(injected[kind]))
    console.print(table)
    failed = [str(each.schedule.seed) for each in outcomes if each.findings]
    totals = ", ".join(f"{numbers[name]:,.0f} {name}" for name in ("batches", "sent again", "events", "starts"))
    console.print(f"{len(outcomes)} schedules in {took_s:.0f} s: {totals}")
    console.print(f"failed: {', '.join(failed) or 'none'}")
    for kind, count in sorted(kinds.items()):
        console.print(f"  found in {count}: {kind}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
