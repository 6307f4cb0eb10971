"""What settings say of a secured cluster, what is said of those that contradict each other, and what nobody sees."""

import logging
import shutil
import threading
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError

from adapters.config import Config
from adapters.kafka.client import Connection
from adapters.kafka.security import Secret, Security
from adapters.kafka.tls import tls_context
from domain.errors import BadInputError
from tests.support.certificates import Certificates, make_certificates
from tests.support.lacking import lacking

PASSWORD = "open sesame, of a test"
SASL = {"SASL_MECHANISM": "SCRAM-SHA-512", "USERNAME": "twin", "PASSWORD": PASSWORD}


def read(**settings: str) -> Config:
    return Config.read({f"FLEETTWIN_KAFKA_{name}": value for name, value in settings.items()})


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    java = shutil.which("java")
    if java is None:
        lacking("install Java 17 or later, whose keytool makes the certificates of these tests")
    return make_certificates(tmp_path_factory.mktemp("certificates"), java)


def test_unless_set_nothing_is_encrypted_and_nobody_asked_for() -> None:
    security = read().kafka_security
    assert (security, security.tls, security.sasl) == (Security(), False, False)
    assert Connection("one:9092").settings()["security_protocol"] == "PLAINTEXT"


def test_every_client_is_given_what_the_settings_say() -> None:
    config = read(SECURITY_PROTOCOL="SASL_SSL", BOOTSTRAP_SERVERS="one:9093", **SASL)
    settings = Connection(config.kafka(), security=config.kafka_security).settings()
    assert (settings["security_protocol"], settings["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert settings["sasl_plain_password"].encode() == PASSWORD.encode()
    assert settings["ssl_context"].check_hostname


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"SECURITY_PROTOCOL": "TLS"}, "PROTOCOL: 'TLS' is no security protocol that is known; set PLAINTEXT, SSL, "),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "SASL_MECHANISM: is not set, and SASL_SSL needs it; set it, or another "),
        ({"SECURITY_PROTOCOL": "SASL_PLAINTEXT", **SASL, "SASL_MECHANISM": "GSSAPI"}, "'GSSAPI' is no SASL mechanism"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", **SASL, "USERNAME": ""}, "USERNAME: is not set, and SASL_SSL needs it"),
        ({"SECURITY_PROTOCOL": "SASL_SSL", **SASL, "PASSWORD": ""}, "PASSWORD: is not set, and SASL_SSL needs it"),
        (
            SASL,
            "SASL_MECHANISM: is set, and PLAINTEXT has no use for it; set FLEETTWIN_KAFKA_SECURITY_PROTOCOL to SASL",
        ),
        ({"USERNAME": "twin"}, "USERNAME: is set, and PLAINTEXT has no use for it"),
        ({"SECURITY_PROTOCOL": "SSL", "PASSWORD": PASSWORD}, "PASSWORD: is set, and SSL has no use for it"),
        ({"CA_FILE": "ca.pem"}, "CA_FILE: is set, and PLAINTEXT has no use for it"),
        (
            {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", **SASL, "CERTIFICATE_FILE": "a", "KEY_FILE": "b"},
            "CERTIFICATE_FILE: is set, and SASL_PLAINTEXT has no use for it; set FLEETTWIN_KAFKA_SECURITY_PROTOCOL to ",
        ),
        (
            {"SECURITY_PROTOCOL": "SSL", "CERTIFICATE_FILE": "a"},
            "CERTIFICATE_FILE: is set, and FLEETTWIN_KAFKA_KEY_FILE",
        ),
        (
            {"SECURITY_PROTOCOL": "SSL", "KEY_FILE": "a"},
            "KEY_FILE: is set, and FLEETTWIN_KAFKA_CERTIFICATE_FILE is not",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "-".join(value),
)
def test_what_contradicts_itself_is_refused_in_one_line(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(BadInputError) as refused:
        read(**settings)
    said = str(refused.value)
    assert complaint in said
    assert said.startswith("FLEETTWIN_KAFKA_")
    assert PASSWORD not in said


def test_a_file_that_is_none_of_tls_is_refused_in_one_line(certificates: Certificates, tmp_path: Path) -> None:
    no_pem, encrypted = tmp_path / "no.pem", tmp_path / "encrypted.pem"
    no_pem.write_bytes(b"\x30\x82 DER, or a photograph")
    encrypted.write_text(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        f"DEK-Info: AES-128-CBC,{'00' * 16}\n\n{'QUJD' * 16}\n-----END RSA PRIVATE KEY-----\n"
    )
    ours, key = certificates.client, certificates.client_key

    def refused(ca: Path | None = None, certificate: Path | None = None, key: Path | None = None) -> str:
        with pytest.raises(BadInputError) as error:
            tls_context(Security("SSL", ca_file=ca, certificate_file=certificate, key_file=key))
        return str(error.value)

    absent = tmp_path / "absent.pem"
    unread = f"{absent} cannot be read (No such file or directory); name a file that can"
    assert refused(ca=absent) == f"FLEETTWIN_KAFKA_CA_FILE: {unread}"
    assert refused(certificate=ours, key=absent) == f"FLEETTWIN_KAFKA_KEY_FILE: {unread}"
    assert refused(ca=tmp_path).startswith(f"FLEETTWIN_KAFKA_CA_FILE: {tmp_path} cannot be read (Is a directory)")
    for ca in (no_pem, key):
        assert refused(ca=ca).startswith(f"FLEETTWIN_KAFKA_CA_FILE: {ca} holds no certificate that can be read; give")
    other = certificates.broker  # a key that belongs to another certificate
    for certificate, its_key in ((no_pem, key), (ours, no_pem), (ours, encrypted), (ours, other)):
        said = refused(certificate=certificate, key=its_key)
        assert said.startswith(f"FLEETTWIN_KAFKA_CERTIFICATE_FILE: {certificate} and {its_key} are no certificate and")
    tls_context(Security("SSL", ca_file=certificates.ca, certificate_file=ours, key_file=key))


def test_scram_sends_a_name_with_its_two_characters_written_otherwise() -> None:
    password = Secret(PASSWORD)
    scram = Security("SASL_PLAINTEXT", "SCRAM-SHA-256", "a,b=c", password)
    plain = Security("SASL_PLAINTEXT", "PLAIN", "a,b=c", password)
    assert [each.settings()["sasl_plain_username"] for each in (scram, plain)] == ["a=2Cb=3Dc", "a,b=c"]


def test_no_representation_has_a_secret() -> None:
    config = Config.read(
        {
            "FLEETTWIN_VIN_KEY": f"{PASSWORD} of the VINs",
            "FLEETTWIN_DATABASE_URL": f"postgresql://twin:{PASSWORD}@localhost/twin",
            "FLEETTWIN_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            **{f"FLEETTWIN_KAFKA_{name}": value for name, value in SASL.items()},
        }
    )
    connection = Connection("one:9093", security=config.kafka_security)
    password = config.kafka_security.password
    for each in (config, config.kafka_security, connection, connection.settings(), password):
        assert PASSWORD not in f"{each!r} {each} {[each]} {each}"
    shown = {value.setting.name: value.shown for value in config.values}
    assert shown["kafka_password"] == "(set, not shown)"


def test_no_log_of_the_client_has_the_password(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    security = Security("SASL_PLAINTEXT", "PLAIN", "twin", Secret(PASSWORD))
    connection = Connection("127.0.0.1:1", bootstrap_timeout_ms=100, security=security)
    with pytest.raises(BadInputError) as refused, connection.administration():
        pass
    assert isinstance(refused.value.__cause__, KafkaTimeoutError)
    assert "sasl_plain_password" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_client_that_does_not_come_to_be_leaves_no_thread() -> None:
    before = threading.active_count()
    for client in (KafkaConsumer, KafkaProducer, KafkaAdminClient):
        with pytest.raises(KafkaTimeoutError):
            client(**Connection("127.0.0.1:1", bootstrap_timeout_ms=100).settings())
    assert threading.active_count() == before
