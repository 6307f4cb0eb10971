"""The bytes of each example, pinned: a change of them is a change of what is in the log already."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.avro import telemetry
from adapters.avro.registry import RegisteredSchema
from adapters.avro.telemetry import TelemetryCodec
from tests.support.events import VEHICLE_ID, codec, example_bytes, example_path, registry


@pytest.mark.parametrize(
    "schema", registry().by_id.values(), ids=lambda schema: f"{schema.topic}, version {schema.version}"
)
def test_the_bytes_of_an_example_stay_as_they_are(
    schema: RegisteredSchema, golden: Callable[[Path, str], None]
) -> None:
    path = example_path(schema).with_name(f"{schema.definition['name']}.golden.txt")
    golden(path, "".join(f"{again(schema, data).hex()}\n" for data in example_bytes(schema)))


def again(schema: RegisteredSchema, data: bytes) -> bytes:
    """Return the bytes of what the bytes of an example say; those of an older version are read, and stay."""
    if schema.topic == telemetry.TOPIC:
        batches = TelemetryCodec(registry())
        written = batches.encode(batches.decode(data, VEHICLE_ID))
    else:
        written = codec().encode(codec().decode(schema.topic, data, VEHICLE_ID, 1))
    return written if schema is registry().by_topic[schema.topic][-1] else data
