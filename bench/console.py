"""The console's first look at a fleet, in a real browser without a cache, and a map of 10,000 vehicles drawn anew."""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

import pytest
from rich.console import Console

from adapters.postgres.server import EmbeddedServer
from bench.api_server import environment_of, started
from bench.partner_fleet import fill
from bench.report import ROOT, Result
from domain.errors import BadInputError
from tests.support.console import started_browser

FLEETS: Final = (20, 10_000)
TURNS: Final = 20
USABLE_BAR_MS: Final = 1_500.0
DRAWN_BAR_MS: Final = 20.0
DRAWN: Final = 10_000


def run() -> Sequence[Result]:
    """Open the console of a small fleet and of a large one, again and again; draw the map of the large one.

    Usable is the first frame with vehicles to click on, by the browser's clock since it was told the address.
    """
    results: list[Result] = []
    drawn: list[dict[str, Any]] = []
    with ExitStack() as opened:
        try:
            browser = opened.enter_context(started_browser())
        except (pytest.skip.Exception, pytest.fail.Exception) as error:
            raise BadInputError("there is no browser", where="bench.console", remedy=str(error)) from error
        for count in FLEETS:
            with ExitStack() as fleet:
                folder = Path(fleet.enter_context(tempfile.TemporaryDirectory()))
                conninfo = fleet.enter_context(EmbeddedServer(folder / "database")).conninfo()
                fill(conninfo, count)
                environment = environment_of(folder / "home", conninfo)
                command = [sys.executable, "-m", "bench.partner_server", "compiled"]
                _, port = fleet.enter_context(started(command, environment, ROOT, folder / "server.log"))
                base = f"http://127.0.0.1:{port}"
                taken = [browser.run("fleet.usable", base, count=count) for _ in range(TURNS)]
                name = f"the console's first look at a fleet of {count:,}, usable"
                usable = [each["usableMs"] for each in taken]
                results += [
                    _within(f"{name}, half of {TURNS}", median(usable), USABLE_BAR_MS),
                    _within(f"{name}, the slowest of {TURNS}", max(usable), USABLE_BAR_MS),
                ]
                whole_s = median(each["wholeMs"] for each in taken) / 1_000
                Console().print(f"{count:,} vehicles: all are on the map after {whole_s:,.1f} s")
                drawn.append(browser.run("fleet.many", base, count=DRAWN, budgetMs=DRAWN_BAR_MS))
        results += [
            _within(
                f"{DRAWN:,} vehicles on the map drawn anew, {where}",
                max(each[where]["ms"] for each in drawn),
                DRAWN_BAR_MS,
            )
            for where in ("afar", "near")
        ]
    return results


def _within(name: str, taken_ms: float, bar_ms: float) -> Result:
    return Result(name=name, unit="ms", ours=taken_ms, bar=bar_ms, lower_is_better=True)
