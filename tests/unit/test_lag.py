"""What waits for each stage, counted from what store and cluster say."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import pytest

from adapters import lag
from adapters.event_log import StoredRecord
from adapters.kafka.partition import partition_of
from adapters.lag import (
    LEAST_S,
    NOTHING_WAITS,
    STANDING_S_MAX,
    Lag,
    Observation,
    Observer,
    PartitionEnds,
    Published,
    RelayLag,
    Sources,
    relay_trouble,
)
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.set_aside import MemorySetAside
from adapters.set_aside import SetAside
from adapters.twins import Positions, ProjectionPosition
from adapters.vehicle_log import VehicleLog
from domain.errors import BadInputError, FleettwinError, StoreError
from domain.fleet import ConsumedChange, Fleet
from domain.units import Micros
from domain.vin import Vin
from tests.support.batches import T0, at
from tests.support.clocks import Clock
from tests.support.events import codec

PARTITIONS: Final = 4


class Bench:
    """A log of registered vehicles, one a second, and what a cluster says."""

    def __init__(self, vehicles: int) -> None:
        self.now = T0
        self.log = MemoryEventLog(lambda: self.now)
        self.aside = MemorySetAside()
        self.folded = 0
        self.fleet = Fleet(VehicleLog(self.log, codec()), b"a key for tests")
        for number in range(1, vehicles + 1):
            self.register(number)
        self.ends: dict[str, PartitionEnds] = {}
        self.times: dict[str, Micros] = {}
        self.up_to: dict[int, int] = {}
        self.kafka_problem: FleettwinError | None = None
        self.clock, self.trouble = Clock(), ""
        self.observer = Observer(Sources(self.log, self, self.aside, self.kafka, lambda: self.now, self.clock))

    def register(self, number: int) -> None:
        self.now = at(number)
        self.fleet.register(Vin.parse(f"WVWZZZE1ZTP{number:06d}"), brand="Volkswagen", model=None, at=T0)

    def observe(self, *, kafka: bool = True) -> Observation:
        without = Sources(self.log, self, self.aside, None, lambda: self.now, self.clock)
        return (self.observer if kafka else Observer(without)).observe()

    def kafka(self) -> "Bench":
        if self.kafka_problem:
            raise self.kafka_problem
        return self

    @contextmanager
    def reading(self) -> Iterator["Bench"]:
        yield self

    def positions(self) -> Positions:
        return Positions(self.log.last_position(), [ProjectionPosition("media", 1, self.folded, 2)])

    def telemetry(self) -> Mapping[str, PartitionEnds]:
        return self.ends

    def telemetry_times(self, positions: Mapping[str, int]) -> Sequence[Micros]:
        return [self.times[f"{source}:{position}"] for source, position in positions.items()]

    def published(self) -> Published:
        return Published(self.up_to, self.trouble or None)

    def partition_of(self, record: StoredRecord) -> int:
        return partition_of(str(record.originator_id).encode(), PARTITIONS)


def test_a_projection_waits_for_the_events_after_its_position_as_long_as_the_first_is_in_the_log() -> None:
    bench = Bench(10)
    bench.folded, bench.now = 7, at(60)
    (media,) = bench.observe(kafka=False).projections
    assert (media.lag, media.of.parked) == (Lag(3, 52.0), 2)

    bench.folded = 10
    assert bench.observe(kafka=False).projections[0].lag == NOTHING_WAITS


def test_without_kafka_nothing_is_said_of_it() -> None:
    found = Bench(1).observe(kafka=False)
    assert (found.kafka, found.relay, found.kafka_problem) == (None, None, None)
    assert (found.log_position, found.set_aside) == (1, 0)


def test_telemetry_that_is_not_taken_is_counted_over_its_partitions() -> None:
    bench = Bench(1)
    bench.up_to = dict.fromkeys(range(PARTITIONS), 1)
    bench.ends = {
        "telemetry/0": PartitionEnds(0, 8),
        "telemetry/1": PartitionEnds(4, 9),  # what is deleted is not waited for
        "telemetry/2": PartitionEnds(0, 3),  # the topic was made anew: it is shorter than what was read
        "telemetry/3": PartitionEnds(0, 5),  # all of it is taken
    }
    steps = {"telemetry/0": 6, "telemetry/1": 2, "telemetry/2": 7, "telemetry/3": 5, "an-earlier-topic/0": 1}
    bench.log.append([], consumed=[ConsumedChange(source, 0, position) for source, position in steps.items()])
    bench.times = {"telemetry/0:6": at(20), "telemetry/1:4": at(10), "telemetry/2:0": at(30)}
    bench.aside.add([SetAside.of("telemetry/0", 1, "why", None, None, T0)])
    bench.now = at(40)

    found = bench.observe()
    assert found.set_aside == 1
    assert found.kafka is not None
    assert found.kafka.telemetry == Lag(2 + 5 + 3, 30.0)
    assert found.kafka.consumed == {source: steps[source] for source in bench.ends}
    assert found.relay is not None
    assert found.relay.lag == NOTHING_WAITS


def test_what_is_published_is_counted_by_partition() -> None:
    bench = Bench(40)
    records = bench.log.read(0, 40)
    bench.now = at(100)
    bench.up_to = {0: 10, 1: 20, 2: 40, 3: 39}
    missing = [each for each in records if each.position > bench.up_to[bench.partition_of(each)]]

    waiting = Lag(len(missing), 100.0 - missing[0].position)
    assert bench.observe().relay == RelayLag(waiting, {"0": 10, "1": 20, "2": 40, "3": 39})


def test_of_a_relay_that_is_far_behind_the_positions_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "EXACT_EVENTS_MAX", 10)
    bench = Bench(40)
    bench.now = at(100)
    bench.up_to = dict.fromkeys(range(PARTITIONS), 0)

    found = bench.observe().relay
    assert found is not None
    assert found.lag == Lag(40, 99.0)


DOWN: Final = BadInputError("no Kafka answers there", where="127.0.0.1:1", remedy="start it")


def test_a_cluster_that_does_not_answer_takes_nothing_from_what_the_store_knows() -> None:
    bench = Bench(3)
    bench.kafka_problem = DOWN

    found = bench.observe()
    assert found.kafka_problem == "127.0.0.1:1: no Kafka answers there"
    assert (found.kafka, found.relay, found.log_position) == (None, None, 3)


@pytest.mark.parametrize("problem", [DOWN, StoreError("Kafka does not give the last events")])
def test_while_the_cluster_does_not_answer_the_lag_of_the_relay_grows_from_what_was_published_last(
    problem: FleettwinError,
) -> None:
    bench = Bench(3)
    bench.up_to = dict.fromkeys(range(PARTITIONS), 3)
    assert bench.observe().relay == RelayLag(NOTHING_WAITS, {str(number): 3 for number in range(PARTITIONS)})

    bench.kafka_problem = problem
    for number in range(4, 8):
        bench.register(number)
        found = bench.observe()
        assert found.kafka is None
        assert found.kafka_problem
        assert found.relay is not None
        assert found.relay.lag == Lag(number - 3, max(LEAST_S, number - 4.0))

    bench.kafka_problem, bench.up_to = None, dict.fromkeys(range(PARTITIONS), 7)
    found = bench.observe()
    assert (found.kafka_problem, found.relay and found.relay.lag) == (None, NOTHING_WAITS)


def relay_lag(bench: Bench) -> Lag:
    found = bench.observe().relay
    assert found is not None
    return found.lag


def test_events_of_a_clock_that_is_ahead_wait_since_they_were_seen_to() -> None:
    bench = Bench(3)
    bench.now, bench.up_to = T0, dict.fromkeys(range(PARTITIONS), 1)  # of events of seconds that are yet to come
    assert relay_lag(bench) == Lag(2, LEAST_S)
    bench.clock.at += 5
    assert relay_lag(bench) == Lag(2, 5.0, 5.0)
    assert bench.observe().projections[0].lag == Lag(3, 5.0, 5.0)

    bench.up_to = dict.fromkeys(range(PARTITIONS), 2)
    bench.clock.at += 5
    assert relay_lag(bench) == Lag(1, LEAST_S)
    bench.up_to = dict.fromkeys(range(PARTITIONS), 3)
    assert relay_lag(bench) == NOTHING_WAITS


def test_a_relay_that_publishes_none_of_what_waits_is_told_after_a_while() -> None:
    bench = Bench(9)
    bench.up_to = dict.fromkeys(range(PARTITIONS), 1)
    assert relay_trouble(bench.observe()) is None
    for position in range(2, 5):  # slowly, but on and on
        bench.up_to = dict.fromkeys(range(PARTITIONS), position)
        bench.clock.at += STANDING_S_MAX - 1
        assert relay_trouble(bench.observe()) is None
    bench.clock.at += STANDING_S_MAX - 1
    assert relay_trouble(bench.observe()) is None
    bench.clock.at += 2
    assert (
        relay_trouble(bench.observe()) == "what comes after position 4 of the log has waited for 61 s to be published"
    )
    assert relay_trouble(bench.observe(kafka=False)) is None

    bench.up_to = dict.fromkeys(range(PARTITIONS), 9)
    for _ in range(2):  # where nothing waits
        assert relay_trouble(bench.observe()) is None
        bench.clock.at += STANDING_S_MAX + 1


def test_a_topic_that_is_ahead_of_the_log_is_told() -> None:
    bench = Bench(3)
    bench.up_to, bench.trouble = dict.fromkeys(range(PARTITIONS), 7), "the log is older than the topic"
    found = bench.observe()
    assert found.relay == RelayLag(NOTHING_WAITS, {str(number): 7 for number in range(PARTITIONS)}, bench.trouble)
    assert relay_trouble(found) == bench.trouble
