"""What a worker says of the records that it sets aside, and of a topic that does not hold what comes next."""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from adapters.avro.telemetry import TelemetryCodec
from adapters.event_log import StoredRecord
from adapters.ingest_worker import RECORD_BYTES_MAX, Counts, IngestWorker
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.set_aside import MemorySetAside
from adapters.received import HeldBackError, Received
from adapters.set_aside import SAID_MAX, VALUE_BYTES_MAX
from adapters.vehicle_log import VehicleLog
from domain.errors import StoreError, UnstorableError, VersionConflictError
from domain.fleet import Fleet, ProgressChange
from domain.signals import Origin, Sample, SignalBatch
from domain.units import Micros
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
        (
            record(0, replace(BATCH, sequence=2**63 - 1)),
            "its sequence is 9223372036854775807, and counts from 1 to 1,000,000,000,000",
        ),
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


def test_a_batch_that_would_make_an_event_too_large_for_a_broker_is_set_aside_by_itself() -> None:
    bench = Bench()
    samples = tuple(Sample(f"{number:x}", Micros(number % 60), value=True) for number in range(80_000))
    small = record(
        1, replace(BATCH, stream_id="many", samples=samples)
    )  # a clock in 1970 takes a byte, a true one eight
    assert len(small.value or b"") < RECORD_BYTES_MAX

    bench.worker.take([record(0), small, record(2, replace(BATCH, sequence=2))])

    (aside,) = bench.aside.newest(9)
    assert aside.position == 1
    assert re.fullmatch(
        f"vehicle {ID}: its event vehicle.signals_sampled.v1 has 1,[0-9]{{3}},[0-9]{{3}} bytes, more than 1,000,000;"
        " send fewer or shorter samples in a batch",
        aside.reason,
    )
    assert bench.log.consumed_position(SOURCE) == 3
    assert bench.worker.counts == Counts(records=3, batches=2, set_aside=1, events=3)


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


OTHER_VIN: Final = "WVWZZZE1ZMP000002"
OTHER_ID: Final = Vin.parse(OTHER_VIN).vehicle_id(KEY)


class RolledBackLog(MemoryEventLog):
    """A log whose histories of one vehicle cannot be read while `unreadable` is set: a newer program wrote them."""

    def __init__(self) -> None:
        super().__init__(lambda: T0)
        self.unreadable = False

    def events_of_all(self, vehicle_ids: Any, place: tuple[UUID, int], limit: int) -> list[StoredRecord]:
        found = super().events_of_all(vehicle_ids, place, limit)
        if not self.unreadable:
            return found
        return [each._replace(topic="vehicle.flew.v1") if each.originator_id == ID else each for each in found]


class RolledBack(Bench):
    """A worker of two vehicles, one of which cannot be read."""

    def __init__(self) -> None:
        super().__init__(RolledBackLog())
        self.fleet.register(Vin.parse(OTHER_VIN), brand="Volkswagen", model=None, at=T0)
        self.read_again(unreadable=True)

    def read_again(self, *, unreadable: bool) -> None:
        """Make the history readable or not; nothing is in memory any more."""
        assert isinstance(self.log, RolledBackLog)
        self.log.unreadable = unreadable
        self.fleet.forget()

    def events(self, vehicle_id: UUID) -> int:
        return len(self.log.events_of(vehicle_id, 0, 1_000))

    def waiting(self) -> list[int]:
        return [each.position for each in self.aside.waiting_of(ID, 1_000)]


def numbered(sequence: int, vehicle_id: UUID = ID) -> SignalBatch:
    told = (sample("Vehicle.Speed", sequence, 50.0 + sequence),)
    return SignalBatch(vehicle_id, "drive", sequence, T0, told)


def test_a_history_that_cannot_be_read_stops_neither_the_partition_nor_another_vehicle() -> None:
    bench = RolledBack()
    before = bench.events(OTHER_ID)

    bench.worker.take([record(0, numbered(1)), record(1, numbered(1, OTHER_ID)), record(2, value=b"{}")])

    assert bench.events(OTHER_ID) > before
    assert bench.log.consumed_position(SOURCE) == 3
    assert bench.worker.counts._replace(events=0) == Counts(records=3, batches=1, set_aside=2)
    (waiting,) = bench.aside.waiting_of(ID, 9)
    assert (waiting.position, waiting.value, waiting.whole) == (0, CODEC.encode(numbered(1)), True)
    assert f"vehicle {ID}, version 1, vehicle.flew.v1" in waiting.reason


def test_what_a_vehicle_sends_later_waits_too_so_that_it_is_taken_in_order() -> None:
    bench = RolledBack()
    bench.worker.take([record(0, numbered(1))])
    bench.read_again(unreadable=False)  # but nobody has taken what waits

    bench.worker.take([record(1, numbered(2)), record(2, numbered(1, OTHER_ID))])

    assert (bench.waiting(), bench.events(ID)) == ([0, 1], 1)
    assert bench.log.consumed_position(SOURCE) == 3
    bench.aside.remove([(SOURCE, 0), (SOURCE, 1)])
    bench.worker.take([record(3, numbered(3))])
    assert (bench.waiting(), bench.events(ID) > 1) == ([], True)


def test_a_batch_that_waits_is_told_from_one_that_is_refused_beside_it() -> None:
    bench = RolledBack()
    odd = replace(BATCH, vehicle_id=VEHICLE_ID)

    bench.worker.take([record(0, odd), record(1, numbered(1)), record(2, numbered(1, OTHER_ID))])

    assert [(each.position, each.waits_for) for each in reversed(bench.aside.newest(9))] == [(0, None), (1, ID)]
    assert bench.log.consumed_position(SOURCE) == 3
    bench.worker.take([record(3, odd), record(4, numbered(2))])
    assert bench.waiting() == [1, 4]


def test_where_no_more_batches_can_wait_their_partition_is_held_back_and_nothing_is_lost() -> None:
    bench = RolledBack()
    full = IngestWorker(bench.fleet, CODEC, bench.log, MemorySetAside(waiting_max=1), lambda: T0)
    full.assign([SOURCE, "telemetry/1"])
    full.take([record(0, numbered(1))])
    good = Received("telemetry/1", 0, str(OTHER_ID).encode(), CODEC.encode(numbered(1, OTHER_ID)))

    with pytest.raises(HeldBackError, match="more than 1 batches") as raised:
        full.take([good, record(1, numbered(2))])

    assert raised.value.sources == {SOURCE}
    assert (bench.log.consumed_position("telemetry/1"), bench.log.consumed_position(SOURCE)) == (0, 1)
    full.take([good])
    assert bench.log.consumed_position("telemetry/1") == 1


def test_of_many_bad_records_the_log_says_a_few_and_all_are_set_aside(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    count = 5 * SAID_MAX
    odd = [record(position, replace(BATCH, vehicle_id=UUID(int=position))) for position in range(count)]

    bench.worker.take(odd)

    said = [entry.message for entry in caplog.records]
    assert len(said) == SAID_MAX + 1
    assert said[0] == f"{SOURCE}, position 0, is set aside: no vehicle {UUID(int=0)}: register it first"
    assert said[-1] == "more are set aside, and not said for 60 s: no vehicle …: register it first"
    assert bench.aside.count() == count
