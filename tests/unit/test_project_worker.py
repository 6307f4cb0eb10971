"""A projector decodes what its projection folds, and counts the versions of everything else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from uuid import UUID

import pytest

from adapters import project_worker
from adapters.event_log import StoredRecord
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.set_aside import MemorySetAside
from adapters.metrics import REGISTRY
from adapters.project_worker import ProjectWorker
from adapters.projecting import Projecting
from adapters.received import Received
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.errors import PositionConflictError, StoreError, VersionGoneError
from domain.events import EVENT_TYPES, VehicleEvent, VehicleRegistered
from domain.units import Micros
from projections.digest import digest
from projections.ports import Parked
from projections.projection import Projection
from tests.support.events import VEHICLE_ID, as_published, codec, example_events
from tests.support.read_side import kept_of, put_back

SOURCE: Final = "vehicle-events/0#1"
AT: Final = Micros(1_770_000_000_000_000)


def now() -> Micros:
    return AT


def received(record: StoredRecord) -> Received:
    return as_published(record, SOURCE)


class Counting:
    """A codec that keeps the types of what it has decoded."""

    def __init__(self) -> None:
        self.decoded: list[str] = []

    def decode(self, topic: str, data: bytes, vehicle_id: UUID, version: int) -> VehicleEvent:
        self.decoded.append(topic)
        return codec().decode(topic, data, vehicle_id, version)

    def is_of(self, topic: str, data: bytes) -> bool:
        return codec().is_of(topic, data)


def about(caplog: pytest.LogCaptureFixture) -> tuple[object, ...]:
    """Return what the one entry of the log is about."""
    (entry,) = caplog.records
    return tuple(getattr(entry, name, None) for name in ("partition", "position", "vehicle_id", "projection"))


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_only_events_that_are_folded_are_decoded_and_the_rows_are_those_of_the_log(projection: Projection) -> None:
    events = example_events()
    records = MemoryEventLog(now)
    log = VehicleLog(records, codec())
    log.append(events)
    expected, rows = MemoryReadModels(), MemoryReadModels()
    Projecting(lambda: [projection], log, expected, now).catch_up()
    counting = Counting()
    worker = ProjectWorker([projection], log, rows, counting, MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take([received(each) for each in records.read(0, len(events))])

    assert worker._projectors[0]._folder.counts.folded == len(events)
    assert set(counting.decoded) == {event.TOPIC for event in events if type(event) in projection.folds}
    assert digest(rows, projection) == digest(expected, projection)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda each: each.name)
def test_a_record_that_is_no_event_counts_as_none_whatever_its_headers_say(
    projection: Projection, caplog: pytest.LogCaptureFixture
) -> None:
    log = VehicleLog(MemoryEventLog(now), codec())
    set_aside = MemorySetAside()
    worker = ProjectWorker([projection], log, MemoryReadModels(), codec(), set_aside, now)
    worker.assign([SOURCE])
    before = REGISTRY.get_sample_value("fleettwin_set_aside_total") or 0.0

    worker.take([received(StoredRecord(1, VEHICLE_ID, 99_999, VehicleRegistered.TOPIC, b"garbage", AT))])

    assert (worker._projectors[0]._folder.counts.folded, set_aside.count()) == (0, 1)
    assert about(caplog) == (SOURCE, 1, VEHICLE_ID, projection.id)
    assert caplog.records[0].message.startswith(
        f"{SOURCE}, position 1, is set aside: version 99999 at position 1 is no"
    )

    caplog.clear()
    worker.take([Received(SOURCE, 2, b"no vehicle id", b"x")])
    assert about(caplog) == (SOURCE, 2, None, projection.id)
    assert REGISTRY.get_sample_value("fleettwin_set_aside_total") == before + 2


def test_a_record_that_is_taken_from_the_log_instead_is_said(caplog: pytest.LogCaptureFixture) -> None:
    records = MemoryEventLog(now)
    log = VehicleLog(records, codec())
    log.append(example_events())
    worker = ProjectWorker([PROJECTIONS[0]], log, MemoryReadModels(), codec(), MemorySetAside(), now)
    worker.assign([SOURCE])

    (first,) = records.read(0, 1)
    worker.take([received(first._replace(state=b"garbage"))])

    assert about(caplog) == (SOURCE, first.position, VEHICLE_ID, PROJECTIONS[0].id)


def test_who_parks_a_vehicle_says_which_and_why(caplog: pytest.LogCaptureFixture) -> None:
    def fold(*_: object) -> None:
        raise ValueError("spoilt")

    records, rows = MemoryEventLog(now), MemoryReadModels()
    log = VehicleLog(records, codec())
    log.append(example_events()[:3])
    spoilt = replace(PROJECTIONS[0], folds=dict.fromkeys(EVENT_TYPES, fold))
    worker = ProjectWorker([spoilt], log, rows, codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    parks = f"{spoilt.id} parks vehicle {VEHICLE_ID} at position 1 (see `fleettwin parked show`): ValueError: spoilt"

    worker.take([received(each) for each in records.read(0, 2)])
    assert (caplog.records[0].message, about(caplog)) == (parks, (None, 1, VEHICLE_ID, spoilt.id))
    assert caplog.records[0].levelname == "WARNING"
    caplog.clear()
    worker.take([received(each) for each in records.read(2, 1)])
    assert caplog.records == []  # it is parked already

    Projecting(lambda: [spoilt], log, MemoryReadModels(), now).catch_up()
    assert (caplog.records[0].message, about(caplog)) == (parks, (None, 1, VEHICLE_ID, spoilt.id))


def metric(name: str, projection: Projection) -> float:
    found = REGISTRY.get_sample_value(f"fleettwin_projection_{name}_total", {"projection": projection.id})
    return 0.0 if found is None else found


COUNTED = ("events", "duplicate_events", "gap_events", "left_out_events")


def test_what_was_folded_dropped_filled_and_left_out_is_counted() -> None:
    projection = PROJECTIONS[0]
    log, everything, _ = published()
    before = {name: metric(name, projection) for name in COUNTED}
    worker = ProjectWorker([projection], log, MemoryReadModels(), codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take(everything[:3])
    worker.take([everything[1], *everything[5:7]])  # one again; and two that lack two before them
    assert {name: metric(name, projection) - before[name] for name in COUNTED} == {
        "events": 7.0, "duplicate_events": 1.0, "gap_events": 2.0, "left_out_events": 0.0
    }  # fmt: skip

    def fold(*_: object) -> None:
        raise ValueError("spoilt")

    spoilt = replace(projection, version=77, folds=dict.fromkeys(EVENT_TYPES, fold))
    worker = ProjectWorker([spoilt], log, MemoryReadModels(), codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take(everything[:1])
    worker.take(everything[1:4])
    assert metric("left_out_events", spoilt) == 3.0


def test_what_is_taken_from_the_log_is_counted_too() -> None:
    projection = PROJECTIONS[0]
    log, everything, _ = published()
    before = metric("events", projection)
    worker = ProjectWorker([projection], log, MemoryReadModels(), codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.restart({SOURCE: 1})
    assert metric("events", projection) - before == len(everything)


def test_a_long_way_through_the_log_is_gone_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_worker, "FOLLOWED_S_MAX", -1.0)
    log, _, _ = published()
    worker = ProjectWorker([PROJECTIONS[0]], log, MemoryReadModels(), codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    with pytest.raises(StoreError, match=r"is at position 0 of .*, and goes on"):
        worker.restart({SOURCE: 1})


def test_events_of_another_log_are_set_aside() -> None:
    """A backup was restored, and has grown since: the topic has events of the future that was lost."""
    log, everything, _ = published()
    other = everything[3]
    lost = replace_header(other, "version", b"2")
    set_aside, rows = MemorySetAside(), MemoryReadModels()
    worker = ProjectWorker([PROJECTIONS[0]], log, rows, codec(), set_aside, now)
    worker.assign([SOURCE])
    worker.take([*everything[:3], lost])
    assert rows.versions(PROJECTIONS[0], [VEHICLE_ID]) == {VEHICLE_ID: 3}
    (found,) = set_aside.newest(10)
    assert found.reason == "the log has another event at position 4"


@pytest.mark.parametrize(
    ("noted", "taken"), [(0, False), (999_999, True), (1_000_000, False)], ids=["nothing", "less", "it"]
)
def test_an_event_beyond_the_end_of_the_log_is_waited_for_unless_no_relay_has_come_to_it(
    noted: int, *, taken: bool
) -> None:
    """One that relays have noted is of a newer copy of the log; one that they have not, anybody may have written."""
    log, everything, _ = published()
    forged = replace_header(everything[3], "position", b"1000000")
    set_aside, rows = MemorySetAside(), MemoryReadModels()
    asked: list[str] = []

    def noted_of(source: str) -> int:
        asked.append(source)
        return noted

    worker = ProjectWorker([PROJECTIONS[0]], log, rows, codec(), set_aside, now, noted=noted_of)
    worker.assign([SOURCE])
    records = [*everything[:3], forged, forged._replace(position=5)]
    if taken:
        worker.take(records)
        reason = "neither the log nor a relay has come to position 1000000"
        assert [each.reason for each in set_aside.newest(10)] == [reason] * 2
        assert rows.versions(PROJECTIONS[0], [VEHICLE_ID]) == {VEHICLE_ID: 3}
    else:
        with pytest.raises(StoreError, match=r"the topic is ahead of the log .*it has position 1000000, the log ends"):
            worker.take(records)
        assert set_aside.count() == 0
    assert asked == [SOURCE]


@pytest.mark.parametrize("name", ["version", "position", "ce_time"])
def test_what_a_header_holds_does_not_get_out_of_it(name: str, caplog: pytest.LogCaptureFixture) -> None:
    log, everything, _ = published()
    worker = ProjectWorker([PROJECTIONS[0]], log, MemoryReadModels(), codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take([replace_header(everything[0], name, b"\x01WVWZZZE1ZTP000042")])
    assert "key and headers are not those of an event: ValueError" in caplog.text
    assert "000042" not in caplog.text


def replace_header(record: Received, name: str, value: bytes) -> Received:
    return record._replace(headers=[(each, value if each == name else old) for each, old in record.headers])


def published() -> tuple[VehicleLog, list[Received], MemoryReadModels]:
    """Return a log, all of its events as a relay publishes them, and their fold into all projections."""
    records, expected = MemoryEventLog(now), MemoryReadModels()
    log = VehicleLog(records, codec())
    log.append(example_events())
    Projecting(lambda: PROJECTIONS, log, expected, now).catch_up()
    return log, [received(each) for each in records.read(0, log.last_position())], expected


def test_a_record_is_decoded_once_for_all_projections() -> None:
    log, everything, expected = published()
    rows, counting = MemoryReadModels(), Counting()
    worker = ProjectWorker(PROJECTIONS, log, rows, counting, MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take(everything)

    folded = {event for projection in PROJECTIONS for event in projection.folds}
    assert sorted(counting.decoded) == sorted(event.TOPIC for event in example_events() if type(event) in folded)
    for projection in PROJECTIONS:
        assert digest(rows, projection) == digest(expected, projection)


def test_a_projection_that_is_behind_the_others_takes_from_the_log_what_it_lacks() -> None:
    log, everything, expected = published()
    rows = MemoryReadModels()
    half = len(everything) // 2
    alone = ProjectWorker(PROJECTIONS[1:], log, rows, codec(), MemorySetAside(), now)
    alone.assign([SOURCE])
    alone.take(everything[:half])

    together = ProjectWorker(PROJECTIONS, log, rows, codec(), MemorySetAside(), now)
    begin = everything[half - 1].position + 1
    assert together.assign([SOURCE]) == {SOURCE: begin}
    together.take(everything[half:])
    for projection in PROJECTIONS:
        assert digest(rows, projection) == digest(expected, projection)
        assert rows.consumed(projection, [SOURCE]) == {SOURCE: everything[-1].position + 1}


def test_a_version_that_is_discarded_is_left_out_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log, everything, expected = published()
    rows, (discarded, *others) = MemoryReadModels(), PROJECTIONS
    worker = ProjectWorker(PROJECTIONS, log, rows, codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take(everything[:1])
    rows.discard(discarded)
    monkeypatch.setattr(project_worker, "FOLLOWED_S_MAX", -1.0)  # what would go through the log
    with caplog.at_level("INFO"):
        worker.take(everything[1:3])
        worker.published({SOURCE: everything[2].position}, [SOURCE])
        worker.revoke([SOURCE])
        assert worker.assign([SOURCE]) == {SOURCE: everything[2].position + 1}
        worker.take(everything[3:])
    said = f"{discarded.id} was discarded, and is left out of what is folded"
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [("INFO", said)]
    assert worker.projections == others
    for projection in others:
        assert digest(rows, projection) == digest(expected, projection)
    with pytest.raises(VersionGoneError):
        rows.position(discarded)


@pytest.mark.parametrize("begins", ["assign", "restart", "published"])
def test_what_is_discarded_is_not_begun_anew(begins: str) -> None:
    log, everything, _ = published()
    rows, (discarded, *others) = MemoryReadModels(), PROJECTIONS
    worker = ProjectWorker(PROJECTIONS, log, rows, codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    worker.take(everything[:3])
    rows.discard(discarded)
    if begins == "assign":
        assert worker.assign([SOURCE]) == {SOURCE: everything[2].position + 1}
    elif begins == "restart":
        worker.restart({SOURCE: everything[-1].position})
    else:
        worker.published({SOURCE: 1}, [SOURCE])
    assert worker.projections == others
    assert rows.versions(discarded, [VEHICLE_ID]) == {}


def test_where_everything_is_discarded_records_are_passed_over() -> None:
    log, everything, _ = published()
    rows, counting = MemoryReadModels(), Counting()
    worker = ProjectWorker(PROJECTIONS[:1], log, rows, counting, MemorySetAside(), now)
    rows.discard(PROJECTIONS[0])
    assert worker.assign([SOURCE]) == {SOURCE: 0}
    worker.take(everything)
    worker.published({SOURCE: 1}, [SOURCE])
    worker.restart({SOURCE: 1})
    assert (counting.decoded, worker.projections) == ([], [])


def test_where_one_projection_is_overtaken_the_others_begin_anew_with_it() -> None:
    log, everything, expected = published()
    rows = MemoryReadModels()
    worker = ProjectWorker(PROJECTIONS, log, rows, codec(), MemorySetAside(), now)
    worker.assign([SOURCE])
    other = ProjectWorker(PROJECTIONS[:1], log, rows, codec(), MemorySetAside(), now)
    other.assign([SOURCE])
    other.take(everything[:1])

    with pytest.raises(PositionConflictError):
        worker.take(everything)
    begin = worker.assign([SOURCE])[SOURCE]
    worker.take([each for each in everything if each.position >= begin])
    for projection in PROJECTIONS:
        assert digest(rows, projection) == digest(expected, projection)


def test_a_partition_that_the_database_has_lost_is_not_complete_and_is_read_again() -> None:
    """Nothing of it was under way when the database crashed: who reads it has seen no error."""
    log, everything, expected = published()
    end, idle, busy = len(everything), SOURCE, SOURCE.replace("/0", "/1")
    rows = MemoryReadModels()
    worker = ProjectWorker(PROJECTIONS, log, rows, codec(), MemorySetAside(), now)
    worker.assign([idle, busy])
    worker.take(everything[:-1])
    before = kept_of(rows)
    worker.take(everything[-1:])
    put_back(rows, before)

    worker.take([Received(busy, 0, None, None)])
    with pytest.raises(PositionConflictError, match=f"{idle} is not at {end + 1} any more"):
        worker.published({idle: end, busy: end}, [idle, busy])
    assert [rows.position(each) for each in PROJECTIONS] == [0] * len(PROJECTIONS)

    worker.revoke([idle, busy])
    assert worker.assign([idle, busy]) == {idle: end, busy: 1}
    worker.take(everything[-1:])
    worker.published({idle: end, busy: end}, [idle, busy])
    assert [rows.position(each) for each in PROJECTIONS] == [end] * len(PROJECTIONS)
    assert [digest(rows, each) for each in PROJECTIONS] == [digest(expected, each) for each in PROJECTIONS]


def test_what_is_lost_while_a_projection_takes_from_the_log_what_it_lacks_is_not_passed_over() -> None:
    log, everything, _ = published()
    end, behind = len(everything), PROJECTIONS[0]

    class Crashing(MemoryReadModels):
        """Loses what was taken from the log when it is asked the next thing."""

        def parked(self, projection: Projection) -> Mapping[UUID, Parked]:
            if self.position(projection) == end:
                put_back(self, before)
            return super().parked(projection)

    rows = Crashing()
    others = ProjectWorker(PROJECTIONS[1:], log, rows, codec(), MemorySetAside(), now)
    others.assign([SOURCE])
    others.take(everything)
    before = kept_of(rows)
    with pytest.raises(PositionConflictError, match=f"the position is not {end} any more"):
        ProjectWorker(PROJECTIONS, log, rows, codec(), MemorySetAside(), now).assign([SOURCE])
    assert rows.consumed(behind, [SOURCE]) == {}
