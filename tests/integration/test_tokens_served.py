"""Tokens from the command line to the answer: issued, needed, shown, on record."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.command_line import CommandLine, serving
from tests.support.small_drives import petrol_drive
from tests.support.tokens import ISSUER, SigningKey, jwks_server

VIN = "WVWZZZE1ZTP000042"
OTHER_VIN = "WVWZZZE1ZTP000043"
PATIENCE_S = 120
NAVIGATION = "navigation { speed { status } trips(first: 20) { pageInfo { hasNextPage } } }"
DOCUMENT = f"{{ vehicles(first: 9) {{ edges {{ node {{ vin {NAVIGATION} }} }} }} }}"


@pytest.fixture
def driven(fleettwin: CommandLine, tmp_path: Path) -> CommandLine:
    """Give a command line that knows one car of each of two brands."""
    path = tmp_path / "drive.log"
    path.write_text(petrol_drive())
    for vin, brand in ((VIN, "Audi"), (OTHER_VIN, "Skoda")):
        fleettwin.ingest(path, "--vin", vin, "--brand", brand, "--map", "obd2")
    return fleettwin


def ask(address: str, token: str | None, document: str = DOCUMENT) -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return httpx.post(address, json={"query": document}, headers=headers, timeout=PATIENCE_S)


def vins(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return sorted(edge["node"]["vin"] for edge in response.json()["data"]["vehicles"]["edges"])


def issued(fleettwin: CommandLine, *options: str, **settings: str) -> str:
    done = fleettwin.run("token", *options, **settings)
    assert (done.status, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    return done.stdout.strip()


def test_a_development_token_shows_its_brand_and_is_on_record(driven: CommandLine) -> None:
    token = issued(driven, "--brand", "audi", "--scope", "navigation:read", "--client", "my app", "--valid", "15m")
    assert driven.run("audit", VIN).stdout.strip() == "nobody has been shown personal data of it"
    with serving(driven) as (_, address):
        assert vins(ask(address, None)) == [VIN, OTHER_VIN]  # as it comes, for development
        response = ask(address, token)
        assert vins(response) == [VIN]
        assert response.json()["extensions"]["withheld"][0]["field"] == "Navigation.trips"
        assert ask(address, token + "x").status_code == 401
    newest, *_ = driven.run("audit", VIN, "--json").json
    assert newest | {"recordedAt": None} == {
        "recordedAt": None,
        "requestId": response.headers["x-request-id"],
        "client": "my app",
        "subject": "my app",
        "fields": ["Vehicle.Speed"],
    }
    assert [each["client"] for each in driven.run("audit", OTHER_VIN, "--json").json] == ["development"]
    assert "my app" in driven.run("audit", VIN).stdout
    assert "no such vehicle" in driven.run("audit", "WVWZZZE1ZTP000099").complaint


def test_where_tokens_are_needed_there_is_no_answer_without_one(driven: CommandLine) -> None:
    driven.settings = {"TOKEN_KEYS": "development"}
    token = issued(driven, "--brand", "Skoda", "--brand", "Audi", "--scope", "media:read")
    with serving(driven) as (process, address):
        assert process.stdout is not None
        assert "A token is needed" in process.stdout.readline()
        refused = ask(address, None)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="fleettwin"')
        assert vins(ask(address, token)) == [VIN, OTHER_VIN]
        assert httpx.get(address.replace("/graphql", "/health")).status_code == 200
        assert httpx.get(address.replace("/graphql", "/metrics")).status_code == 401


def test_tokens_of_an_issuer_are_verified_with_its_keys_and_new_keys_are_found(driven: CommandLine) -> None:
    key, later = SigningKey("1", "RS256"), SigningKey("2")
    with jwks_server(key.jwk()) as served:
        driven.settings = {"TOKEN_KEYS": served.url, "TOKEN_ISSUER": ISSUER, "HOST": "0.0.0.0"}  # noqa: S104
        with serving(driven) as (process, bound):
            address = bound.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
            assert vins(ask(address, key.token(brand="Audi"))) == [VIN]
            assert ask(address, later.token()).status_code == 401
            expired = ask(address, key.token(exp=int(time.time()) - 60))
            assert 'error_description="the token has expired"' in expired.headers["www-authenticate"]
            assert served.requests == 1
            assert vins(ask(address, key.token(brand=["Audi", "Skoda", "Seat"]))) == [VIN, OTHER_VIN]
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_S)
        assert (
            "tokens are issued by others" in driven.run("token", "--brand", "Audi", "--scope", "media:read").complaint
        )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            ["--brand", "Audi", "--scope", "navigation"],
            "--scope: 'navigation' is no scope; give one of navigation:read",
        ),
        (["--brand", "Audi", "--scope", "media:read", "--valid", "1 hour"], "--valid: '1 hour' is no such time"),
        (["--brand", "Audi", "--scope", "media:read", "--valid", "31d"], "30d at most"),
        (["--brand", "Audi", "--scope", "media:read", "--valid", "0s"], "--valid"),
        (["--brand", "A\nB", "--scope", "media:read"], "--brand: no token can name this"),
        (["--brand", "Audi", "--scope", "media:read", "--client", ""], "--client: no token can name this"),
    ],
)
def test_a_token_that_cannot_be_is_refused_in_one_line(
    fleettwin: CommandLine, options: list[str], complaint: str
) -> None:
    done = fleettwin.run("token", *options)
    assert done.status == 2
    assert complaint in done.stderr.splitlines()[-1]


def test_a_brand_that_nobody_has_is_told_of_and_the_answer_is_that_of_an_authorization_server(
    driven: CommandLine,
) -> None:
    done = driven.run("token", "--brand", "Cupra", "--scope", "media:read", "--scope", "events:read", "--json")
    assert "no vehicle is of the brand Cupra (brands: Audi, Skoda)" in " ".join(done.stderr.split())
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.pop("access_token").count(".") == 2
    scope = "media:read events:read"
    assert found == {"token_type": "Bearer", "expires_in": 3600, "scope": scope, "brand": ["Cupra"]}
