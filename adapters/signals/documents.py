"""YAML and JSON files of people, read so that an error can name the line."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from domain.errors import BadInputError


class Block(dict[str, Any]):
    """A mapping of a document that knows the line of each of its keys (0: not known, as in JSON)."""

    def __init__(self, *pairs: Any) -> None:
        super().__init__(*pairs)
        self.lines: dict[str, int] = {}

    def line(self, key: str) -> int:
        """Return the line of a key, counted from 1."""
        return self.lines.get(key, 0)


class _Loader(yaml.CSafeLoader):
    """YAML 1.1 as PyYAML's safe loader reads it; a mapping becomes a Block, and a key that occurs twice is refused."""


def _block(loader: _Loader, node: yaml.MappingNode) -> Block:
    loader.flatten_mapping(node)
    block = Block()
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        mark = key_node.start_mark
        if key in block:
            raise yaml.constructor.ConstructorError(problem=f"`{key}` occurs twice", problem_mark=mark)
        block[key] = loader.construct_object(value_node, deep=True)
        block.lines[key] = mark.line + 1
    return block


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _block)


_REMEDY: Final = "give a mapping file: a vspec overlay in YAML, or a VSS tree in JSON"


def read_document(path: Path) -> bytes:
    """Return the bytes of a document; raises BadInputError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(f"cannot be read ({error.strerror})", where=str(path), remedy=_REMEDY) from error


def parsed_document(raw: bytes, path: Path) -> Block:
    """Return a YAML or JSON (by its first character) document that is a mapping; raises BadInputError."""
    try:
        document = _parsed(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInputError("is no UTF-8 text", where=str(path), remedy=_REMEDY) from error
    except json.JSONDecodeError as error:
        what = f"no valid JSON ({error.msg})"
        raise BadInputError(
            what, where=f"{path}:{error.lineno}", remedy="correct this line, or the one before it"
        ) from error
    except yaml.MarkedYAMLError as error:
        where = f"{path}:{error.problem_mark.line + 1}" if error.problem_mark else str(path)
        what = f"no valid YAML ({error.problem or error.context})"
        raise BadInputError(what, where=where, remedy="correct this line, or the one before it") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BadInputError("no valid YAML", where=str(path), remedy=_REMEDY) from error
    if not isinstance(document, Block):
        raise BadInputError("is no mapping of signals", where=str(path), remedy=_REMEDY)
    return document


def _parsed(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return json.loads(text, object_hook=Block)
    return yaml.load(text, _Loader)  # noqa: S506 - _Loader is a safe loader
