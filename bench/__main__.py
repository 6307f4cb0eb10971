"""`python -m bench [NAME…]`: run the benchmarks of that name, or all.

The exit status is 1 where a bar is missed or a benchmark cannot run.
"""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Final, cast

from rich.console import Console

import bench
from bench.report import Result, print_table, record
from domain.errors import FleettwinError

NOT_BENCHMARKS: Final = {"__main__", "report"}


def benchmarks() -> dict[str, Callable[[], Sequence[Result]]]:
    """Return the `run` function of every module of `bench` that has one, by module name."""
    found: dict[str, Callable[[], Sequence[Result]]] = {}
    for module_info in pkgutil.iter_modules(bench.__path__):
        if module_info.name not in NOT_BENCHMARKS:
            run = getattr(importlib.import_module(f"bench.{module_info.name}"), "run", None)
            if run is not None:
                found[module_info.name] = cast("Callable[[], Sequence[Result]]", run)
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmarks, print and record each; return the exit status."""
    known = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(known)}")
    names: list[str] = parser.parse_args(arguments).names or list(known)
    for name in names:
        if name not in known:
            parser.error(f"no benchmark is called {name!r}; there are: {', '.join(known)}")
    console = Console(width=None if sys.stdout.isatty() else 160)
    status = 0
    for name in names:
        try:
            results = known[name]()
        except FleettwinError as error:
            console.print(f"{name}: not run: {error}")
            status = 1
            continue
        print_table(name, results, console)
        record(name, results)
        if not all(result.met for result in results):
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
