"""The bytes of each example, pinned: a change of them is a change of what is in the log already."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.avro.registry import RegisteredSchema
from tests.support.events import VEHICLE_ID, codec, example_bytes, example_path, registry


@pytest.mark.parametrize(
    "schema", registry().by_id.values(), ids=lambda schema: f"{schema.topic}, version {schema.version}"
)
def test_the_bytes_of_an_example_stay_as_they_are(
    schema: RegisteredSchema, golden: Callable[[Path, str], None]
) -> None:
    events = [codec().decode(schema.topic, data, VEHICLE_ID, 1) for data in example_bytes(schema)]
    path = example_path(schema).with_name(f"{schema.definition['name']}.golden.txt")
    golden(path, "".join(f"{codec().encode(event).hex()}\n" for event in events))
