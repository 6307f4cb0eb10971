"""A projector as one writes it with Quix Streams: a sink that folds in memory, and writes rows and offsets together.

At least once, and rows that are written again are the same: what a checkpoint commits in Kafka comes after the
transaction in PostgreSQL, and records below the offsets in PostgreSQL are passed over. One process has the group.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from quixstreams import Application
from quixstreams.sinks.base.sink import BaseSink

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.clock import micros_of
from adapters.postgres.read_models import PostgresReadModels
from adapters.twins import chosen_projections
from domain.units import Micros
from projections.ports import Commit, Moved
from projections.projection import Key, Projection, R, Recorded, Row, Rows, row_key

COMMIT_EVERY: Final = 10_000  # messages
COMMIT_INTERVAL_S: Final = 1.0


class _Table(Rows):
    """The rows of all vehicles; told which of them the next events are about."""

    def __init__(self) -> None:
        self.vehicle_id = UUID(int=0)
        self._rows: defaultdict[type[Row], dict[Key, Any]] = defaultdict(dict)
        self._written: defaultdict[type[Row], dict[Key, Any]] = defaultdict(dict)  # None: deleted

    def loaded(self, row: Row) -> None:
        """Take a row that the database holds."""
        self._rows[type(row)][row_key(row)] = row

    def get(self, row_type: type[R], *key: Any) -> R | None:
        return self._rows[row_type].get((self.vehicle_id, *key))

    def put(self, row: Row) -> None:
        key = row_key(row)
        self._rows[type(row)][key] = self._written[type(row)][key] = row

    def delete(self, row_type: type[Row], *key: Any) -> None:
        whole = (self.vehicle_id, *key)
        self._rows[row_type].pop(whole, None)
        self._written[row_type][whole] = None

    def written(self, commit: Commit) -> None:
        """Give a commit what has been written since the last one."""
        commit.upserts = {of: [row for row in rows.values() if row is not None] for of, rows in self._written.items()}
        commit.deletes = {of: [key for key, row in rows.items() if row is None] for of, rows in self._written.items()}
        self._written.clear()


class ProjectingSink(BaseSink):
    """Keeps the rows of one projection. One transaction a checkpoint, for all partitions."""

    def __init__(self, projection: Projection, conninfo: str) -> None:
        super().__init__(lambda: None)
        self._projection = projection
        self._store = PostgresReadModels(conninfo)
        self._decode = AvroCodec(SchemaRegistry.load()).decode
        self._table = _Table()
        self._next: dict[str, int] = {}  # by partition, in the database
        self._read: dict[str, int] = {}  # by partition

    def setup(self) -> None:
        """Load what the database holds."""
        self._store.open()
        self._store.prepare(self._projection)
        for row_type in self._projection.row_types:
            for row in self._store.rows(self._projection, row_type):
                self._table.loaded(row)

    def add(
        self,
        value: Any,
        key: Any,
        timestamp: int,  # noqa: ARG002  # the library's signature
        headers: Sequence[tuple[str, Any]],
        topic: str,
        partition: int,
        offset: int,
    ) -> None:
        """Fold a message."""
        source = f"{topic}/{partition}"
        if source not in self._next:
            self._next[source] = self._store.consumed(self._projection, [source]).get(source, 0)
            self._read[source] = self._next[source]
        if offset < self._read[source]:
            return
        of = dict(headers)
        vehicle_id = _vehicle_id(key)
        event = self._decode(of["ce_type"].decode(), value, vehicle_id, int(of["version"]))
        self._table.vehicle_id = vehicle_id
        self._projection.fold(Recorded(int(of["position"]), _micros(of["ce_time"]), event), self._table)
        self._read[source] = offset + 1

    def flush(self) -> None:
        """Write rows and offsets."""
        moved = {each: Moved(self._next[each], read) for each, read in self._read.items() if read != self._next[each]}
        if moved:
            commit = Commit(consumed=moved)
            self._table.written(commit)
            self._store.commit(self._projection, commit)
            self._next.update(self._read)


def project(name: str, version: int, conninfo: str, bootstrap_servers: str, topic: str, group: str) -> None:
    """Fold the events of a topic into the rows of a projection, until the process is stopped."""
    (projection,) = chosen_projections([name])
    app = Application(
        broker_address=bootstrap_servers,
        consumer_group=group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        use_changelog_topics=False,
        commit_every=COMMIT_EVERY,
        commit_interval=COMMIT_INTERVAL_S,
        consumer_extra_config={"isolation.level": "read_committed"},
        loglevel="WARNING",
    )
    events = app.topic(topic, key_deserializer="bytes", value_deserializer="bytes")
    app.dataframe(events).sink(ProjectingSink(replace(projection, version=version), conninfo))
    app.run()


@lru_cache(maxsize=1 << 16)
def _vehicle_id(key: bytes) -> UUID:
    return UUID(key.decode("ascii"))


@lru_cache(maxsize=1 << 10)
def _micros(text: bytes) -> Micros:
    return micros_of(datetime.fromisoformat(text.decode()))
