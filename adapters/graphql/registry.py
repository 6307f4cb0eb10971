"""The read endpoints of a schema registry, as Confluent's has them: any Avro deserializer reads our topics by them."""

from typing import Final

from adapters.graphql.http import Response, json_response
from adapters.graphql.port import RegisteredSchema, SchemaRegistry

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_NO_SUBJECT: Final = (40401, "Subject not found")
_NO_VERSION: Final = (40402, "Version not found")
_NO_SCHEMA: Final = (40403, "Schema not found")


class RegistryEndpoints:
    """Answers requests for schemas."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._by_id = registry.by_id
        self._by_subject: dict[str, dict[int, RegisteredSchema]] = {}
        for schema in registry.by_id.values():
            self._by_subject.setdefault(schema.subject, {})[schema.version] = schema

    def get(self, path: str) -> Response | None:
        """Return the response at a path of the server, None if it is no path of these endpoints."""
        match path.removeprefix("/").split("/"):
            case ["schemas", "types"]:
                return _found(["AVRO"])
            case ["schemas", "ids", number]:
                schema = self._by_id.get(int(number)) if number.isascii() and number.isdigit() else None
                return _found({"schema": schema.text}) if schema else _missing(_NO_SCHEMA)
            case ["subjects"]:
                return _found(sorted(self._by_subject))
            case ["subjects", subject, "versions"]:
                versions = self._by_subject.get(subject)
                return _found(sorted(versions)) if versions else _missing(_NO_SUBJECT)
            case ["subjects", subject, "versions", version]:
                return self._version(subject, version)
        return None

    def _version(self, subject: str, version: str) -> Response:
        versions = self._by_subject.get(subject)
        if not versions:
            return _missing(_NO_SUBJECT)
        number = (
            max(versions) if version == "latest" else int(version) if version.isascii() and version.isdigit() else 0
        )
        schema = versions.get(number)
        if schema is None:
            return _missing(_NO_VERSION)
        return _found({"subject": subject, "version": number, "id": schema.id, "schema": schema.text})


def _found(body: object) -> Response:
    return json_response(200, body, MEDIA_TYPE)


def _missing(error: tuple[int, str]) -> Response:
    return json_response(404, {"error_code": error[0], "message": error[1]}, MEDIA_TYPE)
