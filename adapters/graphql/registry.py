"""The read endpoints of a schema registry, as Confluent's has them: any Avro deserializer reads our topics by them.

Nothing is registered here. Serializers that register what they write are told the id of what is there already.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from adapters.graphql.http import Response, json_response
from adapters.graphql.port import RegisteredSchema, SchemaRegistry

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
COMPATIBILITY: Final = "FULL_TRANSITIVE"  # versions only add fields that may be missing
DIGITS_MAX: Final = 10  # of an id
_PARAMETERS_MAX: Final = 16  # of a question; more are none of ours
_OUR_CONTEXTS: Final = (":.:", ":*:")  # that a subject may begin with: the only one that there is, and all of them
_ROOTS: Final = frozenset({"associations", "compatibility", "config", "contexts", "mode", "schemas", "subjects"})
_LATEST: Final = frozenset({"latest", "-1"})

_NOTHING: Final = (404, 404, "HTTP 404 Not Found")
_NO_SUBJECT: Final = (404, 40401, "Subject not found")
_NO_VERSION: Final = (404, 40402, "Version not found")
_NO_SCHEMA: Final = (404, 40403, "Schema not found")
_INVALID: Final = (422, 42201, "Invalid schema")
_READ_ONLY: Final = (422, 42205, "This registry is in read-only mode")


class RegistryEndpoints:
    """Answers requests for schemas."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._by_id = registry.by_id
        self._by_subject: dict[str, dict[int, RegisteredSchema]] = {}
        for schema in registry.by_id.values():
            self._by_subject.setdefault(schema.subject, {})[schema.version] = schema

    def get(self, path: str, query: bytes = b"") -> Response | None:
        """Return the response at a path of the server, None if it is no path of a registry."""
        match _parts(path):
            case ["schemas", *rest]:
                return self._schemas(rest, _parameters(query))
            case ["subjects", *rest]:
                return self._subjects(rest, _parameters(query))
            case ["config"] | ["config", _]:
                return _found({"compatibilityLevel": COMPATIBILITY})
            case ["mode"] | ["mode", _]:
                return _found({"mode": "READONLY"})
            case [root, *_] if root in _ROOTS:
                return _failed(_NOTHING)
        return None

    def takes(self, path: str) -> bool:
        """Whether a path of the server is asked with POST."""
        match _parts(path):
            case ["subjects", _] | ["subjects", _, "versions"]:
                return True
        return False

    def post(self, path: str, body: bytes) -> Response:
        """Return the response to a schema that is looked up, or is to be registered, at such a path."""
        _, subject, *registering = _parts(path)
        try:
            asked = json.loads(json.loads(body)["schema"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return _failed(_INVALID)
        versions = self._by_subject.get(subject, {})
        for schema in versions.values():
            if json.loads(schema.text) == asked:
                return _found({"id": schema.id} if registering else _described(schema))
        if registering:
            return _failed(_READ_ONLY)
        return _failed(_NO_SCHEMA if versions else _NO_SUBJECT)

    def _schemas(self, rest: list[str], parameters: Mapping[str, str]) -> Response:
        match rest:
            case ["types"]:
                return _found(["AVRO"])
            case ["ids", number, *asked]:
                schema = self._by_id.get(_number(number))
                if schema is None or not self._may_be_of(schema, _in_context(parameters.get("subject", ""))):
                    return _failed(_NO_SCHEMA)
                return _told(schema, asked, {"schema": schema.text}, parameters)
        return _failed(_NO_SCHEMA if rest[:1] == ["guids"] else _NOTHING)

    def _may_be_of(self, schema: RegisteredSchema, subject: str) -> bool:
        """Whether a schema is one of a subject, or of records that a reader calls by a subject that is none of ours.

        A deserializer names the subject after the topic unless it is told otherwise, and is to read all the same.
        """
        if subject.startswith(":"):  # of another context
            return False
        return subject in ("", schema.subject) or subject not in self._by_subject

    def _subjects(self, rest: list[str], parameters: Mapping[str, str]) -> Response:
        match rest:
            case []:
                # Confluent's client for Python calls it `subject`.
                prefix = _in_context(parameters.get("subjectPrefix", parameters.get("subject", "")))
                return _listed([each for each in sorted(self._by_subject) if each.startswith(prefix)], parameters)
            case [subject, "versions", *_] if subject not in self._by_subject:
                return _failed(_NO_SUBJECT)
            case [subject, "versions"]:
                return _listed(sorted(self._by_subject[subject]), parameters)
            case [subject, "versions", version, *asked]:
                versions = self._by_subject[subject]
                schema = versions.get(max(versions) if version in _LATEST else _number(version))
                return _told(schema, asked, _described(schema), parameters) if schema else _failed(_NO_VERSION)
        return _failed(_NOTHING)


def _told(schema: RegisteredSchema, asked: list[str], whole: object, parameters: Mapping[str, str]) -> Response:
    """Return `whole`, or what is asked of a schema beyond it."""
    match asked:
        case []:
            return _found(whole)
        case ["schema"]:
            return _found(json.loads(schema.text))
        case ["subjects"]:
            return _listed([schema.subject], parameters)
        case ["versions"]:
            return _listed([{"subject": schema.subject, "version": schema.version}], parameters)
    return _failed(_NOTHING)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else 0


def _parameters(query: bytes) -> dict[str, str]:
    """Return the parameters of a question, none where they are nonsense."""
    try:
        return dict(parse_qsl(query.decode("ascii"), max_num_fields=_PARAMETERS_MAX))
    except ValueError:
        return {}


def _in_context(subject: str) -> str:
    """Return a subject, or what subjects begin with, without the context that all of ours are in."""
    for context in _OUR_CONTEXTS:
        subject = subject.removeprefix(context)
    return subject


def _listed(found: Sequence[object], parameters: Mapping[str, str]) -> Response:
    """Return that part of a list which is asked for: nothing of ours was ever deleted."""
    if parameters.get("deletedOnly") == "true":
        return _found([])
    begin = _number(parameters.get("offset", ""))
    limit = parameters.get("limit", "")
    end = begin + _number(limit) if limit.isdigit() and limit.isascii() else None
    return _found(list(found[begin:end]))


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _described(schema: RegisteredSchema) -> dict[str, object]:
    return {"subject": schema.subject, "version": schema.version, "id": schema.id, "schema": schema.text}


def _found(body: object) -> Response:
    return json_response(200, body, MEDIA_TYPE)


def _failed(error: tuple[int, int, str]) -> Response:
    status, code, message = error
    return json_response(status, {"error_code": code, "message": message}, MEDIA_TYPE)
