"""What a reader of partitions is told of how far it is, and that it is told once more."""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from adapters.kafka import published
from adapters.kafka.published import TOLD_AGAIN_S, PublishedWatch
from adapters.kafka.sources import source_of
from domain.errors import PositionConflictError

GROUP: Final = "relays"
SOURCES: Final = {each: source_of(each, "1") for each in (TopicPartition("events", number) for number in range(2))}


class Offset(NamedTuple):
    offset: int


class Relays:
    """A client that knows what relays have noted of each partition, each of which has three records."""

    def __init__(self, position: int) -> None:
        self.position = position

    def list_group_offsets(self, asked: Mapping[str, Collection[TopicPartition]]) -> Any:
        return {GROUP: {each: OffsetAndMetadata(self.position, "1", None) for each in asked[GROUP]}}

    def list_partition_offsets(self, asked: Mapping[TopicPartition, Any]) -> Any:
        return {each: Offset(3) for each in asked}


class Reader:
    """A consumer that has read all of them."""

    def position(self, _: TopicPartition) -> int:
        return 3


class Told:
    """Keeps what is told, and takes it, but not the first times."""

    def __init__(self, refused: int = 0) -> None:
        self.positions: list[Mapping[str, int]] = []
        self._refused = refused

    def __call__(self, positions: Mapping[str, int], sources: Collection[str]) -> None:
        assert list(sources) == list(SOURCES.values())
        self.positions.append(positions)
        if len(self.positions) <= self._refused:
            raise PositionConflictError("events/0#1 is not at 3 any more")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(published, "time", found)
    return found


def test_what_was_told_is_told_again_as_a_crash_of_the_database_may_have_taken_it_away(clock: Clock) -> None:
    told = Told()
    watch, relays, reader = PublishedWatch(GROUP, 2, told), Relays(7), Reader()
    for _ in range(4):
        watch.look(relays, SOURCES, reader)
        clock.seconds += TOLD_AGAIN_S / 4
    assert told.positions == [dict.fromkeys(SOURCES.values(), 7)]
    for _ in range(3):
        clock.seconds += TOLD_AGAIN_S / 4
        watch.look(relays, SOURCES, reader)
    assert told.positions == [dict.fromkeys(SOURCES.values(), 7)] * 2


def test_what_the_store_did_not_take_is_told_when_the_partition_has_been_read_again() -> None:
    told = Told(refused=1)
    watch, relays, reader = PublishedWatch(GROUP, 2, told), Relays(7), Reader()
    watch.look(relays, SOURCES, reader)
    with pytest.raises(PositionConflictError):
        watch.look(relays, SOURCES, reader)
    watch.look(relays, SOURCES, reader)
    assert told.positions == [dict.fromkeys(SOURCES.values(), 7)] * 2
