"""What is appended, as the arrays that the server's functions take, and ranges of sequence numbers both ways."""

from collections.abc import Sequence

from eventsourcing.persistence import StoredEvent
from psycopg.types.multirange import Multirange

from adapters.event_log import ConsumedChange, DirectoryEntry, ProgressChange
from adapters.postgres.arrays import ArrayParameter, array
from domain.streams import StreamProgress


def append_call(
    events: Sequence[StoredEvent],
    progress: Sequence[ProgressChange],
    directory: Sequence[DirectoryEntry],
    consumed: Sequence[ConsumedChange],
) -> tuple[bytes, list[ArrayParameter]]:
    """Return the name of the function that appends all this, and its arguments."""
    of_events = [
        array("uuid", [event.originator_id for event in events]),
        array("bigint", [event.originator_version for event in events]),
        array("text", [event.topic for event in events]),
        array("bytea", [event.state for event in events]),
    ]
    if not progress and not directory and not consumed:
        return b"append_events", of_events
    with_progress = [
        *of_events,
        array("uuid", [change.vehicle_id for change in progress]),
        array("text", [change.after.stream_id for change in progress]),
        *_of_progress([change.before for change in progress]),
        *_of_progress([change.after for change in progress]),
        array("uuid", [entry.vehicle_id for entry in directory]),
        array("text", [entry.vin for entry in directory]),
        array("text", [entry.brand for entry in directory]),
        array("text", [entry.model for entry in directory]),
        array("bigint", [entry.registered_at for entry in directory]),
    ]
    told = [(change, *each) for change in progress for each in change.origins]
    if not consumed and not told:
        return b"append_with_progress", with_progress
    with_consumed = [
        *with_progress,
        array("text", [step.source for step in consumed]),
        array("bigint", [step.before for step in consumed]),
        array("bigint", [step.after for step in consumed]),
    ]
    if not told:
        return b"append_consumed", with_consumed
    return b"append_with_origins", [
        *with_consumed,
        array("uuid", [change.vehicle_id for change, _, _ in told]),
        array("text", [change.after.stream_id for change, _, _ in told]),
        array("bigint", [sequence for _, sequence, _ in told]),
        array("text", [origin.decoder for _, _, origin in told]),
        array("text", [origin.mapping for _, _, origin in told]),
    ]


def missing_ranges(missing: Multirange[int]) -> tuple[tuple[int, int], ...]:
    """Return ranges as PostgreSQL normalises them, [first, last), with their last number included."""
    ranges = []
    for each in missing:
        assert each.lower is not None
        assert each.upper is not None
        ranges.append((each.lower, each.upper - 1))
    return tuple(ranges)


def _of_progress(progress: Sequence[StreamProgress]) -> list[ArrayParameter]:
    missing = ["{" + ",".join(f"[{first},{last}]" for first, last in each.missing) + "}" for each in progress]
    return [
        array("bigint", [each.last_sequence for each in progress]),
        array("text", missing),
        array("boolean", [each.final for each in progress]),
    ]
