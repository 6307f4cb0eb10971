"""Mapping files: which signal of a car becomes which VSS path.

Read are the two forms that Eclipse KUKSA's CAN provider uses, a vspec overlay (`<path>: {datatype, type, dbc2vss}`) and
the VSS tree in JSON that `vspec export json -e dbc2vss` makes of it, each with our own additions under `x-fleettwin`
(see `schemas/vss/README.md`).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final

from adapters.signals.blocks import is_number
from adapters.signals.catalogue import Catalogue, leaves
from adapters.signals.documents import Block, parsed_document, read_document
from adapters.signals.entries import OWN_BLOCK, EntryReader
from adapters.signals.rules import HEARTBEAT_US, ChangeRule, MappingFile, SignalMapping, SignalRule
from domain.errors import BadInputError

_HEADER_KEYS: Final = ("dbc", "platform", "heartbeat_ms")
_SUFFIXES: Final = (".yaml", ".yml", ".json", ".vspec")


def mapping_names() -> tuple[str, ...]:
    """Return the names of the mappings that come with the package."""
    return tuple(sorted(Path(entry.name).stem for entry in _bundled().iterdir() if entry.name.endswith(".yaml")))


def load_mapping(name_or_path: str | Path, catalogue: Catalogue) -> SignalMapping:
    """Return the mapping of this name, or of this file; raises BadInputError naming file, line and remedy."""
    given = str(name_or_path)
    if given in mapping_names():
        with resources.as_file(_bundled() / f"{given}.yaml") as path:
            return _read(path, given, catalogue)
    path = Path(name_or_path)
    if not path.exists() and path.suffix not in _SUFFIXES:
        remedy = f"give one of {', '.join(mapping_names())}, or the path of a mapping file"
        raise BadInputError("no mapping of this name", where=given, remedy=remedy)
    return _read(path, path.name, catalogue)


def combined(mappings: Sequence[SignalMapping]) -> SignalMapping:
    """Return several mappings as one.

    Where several map a path, the sources of an earlier one are preferred, and its change rule counts.
    """
    if len(mappings) == 1:
        return mappings[0]
    ranks: dict[str, int] = {}
    rules: list[SignalRule] = []
    changes: dict[str, ChangeRule] = {}
    for mapping in mappings:
        for rule in mapping.rules:
            rules.append(replace(rule, rank=ranks.get(rule.path, 0)))
            ranks[rule.path] = ranks.get(rule.path, 0) + 1
        changes = {**mapping.changes, **changes}
    return _mapping(
        "+".join(mapping.name for mapping in mappings),
        rules,
        changes,
        tuple(dict.fromkeys(file for mapping in mappings for file in mapping.dbc_files)),
        tuple(dict.fromkeys(platform for mapping in mappings for platform in mapping.platforms)),
        tuple(dict.fromkeys(file for mapping in mappings for file in mapping.files)),
    )


def _bundled() -> Any:
    return resources.files("schemas").joinpath("vss")


def _read(path: Path, name: str, catalogue: Catalogue) -> SignalMapping:
    raw = read_document(path)
    document = parsed_document(raw, path)
    header = _header(document, path)
    reader = EntryReader(str(path), catalogue, round(header.get("heartbeat_ms", HEARTBEAT_US / 1000) * 1000))
    rules: list[SignalRule] = []
    changes: dict[str, ChangeRule] = {}
    for vss_path, node, line in _entries(document):
        if (read := reader.read(vss_path, node, line)) is not None:
            rules += read[0]
            changes[vss_path] = read[1]
    if not rules:
        remedy = "give a vspec overlay with dbc2vss blocks, or the VSS tree made of one"
        raise BadInputError("maps no signal", where=str(path), remedy=remedy)
    dbc = header.get("dbc", [])
    return _mapping(
        name,
        rules,
        changes,
        tuple(str(file) for file in ([dbc] if isinstance(dbc, str) else dbc)),
        (str(header["platform"]),) if "platform" in header else (),
        (MappingFile(name, hashlib.sha256(raw).hexdigest()),),
    )


def _header(document: Block, path: Path) -> Block:
    header = document.get(OWN_BLOCK, Block())
    if not isinstance(header, Block):
        what = f"`{OWN_BLOCK}` is no block"
    elif unknown := [key for key in header if key not in _HEADER_KEYS]:
        what = f"`{OWN_BLOCK}` has the unknown key `{unknown[0]}`"
    elif not is_number(heartbeat_ms := header.get("heartbeat_ms", 0)) or heartbeat_ms < 0:
        what = f"`heartbeat_ms` is {heartbeat_ms!r}, which is no number of 0 or more"
    elif not isinstance(header.get("dbc", ""), str | list):
        what = "`dbc` is neither a file name nor a list of them"
    else:
        return header
    where = f"{path}:{document.line(OWN_BLOCK)}"
    raise BadInputError(what, where=where, remedy=f"use {', '.join(_HEADER_KEYS)}")


def _entries(document: Block) -> Iterator[tuple[str, Block, int]]:
    for key, node in document.items():
        if not isinstance(node, Block) or key == OWN_BLOCK:
            continue
        if "children" in node:
            yield from ((path, leaf, 0) for path, leaf in leaves({key: node}) if isinstance(leaf, Block))
        else:
            yield key, node, document.line(key)


def _mapping(
    name: str,
    rules: list[SignalRule],
    changes: dict[str, ChangeRule],
    dbc_files: tuple[str, ...],
    platforms: tuple[str, ...],
    files: tuple[MappingFile, ...],
) -> SignalMapping:
    content = {
        "rules": [_content(rule) for rule in rules],
        "changes": {path: asdict(rule) for path, rule in changes.items()},
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return SignalMapping(name, tuple(rules), changes, digest, dbc_files, platforms, files)


def _content(rule: SignalRule) -> dict[str, Any]:
    content = asdict(rule)
    del content["unit"]  # the path and the transform say it
    if rule.row_unit is None:
        del content["row_unit"]  # mappings without one keep their digest
    content["source"] = [type(rule.source).__name__, *rule.source]
    content["transform"] = [rule.transform.text, [list(entry) for entry in rule.transform.table]]
    return content
