"""What a broker is started from, and what is said where it is not there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.kafka.distribution import find_distribution
from domain.errors import BadInputError

Program = Callable[[str, str], None]
JAVA = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
MAVEN = 'for a; do case $a in -DoutputDirectory=*) out=${a#*=}; esac; done; /bin/mkdir -p "$out" &&'


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Give what puts a shell script on the path, where nothing else is."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return make


@pytest.fixture
def pom(tmp_path: Path) -> Path:
    path = tmp_path / "pom.xml"
    path.write_text("<project/>")
    return path


@pytest.mark.usefixtures("program")
def test_without_java_it_says_what_to_install(pom: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"^java: .*install Java 17 or later and Maven .* or set FLEETTWIN_KAFKA_"):
        find_distribution(pom, tmp_path / "cache")


def test_a_java_that_is_too_old_is_refused(program: Program, pom: Path, tmp_path: Path) -> None:
    program("java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    with pytest.raises(BadInputError, match=r"this Java does not run Kafka: openjdk version .11"):
        find_distribution(pom, tmp_path / "cache")


def test_without_maven_it_says_so(program: Program, pom: Path, tmp_path: Path) -> None:
    program("java", JAVA)
    with pytest.raises(BadInputError, match=r"^mvn: the jars of Kafka are not here yet, and there is no Maven"):
        find_distribution(pom, tmp_path / "cache")


def test_a_maven_that_fails_is_quoted_and_leaves_nothing_behind(program: Program, pom: Path, tmp_path: Path) -> None:
    program("java", JAVA)
    program("mvn", f'{MAVEN} echo half >"$out/kafka-clients-4.0.0.jar"; echo "[ERROR] no way"; exit 1')
    for _ in range(2):
        with pytest.raises(BadInputError, match=r"cannot be had: status 1: \[ERROR\] no way"):
            find_distribution(pom, tmp_path / "cache")


def test_jars_are_brought_once_for_each_pom(program: Program, pom: Path, tmp_path: Path) -> None:
    program("java", JAVA)
    program("mvn", f'{MAVEN} : >"$out/kafka_2.13-4.0.0.jar" && : >"$out/kafka-clients-4.0.0.jar"')
    first = find_distribution(pom, tmp_path / "cache")
    assert first.version == "4.0.0"
    program("mvn", "exit 1")
    assert find_distribution(pom, tmp_path / "cache") == first
    pom.write_text("<project>another</project>")
    with pytest.raises(BadInputError, match="cannot be had"):
        find_distribution(pom, tmp_path / "cache")
