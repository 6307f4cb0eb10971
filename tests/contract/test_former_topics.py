"""An event type gets another meaning, hence another topic: what was written before is read as if it had always been so.

One history is written by this release, one as the next release tells it (`tests.support.later_release`); that one reads
both. The bytes that this release wrote stay what they are.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import pyarrow.parquet as pq
import pytest
from eventsourcing.persistence import StoredEvent

from adapters.avro.codec import AvroCodec
from adapters.event_log import StoredRecord
from adapters.graphql.execution import Api
from adapters.graphql.port import Twins
from adapters.kafka import relay
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.set_aside import MemorySetAside
from adapters.memory.twin_reader import MemoryTwinReader
from adapters.past import PastReader
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.twin_reader import PostgresTwins
from adapters.project_worker import ProjectWorker
from adapters.rebuild import Filler, Job
from adapters.received import Received
from adapters.recorded import recorded
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain import paths
from domain.vehicle import Vehicle, project_vehicle
from projections.diagnostics.model import DiagnosticsSignalRow
from projections.diagnostics.projector import DIAGNOSTICS
from projections.digest import digest
from projections.history import compare, verify
from projections.runner import Runner
from projections.snapshots import Moment
from tests.support.databases import new_database
from tests.support.events import whole_history
from tests.support.exports import export_events
from tests.support.later_release import Former, OdometerAdvanced, as_told_later, later_release
from tests.support.twins import CATALOGUE, CODEC, SECOND, T0, Car, full_car

ODOMETERS_M: Final = (26_998_000.0, 26_999_500.0, 27_001_000.0)


def told() -> Car:
    """Return a car that has told something of everything, its odometer several times."""
    found = full_car(1)
    for number, odometer_m in enumerate(ODOMETERS_M[1:], 1):
        found.tell(Former, T0 + number * 60 * SECOND, odometer_m=odometer_m)
    return found


CAR: Final = told()


class Place(NamedTuple):
    """Where a log and its read models are."""

    log: Any
    models: Any
    twins: Twins


def write(place: Place, events: Sequence[Any], codec: AvroCodec) -> None:
    """Write a history as a release does, and let its projections follow."""
    stored = [
        StoredEvent(each.originator_id, each.originator_version, each.TOPIC, codec.encode(each)) for each in events
    ]
    place.log.append(stored, (), [CAR.entry])
    feed = VehicleLog(place.log, codec)
    for projection in PROJECTIONS:
        place.models.prepare(projection)
        Runner(projection, feed, place.models, lambda: T0).run_until(place.log.last_position())


def records(place: Place) -> list[StoredRecord]:
    found: list[StoredRecord] = place.log.read(0, place.log.last_position())
    return found


def digests(models: Any) -> list[str]:
    return [digest(models, projection) for projection in PROJECTIONS]


@pytest.fixture(params=["memory", "postgres"])
def place(request: pytest.FixtureRequest) -> Iterator[Callable[[], Place]]:
    """Give what makes empty places."""
    with ExitStack() as opened:

        def make() -> Place:
            if request.param == "memory":
                log, models = MemoryEventLog(lambda: T0), MemoryReadModels()
                return Place(log, models, MemoryTwinReader(log, models))
            conninfo = opened.enter_context(new_database(request.getfixturevalue("server")))
            stored = PostgresEventLog.open(conninfo)
            opened.callback(stored.close)
            rows = opened.enter_context(closing(PostgresReadModels(conninfo).open()))
            return Place(stored, rows, opened.enter_context(closing(PostgresTwins(conninfo).open())))

        yield make


@pytest.fixture
def old(place: Callable[[], Place]) -> Place:
    """Give what this release wrote, folded by this release."""
    made = place()
    write(made, CAR.events, CODEC)
    return made


@pytest.fixture
def later(old: Place, tmp_path: Path) -> Iterator[AvroCodec]:
    """Make the running code that of the next release once this one has written its log."""
    assert old.log.last_position()
    with later_release(tmp_path / "avro") as codec:
        yield codec


def vehicle(place: Place, codec: AvroCodec) -> Vehicle:
    folded = project_vehicle(None, whole_history(VehicleLog(place.log, codec), CAR.id))
    assert folded
    return folded


def test_a_vehicle_of_the_old_log_is_the_one_of_a_log_that_was_always_new(
    old: Place, place: Callable[[], Place], later: AvroCodec
) -> None:
    new = place()
    write(new, [*map(as_told_later, CAR.events)], later)
    events = whole_history(VehicleLog(old.log, later), CAR.id)
    assert events == whole_history(VehicleLog(new.log, later), CAR.id)
    assert [each.odometer_km for each in events if isinstance(each, OdometerAdvanced)] == [
        odometer_m / 1_000 for odometer_m in ODOMETERS_M
    ]
    assert not [each for each in events if isinstance(each, Former)]
    assert vehicle(old, later).state == vehicle(new, later).state
    assert vehicle(old, later).version == len(events)


def test_rows_of_the_old_log_are_those_of_a_log_that_was_always_new(
    old: Place, place: Callable[[], Place], later: AvroCodec
) -> None:
    new, again = place(), place()
    write(new, [*map(as_told_later, CAR.events)], later)
    feed = VehicleLog(old.log, later)
    for projection in PROJECTIONS:
        again.models.prepare(projection)
        Runner(projection, feed, again.models, lambda: T0).run_until(old.log.last_position())
        assert again.models.parked(projection) == {}
    assert digests(again.models) == digests(new.models) == digests(old.models)
    (odometer,) = (row for row in again.models.rows(DIAGNOSTICS, DiagnosticsSignalRow) if row.path == paths.ODOMETER)
    assert odometer.value == ODOMETERS_M[-1]


def test_a_version_beside_is_filled_from_old_bytes_and_proved_equal(old: Place, later: AvroCodec) -> None:
    feed, beside = VehicleLog(old.log, later), replace(DIAGNOSTICS, version=2)
    old.models.prepare(beside)
    job = Job("diagnostics", 2, 0, old.log.last_position())
    assert sum(Filler(feed, old.models).fill(job, [CAR.id])) == old.log.last_position()
    assert digest(old.models, beside) == digest(old.models, DIAGNOSTICS)
    assert list(compare((DIAGNOSTICS, beside), old.models, feed, [CAR.id])) == []
    (proved,) = verify(beside, old.models, feed, iter([[CAR.id]]))
    assert (proved.kept, proved.first) == (proved.told, None)


def test_the_topic_carries_the_old_bytes_under_the_old_name_and_its_readers_fold_them(
    old: Place, place: Callable[[], Place], later: AvroCodec
) -> None:
    written, again = {each.position: each for each in records(old)}, place()
    source = "vehicle-events/0#1"
    received = []
    for number, record in enumerate(written.values()):
        key = str(record.originator_id).encode()
        received.append(Received(source, number, key, record.state, relay._headers(key, record)))
    names = {int(dict(each.headers)["position"] or b""): dict(each.headers)["ce_type"] for each in received}
    assert names == {position: each.topic.encode() for position, each in written.items()}
    assert list(names.values()).count(b"vehicle.odometer_advanced.v1") == len(ODOMETERS_M)
    assert [each.value for each in received] == [CODEC.encode(event) for event in CAR.events]
    feed, aside = VehicleLog(old.log, later), MemorySetAside()
    for projection in PROJECTIONS:
        again.models.prepare(projection)
    worker = ProjectWorker(PROJECTIONS, feed, again.models, later, aside, lambda: T0)
    worker.assign([source])
    worker.take(received)
    assert aside.count() == 0
    assert digests(again.models) == digests(old.models)


def test_the_past_is_told_of_old_bytes(old: Place, later: AvroCodec) -> None:
    with old.twins.reading() as read:
        moment = Moment(old.log.last_position(), T0 + 90 * SECOND)  # type: ignore[arg-type]
        (row,) = PastReader(read, later.decode, moment).signals([CAR.id], [paths.ODOMETER], [])
    assert row.value == ODOMETERS_M[1]


def test_the_api_shows_old_events_as_those_of_today_by_either_name(old: Place, later: AvroCodec) -> None:
    api = Api(old.twins, CATALOGUE, later.decode)
    for name in (Former.TOPIC, OdometerAdvanced.TOPIC):
        events = f'events(first: 20, types: ["{name}"]) {{ edges {{ node {{ type data }} }} }}'
        query = f'{{ vehicle(vin: "{CAR.vin}") {{ {events} }} }}'
        answer = cast("Any", api.execute(query, {}))
        nodes = [edge["node"] for edge in answer["data"]["vehicle"]["events"]["edges"]]
        assert {each["type"] for each in nodes} == {OdometerAdvanced.TOPIC}
        assert [each["data"]["odometer_km"] * 1_000 for each in nodes] == [*ODOMETERS_M]


def test_an_export_has_old_and_new_events_in_one_table_and_the_bytes_as_they_are(
    old: Place, later: AvroCodec, tmp_path: Path
) -> None:
    events = [(each, recorded(each, later.decode)) for each in records(old)]
    export_events(tmp_path / "events", events)
    table = pq.read_table(tmp_path / "events" / f"type={OdometerAdvanced.TOPIC}" / "part-0.parquet", partitioning=None)
    assert [each * 1_000 for each in table["odometer_km"].to_pylist()] == [*ODOMETERS_M]
    assert table["data"].to_pylist() == [each.state for each in records(old) if each.topic == Former.TOPIC]
    assert not (tmp_path / "events" / f"type={Former.TOPIC}").exists()


def test_nothing_of_all_this_changes_the_log(old: Place, later: AvroCodec) -> None:
    before = records(old)
    vehicle(old, later).decommission("sold", at=T0)
    assert records(old) == before
    assert [each.state for each in before] == [CODEC.encode(event) for event in CAR.events]
