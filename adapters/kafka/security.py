"""What a cluster asks of those who come in: TLS or none, a user and a password, a certificate."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from domain.errors import BadInputError

PLAINTEXT: Final = "PLAINTEXT"
PROTOCOLS: Final = (PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

PROTOCOL_SETTING: Final = "FLEETTWIN_KAFKA_SECURITY_PROTOCOL"
MECHANISM_SETTING: Final = "FLEETTWIN_KAFKA_SASL_MECHANISM"
USERNAME_SETTING: Final = "FLEETTWIN_KAFKA_USERNAME"
PASSWORD_SETTING: Final = "FLEETTWIN_KAFKA_PASSWORD"  # noqa: S105  # the name of it
CA_SETTING: Final = "FLEETTWIN_KAFKA_CA_FILE"
CERTIFICATE_SETTING: Final = "FLEETTWIN_KAFKA_CERTIFICATE_FILE"
KEY_SETTING: Final = "FLEETTWIN_KAFKA_KEY_FILE"


class Secret(str):
    """Text that shows itself to nobody: the client's library logs the settings that it is given."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'(not shown)'"

    def __str__(self) -> str:
        return "(not shown)"

    def __format__(self, form: str) -> str:
        return format(str(self), form)


@dataclass(frozen=True, slots=True)
class Security:
    """What the settings say about it. Raises BadInputError where they contradict each other."""

    protocol: str = PLAINTEXT
    mechanism: str | None = None
    username: str | None = None
    password: Secret | None = field(default=None, repr=False)
    ca_file: Path | None = None  # who has signed the certificates of brokers; None: whom the system trusts
    certificate_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        _check_choice(self.protocol, PROTOCOLS, "security protocol", PROTOCOL_SETTING)
        of_sasl = {
            MECHANISM_SETTING: self.mechanism,
            USERNAME_SETTING: self.username,
            PASSWORD_SETTING: self.password,
        }
        for setting, value in of_sasl.items():
            if self.sasl and value is None:
                what = f"is not set, and {self.protocol} needs it"
                raise BadInputError(what, where=setting, remedy=f"set it, or another {PROTOCOL_SETTING}")
            if not self.sasl and value is not None:
                _refuse_unused(setting, self.protocol, "SASL_SSL or SASL_PLAINTEXT")
        if self.mechanism is not None:
            _check_choice(self.mechanism, MECHANISMS, "SASL mechanism", MECHANISM_SETTING)
        of_tls = {
            CA_SETTING: self.ca_file,
            CERTIFICATE_SETTING: self.certificate_file,
            KEY_SETTING: self.key_file,
        }
        for setting, file in of_tls.items():
            if not self.tls and file is not None:
                _refuse_unused(setting, self.protocol, "SSL or SASL_SSL")
        if (self.certificate_file is None) != (self.key_file is None):
            given, missing = CERTIFICATE_SETTING, KEY_SETTING
            if self.certificate_file is None:
                given, missing = missing, given
            raise BadInputError(f"is set, and {missing} is not", where=given, remedy="set both, or neither")

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol in {"SSL", "SASL_SSL"}

    @property
    def sasl(self) -> bool:
        """Whether a name and a password are asked for."""
        return self.protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    def settings(self) -> dict[str, Any]:
        """Return what clients are given, but for the files of TLS."""
        found: dict[str, Any] = {"security_protocol": self.protocol}
        if self.sasl:
            assert self.mechanism is not None
            assert self.username is not None
            found["sasl_mechanism"] = self.mechanism
            found["sasl_plain_username"] = _saslname(self.username, self.mechanism)
            found["sasl_plain_password"] = self.password
        return found


def _check_choice(given: str, choices: tuple[str, ...], what: str, setting: str) -> None:
    if given not in choices:
        raise BadInputError(f"{given!r} is no {what} that is known", where=setting, remedy=f"set {_either(choices)}")


def _either(choices: tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _refuse_unused(setting: str, protocol: str, users: str) -> None:
    raise BadInputError(
        f"is set, and {protocol} has no use for it",
        where=setting,
        remedy=f"set {PROTOCOL_SETTING} to {users}, or do not set it",
    )


def _saslname(username: str, mechanism: str) -> str:
    """Return the name as SCRAM sends it (RFC 5802, section 5.1), which kafka-python leaves to us."""
    return username if mechanism == "PLAIN" else username.replace("=", "=3D").replace(",", "=2C")
