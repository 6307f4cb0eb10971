"""The bytes of each example, pinned: a change of them is a change of what is in the log already."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.avro import telemetry
from adapters.avro.registry import RegisteredSchema
from adapters.avro.telemetry import TelemetryCodec
from tests.support.events import VEHICLE_ID, codec, example_bytes, example_path, is_written, registry


@pytest.mark.parametrize(
    "schema", registry().by_id.values(), ids=lambda schema: f"{schema.topic}, version {schema.version}"
)
def test_the_bytes_of_an_example_stay_as_they_are(
    schema: RegisteredSchema, golden: Callable[[Path, str], None]
) -> None:
    path = example_path(schema).with_name(f"{schema.definition['name']}.golden.txt")
    written = [again(schema.topic, data) if is_written(schema) else data for data in example_bytes(schema)]
    golden(path, "".join(f"{data.hex()}\n" for data in written))


def again(topic: str, data: bytes) -> bytes:
    """Return the bytes of what the bytes of an example say."""
    if topic == telemetry.TOPIC:
        codec_of_batches = TelemetryCodec(registry())
        return codec_of_batches.encode(codec_of_batches.decode(data, VEHICLE_ID))
    return codec().encode(codec().decode(topic, data, VEHICLE_ID, 1))
