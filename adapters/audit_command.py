"""What `fleettwin audit` shows: who was shown personal data of a vehicle."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from rich.console import RenderableType
from rich.text import Text

from adapters.clock import iso_time
from adapters.screens import table
from adapters.terminal import err
from adapters.wiring import FleetTwin

LISTED_MAX: Final = 10_000


def audit_data(twin: FleetTwin, vehicle_id: UUID) -> list[dict[str, Any]]:
    """Return who was shown what, newest first."""
    found = twin.access_records.of_vehicle(vehicle_id, LISTED_MAX + 1)
    if len(found) > LISTED_MAX:
        err.print(f"these are the newest {LISTED_MAX}; the table access_records has the others")
    return [
        {
            "recordedAt": iso_time(each.recorded_at),
            "requestId": str(each.request_id),
            "client": each.client,
            "subject": each.subject,
            "fields": list(each.fields),
        }
        for each in found[:LISTED_MAX]
    ]


def audit_screen(found: Sequence[dict[str, Any]]) -> RenderableType:
    """Return it as a table."""
    if not found:
        return Text("nobody has been shown personal data of it")
    rows = [{**each, "fields": ", ".join(each["fields"])} for each in found]
    return table("access", rows, ("recordedAt", "client", "subject", "requestId", "fields"))
