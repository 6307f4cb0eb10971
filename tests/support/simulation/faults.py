"""Faults as data: what may go wrong in a simulated run, and how often."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from random import Random
from typing import Final

STRENGTHS: Final = (0.1, 0.3, 1.0)  # of a fault that a run has, as a share of the most that it may have

TAKEN_UP_SHARE: Final = 0.1  # of runs in which runners take parked vehicles up all the while, beside one another


def _most(probability: float) -> float:
    """Return a probability that is 0 unless it is drawn, and then at most so much."""
    default: float = field(default=0.0, metadata={"most": probability})
    return default


@dataclass(frozen=True, slots=True)
class Faults:
    """The probability of each fault, every time that it could happen. All 0: nothing goes wrong."""

    # in the car: of each stream
    clock_past: float = _most(0.4)  # for a while its clock counts from 1970
    clock_ahead: float = _most(0.4)  # for a while its clock is hours to years ahead
    power_cut: float = _most(0.4)  # it ends in the middle, and another begins
    told_twice: float = _most(0.3)  # a second stream tells the same
    # on the way: of each batch
    lost: float = _most(0.15)  # for good
    sent_again: float = _most(0.2)  # it comes minutes after it was lost at first
    doubled: float = _most(0.3)  # it comes twice
    reordered: float = _most(0.3)  # up to a minute is between it and its time
    late: float = _most(0.1)  # by hours
    tunnel: float = _most(0.1)  # it and all that follow for minutes come at once
    # where batches are taken in
    append_fails: float = _most(0.2)  # before it is done
    append_unknown: float = _most(0.2)  # after it is done
    log_read_fails: float = _most(0.1)
    worker_dies: float = _most(0.5)  # when something has failed; else it goes on with what it remembers
    worker_restarts: float = _most(0.3)  # at each step, though nothing has failed
    offset_unwritten: float = _most(0.5)  # what was taken will be given again should the worker die
    rebalanced: float = _most(0.15)  # a vehicle gets another worker, of which the one before does not know yet
    clock_back: float = _most(0.1)  # of the log
    # where events are folded
    page_cut: float = _most(0.3)  # fewer events than there are, perhaps none
    page_again: float = _most(0.2)  # events come that have been before
    event_missing: float = _most(0.2)  # of each page: some are not in it
    feed_fails: float = _most(0.1)
    unreadable: float = _most(0.05)  # an old release does not know the bytes
    store_fails: float = _most(0.1)  # at a read
    commit_fails: float = _most(0.2)  # before it is done
    commit_unknown: float = _most(0.2)  # after it is done
    fold_fails: float = _most(0.02)  # of each event, this time
    poison: float = _most(0.02)  # of each event, every time until a release mends it
    runner_dies: float = _most(0.5)  # when something has failed; else it goes on with what it remembers
    two_runners: float = _most(0.7)  # a projection has a second runner all the while
    retried: float = _most(0.3)  # at each step: somebody takes a parked vehicle up again
    # anywhere
    overtaken: float = _most(0.3)  # between a read and a write another worker or runner makes whole steps

    @classmethod
    def draw(cls, rng: Random) -> "Faults":
        """Draw which faults a run has, about half of them, and how strong each is."""
        drawn = {name: rng.choice((0.0, rng.choice(STRENGTHS))) * most for name, most in cls.ceilings().items()}
        if rng.random() < TAKEN_UP_SHARE:
            drawn |= {name: cls.ceilings()[name] for name in ("retried", "two_runners", "commit_unknown")}
        return cls(**{name: round(probability, 4) for name, probability in drawn.items()})

    @classmethod
    def ceilings(cls) -> Mapping[str, float]:
        """Return the most that each fault may be drawn with."""
        return {each.name: each.metadata["most"] for each in fields(cls)}

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return ((name, probability) for name in self.ceilings() if (probability := getattr(self, name)))

    def __str__(self) -> str:
        return ", ".join(f"{name} {probability:g}" for name, probability in self) or "none"


class Chance:
    """Lets faults happen, counts them, and stops them all at the end."""

    def __init__(self, faults: Faults, rng: Random) -> None:
        self.faults = faults
        self.rng = rng
        self.happened: Counter[str] = Counter()

    def of(self, fault: str) -> bool:
        """Whether a fault happens now."""
        probability: float = getattr(self.faults, fault)
        if not probability or self.rng.random() >= probability:
            return False
        self.happened[fault] += 1
        return True

    def stop(self) -> None:
        """Let nothing go wrong any more."""
        self.faults = Faults()
