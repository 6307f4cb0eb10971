"""Verifies access tokens (RFC 9068, section 4), and remembers those that it has verified."""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import jwt

from adapters.access import Access, Scope, TokenRefusedError
from adapters.tokens.keys import KeySource
from domain.units import MICROS_PER_SECOND, Micros

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")  # none with a shared secret, and never "none"
TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})  # RFC 9068, section 2.1: so that no other JWT passes for one
REQUIRED: Final = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id")  # RFC 9068, section 2.2
LEEWAY_S: Final = 30  # by which the clock of the issuer may be wrong
TOKEN_CHARACTERS_MAX: Final = 8_192
NAME_CHARACTERS_MAX: Final = 200  # of a client, a subject or a brand
BRANDS_MAX: Final = 64  # of a token
EXPIRES_S_MAX: Final = 253_402_300_799  # the year 9999, where the times of this API end
REMEMBERED_MAX: Final = 1_024  # tokens
REMEMBERED_S_MAX: Final = 300  # so long a token is good whose key is not any more

_NOT_VALID: Final = "the token is not valid"
_SCOPES: Final = {each.value: each for each in Scope}

_log: Final = logging.getLogger(__name__)


class _Remembered(NamedTuple):
    access: Access
    until_s: float


class TokenVerifier:
    """Tells who asks from the token that they bear; for any number of threads."""

    def __init__(
        self,
        keys: KeySource,
        issuer: str,
        audience: str,
        clock: Callable[[], float] = time.time,
        *,
        required: bool = True,
    ) -> None:
        self.required = required
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()  # by hash, those used last at the end
        self._lock = threading.Lock()

    def remembered(self, token: str) -> Access | None:
        """Return who bears a token that was verified a short time ago; None: `verify` it."""
        key = _hash(token)
        with self._lock:
            found = self._remembered.get(key)
            if found is None:
                return None
            if self._clock() >= found.until_s:
                del self._remembered[key]
                return None
            self._remembered.move_to_end(key)
            return found.access

    def verify(self, token: str) -> Access:
        """Return who bears a token. Raises TokenRefusedError; KeysUnavailableError where there is no key to check with.

        What is wrong is told only of a token that the issuer has signed; of any other only that it is not valid.
        """
        try:
            access = self._access(self._claims(token))
        except TokenRefusedError:
            raise
        except jwt.ExpiredSignatureError as error:
            raise TokenRefusedError("the token has expired") from error
        except (jwt.ImmatureSignatureError, jwt.InvalidIssuedAtError) as error:
            raise TokenRefusedError("the token is not valid yet") from error
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError) as error:
            raise TokenRefusedError("the token is not for this API") from error
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            _log.info("a token is refused: %s", type(error).__name__)
            raise TokenRefusedError(_NOT_VALID) from error
        self._remember(token, access)
        return access

    def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise TokenRefusedError(_NOT_VALID)
        header = jwt.get_unverified_header(token)
        algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ")
        if algorithm not in ALGORITHMS or "crit" in header or not isinstance(kind, str) or kind.lower() not in TYPES:
            raise TokenRefusedError(_NOT_VALID)
        key = self._keys.find(key_id, algorithm)
        if key is None or algorithm not in key.algorithms:
            raise TokenRefusedError(_NOT_VALID)
        return jwt.decode(
            token,
            key.public,
            algorithms=[algorithm],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_S,
            options={"require": list(REQUIRED)},
        )

    def _access(self, claims: Mapping[str, Any]) -> Access:
        client, subject, brands, scope = (claims.get(name) for name in ("client_id", "sub", "brand", "scope"))
        listed = [brands] if isinstance(brands, str) else brands
        if not isinstance(listed, list) or not 0 < len(listed) <= BRANDS_MAX or not all(map(is_name, listed)):
            raise TokenRefusedError("the token names no brand")
        if not is_name(client) or not is_name(subject) or not isinstance(scope, str | None):
            raise TokenRefusedError(_NOT_VALID)
        if int(claims["exp"]) > EXPIRES_S_MAX:
            raise TokenRefusedError(_NOT_VALID)
        return Access(
            str(client),
            str(subject),
            frozenset(listed),
            frozenset(
                _SCOPES[each] for each in (scope or "").split() if each in _SCOPES
            ),  # those of other APIs: no matter
            Micros((int(claims["exp"]) + LEEWAY_S) * MICROS_PER_SECOND),
        )

    def _remember(self, token: str, access: Access) -> None:
        assert access.expires_at is not None
        until_s = min(access.expires_at / MICROS_PER_SECOND, self._clock() + REMEMBERED_S_MAX)
        with self._lock:
            self._remembered[_hash(token)] = _Remembered(access, until_s)
            while len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_name(value: object) -> bool:
    """Whether a claim is a text that can be kept, shown in a line and told from others."""
    return isinstance(value, str) and 0 < len(value) <= NAME_CHARACTERS_MAX and value.isprintable()
