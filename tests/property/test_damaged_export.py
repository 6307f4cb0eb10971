"""An export with any byte damaged is the log that was exported, or bad input: never another log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.event_log import StoredRecord
from adapters.parquet_export import streams_file, whole_or_nothing, write_events
from adapters.parquet_import import ExportedEvents
from domain.errors import BadInputError
from domain.units import Micros
from projections.projection import Recorded
from tests.support.events import VEHICLE_ID, codec, example_events

LINES = [
    json.dumps({"table": "stream_progress", "row": {"vehicle_id": str(VEHICLE_ID), "last_sequence": 190 + each}})
    for each in range(5)
]


class Log(NamedTuple):
    """What an import takes."""

    records: list[StoredRecord]
    streams: list[dict[str, Any]]


def of_examples() -> Iterator[tuple[StoredRecord, Recorded]]:
    for position, event in enumerate(example_events(), 1):
        recorded_at = Micros(1_800_000_000_000_000 + position)
        state = codec().encode(event)
        yield (
            StoredRecord(position, event.originator_id, position, event.TOPIC, state, recorded_at),
            Recorded(position, recorded_at, event),
        )


def whole() -> Log:
    return Log([record for record, _ in of_examples()], [json.loads(line) for line in LINES])


def read(folder: Path) -> Log | None:
    """Return what an import takes, or None if the export is refused."""
    try:
        exported = ExportedEvents(folder, codec().is_of)
        return Log(list(exported.records()), list(exported.streams()))
    except BadInputError as error:
        refused = error
    assert str(folder) in refused.where
    assert "\n" not in str(refused)
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the export of a log that has every example of every event."""
    place = tmp_path_factory.mktemp("export") / "events"
    with whole_or_nothing(place) as files:
        files.add_streams(len(example_events()), LINES)
        write_events(files, of_examples(), lambda _: None, lambda _: True)
    return place


def all_files(folder: Path) -> list[Path]:
    return [*sorted(folder.rglob("*.parquet")), streams_file(folder)]


def test_an_undamaged_one_is_the_log(folder: Path) -> None:
    assert read(folder) == whole()


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_byte_that_was_changed_is_refused_or_changes_nothing(folder: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(all_files(folder)))
    good = path.read_bytes()
    place, mask = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(1, 255))
    bad = bytearray(good)
    bad[place] ^= mask
    path.write_bytes(bad)
    try:
        assert read(folder) in (None, whole())
    finally:
        path.write_bytes(good)
