"""Every setting: read once, from `FLEETTWIN_*` environment variables, a TOML file, or its default, in this order.

The file is the one that FLEETTWIN_CONFIG names, else `fleettwin.toml` in the working directory if there is one; its
keys are the settings' names below.
"""

import os
import re
import secrets
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from adapters.kafka.security import PLAINTEXT, Secret, Security
from adapters.secret_file import kept_secret
from domain.errors import BadInputError, did_you_mean

PREFIX: Final = "FLEETTWIN_"
DEFAULT_FILE: Final = "fleettwin.toml"
VIN_KEY_BYTES: Final = 32  # RFC 2104, section 3: no shorter than the hash's output
VIN_KEY_CHARACTERS_MIN: Final = 16
DEVELOPMENT_KEYS: Final = "development"  # what token_keys may name instead of a place
PORT_MAX: Final = 65_535
PARTITIONS_MAX: Final = 10_000
ANY_DOCUMENTS: Final = "any"
TRUSTED_ONLY: Final = "trusted"
QUERY_POINTS_MAX: Final = 1_000_000_000
NUMBER_DIGITS_MAX: Final = 20
LOG_FORMATS: Final = ("logfmt", "json")
TOPIC_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{0,200}")  # Kafka allows 249 characters, the topic's own among them


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting is called, what it is for and what it is when nobody sets it (None: see the sentence)."""

    name: str
    sentence: str
    default: str | None = None
    secret: bool = False

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.name.upper()


SETTINGS: Final = (
    Setting("home", "Folder of the embedded database and of the generated keys.", "~/.local/share/fleettwin"),
    Setting("database_url", "PostgreSQL to use (postgresql://…); unset: an embedded one below home.", secret=True),
    Setting(
        "vin_key",
        "Secret that vehicle ids are derived with, 16 characters or more; unset: generated below home.",
        secret=True,
    ),
    Setting(
        "vss_catalogue", "A VSS catalogue (JSON as `vspec export json` writes it); unset: the paths in use of VSS 6.0."
    ),
    Setting(
        "host",
        "Address that `serve` and `demo` bind to; another than a loopback address needs token_keys.",
        "127.0.0.1",
    ),
    Setting(
        "token_keys",
        "Keys of tokens: `development`, the URL of a JWKS, or a file (JWKS, or a public key as PEM); unset: nobody"
        " needs a token, on a loopback address only.",
    ),
    Setting("token_issuer", "Who has issued the tokens (iss), where their keys are not ours."),
    Setting("token_audience", "Whom tokens must be for (aud).", "fleettwin"),
    Setting("query_points", "What a client with a token may spend at once on queries (extensions.cost).", "20000"),
    Setting("query_points_restored", "How many of these points come back each second.", "1000"),
    Setting("documents", "Which documents of GraphQL `serve` executes: any, or trusted (registered) ones only.", "any"),
    Setting("port", "TCP port that `serve` and `demo` bind to; 0: any free one.", "8000"),
    Setting("kafka_bootstrap_servers", "Kafka to use: host:port, several with commas; unset: none."),
    Setting(
        "kafka_partitions",
        "Partitions of each topic; fixed when the topics are created, since another number mixes up the order.",
        "12",
    ),
    Setting("kafka_topic_prefix", "What the name of each topic begins with, where a cluster has several users."),
    Setting("kafka_security_protocol", "PLAINTEXT, SSL (TLS), SASL_PLAINTEXT or SASL_SSL.", PLAINTEXT),
    Setting("kafka_sasl_mechanism", "With SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."),
    Setting("kafka_username", "With SASL: who this is."),
    Setting("kafka_password", "With SASL: the password.", secret=True),
    Setting("kafka_ca_file", "With TLS: certificates (PEM) of who signs the brokers'; unset: whom the system trusts."),
    Setting("kafka_certificate_file", "With TLS, where brokers ask for a certificate of ours: the certificate (PEM)."),
    Setting("kafka_key_file", "Its private key (PEM, not encrypted)."),
    Setting(
        "schema_registry_url",
        "Schema registry (Confluent's API) whose ids the topics carry; unset: our own ids, which `serve` explains.",
    ),
    Setting("schema_registry_username", "Name for the schema registry; unset: it wants none."),
    Setting("schema_registry_password", "Password for the schema registry.", secret=True),
    Setting(
        "schema_registry_ca_file",
        "With https: certificates (PEM) of who signs the schema registry's; unset: whom the system trusts.",
    ),
    Setting("metrics_port", "TCP port of `run` for /metrics, /health and /ready; 0: any free one; unset: none."),
    Setting(
        "metrics_host", "Address that this port is bound to; what is answered there names no vehicle.", "127.0.0.1"
    ),
    Setting("log_format", "How `run` and `serve` write their log: logfmt (key=value) or json.", "logfmt"),
)

FILE: Final = Setting(
    "config", "File of these settings, if it is there; itself set by the environment only.", DEFAULT_FILE
)


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and where it comes from."""

    setting: Setting
    value: str | None = field(repr=False)
    source: str

    @property
    def shown(self) -> str | None:
        """The value as it may be shown."""
        return "(set, not shown)" if self.setting.secret and self.value is not None else self.value


class Tokens(NamedTuple):
    """Which tokens are taken. Without `keys` they are those of the development key."""

    keys: str | Path | None  # the URL or the file of the keys
    issuer: str | None  # None: the development key's
    audience: str
    required: bool  # False: who shows none is let in too


class Registry(NamedTuple):
    """A schema registry that is not our own."""

    url: str  # without a slash at its end
    username: str | None
    password: str | None
    ca_file: Path | None  # None: whom the system trusts


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, read and checked."""

    home: Path
    database_url: str | None = field(repr=False)
    vss_catalogue: Path | None
    host: str
    port: int
    tokens: Tokens
    query_points: int
    query_points_restored: int  # a second
    documents: str
    kafka_bootstrap_servers: str | None
    kafka_partitions: int
    kafka_topic_prefix: str
    kafka_security: Security
    schema_registry: Registry | None
    metrics_port: int | None
    metrics_host: str
    log_format: str
    values: tuple[Value, ...]
    _vin_key: str | None = field(repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Config":
        """Read every setting. Raises BadInputError for an unknown name or a value that cannot be."""
        file, in_file = _file(environment)
        known = {setting.variable for setting in (*SETTINGS, FILE)} | {PREFIX + "TEST_DATA"}
        for variable in environment:
            if variable.startswith(PREFIX) and variable not in known:
                raise _no_such_setting(variable, variable, known - {PREFIX + "TEST_DATA"})
        for key in in_file:
            if key not in {setting.name for setting in SETTINGS}:
                raise _no_such_setting(key, f"{file}: {key}", {setting.name for setting in SETTINGS})
        values = tuple(_value(setting, environment, file, in_file) for setting in (*SETTINGS, FILE))
        by_name = {value.setting.name: value for value in values}
        vin_key = by_name["vin_key"].value
        if vin_key is not None and len(vin_key) < VIN_KEY_CHARACTERS_MIN:
            what = f"{len(vin_key)} characters are no secret"
            raise BadInputError(
                what, where=by_name["vin_key"].source, remedy=f"give {VIN_KEY_CHARACTERS_MIN} or more, at random"
            )
        home = _path(by_name["home"])
        assert home is not None
        return cls(
            home,
            by_name["database_url"].value,
            _path(by_name["vss_catalogue"]),
            by_name["host"].value or "",
            _number(by_name["port"], "port", 0, PORT_MAX),
            _tokens(*(by_name[f"token_{part}"] for part in ("keys", "issuer", "audience"))),
            _number(by_name["query_points"], "number of points", 1, QUERY_POINTS_MAX),
            _number(by_name["query_points_restored"], "number of points", 1, QUERY_POINTS_MAX),
            _one_of(by_name["documents"], (ANY_DOCUMENTS, TRUSTED_ONLY)),
            _servers(by_name["kafka_bootstrap_servers"]),
            _number(by_name["kafka_partitions"], "number of partitions", 1, PARTITIONS_MAX),
            _prefix(by_name["kafka_topic_prefix"]),
            _security(by_name),
            _registry(*(by_name[f"schema_registry_{part}"] for part in ("url", "username", "password", "ca_file"))),
            None if by_name["metrics_port"].value is None else _number(by_name["metrics_port"], "port", 0, PORT_MAX),
            _host(by_name["metrics_host"]),
            _one_of(by_name["log_format"], LOG_FORMATS),
            values,
            vin_key,
        )

    def kafka(self) -> str:
        """Return the Kafka to use. Raises BadInputError where none is set."""
        if self.kafka_bootstrap_servers is None:
            raise BadInputError(
                "no Kafka is set",
                where=PREFIX + "KAFKA_BOOTSTRAP_SERVERS",
                remedy="give its brokers as host:port; `make up` starts one and says where",
            )
        return self.kafka_bootstrap_servers

    def vin_key(self) -> bytes:
        """Return the key that vehicle ids are derived with; generate it below home where none is set."""
        if self._vin_key is not None:
            return self._vin_key.encode()
        return kept_secret(self.home / "vin.key", "VIN key", lambda: secrets.token_hex(VIN_KEY_BYTES)).encode()


def _file(environment: Mapping[str, str]) -> tuple[Path, Mapping[str, Any]]:
    named = _value(FILE, environment, Path(), {})
    path = _path(named)
    assert path is not None
    if not environment.get(FILE.variable) and not path.exists():
        return path, {}
    try:
        return path, tomllib.loads(path.read_text())
    except OSError as error:
        raise BadInputError(
            f"cannot be read ({error.strerror})", where=str(path), remedy="correct FLEETTWIN_CONFIG"
        ) from error
    except (ValueError, RecursionError) as error:  # besides TOMLDecodeError and UnicodeDecodeError: a number's length
        raise BadInputError(f"is no TOML: {error}", where=str(path), remedy="write lines like: port = 8000") from error


def _value(setting: Setting, environment: Mapping[str, str], file: Path, in_file: Mapping[str, Any]) -> Value:
    if environment.get(setting.variable):
        return Value(setting, environment[setting.variable], f"environment {setting.variable}")
    if setting.name in in_file:
        return Value(setting, str(in_file[setting.name]), f"file {file}")
    return Value(setting, setting.default, "default")


def _number(value: Value, what: str, least: int, most: int) -> int:
    text = value.value or ""
    if not _is_number(text, least, most):
        raise BadInputError(
            f"{text!r} is no {what}", where=value.source, remedy=f"give a number from {least} to {most}"
        )
    return int(text)


def _is_number(text: str, least: int, most: int) -> bool:
    """Return whether a text is a number within limits. Python makes none of more than 4,300 digits."""
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX and least <= int(text) <= most


def _path(value: Value) -> Path | None:
    """Return a path, that of a home (~, ~user) written out."""
    if value.value is None:
        return None
    try:
        if "\0" in value.value:
            raise ValueError("a character of it is 0")  # noqa: TRY301  # told like any other
        return Path(value.value).expanduser()
    except (ValueError, RuntimeError) as error:
        what, remedy = f"{value.value!r} is no path ({error})", "give the path of a file or folder"
        raise BadInputError(what, where=value.source, remedy=remedy) from error


def _host(value: Value) -> str:
    text = value.value or ""
    if not _is_host(text):
        what, remedy = f"{text!r} is no name or address of a host", "give one: 0.0.0.0 for all of this machine"
        raise BadInputError(what, where=value.source, remedy=remedy)
    return text


def _is_host(text: str) -> bool:
    """Return whether a socket takes a text for a host, which it may not find."""
    try:
        text.encode("idna")  # as sockets write it
    except UnicodeError:
        return False
    return bool(text) and "\0" not in text


def _one_of(value: Value, allowed: Sequence[str]) -> str:
    text = value.value or ""
    if text not in allowed:
        raise BadInputError(f"{text!r} is none of them", where=value.source, remedy=f"give {' or '.join(allowed)}")
    return text


def _servers(value: Value) -> str | None:
    if value.value is None:
        return None
    servers = [server.strip() for server in value.value.split(",")]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not _is_broker_host(host) or not _is_number(port, 1, PORT_MAX):
            raise BadInputError(
                f"{server!r} is no broker", where=value.source, remedy="give host:port, several with commas"
            )
    return ",".join(servers)


def _is_broker_host(text: str) -> bool:
    """Return whether a text names a host before a port: brackets tell the colons of IPv6 from the port's."""
    if not text.startswith("["):
        return _is_host(text) and not set(text) & set(":[]")
    try:
        return text.endswith("]") and bool(IPv6Address(text[1:-1]))
    except ValueError:
        return False


def _prefix(value: Value) -> str:
    text = value.value or ""
    if not TOPIC_PREFIX.fullmatch(text):
        what, remedy = f"{text!r} begins no topic", "give letters, digits, dots, hyphens and underscores, 200 at most"
        raise BadInputError(what, where=value.source, remedy=remedy)
    return text


def _tokens(keys: Value, issuer: Value, audience: Value) -> Tokens:
    aud = audience.value or ""
    if not aud:
        raise BadInputError("tokens must be for somebody", where=audience.source, remedy="give a name, or leave it out")
    if not keys.value or keys.value == DEVELOPMENT_KEYS:
        if issuer.value:
            remedy = "set FLEETTWIN_TOKEN_KEYS to the keys of this issuer, or leave the issuer out"
            raise BadInputError("is set, and its keys are not", where=issuer.source, remedy=remedy)
        return Tokens(None, None, aud, required=bool(keys.value))
    if not issuer.value:
        remedy = "set FLEETTWIN_TOKEN_ISSUER to what its tokens have as iss"
        raise BadInputError("is set, and token_issuer is not", where=keys.source, remedy=remedy)
    if "://" not in keys.value:
        return Tokens(_path(keys), issuer.value, aud, required=True)
    try:
        parts = urlsplit(keys.value)
        host, complete = parts.hostname or "", bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, host, complete = urlsplit(""), "", False
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if (
        not complete
        or not secure
        or "@" in parts.netloc
        or parts.fragment
        or not keys.value.isascii()
        or " " in keys.value
    ):
        remedy = "give https://…; http:// only at a loopback address"
        raise BadInputError("this is no URL that keys are taken from", where=keys.source, remedy=remedy)
    return Tokens(keys.value, issuer.value, aud, required=True)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, and nobody else comes to it from outside."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _registry(url: Value, username: Value, password: Value, ca: Value) -> Registry | None:
    for given, missing in ((username, password), (password, username)):
        if given.value is not None and missing.value is None:
            what = f"is set, and {missing.setting.name} is not"
            raise BadInputError(what, where=given.source, remedy="set both or neither")
    if ":" in (username.value or ""):
        raise BadInputError("a name with a colon cannot be sent", where=username.source, remedy="give another name")
    if url.value is None:
        return None
    try:
        parts = urlsplit(url.value)
        complete = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        parts, complete = urlsplit(""), False
    if not complete or parts.query or parts.fragment or not url.value.isascii() or " " in url.value:
        remedy = "give http://… or https://…, without a query"
        raise BadInputError("this is no URL of a schema registry", where=url.source, remedy=remedy)
    if "@" in parts.netloc:
        remedy = "set FLEETTWIN_SCHEMA_REGISTRY_USERNAME and FLEETTWIN_SCHEMA_REGISTRY_PASSWORD"
        raise BadInputError("a URL is shown, so it holds no password", where=url.source, remedy=remedy)
    if ca.value is not None and parts.scheme != "https":
        remedy = "give the registry's URL with https://, or leave the file out"
        raise BadInputError("is set, and http has no use for it", where=ca.source, remedy=remedy)
    return Registry(url.value.rstrip("/"), username.value, password.value, _path(ca))


def _security(values: Mapping[str, Value]) -> Security:
    def given(name: str) -> str | None:
        return values[f"kafka_{name}"].value or None

    ca, certificate, key = (
        _path(values[f"kafka_{name}"]) if given(name) else None for name in ("ca_file", "certificate_file", "key_file")
    )
    password = given("password")
    return Security(
        given("security_protocol") or PLAINTEXT,
        given("sasl_mechanism"),
        given("username"),
        None if password is None else Secret(password),
        ca,
        certificate,
        key,
    )


def _no_such_setting(name: str, where: str, known: Collection[str]) -> BadInputError:
    near = get_close_matches(name, known, cutoff=0.8)
    remedy = did_you_mean(near, "see `fleettwin config` for all there are")
    return BadInputError("no such setting", where=where, remedy=remedy)
