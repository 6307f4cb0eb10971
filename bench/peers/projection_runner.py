"""A projection as one writes it with the eventsourcing library: its `ProjectionRunner`, a transaction an event.

It folds the same events by the same folds into tables of the same kind, with the library's own tracking.
"""

from typing import Any, Final

from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, Mapper, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection as LibraryProjection
from eventsourcing.projection import ProjectionRunner
from psycopg.conninfo import conninfo_to_dict

from adapters.avro.codec import AvroCodec
from adapters.avro.mapper import AvroMapper
from adapters.avro.registry import SchemaRegistry
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.read_models import PostgresReadModels, write_rows
from domain.units import Micros
from projections.folding import fold_past
from projections.projection import Projection, Recorded

CONNINFO: Final = "FLEETTWIN_BENCH_CONNINFO"  # in the environment that the library hands on


class _Vehicles(Application[Any]):
    """Our log, as an application of the library."""

    name = "vehicles"

    def construct_mapper(self) -> Mapper[Any]:
        return AvroMapper(AvroCodec(SchemaRegistry.load()))

    def construct_recorder(self) -> ApplicationRecorder:
        return PostgresEventLog.open(self.env[CONNINFO])


def runner(conninfo: str, projection: Projection, models: PostgresReadModels) -> ProjectionRunner[Any, Any]:
    """Start a runner that folds a projection into its tables, which are there."""

    class Folding(LibraryProjection[PostgresTrackingRecorder]):
        """Our fold."""

        name = "folding"
        topics = tuple(each.TOPIC for each in projection.folds)

        def process_event(self, domain_event: Any, tracking: Tracking) -> None:
            recorded = Recorded(tracking.notification_id, Micros(0), domain_event)
            commit = fold_past(models, projection, [recorded])
            view: Any = self.view
            with view.datastore.transaction(commit=True) as cursor:
                view._insert_tracking(cursor, tracking)  # noqa: SLF001  # how the library's examples do it
                write_rows(cursor.connection, projection, commit)

    of = conninfo_to_dict(conninfo)
    env = {
        CONNINFO: conninfo,
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(of.get("dbname")),
        "POSTGRES_HOST": str(of.get("host")),
        "POSTGRES_PORT": str(of.get("port")),
        "POSTGRES_USER": str(of.get("user")),
        "POSTGRES_PASSWORD": "",
    }
    return ProjectionRunner(
        application_class=_Vehicles, projection_class=Folding, view_class=PostgresTrackingRecorder, env=env
    )
