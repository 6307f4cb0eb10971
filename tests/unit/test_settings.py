"""What no setting may be, whoever reads it later: one line says so."""

from pathlib import Path
from typing import Final

import pytest

from adapters.config import Config, Tokens
from adapters.serving import bound
from domain.errors import BadInputError

TOO_LONG: Final = "1" * 5_000  # digits: more than Python makes a number of
NO_HOST: Final = "is no name or address of a host"


def refused(environment: dict[str, str]) -> str:
    with pytest.raises(BadInputError) as error:
        Config.read({f"FLEETTWIN_{name}": value for name, value in environment.items()})
    return str(error.value)


@pytest.mark.parametrize("name", ["HOME", "VSS_CATALOGUE", "KAFKA_CA_FILE", "KAFKA_CERTIFICATE_FILE", "KAFKA_KEY_FILE"])
def test_the_home_of_a_user_who_is_not_there_is_refused(name: str) -> None:
    said = f"environment FLEETTWIN_{name}: '~nosuchuser/x' is no path (Could not determine home directory.)"
    assert refused({name: "~nosuchuser/x"}).startswith(said)


def test_neither_is_the_file_of_the_settings_there() -> None:
    assert refused({"CONFIG": "~nosuchuser/x"}).startswith("environment FLEETTWIN_CONFIG: '~nosuchuser/x' is no path (")


@pytest.mark.parametrize("name", ["PORT", "METRICS_PORT", "KAFKA_PARTITIONS", "KAFKA_BOOTSTRAP_SERVERS"])
def test_a_number_of_any_length_is_refused(name: str) -> None:
    value = f"one:{TOO_LONG}" if name == "KAFKA_BOOTSTRAP_SERVERS" else TOO_LONG
    assert refused({name: value}).startswith(f"environment FLEETTWIN_{name}: '")


@pytest.mark.parametrize(
    "host", ["ä" * 70, "\udcff", "a..b", "a" * 64], ids=["long with umlauts", "no UTF-8", "empty label", "long label"]
)
def test_what_no_socket_takes_for_a_host_is_refused(host: str) -> None:
    assert NO_HOST in refused({"METRICS_HOST": host})
    assert "is no broker" in refused({"KAFKA_BOOTSTRAP_SERVERS": f"{host}:9092"})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('metrics_host = ""', f"'' {NO_HOST}; give one: 0.0.0.0 for all of this machine"),
        ('metrics_host = "a\\u0000b"', f"'a\\x00b' {NO_HOST}"),
        ('home = "a\\u0000b"', "'a\\x00b' is no path (a character of it is 0)"),
        (f"port = {TOO_LONG}", "is no TOML: "),
        (f"port = {'[' * 5_000}", "is no TOML: "),
    ],
    ids=["empty host", "host with NUL", "path with NUL", "long number", "deep"],
)
def test_what_the_file_may_hold_beyond_that_is_refused_too(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(f"{text}\n")
    said = refused({"CONFIG": str(path)})
    assert complaint in said
    assert str(path) in said


def test_addresses_of_every_kind_are_hosts() -> None:
    for host in ("127.0.0.1", "::1", "fe80::1%eth0", "localhost", "bücher.example", "_under.score"):
        assert Config.read({"FLEETTWIN_METRICS_HOST": host}).metrics_host == host


# --- tokens -----------------------------------------------------------------------------------------------------------

ISSUER: Final = "https://login.example/"


def tokens(**environment: str) -> Tokens:
    return Config.read({f"FLEETTWIN_TOKEN_{name}": value for name, value in environment.items()}).tokens


def test_tokens_are_those_of_the_development_key_and_needed_where_the_settings_say_so() -> None:
    assert tokens() == Tokens(None, None, "fleettwin", required=False)
    assert tokens(KEYS="development", AUDIENCE="api") == Tokens(None, None, "api", required=True)


@pytest.mark.parametrize("url", ["https://login.example/jwks?v=1", "http://127.0.0.1:80/jwks", "http://localhost/jwks"])
def test_keys_are_at_a_url_or_in_a_file(url: str) -> None:
    assert tokens(KEYS=url, ISSUER=ISSUER) == Tokens(url, ISSUER, "fleettwin", required=True)
    assert tokens(KEYS="keys.json", ISSUER=ISSUER) == Tokens(Path("keys.json"), ISSUER, "fleettwin", required=True)


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"KEYS": "http://login.example/jwks", "ISSUER": ISSUER}, "FLEETTWIN_TOKEN_KEYS: this is no URL that keys"),
        ({"KEYS": "ftp://login.example/jwks", "ISSUER": ISSUER}, "no URL"),
        ({"KEYS": "https://me:secret@login.example/jwks", "ISSUER": ISSUER}, "no URL"),
        ({"KEYS": "https://[::1/jwks", "ISSUER": ISSUER}, "no URL"),
        ({"KEYS": "https:///jwks", "ISSUER": ISSUER}, "no URL"),
        ({"KEYS": "https://login.example/jwks"}, "is set, and token_issuer is not"),
        ({"ISSUER": ISSUER}, "FLEETTWIN_TOKEN_ISSUER: is set, and its keys are not"),
        ({"ISSUER": ISSUER, "KEYS": "development"}, "is set, and its keys are not"),
        ({"KEYS": "~nosuchuser/x", "ISSUER": ISSUER}, "is no path"),
    ],
)
def test_keys_that_cannot_be_are_refused(environment: dict[str, str], complaint: str) -> None:
    assert complaint in refused({f"TOKEN_{name}": value for name, value in environment.items()})


def test_others_are_let_in_only_where_tokens_of_an_issuer_are_needed() -> None:
    outside = {"FLEETTWIN_HOST": "0.0.0.0", "FLEETTWIN_PORT": "0"}  # noqa: S104  # that it is all of them is the point
    for keys in ("", "development"):
        with pytest.raises(BadInputError, match="anyone could come in"):
            bound(Config.read(outside | {"FLEETTWIN_TOKEN_KEYS": keys}))
    with bound(Config.read(outside | {"FLEETTWIN_TOKEN_KEYS": "keys.json", "FLEETTWIN_TOKEN_ISSUER": ISSUER})):
        pass
