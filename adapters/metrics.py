"""Every metric of fleettwin, in one place: what this process does, and how far the whole path is.

A process counts whether or not anybody scrapes it. What it sees of the whole path is told as of the last look; what is
not known is absent, never an old value, but for what is not published yet (lag.py). No label and no value names a
vehicle.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from adapters.lag import Observation
from domain.units import MICROS_PER_SECOND

REGISTRY: Final = CollectorRegistry()

# From a transaction of one row on a disk of its own to the time after which a relay gives one up.
TRANSACTION_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

ProcessCollector(registry=REGISTRY)  # process_…: memory, processor time, open files

ASSIGNED_PARTITIONS: Final = Gauge(
    "fleettwin_assigned_partitions", "Partitions that this process has now.", ["group"], registry=REGISTRY
)

SET_ASIDE: Final = Counter("fleettwin_set_aside_total", "Records that this process set aside.", registry=REGISTRY)

# --- ingest -----------------------------------------------------------------------------------------------------------
INGESTED_RECORDS: Final = Counter(
    "fleettwin_ingest_records_total", "Records of telemetry taken, those set aside included.", registry=REGISTRY
)
INGESTED_BATCHES: Final = Counter(
    "fleettwin_ingest_batches_total", "Batches of telemetry taken that counted.", registry=REGISTRY
)
DUPLICATE_BATCHES: Final = Counter(
    "fleettwin_ingest_duplicate_batches_total", "Batches dropped because they had been taken before.", registry=REGISTRY
)
INGESTED_EVENTS: Final = Counter("fleettwin_ingest_events_total", "Events that telemetry became.", registry=REGISTRY)
INGEST_SECONDS: Final = Histogram(
    "fleettwin_ingest_transaction_seconds",
    "PostgreSQL transactions that append events and note how far telemetry was read.",
    buckets=TRANSACTION_BUCKETS_S,
    registry=REGISTRY,
)

# --- relay ------------------------------------------------------------------------------------------------------------
PUBLISHED_EVENTS: Final = Counter("fleettwin_relay_events_total", "Events published to Kafka.", registry=REGISTRY)
RELAY_SECONDS: Final = Histogram(
    "fleettwin_relay_transaction_seconds",
    "Kafka transactions that publish events and note how far the log was published.",
    buckets=TRANSACTION_BUCKETS_S,
    registry=REGISTRY,
)

# --- snapshots --------------------------------------------------------------------------------------------------------
SNAPSHOTS: Final = Counter("fleettwin_snapshots_total", "Snapshots of vehicles made.", registry=REGISTRY)

# --- projections ------------------------------------------------------------------------------------------------------
PROJECTED: Final = Counter(
    "fleettwin_projection_events_total", "Events folded by a projection.", ["projection"], registry=REGISTRY
)
DUPLICATES_DROPPED: Final = Counter(
    "fleettwin_projection_duplicate_events_total",
    "Events dropped because a projection had folded them before.",
    ["projection"],
    registry=REGISTRY,
)
GAPS_FILLED: Final = Counter(
    "fleettwin_projection_gap_events_total",
    "Events folded that were missing before another one of their vehicle, and were taken from the event store.",
    ["projection"],
    registry=REGISTRY,
)
COMMIT_SECONDS: Final = Histogram(
    "fleettwin_projection_commit_seconds",
    "PostgreSQL transactions that write rows and positions of a projection.",
    ["projection"],
    buckets=TRANSACTION_BUCKETS_S,
    registry=REGISTRY,
)
LEFT_OUT: Final = Counter(
    "fleettwin_projection_left_out_events_total", "Events of parked vehicles.", ["projection"], registry=REGISTRY
)

# --- the whole path ---------------------------------------------------------------------------------------------------
Values = Iterable[tuple[str, float]]  # label and value; the label of a metric without labels is empty


class Observed(NamedTuple):
    """A gauge that shows something of an observation."""

    name: str
    help: str
    label: str | None
    values: Callable[[Observation], Values]

    def family(self) -> GaugeMetricFamily:
        """Return the gauge without values."""
        return GaugeMetricFamily(self.name, self.help, labels=[self.label] if self.label else [])


def _one(value: float) -> Values:
    return [("", value)]


OBSERVED: Final = (
    Observed(
        "fleettwin_observed_timestamp_seconds",
        "When this process looked at the whole path last, seconds since 1970: a time that stands still is a problem.",
        None,
        lambda seen: _one(seen.at / MICROS_PER_SECOND),
    ),
    Observed("fleettwin_log_position", "Position of the newest event.", None, lambda seen: _one(seen.log_position)),
    Observed(
        "fleettwin_projection_position",
        "Position of the log up to which a projection is written.",
        "projection",
        lambda seen: [(projection_label(each.of.name, each.of.version), each.of.position) for each in seen.projections],
    ),
    Observed(
        "fleettwin_projection_lag_events",
        "Events of the log that a projection has not taken yet.",
        "projection",
        lambda seen: [(projection_label(each.of.name, each.of.version), each.lag.waiting) for each in seen.projections],
    ),
    Observed(
        "fleettwin_projection_lag_seconds",
        "Age of the oldest event that a projection has not taken yet.",
        "projection",
        lambda seen: [(projection_label(each.of.name, each.of.version), each.lag.seconds) for each in seen.projections],
    ),
    Observed(
        "fleettwin_parked_vehicles",
        "Vehicles that a projection could not take further.",
        "projection",
        lambda seen: [(projection_label(each.of.name, each.of.version), each.of.parked) for each in seen.projections],
    ),
    Observed("fleettwin_set_aside_records", "Records set aside so far.", None, lambda seen: _one(seen.set_aside)),
    Observed(
        "fleettwin_set_aside_vehicles",
        "Vehicles whose history cannot be read, so that their telemetry is set aside and waits.",
        None,
        lambda seen: _one(seen.waited_for),
    ),
    Observed(
        "fleettwin_kafka_answers",
        "Whether Kafka has told what is asked of it: 1, or 0; absent where no Kafka is set.",
        None,
        lambda seen: _one(float(seen.kafka is not None)) if seen.kafka or seen.kafka_problem else [],
    ),
    Observed(
        "fleettwin_telemetry_consumed_position",
        "Offset up to which a partition of telemetry was taken: what comes next.",
        "partition",
        lambda seen: seen.kafka.consumed.items() if seen.kafka else [],
    ),
    Observed(
        "fleettwin_telemetry_lag_records",
        "Records of telemetry that were not taken yet.",
        None,
        lambda seen: _one(seen.kafka.telemetry.waiting) if seen.kafka else [],
    ),
    Observed(
        "fleettwin_telemetry_lag_seconds",
        "Age of the oldest record of telemetry that was not taken yet, by its timestamp.",
        None,
        lambda seen: _one(seen.kafka.telemetry.seconds) if seen.kafka else [],
    ),
    Observed(
        "fleettwin_relay_published_position",
        "Position of the log up to which a partition of the events' topic is published.",
        "partition",
        lambda seen: seen.relay.published.items() if seen.relay else [],
    ),
    Observed(
        "fleettwin_relay_topic_ahead",
        "Whether the events' topic holds events that the log does not have, as after a backup was restored: 1, or 0.",
        None,
        lambda seen: _one(float(seen.relay.trouble is not None)) if seen.relay else [],
    ),
    Observed(
        "fleettwin_relay_lag_events",
        "Events of the log that were not published yet.",
        None,
        lambda seen: _one(seen.relay.lag.waiting) if seen.relay else [],
    ),
    Observed(
        "fleettwin_relay_lag_seconds",
        "Age of the oldest event that was not published yet.",
        None,
        lambda seen: _one(seen.relay.lag.seconds) if seen.relay else [],
    ),
)


def projection_label(name: str, version: int) -> str:
    """Return the value of the label `projection`, which is `projections.projection.Projection.id`."""
    return f"{name} v{version}"


class ObservedCollector(Collector):
    """Shows the observation that `last` gives; nothing where it gives none."""

    def __init__(self, last: Callable[[], Observation | None]) -> None:
        self._last = last

    def describe(self) -> Iterator[Metric]:
        """Give the gauges without values."""
        return (each.family() for each in OBSERVED)

    def collect(self) -> Iterator[Metric]:
        """Give the gauges of the last observation."""
        seen = self._last()
        if seen is None:
            return
        for each in OBSERVED:
            family = each.family()
            for label, value in each.values(seen):
                family.add_metric([label] if each.label else [], value)
            yield family
