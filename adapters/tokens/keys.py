"""Public keys that tokens are verified with: of a file, or of a JSON Web Key Set (RFC 7517) at a URL."""

import http.client
import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from domain.errors import BadInputError, StoreError

KEYS_MAX: Final = 64  # of a set; those beyond are not looked at
KEYS_BYTES_MAX: Final = 262_144
RSA_BITS_MIN: Final = 2_048  # RFC 7518, section 3.3
FETCH_S_MAX: Final = 5.0  # for a whole set
FETCH_BYTES_AT_ONCE: Final = 16_384
KEPT_S: Final = 600.0  # before a set is fetched anew
PAUSE_S_MIN: Final = 10.0  # between two attempts, whatever is asked for meanwhile

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_log: Final = logging.getLogger(__name__)


class KeysUnavailableError(StoreError):
    """No keys are to be had: nothing can be said about a token."""


class Key(NamedTuple):
    """A public key, its id (None: it has none), and the algorithms that it may be used with."""

    id: str | None
    public: PublicKey
    algorithms: frozenset[str]


class KeySource(Protocol):
    """Where keys come from."""

    def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return the key for this id and algorithm; for no id, the only key for the algorithm.

        Raises KeysUnavailableError where no key is known at all.
        """


def chosen(keys: Sequence[Key], key_id: str | None, algorithm: str) -> Key | None:
    """Return the one key that fits."""
    fitting = [key for key in keys if algorithm in key.algorithms and (key_id is None or key.id in (key_id, None))]
    return fitting[0] if len(fitting) == 1 else None


class FixedKeys:
    """Keys that do not change while this process runs."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = keys

    def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return the key for this id and algorithm."""
        return chosen(self._keys, key_id, algorithm)


def keys_of_file(path: Path) -> FixedKeys:
    """Return the keys of a file: a JWKS, or one public key as PEM. Raises BadInputError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        remedy = "correct FLEETTWIN_TOKEN_KEYS"
        raise BadInputError(f"cannot be read ({error.strerror})", where=str(path), remedy=remedy) from error
    if content.lstrip().startswith(b"-----BEGIN"):
        try:
            keys = [_key(None, load_pem_public_key(content))]
        except (ValueError, UnsupportedAlgorithm) as error:
            what, remedy = "is no public key", "give a JWKS, or a public key as PEM (BEGIN PUBLIC KEY)"
            raise BadInputError(what, where=str(path), remedy=remedy) from error
    else:
        keys = keys_of_set(content, where=str(path))
    usable = [key for key in keys if key.algorithms]
    if not usable:
        remedy = f"give one of RSA ({RSA_BITS_MIN} bits or more), P-256 or Ed25519"
        raise BadInputError("holds no key that tokens may be signed with", where=str(path), remedy=remedy)
    return FixedKeys(usable)


def keys_of_set(content: bytes, *, where: str) -> list[Key]:
    """Return the keys of a JWKS that signatures can be verified with. Raises BadInputError for what is none."""
    try:
        listed = json.loads(content)["keys"]
        given = [each for each in listed if isinstance(each, dict)][:KEYS_MAX]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        remedy = 'give {"keys": [ … ]} as RFC 7517 says'
        raise BadInputError("is no JSON Web Key Set", where=where, remedy=remedy) from error
    return [key for each in given if (key := _key_of(each)) is not None and key.algorithms]


def _key_of(given: Mapping[str, Any]) -> Key | None:
    """Return a key of a set; None for one of another kind or use: a set may hold such, for others."""
    operations, key_id, named = given.get("key_ops"), given.get("kid"), given.get("alg")
    of_use = given.get("use", "sig") == "sig" and (not isinstance(operations, list) or "verify" in operations)
    if not of_use or given.get("kty") not in {"RSA", "EC", "OKP"} or not isinstance(key_id, str | None):
        return None
    try:
        key = _key(key_id, jwt.PyJWK({name: each for name, each in given.items() if name != "alg"}).key)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm):
        _log.warning("a key of the set cannot be read and is passed over")
        return None
    return key if named is None else key._replace(algorithms=key.algorithms & {named})


def _key(key_id: str | None, key: object) -> Key:
    if isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
        key = key.public_key()  # what has come by mistake is used for nothing else
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
        return Key(key_id, key, frozenset({"RS256", "PS256"}))
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return Key(key_id, key, frozenset({"ES256"}))
    if isinstance(key, Ed25519PublicKey):
        return Key(key_id, key, frozenset({"EdDSA"}))
    return Key(key_id, key, frozenset())  # type: ignore[arg-type]  # of no use, and with no algorithm never used


class RemoteKeys:
    """The keys of a JWKS at a URL, for any number of threads.

    It is fetched when it is first needed, after `KEPT_S`, and where a token names a key that it does not have; never
    twice within `PAUSE_S_MIN`. Keys that are known stay known while the URL does not answer.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: Sequence[Key] | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._fetching = threading.Lock()

    def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """Return the key for this id and algorithm. Raises KeysUnavailableError where no key was ever fetched."""
        key = chosen(self._keys or (), key_id, algorithm)
        is_old = self._clock() - self._fetched_at > KEPT_S
        if key is not None and not is_old:
            return key
        if self._fetching.acquire(blocking=key is None):  # who has a key waits for nobody
            try:
                self._fetch_unless_just_tried(key_id, algorithm)
            finally:
                self._fetching.release()
        if self._keys is None:
            raise KeysUnavailableError("the keys of tokens cannot be fetched")
        return chosen(self._keys, key_id, algorithm)

    def _fetch_unless_just_tried(self, key_id: str | None, algorithm: str) -> None:
        at = self._clock()
        known = chosen(self._keys or (), key_id, algorithm) is not None  # by now: another thread may have fetched it
        just_tried = self._tried_at is not None and at - self._tried_at < PAUSE_S_MIN
        if just_tried or (known and at - self._fetched_at <= KEPT_S):
            return
        self._tried_at = at
        try:
            self._keys = keys_of_set(_fetched(self._url), where=self._url)
            self._fetched_at = at
        except (OSError, http.client.HTTPException, BadInputError) as error:
            _log.warning("the keys of tokens cannot be fetched: %s", error)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for an answer: keys come from where the settings say, and from nowhere else."""

    def redirect_request(self, *_: object) -> None:
        """Go nowhere."""


def _fetched(url: str) -> bytes:
    """Return what is at a URL. Raises OSError where it is not there whole within `FETCH_S_MAX`."""
    deadline = time.monotonic() + FETCH_S_MAX
    request = urllib.request.Request(url, headers={"Accept": "application/json", "User-Agent": "fleettwin"})  # noqa: S310  # the settings take http and https only
    parts: list[bytes] = []
    with urllib.request.build_opener(_NoRedirects).open(request, timeout=FETCH_S_MAX) as response:
        while part := response.read1(FETCH_BYTES_AT_ONCE):
            parts.append(part)
            if sum(map(len, parts)) > KEYS_BYTES_MAX:
                raise OSError(f"more than {KEYS_BYTES_MAX} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not there within {FETCH_S_MAX:g} s")
    return b"".join(parts)
