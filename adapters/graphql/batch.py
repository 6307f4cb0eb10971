"""The batch that an event was decided with, and what this came from."""

from collections.abc import Callable
from typing import NamedTuple

import strawberry

from adapters.graphql.fields import computed
from adapters.graphql.scalars import Int64
from domain.signals import Origin


class Batch(NamedTuple):
    """A piece of what a vehicle sent; what it came from is read when it is first asked for."""

    stream_id: str
    sequence: int
    origin: Callable[[], Origin | None]


@strawberry.type(description="What turned what a car sent into samples, as its stream told.")
class BatchOrigin:
    """What turned what a car sent into samples."""

    origin: strawberry.Private[Origin]

    decoder: str = computed(
        lambda each: each.origin.decoder,
        "The program with its version, the format, and each file that it decoded with, by name and SHA-256.",
    )
    mapping: str = computed(
        lambda each: each.origin.mapping,
        'Each mapping file by name and SHA-256; "none": rows that name VSS paths themselves.',
    )


@strawberry.type(description="A piece of what a vehicle sent.")
class TelemetryBatch:
    """A piece of what a vehicle sent."""

    batch: strawberry.Private[Batch]

    stream_id: str = computed(lambda each: each.batch.stream_id, "A recording, or a session of a live bus.")
    sequence: Int64 = computed(lambda each: each.batch.sequence, "1, 2, 3 … in its stream.")
    origin: BatchOrigin | None = computed(
        lambda each: _told(each.batch.origin()), "Null: it was not recorded; nothing is guessed."
    )


def _told(origin: Origin | None) -> BatchOrigin | None:
    return None if origin is None else BatchOrigin(origin=origin)
