"""How far relays have come, as they note it: the offsets of their group are positions of the log.

Each says which topic it is about (sources.py): a topic that was deleted and made anew holds nothing of what was
published into the one before, whatever was noted of that. And it says which event of the log is there: a log that was
restored from a backup and has grown since has another one.
"""

from hashlib import sha256
from typing import Final

from kafka import OffsetAndMetadata

from adapters.event_log import StoredRecord
from adapters.kafka.last_record import EventLog
from domain.errors import StoreError

_REMEDY: Final = (
    "restore a newer one, or, to go on with this one, stop every `fleettwin run relay` and make the topic anew with"
    " `fleettwin republish --recreate`"
)


class BehindKafkaError(StoreError):
    """The topic holds events that the log does not have."""


def noted(position: int, identity: str, mark: str) -> OffsetAndMetadata:
    """Return what is committed for a partition of the topic with this id that is published up to a position."""
    return OffsetAndMetadata(position, f"{identity}:{mark}", -1)


def mark_of(record: StoredRecord | None) -> str:
    """Return what tells an event of the log from another one that has its position; nothing where there is none."""
    if record is None:
        return ""
    place = f"{record.position} {record.originator_id} {record.version} {record.recorded_at} "
    return sha256(place.encode() + record.state).hexdigest()[:16]


def mark_in(said: OffsetAndMetadata | None) -> str:
    """Return the mark that was noted; relays once noted none."""
    return "" if said is None else str(said.metadata or "").partition(":")[2]


def about_another(said: OffsetAndMetadata | None, identity: str) -> bool:
    """Return whether what was noted is about another topic than the one with this id.

    Without an id it counts as about this one: relays once noted none.
    """
    return said is not None and bool(said.metadata) and said.metadata.partition(":")[0] != identity


def position_in(said: OffsetAndMetadata | None, identity: str) -> int | None:
    """Return the position that was noted of the topic with this id, 0 if of another; None where none was noted."""
    if said is None or said.offset < 0:
        return None
    return 0 if about_another(said, identity) else int(said.offset)


def event_at(log: EventLog, position: int) -> StoredRecord | None:
    """Return the event of a log at a position, none before the first."""
    return next(iter(log.read(position - 1, 1)), None) if position else None


def check_log(log: EventLog, where: str, published: int, mark: str = "") -> None:
    """Raise BehindKafkaError unless the log has what was published, with `mark` the very event that has it."""
    newest = log.last_position()
    if published > newest:
        raise BehindKafkaError(
            f"{where} has events up to position {published}, the log ends at {newest}: it is older than what was"
            f" published (a restored backup?); {_REMEDY}"
        )
    if mark and mark != mark_of(event_at(log, published)):
        raise another_event(where, published)


def another_event(where: str, position: int) -> BehindKafkaError:
    """Return the error of a log that has another event at a position than the one that was published."""
    return BehindKafkaError(
        f"{where} has another event at position {position} than the log: the log is not the one that was"
        f" published (a backup that was restored and has grown since?); {_REMEDY}"
    )
