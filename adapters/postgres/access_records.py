"""Who was shown personal data, as PostgreSQL keeps it: what the operator reads. It is written by the twins' readers."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

import psycopg

from adapters.access import Shown, ShownOnce
from adapters.postgres.arrays import array
from adapters.postgres.datastore import Datastore
from domain.errors import StoreError

INSERT: Final[LiteralString] = (
    "INSERT INTO access_records (request_id, client, subject, vehicle_ids, fields)"
    " SELECT %s, %s, %s, r.vehicle_ids, r.fields FROM jsonb_to_recordset(%s::jsonb)"
    " AS r (vehicle_ids uuid[], fields text[])"
)


def insert_parameters(shown: Shown) -> list[object]:
    """Return the parameters of `INSERT`: one row for all vehicles of which the same was shown."""
    alike: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for vehicle_id, fields in shown.fields.items():
        alike[tuple(sorted(fields))].append(str(vehicle_id))
    rows = [{"vehicle_ids": vehicle_ids, "fields": fields} for fields, vehicle_ids in alike.items()]
    return [shown.request_id, shown.client, shown.subject, json.dumps(rows)]


class PostgresAccessRecords:
    """What is on record. Raises StoreError when the database does not answer."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore

    def of_vehicle(self, vehicle_id: UUID, limit: int) -> Sequence[ShownOnce]:
        """Return who was shown what of a vehicle, newest first."""
        statement: LiteralString = (
            "SELECT recorded_at, request_id, client, subject, fields FROM access_records"
            " WHERE vehicle_ids @> %b::uuid[] ORDER BY id DESC LIMIT %s"
        )
        try:
            with self._datastore.connect() as connection, connection.cursor(binary=True) as cursor:
                found = cursor.execute(statement, [array("uuid", [vehicle_id]), limit]).fetchall()
        except psycopg.Error as error:
            msg = f"the access records cannot be reached: {str(error).partition(chr(10))[0]}"
            raise StoreError(msg) from error
        return [ShownOnce._make(row) for row in found]
