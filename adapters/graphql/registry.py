"""The read endpoints of a schema registry, as Confluent's has them: any Avro deserializer reads our topics by them.

Nothing is registered here. Serializers that register what they write are told the id of what is there already.
"""

import json
from typing import Final

from adapters.graphql.http import Response, json_response
from adapters.graphql.port import RegisteredSchema, SchemaRegistry

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
COMPATIBILITY: Final = "FULL_TRANSITIVE"  # versions only add fields that may be missing
DIGITS_MAX: Final = 10  # of an id
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

    def get(self, path: str) -> Response | None:
        """Return the response at a path of the server, None if it is no path of a registry."""
        match _parts(path):
            case ["schemas", *rest]:
                return self._schemas(rest)
            case ["subjects", *rest]:
                return self._subjects(rest)
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

    def _schemas(self, rest: list[str]) -> Response:
        match rest:
            case ["types"]:
                return _found(["AVRO"])
            case ["ids", number, *asked]:
                schema = self._by_id.get(_number(number))
                return _told(schema, asked, {"schema": schema.text}) if schema else _failed(_NO_SCHEMA)
        return _failed(_NO_SCHEMA if rest[:1] == ["guids"] else _NOTHING)

    def _subjects(self, rest: list[str]) -> Response:
        match rest:
            case []:
                return _found(sorted(self._by_subject))
            case [subject, "versions", *_] if subject not in self._by_subject:
                return _failed(_NO_SUBJECT)
            case [subject, "versions"]:
                return _found(sorted(self._by_subject[subject]))
            case [subject, "versions", version, *asked]:
                versions = self._by_subject[subject]
                schema = versions.get(max(versions) if version in _LATEST else _number(version))
                return _told(schema, asked, _described(schema)) if schema else _failed(_NO_VERSION)
        return _failed(_NOTHING)


def _told(schema: RegisteredSchema, asked: list[str], whole: object) -> Response:
    """Return `whole`, or what is asked of a schema beyond it."""
    match asked:
        case []:
            return _found(whole)
        case ["schema"]:
            return _found(json.loads(schema.text))
        case ["subjects"]:
            return _found([schema.subject])
        case ["versions"]:
            return _found([{"subject": schema.subject, "version": schema.version}])
    return _failed(_NOTHING)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else 0


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _described(schema: RegisteredSchema) -> dict[str, object]:
    return {"subject": schema.subject, "version": schema.version, "id": schema.id, "schema": schema.text}


def _found(body: object) -> Response:
    return json_response(200, body, MEDIA_TYPE)


def _failed(error: tuple[int, int, str]) -> Response:
    status, code, message = error
    return json_response(status, {"error_code": code, "message": message}, MEDIA_TYPE)
