"""How far each stage of the path is behind the one before it: one answer for the command line and for the metrics.

Telemetry waits in its topic until it is taken, events in the log until they are published and until each projection
has them. What does not answer is left out with its reason: what is not known is never told as an old value. But for
the lag of the relay, which grows while Kafka is down: where Kafka does not answer it counts from what was published
when it last did. More may be published by now, never less, so that lag is what waits at most.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from adapters.event_log import StoredRecord
from adapters.twins import Positions, ProjectionPosition
from domain.errors import BadInputError, FleettwinError
from domain.units import MICROS_PER_SECOND, Micros

LEAST_S: Final = 0.001  # what waits has done so for longer than nothing, whatever clocks say: 0 says that nothing waits
STANDING_S_MAX: Final = 60.0  # the longest time that one transaction has, twice
EXACT_EVENTS_MAX: Final = 10_000  # not published yet: up to so many are counted, beyond it the positions tell
_PAGE_EVENTS: Final = 2_000


class Lag(NamedTuple):
    """What waits for a stage."""

    waiting: int  # records or events
    seconds: float  # since the oldest of them came to be; 0 where nothing waits
    standing_s: float = 0.0  # since it was first seen to be the oldest of events that wait


NOTHING_WAITS: Final = Lag(0, 0.0)


class PartitionEnds(NamedTuple):
    """What a partition holds: offsets."""

    first: int
    end: int


class LaggedStore(Protocol):
    """What the event store knows."""

    def outlines(self, after_position: int, limit: int) -> Sequence[StoredRecord]:
        """Return up to `limit` events after a position, each with no bytes instead of its own."""

    def consumed_positions(self) -> Mapping[str, int]:
        """Return what comes next in each source of batches."""


class PositionsReader(Protocol):
    """A view of the read models."""

    def positions(self) -> Positions:
        """Return the position of the log and of each projection."""


class LaggedTwins(Protocol):
    """Where the read models are kept."""

    def reading(self) -> AbstractContextManager[PositionsReader]:
        """Open a view that stays the same until it is closed."""


class Counted(Protocol):
    """Where records that were set aside are kept."""

    def count(self) -> int:
        """Return how many there are."""

    def waiting_vehicles(self) -> Sequence[UUID]:
        """Return every vehicle that some of them wait for."""


class Published(NamedTuple):
    """How far the log is published."""

    up_to: Mapping[int, int]  # position of the log, by partition of the events' topic
    trouble: str | None = None  # why the topic is not of this log, and what to do


class LaggedKafka(Protocol):
    """What the cluster knows; each method raises a FleettwinError where it does not answer."""

    def telemetry(self) -> Mapping[str, PartitionEnds]:
        """Return what each partition of the telemetry topic holds, by its source, e.g. "telemetry/3"."""

    def telemetry_times(self, positions: Mapping[str, int]) -> Sequence[Micros]:
        """Return the timestamps of the records at these positions, as far as they are soon to be had."""

    def published(self) -> Published:
        """Return how far the log is published."""

    def partition_of(self, record: StoredRecord) -> int:
        """Return the partition of an event."""


class ProjectionLag(NamedTuple):
    """A projection and what waits for it."""

    of: ProjectionPosition
    lag: Lag


class KafkaLag(NamedTuple):
    """What waits before the event store, where Kafka is used."""

    telemetry: Lag
    consumed: Mapping[str, int]  # what comes next, by source


class RelayLag(NamedTuple):
    """What of the log waits to be published."""

    lag: Lag
    published: Mapping[str, int]  # positions of the log, by partition
    trouble: str | None = None  # why the topic is not of this log, and what to do


class Observation(NamedTuple):
    """How far everything was at one moment."""

    at: Micros
    log_position: int
    projections: Sequence[ProjectionLag]
    set_aside: int
    kafka: KafkaLag | None = None
    relay: RelayLag | None = None  # without `kafka`: counted from what was published when Kafka answered last
    kafka_problem: str | None = None  # why there is no `kafka` although one is set
    waited_for: int = 0  # vehicles whose history cannot be read, so that their batches are set aside


class Sources(NamedTuple):
    """Who is asked. Without Kafka, what only it knows is left out; `kafka` gives it, or raises a FleettwinError."""

    store: LaggedStore
    twins: LaggedTwins
    set_aside: Counted
    kafka: Callable[[], LaggedKafka] | None
    now: Callable[[], Micros]
    clock: Callable[[], float] = time.monotonic  # seconds


class Observer:
    """Asks again and again."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._published: _Published | None = None
        self._oldest: dict[str, tuple[int, float]] = {}  # event that waits for a stage, and when that was seen first

    def observe(self) -> Observation:
        """Ask everybody once. Raises a FleettwinError where the database does not answer."""
        store, now = self._sources.store, self._sources.now
        with self._sources.twins.reading() as read:
            positions = read.positions()
        projections = [
            ProjectionLag(each, self._projection_lag(each, positions.log_position, positions.lag(each)))
            for each in positions.projections
        ]
        found = Observation(now(), positions.log_position, projections, self._sources.set_aside.count())
        found = found._replace(waited_for=len(self._sources.set_aside.waiting_vehicles()))
        if self._sources.kafka is None:
            return found
        consumed = store.consumed_positions()
        try:
            told = _asked(self._sources.kafka(), consumed)
        except BadInputError as error:
            found = found._replace(kafka_problem=f"{error.where}: {error.what}")
        except FleettwinError as error:
            found = found._replace(kafka_problem=str(error))
        else:
            self._published, at = told.published, now()
            waiting = Lag(told.waiting, _seconds(at - min(told.times, default=at)))
            taken = {source: consumed[source] for source in told.sources if source in consumed}
            found = found._replace(kafka=KafkaLag(waiting, taken))
        if self._published:
            found = found._replace(relay=self._relay_lag(self._published, found.log_position))
        return found

    def _relay_lag(self, published: "_Published", log_position: int) -> RelayLag:
        """Return what is not published yet: partitions may be published up to different positions."""
        up_to, trouble = published.told
        least = min(up_to.values())
        count, oldest, recorded_at = 0, least + 1, None
        for record in _events(self._sources.store, least, log_position):
            if record.position > up_to[published.partition_of(record)]:
                if not count:
                    oldest, recorded_at = record.position, record.recorded_at
                count += 1
        if log_position - least > EXACT_EVENTS_MAX:
            count = log_position - least  # no more than so many; all of them after a relay that stood still
        lag = self._lag("relay", count, oldest, recorded_at)
        return RelayLag(lag, {str(number): position for number, position in sorted(up_to.items())}, trouble)

    def _projection_lag(self, of: ProjectionPosition, log_position: int, waiting: int) -> Lag:
        first = self._sources.store.outlines(of.position, 1) if of.position < log_position else ()
        return self._lag(f"{of.name} v{of.version}", waiting, of.position + 1, first[0].recorded_at if first else None)

    def _lag(self, stage: str, waiting: int, oldest: int, recorded_at: Micros | None) -> Lag:
        """Return what waits for a stage, the oldest event since it was recorded.

        That may be later than now by our clock. It has waited at least since it was seen here to be the oldest.
        """
        if not waiting:
            self._oldest.pop(stage, None)
            return NOTHING_WAITS
        clock_s = self._sources.clock()
        before, since_s = self._oldest.get(stage, (oldest, clock_s))
        if before != oldest:
            since_s = clock_s
        self._oldest[stage] = oldest, since_s
        age_s = 0.0 if recorded_at is None else _seconds(self._sources.now() - recorded_at)
        return Lag(waiting, max(age_s, clock_s - since_s, LEAST_S), clock_s - since_s)


def relay_trouble(seen: Observation) -> str | None:
    """Return why relays publish nothing although events wait, or will not; None: they do, or it is not known."""
    if seen.relay is None or seen.relay.trouble:
        return seen.relay and seen.relay.trouble
    standing_s, published = seen.relay.lag.standing_s, seen.relay.published.values()
    if standing_s <= STANDING_S_MAX:
        return None
    return f"what comes after position {min(published)} of the log has waited for {standing_s:.0f} s to be published"


class _Published(NamedTuple):
    told: Published
    partition_of: Callable[[StoredRecord], int]


class _Told(NamedTuple):
    sources: Sequence[str]
    waiting: int  # records
    times: Sequence[Micros]  # of the first that waits in each partition
    published: _Published


def _asked(kafka: LaggedKafka, consumed: Mapping[str, int]) -> _Told:
    ends = kafka.telemetry()
    nexts = {source: _next(consumed.get(source, 0), held) for source, held in ends.items()}
    behind = {source: position for source, position in nexts.items() if position < ends[source].end}
    waiting = sum(ends[source].end - position for source, position in behind.items())
    times = kafka.telemetry_times(behind) if behind else ()
    return _Told(list(ends), waiting, times, _Published(kafka.published(), kafka.partition_of))


def _next(consumed: int, held: PartitionEnds) -> int:
    """Return where a worker goes on: what is deleted, or of an earlier topic of this name, is not waited for."""
    return consumed if held.first <= consumed <= held.end else held.first


def _events(store: LaggedStore, after: int, until: int) -> Iterator[StoredRecord]:
    """Give the events of the log up to a position, the first `EXACT_EVENTS_MAX` of them."""
    last = min(until, after + EXACT_EVENTS_MAX)
    while after < last:
        page = store.outlines(after, min(_PAGE_EVENTS, last - after))
        if not page:
            return
        yield from page
        after = page[-1].position


def _seconds(micros: int) -> float:
    return max(0.0, micros / MICROS_PER_SECOND)
