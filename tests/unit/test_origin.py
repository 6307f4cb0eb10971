"""What is said of the decoder and the mapping of a stream."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from adapters.avro.telemetry import ORIGIN_CHARACTERS_MAX
from adapters.can.dbc import Dbc
from adapters.ingest import TAKEN_AT_ONCE, CanJob, Ingest, RowJob
from adapters.jobs import can_dbcs, mapping_of
from adapters.memory.event_store import MemoryEventLog
from adapters.origin import FILES_MAX, can_origin, rows_origin
from adapters.signals.catalogue import load_catalogue
from adapters.signals.mapping import combined, load_mapping
from adapters.signals.rules import MappingFile, SignalMapping
from adapters.simulation import Plan, Simulation
from adapters.vehicle_log import VehicleLog
from domain.errors import StoreError
from domain.fleet import Fleet, Taken
from domain.signals import Origin, SignalBatch
from domain.streams import StreamProgress
from domain.units import Micros
from domain.vin import Vin
from tests.support.events import codec
from tests.support.small_drives import petrol_drive

CATALOGUE: Final = load_catalogue()
SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
PROGRAM: Final = f"fleettwin {version('fleettwin')}"
VIN: Final = Vin.parse("WVWZZZE1ZTP000042")
NOW: Final = Micros(1_790_000_000_000_000)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_files_are_told_by_name_and_by_the_hash_of_their_bytes() -> None:
    mapping = mapping_of(["fleettwin", "obd2"], CATALOGUE)
    origin = can_origin("candump text", mapping, can_dbcs(mapping, []))
    dbc, own, obd = (
        sha256(SCHEMAS / name)[:12] for name in ("dbc/fleettwin.dbc", "vss/fleettwin.yaml", "vss/obd2.yaml")
    )
    assert origin.decoder == f"{PROGRAM}, candump text: fleettwin.dbc sha256:{dbc}, OBD-II and UDS answers"
    assert origin.mapping == f"fleettwin sha256:{own}, obd2 sha256:{obd}"


def test_another_byte_in_a_mapping_is_another_mapping(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes((SCHEMAS / "vss/obd2.yaml").read_bytes())
    before = can_origin("x", load_mapping(path, CATALOGUE), [])
    path.write_bytes(path.read_bytes() + b"# a remark\n")
    after = can_origin("x", load_mapping(path, CATALOGUE), [])
    assert before.mapping.startswith("own.yaml sha256:")
    assert before.mapping != after.mapping


def test_several_mappings_are_told_in_the_order_in_which_they_count() -> None:
    mappings = [load_mapping(name, CATALOGUE) for name in ("obd2", "envirocar")]
    assert [file.name for file in combined(mappings).files] == ["obd2", "envirocar"]
    assert [file.name for file in combined(mappings[::-1]).files] == ["envirocar", "obd2"]


def test_answers_to_testers_are_read_without_any_file() -> None:
    assert (
        can_origin("live bus", mapping_of(["obd2"], CATALOGUE), []).decoder
        == f"{PROGRAM}, live bus: OBD-II and UDS answers"
    )


def test_rows_were_decoded_before_and_may_need_no_mapping() -> None:
    assert rows_origin("CSV rows", mapping_of([], CATALOGUE)) == Origin(
        f"{PROGRAM}, CSV rows: decoded elsewhere", "none"
    )
    assert rows_origin("GeoJSON track", mapping_of(["envirocar"], CATALOGUE)).mapping.startswith("envirocar sha256:")


def test_many_files_of_odd_names_are_told_in_a_text_that_any_batch_can_carry() -> None:
    names = [*("x" * 300 for _ in range(FILES_MAX)), "\udcff.yaml", "more.yaml"]
    mapping = SignalMapping("", (), {}, "", files=tuple(MappingFile(name, "ab" * 32) for name in names))
    dbcs = [Dbc.of(Path(name), (), "cd" * 32) for name in names[-2:]]
    origin = can_origin("candump text", mapping, dbcs)
    assert max(map(len, origin)) <= ORIGIN_CHARACTERS_MAX
    assert origin.mapping.endswith(f", 2 more sha256:{hashlib.sha256(b'ab' * 64).hexdigest()[:12]}")
    assert "?.yaml sha256:cdcdcdcdcdcd" in origin.decoder


class Stopping:
    """A fleet that stops after some transactions."""

    def __init__(self, fleet: Fleet, after: int | None) -> None:
        self._fleet = fleet
        self._left = after

    def take(self, batches: Sequence[SignalBatch]) -> Taken:
        if self._left == 0:
            raise StoreError("stopped")
        if self._left is not None:
            self._left -= 1
        return self._fleet.take(batches)


def test_an_ingest_that_another_program_goes_on_with_is_told_in_both_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tmp_path / "rows.csv"
    line = "{},2026-06-01T0{}:{:02}:{:02}Z,Vehicle.Speed,{}\n"
    moments = [divmod(31 * number, 60) for number in range(3 * TAKEN_AT_ONCE)]  # each a batch of its own
    rows.write_text(
        "vehicle,captured_at,signal,value\n"
        + "".join(line.format(VIN.text, 1 + m // 60, m % 60, s, number) for number, (m, s) in enumerate(moments))
    )
    records = MemoryEventLog(lambda: NOW)
    fleet = Fleet(VehicleLog(records, codec()), b"a key for tests, and only for tests")
    vehicle_id = fleet.register(VIN, brand="VW", model=None, at=NOW)
    mapping = mapping_of([], CATALOGUE)
    stream_id = RowJob.of(rows, mapping, CATALOGUE).stream_id(VIN.text)
    for program, after in (("1", 1), ("2", None), ("3", None)):
        monkeypatch.setattr("adapters.origin._version", lambda program=program: program)
        ingest = Ingest(Stopping(fleet, after), lambda: NOW)
        with suppress(StoreError):
            ingest.rows(RowJob.of(rows, mapping, CATALOGUE), lambda _: vehicle_id, lambda _: None)
        assert fleet.progress(vehicle_id, stream_id).final == (after is None)
    found = [records.origin_of(vehicle_id, stream_id, each) for each in (1, TAKEN_AT_ONCE, TAKEN_AT_ONCE + 1, 999)]
    assert [origin and origin.decoder[:11] for origin in found] == [
        "fleettwin 1",
        "fleettwin 1",
        "fleettwin 2",
        "fleettwin 2",
    ]


def test_a_recording_tells_its_origin_once(tmp_path: Path) -> None:
    path = tmp_path / "drive.log"
    path.write_text(petrol_drive())
    mapping = mapping_of(["obd2"], CATALOGUE)
    taken: list[SignalBatch] = []

    class Taking:
        def take(self, batches: Sequence[SignalBatch]) -> Taken:
            taken.extend(batches)
            return Taken([], 0, 0)

    fleet = Fleet(VehicleLog(MemoryEventLog(), codec()), b"a key for tests, and only for tests")
    job = CanJob.of(path, mapping, [], VIN, None)
    Ingest(Taking(), lambda: NOW).can(job, lambda: VIN.vehicle_id(fleet.vin_key), lambda _: None)
    assert len(taken) > 2
    assert [batch.sequence for batch in taken if batch.origin] == [1]
    assert taken[0].origin == can_origin("candump text", mapping, [])


def test_a_simulated_car_tells_which_files_its_frames_are_of() -> None:
    pytest.importorskip("opendbc", reason="the DBC files of simulated cars have no release for this Python")
    told: list[SignalBatch] = []

    class Twins:
        def register(self, vin: Vin, **_: object) -> UUID:
            return vin.vehicle_id(b"a key for tests, and only for tests")

        def progress(self, _: UUID, stream_id: str) -> StreamProgress:
            return StreamProgress(stream_id)

        def take(self, batches: Sequence[SignalBatch]) -> Taken:
            told.extend(batches)
            return Taken([], 0, 0)

    simulation = Simulation(Plan(4, 3, frames_per_second=10), Twins(), CATALOGUE, origin_us=NOW, session="s")
    simulation.run(600_000_000, lambda _: None)
    simulation.finish()
    first = [batch for batch in told if batch.sequence == 1]
    assert len({batch.vehicle_id for batch in first}) == 4
    assert [batch for batch in told if batch.origin] == first
    for batch in first:
        assert batch.origin
        assert batch.origin.decoder.startswith(f"{PROGRAM}, simulated bus: ")
        assert "fleettwin.dbc sha256:" in batch.origin.decoder
        assert batch.origin.mapping.endswith(f"fleettwin sha256:{sha256(SCHEMAS / 'vss/fleettwin.yaml')[:12]}")
