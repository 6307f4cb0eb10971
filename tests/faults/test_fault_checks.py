"""What the fault test asks at the end of a run: good answers pass, and each that is wrong is found."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any, Final

import pytest

from adapters.clock import now
from adapters.event_log import StoredRecord
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.projecting import Projecting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.fleet import Fleet
from projections.digest import digest
from tests.support.command_line import VIN_KEY
from tests.support.events import codec
from tests.support.faults.checks import as_published, check_log, check_read_models, check_topic
from tests.support.faults.evidence import Published
from tests.support.faults.load import Load

PARTITIONS: Final = 3

Stored = list[StoredRecord]
Topic = list[Published]


@cache
def load() -> Load:
    whole = Load.draw(Random(1))
    vins = whole.vins[:3]
    ids = {vin.vehicle_id(VIN_KEY.encode()) for vin in vins}
    return Load(vins, [each for each in whole.batches if each.vehicle_id in ids])


@cache
def log(*, left_out: int | None = None) -> MemoryEventLog:
    """Return what one worker makes of the load, batch by batch; it may leave one out."""
    made = MemoryEventLog(now)
    fleet = Fleet(VehicleLog(made, codec()), VIN_KEY.encode())
    load().register(fleet)
    for number, batch in enumerate(load().batches):
        if number != left_out:
            fleet.take([batch])
    return made


def stored(**how: Any) -> Stored:
    return log(**how).read(0, 1_000_000)


def topic() -> Topic:
    return [as_published(each, PARTITIONS) for each in stored()]


def status() -> dict[str, Any]:
    store = MemoryReadModels()
    Projecting(lambda: PROJECTIONS, VehicleLog(log(), codec()), store, now).catch_up()
    return {
        "projections": [
            {"name": each.name, "version": each.version, "lag": 0, "parked": 0, "digest": digest(store, each)}
            for each in PROJECTIONS
        ]
    }


def test_what_is_right_passes_however_batches_were_taken_together() -> None:
    assert list(check_log(stored(), load())) == []
    assert list(check_topic(stored(), topic(), PARTITIONS)) == []
    assert list(check_read_models(status(), log())) == []


def swapped(records: Sequence[Any]) -> list[Any]:
    """Exchange two neighbours of one vehicle."""
    at = next(n for n in range(len(records) - 1) if _of(records[n]) == _of(records[n + 1]))
    return [*records[:at], records[at + 1], records[at], *records[at + 2 :]]


def _of(record: Any) -> Any:
    return record.key if isinstance(record, Published) else record.originator_id


@pytest.mark.parametrize(
    "wrong",
    [
        lambda records: records[:-1],
        lambda records: [each for each in records if each.position != 50],
        swapped,
        lambda records: [*records[:50], records[50]._replace(state=b"other"), *records[51:]],
        lambda records: [*records[:50], records[50]._replace(recorded_at=0), *records[51:]],
        lambda records: [each._replace(position=each.position + 1) for each in records],
    ],
    ids=["the last is missing", "one is missing", "order", "bytes", "time", "positions"],
)
def test_a_log_that_is_wrong_is_found(wrong: Callable[[Stored], Stored]) -> None:
    assert list(check_log(wrong(stored()), load()))


@pytest.mark.parametrize("number", [0, 100, -1])
def test_a_batch_that_was_not_taken_is_found(number: int) -> None:
    assert list(check_log(stored(left_out=number % len(load().batches)), load()))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda records: records[:-1],
        lambda records: [*records[:50], *records[51:]],
        lambda records: [*records, records[-1]],
        lambda records: [*records, *records[:50]],
        swapped,
        lambda records: [*records[:50], records[50]._replace(value=b"other"), *records[51:]],
        lambda records: [*records[:50], records[50]._replace(headers=records[50].headers[:-1]), *records[51:]],
        lambda records: [*records[:50], records[50]._replace(timestamp_ms=0), *records[51:]],
        lambda records: [*records[:50], records[50]._replace(partition=PARTITIONS), *records[51:]],
    ],
    ids=[
        "the last is missing",
        "one is missing",
        "one twice",
        "many twice",
        "order",
        "bytes",
        "header",
        "time",
        "place",
    ],
)
def test_a_topic_that_is_wrong_is_found(wrong: Callable[[Topic], Topic]) -> None:
    assert list(check_topic(stored(), wrong(topic()), PARTITIONS))


@pytest.mark.parametrize("wrong", [{"lag": 1}, {"parked": 1}, {"digest": "0" * 64}])
def test_read_models_that_are_wrong_are_found(wrong: dict[str, Any]) -> None:
    told = status()
    told["projections"][1] |= wrong
    assert list(check_read_models(told, log()))


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_read_model_that_is_not_there_is_found(left: int) -> None:
    assert list(check_read_models({"projections": status()["projections"][:left]}, log()))


def test_a_load_says_how_far_each_stream_must_come() -> None:
    progress = load().progress
    assert len(progress) == 3
    assert all(not each.missing for streams in progress.values() for each in streams.values())
    assert sum(each.last_sequence for streams in progress.values() for each in streams.values()) == len(load().batches)
    shorter = replace(load(), batches=load().batches[1:])
    assert shorter.progress != progress
