"""What a worker says of the records that it sets aside, and of a topic that does not hold what comes next."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from adapters.avro.telemetry import TelemetryCodec
from adapters.ingest_worker import RECORD_BYTES_MAX, Counts, IngestWorker
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.set_aside import MemorySetAside
from adapters.received import Received
from adapters.set_aside import VALUE_BYTES_MAX
from adapters.vehicle_log import VehicleLog
from domain.errors import StoreError, UnstorableError, VersionConflictError
from domain.fleet import Fleet, ProgressChange
from domain.signals import Origin, SignalBatch
from domain.vin import Vin
from tests.support.batches import T0, VEHICLE_ID, sample
from tests.support.events import codec, registry
from tests.support.given import VIN

KEY: Final = b"a key for tests"
ID: Final = Vin.parse(VIN).vehicle_id(KEY)
CODEC: Final = TelemetryCodec(registry())
SOURCE: Final = "telemetry/0"
BATCH: Final = SignalBatch(ID, "drive", 1, T0, (sample("Vehicle.Speed", 0, 50.0),))


class Bench:
    """A worker with what it writes to."""

    def __init__(self, log: MemoryEventLog | None = None) -> None:
        self.log, self.aside = log or MemoryEventLog(lambda: T0), MemorySetAside()
        self.fleet = Fleet(VehicleLog(self.log, codec()), KEY)
        self.fleet.register(Vin.parse(VIN), brand="Volkswagen", model=None, at=T0)
        self.worker = IngestWorker(self.fleet, CODEC, self.log, self.aside, lambda: T0)
        self.worker.assign([SOURCE])


class PickyLog(MemoryEventLog):
    """Fails for one stream."""

    def __init__(self, error: Exception) -> None:
        super().__init__(lambda: T0)
        self.error = error

    def append(
        self, events: Sequence[StoredEvent], progress: Sequence[ProgressChange] = (), *more: Any, **named: Any
    ) -> Sequence[int]:
        if any(change.after.stream_id == "odd" for change in progress):
            raise self.error
        return super().append(events, progress, *more, **named)


def record(position: int, batch: SignalBatch = BATCH, *, value: bytes | None = None) -> Received:
    return Received(SOURCE, position, str(batch.vehicle_id).encode(), CODEC.encode(batch) if value is None else value)


def vehicle_named(record: Received) -> UUID | None:
    ids = {str(vehicle_id).encode(): vehicle_id for vehicle_id in (ID, VEHICLE_ID)}
    return ids.get((record.key or b"").strip(b"{}"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Received(SOURCE, 0, None, b"x"), "it has no key, which would be the vehicle's id"),
        (Received(SOURCE, 0, b"WVWZZZE1ZMP000001", b"x"), "its key is no vehicle id"),
        (Received(SOURCE, 0, b"{%s}" % str(ID).encode(), b"x"), f"its key is a vehicle id, but not written as {ID}"),
        (Received(SOURCE, 0, str(ID).encode(), None), "it has no value"),
        (record(0, value=bytes(RECORD_BYTES_MAX + 1)), "its 1,000,001 bytes are more than 1,000,000"),
        (record(0, value=b"{}"), "the bytes are not in the Confluent wire format"),
        (record(0, value=b"\0\0\0\x27\x0f"), "no schema has the id 9999"),
        (record(0, replace(BATCH, vehicle_id=VEHICLE_ID)), f"no vehicle {VEHICLE_ID}: register it first"),
    ],
)
def test_a_bad_record_is_set_aside_with_its_reason_and_the_next_is_taken(
    bad: Received, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()

    bench.worker.take([bad, record(1), record(2)])

    (entry,) = caplog.records
    assert entry.message == f"{SOURCE}, position 0, is set aside: {reason}"
    where = [getattr(entry, name, None) for name in ("partition", "position", "vehicle_id")]
    assert where == [SOURCE, 0, vehicle_named(bad)]
    (aside,) = bench.aside.newest(9)
    assert (aside.source, aside.position, aside.reason) == (SOURCE, 0, reason)
    assert (aside.key, aside.value) == (bad.key, None if bad.value is None else bad.value[:VALUE_BYTES_MAX])
    assert (aside.length, aside.set_aside_at) == (len(bad.value or b""), T0)
    assert bench.log.consumed_position(SOURCE) == 3
    assert bench.worker.counts == Counts(records=3, batches=1, duplicates=1, set_aside=1, events=3)


@pytest.mark.parametrize(
    "error",
    [ValueError("it does not fit"), OverflowError("too large"), UnstorableError("no column has a place for it")],
)
def test_a_batch_of_which_no_event_can_be_made_is_set_aside_by_itself(error: Exception) -> None:
    bench = Bench(PickyLog(error))

    bench.worker.take([record(0), record(1, replace(BATCH, stream_id="odd")), record(2, replace(BATCH, sequence=2))])

    (aside,) = bench.aside.newest(9)
    assert (aside.position, str(error) in aside.reason) == (1, True)
    assert bench.log.consumed_position(SOURCE) == 3
    assert bench.worker.counts._replace(events=0) == Counts(records=3, batches=2, set_aside=1)


def test_what_a_batch_tells_of_its_origin_comes_over_the_topic() -> None:
    bench, origin = Bench(), Origin("car.dbc sha256:0011", "vw_meb")

    bench.worker.take([record(0, replace(BATCH, origin=origin)), record(1, replace(BATCH, sequence=2))])

    assert [bench.log.origin_of(ID, BATCH.stream_id, sequence) for sequence in (1, 2)] == [origin, origin]
    assert bench.log.consumed_position(SOURCE) == 2


def test_while_the_store_does_not_answer_nothing_is_set_aside() -> None:
    bench = Bench(PickyLog(StoreError("the event store does not answer")))

    with pytest.raises(StoreError):
        bench.worker.take([record(0), record(1, replace(BATCH, stream_id="odd"))])

    assert bench.aside.count() == 0
    assert bench.log.consumed_position(SOURCE) == 0


def test_telemetry_of_a_vehicle_that_has_left_is_set_aside() -> None:
    bench = Bench()
    bench.fleet.decommission(ID, "sold", at=T0)

    bench.worker.take([record(0)])

    assert "has been decommissioned" in bench.aside.newest(1)[0].reason
    assert bench.log.consumed_position(SOURCE) == 1


def test_who_lost_a_partition_writes_nothing_any_more() -> None:
    bench = Bench()
    other = IngestWorker(Fleet(VehicleLog(bench.log, codec()), KEY), CODEC, bench.log, bench.aside, lambda: T0)
    other.assign([SOURCE])
    other.take([record(0)])
    before = bench.log.last_position()

    with pytest.raises(VersionConflictError):
        bench.worker.take([record(0, replace(BATCH, stream_id="another"))])

    assert (bench.log.last_position(), bench.log.consumed_position(SOURCE)) == (before, 1)
    assert bench.worker.assign([SOURCE]) == {SOURCE: 1}


def test_a_topic_that_was_made_anew_is_read_from_where_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.worker.take([record(0), record(1)])

    with caplog.at_level(logging.WARNING):
        bench.worker.restart({SOURCE: 0})

    assert "telemetry/0 does not hold position 2: reading goes on at 0" in caplog.text
    bench.worker.take([record(0, replace(BATCH, sequence=2))])
    assert bench.worker.counts.batches == 2
    assert bench.log.consumed_position(SOURCE) == 1
