"""The door to the write side."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from domain import events as e
from domain import fleet as fleet_module
from domain.errors import RejectedCommandError, UnknownVehicleError, UnreadableHistoryError, VersionConflictError
from domain.events import VehicleEvent
from domain.fleet import ConsumedChange, DirectoryEntry, Fleet, OriginFrom, ProgressChange
from domain.signals import Origin, SignalBatch
from domain.streams import StreamProgress
from domain.units import Micros
from domain.vin import Vin
from tests.support.batches import DOOR, Stream, at, sample
from tests.support.given import VIN, told

KEY = b"a key for tests"
THE_VIN = Vin.parse(VIN)
ID = THE_VIN.vehicle_id(KEY)


@dataclass
class Log:
    """An event log as the port says; `fails` makes the next writes fail."""

    events: list[VehicleEvent] = field(default_factory=list)
    progress: dict[UUID, dict[str, StreamProgress]] = field(default_factory=dict)
    directory: list[DirectoryEntry] = field(default_factory=list)
    consumed: list[ConsumedChange] = field(default_factory=list)
    origins: list[OriginFrom] = field(default_factory=list)
    reads: int = 0
    fails: Exception | None = None

    def histories(self, vehicle_ids: Collection[UUID]) -> Sequence[Sequence[VehicleEvent]]:
        self.reads += 1
        return [[event] for event in self.events if event.originator_id in vehicle_ids]

    def progress_of_all(self, vehicle_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, StreamProgress]]:
        return {each: dict(self.progress[each]) for each in vehicle_ids if each in self.progress}

    def append(
        self,
        events: Sequence[VehicleEvent],
        progress: Sequence[ProgressChange] = (),
        directory: Sequence[DirectoryEntry] = (),
        consumed: Sequence[ConsumedChange] = (),
    ) -> int:
        if self.fails:
            raise self.fails
        known = {(event.originator_id, event.originator_version) for event in self.events}
        if known & {(event.originator_id, event.originator_version) for event in events}:
            raise VersionConflictError("taken")
        for change in progress:
            streams = self.progress.setdefault(change.vehicle_id, {})
            stream_id = change.after.stream_id
            if streams.get(stream_id, StreamProgress(stream_id)) != change.before:
                raise VersionConflictError("moved")
        for change in progress:
            self.progress[change.vehicle_id][change.after.stream_id] = change.after
            self.origins += change.origins
        self.events += events
        self.directory += directory
        self.consumed += consumed
        return len(self.events) if events else 0


def doors(*, vehicle_id: UUID = ID, count: int = 3) -> list[SignalBatch]:
    stream = Stream()
    batches = [stream.batch(sample(DOOR, n, value=n % 2 == 0)) for n in range(count)]
    return [replace(batch, vehicle_id=vehicle_id) for batch in batches]


def a_fleet(log: Log | None = None) -> Fleet:
    """Return a fleet of one car."""
    made = Fleet(log if log is not None else Log(), KEY)
    made.register(THE_VIN, brand="Volkswagen", model="ID.3", at=at(0))
    return made


# --- registering ------------------------------------------------------------------------------------------------------


def test_a_vehicle_is_registered_in_the_log_and_in_the_directory() -> None:
    log = Log()
    assert Fleet(log, KEY).register(THE_VIN, brand="Volkswagen", model="ID.3", at=at(0)) == ID

    assert log.events == [
        told(
            e.VehicleRegistered, originator_id=ID, originator_version=1, vin=VIN, brand="Volkswagen", captured_at=at(0)
        )
    ]
    assert log.directory == [DirectoryEntry(ID, VIN, "Volkswagen", "ID.3", at(0))]


def test_a_vehicle_is_registered_once() -> None:
    log = Log()
    for fleet in (first := a_fleet(log), first, Fleet(log, KEY)):
        assert fleet.register(THE_VIN, brand="Audi", model=None, at=at(9)) == ID

    assert len(log.events) == len(log.directory) == 1


def test_a_vehicle_that_another_process_registers_in_the_same_moment_is_registered() -> None:
    log = Log()

    class Racing(Log):
        def append(self, *args: object, **more: object) -> int:
            a_fleet(log)
            return log.append(*args, **more)  # type: ignore[arg-type]

        def histories(self, vehicle_ids: Collection[UUID]) -> Sequence[Sequence[VehicleEvent]]:
            return log.histories(vehicle_ids)

    assert Fleet(Racing(), KEY).register(THE_VIN, brand="Audi", model=None, at=at(9)) == ID
    assert len(log.events) == 1


def test_a_registration_that_cannot_be_written_is_not_remembered() -> None:
    log = Log(fails=OSError("disk full"))
    fleet = Fleet(log, KEY)
    for _ in range(2):
        with pytest.raises(OSError, match="disk full"):
            fleet.register(THE_VIN, brand="Audi", model=None, at=at(9))


# --- taking batches ---------------------------------------------------------------------------------------------------


def test_batches_become_events_and_progress_at_once() -> None:
    log = Log()
    taken = a_fleet(log).take(doors())

    assert [event.originator_version for event in log.events] == [1, 2, 3, 4]
    assert taken.events == log.events[1:]
    assert (taken.position, taken.duplicates) == (4, 0)
    assert log.progress == {ID: {"a": StreamProgress("a", 3)}}


def test_a_batch_counts_once_however_often_it_is_given() -> None:
    log = Log()
    fleet, batches = a_fleet(log), doors()
    fleet.take([*batches, batches[0]])

    assert fleet.take(batches) == ([], 0, 3)
    assert Fleet(log, KEY).take(batches) == ([], 0, 3)


def test_a_batch_without_news_moves_its_stream() -> None:
    log = Log()
    fleet, (batch, *_) = a_fleet(log), doors()
    fleet.take([batch])
    taken = fleet.take([replace(batch, sequence=2)])

    assert taken == ([], 0, 0)
    assert fleet.progress(ID, "a") == log.progress[ID]["a"] == StreamProgress("a", 2)


def test_what_a_batch_tells_of_its_origin_is_noted_with_its_stream_and_once() -> None:
    log = Log()
    fleet, (first, second, third) = a_fleet(log), doors()
    one, other = Origin("car.dbc", "obd2"), Origin("car.dbc", "vw_meb")
    told = [replace(first, origin=one), second, replace(third, origin=other)]
    fleet.take([*told, told[0]])
    fleet.take(told)
    assert log.origins == [OriginFrom(1, one), OriginFrom(3, other)]


def test_a_stream_that_has_not_begun_has_come_nowhere() -> None:
    assert a_fleet().progress(ID, "a") == StreamProgress("a")


def test_a_vehicle_that_is_not_registered_takes_nothing() -> None:
    with pytest.raises(UnknownVehicleError, match=f"no vehicle {ID}: register it first"):
        Fleet(Log(), KEY).take(doors())


def test_a_vehicle_is_read_from_the_log_once() -> None:
    log = Log()
    a_fleet(log).take(doors())
    fleet = Fleet(log, KEY)
    log.reads = 0
    for batch in doors(count=9):
        fleet.take([batch])

    assert log.reads == 1


def test_after_a_failure_everything_is_read_anew() -> None:
    log = Log()
    fleet, batches = a_fleet(log), doors()
    log.fails = OSError("disk full")
    with pytest.raises(OSError, match="disk full"):
        fleet.take(batches)
    log.fails = None

    assert fleet.take(batches).duplicates == 0
    assert [event.originator_version for event in log.events] == [1, 2, 3, 4]


def test_a_writer_that_another_has_overtaken_starts_from_what_the_log_holds() -> None:
    log = Log()
    slow = a_fleet(log)
    slow.progress(ID, "a")
    Fleet(log, KEY).take(doors(count=2))
    with pytest.raises(VersionConflictError):
        slow.take(doors())

    assert slow.take(doors()).duplicates == 2


@pytest.mark.parametrize("interrupted", ["histories", "progress_of_all"])
def test_a_writer_that_takes_a_batch_while_another_reads_is_noticed(interrupted: str) -> None:
    """The other has read that the door is open; that it was closed since must not make the next "open" old news."""
    log, closed_and_opened = Log(), doors(count=3)[1:]
    a_fleet(log).take(doors(count=1))

    class Interrupted(Log):
        def __getattribute__(self, name: str) -> object:
            if name != interrupted:
                return getattr(log, name)

            def read(vehicle_ids: Collection[UUID]) -> object:
                found = copy(getattr(log, name)(vehicle_ids))
                a_fleet(log).take(closed_and_opened[:1])
                return found

            return read

    with suppress(VersionConflictError):
        Fleet(Interrupted(), KEY).take(closed_and_opened[1:])
    a_fleet(log).take(closed_and_opened)

    calm = Log()
    a_fleet(calm).take(doors(count=3))
    assert log.events == calm.events


def test_one_refused_batch_refuses_all_that_came_with_it() -> None:
    log = Log()
    fleet = a_fleet(log)
    other = Vin.parse("WVWZZZE1ZMP000002")
    fleet.register(other, brand="Audi", model=None, at=at(0))
    fleet.decommission(other.vehicle_id(KEY), "sold", at=at(1))
    before = len(log.events)
    with pytest.raises(RejectedCommandError, match="has been decommissioned"):
        fleet.take([*doors(), *doors(vehicle_id=other.vehicle_id(KEY))])

    assert len(log.events) == before
    assert log.progress == {}


def test_a_vehicle_is_decommissioned_once() -> None:
    log = Log()
    fleet = a_fleet(log)
    fleet.decommission(ID, "sold", at=at(1))
    fleet.decommission(ID, "sold again", at=at(2))

    assert log.events[1:] == [told(e.VehicleDecommissioned, reason="sold")]


def test_vehicles_not_used_for_longest_are_forgotten_but_not_before_they_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet_module, "VEHICLES_CACHED_MAX", 2)
    log = Log()
    fleet = a_fleet(log)
    vins = [Vin.parse(f"WVWZZZE1ZMP00001{n}") for n in range(4)]
    ids = [fleet.register(vin, brand="Audi", model=None, at=Micros(at(0))) for vin in vins]
    fleet.take([batch for turn in range(3) for id_ in ids for batch in doors(vehicle_id=id_)[turn : turn + 1]])
    log.reads = 0
    fleet.progress(ids[3], "a")
    assert log.reads == 0
    fleet.progress(ids[0], "a")

    assert log.reads == 1
    assert len(log.events) == 5 + 4 * 3


def test_vehicles_that_are_told_together_are_read_together() -> None:
    log = Log()
    fleet = a_fleet(log)
    vins = [Vin.parse(f"WVWZZZE1ZMP00001{n}") for n in range(4)]
    ids = [fleet.register(vin, brand="Audi", model=None, at=Micros(at(0))) for vin in vins]
    told_by = [doors(vehicle_id=id_) for id_ in ids]
    fleet.take([batches[0] for batches in told_by])
    expected = [(event.originator_id, event.originator_version + 1) for event in log.events[-4:]]
    fleet.forget()
    log.reads = 0
    fleet.take([batch for batches in told_by for batch in batches[:2]])

    assert log.reads == 1
    assert [(event.originator_id, event.originator_version) for event in log.events[-4:]] == expected


# --- from where batches were read -------------------------------------------------------------------------------------


def test_from_where_batches_were_read_is_noted_though_they_say_nothing_new() -> None:
    fleet = a_fleet(log := Log())
    steps = [ConsumedChange("telemetry/0", before, before + 3) for before in (0, 3, 6)]
    fleet.take(doors(), steps[:1])
    fleet.take(doors(), steps[1:2])  # all of them taken before
    fleet.take([], steps[2:])

    assert log.consumed == steps


def test_a_fleet_that_forgets_reads_the_log_again() -> None:
    fleet = a_fleet(log := Log())
    fleet.take(doors()[:1])
    before = log.reads
    fleet.take(doors()[1:2])
    assert log.reads == before
    fleet.forget()
    fleet.take(doors()[2:])

    assert log.reads == before + 1


def test_a_vehicle_whose_history_cannot_be_folded_is_named_and_the_others_are_taken() -> None:
    log = Log()
    fleet = Fleet(log, KEY)
    good = fleet.register(THE_VIN, brand="Volkswagen", model=None, at=at(0))
    bad = fleet.register(Vin.parse("WVWZZZE1ZMP000002"), brand="Volkswagen", model=None, at=at(0))
    (registered,) = (event for event in log.events if event.originator_id == bad)
    log.events.append(registered)  # twice the same version: its history is not one
    fleet.forget()

    with pytest.raises(
        UnreadableHistoryError, match=rf"{bad}: its history cannot be folded \(OriginatorVersionError\)"
    ):
        fleet.take([SignalBatch(each, "drive", 1, at(1), (sample("Vehicle.Speed", 1, 50.0),)) for each in (good, bad)])

    assert list(fleet.unreadable([good, bad])) == [bad]
    assert fleet.take([SignalBatch(good, "drive", 1, at(1), (sample("Vehicle.Speed", 1, 50.0),))]).events
