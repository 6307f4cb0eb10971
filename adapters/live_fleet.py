"""A simulated fleet that drives in real time, or faster, into twins that others look at meanwhile."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from adapters.simulation import Plan, Progress, Simulation
from domain.errors import BadInputError, FleettwinError
from domain.units import MICROS_PER_SECOND, Micros

STEP_S: Final = 2.0  # of real time between two batches of a car
STEP_SIMULATED_S_MAX: Final = 30.0  # of simulated time: a faster fleet takes more steps, not longer ones
BACKOFF_S: Final = 1.0  # after a failure that may pass
SIMULATED_US_MAX: Final = 2**53  # 285 years: of a time in the file

_log: Final = logging.getLogger(__name__)


class Pace:
    """Simulated time that follows the clock, `speedup` times as fast, from `from_us` on.

    Everything is dated so that the fleet is never in the future, and is at the present when `span_us` are over; a fleet
    without an end drives in the present. One that begins `behind_us` in the past drives without waiting until it has
    caught up.
    """

    def __init__(
        self, from_us: int, now_us: int, *, speedup: float = 1.0, span_us: int | None = None, behind_us: int = 0
    ) -> None:
        assert speedup == 1.0 or span_us is not None
        self.from_us = from_us
        self.until_us = None if span_us is None else from_us + span_us
        self._speedup = speedup
        self._behind_us = behind_us
        past_us = 0 if span_us is None else round(span_us * (1 - 1 / speedup))
        self.origin_us = now_us - past_us - behind_us - from_us
        self._step_us = round(min(STEP_S * speedup, STEP_SIMULATED_S_MAX) * MICROS_PER_SECOND)
        self._began_s = time.monotonic()

    def next_step(self, at_us: int) -> int:
        """Return the simulated time to which the next step goes."""
        following = at_us + self._step_us
        return following if self.until_us is None else min(following, self.until_us)

    def wait_s(self, simulated_us: int) -> float:
        """Return how many seconds there are until a simulated time is reached; 0 if it is past."""
        due_us = (simulated_us - self.from_us) / self._speedup - self._behind_us
        return max(0.0, self._began_s + due_us / MICROS_PER_SECOND - time.monotonic())


def drive(
    simulation: Simulation,
    pace: Pace,
    stopping: threading.Event,
    tell: Callable[[Progress], None],
    note: Callable[[int], None] = lambda _: None,
) -> None:
    """Drive until the end of the pace, or until `stopping`; then end every stream.

    `note` is given each simulated time before anything of it is taken: a session that goes on from there never tells
    twice. Where the log does not answer, the fleet waits for it.
    """
    while not stopping.is_set() and simulation.at_us != pace.until_us:
        until_us = pace.next_step(simulation.at_us)
        if stopping.wait(pace.wait_s(until_us)):
            break
        note(until_us)
        _persistently(lambda until_us=until_us: simulation.step(until_us), stopping)  # type: ignore[misc]
        tell(simulation.progress)
    _persistently(simulation.finish, stopping)


def _persistently(work: Callable[[], None], stopping: threading.Event) -> None:
    """Do something that picks up where it failed."""
    while True:
        try:
            work()
        except FleettwinError as error:
            _log.warning("the simulated fleet waits: %s", error)
            if stopping.wait(BACKOFF_S):
                raise
        else:
            return


@contextmanager
def in_background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do something beside what follows, and stop it at the end of that; what it raises is raised then."""
    stopping, failures = threading.Event(), list[BaseException]()

    def guarded() -> None:
        try:
            work(stopping)
        except BaseException as error:  # noqa: BLE001  # raised again where the thread is joined
            _log.exception("the simulated fleet has stopped")
            failures.append(error)

    thread = threading.Thread(target=guarded, name="simulated fleet", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    if failures:
        raise failures[0]


class Reached(NamedTuple):
    """How far a fleet has driven."""

    simulated_us: int
    told_until: Micros  # the true time of that


class FleetState:
    """How far the fleet of the demo has driven, in a file: the next start goes on from there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, plan: Plan) -> Reached | None:
        """Return how far this plan has got; None: it has not begun, or the file is of another.

        Raises BadInputError for a file that does not say so.
        """
        try:
            found: dict[str, Any] = json.loads(self._path.read_text())
            if (found["vehicles"], found["seed"]) != (plan.vehicles, plan.seed):
                return None
            reached = Reached(found["simulated_us"], found["told_until"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged() from error
        if not all(type(number) is int and 0 <= number <= SIMULATED_US_MAX for number in reached):
            raise self._damaged()
        return reached

    def write(self, plan: Plan, origin_us: int, simulated_us: int) -> None:
        """Replace the file whole. Raises BadInputError where it cannot be written."""
        part = self._path.with_suffix(".part")
        reached = {"simulated_us": simulated_us, "told_until": origin_us + simulated_us}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w") as file:
                file.write(json.dumps({"vehicles": plan.vehicles, "seed": plan.seed, **reached}))
                file.flush()
                os.fsync(file.fileno())  # after a power cut there is the old file or the new one, whole
            part.replace(self._path)
        except OSError as error:
            remedy = "make room and access there, or set FLEETTWIN_HOME to another folder"
            raise BadInputError(
                f"cannot be written ({error.strerror})", where=str(self._path), remedy=remedy
            ) from error

    def _damaged(self) -> BadInputError:
        remedy = "remove it: the fleet then goes on as if it had driven all the time"
        return BadInputError("does not say how far the fleet has driven", where=str(self._path), remedy=remedy)
