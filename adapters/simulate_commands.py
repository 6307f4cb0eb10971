"""What `fleettwin simulate` does."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple
from uuid import uuid4

from adapters.can.candump_writer import candump_text
from adapters.clock import now
from adapters.config import Config
from adapters.live_fleet import Pace, drive
from adapters.signals.catalogue import Catalogue, load_catalogue
from adapters.simulation import Plan, Platforms, SimulatedCar, Simulation, Twins, mappings_of, simulated_cars
from adapters.simulation_check import Difference, differences
from adapters.simulation_screen import simulation_screen
from adapters.simulator.fault_plan import HOUR_US, Faults
from adapters.simulator.fleet import Car, simulated_fleet
from adapters.simulator.trace import DAY_S
from adapters.terminal import out, print_json, print_screen, told_folding, told_simulation
from adapters.wiring import FleetTwin, memory_twin
from domain.errors import BadInputError
from domain.units import MICROS_PER_SECOND

ORIGIN_US: Final = 1_780_288_200 * MICROS_PER_SECOND  # 2026-06-01T04:30:00Z: second 0, where no clock is followed
WRITTEN_S: Final = 60  # simulated at a time, so that memory stays flat


FACTS_FILE: Final = "fleet.json"  # beside the frames: whose they are, and what is true of each car
HOURS_MAX: Final = 24 * 366
VEHICLES_MAX: Final = 100_000
CAR_BYTES: Final = 3_000_000  # of memory that a car takes while it is simulated, as measured
RATE_RANGE: Final = (10, 10_000)  # frames a second
SPEEDUP_RANGE: Final = (0.1, 10_000.0)


class Wish(NamedTuple):
    """What a person wants simulated, as given on the command line."""

    vehicles: int
    hours: float | None
    seed: int
    brands: tuple[str, ...]
    faults: tuple[str, ...]
    rate: int
    out: Path | None
    live: bool
    speedup: float
    check: bool
    dbc: tuple[Path, ...]
    over_kafka: bool
    as_json: bool


def simulate_fleet(wish: Wish, opened: Callable[[], AbstractContextManager[FleetTwin]]) -> int:
    """Do it; return how many differences from the truth nothing explains. Raises BadInputError for nonsense."""
    _refuse_nonsense(wish)
    plan = Plan(wish.vehicles, wish.seed, wish.brands, Faults.parse(wish.faults), wish.rate, wish.dbc)
    span_us = None if wish.hours is None else round(wish.hours * HOUR_US)
    if wish.live:
        _refuse_crowd(wish.vehicles)
        with opened() as twin, twin.fleet_over_kafka() if wish.over_kafka else nullcontext(twin.fleet) as twins:
            fold = not wish.over_kafka  # who projects does so
            return simulate_live(
                twin, twins, plan, span_us, wish.speedup, fold=fold, check=wish.check, as_json=wish.as_json
            )
    assert span_us is not None
    catalogue = load_catalogue(Config.read().vss_catalogue)
    if wish.out is not None:
        simulate_into_files(plan, span_us, wish.out, catalogue, as_json=wish.as_json)
        return 0
    _refuse_crowd(wish.vehicles)
    return simulate_and_check(plan, span_us, catalogue, as_json=wish.as_json)


def _refuse_crowd(vehicles: int) -> None:
    """Raise BadInputError for more cars at a time than this machine has memory for."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // CAR_BYTES
    if vehicles > most:
        what = f"{vehicles:,} cars need {vehicles * CAR_BYTES / 1e9:,.0f} GB of memory at a time, more than there are"
        raise BadInputError(what, where="--vehicles", remedy=f"give at most {most:,}, or write files with --out")


def _refuse_nonsense(wish: Wish) -> None:
    """Raise BadInputError for numbers that cannot be, and for options that exclude or need each other."""
    for name, value, (least, most) in (
        ("--vehicles", wish.vehicles, (1, VEHICLES_MAX)),
        ("--hours", 1.0 if wish.hours is None else wish.hours, (1 / 3_600, HOURS_MAX)),
        ("--seed", wish.seed, (0, 2**63 - 1)),
        ("--rate", wish.rate, RATE_RANGE),
        ("--speedup", wish.speedup, SPEEDUP_RANGE),
    ):
        if not least <= value <= most:
            remedy = f"give a number from {_figure(least)} to {_figure(most)}"
            raise BadInputError(f"{value} is out of range", where=name, remedy=remedy)
    if (wish.out is not None) + wish.live > 1 or (wish.out is not None and wish.check):
        raise BadInputError(
            "excludes --live and --check", where="--out", remedy="simulate twice: the seed makes them alike"
        )
    if wish.out is None and not wish.live and not wish.check:
        what = "does not say where to"
        raise BadInputError(what, where="simulate", remedy="give --out DIR, --live, or --check")
    if wish.hours is None and not wish.live:
        raise BadInputError("is missing", where="--hours", remedy="say how long the cars live, e.g. --hours 1")
    if wish.over_kafka and (not wish.live or wish.check):
        raise BadInputError(
            "goes with --live, and without --check", where="--to", remedy="add the one, or leave --check"
        )
    if wish.speedup != 1 and (not wish.live or wish.hours is None):
        raise BadInputError("needs --live and --hours", where="--speedup", remedy="add them, or leave it away")


def _figure(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:.3g}"


def simulate_into_files(plan: Plan, span_us: int, folder: Path, catalogue: Catalogue, *, as_json: bool) -> None:
    """Write the frames of every car as candump text, and what is true of each."""
    if plan.faults.of_the_way:
        what = "lost, doubled, reordered, late and tunnel are faults on the way from a car to its twin"
        raise BadInputError(
            what, where="--fault", remedy="leave them away with --out, or simulate with --live or --check"
        )
    cars = simulated_cars(plan, Platforms(catalogue, plan.dbc))
    _make_folder(folder)
    _refuse_others(folder, {car.vin.text for car in simulated_fleet(plan.vehicles, plan.seed, plan.brands)})
    heard: list[Car] = []
    facts: list[dict[str, Any]] = []
    frames = size = 0
    with told_simulation("simulating", span_us / MICROS_PER_SECOND) as tell, _written(folder) as open_file:
        for place, car in enumerate(cars):
            first_frame = frames
            with open_file(f"{car.car.vin.text}.log") as file:
                for from_us in range(0, span_us, WRITTEN_S * MICROS_PER_SECOND):
                    until_us = min(span_us, from_us + WRITTEN_S * MICROS_PER_SECOND)
                    block = car.frames(from_us, until_us, ORIGIN_US)
                    size += file.write(candump_text(block))
                    frames += len(block)
                    tell((place + until_us / span_us) / plan.vehicles * span_us / MICROS_PER_SECOND, frames, 0)
            if frames > first_frame:
                heard.append(car.car)
            facts.append(_facts(car, span_us))
        with open_file(FACTS_FILE) as file:
            file.write(json.dumps(facts, ensure_ascii=False, indent=1).encode() + b"\n")
    if as_json:
        found = {"folder": str(folder), "vehicles": plan.vehicles, "files": len(heard), "frames": frames, "bytes": size}
        print_json(found)
        return
    slept = plan.vehicles - len(heard)
    asleep = f"; cars that slept all the time, and have no file: {slept}" if slept else ""
    out.print(f"{frames:,} frames of {len(heard)} cars in {folder}, {size / 1e6:,.0f} MB{asleep}", highlight=False)
    for first in heard[:1]:
        maps = " ".join(f"--map {name}" for name in mappings_of(first.platform))
        path = folder / f"{first.vin.text}.log"
        out.print(f"fleettwin ingest {path} --vin {first.vin.text} --brand '{first.brand}' {maps}", highlight=False)


def simulate_live(
    twin: FleetTwin,
    twins: Twins,
    plan: Plan,
    span_us: int | None,
    speedup: float,
    *,
    fold: bool,
    check: bool,
    as_json: bool,
) -> int:
    """Drive into the running twin until the end, or Ctrl-C; return how many differences nothing explains.

    `fold`: fold what it made, too; where others do that, they are not overtaken.
    """
    assert fold or not check, "what is checked is what was folded"
    pace = Pace(0, now(), speedup=speedup, span_us=span_us)
    simulation = Simulation(plan, twins, twin.catalogue, origin_us=pace.origin_us, session=str(uuid4()))
    stopping = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stopping.set())
    try:
        total_s = None if span_us is None else span_us / MICROS_PER_SECOND
        with told_simulation("driving", total_s) as tell:
            drive(simulation, pace, stopping, lambda done: tell(done.simulated_s, done.frames, done.events))
    finally:
        signal.signal(signal.SIGINT, before)
    if fold:
        with told_folding() as tell_folding:
            twin.projecting.catch_up(tell_folding)
    found = differences(simulation, twin.read_models) if check else []
    unexplained = _told(simulation, found, check=check, as_json=as_json)
    heard = [each.car for each in simulation.cars if simulation.progress_of(each.car.number).last_sequence > 1]
    if heard and not as_json:
        out.print(f"fleettwin show {heard[0].vin.text}")
    return unexplained


def simulate_and_check(plan: Plan, span_us: int, catalogue: Catalogue, *, as_json: bool) -> int:
    """Simulate into twins in memory, as fast as the machine does; return how many differences nothing explains."""
    twin = memory_twin()
    simulation = Simulation(plan, twin.fleet, catalogue, origin_us=ORIGIN_US, session="check")
    with told_simulation("simulating", span_us / MICROS_PER_SECOND) as tell:
        simulation.run(span_us, lambda done: tell(done.simulated_s, done.frames, done.events))
        simulation.finish()
    with told_folding() as tell_folding:
        twin.projecting.catch_up(tell_folding)
    return _told(simulation, differences(simulation, twin.read_models), check=True, as_json=as_json)


def _told(simulation: Simulation, found: Sequence[Difference], *, check: bool, as_json: bool) -> int:
    unexplained = sum(difference.cause is None for difference in found)
    counts = {
        "vehicles": len(simulation.cars),
        "simulatedSeconds": simulation.progress.simulated_s,
        "frames": simulation.counts.frames,
        "batches": simulation.counts.batches,
        "duplicateBatches": simulation.counts.duplicate_batches,
        "lostBatches": len(simulation.delivery.lost),
        "events": dict(sorted(simulation.counts.events.items())),
    }
    if as_json:
        checked = {"differences": [difference._asdict() for difference in found]} if check else {}
        print_json(counts | checked)
        return unexplained
    print_screen(simulation_screen(counts, found if check else None))
    if not simulation.counts.frames:
        out.print("no car was awake: give them more time")
    return unexplained


def _facts(car: SimulatedCar, span_us: int) -> dict[str, Any]:
    """Return whose frames they are, and what is true of the car in the time that they tell of."""
    days = range(-(-span_us // (DAY_S * MICROS_PER_SECOND)))
    truth = [car.life.day(number).truth._asdict() for number in days]
    until_s = span_us / MICROS_PER_SECOND  # the first field of everything true is its time
    return {
        "vin": car.car.vin.text,
        "brand": car.car.brand,
        "model": car.car.model,
        "map": mappings_of(car.car.platform),
        "originAt": ORIGIN_US,
        "truth": {
            name: [item._asdict() for day in truth for item in day[name] if item[0] < until_s] for name in truth[0]
        },
    }


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".fleettwin.part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        what = f"nothing can be written there ({error.strerror})"
        raise BadInputError(what, where=str(folder), remedy="give a folder that can be written with --out") from error


def _refuse_others(folder: Path, vins: set[str]) -> None:
    """Raise BadInputError where the frames of other cars are in the folder: nobody could tell the fleets apart."""
    try:
        cars = json.loads((folder / FACTS_FILE).read_text())
        there = {car["vin"] for car in cars}
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError):
        there = {"?"}
    if not there <= vins:
        remedy = "give a folder of its own with --out, or empty this one"
        raise BadInputError("there are the frames of another fleet", where=str(folder), remedy=remedy)


@contextmanager
def _written(folder: Path) -> Iterator[Callable[[str], Any]]:
    """Give what opens files of a folder, which get their names once all of them are whole."""
    parts: list[tuple[Path, Path]] = []
    with ExitStack() as stack:

        @contextmanager
        def open_file(name: str) -> Iterator[BinaryIO]:
            part, whole = folder / f"{name}.part", folder / name
            parts.append((part, whole))
            try:
                with part.open("wb") as file:
                    yield file
            except OSError as error:
                remedy = "make room, or give another folder with --out"
                raise BadInputError(f"cannot be written ({error.strerror})", where=str(part), remedy=remedy) from error

        stack.callback(_remove, parts)
        yield open_file
        for part, whole in parts:
            if part.stat().st_size:
                part.replace(whole)
            else:
                whole.unlink(missing_ok=True)  # of an earlier simulation: this time the car slept


def _remove(parts: Sequence[tuple[Path, Path]]) -> None:
    """Remove what has not become whole."""
    for part, _ in parts:
        part.unlink(missing_ok=True)
