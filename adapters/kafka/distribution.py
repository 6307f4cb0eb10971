"""What a broker is started from: Java, and the jars of Apache Kafka that `deploy/kafka/pom.xml` pins."""

import fcntl
import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.errors import BadInputError

JAVA_MIN: Final = 17

_ROOT: Final = Path(__file__).parents[2]
_POM: Final = _ROOT / "deploy/kafka/pom.xml"
_CACHE: Final = _ROOT / "build/kafka"
_MAVEN_TIMEOUT_S: Final = 600  # 43 MB from a registry
_JAVA_TIMEOUT_S: Final = 60
_DIGEST_CHARACTERS: Final = 12
_SAID_CHARACTERS_MAX: Final = 300
_REMEDY: Final = (
    f"install Java {JAVA_MIN} or later and Maven (`java` and `mvn` on the path),"
    " or set FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS to a cluster of your own"
)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A Java and a folder of jars."""

    java: str
    jars: Path

    @property
    def version(self) -> str:
        """The version of Kafka."""
        (clients,) = self.jars.glob("kafka-clients-*.jar")
        return clients.stem.removeprefix("kafka-clients-")

    def command(self, main: str, *arguments: str, jvm: tuple[str, ...] = ()) -> list[str]:
        """Return the command that runs a class of Kafka."""
        return [self.java, *jvm, "-cp", f"{self.jars}/*", main, *arguments]


def find_distribution(pom: Path = _POM, cache: Path = _CACHE) -> Distribution:
    """Return Java and the jars; Maven brings those that are not in the cache yet.

    Raises BadInputError where one of them is not to be had.
    """
    java = _java()
    try:
        digest = hashlib.sha256(pom.read_bytes()).hexdigest()[:_DIGEST_CHARACTERS]
        cache.mkdir(parents=True, exist_ok=True)
        jars = cache / digest
        with (cache / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not jars.exists():
                _copy_jars(pom, jars)
    except OSError as error:
        where = str(error.filename or cache)
        raise BadInputError(f"no Kafka to start ({error.strerror})", where=where, remedy=_REMEDY) from error
    return Distribution(java, jars)


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise BadInputError("no Kafka can be started: there is no Java", where="java", remedy=_REMEDY)
    said = _run([java, "-version"], _JAVA_TIMEOUT_S)
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version.group(1)) < JAVA_MIN:
        what = f"this Java does not run Kafka: {_shortened(said)}"
        raise BadInputError(what, where=java, remedy=_REMEDY)
    return str(Path(java).absolute())


def _copy_jars(pom: Path, jars: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        what = "the jars of Kafka are not here yet, and there is no Maven to bring them"
        raise BadInputError(what, where="mvn", remedy=_REMEDY)
    unfinished = jars.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    arguments = ("-B", "-q", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={unfinished}")
    said = _run([maven, *arguments], _MAVEN_TIMEOUT_S)
    if not list(unfinished.glob("kafka_*.jar")):
        raise BadInputError(f"the jars of Kafka cannot be had: {_shortened(said)}", where="mvn", remedy=_REMEDY)
    unfinished.rename(jars)


def _run(command: list[str], timeout_s: int) -> str:
    """Return everything that a command says."""
    try:
        done = subprocess.run(  # noqa: S603  # our own arguments
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise BadInputError(f"said nothing for {timeout_s} s", where=command[0], remedy=_REMEDY) from error
    return done.stdout if done.returncode == 0 else f"status {done.returncode}: {done.stdout}"


def _shortened(said: str) -> str:
    return " ".join(said.split())[:_SAID_CHARACTERS_MAX] or "it says nothing"
