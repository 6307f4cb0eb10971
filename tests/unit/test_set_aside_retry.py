"""What was set aside is taken up again: as if it had been taken when it came."""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from adapters.avro.telemetry import TelemetryCodec
from adapters.event_log import StoredRecord
from adapters.ingest_worker import IngestWorker
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.set_aside import MemorySetAside
from adapters.received import Received
from adapters.set_aside import SetAside
from adapters.set_aside_retry import Retried, SetAsideRetry
from adapters.vehicle_log import VehicleLog
from domain.fleet import Fleet
from domain.signals import SignalBatch
from domain.vin import Vin
from tests.support.batches import T0, Stream, drive
from tests.support.events import codec, registry
from tests.support.given import VIN

KEY: Final = b"a key for tests"
ID: Final = Vin.parse(VIN).vehicle_id(KEY)
CODEC: Final = TelemetryCodec(registry())
SOURCE: Final = "telemetry/0#5f0c2a91"


class Log(MemoryEventLog):
    """A log whose histories cannot be read while `unreadable` is set."""

    def __init__(self) -> None:
        super().__init__(lambda: T0)
        self.unreadable = False

    def events_of_all(self, vehicle_ids: Any, place: tuple[UUID, int], limit: int) -> list[StoredRecord]:
        found = super().events_of_all(vehicle_ids, place, limit)
        return [each._replace(topic="vehicle.flew.v1") for each in found] if self.unreadable else found


class Bench:
    """A worker, and who takes up again what it sets aside."""

    def __init__(self, *, registered: bool = True) -> None:
        self.log, self.aside = Log(), MemorySetAside()
        self.fleet = Fleet(VehicleLog(self.log, codec()), KEY)
        if registered:
            self.register()
        self.worker = IngestWorker(self.fleet, CODEC, self.log, self.aside, lambda: T0)
        self.worker.assign([SOURCE])

    def register(self) -> None:
        self.fleet.register(Vin.parse(VIN), brand="Volkswagen", model=None, at=T0)

    def unreadable(self, *, unreadable: bool) -> None:
        self.log.unreadable = unreadable
        self.fleet.forget()

    def retry(self) -> Retried:
        other = Fleet(VehicleLog(self.log, codec()), KEY)  # of another process
        return SetAsideRetry(self.aside, other, CODEC, "telemetry/").run()

    def told(self) -> list[tuple[str, bytes]]:
        return [(each.topic, each.state) for each in self.log.events_of(ID, 0, 1_000)]


def batches() -> list[SignalBatch]:
    """Return a drive of one car, in parts."""
    stream = Stream("drive")
    return [replace(stream.batch(drive(100.0 * part, 100.0 * part + 60)), vehicle_id=ID) for part in range(6)]


def received(batch: SignalBatch, position: int) -> Received:
    return Received(SOURCE, position, str(ID).encode(), CODEC.encode(batch))


def test_what_waited_makes_the_history_that_it_would_have_made() -> None:
    records = [received(batch, position) for position, batch in enumerate(batches())]
    calm, bench = Bench(), Bench()
    calm.worker.take(records)

    bench.worker.take(records[:1])
    bench.unreadable(unreadable=True)
    bench.worker.take(records[1:3])
    assert bench.retry() == Retried(0, 2)
    bench.unreadable(unreadable=False)
    bench.worker.take(records[3:5])  # nobody has taken up yet what waits
    assert bench.retry() == Retried(4, 0)
    bench.worker.take(records[5:])

    assert bench.told() == calm.told()
    assert bench.log.progress_of(ID) == calm.log.progress_of(ID)
    assert bench.retry() == Retried(0, 0)


def test_what_was_taken_and_is_still_there_counts_once() -> None:
    bench = Bench()
    records = [received(batch, position) for position, batch in enumerate(batches())]
    bench.worker.take(records)
    before = bench.told()
    source, position, key, value, _ = records[0]
    bench.aside.add([SetAside.of(source, position, "why", key, value, T0, ID)])  # whoever took it up died then

    assert bench.retry() == Retried(1, 0)
    assert bench.told() == before


def test_a_batch_that_is_refused_waits_no_longer_and_the_others_are_taken() -> None:
    bench = Bench()
    bench.unreadable(unreadable=True)
    bench.worker.take([received(batch, position) for position, batch in enumerate(batches()[:2])])
    bench.unreadable(unreadable=False)
    bench.fleet.decommission(ID, "sold", at=T0)

    assert bench.retry() == Retried(0, 2)
    assert bench.aside.waiting_vehicles() == []
    assert "has been decommissioned" in bench.aside.newest(1)[0].reason


def test_what_was_bad_once_is_taken_where_it_is_not_any_more() -> None:
    bench = Bench(registered=False)
    bench.worker.take(
        [*(received(each, place) for place, each in enumerate(batches())), Received(SOURCE, 6, b"junk", b"junk")]
    )
    bench.aside.add([SetAside.of("vehicle-events/0#1", 1, "why", str(ID).encode(), CODEC.encode(batches()[0]), T0)])
    assert bench.retry() == Retried(0, 8)
    bench.register()

    assert bench.retry() == Retried(6, 2)
    calm = Bench()
    calm.worker.take([received(batch, position) for position, batch in enumerate(batches())])
    assert bench.told() == calm.told()
