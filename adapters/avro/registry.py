"""The schemas of this release and their ids.

A schema is a file `v<version>/<record>.avsc`: the first version of a topic's schema lies in `v1`, an evolved one in
`v2`, and so on. Its id, which every encoded event carries, is given once in `lock.json` and stays for ever.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import schemas
from domain.errors import BadInputError

SCHEMAS: Final = Path(schemas.__file__).parent / "avro"
LOCK_NAME: Final = "lock.json"
UPDATE_COMMAND: Final = "python -m adapters.avro.lock --update"


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """One version of one topic's schema, as its file has it."""

    path: Path
    topic: str
    version: int
    definition: Mapping[str, Any]

    @property
    def subject(self) -> str:
        """The record's full name: the name of the schema in a schema registry.

        That is Confluent's RecordNameStrategy. The default one, `<Kafka topic>-value`, would hold schemas that share a
        Kafka topic to be versions of each other. Deserializers find a schema by its id, whatever the strategy.
        """
        return f"{self.definition['namespace']}.{self.definition['name']}"

    @property
    def text(self) -> str:
        """The schema as JSON without white space, attributes in the order of the file."""
        return json.dumps(self.definition, ensure_ascii=False, separators=(",", ":"))

    @property
    def sha256(self) -> str:
        """The hash of the whole schema, docs and attributes of our own included, whatever its layout."""
        return _sha256(self.definition)

    @property
    def examples(self) -> Path:
        """The file of examples beside it."""
        return self.path.with_name(f"{self.path.stem}.examples.json")

    @property
    def examples_sha256(self) -> str | None:
        """The hash of its examples, whatever their layout; None where there is no such file."""
        return _sha256(_read_json(self.examples)) if self.examples.exists() else None


class Locked(NamedTuple):
    """What the lock says of a released schema."""

    id: int
    sha256: str
    examples_sha256: str


Lock = Mapping[tuple[str, int], Locked]  # by topic and version


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """A schema and its id."""

    id: int
    topic: str
    version: int
    subject: str
    text: str
    definition: Mapping[str, Any]


class SchemaRegistry:
    """Every schema of this release: by id, and by topic, oldest version first."""

    def __init__(self, registered: Iterable[RegisteredSchema]) -> None:
        ordered = sorted(registered, key=lambda schema: (schema.topic, schema.version))
        self.by_id: Final[Mapping[int, RegisteredSchema]] = {schema.id: schema for schema in ordered}
        self.by_topic: Final[dict[str, tuple[RegisteredSchema, ...]]] = {}
        for schema in ordered:
            self.by_topic[schema.topic] = (*self.by_topic.get(schema.topic, ()), schema)

    @classmethod
    def load(cls, folder: Path = SCHEMAS) -> Self:
        """Read the schemas and the lock. Raises `BadInputError` for what cannot be read or has no id."""
        lock = read_lock(folder)
        registered = []
        for file in read_schemas(folder):
            locked = lock.get((file.topic, file.version))
            if locked is None:
                raise BadInputError("this schema has no id", where=str(file.path), remedy=f"run {UPDATE_COMMAND}")
            schema = RegisteredSchema(locked.id, file.topic, file.version, file.subject, file.text, file.definition)
            registered.append(schema)
        return cls(registered)


def read_schemas(folder: Path) -> tuple[SchemaFile, ...]:
    """Return every schema of `folder`, by version and name. Raises `BadInputError` for a file that is no schema."""
    return tuple(
        _read_schema(path, int(versioned.name[1:]))
        for versioned in sorted(folder.glob("v*"), key=lambda path: int(path.name[1:]))
        for path in sorted(versioned.glob("*.avsc"))
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise BadInputError("this is not JSON", where=f"{path}:{error.lineno}", remedy="correct it") from error


def _sha256(told: Any) -> str:
    canonical = json.dumps(told, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _read_schema(path: Path, version: int) -> SchemaFile:
    definition = _read_json(path)
    try:
        return SchemaFile(path, definition["topic"], version, definition)
    except (KeyError, TypeError) as error:
        remedy = 'give the record the TOPIC of its event as "topic"'
        raise BadInputError("this schema names no topic", where=str(path), remedy=remedy) from error


def read_lock(folder: Path) -> Lock:
    """Return the lock of `folder`; empty where there is none yet."""
    path = folder / LOCK_NAME
    if not path.exists():
        return {}
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
        return {
            (topic, int(version)): Locked(**entry)
            for topic, versions in lock.items()
            for version, entry in versions.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        remedy = "take the last good state of the file from version control"
        raise BadInputError(f"this is no lock of schemas ({error})", where=str(path), remedy=remedy) from error
