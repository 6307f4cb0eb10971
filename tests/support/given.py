"""Given what happened, when a batch comes, then these events: tests of the Vehicle read as sentences.

After every step the fold is the oracle: the state of the live vehicle is the state folded from its events, and their
versions are 1, 2, 3 …
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from domain import events as e
from domain.signals import SignalBatch
from domain.streams import StreamProgress
from domain.units import Micros
from domain.vehicle import Vehicle, project_vehicle
from tests.support.batches import T0, VEHICLE_ID

VIN = "WVWZZZE1ZMP000001"


@dataclass
class Car:
    """A vehicle with all of its events, and how far each stream was taken."""

    vehicle: Vehicle = field(
        default_factory=lambda: Vehicle.register(VEHICLE_ID, vin=VIN, brand="Volkswagen", model=None, at=Micros(T0))
    )
    events: list[e.VehicleEvent] = field(default_factory=list)
    progress: dict[str, StreamProgress] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.events += self.vehicle.collect_events()

    def observe(self, *batches: SignalBatch) -> list[e.VehicleEvent]:
        """Take batches; return the new events."""
        new: list[e.VehicleEvent] = []
        for batch in batches:
            self.progress[batch.stream_id] = self.vehicle.observe(batch, self.progress.get(batch.stream_id))
            new += self.vehicle.collect_events()
        self.events += new
        return new

    def reload(self) -> None:
        """Forget the vehicle and fold it from its events."""
        folded = project_vehicle(None, self.events)
        assert folded
        self.vehicle = folded

    def check(self) -> None:
        """Check the live vehicle against the fold of its events."""
        assert [event.originator_version for event in self.events] == list(range(1, len(self.events) + 1))
        folded = project_vehicle(None, self.events)
        assert folded
        assert folded.state == self.vehicle.state
        assert folded.version == self.vehicle.version


class Told(NamedTuple):
    """An event as far as a test looks at it."""

    event_type: type[e.VehicleEvent]
    fields: dict[str, Any]

    def __eq__(self, event: object) -> bool:
        return type(event) is self.event_type and all(
            getattr(event, name) == value for name, value in self.fields.items()
        )

    def __hash__(self) -> int:
        return hash(self.event_type)

    def __repr__(self) -> str:
        return f"{self.event_type.__name__}({', '.join(f'{name}={value!r}' for name, value in self.fields.items())})"


def told(event_type: type[e.VehicleEvent], **fields: Any) -> Told:
    """Return an event to be compared by its type and these fields."""
    return Told(event_type, fields)


@dataclass
class Case:
    """A car with a past, and what the last command made of it."""

    car: Car
    new: list[e.VehicleEvent] = field(default_factory=list)
    error: Exception | None = None

    def when(self, command: SignalBatch | Callable[[Vehicle], object]) -> Self:
        """Do one thing: give a batch, or command the vehicle."""
        try:
            if isinstance(command, SignalBatch):
                self.new = self.car.observe(command)
            else:
                command(self.car.vehicle)
                self.new = list(self.car.vehicle.collect_events())
                self.car.events += self.new
        except Exception as error:  # noqa: BLE001  # `then_raises` looks at it
            self.error = error
        return self

    def then(self, *expected: Told) -> list[e.VehicleEvent]:
        """Check that exactly these events were told, in this order."""
        self._check()
        assert [*expected] == self.new
        return self.new

    def then_among_others(self, *expected: Told) -> list[e.VehicleEvent]:
        """Check that these events were told in this order, and return what was told of their types."""
        self._check()
        types = {each.event_type for each in expected}
        found = [event for event in self.new if type(event) in types]
        assert [*expected] == found
        return found

    def then_never(self, *event_types: type[e.VehicleEvent]) -> None:
        """Check that no event of these types was told."""
        self._check()
        assert not [event for event in self.new if type(event) in event_types]

    def then_nothing(self) -> None:
        """Check that nothing happened."""
        self._check()
        assert self.new == []

    def then_raises(self, error: type[Exception], match: str) -> None:
        """Check that the command was refused, and changed nothing."""
        assert isinstance(self.error, error)
        assert re.search(match, str(self.error))
        assert self.car.vehicle.collect_events() == []
        self.car.check()

    def _check(self) -> None:
        if self.error:
            raise self.error
        self.car.check()


def given(*past: SignalBatch | Callable[[Vehicle], object]) -> Case:
    """Return a registered car to which all this happened."""
    case = Case(Car())
    for each in past:
        case.when(each)
        assert case.error is None
    case.new = []
    return case


def of_type(events: Iterable[e.VehicleEvent], event_type: type[e.VehicleEvent]) -> Sequence[Any]:
    """Return the events of one type."""
    return [event for event in events if type(event) is event_type]
