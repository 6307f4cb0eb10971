"""Where a schema registry is: what the settings may say."""

from pathlib import Path

import pytest

from adapters.config import Config, Registry
from domain.errors import BadInputError


def read(**settings: str) -> Config:
    return Config.read({f"FLEETTWIN_SCHEMA_REGISTRY_{name}": value for name, value in settings.items()})


def test_unless_set_there_is_none() -> None:
    assert read().schema_registry is None
    assert read(USERNAME="anna", PASSWORD="geheim").schema_registry is None


def test_a_registry_has_an_address_and_perhaps_a_name_and_a_password() -> None:
    assert read(URL="https://r.example:8081/api/").schema_registry == Registry(
        "https://r.example:8081/api", None, None, None
    )
    config = read(URL="http://[::1]:1", USERNAME="anna", PASSWORD="a:b")
    assert config.schema_registry == Registry("http://[::1]:1", "anna", "a:b", None)
    shown = {value.setting.name: value.shown for value in config.values}
    assert shown["schema_registry_password"] == "(set, not shown)"


def test_whoever_signs_its_certificate_is_a_file_where_there_is_one() -> None:
    registry = read(URL="https://r.example", CA_FILE="/etc/ca.pem").schema_registry
    assert registry is not None
    assert registry.ca_file == Path("/etc/ca.pem")
    with pytest.raises(BadInputError, match=r"_CA_FILE: is set, and http has no use for it; give the registry's URL"):
        read(URL="http://r.example", CA_FILE="/etc/ca.pem")


@pytest.mark.parametrize(
    "url",
    [
        *("r.example", "r.example:8081", "file:///etc/passwd", "ftp://r", "http://", "http://r:x", "http://r:0"),
        *("http://[1", "http://r?x=1", "http://r#x", "http://ä.example", "http://r/a b"),
    ],
)
def test_what_is_no_address_of_a_registry_is_refused(url: str) -> None:
    with pytest.raises(BadInputError, match=r"^environment FLEETTWIN_SCHEMA_REGISTRY_URL: this is no URL"):
        read(URL=url)


def test_a_password_in_the_address_would_be_shown() -> None:
    with pytest.raises(
        BadInputError, match=r"a URL is shown, so it holds no password; set FLEETTWIN_\w+_USERNAME"
    ) as said:
        read(URL="https://anna:geheim@r.example")
    assert "geheim" not in str(said.value)


@pytest.mark.parametrize(("given", "missing"), [("USERNAME", "PASSWORD"), ("PASSWORD", "USERNAME")])
def test_name_and_password_go_together(given: str, missing: str) -> None:
    with pytest.raises(BadInputError, match=f"_{given}: is set, and schema_registry_{missing.lower()} is not"):
        read(URL="http://r", **{given: "x"})


def test_a_name_has_no_colon() -> None:
    with pytest.raises(BadInputError, match="a name with a colon cannot be sent"):
        read(URL="http://r", USERNAME="a:b", PASSWORD="x")
