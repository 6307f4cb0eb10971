"""Which signals a vehicle has ever delivered, and how often: counted in its newest events, and in no read model.

A read model of it would be written with every batch of every vehicle, for a question that is asked once in a while.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

import strawberry

from adapters.event_log import StoredRecord
from adapters.graphql.cohort import Twin
from adapters.graphql.trouble_codes import unit_of
from adapters.twins import PageOf
from domain.errors import BadInputError
from domain.events import LateSamplesRecorded, SignalsSampled
from domain.units import MICROS_PER_SECOND, Micros
from domain.upcasts import topics_of
from projections.as_of import until

EVENTS_MAX: Final = 500  # of one vehicle, whose samples are counted
VEHICLES_MAX: Final = 10  # of one field, which are read together
_TYPES: Final = (SignalsSampled, LateSamplesRecorded)
_TOPICS: Final = tuple(sorted(topics_of(_TYPES)))


@strawberry.type(description="A signal that a vehicle has delivered.")
class DeliveredSignal:
    """A signal that a vehicle has delivered."""

    path: str = strawberry.field(description="The COVESA VSS path of the signal.")
    unit: str | None = strawberry.field(description="As VSS names it; null: a value without a unit.")
    last_at: Micros = strawberry.field(description="When the newest sample is from, by the car's clock.")
    samples: int = strawberry.field(
        description="Samples that were counted; 0: its samples are older than all that were counted, or it is told by"
        " events of other types (places, trips, media, odometer). Unit: none."
    )
    first_counted_at: Micros | None = strawberry.field(
        description="When the oldest of these is from, by the car's clock."
    )
    median_interval_s: float | None = strawberry.field(
        description="Between one of these and the next, the median; what does not change is confirmed from time to"
        " time. Null: there are not two. Unit: s."
    )


@strawberry.type(description="Which signals a vehicle has ever delivered, and how often of late.")
class DeliveredSignals:
    """Which signals a vehicle has ever delivered."""

    signals: list[DeliveredSignal] = strawberry.field(description="In order of their paths.")
    counts_everything: bool = strawberry.field(
        description=f"Whether all of its samples were counted; if not, those of its newest {EVENTS_MAX} events with"
        " samples."
    )
    withheld: str | None = strawberry.field(description="Why some signals are left out; null: none is.")


class _Counted(NamedTuple):
    samples: int
    first_at: Micros | None
    median_interval_s: float | None


_NOTHING: Final = _Counted(0, None, None)


def delivered(twin: Twin) -> DeliveredSignals | None:
    """Return what a vehicle has delivered. Raises BadInputError where too many vehicles are asked about at once."""
    if not twin.may_show("Vehicle.delivered"):
        return None
    cohort = twin.cohort
    if len(cohort.entries) > VEHICLES_MAX:
        what = f"of {len(cohort.entries)} vehicles at once this is not told"
        raise BadInputError(what, where="delivered", remedy=f"ask about at most {VEHICLES_MAX}: first: {VEHICLES_MAX}")
    page = PageOf(EVENTS_MAX + 1)
    records: Sequence[StoredRecord] = cohort.rows(
        twin.id,
        "newest samples",
        lambda read, ids: read.events(ids, page, _TOPICS),
        lambda record: record.originator_id,
    )
    counted = _counted(twin, records[:EVENTS_MAX])
    signals, reasons = [], set()
    for row in cohort.branch(twin.id, ""):
        refusal = twin.refusal(row.path)
        if refusal:
            reasons.add(refusal)
            continue
        samples, first_at, median_interval_s = counted.get(row.path, _NOTHING)
        signals.append(
            DeliveredSignal(
                path=row.path,
                unit=unit_of(cohort.context.catalogue, row.path),
                last_at=row.captured_at,
                samples=samples,
                first_counted_at=first_at,
                median_interval_s=median_interval_s,
            )
        )
    return DeliveredSignals(
        signals=signals,
        counts_everything=len(records) <= EVENTS_MAX,
        withheld="; ".join(sorted(reasons)) or None,
    )


def _counted(twin: Twin, records: Sequence[StoredRecord]) -> dict[str, _Counted]:
    """Return what the samples of some events say of each path, as far as they were told by the moment that is seen."""
    moment = twin.cohort.seen.moment
    sampled_at: dict[str, list[Micros]] = defaultdict(list)
    for record in records:
        event = twin.cohort.context.decode(record.topic, record.state, record.originator_id, record.version)
        told = event if moment is None or moment.as_of is None else until(event, moment.as_of)
        if isinstance(told, _TYPES):
            for path, at in zip(told.path, told.sampled_at, strict=True):
                sampled_at[path].append(at)
    return {path: _of_times(sorted(times)) for path, times in sampled_at.items()}


def _of_times(times: Sequence[Micros]) -> _Counted:
    gaps = [after - before for before, after in pairwise(times)]
    return _Counted(len(times), times[0], median(gaps) / MICROS_PER_SECOND if gaps else None)
