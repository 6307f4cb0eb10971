"""Who is let in: bearer tokens in requests (RFC 6750), and what those are told who are not."""

from typing import Final

from adapters.access import DEVELOPMENT, Access, TokenRefusedError
from adapters.graphql.errors import ErrorCode, error_body
from adapters.graphql.execution import unavailable
from adapters.graphql.http import JSON, Request, Response, json_response, respond
from adapters.graphql.port import Doorkeeper
from domain.errors import StoreError

UNAUTHORIZED: Final = 401
_REALM: Final = 'Bearer realm="fleettwin"'
_REMEDY: Final = "send the header Authorization: Bearer, with an access token that is good for this API"


class Doors:
    """Tells who sends a request."""

    def __init__(self, doorkeeper: Doorkeeper | None) -> None:
        self._doorkeeper = doorkeeper

    def at_once(self, request: Request) -> Access | None:
        """Return who sends a request, where that takes no time; None: see `verified`."""
        token = _token(request)
        if self._doorkeeper is None or (token is None and not self._doorkeeper.required):
            return DEVELOPMENT
        return self._doorkeeper.remembered(token) if token else None

    def verified(self, request: Request) -> Access | Response:
        """Return who sends a request that has a token, or the response to somebody who is not let in."""
        token = _token(request)
        if self._doorkeeper is None or not token:
            return _challenge("a token is needed", _REALM)
        try:
            return self._doorkeeper.verify(token)
        except TokenRefusedError as error:
            return _challenge(str(error), f'{_REALM}, error="invalid_token", error_description="{error}"')
        except StoreError:
            return respond(unavailable("tokens cannot be verified at present"), JSON)


def _token(request: Request) -> str | None:
    """Return the token of a request; "": it has none, though it has credentials. None: it has nothing of the kind."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _challenge(message: str, challenge: str) -> Response:
    body = {"errors": [error_body(ErrorCode.UNAUTHENTICATED, message, _REMEDY)]}
    response = json_response(UNAUTHORIZED, body)
    return response._replace(headers=(*response.headers, ("www-authenticate", challenge)))
