"""What `fleettwin demo` does: a recording, a fleet that drives live, and a server that shows both."""

from functools import partial
from typing import Final

from adapters import demo
from adapters.clock import now
from adapters.ingest_commands import ingest_demo
from adapters.live_fleet import FleetState, Pace, drive, in_background
from adapters.serving import serve_twins
from adapters.simulation import Plan, Simulation
from adapters.simulator.trace import DAY_S
from adapters.terminal import err, told_folding, told_simulation
from adapters.wiring import FleetTwin
from domain.units import MICROS_PER_SECOND

PLAN: Final = Plan(
    demo.FLEET_VEHICLES, demo.FLEET_SEED, demo.FLEET_BRANDS, frames_per_second=demo.FLEET_FRAMES_PER_SECOND
)
PAST_US: Final = demo.FLEET_PAST_S * MICROS_PER_SECOND
STATE_FILE: Final = "demo-fleet.json"


def run_demo(twin: FleetTwin) -> None:
    """Ingest the recording, drive the fleet, serve until Ctrl-C. The next start goes on from where this one ends."""
    ingest_demo(twin)
    state = FleetState(twin.config.home / STATE_FILE)
    reached_us = state.read(PLAN)
    pace = Pace(0, now(), behind_us=PAST_US) if reached_us is None else Pace(reached_us, now())
    session = f"demo:{pace.origin_us + pace.from_us}"
    simulation = Simulation(
        PLAN, twin.fleet, twin.catalogue, origin_us=pace.origin_us, session=session, from_us=pace.from_us
    )
    note = partial(state.write, PLAN)
    if reached_us is None:
        with told_simulation(f"{PLAN.vehicles} cars", demo.FLEET_PAST_S) as tell:
            note(PAST_US)
            simulation.run(PAST_US, lambda done: tell(done.simulated_s, done.frames, done.events))
    with told_folding() as tell_folding:
        twin.projecting.catch_up(tell_folding)
    queries = [*demo.QUERIES[:1], *demo.fleet_queries(*_examples(simulation))]
    with in_background(lambda stopping: drive(simulation, pace, stopping, lambda _: None, note)):
        serve_twins(twin, queries)
    err.print("the fleet has parked: the next start goes on from here")


def _examples(simulation: Simulation) -> tuple[str, str]:
    """Return the VINs of a car that has finished a trip, and of one that has a trouble code, if there are any."""
    at_s = simulation.at_us / MICROS_PER_SECOND
    driven, faulty = [], []
    for simulated in simulation.cars:
        truth = [simulated.life.day(number).truth for number in range(int(at_s // DAY_S) + 1)]
        if any(trip.ended_s < at_s for day in truth for trip in day.trips):
            driven.append(simulated.car.vin.text)
        if any(code.raised and code.at_s < at_s for day in truth for code in day.codes):
            faulty.append(simulated.car.vin.text)
    anyone = simulation.cars[0].car.vin.text
    return (driven or [anyone])[0], (faulty or [anyone])[0]
