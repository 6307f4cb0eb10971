"""What a later version of a schema does to the events in the log, with a made-up second version."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.avro import lock
from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SCHEMAS, SchemaRegistry
from adapters.avro.wire import PREFIX
from domain import events as e
from domain.errors import UnknownEventError
from domain.units import Micros
from tests.support.events import VEHICLE_ID, codec, example_events, registry

TOPIC: Final = e.MediaSourceSelected.TOPIC
TOLD: Final[dict[str, Any]] = {
    "originator_id": VEHICLE_ID,
    "originator_version": 7,
    "captured_at": Micros(1),
    "received_at": Micros(2),
    "stream_id": "s",
    "sequence": 3,
    "source": "RADIO",
    "initial": True,
}


@dataclass(frozen=True, kw_only=True)
class MediaSourceSelected(e.StreamEvent):
    """The event as a later release has it."""

    TOPIC = TOPIC

    source: str
    initial: bool
    app: str | None = None


@pytest.fixture
def later(tmp_path: Path) -> AvroCodec:
    """Return the codec of a release whose event has one field more."""
    folder = Path(shutil.copytree(SCHEMAS, tmp_path / "avro"))
    schema = json.loads((folder / "v1" / "MediaSourceSelected.avsc").read_text(encoding="utf-8"))
    schema["fields"].append({"name": "app", "type": ["null", "string"], "default": None, "doc": "The app that plays."})
    (folder / "v2").mkdir(exist_ok=True)
    (folder / "v2" / "MediaSourceSelected.avsc").write_text(json.dumps(schema), encoding="utf-8")
    examples = json.loads((folder / "v1" / "MediaSourceSelected.examples.json").read_text(encoding="utf-8"))
    told = [examples[0] | {"app": {"string": "Podcasts"}}, examples[-1] | {"app": None}]
    (folder / "v2" / "MediaSourceSelected.examples.json").write_text(json.dumps(told), encoding="utf-8")
    assert lock.main(["--update"], folder) == 0
    others = [event_type for event_type in e.EVENT_TYPES if event_type is not e.MediaSourceSelected]
    return AvroCodec(SchemaRegistry.load(folder), (*others, MediaSourceSelected))


def test_an_event_of_the_first_version_gets_the_default_of_the_second(later: AvroCodec) -> None:
    data = codec().encode(e.MediaSourceSelected(**TOLD))
    event = later.decode(TOPIC, data, VEHICLE_ID, 7)
    assert event == MediaSourceSelected(**TOLD, app=None)
    assert vars(event)["app"] is None  # not only the default of the class


def test_new_events_are_written_with_the_newest_version(later: AvroCodec) -> None:
    event = MediaSourceSelected(**TOLD, app="Podcasts")
    data = later.encode(event)
    _, schema_id = PREFIX.unpack_from(data)
    assert schema_id == len(registry().by_id) + 1
    assert later.decode(TOPIC, data, VEHICLE_ID, 7) == event


def test_an_old_release_refuses_an_event_of_a_version_that_it_does_not_know(later: AvroCodec) -> None:
    data = later.encode(MediaSourceSelected(**TOLD))
    with pytest.raises(UnknownEventError, match=f"no schema has the id {len(registry().by_id) + 1}"):
        codec().decode(TOPIC, data, VEHICLE_ID, 7)


def test_every_example_of_every_version_is_read_by_a_later_release(later: AvroCodec) -> None:
    for event in example_events():
        back = later.decode(event.TOPIC, codec().encode(event), VEHICLE_ID, event.originator_version)
        assert vars(back).items() >= vars(event).items()
