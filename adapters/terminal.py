"""What every command says to whom: what was asked for to standard output, progress to standard error."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from adapters.summary import Progress

WIDE: Final = 10_000  # columns where there is no terminal


def console(*, stderr: bool = False) -> Console:
    """Return a console that shows every text as it is: what cars, files and settings say is no markup."""
    return Console(stderr=stderr, soft_wrap=not stderr, markup=False, emoji=False, highlight=False)


out: Final = console()
err: Final = console(stderr=True)


def print_screen(screen: RenderableType, to: Console = out) -> None:
    """Print tables: folded into the width of a terminal; elsewhere, where a program reads, a row is one line."""
    if to.is_terminal:
        to.print(screen, soft_wrap=False)
    else:
        to.width = WIDE
        to.print(screen)


def print_found(found: Any, as_json: bool, screen: Callable[[Any], RenderableType]) -> None:
    """Print what was found: as JSON, or as a screen for a person."""
    if as_json:
        print_json(found)
    else:
        print_screen(screen(found))


def print_json(value: Any) -> None:
    """Print JSON, for programs and for people."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def told_ingest(name: str) -> Iterator[Callable[[Progress], None]]:
    """Show how far an ingest is for as long as it takes; give what is to be called with its progress."""
    began = time.monotonic()
    with _bar() as bar:
        task = bar.add_task(name, total=None, detail="")

        def tell(done: Progress) -> None:
            rate = done.frames / max(time.monotonic() - began, 1e-3)
            counts = f"{done.frames:,} frames  {done.samples:,} signals  {done.events:,} events  {rate:,.0f} frames/s"
            bar.update(task, completed=done.done, total=done.total or None, detail=counts)

        yield tell


@contextmanager
def told_folding() -> Iterator[Callable[[int, int], None]]:
    """Show how far the read models are; give what is to be called with the events folded and those in all."""
    with _bar() as bar:
        task = bar.add_task("read models", total=None, detail="")

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, detail=f"{done:,} events folded")

        yield tell


@contextmanager
def told_publishing(total: int) -> Iterator[Callable[[int], None]]:
    """Show how much of the log is published; give what is to be called with the position."""
    with _bar() as bar:
        task = bar.add_task("publishes", total=total, detail="")
        yield lambda position: bar.update(task, completed=position, detail=f"{position:,} of {total:,} events")


@contextmanager
def told_rebuild(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a rebuild is; give what is to be called with the events that were read."""
    began = time.monotonic()
    with _bar() as bar:
        task = bar.add_task(name, total=total, detail="")

        def tell(events: int) -> None:
            rate = events / max(time.monotonic() - began, 1e-3)
            bar.update(task, completed=events, detail=f"{events:,} of {total:,} events  {rate:,.0f} events/s")

        yield tell


@contextmanager
def told_verifying() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far a proof or a comparison is; give what is to be called with of what, and vehicles done and in all."""
    with _bar() as bar:
        task = bar.add_task("reads rows", total=None, detail="")

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total, detail=f"{done:,} of {total:,} vehicles")

        yield tell


@contextmanager
def told_simulation(name: str, total_s: float | None) -> Iterator[Callable[[float, int, int], None]]:
    """Show how far a simulation is; give what is to be called with simulated seconds, frames and events so far."""
    began = time.monotonic()
    with _bar() as bar:
        task = bar.add_task(name, total=total_s, detail="")

        def tell(simulated_s: float, frames: int, events: int) -> None:
            took_s = max(time.monotonic() - began, 1e-3)
            counts = f"{frames:,} frames  {events:,} events  {frames / took_s:,.0f} frames/s"
            bar.update(task, completed=simulated_s, detail=f"{simulated_s / took_s:,.1f} × real time  {counts}")

        yield tell


def _bar() -> ProgressBar:
    return ProgressBar(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %", markup=False),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,  # elsewhere it leaves empty lines between the lines that say something
    )
