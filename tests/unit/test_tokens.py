"""Who is let in, and who is not: RFC 9068, RFC 8725."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from hypothesis import given
from hypothesis import strategies as st

from adapters.access import Access, Scope, TokenRefusedError
from adapters.tokens import keys as keys_module
from adapters.tokens import verifier as verifier_module
from adapters.tokens.development import ISSUER as DEVELOPMENT_ISSUER
from adapters.tokens.development import KEY_FILE, DevelopmentKey, Wish
from adapters.tokens.keys import (
    KEYS_BYTES_MAX,
    PAUSE_S_MIN,
    FixedKeys,
    Key,
    KeysUnavailableError,
    RemoteKeys,
    keys_of_file,
)
from adapters.tokens.keys import keys_of_set as set_of
from adapters.tokens.verifier import LEEWAY_S, REMEMBERED_MAX, REMEMBERED_S_MAX, TOKEN_CHARACTERS_MAX, TokenVerifier
from domain.errors import BadInputError
from tests.support.tokens import AUDIENCE, GONE, ISSUER, SigningKey, encoded, jwks_server, signed_with_hmac

EC = SigningKey("ec")
RSA = SigningKey("rsa", "RS256")
NOT_VALID = "the token is not valid"


def keys_of(*members: dict[str, Any]) -> FixedKeys:
    return FixedKeys(set_of(json.dumps({"keys": members}).encode(), where="here"))


VERIFIER = TokenVerifier(keys_of(EC.jwk(), RSA.jwk(alg=GONE)), ISSUER, AUDIENCE)


def refused(token: str, verifier: TokenVerifier = VERIFIER) -> str:
    with pytest.raises(TokenRefusedError) as error:
        verifier.verify(token)
    return str(error.value)


def ago(seconds: float) -> int:
    return int(time.time() - seconds)


# --- tokens that are taken --------------------------------------------------------------------------------------------


def test_a_token_tells_who_asks_and_what_for() -> None:
    expires = ago(-600)
    token = EC.token(scope="media:read navigation:read openid", brand=["Audi", "Skoda"], exp=expires)
    scopes = frozenset({Scope.MEDIA_READ, Scope.NAVIGATION_READ})
    expected = Access("client", "subject", frozenset({"Audi", "Skoda"}), scopes, (expires + LEEWAY_S) * 1_000_000)  # type: ignore[arg-type]
    assert VERIFIER.verify(token) == expected


def test_a_token_names_as_many_brands_as_allowed_and_no_more() -> None:
    brands = [f"Brand {number}" for number in range(65)]
    assert VERIFIER.verify(EC.token(brand=brands[:64])).brands == frozenset(brands[:64])
    assert "the token names no brand" in refused(EC.token(brand=brands))


def test_a_set_has_as_many_keys_as_are_looked_at_and_those_beyond_verify_nothing() -> None:
    others = [{**EC.jwk(), "kid": f"other {number}"} for number in range(64)]
    assert TokenVerifier(keys_of(*others[:63], EC.jwk()), ISSUER, AUDIENCE).verify(EC.token())
    assert refused(EC.token(), TokenVerifier(keys_of(*others, EC.jwk()), ISSUER, AUDIENCE)) == NOT_VALID


@pytest.mark.parametrize("claim", ["client_id", "sub", "brand"])
def test_a_name_in_a_token_has_two_hundred_characters_at_most(claim: str) -> None:
    good, long = ({claim: "x" * length} for length in (200, 201))
    assert VERIFIER.verify(EC.token({}, **good))
    assert refused(EC.token({}, **long))


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_key_that_names_no_algorithm_serves_those_of_its_kind(algorithm: str) -> None:
    assert VERIFIER.verify(SigningKey("rsa", algorithm, RSA.private).token()).client == "client"


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_the_type_is_that_of_an_access_token(kind: str) -> None:
    assert VERIFIER.verify(EC.token({"typ": kind}))


def test_a_token_may_be_for_others_too() -> None:
    assert VERIFIER.verify(EC.token(aud=["other", AUDIENCE]))


def test_a_token_without_a_key_id_fits_the_only_key_of_its_algorithm() -> None:
    assert VERIFIER.verify(EC.token({"kid": GONE}))
    two = TokenVerifier(keys_of(EC.jwk(), SigningKey("another").jwk()), ISSUER, AUDIENCE)
    assert refused(EC.token({"kid": GONE}), two) == NOT_VALID


@pytest.mark.parametrize(("claim", "seconds"), [("exp", LEEWAY_S / 2), ("nbf", -LEEWAY_S / 2), ("iat", -LEEWAY_S / 2)])
def test_the_clock_of_the_issuer_may_be_a_little_wrong(claim: str, seconds: float) -> None:
    claims: dict[str, Any] = {claim: ago(seconds)}
    assert VERIFIER.verify(EC.token(**claims))


# --- tokens that are not ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": ago(LEEWAY_S + 5)}, "the token has expired"),
        ({"nbf": ago(-86_400)}, "the token is not valid yet"),
        ({"iat": ago(-86_400)}, "the token is not valid yet"),
        ({"aud": "another"}, "the token is not for this API"),
        ({"aud": ["another", "fleettwin2"]}, "the token is not for this API"),
        ({"iss": "https://login.example"}, "the token is not for this API"),
        ({"brand": GONE}, "the token names no brand"),
        ({"brand": ""}, "the token names no brand"),
        ({"brand": []}, "the token names no brand"),
        ({"brand": ["Audi", 1]}, "the token names no brand"),
        ({"brand": {"Audi": True}}, "the token names no brand"),
        ({"brand": "A\x1fB"}, "the token names no brand"),
        ({"brand": ["Audi"] * 100}, "the token names no brand"),
        ({"client_id": 7}, NOT_VALID),
        ({"client_id": "x" * 300}, NOT_VALID),
        ({"scope": ["navigation:read"]}, NOT_VALID),
        ({"exp": 1e300}, NOT_VALID),
        ({"exp": float("inf")}, NOT_VALID),
        ({"exp": "tomorrow"}, NOT_VALID),
        ({"sub": 1}, NOT_VALID),
        *(({name: GONE}, NOT_VALID) for name in ("iss", "aud", "sub", "exp", "iat", "jti", "client_id")),
    ],
)
def test_a_token_of_the_issuer_that_is_not_taken_tells_why(claims: dict[str, Any], reason: str) -> None:
    assert refused(EC.token(**claims)) == reason


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": GONE},
        {"typ": "id+jwt"},
        {"typ": 5},
        {"kid": "unknown"},
        {"kid": "rsa"},
        {"crit": ["exp"]},
        {"crit": []},
    ],
)
def test_a_header_that_no_access_token_of_ours_has_is_refused(header: dict[str, Any]) -> None:
    token = EC.token({**header, "typ": "at+jwt"} if "typ" not in header else header)
    assert refused(token) == NOT_VALID


def test_a_token_that_another_key_has_signed_is_refused_and_tells_nothing() -> None:
    stranger = SigningKey("ec")
    assert refused(stranger.token()) == NOT_VALID
    assert refused(stranger.token(exp=ago(3_600), aud="another")) == NOT_VALID


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None])
def test_a_token_without_a_signature_is_refused(algorithm: str | None) -> None:
    body = EC.token().split(".")[1]
    for signature in ("", EC.token().split(".")[2]):
        assert refused(f"{encoded({'alg': algorithm, 'typ': 'at+jwt', 'kid': 'ec'})}.{body}.{signature}") == NOT_VALID


@pytest.mark.parametrize("key", [EC, RSA], ids=["EC", "RSA"])
def test_a_public_key_is_never_taken_for_a_shared_secret(key: SigningKey) -> None:
    for secret in (key.pem, key.pem.strip(), json.dumps(key.jwk()).encode(), b""):
        assert refused(signed_with_hmac(key.token(), secret)) == NOT_VALID


def test_a_shared_secret_in_the_set_is_passed_over() -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    shared = {"kty": "oct", "kid": "ec", "k": encoded(secret), "alg": "HS256"}
    verifier = TokenVerifier(keys_of(shared, EC.jwk()), ISSUER, AUDIENCE)
    assert refused(signed_with_hmac(EC.token(), secret), verifier) == NOT_VALID
    assert verifier.verify(EC.token())


def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    verifier = TokenVerifier(keys_of(RSA.jwk(alg="PS256")), ISSUER, AUDIENCE)
    assert refused(RSA.token(), verifier) == NOT_VALID
    assert verifier.verify(SigningKey("rsa", "PS256", RSA.private).token())


def test_an_algorithm_that_is_not_on_the_list_is_refused_whatever_a_key_is_for() -> None:
    any_key = FixedKeys([Key("rsa", RSA.private.public_key(), frozenset({"RS512", "RS256"}))])
    verifier = TokenVerifier(any_key, ISSUER, AUDIENCE)
    assert refused(SigningKey("rsa", "RS512", RSA.private).token(), verifier) == NOT_VALID
    assert verifier.verify(RSA.token())


@pytest.mark.parametrize(
    "members", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "RSA-OAEP"}, {"kid": 5}], ids=str
)
def test_a_key_for_something_else_verifies_nothing(members: dict[str, Any]) -> None:
    assert refused(RSA.token(), TokenVerifier(keys_of(RSA.jwk(**members)), ISSUER, AUDIENCE)) == NOT_VALID


def test_weak_and_other_keys_verify_nothing() -> None:
    weak = SigningKey("weak", "RS256", generate_rsa_key(65_537, 1_024))  # noqa: S505  # that it is weak is the point
    other = SigningKey("other", "ES384", generate_private_key(SECP384R1()))
    verifier = TokenVerifier(keys_of(weak.jwk(), other.jwk()), ISSUER, AUDIENCE)
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        token = weak.token()
    assert refused(token, verifier) == NOT_VALID
    assert refused(other.token(), verifier) == NOT_VALID


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: f"{encoded(data)}.{encoded(data)}.x"))
def test_no_text_is_a_fault_of_ours(text: str) -> None:
    assert refused(text) == NOT_VALID


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "client_id", "iat", "exp", "nbf", "scope", "brand", "jti"])


@given(
    st.dictionaries(NAMES, JSON, min_size=1, max_size=3), st.dictionaries(st.sampled_from(["kid", "typ", "crit"]), JSON)
)
def test_no_claim_and_no_header_is_a_fault_of_ours(claims: dict[str, Any], header: dict[str, Any]) -> None:
    _, body, signature = EC.token().split(".")
    head = encoded({"alg": "ES256", "typ": "at+jwt", "kid": "ec"} | header)
    assert refused(f"{head}.{body}.{signature}x") == NOT_VALID
    try:
        token = jwt.api_jws.encode(
            json.dumps(json.loads(json.dumps({**_claims(), **claims}))).encode(),
            EC.private,
            "ES256",
            {"typ": "at+jwt", "kid": "ec"},
        )
        VERIFIER.verify(token)
    except TokenRefusedError:
        pass


def _claims() -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(EC.token(), options={"verify_signature": False})
    return claims


def test_a_token_that_is_too_long_is_not_looked_at() -> None:
    assert VERIFIER.verify(EC.token(jti="x" * 1_000))
    assert refused(EC.token(jti="x" * TOKEN_CHARACTERS_MAX)) == NOT_VALID


# --- what is remembered -----------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def test_a_verified_token_is_remembered_for_a_time_and_not_beyond_its_own() -> None:
    clock = Clock()
    verifier = TokenVerifier(keys_of(EC.jwk()), ISSUER, AUDIENCE, clock)
    long, short = EC.token(), EC.token(exp=ago(-60))
    assert verifier.remembered(long) is None
    access = verifier.verify(long)
    verifier.verify(short)
    assert verifier.remembered(long) == access
    clock.now += 60 + LEEWAY_S + 1
    assert verifier.remembered(short) is None
    assert verifier.remembered(long) == access
    clock.now += REMEMBERED_S_MAX
    assert verifier.remembered(long) is None


def test_a_refused_token_is_not_remembered_and_another_one_neither() -> None:
    verifier = TokenVerifier(keys_of(EC.jwk()), ISSUER, AUDIENCE)
    token = EC.token(exp=ago(3_600))
    refused(token, verifier)
    good = EC.token()
    verifier.verify(good)
    assert verifier.remembered(token) is verifier.remembered(good[:-4] + "AAAA") is None


def test_what_is_remembered_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert REMEMBERED_MAX == 1_024
    monkeypatch.setattr(verifier_module, "REMEMBERED_MAX", 2)
    verifier = TokenVerifier(keys_of(EC.jwk()), ISSUER, AUDIENCE)
    first, second, third = (EC.token(jti=str(number)) for number in range(3))
    verifier.verify(first)
    verifier.verify(second)
    assert verifier.remembered(first)  # used last
    verifier.verify(third)
    assert [verifier.remembered(each) is not None for each in (first, second, third)] == [True, False, True]


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    for name, content in (("set.json", json.dumps({"keys": [EC.jwk()]}).encode()), ("key.pem", EC.pem)):
        path = tmp_path / name
        path.write_bytes(content)
        verifier = TokenVerifier(keys_of_file(path), ISSUER, AUDIENCE)
        assert verifier.verify(EC.token())
        assert refused(RSA.token(), verifier) == NOT_VALID


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is no JSON Web Key Set"),
        (b"{}", "is no JSON Web Key Set"),
        (b'{"keys": 1}', "is no JSON Web Key Set"),
        (b"[" * 100_000, "is no JSON Web Key Set"),
        (b'{"keys": [{"kty": "EC"}, 1, {"kty": "RSA", "n": "x", "e": "AQAB"}]}', "holds no key"),
        (b'{"keys": []}', "holds no key"),
        (b"-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----", "is no public key"),
        (b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----", "is no public key"),
    ],
)
def test_a_file_without_keys_is_refused_in_one_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=complaint):
        keys_of_file(path)
    with pytest.raises(BadInputError, match="cannot be read"):
        keys_of_file(tmp_path / "none")


def test_the_keys_of_a_url_are_fetched_once() -> None:
    with jwks_server(EC.jwk()) as served:
        verifier = TokenVerifier(RemoteKeys(served.url), ISSUER, AUDIENCE)
        assert served.requests == 0
        for number in range(5):
            verifier.verify(EC.token(jti=str(number)))
        assert served.requests == 1


def test_new_keys_are_fetched_where_a_token_names_one_and_not_more_often_than_at_a_bounded_rate() -> None:
    clock, new = Clock(), SigningKey("new")
    with jwks_server(EC.jwk()) as served:
        verifier = TokenVerifier(RemoteKeys(served.url, clock), ISSUER, AUDIENCE)
        verifier.verify(EC.token())
        served.keys[:] = [new.jwk()]
        for number in range(20):
            refused(new.token(jti=str(number)), verifier)
        assert served.requests == 1  # it was fetched just now
        clock.now += PAUSE_S_MIN
        assert verifier.verify(new.token())
        assert served.requests == 2
        assert refused(EC.token(jti="late"), verifier) == NOT_VALID  # its key is gone
        assert served.requests == 2
        for number in range(100):
            clock.now += PAUSE_S_MIN / 10
            refused(SigningKey("stranger", "ES256", EC.private).token(jti=str(number)), verifier)
        assert served.requests <= 13


def test_old_keys_are_fetched_anew_and_stay_while_there_are_no_others() -> None:
    clock = Clock()
    with jwks_server(EC.jwk()) as served:
        keys = RemoteKeys(served.url, clock)
        assert keys.find("ec", "ES256")
        clock.now += keys_module.KEPT_S + 1
        served.answer = lambda handler: handler.send_error(500)
        assert keys.find("ec", "ES256")
        assert served.requests == 2
        served.answer, served.keys[:] = None, []
        assert keys.find("ec", "ES256")  # tried a moment ago
        clock.now += PAUSE_S_MIN
        assert keys.find("ec", "ES256") is None
        assert served.requests == 3


def _endless(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b'{"keys": [' + b" " * (KEYS_BYTES_MAX + 1))


def _elsewhere(handler: Any) -> None:
    handler.send_response(302)
    handler.send_header("location", f"{handler.path}/moved")
    handler.end_headers()


@pytest.mark.parametrize(
    "answer",
    [_endless, _elsewhere, lambda handler: handler.send_error(404), lambda handler: handler.wfile.write(b"nonsense\n")],
    ids=["endless", "redirect", "404", "no HTTP"],
)
def test_without_keys_nothing_can_be_told_and_that_is_no_fault_of_the_token(answer: Any) -> None:
    clock = Clock()
    with jwks_server(EC.jwk()) as served:
        served.answer = answer
        verifier = TokenVerifier(RemoteKeys(served.url, clock), ISSUER, AUDIENCE)
        for _ in range(3):
            with pytest.raises(KeysUnavailableError):
                verifier.verify(EC.token())
        assert served.requests == 1
        served.answer = None
        clock.now += PAUSE_S_MIN
        assert verifier.verify(EC.token())


def test_keys_that_come_too_slowly_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "FETCH_S_MAX", 0.2)

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" ")
                time.sleep(0.01)  # slow on purpose
        except OSError:
            pass

    with jwks_server() as served:
        served.answer = drip
        begun = time.monotonic()
        with pytest.raises(KeysUnavailableError):
            RemoteKeys(served.url).find("ec", "ES256")
        assert time.monotonic() - begun < 2


# --- development ------------------------------------------------------------------------------------------------------


def test_the_development_key_signs_what_it_verifies_and_stays(tmp_path: Path) -> None:
    wish = Wish(["Audi"], [Scope.MEDIA_READ], "me", 60)
    token = DevelopmentKey(tmp_path).issue(wish, AUDIENCE)
    again = DevelopmentKey(tmp_path)
    access = TokenVerifier(again.keys, DEVELOPMENT_ISSUER, AUDIENCE).verify(token)
    assert access[:4] == ("me", "me", frozenset({"Audi"}), frozenset({Scope.MEDIA_READ}))
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert (
        refused(EC.token(iss=DEVELOPMENT_ISSUER), TokenVerifier(again.keys, DEVELOPMENT_ISSUER, AUDIENCE)) == NOT_VALID
    )


@pytest.mark.parametrize("content", ["nonsense", EC.pem.decode()])
def test_a_file_that_is_no_development_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / KEY_FILE).write_text(content)
    with pytest.raises(BadInputError, match="delete it"):
        DevelopmentKey(tmp_path)
