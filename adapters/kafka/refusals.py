"""What is said of a connection to a broker that does not come to be."""

import re
import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple

from kafka.errors import (
    IllegalSaslStateError,
    InvalidReceiveError,
    KafkaError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)

from adapters.kafka.security import (
    CA_SETTING,
    CERTIFICATE_SETTING,
    KEY_SETTING,
    MECHANISM_SETTING,
    PASSWORD_SETTING,
    PROTOCOL_SETTING,
    USERNAME_SETTING,
)

_HOST_MISMATCHES: Final = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_UNKNOWN_SIGNERS: Final = (2, 18, 19, 20, 21)  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT and its like
_ALERT: Final = re.compile(r"ALERT.*(CERTIFICATE|UNKNOWN_CA)")  # what the broker says of our certificate
_SAID_CHARACTERS_MAX: Final = 300


class Refusal(NamedTuple):
    """What it is, and what to do about it."""

    what: str
    remedy: str


class UnreachedError(KafkaError):  # type: ignore[misc]  # kafka-python ships no types
    """No broker can be spoken to, and it is known why."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(f"{refusal.what}; {refusal.remedy}")


CLOSED: Final = Refusal(
    "the broker answers, and closes the connection when it is asked for more",
    f"it may ask for a user and a password: set {PROTOCOL_SETTING} to SASL_SSL or SASL_PLAINTEXT",
)


def for_good(failure: BaseException) -> Refusal | None:
    """Return what a broker refuses, and would the next time too; None where time may help."""
    for each in _causes(failure):
        refusal = _of_sasl(each) or _of_tls(each)
        if refusal:
            return refusal
    return None


def at_first(failure: BaseException) -> Refusal | None:
    """Return what a connection most likely fails of where none has come to be yet."""
    refusal = for_good(failure)
    errors = [each for each in _causes(failure) if isinstance(each, ssl.SSLError)]
    if refusal is None and errors:
        return Refusal(f"no TLS is spoken there ({_said(errors[0])})", f"correct {PROTOCOL_SETTING}, or the port")
    return refusal


def _of_sasl(error: BaseException) -> Refusal | None:
    match error:
        case SaslAuthenticationFailedError():
            said = str(error.args[0] if error.args else error).removeprefix(f"{type(error).__name__}: ")
            return Refusal(
                f"the broker refuses user and password ({said[:_SAID_CHARACTERS_MAX]})",
                f"correct {USERNAME_SETTING}, {PASSWORD_SETTING} or {MECHANISM_SETTING}",
            )
        case UnsupportedSaslMechanismError():
            return Refusal(
                "the broker does not take this SASL mechanism",
                f"set {MECHANISM_SETTING} to one that the cluster has enabled",
            )
        case IllegalSaslStateError():
            return Refusal(
                "the broker asks for no user and password at this port",
                f"correct {PROTOCOL_SETTING}, or the port",
            )
    return None


def _of_tls(error: BaseException) -> Refusal | None:
    match error:
        case InvalidReceiveError():
            return Refusal(
                "what answers speaks TLS, or no Kafka at all",
                f"set {PROTOCOL_SETTING} to SSL or SASL_SSL, or correct the port",
            )
        case ssl.SSLCertVerificationError():
            return _certificate(error)
        case ssl.SSLError() if _ALERT.search(_said(error)):
            return Refusal(
                f"the broker asks for a certificate of ours, or does not take it ({_said(error)})",
                f"set {CERTIFICATE_SETTING} and {KEY_SETTING} to one that the cluster trusts",
            )
    return None


def _said(error: ssl.SSLError) -> str:
    return error.reason or error.strerror or "no reason given"


def _certificate(error: ssl.SSLCertVerificationError) -> Refusal:
    if error.verify_code in _HOST_MISMATCHES:
        return Refusal(
            f"the broker's certificate is for another host ({error.verify_message})",
            "use a name of the broker that its certificate has, in FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS and in its"
            " advertised.listeners",
        )
    if error.verify_code in _UNKNOWN_SIGNERS:
        return Refusal(
            f"the broker's certificate is signed by nobody who is trusted ({error.verify_message})",
            f"set {CA_SETTING} to the certificate of the CA that has signed it",
        )
    return Refusal(f"the broker's certificate is not valid ({error.verify_message})", "renew it, or correct the clock")


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """Give an error, and those that kafka-python has wrapped into it in either way."""
    each: BaseException | None = failure
    while each is not None:
        yield each
        yield from (argument for argument in each.args if isinstance(argument, BaseException))
        each = each.__cause__ or each.__context__
