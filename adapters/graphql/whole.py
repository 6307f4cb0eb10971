"""Vehicles that were read whole, as the fields of the schema ask for them: nothing more is read."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from adapters.graphql.cohort import Cohort, Context, Seen, Tracks, Twin
from adapters.graphql.json_text import UnwrittenError
from adapters.graphql.port import TwinReader
from adapters.graphql.vehicle import Vehicle
from adapters.whole_reads import SAMPLE, WholeVehicle
from domain.units import Micros
from projections.diagnostics.model import QualityRow, TroubleCodeRow, WarningRow
from projections.navigation.model import DestinationRow, TripRow
from projections.projection import Row
from projections.signal_rows import SignalRow

R = TypeVar("R")

_TOLD: Final = len(SAMPLE)
_NO_STREAM: Final = ("", 0)  # of a sample: no field shows it
_NOWHERE: Final = (0, 0, 0)  # where no field shows that either
# What the fields call the rows that they want.
_ROWS: Final[Mapping[Hashable, type[Row]]] = {
    "destinations": DestinationRow,
    "current trips": TripRow,
    "quality": QualityRow,
    "trouble codes": TroubleCodeRow,
    "warnings": WarningRow,
}


class WholeCohort(Cohort):
    """One vehicle, of which all that is asked for has been read."""

    def __init__(self, context: Context, whole: WholeVehicle) -> None:  # the rest of a cohort is about reading
        self.context = context
        self.seen = Seen(context.read)
        self.entries = [whole.entry]
        self.whole = whole

    def signal(self, vehicle_id: UUID, path: str) -> SignalRow | None:
        """Return the newest sample of a signal."""
        sample = self.whole.samples.get(path)
        if sample is None:
            return None
        told, (received_at, event_version, position) = sample[:_TOLD], sample[_TOLD:] or _NOWHERE
        return SignalRow._make((vehicle_id, *told, received_at, *_NO_STREAM, event_version, position))

    def branch(self, vehicle_id: UUID, prefix: str) -> Sequence[SignalRow]:  # noqa: ARG002
        """Leave it to ordinary execution: branches are not read so."""
        raise UnwrittenError

    def last_seen(self, vehicle_id: UUID) -> Micros | None:  # noqa: ARG002  # there is one
        """Return the newest time of the vehicle by its own clock; None also where it is not asked for."""
        return self.whole.last_seen

    def age_reference(self, vehicle_id: UUID) -> Micros | None:  # noqa: ARG002
        """Return the time that ages count from; None where nothing is asked for that depends on it."""
        return self.whole.last_seen

    def rows(
        self,
        vehicle_id: UUID,  # noqa: ARG002
        key: Hashable,
        load: Callable[[TwinReader, Sequence[UUID]], Iterable[R]],  # noqa: ARG002  # it is read
        owner: Callable[[R], UUID] = lambda row: row.vehicle_id,  # type: ignore[attr-defined]  # noqa: ARG002
    ) -> Sequence[R]:
        """Return the rows that go by this name."""
        row_type = _ROWS[key]
        rows: Sequence[Any] = self.whole.rows[row_type]
        return [row for row in rows if not row.ended] if row_type is TripRow else rows

    def tracks(self, key: Hashable) -> Tracks:  # noqa: ARG002
        """Tracks are not read so."""
        return Tracks(self.context.read, (), self.context.permits)


def vehicle_of(context: Context, whole: WholeVehicle) -> Vehicle:
    """Return a vehicle as the schema has it."""
    return Vehicle(twin=Twin(WholeCohort(context, whole), whole.entry))
