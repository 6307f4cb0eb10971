"""The composition root: the only place that names concrete classes of more than one technology.

What reads recordings and what answers GraphQL is loaded when it is first asked for: the libraries behind them take
longer to load than most commands to run.
"""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.avro.telemetry import TOPIC as TELEMETRY_TYPE
from adapters.avro.telemetry import TelemetryCodec
from adapters.clock import now
from adapters.config import TRUSTED_ONLY, Config
from adapters.lag import Observation, Observer, Sources
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.operating import Operating
from adapters.postgres.access_records import PostgresAccessRecords
from adapters.postgres.documents import PostgresDocuments
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.projection_versions import PostgresProjectionVersions
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.server import EmbeddedServer
from adapters.postgres.set_aside import PostgresSetAside
from adapters.postgres.snapshots import PostgresSnapshots, fetch_from
from adapters.postgres.twin_reader import PostgresTwins
from adapters.postgres.whole_reader import PostgresWholeReads
from adapters.projecting import Projecting
from adapters.projection_versions import followed_projections
from adapters.signals.catalogue import Catalogue, load_catalogue
from adapters.snapshotting import Snapshotting
from adapters.twins import PROJECTIONS, chosen_projections
from adapters.vehicle_log import VehicleLog
from adapters.watch import Watch
from domain.fleet import Fleet
from projections.digest import digest
from projections.projection import Projection
from projections.runner import BATCH_EVENTS

if TYPE_CHECKING:
    from adapters.avro.external_ids import ExternalIds
    from adapters.graphql.app import AsgiApp, OperationAnswers
    from adapters.graphql.execution import Api
    from adapters.graphql.port import Doorkeeper
    from adapters.ingest import Ingest
    from adapters.kafka.client import Connection
    from adapters.kafka.partition_consumer import PartitionConsumer
    from adapters.kafka.positions import KafkaPositions
    from adapters.kafka.relay import Relay
    from adapters.kafka.republish import Republish
    from adapters.over_kafka import FleetOverKafka
    from adapters.project_worker import ProjectWorker
    from adapters.set_aside_retry import SetAsideRetry
    from adapters.tokens.keys import KeySource
    from adapters.whole_reads import WholeReads


INGEST_GROUP: Final = "fleettwin-ingest"  # of the consumers of telemetry
RELAY_GROUP: Final = "fleettwin-relay"
PROJECT_GROUP: Final = "fleettwin-project"  # and the names and versions of the projections
MEMORY_VIN_KEY: Final = b"of a twin that is gone when its process ends"


@dataclass(frozen=True)
class FleetTwin:
    """Everything in one process: the log, the fleet, the projections, the API."""

    config: Config
    conninfo: str
    records: PostgresEventLog
    read_models: PostgresReadModels
    twins: PostgresTwins

    @cached_property
    def catalogue(self) -> Catalogue:
        """The VSS paths in use, or the catalogue that the settings name."""
        return load_catalogue(self.config.vss_catalogue)

    @cached_property
    def registry(self) -> SchemaRegistry:
        """The Avro schemas of the events."""
        return SchemaRegistry.load()

    @cached_property
    def codec(self) -> AvroCodec:
        """Bytes of events."""
        return AvroCodec(self.registry)

    @cached_property
    def log(self) -> VehicleLog:
        """The log of vehicles."""
        return VehicleLog(self.records, self.codec)

    @cached_property
    def fleet(self) -> Fleet:
        """The write side."""
        return Fleet(self.log, self.config.vin_key())

    @cached_property
    def ingest(self) -> "Ingest":
        """Recordings to events."""
        from adapters.ingest import Ingest  # noqa: PLC0415  # see above

        return Ingest(self.fleet, now)

    @contextmanager
    def fleet_over_kafka(self) -> Iterator["FleetOverKafka"]:
        """Give the fleet with telemetry that goes over Kafka. Raises BadInputError where the topics are not ready."""
        from adapters.kafka.telemetry_producer import TelemetryProducer  # noqa: PLC0415  # see above
        from adapters.kafka.topics import TELEMETRY  # noqa: PLC0415
        from adapters.over_kafka import FleetOverKafka  # noqa: PLC0415

        connection, topic = self._kafka(), self.config.kafka_topic_prefix + TELEMETRY
        encode = TelemetryCodec(self.registry, self._external_ids(registering=True)).encode
        producer = TelemetryProducer(connection, topic, self.config.kafka_partitions, encode, TELEMETRY_TYPE)
        with closing(producer):
            yield FleetOverKafka(self.fleet, producer)

    def telemetry_consumer(self) -> "PartitionConsumer":
        """Return one of those who take telemetry. Raises BadInputError where the topics are not ready."""
        from adapters.ingest_worker import BATCHES_MAX, IngestWorker  # noqa: PLC0415  # see above
        from adapters.kafka.partition_consumer import PartitionConsumer  # noqa: PLC0415
        from adapters.kafka.topics import TELEMETRY  # noqa: PLC0415

        connection, prefix, partitions = self._kafka(), self.config.kafka_topic_prefix, self.config.kafka_partitions
        codec = TelemetryCodec(self.registry, self._external_ids(registering=False))
        worker = IngestWorker(self.fleet, codec, self.records, self.set_aside, now)
        return PartitionConsumer(connection, prefix + TELEMETRY, partitions, prefix + INGEST_GROUP, worker, BATCHES_MAX)

    def project_worker(self, only: Collection[str] = ()) -> "ProjectWorker":
        """Return who folds the events of the topic: into all projections, or into these.

        Raises BadInputError where there is no such projection.
        """
        from adapters.project_worker import ProjectWorker  # noqa: PLC0415  # see above

        names = {each.name for each in chosen_projections(only)}
        chosen = [each for each in self.followed() if each.name in names]
        ids = self._external_ids(registering=False)
        exchange = ids.to_local if ids else bytes
        noted = self._kafka_positions().noted
        return ProjectWorker(chosen, self.log, self.read_models, self.codec, self.set_aside, now, exchange, noted)

    def event_consumer(self, worker: "ProjectWorker") -> "PartitionConsumer":
        """Return who reads the topic for such a worker. Raises BadInputError where the topics are not ready."""
        from adapters.kafka.partition_consumer import PartitionConsumer  # noqa: PLC0415  # see above
        from adapters.kafka.published import PublishedWatch  # noqa: PLC0415
        from adapters.kafka.topics import VEHICLE_EVENTS  # noqa: PLC0415

        connection, prefix = self._kafka(), self.config.kafka_topic_prefix
        group = "-".join([prefix + PROJECT_GROUP, *(f"{each.name}-v{each.version}" for each in worker.projections)])
        topic, partitions = prefix + VEHICLE_EVENTS, self.config.kafka_partitions
        watch = PublishedWatch(prefix + RELAY_GROUP, partitions, worker.published)
        return PartitionConsumer(connection, topic, partitions, group, worker, BATCH_EVENTS, watch)

    def relay(self) -> "Relay":
        """Return one of those who publish the log. Raises BadInputError where the topics are not ready."""
        from adapters.kafka.relay import Relay  # noqa: PLC0415  # see above
        from adapters.kafka.topics import VEHICLE_EVENTS  # noqa: PLC0415

        connection, prefix = self._kafka(), self.config.kafka_topic_prefix
        group, ids = prefix + RELAY_GROUP, self._external_ids(registering=True)
        exchange = ids.to_external if ids else bytes
        return Relay(connection, prefix + VEHICLE_EVENTS, self.config.kafka_partitions, group, self.records, exchange)

    def republish(self) -> "Republish":
        """Return who makes the topic of events anew."""
        from adapters.kafka.republish import Republish  # noqa: PLC0415  # see above
        from adapters.kafka.topics import VEHICLE_EVENTS  # noqa: PLC0415

        prefix, partitions = self.config.kafka_topic_prefix, self.config.kafka_partitions
        return Republish(self._unchecked_kafka(), prefix + VEHICLE_EVENTS, partitions, prefix, prefix + RELAY_GROUP)

    @property
    def set_aside(self) -> PostgresSetAside:
        """Records that nobody can take."""
        return PostgresSetAside(self.records.datastore)

    def set_aside_retry(self) -> "SetAsideRetry":
        """Return who takes up again what was set aside.

        Raises BadInputError where the settings name a registry that is not to be had.
        """
        from adapters.kafka.topics import TELEMETRY  # noqa: PLC0415  # see above
        from adapters.set_aside_retry import SetAsideRetry  # noqa: PLC0415

        codec = TelemetryCodec(self.registry, self._external_ids(registering=False))
        return SetAsideRetry(self.set_aside, self.fleet, codec, f"{self.config.kafka_topic_prefix}{TELEMETRY}/")

    @property
    def documents(self) -> PostgresDocuments:
        """Documents of GraphQL that are trusted."""
        return PostgresDocuments(self.records)

    def observe(self) -> Observation:
        """Return how far every stage is. Raises a FleettwinError where the database does not answer."""
        return self._observer.observe()

    @cached_property
    def watch(self) -> Watch:
        """What was seen last of every stage, once somebody looks."""
        return Watch(self.observe)

    @cached_property
    def _observer(self) -> Observer:
        kafka = None if self.config.kafka_bootstrap_servers is None else self._kafka_positions
        return Observer(Sources(self.records, self.twins, self.set_aside, kafka, now))

    def _kafka_positions(self) -> "KafkaPositions":
        from adapters.kafka.positions import KafkaPositions  # noqa: PLC0415  # see above

        prefix, partitions = self.config.kafka_topic_prefix, self.config.kafka_partitions
        return KafkaPositions(self._unchecked_kafka(), prefix, partitions, prefix + RELAY_GROUP, self.records)

    def _kafka(self) -> "Connection":
        """Return the cluster that the settings name, its topics checked."""
        from adapters.kafka.topics import check_topics  # noqa: PLC0415  # see above

        connection = self._unchecked_kafka()
        check_topics(connection, self.config.kafka_partitions, self.config.kafka_topic_prefix)
        return connection

    def _unchecked_kafka(self) -> "Connection":
        from adapters.kafka.client import Connection  # noqa: PLC0415  # see above

        return Connection(self.config.kafka(), security=self.config.kafka_security)

    def _external_ids(self, *, registering: bool) -> "ExternalIds | None":
        """Return the ids of the schema registry that the settings name; None where they name none.

        Who writes has every schema of ours registered. Raises BadInputError where the registry is not to be had.
        """
        if self.config.schema_registry is None:
            return None
        from adapters.avro.external_ids import ExternalIds  # noqa: PLC0415  # see above
        from adapters.schema_registry_client import SchemaRegistryClient  # noqa: PLC0415

        client = SchemaRegistryClient(*self.config.schema_registry)
        client.check()
        return ExternalIds.registered(self.registry, client) if registering else ExternalIds(self.registry, client)

    @property
    def access_records(self) -> PostgresAccessRecords:
        """Who was shown personal data."""
        return PostgresAccessRecords(self.records.datastore)

    @cached_property
    def versions(self) -> PostgresProjectionVersions:
        """Versions of projections beside each other."""
        return PostgresProjectionVersions(self.conninfo)

    def followed(self) -> tuple[Projection, ...]:
        """Return every version of a projection that follows the log."""
        return followed_projections(self.versions)

    @cached_property
    def projecting(self) -> Projecting:
        """Events to rows."""
        return Projecting(self.followed, self.log, self.read_models, now)

    @cached_property
    def snapshotting(self) -> Snapshotting:
        """Rows of vehicles as they were, now and then."""
        return Snapshotting(self.records, self.codec.decode, PostgresSnapshots(fetch_from(self.records.datastore)))

    def projecting_others(self, only: Collection[str], worker: "ProjectWorker") -> Projecting:
        """Return what follows the log itself: versions that became ready after those were chosen that Kafka feeds."""
        chosen = {each.name for each in chosen_projections(only)}

        def others() -> list[Projection]:
            fed = {each.id for each in worker.projections}
            return [each for each in self.followed() if each.name in chosen and each.id not in fed]

        return Projecting(others, self.log, self.read_models, now)

    def digests(self) -> dict[tuple[str, int], str]:
        """Return a fingerprint of the rows of each projection, by its name and version."""
        return {(each.name, each.version): digest(self.read_models, each) for each in self.followed()}

    @cached_property
    def api(self) -> "Api":
        """GraphQL without a server."""
        from adapters.graphql.execution import Api  # noqa: PLC0415  # see above

        return Api(self.twins, self.catalogue, self.codec.decode)

    def app(self, operation: "OperationAnswers | None" = None) -> "AsgiApp":
        """Return the server; `operation` answers what the process tells about itself."""
        from adapters.console.app import with_console  # noqa: PLC0415  # see above
        from adapters.graphql.app import LOOPBACK_HOSTS, Limits, Live, build_app  # noqa: PLC0415  # see above
        from adapters.graphql.budgets import Budgets  # noqa: PLC0415
        from adapters.graphql.trusted import TrustedDocuments  # noqa: PLC0415

        doorkeeper = self._doorkeeper()
        hosts = None if doorkeeper.required else LOOPBACK_HOSTS  # a web page that means this machine has no token
        budgets = Budgets(self.config.query_points, self.config.query_points_restored)
        trusted = TrustedDocuments(self.documents, only=self.config.documents == TRUSTED_ONLY)
        live = Live(lambda after_position, timeout_ms: self.records.wait(after_position, timeout_ms))  # noqa: PLW0108  # none yet
        operating = Operating(self.watch, self.projecting)
        limits = Limits(budgets, trusted, live=live, reads=self.whole_reads(), operations=operating)
        return with_console(
            build_app(
                self.twins, self.catalogue, self.codec.decode, self.registry, hosts, operation, doorkeeper, limits
            )
        )

    def whole_reads(self) -> "WholeReads | None":
        """Return what reads for compiled documents; None: none is compiled."""
        return PostgresWholeReads(self.conninfo)

    def _doorkeeper(self) -> "Doorkeeper":
        """Return who verifies tokens. Raises BadInputError where the settings name no keys that can be used."""
        from adapters.tokens.development import ISSUER, DevelopmentKey  # noqa: PLC0415  # see above
        from adapters.tokens.keys import RemoteKeys, keys_of_file  # noqa: PLC0415
        from adapters.tokens.verifier import TokenVerifier  # noqa: PLC0415

        keys, issuer, audience, required = self.config.tokens
        if keys is None:
            source: KeySource = DevelopmentKey(self.config.home).keys
        else:
            source = keys_of_file(keys) if isinstance(keys, Path) else RemoteKeys(keys)
        return TokenVerifier(source, issuer or ISSUER, audience, required=required)


class MemoryTwin(NamedTuple):
    """Log, fleet and projections in the memory of this process: for simulations."""

    fleet: Fleet
    read_models: MemoryReadModels
    projecting: Projecting


def memory_twin() -> MemoryTwin:
    """Return twins that nobody else sees."""
    log, read_models = VehicleLog(MemoryEventLog(now), AvroCodec(SchemaRegistry.load())), MemoryReadModels()
    return MemoryTwin(Fleet(log, MEMORY_VIN_KEY), read_models, Projecting(lambda: PROJECTIONS, log, read_models, now))


@contextmanager
def fleet_twin(config: Config) -> Iterator[FleetTwin]:
    """Open everything that the settings name; start the embedded database where they name none."""
    with ExitStack() as stack:
        conninfo = config.database_url
        if conninfo is None:
            conninfo = stack.enter_context(EmbeddedServer(config.home)).conninfo()
        records = PostgresEventLog.open(conninfo)
        stack.callback(records.close)
        read_models = PostgresReadModels(conninfo).open()
        stack.callback(read_models.close)
        twins = PostgresTwins(conninfo).open()
        stack.callback(twins.close)
        twin = FleetTwin(config, conninfo, records, read_models, twins)
        read_models.prepare_all(twin.followed)
        yield twin
