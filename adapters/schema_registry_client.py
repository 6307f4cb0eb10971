"""The few requests that this project makes of a schema registry that is not its own, as Confluent's API has them."""

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from adapters.kafka.tls import trusting
from domain.errors import BadInputError, StoreError

TIMEOUT_S: Final = 10  # of each step of a request
ATTEMPTS_MAX: Final = 3  # of a request that the registry does not answer
PAUSE_S: Final = 0.5  # before the next attempt; doubled each time
ANSWER_BYTES_MAX: Final = 4 << 20  # the largest of our schemas has a thousandth of it
ID_MAX: Final = (1 << 32) - 1  # four bytes
MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"

CA_SETTING: Final = "FLEETTWIN_SCHEMA_REGISTRY_CA_FILE"

_REMEDY: Final = "start the registry, or correct FLEETTWIN_SCHEMA_REGISTRY_URL"
_SAID_CHARACTERS_MAX: Final = 200
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})  # what may be otherwise the next time


class RegistryError(StoreError):
    """The registry does not answer, or not what was asked."""


class Answer(NamedTuple):
    """What a registry says."""

    status: int
    body: Any  # JSON; None: no JSON

    def part(self, name: str) -> Any:
        """Return what a member of the answer holds; None if there is none."""
        return self.body.get(name) if isinstance(self.body, Mapping) else None

    @property
    def said(self) -> str:
        """Its own words about what is wrong."""
        return " ".join(str(self.part("message") or "").split())[:_SAID_CHARACTERS_MAX] or f"HTTP status {self.status}"


@dataclass(frozen=True)
class SchemaRegistryClient:
    """A registry at a URL. Every request is made again a few times where it is not answered: RegistryError then."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None  # who has signed its certificate; None: whom the system trusts

    def check(self) -> None:
        """Raise BadInputError unless a registry answers there that keeps Avro schemas, is trusted, and lets us in."""
        try:
            answer = self._ask("GET", "/schemas/types")
        except RegistryError as error:
            raise self._refusal("no schema registry answers there", str(error)) from error
        if answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise self._not_let_in(answer)
        if answer.status != _OK or not isinstance(answer.body, list) or "AVRO" not in answer.body:
            raise self._refusal("this is no schema registry with the API of Confluent's", answer.said)

    def register(self, subject: str, schema: str) -> int:
        """Return the id of a schema, which is registered unless it is there.

        Raises BadInputError where the registry does not take it.
        """
        asked = {"schema": schema, "schemaType": "AVRO"}
        path = f"/subjects/{quote(subject, safe='')}"
        answer = self._ask("POST", path, asked)  # who may not write can still be told ids that are there
        if answer.status == _NOT_FOUND:
            answer = self._ask("POST", f"{path}/versions", asked)
        if answer.status == _CONFLICT:
            raise BadInputError(
                f"the schema registry at {self.url} holds a schema that ours is not compatible with ({answer.said})",
                where=f"subject {subject}",
                remedy="delete what somebody else has registered there, or use a registry of your own",
            )
        if answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise self._not_let_in(answer)
        if answer.status != _OK:
            what = f"the schema registry at {self.url} does not take our schema ({answer.said})"
            raise BadInputError(what, where=f"subject {subject}", remedy="see the message")
        schema_id = answer.part("id")
        if not isinstance(schema_id, int) or not 0 <= schema_id <= ID_MAX:
            raise RegistryError(f"the schema registry at {self.url} gives no id: {answer.said}")
        return schema_id

    def schema(self, schema_id: int) -> str | None:
        """Return the schema that has an id; None if none has."""
        answer = self._ask("GET", f"/schemas/ids/{schema_id}")
        if answer.status == _NOT_FOUND:
            return None
        schema = answer.part("schema")
        if answer.status != _OK or not isinstance(schema, str):
            raise RegistryError(f"the schema registry at {self.url} does not tell schema {schema_id}: {answer.said}")
        return None if answer.part("schemaType") not in {None, "AVRO"} else schema

    def _ask(self, method: str, path: str, body: object = None) -> Answer:
        fault = ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                time.sleep(PAUSE_S * 2 ** (attempt - 1))
            try:
                answer = self._asked_once(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                fault = str(getattr(error, "reason", "")) or str(error) or repr(error)
                continue
            if answer.status not in _PASSING:
                return answer
            fault = answer.said
        raise RegistryError(f"the schema registry at {self.url} does not answer: {fault[:_SAID_CHARACTERS_MAX]}")

    def _asked_once(self, method: str, path: str, body: object) -> Answer:
        headers = {"Accept": f"{MEDIA_TYPE}, application/json;q=0.9", "User-Agent": "fleettwin"}
        if self.username is not None:
            pair = f"{self.username}:{self.password or ''}".encode()
            headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = MEDIA_TYPE
        request = urllib.request.Request(  # noqa: S310  # the settings take http and https only
            self.url + path, data, headers, method=method
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return _answer(response.status, response.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.read(ANSWER_BYTES_MAX))
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):  # as it will be the next time
                raise self._not_trusted(error.reason) from error
            raise

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        tls = urllib.request.HTTPSHandler(context=trusting(self.ca_file, CA_SETTING))
        return urllib.request.build_opener(_NoRedirects, tls)

    def _not_trusted(self, error: ssl.SSLCertVerificationError) -> BadInputError:
        what = f"the schema registry's certificate is not trusted ({error.verify_message})"
        remedy = f"set {CA_SETTING} to the certificate of the CA that has signed it, or correct the URL"
        return BadInputError(what, where=self.url, remedy=remedy)

    def _not_let_in(self, answer: Answer) -> BadInputError:
        remedy = "correct FLEETTWIN_SCHEMA_REGISTRY_USERNAME and FLEETTWIN_SCHEMA_REGISTRY_PASSWORD"
        return BadInputError(f"the schema registry refuses us ({answer.said})", where=self.url, remedy=remedy)

    def _refusal(self, what: str, said: str) -> BadInputError:
        return BadInputError(f"{what} ({said})", where=self.url, remedy=_REMEDY)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for an answer: Python would send the password along, to whatever host it names."""

    def redirect_request(self, *_: object) -> None:
        """Go nowhere."""


def _answer(status: int, body: bytes) -> Answer:
    try:
        return Answer(status, json.loads(body))
    except (ValueError, RecursionError):
        return Answer(status, None)
