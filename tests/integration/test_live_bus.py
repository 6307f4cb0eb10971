"""A live bus becomes a twin: python-can's virtual bus through the whole write side."""

import itertools
import threading
from uuid import UUID

import can

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.can.live import LiveBus
from adapters.ingest import Ingest, LiveJob
from adapters.memory.event_store import MemoryEventLog
from adapters.origin import can_origin
from adapters.signals.catalogue import load_catalogue
from adapters.signals.mapping import load_mapping
from adapters.summary import Progress
from adapters.vehicle_log import VehicleLog
from domain.fleet import Fleet
from domain.paths import SPEED
from domain.units import Micros
from domain.vehicle import project_vehicle
from domain.vin import Vin
from tests.support.events import whole_history

NOW = Micros(1_800_000_000_000_000)
FRAMES = 300


def test_what_a_bus_says_is_in_the_log_when_the_listening_stops() -> None:
    records = MemoryEventLog()
    log = VehicleLog(records, AvroCodec(SchemaRegistry.load()))
    fleet = Fleet(log, b"a key for tests only")
    mapping = load_mapping("obd2", load_catalogue())
    bus = LiveBus("virtual", "twin")
    job = LiveJob(bus, "virtual twin", mapping, (), UUID(int=1))
    registered: list[UUID] = []

    def register() -> UUID:
        registered.append(fleet.register(Vin("WVWZZZE1ZMP000001"), brand="Volkswagen", model=None, at=NOW))
        return registered[-1]

    def tell(progress: Progress) -> None:
        if progress.frames >= FRAMES:
            bus.stop()

    summaries = []
    listening = threading.Thread(target=lambda: summaries.append(Ingest(fleet, lambda: NOW).live(job, register, tell)))
    listening.start()
    with can.Bus(interface="virtual", channel="twin") as sender:
        for number in itertools.count():  # what is said before anybody listens is lost, as on a real bus
            if not listening.is_alive():
                break
            sender.send(_speed(number % 100))

    assert len(registered) == 1
    vehicle = project_vehicle(None, whole_history(log, registered[0]))
    assert vehicle is not None
    assert vehicle.state.signals[SPEED].value is not None
    assert summaries[0].samples == summaries[0].frames
    stream_id = "live:" + str(UUID(int=1))
    assert log.progress_of_all([registered[0]])[registered[0]][stream_id].final
    assert records.origin_of(registered[0], stream_id, 1) == can_origin("live bus", mapping, ())


def _speed(kmh: int) -> can.Message:
    """Return an answer to OBD-II service 01, parameter 0D (SAE J1979)."""
    return can.Message(arbitration_id=0x7E8, data=bytes([3, 0x41, 0x0D, kmh, 0, 0, 0, 0]), is_extended_id=False)
