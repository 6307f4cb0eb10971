"""A log of as many events as wanted: the events of a few vehicles once more, and again, as those of others."""

import hashlib
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import psycopg

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.postgres.event_store import PostgresEventLog
from adapters.vehicle_log import VehicleLog
from domain.events import VehicleEvent

APPENDED_AT_ONCE: Final = 5_000


def append(conninfo: str, events: Sequence[VehicleEvent]) -> list[UUID]:
    """Append events, and register their vehicles; return the ids of these, in order."""
    records = PostgresEventLog.open(conninfo)
    log = VehicleLog(records, AvroCodec(SchemaRegistry.load()))
    for first in range(0, len(events), APPENDED_AT_ONCE):
        log.append(events[first : first + APPENDED_AT_ONCE])
    records.close()
    return registered(conninfo)


def registered(conninfo: str) -> list[UUID]:
    """Note every vehicle that has events in the directory; return their ids, in order."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO directory (vehicle_id, vin, brand, model, registered_at)"
            " SELECT originator_id, 'WVWZZZE1Z' || lpad(row_number() OVER ()::text, 8, '0'), 'Volkswagen', 'ID.3', 1"
            " FROM stored_events WHERE originator_version = 1 ON CONFLICT DO NOTHING"
        )
        connection.execute("VACUUM ANALYZE stored_events")
        found = connection.execute("SELECT vehicle_id FROM directory ORDER BY vehicle_id").fetchall()
    return [vehicle_id for (vehicle_id,) in found]


def copy(conninfo: str, count: int, turn: int) -> None:
    """Copy the first `count` events to the end of the log, as those of other vehicles; each time another `turn`."""
    salt = hashlib.sha256(str(turn).encode()).hexdigest()[:8]
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(
            "INSERT INTO stored_events"
            " (notification_id, recorded_at, originator_version, originator_id, topic, state)"
            " SELECT h.head + e.notification_id, h.moment, e.originator_version,"
            " md5(%s || e.originator_id::text)::uuid, e.topic, e.state"
            " FROM stored_events AS e, (SELECT max(notification_id) AS head, max(recorded_at) AS moment"
            " FROM stored_events) AS h WHERE e.notification_id <= %s",
            [salt, count],
        )
