"""What `fleettwin demo` does: a recording, a fleet that drives live, and a server that shows both."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final, NamedTuple

from adapters import demo
from adapters.clock import now
from adapters.ingest_commands import ingest_demo
from adapters.live_fleet import FleetState, Pace, drive, in_background
from adapters.serving import bound, serve_twins
from adapters.simulation import Plan, Simulation
from adapters.simulator.fleet import simulated_fleet
from adapters.simulator.trace import DAY_S
from adapters.terminal import err, out, told_folding, told_simulation
from adapters.wiring import FleetTwin
from domain.errors import BadInputError
from domain.units import MICROS_PER_SECOND

PLAN: Final = Plan(
    demo.FLEET_VEHICLES, demo.FLEET_SEED, demo.FLEET_BRANDS, frames_per_second=demo.FLEET_FRAMES_PER_SECOND
)
PAST_US: Final = demo.FLEET_PAST_S * MICROS_PER_SECOND
STATE_FILE: Final = "demo-fleet.json"
LOCK_FILE: Final = "demo-fleet.lock"


class Examples(NamedTuple):
    """VINs of cars that now drive, that have finished a drive today or yesterday, and that have a trouble code."""

    driving: list[str]
    driven: list[str]
    faulty: list[str]


def run_demo(twin: FleetTwin) -> None:
    """Ingest the recording, drive the fleet, serve until Ctrl-C. The next start goes on from where this one ends.

    Where the DBC files of simulated cars are not to be had, the recording alone is served.
    """
    with _alone(twin), bound(twin.config) as listener:
        pace = _pace(twin)
        ingest_demo(twin)
        try:
            fleet = _Fleet(twin, pace)
        except BadInputError as error:
            err.print(f"the simulated fleet does not drive: {error}")
            serve_twins(twin, listener, demo.QUERIES)
            return
        fleet.catch_up()
        with told_folding() as tell_folding:
            twin.projecting.catch_up(tell_folding)
        examples = fleet.examples()
        out.print(
            f"{PLAN.vehicles} simulated cars of {', '.join(PLAN.brands)}: {len(examples.driving)} are driving,"
            f" {len(examples.driven)} have finished a drive, {len(examples.faulty)} have a trouble code"
        )
        with in_background(fleet.drive):
            serve_twins(twin, listener, [*demo.QUERIES[:1], *demo.fleet_queries(*examples)])
        with told_folding() as tell_folding:  # what the cars said last
            twin.projecting.catch_up(tell_folding)
        err.print("the fleet has parked: the next start goes on from here")


def _pace(twin: FleetTwin) -> Pace:
    """Return from when on the fleet drives: from where the last start has left it. Raises BadInputError."""
    (first, *_) = simulated_fleet(PLAN.vehicles, PLAN.seed, PLAN.brands)
    known = twin.records.find_vehicle(first.vin.text)
    if known is None:  # the database is new, whatever the file says
        return Pace(0, now(), behind_us=PAST_US)
    reached = FleetState(twin.config.home / STATE_FILE).read(PLAN)
    at = now()
    if reached is None:  # the file is gone, or of another fleet: this one has not driven further than the clock
        return Pace(max(at - known.registered_at, PAST_US), at)
    if at < reached.told_until:
        raise BadInputError(
            "the fleet has driven until later than the clock shows",
            where=str(twin.config.home / STATE_FILE),
            remedy="set the clock",
        )
    return Pace(reached.simulated_us, at, behind_us=max(PAST_US - reached.simulated_us, 0))


class _Fleet:
    """The cars of the demo. Raises BadInputError where they cannot drive."""

    def __init__(self, twin: FleetTwin, pace: Pace) -> None:
        self._pace = pace
        self._simulation = Simulation(
            PLAN,
            twin.fleet,
            twin.catalogue,
            origin_us=pace.origin_us,
            session=f"demo:{pace.origin_us + pace.from_us}",
            from_us=pace.from_us,
        )
        self._note = partial(FleetState(twin.config.home / STATE_FILE).write, PLAN, pace.origin_us)

    def catch_up(self) -> None:
        """Drive through the past that a fleet of the demo has."""
        left_us = PAST_US - self._simulation.at_us
        if left_us > 0:
            with told_simulation(f"{PLAN.vehicles} cars", left_us / MICROS_PER_SECOND) as tell:
                self._simulation.run(PAST_US, lambda done: tell(done.simulated_s, done.frames, done.events), self._note)

    def drive(self, stopping: threading.Event) -> None:
        """Drive until `stopping`."""
        drive(self._simulation, self._pace, stopping, lambda _: None, self._note)

    def examples(self) -> Examples:
        """Return whom to look at."""
        at_s = self._simulation.at_us / MICROS_PER_SECOND
        today = int(at_s // DAY_S)
        found = Examples([], [], [])
        for simulated in self._simulation.cars:
            truth = [simulated.life.day(day).truth for day in range(max(today - 1, 0), today + 1)]
            trips = [trip for day in truth for trip in day.trips]
            codes = [code for day in truth for code in day.codes]
            for vins, holds in (
                (found.driving, any(trip.started_s < at_s < trip.ended_s for trip in trips)),
                (found.driven, any(trip.ended_s < at_s for trip in trips)),
                (found.faulty, any(code.raised and code.at_s < at_s for code in codes)),
            ):
                if holds:
                    vins.append(simulated.car.vin.text)
        return found


@contextmanager
def _alone(twin: FleetTwin) -> Iterator[None]:
    """Keep a second demo from driving the same cars. Raises BadInputError where this is the second one."""
    path = twin.config.home / LOCK_FILE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        remedy = "set FLEETTWIN_HOME to a folder that you can write"
        raise BadInputError(f"cannot be written ({error.strerror})", where=str(path), remedy=remedy) from error
    with file:
        _lock(file, twin.config.home)
        yield


def _lock(file: IO[str], home: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        remedy = "look at that one, stop it with Ctrl-C, or give this one a home of its own (FLEETTWIN_HOME)"
        raise BadInputError("another demo drives the fleet", where=str(home), remedy=remedy) from error
