"""What is asked of the twins and what comes back, whichever technology keeps them."""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from adapters.event_log import DirectoryEntry, StoredRecord
from domain.errors import BadInputError
from domain.signals import Origin
from domain.units import Micros
from projections.diagnostics.model import DiagnosticsSignalRow, TroubleCodeRow
from projections.diagnostics.projector import DIAGNOSTICS
from projections.media.model import MediaSignalRow
from projections.media.projector import MEDIA
from projections.media.projector import PREFIX as MEDIA_PREFIX
from projections.navigation.model import NavigationSignalRow
from projections.navigation.projector import NAVIGATION
from projections.navigation.projector import PATHS as NAVIGATION_PATHS
from projections.projection import Projection, Row
from projections.signal_rows import SignalRow

PROJECTIONS: Final = (NAVIGATION, MEDIA, DIAGNOSTICS)


def chosen_projections(names: Collection[str]) -> tuple[Projection, ...]:
    """Return the projections with these names, all if none is given. Raises BadInputError for a name of none."""
    known = {each.name: each for each in PROJECTIONS}
    for name in names:
        if name not in known:
            raise BadInputError("there is no such projection", where=name, remedy=f"give one of {', '.join(known)}")
    return tuple(each for each in PROJECTIONS if not names or each.name in names)


def projection_of(row_type: type[Row]) -> Projection:
    """Return the projection that keeps these rows."""
    return next(each for each in PROJECTIONS if row_type in each.row_types)


# Their captured_at tells that a vehicle was seen then; of one of these rows it never goes down.
SEEN_ROWS: Final[tuple[type[Row], ...]] = (NavigationSignalRow, MediaSignalRow, DiagnosticsSignalRow, TroubleCodeRow)
ANTIMERIDIAN: Final = 180.0  # degrees


class Box(NamedTuple):
    """Places between two parallels and two meridians, edges included; `west` is east of `east` across 180°. Degrees."""

    south: float
    west: float
    north: float
    east: float

    @property
    def meridians(self) -> tuple[float, float, bool]:
        """West and east, and whether 180° is between them. That meridian is also -180°: a vehicle may tell either."""
        if (self.west, self.east) != (-ANTIMERIDIAN, ANTIMERIDIAN):
            if self.west == -ANTIMERIDIAN:
                return ANTIMERIDIAN, self.east, True
            if self.east == ANTIMERIDIAN:
                return self.west, -ANTIMERIDIAN, True
        return self.west, self.east, self.west > self.east


class Circle(NamedTuple):
    """Places that are no further from a point, along a great circle."""

    latitude_deg: float
    longitude_deg: float
    radius_m: float


class Between(NamedTuple):
    """Numbers from `least` to `most`, both included."""

    least: float
    most: float


class VehicleFilter(NamedTuple):
    """Which vehicles are asked for: those that fit all that is given; None: any."""

    vins: Sequence[str] | None = None
    brands: Sequence[str] | None = None
    models: Sequence[str] | None = None
    has_trouble_code: bool | None = None  # some ECU holds one now
    trouble_codes: Sequence[str] | None = None  # some ECU holds one of these now
    last_seen_after: Micros | None = None  # some signal or trouble code was captured later than this
    warnings: Sequence[str] | None = None  # one of these is raised now
    state_of_charge: Between | None = None  # percent, as the driver sees it; one that is known, however old
    box: Box | None = None  # the newest place is in it
    circle: Circle | None = None  # the newest place is in it
    regions: Sequence[str] | None = None  # of domain.vin.REGIONS, as the VIN says
    last_seen_before: Micros | None = None  # no signal or trouble code was captured at this time or later

    @property
    def by_place(self) -> bool:
        """Whether it tells where the vehicles are that it chooses."""
        return self.box is not None or self.circle is not None


ANY_VEHICLE: Final = VehicleFilter()


class PageOf(NamedTuple):
    """A page of a list that is ordered by a key: at most `limit` rows that come after the key `after`."""

    limit: int
    after: tuple[Any, ...] | None = None  # the key of the last row of the page before
    newest_first: bool = True


class Span(NamedTuple):
    """A stretch of one vehicle's time, both ends included."""

    vehicle_id: UUID
    started_at: Micros
    ended_at: Micros


POSITIONS_A_PAGE: Final = 10_000  # that one statement looks through, whoever's events they are


class EventFilter(NamedTuple):
    """Which events of the log are asked for: those that fit all that is given; None: any."""

    vehicle_ids: Sequence[UUID] | None = None
    brands: Sequence[str] | None = None  # of the vehicle
    models: Sequence[str] | None = None  # of the vehicle
    topics: Sequence[str] | None = None


ANY_EVENT: Final = EventFilter()


class Logged(NamedTuple):
    """An event of the log, and its vehicle."""

    record: StoredRecord
    entry: DirectoryEntry


class LogPage(NamedTuple):
    """Events in the order of the log: all that were asked for up to the position `reached`, of a log up to `end`."""

    events: Sequence[Logged]
    reached: int
    end: int


class ProjectionPosition(NamedTuple):
    """How far a projection has taken the log, and how many vehicles it has had to park."""

    name: str
    version: int
    position: int
    parked: int


class Positions(NamedTuple):
    """The position of the newest event, and of each projection."""

    log_position: int
    projections: Sequence[ProjectionPosition]  # those that are shown come first

    @property
    def reached(self) -> int:
        """The position up to which everything of the log is in what is shown."""
        return min(each.position for each in self.projections[: len(PROJECTIONS)])

    def lag(self, projection: ProjectionPosition) -> int:
        """Return how many events of the log a projection has not taken yet."""
        return max(0, self.log_position - projection.position)


class Projected(NamedTuple):
    """When a projection last wrote a vehicle, and the version of the newest event that it had folded by then."""

    version: int
    at: Micros


class Hops(NamedTuple):
    """What a value went through on its way into a row."""

    record: StoredRecord  # the event that told it
    origin: Origin | None  # of the batch that made this event; None: its stream has not told
    projected: Projected | None  # None: not known


def signal_table(path: str) -> type[SignalRow]:
    """Return the row type that keeps the newest sample of a signal: navigation's where two projections keep it."""
    if path in NAVIGATION_PATHS:
        return NavigationSignalRow
    return MediaSignalRow if path.startswith(MEDIA_PREFIX) else DiagnosticsSignalRow


def newest(rows: Sequence[SignalRow]) -> dict[tuple[UUID, str], SignalRow]:
    """Return one row for each signal of each vehicle: where several projections keep one, that which was told last."""
    found: dict[tuple[UUID, str], SignalRow] = {}
    for row in rows:
        key = (row.vehicle_id, row.path)
        known = found.get(key)
        if known is None or (known.captured_at, known.stream_id, known.sequence) < (
            row.captured_at,
            row.stream_id,
            row.sequence,
        ):
            found[key] = row
    return found
