"""What the API needs of the outside."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID

from adapters.access import Access, Shown
from adapters.event_log import DirectoryEntry, OriginFrom, StoredRecord
from adapters.fleet_counts import Counted, GroupBy
from adapters.lag import Observation
from adapters.parked_events import ParkedEvent, ParkedPlace
from adapters.projection_versions import VersionSeen
from adapters.recorded import Decode as Decode  # noqa: PLC0414  # an explicit re-export
from adapters.twins import EventFilter, Hops, LogPage, PageOf, Positions, ProjectionPosition, Span, VehicleFilter
from adapters.vehicle_order import Place, Placed, VehicleOrder
from domain.units import Micros
from projections.diagnostics.model import ChargingRow, QualityRow, TroubleCodeRow, WarningRow
from projections.history import Kept
from projections.media.model import PlayRow
from projections.navigation.model import DestinationRow, TrackRow, TripRow
from projections.ports import Parked
from projections.projection import Projection
from projections.signal_rows import SignalRow
from projections.snapshots import Range, SnapshotReader


class TwinReader(Protocol):
    """One consistent view of directory, read models and log. A method is one statement, whatever it is asked about.

    Lists of a page are in the page's order within each vehicle; a page's limit holds for each vehicle.
    """

    def vehicles(self, limit: int, after: UUID | None, chosen: VehicleFilter) -> Sequence[DirectoryEntry]:
        """Return up to `limit` vehicles in order of their ids, after `after`."""

    def ordered_vehicles(
        self, limit: int, order: VehicleOrder, after: Place | None, chosen: VehicleFilter
    ) -> Sequence[Placed]:
        """Return up to `limit` vehicles in an order, after a place in it, each with its place.

        Raises BadInputError where, of the past, too many would have to be put in order.
        """

    def vehicle(self, vehicle_id: UUID) -> DirectoryEntry | None:
        """Return the vehicle with this id."""

    def vehicle_by_vin(self, vin: str) -> DirectoryEntry | None:
        """Return the vehicle with this VIN."""

    def vehicles_named(self, vehicle_ids: Sequence[UUID], vins: Sequence[str]) -> Sequence[DirectoryEntry]:
        """Return the vehicles with one of these ids or VINs, each once, in any order."""

    def signals(
        self, vehicle_ids: Sequence[UUID], paths: Sequence[str], prefixes: Sequence[str]
    ) -> Sequence[SignalRow]:
        """Return the rows of the signals with one of these paths, or whose path begins with one of the prefixes.

        A signal that two projections keep may come twice.
        """

    def last_seen(self, vehicle_ids: Sequence[UUID]) -> Mapping[UUID, Micros]:
        """Return the newest captured_at of any signal or trouble code of each vehicle; absent: it has told none."""

    def destinations(self, vehicle_ids: Sequence[UUID]) -> Sequence[DestinationRow]:
        """Return the newest destination of each vehicle that has had one."""

    def current_trips(self, vehicle_ids: Sequence[UUID]) -> Sequence[TripRow]:
        """Return the trip of each vehicle that started last, if it has not ended."""

    def trip(self, vehicle_id: UUID, trip_id: UUID) -> TripRow | None:
        """Return one trip."""

    def trips(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[TripRow]:
        """Return trips in order of (started_at, trip_id)."""

    def tracks(self, spans: Sequence[Span]) -> Sequence[tuple[int, TrackRow]]:
        """Return the pieces of track that touch each span, with the index of the span."""

    def plays(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[PlayRow]:
        """Return what was played in order of (started_at,).

        A piece found playing where a stream begins (`initial`) is left out if it is the same as the one before it.
        """

    def trouble_codes(self, vehicle_ids: Sequence[UUID]) -> Sequence[TroubleCodeRow]:
        """Return every trouble code, held or past, in order of ECU, service, code and failure type."""

    def warnings(self, vehicle_ids: Sequence[UUID]) -> Sequence[WarningRow]:
        """Return every warning, raised or past, in order of their names."""

    def charging(self, vehicle_ids: Sequence[UUID], page: PageOf) -> Sequence[ChargingRow]:
        """Return charging sessions in order of (started_at, session_id)."""

    def quality(self, vehicle_ids: Sequence[UUID]) -> Sequence[QualityRow]:
        """Return how good the telemetry of each vehicle is; absent: nothing was ever wrong with it."""

    def events(self, vehicle_ids: Sequence[UUID], page: PageOf, topics: Sequence[str] | None) -> Sequence[StoredRecord]:
        """Return events in order of (version,), of these topics only if any are given."""

    def event(self, vehicle_id: UUID, version: int) -> StoredRecord | None:
        """Return one event."""

    def hops(self, row: SignalRow) -> Hops | None:
        """Return what the value of a row went through; None: its event is not in the log."""

    def positions(self) -> Positions:
        """Return the position of the log and of each projection."""

    def position_at(self, known_at: Micros | None) -> int:
        """Return the position of the newest event that was recorded by then, 0 for none; None: of the newest.

        May begin a new view. Raises BadInputError for a time that has not come.
        """

    def history(self, ranges: Sequence[Range], until_position: int) -> Sequence[StoredRecord]:
        """Return events of vehicles up to a position, in order of vehicle and version."""

    def shown(self, projection: Projection) -> Projection:
        """Return a projection as it is shown: of that version, by its fold."""

    @property
    def snapshots(self) -> SnapshotReader:
        """Rows of vehicles as they were."""


class View(TwinReader, Protocol):
    """What one request reads of the present, and where it says so."""

    def counted(self, chosen: VehicleFilter, by: Collection[GroupBy], limit: int, listed: int) -> Counted:
        """Return how many vehicles a filter chooses, of each kind the `limit` greatest groups, and `listed` of them."""

    def log_page(self, after_position: int, until_position: int | None, limit: int, chosen: EventFilter) -> LogPage:
        """Return up to `limit` events of the log after a position, up to another, None: as far as it is.

        Looks through `POSITIONS_A_PAGE` at most: a page may be empty, and others follow it.
        """

    def origins(self, vehicle_id: UUID, stream_id: str) -> Sequence[OriginFrom]:
        """Return what the batches of a stream come from, in order of the first that do."""

    def parked(
        self,
        limit: int,
        after: ParkedPlace | None,
        versions: Sequence[ProjectionPosition],
        vehicle_id: UUID | None = None,
    ) -> Sequence[ParkedEvent]:
        """Return up to `limit` events that stopped a vehicle in one of these versions, in the order of their places.

        After a place in it; of one vehicle, where it is given.
        """

    def versions(self) -> Sequence[VersionSeen]:
        """Return every version that has rows or is to have them: of each projection the shown one first.

        One that is limited to some vehicles only to who sees all.
        """

    def of_vehicles(
        self, projections: Sequence[Projection], vehicle_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[Kept]]:
        """Return what is kept of each vehicle, for each projection in their order."""

    def vehicles_with_rows(self, projection: Projection, limit: int, after: UUID) -> Sequence[UUID]:
        """Return up to `limit` vehicles that some table has a row of, in order of their ids, after one."""

    def put_on_record(self, shown: Shown) -> None:
        """Keep, for good, what somebody is about to be shown; the view ends with it.

        Raises StoreError: then nothing is to be shown.
        """

    def cancel(self) -> None:
        """End what is being asked, from another thread: it fails with StoreError, and so does all that is asked after.

        Asked again, should it have come between two questions.
        """


class Twins(Protocol):
    """Where the twins are kept."""

    def reading(self, brands: Collection[str] | None = None, /) -> AbstractContextManager[View]:
        """Open a view that stays the same until it is closed; it takes no connection before it is first asked.

        It shows vehicles of these brands only, whatever it is asked for; None: of all.
        """


class Operations(Protocol):
    """What whoever operates the platform may see and do beside the twins."""

    def seen(self) -> Observation | None:
        """Return what was seen last of every stage; None: nothing that is still worth telling."""

    def problem(self) -> str | None:
        """Return why nothing is seen, or not everything; None: everything is."""

    def retry(self, projection: str, version: int, vehicle_id: UUID) -> Parked | None:
        """Take a parked vehicle up again; return how it is parked now, None if it is not any more.

        Raises BadInputError for a version that does not follow the log, StoreError where it cannot be done now.
        """


class Doorkeeper(Protocol):
    """Lets in who bears a token."""

    @property
    def required(self) -> bool:
        """Whether who has no token is kept out."""

    def remembered(self, token: str) -> Access | None:
        """Return who bears a token that was verified a short time ago, at once; None: `verify` it."""

    def verify(self, token: str) -> Access:
        """Return who bears a token. Raises TokenRefusedError, StoreError where it cannot be told now."""


class SignalFact(Protocol):
    """What the catalogue knows of a signal."""

    @property
    def unit(self) -> str | None:
        """The unit of its values, as VSS names it."""


class Catalogue(Protocol):
    """The signals that exist."""

    def fact(self, path: str, *, where: str) -> SignalFact:
        """Return what is known of a path. Raises `UnknownSignalError` with the nearest names."""

    def __contains__(self, path: object) -> bool:
        """Whether there is such a signal."""


class RegisteredSchema(Protocol):
    """A released schema of events."""

    @property
    def id(self) -> int:
        """Its id, which every encoded event carries."""

    @property
    def version(self) -> int:
        """1, 2, 3 … within its subject."""

    @property
    def subject(self) -> str:
        """Its name in a schema registry."""

    @property
    def text(self) -> str:
        """The schema as JSON."""


class SchemaRegistry(Protocol):
    """The released schemas."""

    @property
    def by_id(self) -> Mapping[int, RegisteredSchema]:
        """Every schema by its id."""


JsonObject = dict[str, Any]
