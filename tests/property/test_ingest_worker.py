"""Workers that take telemetry from partitions, die, and lose partitions to each other: each batch counts once."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.avro.telemetry import TelemetryCodec
from adapters.ingest_worker import RECORD_BYTES_MAX, IngestWorker
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.set_aside import MemorySetAside
from adapters.received import Received
from adapters.vehicle_log import VehicleLog
from domain.errors import RejectedCommandError, VersionConflictError
from domain.fleet import Fleet
from domain.signals import SignalBatch
from domain.vin import Vin
from tests.support.batches import T0, streams_of
from tests.support.events import codec, registry
from tests.support.mortal_log import Lightning, MortalLog
from tests.support.odd_batches import odd_batches

KEY: Final = b"a key for tests"
VINS: Final = [Vin.parse(f"WVWZZZE1ZMP{number:06d}") for number in (1, 2)]
IDS: Final = [vin.vehicle_id(KEY) for vin in VINS]
CODEC: Final = TelemetryCodec(registry())
SOURCES: Final = ("telemetry/0", "telemetry/1")


@dataclass
class Rig:
    """A log, and what the partitions hold."""

    log: MortalLog
    aside: MemorySetAside
    partitions: dict[str, list[Received]]

    def worker(self) -> IngestWorker:
        """Return a worker of a new process."""
        return IngestWorker(Fleet(VehicleLog(self.log, codec()), KEY), CODEC, self.log, self.aside, lambda: T0)

    def next_of(self, source: str, position: int, count: int) -> list[Received]:
        """Return some records from a position on."""
        return self.partitions[source][position : position + count]

    def done(self) -> bool:
        """Whether everything was read."""
        return all(self.log.consumed_position(source) == len(found) for source, found in self.partitions.items())


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def registered(log: MemoryEventLog) -> Fleet:
    fleet = Fleet(VehicleLog(log, codec()), KEY)
    for vin in VINS:
        fleet.register(vin, brand="Volkswagen", model=None, at=T0)
    return fleet


def encoded(batch: SignalBatch) -> tuple[bytes, bytes]:
    return str(batch.vehicle_id).encode(), CODEC.encode(batch)


GOOD_KEY, GOOD_VALUE = encoded(SignalBatch(IDS[0], "other", 1, T0, ()))
BAD: Final = st.sampled_from(
    [
        (GOOD_KEY, b""),
        (GOOD_KEY, b'{"speed": 50}'),
        (GOOD_KEY, None),
        (GOOD_KEY, GOOD_VALUE[:-1]),
        (GOOD_KEY, GOOD_VALUE + bytes(1_000_000)),
        (None, GOOD_VALUE),
        (b"WVWZZZE1ZMP000001", GOOD_VALUE),
        (b"\xff", GOOD_VALUE),
        (b"0b8e2f3a-7d61-5c9f-8a10-c4d5e6f70819", GOOD_VALUE),  # no such vehicle
    ]
)


Place = tuple[str, int]
Bytes = tuple[bytes | None, bytes | None]


def takes(fleet: Fleet, key: bytes | None, value: bytes | None) -> bool:
    """Tell a fleet what a record says, nothing else beside it; return whether that is something."""
    try:
        assert key is not None
        assert value is not None
        assert len(value) <= RECORD_BYTES_MAX
        fleet.take([CODEC.decode(value, UUID(key.decode()))])
    except (AssertionError, ValueError, RejectedCommandError):
        return False
    return True


@st.composite
def rigs(draw: st.DrawFn) -> tuple[Rig, MemoryEventLog, dict[Place, Bytes]]:
    """Return partitions, what a fleet makes of their batches that is told each by itself, and the bad records."""
    calm, stormy = MemoryEventLog(lambda: T0), MortalLog()
    fleet = registered(calm)
    registered(stormy)
    partitions: dict[str, list[Received]] = {}
    bad: dict[Place, Bytes] = {}
    for source, vehicle_id in zip(SOURCES, IDS, strict=True):
        batches = [replace(batch, vehicle_id=vehicle_id) for batch in draw(streams_of("a", acts_max=3))]
        again = draw(st.lists(st.integers(0, len(batches) - 1), max_size=3))  # a producer that was not sure
        for place in again:
            batches.insert(draw(st.integers(place, len(batches))), batches[place])
        records: list[Bytes] = [encoded(batch) for batch in batches]
        odd = st.tuples(st.just(str(vehicle_id).encode()), odd_batches())
        for record in draw(st.lists(BAD, max_size=3)) + draw(st.lists(odd, max_size=4)):
            records.insert(draw(st.integers(0, len(records))), record)
        partitions[source] = [Received(source, place, *record) for place, record in enumerate(records)]
        bad |= {(source, place): record for place, record in enumerate(records) if not takes(fleet, *record)}
    return Rig(stormy, MemorySetAside(), partitions), calm, bad


def histories(log: MemoryEventLog) -> list[list[tuple[int, str, bytes]]]:
    return [[(each.version, each.topic, each.state) for each in log.events_of(vehicle_id)] for vehicle_id in IDS]


@settings(max_examples=80)
@given(st.data())
def test_whatever_dies_and_moves_each_batch_counts_once_and_each_bad_record_is_set_aside_once(
    data: st.DataObject,
) -> None:
    rig, calm, bad = data.draw(rigs())
    workers = [rig.worker(), rig.worker()]
    owned: list[dict[str, int]] = [{}, {}]  # by worker: what it believes to own, and from where it reads on
    while not rig.done():
        number = data.draw(st.integers(0, 1))
        worker, mine = workers[number], owned[number]
        # What draws the least gets on: the shortest run is one worker that reads all.
        if not mine or data.draw(st.integers(0, 5)) == 5:
            # It is given partitions; whoever had them may not have heard of it yet.
            mine |= worker.assign(data.draw(st.sampled_from([SOURCES, SOURCES[:1], SOURCES[1:]])))
        if data.draw(st.integers(0, 7)) == 7:
            gone = data.draw(st.lists(st.sampled_from(sorted(mine)), min_size=1, unique=True))
            worker.revoke(gone)
            for source in gone:
                del mine[source]
        counts = {source: data.draw(st.sampled_from([4, 2, 1, 0])) for source in sorted(mine)}
        records = [each for source, count in counts.items() for each in rig.next_of(source, mine[source], count)]
        rig.log.dies = data.draw(st.sampled_from([None, None, None, "before", "after"]))
        try:
            worker.take(records)
        except VersionConflictError:  # another one has been faster
            mine |= worker.assign(list(mine))
        except Lightning:
            workers[number], owned[number] = rig.worker(), {}
        else:
            for record in records:
                mine[record.source] = record.position + 1

    assert histories(rig.log) == histories(calm)
    assert [rig.log.progress_of(vehicle_id) for vehicle_id in IDS] == [
        calm.progress_of(vehicle_id) for vehicle_id in IDS
    ]
    aside = {(each.source, each.position): each for each in rig.aside.newest(1_000)}
    assert aside.keys() == bad.keys()
    assert rig.aside.count() == len(bad)
    for place, (key, value) in bad.items():
        assert (aside[place].key, aside[place].length) == (key, len(value or b""))
        assert aside[place].reason
