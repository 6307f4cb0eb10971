"""A fleet of twins for tests: events written by hand, kept and projected by the real code, in memory or PostgreSQL."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.clock import now
from adapters.event_log import DirectoryEntry
from adapters.graphql.execution import Api
from adapters.graphql.port import Twins
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.twin_reader import MemoryTwinReader
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.twin_reader import PostgresTwins
from adapters.signals.catalogue import load_catalogue
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain import events as e
from domain.units import Micros
from domain.vin import Vin
from projections.ports import ReadModelStore
from projections.runner import Runner

T0: Final = Micros(1_770_000_000_000_000)  # 2026-02-02T02:40:00Z
SECOND: Final = 1_000_000
KEY: Final = b"a key for tests, and only for tests"
REGISTRY: Final = SchemaRegistry.load()
CODEC: Final = AvroCodec(REGISTRY)
CATALOGUE: Final = load_catalogue()

# What a vehicle can be asked for: every kind of row at least once.
EVERYTHING: Final = """
    id vin lastSeenAt navigation { location { latitude status } speed { value reason } heading { value }
      currentTrip { id } destination { state }
      trips(first: 3) { edges { node { id track(maxPoints: 2) { points { latitude } } } } } }
    media { title { value } volume { value status } playHistory(first: 2) { edges { node { title } } } }
    diagnostics { odometer { value } ignition { value } fuelLevel { value } troubleCodes { code } warnings { warning }
      chargingSessions(first: 20) { edges { node { startedAt } } } telemetryQuality { gaps } }
    a: signal(path: "Vehicle.Exterior.AirTemperature") { value } b: signal(path: "Vehicle.Speed") { value }
    signals(paths: ["Vehicle.Powertrain.Range"]) { status } branch: signals(prefix: "Vehicle.Powertrain") { path }
    events(first: 2) { edges { node { type } } }
"""


def vin_of(number: int, maker: str = "WVW") -> str:
    """Return a VIN of its own for each number."""
    return f"{maker}ZZZE1ZMP{number:06d}"


class Car:
    """Makes the events of one vehicle, one version after the other."""

    def __init__(
        self,
        number: int = 1,
        *,
        brand: str = "Volkswagen",
        model: str | None = "ID.3",
        at: int = T0,
        maker: str = "WVW",
    ) -> None:
        self.vin = vin_of(number, maker)
        self.id = Vin.parse(self.vin).vehicle_id(KEY)
        self.events: list[e.VehicleEvent] = []
        self.entry = DirectoryEntry(self.id, self.vin, brand, model, Micros(at))
        self.tell(e.VehicleRegistered, at, vin=self.vin, brand=brand, model=model)

    def tell(self, event_type: Callable[..., e.VehicleEvent], at: int, **fields: Any) -> e.VehicleEvent:
        """Add an event captured at `at` and received a second later."""
        common: dict[str, Any] = {
            "originator_id": self.id,
            "originator_version": len(self.events) + 1,
            "captured_at": Micros(at),
            "received_at": Micros(at + SECOND),
        }
        if isinstance(event_type, type) and issubclass(event_type, e.StreamEvent):
            common |= {"stream_id": "drive", "sequence": len(self.events) + 1}
        event = event_type(**common | fields)
        self.events.append(event)
        return event

    def sample(self, at: int, values: dict[str, Any], quality: int = 0, **fields: Any) -> e.VehicleEvent:
        """Add samples of signals."""
        count = len(values)
        columns = {"path": list(values), "sampled_at": [at] * count, "value": list(values.values())}
        return self.tell(e.SignalsSampled, at, **columns, quality=[quality] * count, changed=[True] * count, **fields)

    def trip(self, number: int, started_at: int, seconds: int = 600, *, fixes: int = 3, ended: bool = True) -> UUID:
        """Add a trip with a track."""
        trip_id = UUID(int=(self.id.int >> 64 << 64) + number)
        ended_at = started_at + seconds * SECOND
        moments = [started_at + (ended_at - started_at) * step // max(1, fixes - 1) for step in range(fixes)]
        self.tell(e.TripStarted, started_at, trip_id=trip_id, started_at=started_at)
        self.tell(
            e.TrackExtended,
            ended_at,
            trip_id=trip_id,
            trip_started_at=started_at,
            trip_ended_at=ended_at,
            trip_distance_m=1000.0 * number,
            trip_energy_kwh=None,
            leg_started_at=started_at,
            leg_ended_at=ended_at,
            leg_open=not ended,
            leg_closed=ended,
            leg_distance_by_fixes_m=1000.0 * number,
            leg_distance_by_speed_m=1000.0 * number,
            leg_speed_until=None,
            leg_energy_kwh=None,
            leg_energy_at_start_kwh=None,
            fix_captured_at=moments,
            latitude_deg=[52.0 + step / 1000 for step in range(fixes)],
            longitude_deg=[10.0 + step / 1000 for step in range(fixes)],
            heading_deg=[90.0] * fixes,
            speed_kmh=[50.0] * fixes,
            altitude_m=[None] * fixes,
        )
        if ended:
            self.tell(
                e.TripEnded,
                ended_at,
                trip_id=trip_id,
                started_at=started_at,
                ended_at=ended_at,
                distance_m=1000.0 * number,
                duration_s=float(seconds),
                energy_kwh=None,
                reason="ignition off",
            )
        return trip_id

    def play(self, at: int, title: str, *, initial: bool = False, artist: str | None = "Artist") -> None:
        """Add a piece of music."""
        self.tell(e.TrackStarted, at, title=title, artist=artist, album=None, source="BLUETOOTH", initial=initial)

    def code(
        self,
        at: int,
        code: str = "P0D59",
        *,
        failure_type: int | None = 0x1A,
        status: int | None = 0x2F,
        **fields: Any,
    ) -> None:
        """Add a trouble code."""
        self.tell(
            e.TroubleCodeRaised,
            at,
            ecu="7E8",
            service="UDS 19",
            code=code,
            failure_type=failure_type,
            status=status,
            active=bool(status and status & 0x0D),
            freeze_frame={"Vehicle.Speed": 12.5},
            **fields,
        )

    def clear(self, at: int, code: str = "P0D59", *, failure_type: int | None = 0x1A) -> None:
        """Clear a trouble code."""
        self.tell(e.TroubleCodeCleared, at, ecu="7E8", service="UDS 19", code=code, failure_type=failure_type)

    def charge(self, number: int, started_at: int, ended_at: int | None = None) -> None:
        """Add a charging session."""
        session_id = UUID(int=(self.id.int >> 64 << 64) + 1000 + number)
        fields: dict[str, Any] = {"session_id": session_id, "state_of_charge_percent": 40.0}
        self.tell(e.ChargingStarted, started_at, **fields, energy_kwh=20.0, initial=False)
        if ended_at is not None:
            fields["state_of_charge_percent"] = 80.0
            self.tell(e.ChargingEnded, ended_at, **fields, started_at=started_at, energy_added_kwh=22.5)

    def after(self, version: int) -> tuple[list[StoredEvent], list[DirectoryEntry]]:
        """Return the events after a version as a log takes them, and the entry that belongs to the first of all."""
        return [stored(event) for event in self.events[version:]], [] if version else [self.entry]


def stored(event: e.VehicleEvent) -> StoredEvent:
    """Return an event as a log takes it."""
    return StoredEvent(event.originator_id, event.originator_version, event.TOPIC, CODEC.encode(event))


def full_car(number: int = 1, **fields: Any) -> Car:
    """Return a car that has told something of everything."""
    car = Car(number, **fields)
    at = T0 + number * SECOND
    car.sample(
        at,
        {
            "Vehicle.Speed": 50.5,
            "Vehicle.CurrentLocation.Heading": 91.0,
            "Vehicle.LowVoltageSystemState": "ON",
            "Vehicle.Powertrain.FuelSystem.RelativeLevel": 83,
            "Vehicle.Powertrain.TractionBattery.Charging.IsCharging": False,
            "Vehicle.Cabin.Infotainment.Media.Played.Artist": "Artist",
            "Vehicle.Exterior.AirTemperature": 25.0,
        },
    )
    car.tell(e.OdometerAdvanced, at, odometer_m=26_998_000.0)
    for index in range(3):
        car.trip(index + 1, at + index * 3600 * SECOND)
        car.play(at + index * 3600 * SECOND, f"Piece {index}")
        car.charge(index, at + (index * 3600 + 1200) * SECOND, at + (index * 3600 + 2400) * SECOND)
    car.code(at)
    car.code(at, "U0100", failure_type=None, status=None)
    car.clear(at + 60 * SECOND, "U0100", failure_type=None)
    car.tell(
        e.WarningRaised,
        at,
        warning="FUEL_LEVEL_LOW",
        path="Vehicle.Powertrain.FuelSystem.RelativeLevel",
        value=9.0,
        limit=10.0,
    )
    car.tell(e.DestinationSet, at, latitude_deg=52.5, longitude_deg=13.4)
    car.tell(e.TelemetryGapDetected, at, first_missing=3, last_missing=5)
    return car


class World:
    """A log, its read models and the API over them."""

    def __init__(self, log: Any, models: ReadModelStore, twins: Twins) -> None:
        self.log = log
        self.models = models
        self.twins = twins
        self.api = Api(twins, CATALOGUE, CODEC.decode)
        feed = VehicleLog(log, CODEC)
        for projection in PROJECTIONS:
            models.prepare(projection)
        self._runners = [Runner(projection, feed, models, lambda: T0) for projection in PROJECTIONS]
        self._written: dict[UUID, int] = {}  # the version of each car; a car may be written to other worlds as well

    def append(self, *cars: Car) -> int:
        """Append what the cars have told since this was done last; return how many events that are."""
        appended = 0
        for car in cars:
            events, entries = car.after(self._written.get(car.id, 0))
            if events:
                self.log.append(events, (), entries)
                self._written[car.id] = len(car.events)
                appended += len(events)
        return appended

    def write(self, *cars: Car) -> None:
        """Append what the cars have told since then, and let the read models follow."""
        self.append(*cars)
        for runner in self._runners:
            runner.run_until(self.log.last_position())

    def ask(self, document: str, **variables: Any) -> Any:
        """Return the data of a document that must have no error."""
        answer = self.api.execute(document, variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def refused(self, document: str, **variables: Any) -> dict[str, Any]:
        """Return the one error of a document."""
        (error,) = self.api.execute(document, variables)["errors"]
        found: dict[str, Any] = error
        return found


def past_of(events: Sequence[e.VehicleEvent]) -> MemoryTwinReader:
    """Return who gives the histories of a log that holds these events, at positions 1, 2, 3 …"""
    log = MemoryEventLog(lambda: T0)
    VehicleLog(log, CODEC).append(events)
    return MemoryTwinReader(log, MemoryReadModels())


def memory_world(*cars: Car, clock: Callable[[], Micros] = now) -> World:
    """Return a world in memory with these cars; `clock` says when events are recorded."""
    log, models = MemoryEventLog(clock), MemoryReadModels()
    world = World(log, models, MemoryTwinReader(log, models))
    world.write(*cars)
    return world


@contextmanager
def postgres_world(conninfo: str, *cars: Car) -> Iterator[World]:
    """Give a world in an empty database with these cars."""
    with ExitStack() as opened:
        log = PostgresEventLog.open(conninfo)
        opened.callback(log.close)
        models = opened.enter_context(closing(PostgresReadModels(conninfo).open()))
        twins = opened.enter_context(closing(PostgresTwins(conninfo).open()))
        world = World(log, models, twins)
        world.write(*cars)
        yield world


class BrokenTwins:
    """Twins that answer with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @contextmanager
    def reading(self, _: Any = None) -> Iterator[Any]:
        """Open a view."""
        yield self

    def cancel(self) -> None:
        """Do nothing: it fails anyway."""

    def positions(self) -> None:
        """Fail."""
        raise self._error
