"""Schema ids on the topics where a schema registry of somebody else gives them.

The body of a record stays as it is: of its bytes only the four of the id are exchanged, on the way out and on the way
in. The store holds the ids of the lock, whatever registry is configured.
"""

import json
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Final, Protocol, Self

from fastavro.schema import SchemaParseException, UnknownType, parse_schema, to_parsing_canonical_form

from adapters.avro.registry import SchemaRegistry
from adapters.avro.wire import PREFIX, UnreadableError, prefix_of
from domain.errors import UnknownEventError

IDS_REMEMBERED_MAX: Final = 4_096  # of those that the registry was asked for, ours or not

Exchange = Callable[[bytes], bytes]


class ExternalRegistry(Protocol):
    """Gives schemas their ids, and tells schemas by them."""

    def register(self, subject: str, schema: str) -> int:
        """Return the id of a schema, which is registered unless it is there."""

    def schema(self, schema_id: int) -> str | None:
        """Return the schema that has an id; None if none has. Raises StoreError where no answer comes."""


class ExternalIds:
    """The ids of a registry for our own, and back.

    `outgoing` are its ids of our schemas by the first bytes of a record: whoever only reads needs none.
    """

    def __init__(
        self, registry: SchemaRegistry, external: ExternalRegistry, outgoing: Mapping[bytes, bytes] | None = None
    ) -> None:
        self._registry = registry
        self._external = external
        self._outgoing = dict(outgoing or {})
        self._incoming = {theirs: ours for ours, theirs in self._outgoing.items()}
        self._asked = lru_cache(maxsize=IDS_REMEMBERED_MAX)(self._ask)

    @classmethod
    def registered(cls, registry: SchemaRegistry, external: ExternalRegistry) -> Self:
        """Return them with every schema of ours registered, the oldest version of each first."""
        outgoing = {
            prefix_of(schema): PREFIX.pack(0, external.register(schema.subject, schema.text))
            for versions in registry.by_topic.values()
            for schema in versions
        }
        return cls(registry, external, outgoing)

    def to_external(self, data: bytes) -> bytes:
        """Return the bytes of a record as they go out."""
        theirs = self._outgoing.get(data[: PREFIX.size])
        if theirs is None:
            raise UnknownEventError("a record has a schema that this release does not know: a newer one wrote it")
        return theirs + data[PREFIX.size :]

    def to_local(self, data: bytes) -> bytes:
        """Return the bytes of a record as our codecs read them; those of another format stay as they are.

        Raises UnreadableError for a schema that is none of ours, StoreError where the registry does not say.
        """
        if len(data) < PREFIX.size or data[0] != 0:
            return data
        theirs = data[: PREFIX.size]
        ours = self._incoming.get(theirs) or self._asked(theirs)
        if ours is None:
            _, schema_id = PREFIX.unpack(theirs)
            raise UnreadableError(f"in the schema registry the id {schema_id} is of no schema of ours")
        return ours + data[PREFIX.size :]

    def _ask(self, theirs: bytes) -> bytes | None:
        _, schema_id = PREFIX.unpack(theirs)
        text = self._external.schema(schema_id)
        form = None if text is None else _canonical_form(text)
        return None if form is None else self._by_form.get(form)

    @cached_property
    def _by_form(self) -> dict[str, bytes]:
        """What records of our schemas begin with, by schema.

        Canonical forms are compared, as registries keep texts their own way: whatever has the same form has the same
        bytes.
        """
        return {
            form: prefix_of(schema)
            for schema in self._registry.by_id.values()
            if (form := _canonical_form(schema.text)) is not None
        }


def _canonical_form(text: str) -> str | None:
    """Return the Parsing Canonical Form of the Avro specification; None for what is no schema."""
    try:
        return to_parsing_canonical_form(parse_schema(json.loads(text)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, SchemaParseException, UnknownType):
        return None
