"""Ids of a registry for our own: nothing but four bytes changes, and nothing is taken for what it is not."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.avro import external_ids as module
from adapters.avro.external_ids import ExternalIds
from adapters.avro.registry import RegisteredSchema, SchemaRegistry
from adapters.avro.telemetry import TOPIC, TelemetryCodec
from adapters.avro.wire import PREFIX, UnreadableError
from domain.errors import StoreError, UnknownEventError
from tests.support.events import VEHICLE_ID, example_bytes, registry

OURS = registry()
SCHEMAS = list(OURS.by_id.values())


class Registry:
    """A registry that gives ids of its own choice, and can be away."""

    def __init__(self, first_id: int = 2) -> None:
        self.texts: dict[int, str] = {}
        self.asked: Counter[int] = Counter()
        self.away = False
        self._next = first_id  # by default many are ids of ours, of other schemas

    def register(self, subject: str, schema: str) -> int:
        assert json.loads(schema)["name"] == subject.rpartition(".")[2]
        return next((found for found, text in self.texts.items() if text == schema), None) or self.add(schema)

    def add(self, schema: str) -> int:
        self._next += 1
        self.texts[self._next] = schema
        return self._next

    def schema(self, schema_id: int) -> str | None:
        self.asked[schema_id] += 1
        if self.away:
            raise StoreError("away")
        return self.texts.get(schema_id)


WRITER = ExternalIds.registered(OURS, Registry())


@given(schema=st.sampled_from(SCHEMAS), body=st.binary())
def test_out_and_in_again_is_the_same_and_only_the_id_was_another(schema: RegisteredSchema, body: bytes) -> None:
    data = PREFIX.pack(0, schema.id) + body
    out = WRITER.to_external(data)
    assert out[PREFIX.size :] == body
    assert out[0] == 0
    assert WRITER.to_local(out) == data


def test_who_only_reads_asks_once_for_each_id_whatever_the_layout_of_the_schema() -> None:
    external = Registry()
    ids = {external.add(json.dumps(schema.definition, indent=2, sort_keys=True)): schema for schema in SCHEMAS}
    reader = ExternalIds(OURS, external)
    for _ in range(3):
        for number, schema in ids.items():
            assert reader.to_local(PREFIX.pack(0, number) + b"x") == PREFIX.pack(0, schema.id) + b"x"
    assert external.asked == Counter(dict.fromkeys(ids, 1))


@pytest.mark.parametrize(
    "text",
    ['"bytes"', '{"type": "record", "name": "TripStarted", "fields": []}', "{", '{"type": 3}', "[[]]", "[" * 100_000],
)
def test_a_schema_that_is_none_of_ours_is_unreadable_and_asked_for_once(text: str) -> None:
    external = Registry()
    number = external.add(text)
    reader = ExternalIds(OURS, external)
    for wanted in (number, 77_777) * 2:
        with pytest.raises(UnreadableError, match=f"^in the schema registry the id {wanted} is of no schema of ours$"):
            reader.to_local(PREFIX.pack(0, wanted))
    assert external.asked == {number: 1, 77_777: 1}


def test_a_registry_that_does_not_answer_makes_nothing_unreadable() -> None:
    external = Registry()
    number = external.add(SCHEMAS[0].text)
    reader = ExternalIds(OURS, external)
    external.away = True
    for _ in range(2):
        with pytest.raises(StoreError, match="away"):
            reader.to_local(PREFIX.pack(0, number))
    external.away = False
    assert reader.to_local(PREFIX.pack(0, number)) == PREFIX.pack(0, SCHEMAS[0].id)


def test_ids_that_were_asked_for_are_forgotten_one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDS_REMEMBERED_MAX", 2)
    external = Registry()
    reader = ExternalIds(OURS, external)
    for number in (900, 901, 902, 900):
        with pytest.raises(UnreadableError):
            reader.to_local(PREFIX.pack(0, number))
    assert external.asked[900] == 2


@pytest.mark.parametrize("data", [b"", b"\0\0\0\1", b"{}", b"\1\0\0\0\1x"])
def test_what_is_no_wire_format_stays_as_it_is(data: bytes) -> None:
    external = Registry()
    assert ExternalIds(OURS, external).to_local(data) == data
    assert not external.asked


def test_an_event_of_a_newer_release_does_not_go_out() -> None:
    with pytest.raises(UnknownEventError, match="a newer one wrote it"):
        WRITER.to_external(PREFIX.pack(0, 9_999) + b"x")


def test_older_versions_of_a_schema_are_registered_first() -> None:
    text = SCHEMAS[0].text
    versions = [RegisteredSchema(90 - version, "t", version, "x.T", text[:-version], {}) for version in (3, 1, 2)]
    registered: list[str] = []

    class Listing(Registry):
        def register(self, subject: str, schema: str) -> int:
            registered.append(f"{subject} {len(text) - len(schema)}")
            return len(registered)

    ExternalIds.registered(SchemaRegistry(versions), Listing())
    assert registered == ["x.T 1", "x.T 2", "x.T 3"]


def test_telemetry_goes_out_with_theirs_and_comes_in_with_theirs_only() -> None:
    external = Registry(1_000)
    (data, *_) = example_bytes(OURS.by_topic[TOPIC][-1])
    batch = TelemetryCodec(OURS).decode(data, VEHICLE_ID)
    out = TelemetryCodec(OURS, ExternalIds.registered(OURS, external)).encode(batch)
    reader = TelemetryCodec(OURS, ExternalIds(OURS, external))
    assert PREFIX.unpack_from(out)[1] > 1_000
    assert reader.decode(out, VEHICLE_ID) == batch
    with pytest.raises(UnreadableError, match="of no schema of ours"):
        reader.decode(data, VEHICLE_ID)
