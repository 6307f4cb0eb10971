"""Our client of a schema registry, against a server that answers as told: badly, late, or somebody else's way."""

import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters import schema_registry_client as module
from adapters.schema_registry_client import ATTEMPTS_MAX, RegistryError, SchemaRegistryClient
from domain.errors import BadInputError, StoreError

SUBJECT = "fleettwin.vehicle.Ünknown/1"
SCHEMA = '{"type":"string"}'
ABSENT = (404, {"error_code": 40403, "message": "Schema not found"})


@dataclass
class Registry:
    """Answers in turn, the last answer for ever; keeps what it was asked."""

    url: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, Any, str | None]] = field(default_factory=list)
    redirect: str | None = None
    open: threading.Event = field(default_factory=threading.Event)  # unset: it never answers

    def answer(self, *answers: tuple[int, Any]) -> None:
        self.answers[:] = answers

    @property
    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _, _ in self.asked]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with answering() as told:
        yield told


@contextmanager
def answering(tls: ssl.SSLContext | None = None) -> Iterator[Registry]:
    told = Registry()
    told.open.set()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            authorization = self.headers.get("authorization")
            told.asked.append((self.command, self.path, json.loads(body) if body else None, authorization))
            told.open.wait()
            status, said = told.answers.pop(0) if len(told.answers) > 1 else told.answers[0]
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            if told.redirect:
                self.send_header("location", told.redirect)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer  # noqa: N815  # names of the library

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        told.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/under"
        try:
            yield told
        finally:
            told.open.set()
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_schema_that_is_there_is_looked_up_and_nothing_written(registry: Registry) -> None:
    registry.answer((200, {"id": 7, "version": 1}))
    assert SchemaRegistryClient(registry.url).register(SUBJECT, SCHEMA) == 7
    assert registry.asked == [
        ("POST", "/under/subjects/fleettwin.vehicle.%C3%9Cnknown%2F1", {"schema": SCHEMA, "schemaType": "AVRO"}, None)
    ]


def test_a_schema_that_is_not_there_is_registered(registry: Registry) -> None:
    registry.answer(ABSENT, (200, {"id": 0}))
    assert SchemaRegistryClient(registry.url).register("a.B", SCHEMA) == 0
    assert registry.paths == ["POST /under/subjects/a.B", "POST /under/subjects/a.B/versions"]


def test_name_and_password_go_with_every_request_and_are_not_shown(registry: Registry) -> None:
    client = SchemaRegistryClient(registry.url, "anna", "gehëim")
    registry.answer((200, ["JSON", "AVRO"]), ABSENT, (200, {"id": 1}))
    client.check()
    client.register("a.B", SCHEMA)
    wanted = f"Basic {b64encode('anna:gehëim'.encode()).decode()}"
    assert [authorization for *_, authorization in registry.asked] == [wanted] * 3
    assert "gehëim" not in repr(client)


def test_a_password_is_not_sent_to_where_a_registry_points(registry: Registry) -> None:
    registry.redirect = f"{registry.url}/elsewhere"
    registry.answer((302, {}))
    with pytest.raises(BadInputError, match=r"this is no schema registry .*HTTP status 302"):
        SchemaRegistryClient(registry.url, "anna", "geheim").check()
    assert registry.paths == ["GET /under/schemas/types"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(registry: Registry, status: int) -> None:
    registry.answer((status, b"busy"), (200, {"schema": SCHEMA}))
    assert SchemaRegistryClient(registry.url).schema(5) == SCHEMA
    assert registry.paths == ["GET /under/schemas/ids/5"] * 2


def test_but_not_without_end(registry: Registry) -> None:
    registry.answer((500, {"error_code": 50001, "message": "Error in\nthe backend"}))
    with pytest.raises(RegistryError, match=r"^the schema registry at http\S+ does not answer: Error in the backend$"):
        SchemaRegistryClient(registry.url).schema(5)
    assert len(registry.asked) == ATTEMPTS_MAX


def test_a_registry_that_hangs_is_given_up(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    registry.answer((200, []))
    registry.open.clear()
    with pytest.raises(StoreError, match=r"does not answer: .*timed out"):
        SchemaRegistryClient(registry.url).schema(5)
    assert len(registry.asked) == ATTEMPTS_MAX


def test_where_nobody_listens_is_said_at_the_start() -> None:
    with create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(
        BadInputError, match=rf"^{url}: no schema registry answers there .*refused.*; start the registry"
    ):
        SchemaRegistryClient(url).check()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, b"<html>"), "this is no schema registry"),
        ((200, b"\xff"), "this is no schema registry"),
        ((200, {"schemas": []}), "this is no schema registry"),
        ((200, ["JSON"]), "this is no schema registry"),
        (
            (401, {"message": "Unauthorized"}),
            r"refuses us \(Unauthorized\); correct FLEETTWIN_SCHEMA_REGISTRY_USERNAME",
        ),
        ((403, b""), r"refuses us \(HTTP status 403\)"),
    ],
)
def test_what_is_no_registry_for_us_is_said_at_the_start(
    registry: Registry, answer: tuple[int, Any], said: str
) -> None:
    registry.answer(answer)
    with pytest.raises(BadInputError, match=said):
        SchemaRegistryClient(registry.url).check()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (409, {"error_code": 409, "message": "incompatible"}),
            r"^subject a.B: .*not compatible with \(incompatible\)",
        ),
        ((422, {"error_code": 42201, "message": "Invalid"}), r"does not take our schema \(Invalid\)"),
        ((403, {"message": "read only"}), r"refuses us \(read only\)"),
    ],
)
def test_a_schema_that_is_not_taken_is_one_line(registry: Registry, answer: tuple[int, Any], said: str) -> None:
    registry.answer(ABSENT, answer)
    with pytest.raises(BadInputError, match=said):
        SchemaRegistryClient(registry.url).register("a.B", SCHEMA)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id": null}', b'{"id": -1}', b'{"id": 4294967296}', b'{"id": "1"}'])
def test_an_answer_without_an_id_is_none(registry: Registry, body: bytes) -> None:
    registry.answer((200, body))
    with pytest.raises(RegistryError, match="gives no id"):
        SchemaRegistryClient(registry.url).register("a.B", SCHEMA)


def test_a_schema_is_found_by_its_id_if_it_is_avro(registry: Registry) -> None:
    client = SchemaRegistryClient(registry.url)
    for answer, found in (
        ((200, {"schema": SCHEMA, "schemaType": "AVRO"}), SCHEMA),
        ((200, {"schema": "{}", "schemaType": "JSON"}), None),
        (ABSENT, None),
    ):
        registry.answer(answer)
        assert client.schema(3) == found


@pytest.mark.parametrize("answer", [(200, b"x"), (200, {"schema": 3}), (401, {}), (302, {})])
def test_an_answer_that_tells_no_schema_is_not_taken_for_none(registry: Registry, answer: tuple[int, Any]) -> None:
    registry.answer(answer)
    with pytest.raises(RegistryError, match="does not tell schema 3"):
        SchemaRegistryClient(registry.url).schema(3)


# --- over TLS ---------------------------------------------------------------------------------------------------------


def certificate(folder: Path, address: str = "127.0.0.1") -> Path:
    """Return a file with a key and the certificate that it has signed for itself, of a server at an address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a registry")])
    day = timedelta(days=1)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - day)
        .not_valid_after(datetime.now(UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    file = folder / f"{address}.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@contextmanager
def answering_over_tls(file: Path) -> Iterator[Registry]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with answering(context) as told:
        told.answer((200, ["AVRO"]), (200, {"id": 7}))
        yield told


def test_over_https_a_registry_is_known_by_who_has_signed_its_certificate(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    with answering_over_tls(file) as registry:
        client = SchemaRegistryClient(registry.url, "anna", "geheim", file)
        client.check()
        assert client.register("a.B", SCHEMA) == 7


def test_nothing_is_told_to_a_registry_whose_certificate_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with answering_over_tls(certificate(tmp_path)) as registry:
        for ca in (None, certificate(tmp_path / "other")):
            with pytest.raises(
                BadInputError, match=r"certificate is not trusted \(self.signed certificate\); set \w+_CA_F"
            ):
                SchemaRegistryClient(registry.url, "anna", "geheim", ca).check()
        assert registry.asked == []


def test_nor_to_one_whose_certificate_is_for_another_host(tmp_path: Path) -> None:
    file = certificate(tmp_path, "127.0.0.2")
    with answering_over_tls(file) as registry:
        with pytest.raises(BadInputError, match=r"certificate is not trusted \(IP address mismatch, "):
            SchemaRegistryClient(registry.url, ca_file=file).check()
        assert registry.asked == []


def test_a_file_that_holds_no_certificate_is_one_line(tmp_path: Path) -> None:
    nothing = tmp_path / "ca.pem"
    with pytest.raises(BadInputError, match=r"^FLEETTWIN_SCHEMA_REGISTRY_CA_FILE: .* cannot be read \(No such file"):
        SchemaRegistryClient("https://127.0.0.1:1", ca_file=nothing).check()
    nothing.write_text("nothing")
    with pytest.raises(BadInputError, match=r"^FLEETTWIN_SCHEMA_REGISTRY_CA_FILE: .* holds no certificate"):
        SchemaRegistryClient("https://127.0.0.1:1", ca_file=nothing).check()
