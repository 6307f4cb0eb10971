"""The lock of the schemas: what is released stays as it is, since events in the log are read with it for ever.

So do the examples beside each: they are what tests know of the events that were written with it.
`python -m adapters.avro.lock --check` ends with status 1 where a released schema or its examples changed or are gone,
where one is not locked, and where a new version does more than add optional fields. `--update` gives new schemas their
ids; it changes nothing that is locked.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastavro import parse_schema
from fastavro.schema import SchemaParseException, UnknownType

from adapters.avro.registry import LOCK_NAME, SCHEMAS, UPDATE_COMMAND, Lock, Locked, SchemaFile, read_lock, read_schemas
from domain.errors import BadInputError

_COMPATIBLE_CHANGES = {"doc"}  # what a new version may say otherwise of a record or a field


def faults(files: Sequence[SchemaFile], lock: Lock) -> list[str]:
    """Return what is wrong with the schemas themselves, or against the lock; schemas without a lock are not."""
    found = [fault for file in files for fault in _schema_faults(file, lock)]
    known = {(file.topic, file.version) for file in files}
    found += [
        f"{topic}, version {version}: released, but its file is gone"
        for topic, version in lock
        if (topic, version) not in known
    ]
    by_topic: dict[str, list[SchemaFile]] = {}
    for file in files:
        by_topic.setdefault(file.topic, []).append(file)
    for versions in by_topic.values():
        if [file.version for file in versions] != list(range(1, len(versions) + 1)):
            found.append(
                f"{versions[-1].path}: versions of {versions[-1].topic} must be 1, 2, 3 … without a hole or a double"
            )
        for older, newer in pairwise(versions):
            found += [f"{newer.path}: {fault}" for fault in _evolution_faults(older, newer)]
    ids = [locked.id for locked in lock.values()]
    if len(set(ids)) < len(ids):
        found.append(f"{LOCK_NAME}: an id is given twice")
    found += [
        f"{LOCK_NAME}: nothing has the id {gone}: the entry of a released schema is gone"
        for gone in sorted(set(range(1, max(ids, default=0) + 1)) - set(ids))
    ]
    return found


def _schema_faults(file: SchemaFile, lock: Lock) -> Iterator[str]:
    try:
        parse_schema(dict(file.definition))
    except (SchemaParseException, UnknownType) as error:
        yield f"{file.path}: no Avro schema: {error}"
    if file.definition.get("type") != "record" or file.path.stem != file.definition.get("name"):
        yield f"{file.path}: must be a record that has the name of the file"
    locked = lock.get((file.topic, file.version))
    if locked and locked.sha256 != file.sha256:
        yield f"{file.path}: a released schema has changed: restore it, and put the change into v{file.version + 1}"
    examples = file.examples_sha256
    if examples is None:
        yield f"{file.examples}: a schema needs examples: {'restore' if locked else 'write'} them"
    elif locked and locked.examples_sha256 != examples:
        yield f"{file.examples}: the examples of a released schema have changed: restore them"


def _evolution_faults(older: SchemaFile, newer: SchemaFile) -> Iterator[str]:
    """Yield what `newer` does beyond adding optional fields with a default at the end."""
    if _told(older.definition, besides={"fields"}) != _told(newer.definition, besides={"fields"}):
        yield f"the record differs from version {older.version} in more than its fields"
    fields, before = newer.definition["fields"], older.definition["fields"]
    if [_told(field) for field in fields[: len(before)]] != [_told(field) for field in before]:
        yield f"fields of version {older.version} were changed, moved or left out"
    for field in fields[len(before) :]:
        kind = field["type"]
        if not isinstance(kind, list) or kind[0] != "null" or field.get("default", ...) is not None:
            yield f'the new field {field["name"]} is not optional: a union that begins with "null", default null'


def _told(described: Mapping[str, Any], *, besides: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    return {key: value for key, value in described.items() if key not in _COMPATIBLE_CHANGES | besides}


def unlocked(files: Sequence[SchemaFile], lock: Lock) -> list[SchemaFile]:
    """Return the schemas that have no id yet."""
    return [file for file in files if (file.topic, file.version) not in lock]


def extended(files: Sequence[SchemaFile], lock: Lock) -> Lock:
    """Return the lock with the next ids for the schemas that have none, in the order of `files`."""
    first = max((locked.id for locked in lock.values()), default=0) + 1
    found = dict(lock)
    for number, file in enumerate(unlocked(files, lock), start=first):
        examples = file.examples_sha256
        assert examples is not None  # `faults` says so before
        found[file.topic, file.version] = Locked(number, file.sha256, examples)
    return found


def write_lock(folder: Path, lock: Lock) -> None:
    """Write the lock of `folder`, sorted by topic and version."""
    topics: dict[str, dict[str, dict[str, int | str]]] = {}
    for (topic, version), locked in sorted(lock.items()):
        topics.setdefault(topic, {})[str(version)] = locked._asdict()
    (folder / LOCK_NAME).write_text(json.dumps(topics, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str], folder: Path = SCHEMAS) -> int:
    """Check or update the lock of `folder`; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m adapters.avro.lock", description=__doc__)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--check", action="store_true", help="status 1 where a rule is broken")
    task.add_argument("--update", action="store_true", help="give new schemas their ids")
    update: bool = parser.parse_args(arguments).update
    try:
        files, lock = read_schemas(folder), read_lock(folder)
        new, found = unlocked(files, lock), faults(files, lock)
    except BadInputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not update:
        found += [f"{file.path}: not locked: run {UPDATE_COMMAND}" for file in new]
    if not files:
        found.append(f"{folder}: no schema here")
    if found:
        sys.stderr.write("".join(f"{fault}\n" for fault in found))
        return 1
    if update and new:
        write_lock(folder, extended(files, lock))
    sys.stdout.write(
        f"{len(files)} schemas, {'newly ' if update else 'all '}locked{f': {len(new)}' if update else ''}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
