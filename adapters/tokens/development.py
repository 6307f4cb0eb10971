"""Tokens of a key of our own, to develop with: what an authorization server would issue."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from adapters.access import Scope
from adapters.secret_file import kept_secret
from adapters.tokens.keys import FixedKeys, Key
from adapters.tokens.verifier import BRANDS_MAX, is_name
from domain.errors import BadInputError

ISSUER: Final = "fleettwin-development"
KEY_FILE: Final = "token.key"
KEY_ID: Final = "development"
_ALGORITHM: Final = "ES256"


class Wish(NamedTuple):
    """What a token is to be good for."""

    brands: Sequence[str]
    scopes: Sequence[Scope]
    client: str
    valid_s: int


class DevelopmentKey:
    """The key that signs development tokens; made below `home` when it is first needed."""

    def __init__(self, home: Path) -> None:
        path = home / KEY_FILE
        text = kept_secret(path, "key of development tokens", _made)
        try:
            key = load_pem_private_key(text.encode(), None)
        except (ValueError, TypeError) as error:
            raise BadInputError("is no private key", where=str(path), remedy="delete it: it is made anew") from error
        if not isinstance(key, EllipticCurvePrivateKey):
            raise BadInputError("is no key of P-256", where=str(path), remedy="delete it: it is made anew")
        self._key = key

    @property
    def keys(self) -> FixedKeys:
        """What its tokens are verified with."""
        return FixedKeys([Key(KEY_ID, self._key.public_key(), frozenset({_ALGORITHM}))])

    def issue(self, wish: Wish, audience: str) -> str:
        """Return a token. Raises BadInputError for names that no token can have."""
        for option, names in (("--brand", wish.brands), ("--client", [wish.client])):
            if len(names) > BRANDS_MAX or not all(map(is_name, names)):
                raise BadInputError("no token can name this", where=option, remedy="give short names in plain text")
        at_s = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "sub": wish.client,
            "client_id": wish.client,
            "iat": at_s,
            "exp": at_s + wish.valid_s,
            "jti": secrets.token_hex(16),
            "scope": " ".join(wish.scopes),
            "brand": list(wish.brands),
        }
        return jwt.encode(claims, self._key, _ALGORITHM, {"typ": "at+jwt", "kid": KEY_ID})


def _made() -> str:
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
