"""An authorization server for tests: keys, tokens as they should be and as they should not, a JWKS over HTTP."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://login.example/"
AUDIENCE = "fleettwin"
GONE: Any = object()  # a claim or a member of a header that is left out


def without_gone(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not GONE}


@dataclass
class SigningKey:
    """A key of an authorization server."""

    id: str
    algorithm: str = "ES256"
    private: Any = None

    def __post_init__(self) -> None:
        if self.private is None:
            rsa = self.algorithm.startswith(("RS", "PS"))
            self.private = generate_rsa_key(65_537, 2_048) if rsa else generate_private_key(SECP256R1())

    @property
    def pem(self) -> bytes:
        """The public key."""
        return bytes(self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def jwk(self, **members: Any) -> dict[str, Any]:
        """Return the public key as a member of a set."""
        kind: Any = (
            jwt.algorithms.RSAAlgorithm if isinstance(self.private, RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        )
        assert isinstance(self.private, RSAPrivateKey | EllipticCurvePrivateKey)
        public = kind.to_jwk(self.private.public_key(), as_dict=True)
        return without_gone({**public, "kid": self.id, "use": "sig", "alg": self.algorithm, **members})

    def token(self, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a token that is good but for what is given."""
        at = int(time.time())
        whole = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "subject",
            "client_id": "client",
            "iat": at,
            "exp": at + 600,
            "jti": "1",
            "scope": "navigation:read",
            "brand": "Audi",
        } | claims
        head = {"typ": "at+jwt", "kid": self.id} | dict(header or {})
        return jwt.encode(without_gone(whole), self.private, self.algorithm, without_gone(head))


def encoded(part: object) -> str:
    """Return a part of a token."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_with_hmac(token: str, secret: bytes, **header: Any) -> str:
    """Return a token whose signature is made with a public key as if that were a secret (RFC 8725, section 2.1)."""
    head, body, _ = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(head + "==")) | {"alg": "HS256"} | header
    signed = f"{encoded(told)}.{body}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


@dataclass
class JwksServer:
    """A JWKS over HTTP; its keys may be changed at any time."""

    keys: list[dict[str, Any]]
    url: str = ""
    requests: int = 0
    answer: Callable[[Any], None] | None = field(default=None, repr=False)  # otherwise than it should


@contextmanager
def jwks_server(*keys: dict[str, Any]) -> Iterator[JwksServer]:
    """Give a JWKS at a loopback address."""
    served = JwksServer([*keys])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests += 1
            if served.answer:
                served.answer(self)
                return
            body = json.dumps({"keys": served.keys}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}/jwks"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
