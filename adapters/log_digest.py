"""A fingerprint of a log: the same for the same events in the same order, byte by byte."""

from functools import lru_cache
from hashlib import sha256
from struct import Struct
from typing import Final

from adapters.event_log import StoredRecord

TOPICS_MAX: Final = 256  # whose bytes are at hand
# Position, vehicle, version, time of recording, and the lengths of the topic and of the bytes that follow: so where one
# event ends and the next one begins is never in doubt.
_HEAD: Final = Struct(">q16sqqII")


class LogDigest:
    """The SHA-256 of events, each with its place in the log."""

    def __init__(self) -> None:
        self._found = sha256()

    def add(self, record: StoredRecord) -> None:
        """Go on with the next event."""
        topic, state = _utf8(record.topic), record.state
        lengths = len(topic), len(state)
        head = _HEAD.pack(record.position, record.originator_id.bytes, record.version, record.recorded_at, *lengths)
        self._found.update(head + topic + state)

    def __str__(self) -> str:
        """Return it in hexadecimal."""
        return self._found.hexdigest()


@lru_cache(TOPICS_MAX)
def _utf8(topic: str) -> bytes:
    return topic.encode()
