"""The partition of a key: murmur2, as every Kafka client computes it, so that anyone's records of a vehicle meet ours.

The client's own partitioner is pure Python and asked for every record; here the answer of a key is remembered.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from domain.errors import BadInputError

KEYS_REMEMBERED_MAX: Final = 1 << 18  # some 60 MB; a larger fleet forgets the keys silent for longest

# Appleby's constants, and the seed that Kafka chose
_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
_WORD_BYTES: Final = 4
_POSITIVE: Final = 0x7FFFFFFF


@lru_cache(maxsize=KEYS_REMEMBERED_MAX)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a record with this key in a topic of so many partitions."""
    return (murmur2(key) & _POSITIVE) % partitions


def murmur2(data: bytes) -> int:
    """Return the 32-bit MurmurHash2 of some bytes, unsigned."""
    whole = len(data) - len(data) % _WORD_BYTES
    found = _SEED ^ len(data)
    for at in range(0, whole, _WORD_BYTES):
        word = int.from_bytes(data[at : at + _WORD_BYTES], "little") * _MULTIPLIER & _WORD
        word = (word ^ word >> 24) * _MULTIPLIER & _WORD
        found = found * _MULTIPLIER & _WORD ^ word
    if whole < len(data):
        found = (found ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _WORD
    found = (found ^ found >> 13) * _MULTIPLIER & _WORD
    return found ^ found >> 15


class PartitionsError(BadInputError):
    """A topic has another number of partitions than it should: to wait does not help."""


def check_partitions(found: Mapping[str, int], partitions: int) -> None:
    """Raise PartitionsError for a topic that has another number of partitions than it should."""
    for name, count in found.items():
        if count != partitions:
            raise PartitionsError(
                f"has {count} partitions, and the settings say {partitions}",
                where=f"topic {name}",
                remedy=f"set FLEETTWIN_KAFKA_PARTITIONS={count}, or delete the topic and run"
                " `fleettwin topics create`: another number would mix up the order of a vehicle",
            )
