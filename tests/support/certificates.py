"""Certificates of a test: a CA, and what it has signed for a broker and for a client, made by the `keytool` of Java.

No tool that every machine has gives a private key out of a keystore as PEM, so the oldest format of Java's keystores is
read here.
"""

import hashlib
import itertools
import ssl
import struct
import subprocess
from base64 import encodebytes
from pathlib import Path
from typing import Final, NamedTuple

HOST: Final = "127.0.0.1"  # the only one that the broker's certificate is for

_PASSWORD: Final = "of a keystore that is thrown away"
_TIMEOUT_S: Final = 60
_DAYS: Final = "2"


class Certificates(NamedTuple):
    """Files of PEM."""

    ca: Path
    broker: Path  # key and chain
    client: Path  # without the CA
    client_key: Path


def make_certificates(folder: Path, java: str) -> Certificates:
    """Make them in a folder that is there; `keytool` is beside `java`."""
    store = folder / "store.jks"
    keytool = Path(java).resolve().with_name("keytool")

    def run(*arguments: str) -> None:
        passwords = ("-storetype", "JKS", "-storepass", _PASSWORD, "-keypass", _PASSWORD)
        done = subprocess.run(
            [keytool, *arguments, "-keystore", store, *passwords],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stdout

    pair = ("-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-validity", _DAYS)
    signed = (*pair, "-signer", "ca", "-signerkeypass", _PASSWORD)
    run(*pair, "-alias", "ca", "-dname", "CN=CA of a test", "-ext", "bc:c")
    run(*signed, "-alias", "broker", "-dname", "CN=broker", "-ext", f"san=ip:{HOST}")
    run(*signed, "-alias", "client", "-dname", "CN=client")
    made = Certificates(*(folder / f"{name}.pem" for name in ("ca", "broker", "client", "client-key")))
    run("-exportcert", "-rfc", "-alias", "ca", "-file", str(made.ca))
    found = _entries(store.read_bytes())
    key, chain = found["broker"]
    made.broker.write_text("".join((key, *chain)))
    key, chain = found["client"]
    made.client_key.write_text(key)
    made.client.write_text(chain[0])
    return made


def _entries(store: bytes) -> dict[str, tuple[str, list[str]]]:
    """Return private key and chain of certificates, as PEM, of each entry of a keystore (JKS, version 2)."""
    at = 0

    def number(form: str) -> int:
        nonlocal at
        (found,) = struct.unpack_from(form, store, at)
        at += struct.calcsize(form)
        return int(found)

    def content(length_form: str) -> bytes:
        nonlocal at
        length = number(length_form)
        at += length
        return store[at - length : at]

    assert (number(">I"), number(">I")) == (0xFEEDFEED, 2)
    entries: dict[str, tuple[str, list[str]]] = {}
    for _ in range(number(">I")):
        assert number(">I") == 1, "only private keys are put into it"
        alias = content(">H").decode()
        number(">Q")  # when it was made
        key = _decrypted(content(">I"))
        chain = []
        for _ in range(number(">I")):
            content(">H")  # the type, X.509
            chain.append(ssl.DER_cert_to_PEM_cert(content(">I")))
        pem = f"-----BEGIN PRIVATE KEY-----\n{encodebytes(key).decode()}-----END PRIVATE KEY-----\n"
        entries[alias] = pem, chain
    return entries


def _decrypted(protected: bytes) -> bytes:
    """Return a key of PKCS 8 from what JKS makes of it: 20 bytes of salt, the key XOR a chain of SHA-1, a checksum."""
    header = 24  # of the ASN.1 around it: two sequences, the name of the algorithm, the octet string
    salt, key, check = protected[header:][:20], protected[header + 20 : -20], protected[-20:]
    password = _PASSWORD.encode("utf-16-be")
    chain = itertools.accumulate(
        itertools.repeat(b"", len(key) // 20 + 2),
        lambda digest, _: hashlib.sha1(password + digest, usedforsecurity=False).digest(),
        initial=salt,
    )
    next(chain)
    stream = itertools.chain.from_iterable(chain)
    plain = bytes(byte ^ mask for byte, mask in zip(key, stream, strict=False))
    assert hashlib.sha1(password + plain, usedforsecurity=False).digest() == check
    return plain
