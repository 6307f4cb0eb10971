"""TLS: whom we trust, and who we are."""

import ssl
from pathlib import Path

from adapters.kafka.security import CA_SETTING, CERTIFICATE_SETTING, KEY_SETTING, Security
from domain.errors import BadInputError


def tls_context(security: Security) -> ssl.SSLContext:
    """Return what connections are encrypted with. Raises BadInputError where a file is not what it should be."""
    context = trusting(security.ca_file, CA_SETTING)
    if security.certificate_file is not None and security.key_file is not None:
        _show(context, security.certificate_file, security.key_file)
    return context


def trusting(ca: Path | None, setting: str) -> ssl.SSLContext:
    """Return what trusts certificates of these CAs, or without any whom the system trusts; `setting` names the file.

    Raises BadInputError where it holds none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the certificate and its host
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
        return context
    _check_readable(ca, setting)
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        what = f"{ca} holds no certificate that can be read"
        remedy = "give the certificate of the CA as PEM (-----BEGIN CERTIFICATE-----)"
        raise BadInputError(what, where=setting, remedy=remedy) from error
    return context


def _show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _check_readable(certificate, CERTIFICATE_SETTING)
    _check_readable(key, KEY_SETTING)
    try:
        # Without a password, one that is encrypted would ask for it on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        what = f"{certificate} and {key} are no certificate and its key"
        remedy = "give both as PEM, the key that belongs to the certificate, not encrypted"
        raise BadInputError(what, where=CERTIFICATE_SETTING, remedy=remedy) from error


def _check_readable(file: Path, setting: str) -> None:
    try:
        file.read_bytes()
    except OSError as error:
        what = f"{file} cannot be read ({error.strerror})"
        raise BadInputError(what, where=setting, remedy="name a file that can") from error
