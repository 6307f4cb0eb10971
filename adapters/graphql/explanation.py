"""Where a value comes from: its event, the batch that made this, what the batch came from, and when each saw it."""

from functools import cached_property

import strawberry

from adapters.graphql.batch import Batch, TelemetryBatch
from adapters.graphql.cohort import Twin
from adapters.graphql.envelope import Signal
from adapters.graphql.events import Event
from adapters.graphql.fields import computed
from adapters.graphql.vehicle import event_node, signal_of
from adapters.twins import Hops
from domain.events import StreamEvent
from domain.units import Micros
from projections.signal_rows import SignalRow


class Way:
    """What the value of a row went through, read when it is first asked for."""

    def __init__(self, twin: Twin, row: SignalRow) -> None:
        self.twin = twin
        self.row = row

    @cached_property
    def hops(self) -> Hops | None:
        """What the log and the read model know of it."""
        return self.twin.cohort.seen.read.hops(self.row)

    @cached_property
    def event(self) -> Event | None:
        """The event that told it."""
        return None if self.hops is None else event_node(self.twin.cohort.context, self.hops.record)

    @property
    def shown_at(self) -> Micros | None:
        """The time that the car's clock showed."""
        if self.event is None or not isinstance(self.event.event, StreamEvent):
            return None
        return Micros(self.row.captured_at - self.event.event.clock_offset_us)

    @property
    def is_exact(self) -> bool:
        """Whether the vehicle was written last for the event of this value."""
        projected = self.hops and self.hops.projected
        return projected is not None and projected.version == self.row.event_version


@strawberry.type(description="When a value was where, in the order of its way.")
class ValueTimes:
    """When a value was where."""

    way: strawberry.Private[Way]

    captured_at_raw: Micros | None = computed(
        lambda times: times.way.shown_at, "When the car measured it, as its clock showed."
    )
    captured_at: Micros = computed(
        lambda times: times.way.row.captured_at, "The same, corrected where that clock was wrong."
    )
    received_at: Micros = computed(lambda times: times.way.row.received_at, "When it reached us.")
    recorded_at: Micros | None = computed(
        lambda times: times.way.hops and times.way.hops.record.recorded_at, "When its event was recorded in the log."
    )
    projected_at: Micros | None = computed(
        lambda times: times.way.hops and times.way.hops.projected and times.way.hops.projected.at,
        "When the read model last wrote the vehicle: since then at the latest the value is there. Null: not known, or a"
        " value of the past, which no read model holds.",
    )
    projected_at_is_exact: bool = computed(
        lambda times: times.way.is_exact, "Whether that was for the event of this value."
    )


@strawberry.type(description="Where the newest value of a signal comes from.")
class Explanation:
    """Where a value comes from."""

    way: strawberry.Private[Way | None]

    value: Signal = strawberry.field(description="The value in its envelope.")
    event: Event | None = computed(
        lambda each: _event_of(each.way), "The event that told it. Null: it was never received. Scope: events:read."
    )
    batch: TelemetryBatch | None = computed(
        lambda each: each.way and _batch_of(each.way),
        "The batch with which this event was decided. Null: it was never received.",
    )
    times: ValueTimes | None = computed(
        lambda each: each.way and ValueTimes(way=each.way), "When it was where. Null: it was never received."
    )


def _event_of(way: Way | None) -> Event | None:
    return way.event if way and way.twin.may_show("Explanation.event") else None


def _batch_of(way: Way) -> TelemetryBatch:
    return TelemetryBatch(batch=Batch(way.row.stream_id, way.row.sequence, lambda: way.hops and way.hops.origin))


def explained(twin: Twin, path: str) -> Explanation:
    """Return where the newest value of a signal comes from; one that was never sent must be of the catalogue."""
    value = signal_of(twin, path)
    row = value.row
    assert row is None or isinstance(row, SignalRow)
    return Explanation(value=value, way=None if row is None else Way(twin, row))
