"""What every event log keeps to, in memory and on PostgreSQL."""

import threading
from collections.abc import Iterator
from uuid import UUID, uuid5

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.event_log import ConsumedChange, DirectoryEntry, OriginFrom, ProgressChange
from adapters.memory.event_store import MemoryEventLog
from adapters.postgres.event_store import PostgresEventLog
from domain.errors import BadInputError, VersionConflictError
from domain.signals import Origin
from domain.streams import StreamProgress
from domain.units import Micros

EventLog = MemoryEventLog | PostgresEventLog

NAMESPACE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
CAR, OTHER_CAR = uuid5(NAMESPACE, "car"), uuid5(NAMESPACE, "other car")
VIN = "WVWZZZ1JZXW000001"


def event(version: int, car: UUID = CAR, state: bytes = b"\0\0\0\0\7state", topic: str = "vehicle.x.v1") -> StoredEvent:
    return StoredEvent(car, version, topic, state)


def step(
    before: StreamProgress | None, sequence: int, *, final: bool = False, car: UUID = CAR, stream_id: str = "drive"
) -> ProgressChange:
    before = before or StreamProgress(stream_id)
    return ProgressChange(car, before, before.taken(sequence, final=final))


ENTRY = DirectoryEntry(CAR, VIN, "Volkswagen", None, Micros(1_700_000_000_000_000))


@pytest.fixture(scope="module")
def postgres_log(database: str) -> Iterator[PostgresEventLog]:
    log = PostgresEventLog.open(database)
    yield log
    log.close()


@pytest.fixture(params=["memory", "postgres"])
def log(request: pytest.FixtureRequest) -> EventLog:
    return new_log(request)


def new_log(request: pytest.FixtureRequest) -> EventLog:
    if request.node.callspec.params["log"] == "memory":
        return MemoryEventLog()
    log: PostgresEventLog = request.getfixturevalue("postgres_log")
    with psycopg.connect(request.getfixturevalue("database")) as connection:
        connection.execute("TRUNCATE stored_events, stream_progress, stream_origins, directory, consumed_positions")
    return log


# --- appending and reading back ---------------------------------------------------------------------------------------


def test_an_empty_log_has_nothing(log: EventLog) -> None:
    assert log.last_position() == 0
    assert log.read(0, 10) == []
    assert log.events_of(CAR) == []
    assert log.progress_of(CAR) == {}
    assert log.vehicles() == []
    assert log.find_vehicle(VIN) is None


def test_an_append_of_nothing_does_nothing(log: EventLog) -> None:
    assert log.append([]) == []
    assert log.last_position() == 0


def test_positions_count_the_whole_log_and_versions_one_vehicle(log: EventLog) -> None:
    assert log.append([event(1), event(2)]) == [1, 2]
    assert log.append([event(1, OTHER_CAR), event(3)]) == [3, 4]
    found = [(record.position, record.originator_id, record.version) for record in log.read(0, 10)]
    assert found == [(1, CAR, 1), (2, CAR, 2), (3, OTHER_CAR, 1), (4, CAR, 3)]


def test_the_bytes_come_back_as_they_went_in(log: EventLog) -> None:
    states = [b"", bytes(range(256)), b"\\x00\\", b"\0" * 100_000]
    log.append([event(version, state=state) for version, state in enumerate(states, start=1)])
    assert [record.state for record in log.events_of(CAR)] == states
    assert [record.state for record in log.read(0, 10)] == states


def test_topics_of_any_alphabet_come_back(log: EventLog) -> None:
    log.append([event(1, topic="véhicule.状態.v1")])
    assert log.read(0, 1)[0].topic == "véhicule.状態.v1"


def test_reading_goes_on_after_a_position_and_stops_at_the_limit(log: EventLog) -> None:
    log.append([event(version) for version in range(1, 11)])
    assert [record.position for record in log.read(3, 4)] == [4, 5, 6, 7]
    assert [record.position for record in log.read(8, 4)] == [9, 10]
    assert log.read(10, 4) == []


def test_reading_stops_at_so_many_bytes_but_not_before_the_first_event(log: EventLog) -> None:
    log.append([event(version, state=b"x" * size) for version, size in enumerate((9, 4, 3, 3, 1), 1)])

    def read(after_position: int, limit: int, bytes_max: int) -> list[int]:
        return [record.position for record in log.read(after_position, limit, bytes_max)]

    assert read(0, 9, 5) == [1]
    assert read(1, 9, 7) == [2, 3]
    assert read(1, 9, 9) == [2, 3]
    assert read(1, 9, 10) == [2, 3, 4]
    assert read(1, 2, 10) == [2, 3]
    assert read(4, 9, 10) == [5]
    assert read(5, 9, 10) == []


def test_an_outline_is_an_event_without_its_bytes(log: EventLog) -> None:
    log.append([event(1), event(1, OTHER_CAR), event(2, OTHER_CAR, topic="vehicle.y.v1")])
    assert log.outlines(1, 9) == [record._replace(state=b"") for record in log.read(1, 9)]
    assert [each.position for each in log.outlines(0, 2)] == [1, 2]


def test_a_vehicle_is_read_after_a_version_up_to_a_limit(log: EventLog) -> None:
    log.append([event(version, car) for version in range(1, 6) for car in (CAR, OTHER_CAR)])
    assert [record.version for record in log.events_of(CAR)] == [1, 2, 3, 4, 5]
    assert [record.version for record in log.events_of(CAR, 2)] == [3, 4, 5]
    assert [record.version for record in log.events_of(CAR, 2, 2)] == [3, 4]
    assert {record.originator_id for record in log.events_of(OTHER_CAR)} == {OTHER_CAR}


def test_recorded_at_never_goes_down_as_the_position_goes_up(log: EventLog) -> None:
    for version in range(1, 50):
        log.append([event(version)])
    times = [record.recorded_at for record in log.read(0, 100)]
    assert times == sorted(times)


def test_recorded_at_of_a_clock_that_goes_back_stays_at_the_time_before() -> None:
    times = iter([Micros(5), Micros(3), Micros(9)])
    log = MemoryEventLog(lambda: next(times))
    for version in (1, 2, 3):
        log.append([event(version)])
    assert [record.recorded_at for record in log.read(0, 9)] == [5, 5, 9]


# --- conflicts --------------------------------------------------------------------------------------------------------


def test_a_version_is_taken_once_and_the_refused_append_leaves_nothing(log: EventLog) -> None:
    log.append([event(1)])
    with pytest.raises(VersionConflictError):
        log.append([event(1, OTHER_CAR), event(1)], [step(None, 1)], [ENTRY])
    assert len(log.read(0, 10)) == 1
    assert log.progress_of(CAR) == {}
    assert log.vehicles() == []


def test_equal_bytes_are_a_conflict_too_unless_the_connection_was_lost(log: EventLog) -> None:
    log.append([event(1)])
    with pytest.raises(VersionConflictError):
        log.append([event(1)])
    with pytest.raises(IntegrityError):
        log.insert_events([event(1)])


def test_refused_appends_leave_no_hole_in_the_positions(log: EventLog) -> None:
    log.append([event(1)])
    for _ in range(3):
        with pytest.raises(VersionConflictError):
            log.append([event(2), event(1)])
    assert log.append([event(2)]) == [2]


# --- progress of streams ----------------------------------------------------------------------------------------------


def test_progress_is_kept_with_the_events_and_also_without(log: EventLog) -> None:
    first = step(None, 1)
    log.append([event(1)], [first])
    second = step(first.after, 2, final=True)
    assert log.append([], [second]) == []
    assert log.progress_of(CAR) == {"drive": StreamProgress("drive", 2, (), final=True)}


def test_missing_batches_are_kept_as_ranges(log: EventLog) -> None:
    progress = StreamProgress("drive")
    for sequence in (3, 9, 5):
        change = step(progress, sequence)
        log.append([], [change])
        progress = change.after
    assert progress.missing == ((1, 2), (4, 4), (6, 8))
    assert log.progress_of(CAR) == {"drive": progress}


def test_streams_and_vehicles_have_each_their_own_progress(log: EventLog) -> None:
    changes = [step(None, 1), step(None, 4, stream_id="parked"), step(None, 7, car=OTHER_CAR)]
    log.append([], changes)
    assert log.progress_of(CAR) == {"drive": changes[0].after, "parked": changes[1].after}
    assert log.progress_of(OTHER_CAR) == {"drive": changes[2].after}
    of_all = log.progress_of_all([OTHER_CAR, uuid5(NAMESPACE, "no car"), CAR])
    assert of_all == {CAR: log.progress_of(CAR), OTHER_CAR: log.progress_of(OTHER_CAR)}


def test_the_second_writer_of_a_stream_fails_instead_of_doubling(log: EventLog) -> None:
    first = step(None, 1)
    log.append([event(1)], [first])
    with pytest.raises(VersionConflictError):
        log.append([event(2)], [first])  # new to the stream, it believes
    second = step(first.after, 2)
    log.append([], [second])
    with pytest.raises(VersionConflictError):
        log.append([event(2)], [second])
    with pytest.raises(VersionConflictError):
        log.append([event(2)], [step(StreamProgress("unheard of", 3), 4)])
    assert log.last_position() == 1
    assert log.progress_of(CAR) == {"drive": second.after}


def test_a_writer_that_missed_a_late_batch_fails(log: EventLog) -> None:
    far = step(None, 5)
    log.append([], [far])
    late = step(far.after, 2)  # changes what is missing, not the last sequence
    log.append([], [late])
    with pytest.raises(VersionConflictError):
        log.append([], [step(far.after, 6)])
    assert log.progress_of(CAR) == {"drive": late.after}


# --- where batches come from ------------------------------------------------------------------------------------------

DECODER, OTHER_DECODER = Origin("car.dbc sha256:0011", "vw_meb sha256:2233"), Origin("änderung.dbc", "vw_meb")


def told(change: ProgressChange, *origins: tuple[int, Origin]) -> ProgressChange:
    return change._replace(origins=tuple(OriginFrom(*each) for each in origins))


@pytest.mark.parametrize("consumed", [(), (ConsumedChange("telemetry/0", 0, 17),)])
def test_an_origin_counts_from_the_batch_that_told_it(log: EventLog, consumed: tuple[ConsumedChange, ...]) -> None:
    change = told(step(None, 9), (1, DECODER), (5, OTHER_DECODER))
    other = told(step(None, 3, car=OTHER_CAR), (2, OTHER_DECODER))
    assert log.append([event(1)], [change, step(None, 1, stream_id="parked"), other], consumed=consumed) == [1]
    assert [log.origin_of(CAR, "drive", sequence) for sequence in (1, 4, 5, 99)] == [
        *[DECODER] * 2,
        *[OTHER_DECODER] * 2,
    ]
    assert [log.origin_of(OTHER_CAR, "drive", sequence) for sequence in (1, 2)] == [None, OTHER_DECODER]
    assert log.origin_of(CAR, "parked", 1) is None
    assert log.consumed_position("telemetry/0") == (17 if consumed else 0)
    assert log.progress_of(CAR)["drive"] == change.after


def test_an_origin_is_kept_also_without_events_and_may_come_late(log: EventLog) -> None:
    far = step(None, 5)
    log.append([], [far])
    assert log.origin_of(CAR, "drive", 5) is None
    log.append([], [told(step(far.after, 1), (1, DECODER))])
    assert log.origin_of(CAR, "drive", 5) == DECODER


def test_an_origin_that_is_known_is_not_kept_again(request: pytest.FixtureRequest, log: EventLog) -> None:
    first = told(step(None, 4), (1, DECODER), (3, DECODER), (4, OTHER_DECODER))
    log.append([], [first])
    log.append([], [told(step(first.after, 9), (8, DECODER), (9, DECODER))])
    if isinstance(log, MemoryEventLog):
        kept = list(log._origins[CAR, "drive"])
    else:
        with psycopg.connect(request.getfixturevalue("database")) as connection:
            kept = [row[0] for row in connection.execute("SELECT from_sequence FROM stream_origins ORDER BY 1")]
    assert kept == [1, 4, 8]


def test_an_append_that_is_refused_tells_no_origin(log: EventLog) -> None:
    log.append([event(1)])
    with pytest.raises(VersionConflictError):
        log.append([event(1)], [told(step(None, 1), (1, DECODER))])
    assert log.origin_of(CAR, "drive", 1) is None


# --- sources of batches -----------------------------------------------------------------------------------------------


def test_how_far_a_source_was_read_is_kept_with_the_events_and_also_without(log: EventLog) -> None:
    assert log.consumed_position("telemetry/0") == 0
    progress = [step(None, 1)]
    assert log.append([event(1)], progress, consumed=[ConsumedChange("telemetry/0", 0, 17)]) == [1]
    assert log.append([], consumed=[ConsumedChange("telemetry/0", 17, 20), ConsumedChange("telemetry/1", 0, 5)]) == []
    assert (log.consumed_position("telemetry/0"), log.consumed_position("telemetry/1")) == (20, 5)
    assert log.consumed_positions() == {"telemetry/0": 20, "telemetry/1": 5}
    assert log.progress_of(CAR) == {"drive": progress[0].after}


@pytest.mark.parametrize("before", [0, 16, 18])
def test_who_believes_a_source_to_be_elsewhere_writes_nothing(log: EventLog, before: int) -> None:
    log.append([], consumed=[ConsumedChange("telemetry/0", 0, 17)])
    change = step(None, 1)
    for steps in (
        [ConsumedChange("telemetry/0", before, 30)],
        [ConsumedChange("telemetry/1", 0, 9), ConsumedChange("telemetry/0", before, 30)],
        [ConsumedChange("telemetry/1", 4, 9)],
    ):
        with pytest.raises(VersionConflictError):
            log.append([event(1)], [change], [ENTRY], steps)
    assert (log.last_position(), log.progress_of(CAR), log.vehicles()) == (0, {}, [])
    assert (log.consumed_position("telemetry/0"), log.consumed_position("telemetry/1")) == (17, 0)


def test_events_that_are_refused_leave_the_source_where_it_was(log: EventLog) -> None:
    log.append([event(1)])
    with pytest.raises(VersionConflictError):
        log.append([event(1)], consumed=[ConsumedChange("telemetry/0", 0, 17)])
    assert log.consumed_position("telemetry/0") == 0


# --- the directory ----------------------------------------------------------------------------------------------------


def test_a_registered_vehicle_is_found_by_its_vin(log: EventLog) -> None:
    other = DirectoryEntry(OTHER_CAR, "TMBZZZ1JZXW000002", "Škoda", "Enyaq", Micros(5))
    log.append([event(1)], directory=[ENTRY])
    log.append([event(1, OTHER_CAR)], directory=[other])
    assert log.find_vehicle(VIN) == ENTRY
    assert log.find_vehicle(other.vin) == other
    assert log.vehicles() == sorted([ENTRY, other])


def test_a_vehicle_is_registered_once(log: EventLog) -> None:
    log.append([event(1)], directory=[ENTRY])
    with pytest.raises(VersionConflictError):
        log.append([], directory=[ENTRY])
    assert log.vehicles() == [ENTRY]


def test_a_vin_under_another_id_means_that_the_vin_key_was_changed(log: EventLog) -> None:
    log.append([event(1)], directory=[ENTRY])
    with pytest.raises(BadInputError, match="FLEETTWIN_VIN_KEY"):
        log.append([event(1, OTHER_CAR)], directory=[ENTRY._replace(vehicle_id=OTHER_CAR)])
    assert log.vehicles() == [ENTRY]
    assert log.last_position() == 1


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_waiting_for_what_is_there_returns_at_once(log: EventLog) -> None:
    log.append([event(1), event(2)])
    assert log.wait(0, timeout_ms=60_000) == 2


def test_waiting_ends_when_the_time_is_over(log: EventLog) -> None:
    log.append([event(1)])
    assert log.wait(1, timeout_ms=20) == 1


def test_everyone_who_waits_hears_of_an_append(log: EventLog) -> None:
    heard: list[int] = []
    waiting = [threading.Thread(target=lambda: heard.append(log.wait(0, timeout_ms=60_000))) for _ in range(3)]
    for thread in waiting:
        thread.start()
    log.append([event(1)])
    for thread in waiting:
        thread.join()
    assert heard == [1, 1, 1]


# --- in general -------------------------------------------------------------------------------------------------------

batches = st.lists(
    st.lists(st.tuples(st.sampled_from([CAR, OTHER_CAR]), st.binary(max_size=50)), max_size=5), max_size=8
)


# A pool of connections spreads their lifetimes with `random`, in a thread of its own, also while Hypothesis draws.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@given(batches=batches, page=st.integers(1, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_of_any_size_give_the_whole_log_once(
    request: pytest.FixtureRequest, log: EventLog, batches: list[list[tuple[UUID, bytes]]], page: int
) -> None:
    log = new_log(request)
    versions = {CAR: 0, OTHER_CAR: 0}
    expected = []
    for batch in batches:
        events = []
        for car, state in batch:
            versions[car] += 1
            events.append(event(versions[car], car, state))
        log.append(events)
        expected += events
    found, position = [], 0
    while records := log.read(position, page):
        found += records
        position = records[-1].position
    assert [record.position for record in found] == list(range(1, len(expected) + 1))
    assert [
        StoredEvent(record.originator_id, record.version, record.topic, record.state) for record in found
    ] == expected
    for car in versions:
        assert log.events_of(car) == [record for record in found if record.originator_id == car]
    for cars in ([CAR], [OTHER_CAR, CAR], [CAR, uuid5(NAMESPACE, "no car")]):
        place, of_cars = (UUID(int=0), 0), []
        while records := log.events_of_all(cars, place, page):
            assert len(records) <= page
            of_cars += records
            place = (records[-1].originator_id, records[-1].version)
        in_order = sorted(found, key=lambda record: (record.originator_id, record.version))
        assert of_cars == [record for record in in_order if record.originator_id in cars]


def test_the_library_selects_by_version(log: EventLog) -> None:
    log.append([event(version) for version in range(1, 5)])
    assert [found.originator_version for found in log.select_events(CAR)] == [1, 2, 3, 4]
    assert [found.originator_version for found in log.select_events(CAR, gt=1, lte=3)] == [2, 3]
    assert [found.originator_version for found in log.select_events(CAR, desc=True, limit=2)] == [4, 3]


def test_who_has_an_event_after_a_version_is_told_up_to_a_position(log: EventLog) -> None:
    log.append([event(1), event(2), event(1, OTHER_CAR), event(3)])
    unheard_of = uuid5(NAMESPACE, "no car")
    assert log.behind({CAR: 0, OTHER_CAR: 0, unheard_of: 0}, 2) == {CAR}
    assert log.behind({CAR: 2, OTHER_CAR: 0}, 3) == {OTHER_CAR}
    assert log.behind({CAR: 2, OTHER_CAR: 1}, 4) == {CAR}
    assert log.behind({CAR: 3, OTHER_CAR: 1}, 4) == set()
    assert log.behind({}, 4) == set()


def test_what_is_passed_over_by_vehicle_is_only_counted(log: EventLog) -> None:
    first, second = sorted((CAR, OTHER_CAR))
    passed = [("a", b"\0\0\0\0\1")]
    states = [("a", b"\0\0\0\0\1x"), ("b", b"\0\0\0\0\1x"), ("a", b"\0\0\0\0\2x"), ("a", b"\0\0\0\0\1y"), ("a", b"")]
    for vehicle_id in (first, second):
        log.append([StoredEvent(vehicle_id, at, *each) for at, each in enumerate(states, start=1)])
    page = log.by_vehicle((first, 0), second, (0, 10), 7, passed)
    assert [(each.originator_id, each.version) for each in page.records] == [
        *((first, version) for version in (2, 3, 5)),
        (second, 2),
    ]
    assert (page.reach, page.events, page.place) == ({first: (0, 5), second: (0, 2)}, 7, (second, 2))
    page = log.by_vehicle(page.place, second, (0, 9), 7, passed)
    assert [(each.originator_id, each.version) for each in page.records] == [(second, 3)]
    assert (page.reach, page.events, page.place) == ({second: (2, 4)}, 2, (second, 4))
    page = log.by_vehicle(page.place, second, (0, 9), 7, passed)
    assert (page.records, page.reach, page.events, page.place) == ([], {}, 0, (second, 4))
