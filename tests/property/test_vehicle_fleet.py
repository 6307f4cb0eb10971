"""A fleet that dies at any moment, on a log of bytes: nothing is lost, nothing is doubled."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.event_store import MemoryEventLog
from adapters.vehicle_log import VehicleLog
from domain.errors import VersionConflictError
from domain.fleet import Fleet
from domain.signals import SignalBatch
from domain.vin import Vin
from tests.support.batches import T0, interleaved, streams_of
from tests.support.events import codec
from tests.support.given import VIN
from tests.support.mortal_log import Lightning, MortalLog

KEY = b"a key for tests"
THE_VIN = Vin.parse(VIN)
ID = THE_VIN.vehicle_id(KEY)


def a_fleet(log: MemoryEventLog) -> Fleet:
    fleet = Fleet(VehicleLog(log, codec()), KEY)
    fleet.register(THE_VIN, brand="Volkswagen", model=None, at=T0)
    return fleet


def renamed(batches: Sequence[SignalBatch]) -> list[SignalBatch]:
    return [SignalBatch(ID, *(getattr(batch, name) for name in SignalBatch.__slots__[1:])) for batch in batches]


@settings(max_examples=60)
@given(st.data())
def test_a_fleet_that_dies_again_and_again_writes_what_one_writes_that_lives(data: st.DataObject) -> None:
    batches = renamed(data.draw(interleaved([data.draw(streams_of(name)) for name in "ab"])))
    calm, stormy = MemoryEventLog(lambda: T0), MortalLog()
    a_fleet(calm).take(batches)

    fleet, done = a_fleet(stormy), 0
    while done < len(batches):
        together = batches[done : done + data.draw(st.integers(1, 4))]
        stormy.dies = data.draw(st.sampled_from([None, None, "before", "after"]))
        try:
            fleet.take(together)
        except Lightning:
            if data.draw(st.booleans()):
                fleet = a_fleet(stormy)  # a new process
            if data.draw(st.booleans()):
                done = 0  # that was told everything anew
            continue
        done += len(together)

    assert stormy.read(0, 10_000) == calm.read(0, 10_000)
    assert stormy.progress_of(ID) == calm.progress_of(ID)
    assert a_fleet(stormy).take(batches) == ([], 0, len(batches))


@settings(max_examples=60)
@given(st.data())
def test_of_two_fleets_that_write_for_one_vehicle_each_batch_is_taken_once(data: st.DataObject) -> None:
    batches = renamed(data.draw(streams_of("a")))
    calm, shared = MemoryEventLog(lambda: T0), MemoryEventLog(lambda: T0)
    a_fleet(calm).take(batches)
    fleets = [a_fleet(shared), a_fleet(shared)]
    for batch in batches:
        fleet = data.draw(st.sampled_from(fleets))
        try:
            fleet.take([batch])
        except VersionConflictError:  # the other has been faster; this one starts anew
            assert fleet.take([batch]).duplicates == 0

    assert shared.read(0, 10_000) == calm.read(0, 10_000)


def test_lightning_strikes_before_and_after_what_is_written() -> None:
    log = MortalLog()
    for dies in ("before", "after"):
        log.dies = dies
        with pytest.raises(Lightning):
            a_fleet(log)
        assert len(log.read(0, 9)) == (dies == "after")
