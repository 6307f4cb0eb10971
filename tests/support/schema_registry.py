"""A schema registry of somebody else for tests: Apicurio Registry, on a free port, its data in a folder.

Maven brings it (deploy/schema-registry/pom.xml). Where that cannot be, the tests that need it are skipped, and fail if
CI=true.
"""

import fcntl
import hashlib
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import httpx
import pytest

from adapters.kafka.cluster import free_ports
from adapters.kafka.distribution import Distribution
from tests.support.lacking import lacking

ROOT: Final = Path(__file__).parents[2]
POM: Final = ROOT / "deploy/schema-registry/pom.xml"
CACHE: Final = ROOT / "build/schema-registry"
MAVEN_TIMEOUT_S: Final = 600  # 142 MB from a registry
START_TIMEOUT_S: Final = 120
POLL_S: Final = 0.05
API: Final = "/apis/ccompat/v7"
JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

# Ends with the process that started it, also if that is killed: the pipe that it reads from is closed then.
_HELD: Final = '"$@" & registry=$!; trap "kill $registry; wait $registry; exit" TERM; read -r _; kill -KILL $registry'


@dataclass
class SchemaRegistryServer:
    """A registry; it keeps its schemas and its port when it is stopped."""

    folder: Path
    distribution: Path
    java: str
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{API}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        (jar,) = self.distribution.glob("*-runner.jar")
        settings = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": self.port,
            "quarkus.datasource.jdbc.url": f"jdbc:h2:file:{self.folder}/schemas",
        }
        command = [self.java, *JVM, *(f"-D{name}={value}" for name, value in settings.items()), "-jar", str(jar)]
        log: IO[bytes]
        with (self.folder / "output.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", _HELD, "sh", *command], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the registry does not start: {(self.folder / 'output.log').read_text()[-2000:]}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop it; nothing answers at its port any more."""
        if self.process is None:
            return
        assert self.process.stdin is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_TIMEOUT_S)
        self.process.stdin.close()
        self.process = None

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/subjects", timeout=START_TIMEOUT_S).is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="session")
def schema_registry_distribution(kafka_distribution: Distribution) -> Path:
    """Give the folder of an unpacked registry; Java is that of the brokers."""
    assert kafka_distribution.java
    CACHE.mkdir(parents=True, exist_ok=True)
    unpacked = CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    with (CACHE / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            _unpack(unpacked)
    return unpacked


def _unpack(unpacked: Path) -> None:
    unfinished = unpacked.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    maven = shutil.which("mvn") or "mvn"
    command = [maven, "-B", "-q", "-f", str(POM), "dependency:unpack", f"-DoutputDirectory={unfinished}"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=MAVEN_TIMEOUT_S, text=True)
        said = " ".join((done.stdout + done.stderr).split())[:300]
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if not list(unfinished.glob("*-runner.jar")):
        missing = (
            f"no schema registry to test with: install Maven (`mvn` on the path) and let it load {POM.name}: {said}"
        )
        lacking(missing)
    unfinished.rename(unpacked)


@pytest.fixture
def schema_registry(
    tmp_path: Path, schema_registry_distribution: Path, kafka_distribution: Distribution
) -> Iterator[SchemaRegistryServer]:
    """Give an empty registry that runs."""
    ((port, _),) = free_ports(1)
    server = SchemaRegistryServer(
        tmp_path / "schema-registry", schema_registry_distribution, kafka_distribution.java, port
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()
