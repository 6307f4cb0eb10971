"""Which faults a run has and when: drawn from a seed, the same every time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import Final

from tests.support.faults.roles import FIRST_RELAY, ROLES, SECOND_RELAY

FAULTS_S: Final = 20.0  # from the first moment to the last at which a fault begins
FAULTS_MIN: Final = 9
FAULTS_MAX: Final = 14  # besides those of broker and database themselves
LONG_S: Final = (11.0, 14.0)  # longer than the 10 s after which a silent member of a group has lost its partitions
DOWN_S_MAX: Final = 3.0  # of a service that was stopped or killed
HANGS_S: Final = (1.0, 12.0)  # a service that is frozen: some of them until the group takes every member for dead
LONG_BEFORE_S: Final = 10.0  # a long one begins early, so that there is load while it lasts


class Kind(StrEnum):
    """What can happen to a role, to its way to a service, or to a service."""

    KILL = "kill"  # SIGKILL, most often while it waits for an answer, and started again
    RESTART = "restart"  # SIGTERM, which must end it well, and started again
    FREEZE = "freeze"  # SIGSTOP, then SIGCONT
    FREEZE_LONG = "freeze long"
    VISIT = "visit"  # another relay comes, and goes again while the first one is frozen
    CUT = "cut"  # RST on every connection
    STALL = "stall"  # connections stay, no byte passes
    STALL_LONG = "stall long"
    SWALLOW = "swallow"  # what is asked arrives, the answer does not, then RST
    BROKER_RESTART = "broker restart"
    BROKER_CRASH = "broker crash"
    BROKER_FREEZE = "broker freeze"  # SIGSTOP to the whole of it: connections stay, nothing answers; then SIGCONT
    DATABASE_RESTART = "database restart"
    DATABASE_CRASH = "database crash"
    DATABASE_FREEZE = "database freeze"


class Service(StrEnum):
    """What a link leads to."""

    BROKER = "broker"
    DATABASE = "database"


OF_ROLES: Final = {Kind.KILL: 3, Kind.RESTART: 1, Kind.FREEZE: 2, Kind.FREEZE_LONG: 1}  # and how often, relatively
OF_LINKS: Final = {Kind.CUT: 3, Kind.STALL: 2, Kind.STALL_LONG: 1, Kind.SWALLOW: 3}
OF_SERVICES: Final = {
    Service.BROKER: (Kind.BROKER_RESTART, Kind.BROKER_CRASH, Kind.BROKER_FREEZE),
    Service.DATABASE: (Kind.DATABASE_RESTART, Kind.DATABASE_CRASH, Kind.DATABASE_FREEZE),
}
ANSWERS_MAX: Final = 12  # of a broker: some two transactions of a relay
HANGING: Final = (Kind.BROKER_FREEZE, Kind.DATABASE_FREEZE)
LASTING: Final = (Kind.FREEZE, Kind.FREEZE_LONG, Kind.STALL, Kind.STALL_LONG)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: when it begins, in seconds, what, to which roles, on their way to what, and for how long."""

    at_s: float
    kind: Kind
    roles: tuple[str, ...] = ()
    service: Service | None = None
    lasts_s: float = 0.0  # frozen or stalled; ended before it is started again
    answers: int = 0  # killed when the so many-th from now on would come; 0: at once
    answers_of: Service = Service.BROKER

    def __str__(self) -> str:
        whose = ", ".join(self.roles)
        way = f" to the {self.service}" if self.service and self.roles else ""
        lasts = f", {self.lasts_s:.1f} s" if self.lasts_s else ""
        at = f", at answer {self.answers} of the {self.answers_of}" if self.answers else ""
        return f"{self.kind}{f' {whose}' if whose else ''}{way}{lasts}{at}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything about a run that its seed decides."""

    seed: int
    faults: Sequence[Fault]
    roles: Sequence[str]
    sends_through_proxy: bool
    load_seed: int
    crashes_at_rest: bool  # the database, when all is at rest: is still there what was?

    @classmethod
    def draw(cls, seed: int) -> "Schedule":
        """Draw a run."""
        rng = Random(seed)
        names = [each.name for each in ROLES if each.name != SECOND_RELAY or rng.random() < 0.5]
        faults = [_fault(rng, names) for _ in range(rng.randint(FAULTS_MIN, FAULTS_MAX))]
        for service, kinds in OF_SERVICES.items():
            if rng.random() < 0.7:
                at_s = rng.uniform(2, FAULTS_S - 2)
                kind = rng.choice(kinds)
                lasts_s = rng.uniform(*(HANGS_S if kind in HANGING else (0.0, DOWN_S_MAX)))
                faults.append(Fault(at_s, kind, (), service, lasts_s))
        faults.sort(key=lambda fault: fault.at_s)
        through_proxy, load_seed = rng.random() < 0.3, rng.getrandbits(64)
        # A process is at work for a small share of its time: killed at any moment, it would be idle most often.
        faults = [
            replace(fault, answers=rng.randint(0, ANSWERS_MAX), answers_of=_writes_to(fault.roles[0]))
            if fault.kind == Kind.KILL
            else fault
            for fault in faults
        ]
        if rng.random() < 0.5:
            faults.append(Fault(rng.uniform(0.5, FAULTS_S), Kind.VISIT, (FIRST_RELAY,), None, rng.uniform(1, 5)))
            faults.sort(key=lambda fault: fault.at_s)
        return cls(seed, faults, names, through_proxy, load_seed, crashes_at_rest=rng.random() < 0.5)


def _writes_to(role: str) -> Service:
    """Return where a role writes, which is where a crash could tear something."""
    return Service.BROKER if role.startswith("relay") else Service.DATABASE


def _fault(rng: Random, names: Sequence[str]) -> Fault:
    kinds = OF_ROLES | OF_LINKS
    (kind,) = rng.choices(list(kinds), list(kinds.values()))
    long = kind in (Kind.FREEZE_LONG, Kind.STALL_LONG)
    at_s = rng.uniform(0.5, LONG_BEFORE_S if long else FAULTS_S)
    lasts_s = rng.uniform(*LONG_S) if long else rng.uniform(1, 5) if kind in LASTING else 0.0
    if kind == Kind.KILL:
        lasts_s = rng.uniform(0, 2)
    if kind in OF_ROLES:
        return Fault(at_s, kind, (rng.choice(names),), None, lasts_s)
    service = rng.choice(list(Service))
    whom = rng.choice(([rng.choice(names)], [rng.choice(names)], rng.sample(names, 2), names))
    return Fault(at_s, kind, tuple(sorted(whom)), service, lasts_s)
