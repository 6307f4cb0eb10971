"""`make simulate`: run one seed and say all that happened in it, or many seeds and say which fail."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console

from tests.support.simulation.runs import needed, run

FIRST_SEED: Final = 1_000_000  # of many: none of those that `make test` runs
SEEDS: Final = 200


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; return the exit status: 1 where a seed fails."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seed", type=int, help="the one seed to run")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many to run from {FIRST_SEED} on ({SEEDS})")
    parser.add_argument("--brief", action="store_true", help="of one seed only the verdict")
    chosen = parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if chosen.seed is not None:
        return _one(chosen.seed, console, brief=chosen.brief)
    return _many(range(FIRST_SEED, FIRST_SEED + chosen.seeds), console)


def _one(seed: int, console: Console, *, brief: bool) -> int:
    done = run(seed)
    if not brief:
        console.print("\n".join(done.journal))
    console.print(done.report())
    if done.findings:
        console.print(f"  it still fails with only these faults: {needed(done)}")
    return 1 if done.findings else 0


def _many(seeds: Sequence[int], console: Console) -> int:
    began, happened, failed, events = time.perf_counter(), Counter[str](), 0, 0
    for seed in seeds:
        done = run(seed)
        happened += done.happened
        events += done.events
        if done.findings:
            failed += 1
            console.print(done.report())
    took_s = time.perf_counter() - began
    console.print(", ".join(f"{count} × {what}" for what, count in sorted(happened.items())))
    console.print(f"{len(seeds)} seeds, {events} events, {len(seeds) / took_s:.1f} seeds/s: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
