"""What is declared is what is used: dependencies, the lock, the shipped files, the targets of make."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).parents[2]
PYPROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: Final[dict[str, Any]] = PYPROJECT["project"]
LOCK: Final = (ROOT / "requirements.lock").read_text(encoding="utf-8")
OURS: Final = {"domain", "projections", "adapters", "schemas"}
# Declared for another reason than an import
BROUGHT_ALONG: Final = {
    *(
        "confluent-kafka-avro",
        "gql-httpx",
        "gql-websockets",
        "kafka-python-crc32c",
        "kafka-python-lz4",
        "psycopg-binary",
    ),  # extras
    *("httptools", "uvloop", "websockets"),  # which uvicorn takes where they are
    *("pytest-xdist", "types-pyyaml"),
}
STARTED: Final = {"import-linter", "mypy", "ruff", "setuptools", "uv"}


def declared(*extras: str) -> set[str]:
    """Return the names of the dependencies, and of those of the extras."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    names = set()
    for requirement in map(Requirement, lines):
        names |= {requirement.name, *(f"{requirement.name}-{extra}" for extra in requirement.extras)}
    return {str(canonicalize_name(name)) for name in names} - {"fleettwin", "fleettwin-vw"}


def python_files(folder: Path) -> list[Path]:
    """Return the modules below a folder; what npm has put there is not ours."""
    return [path for path in folder.rglob("*.py") if "node_modules" not in path.relative_to(folder).parts]


def imported(*folders: str) -> dict[str, str]:
    """Return the distributions that the folders import or look for, each with a file that does."""
    distributions = packages_distributions()
    found = {}
    for folder in folders:
        for path in python_files(ROOT / folder):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("find_spec"):
                    names = [str(node.args[0].value)] if isinstance(node.args[0], ast.Constant) else []
                for name in names:
                    top = name.partition(".")[0]
                    if top not in sys.stdlib_module_names and top not in OURS | {"tests", "bench"}:
                        for distribution in distributions.get(top, [top])[:1]:
                            found[str(canonicalize_name(distribution))] = str(path.relative_to(ROOT))
    return found


def test_what_npm_installs_is_not_ours(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "peer/node_modules/node-gyp/gyp.py", tmp_path / "peer/run.py"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    ours.touch()
    assert python_files(tmp_path) == [ours]


def test_what_the_packages_import_is_declared() -> None:
    used = imported(*OURS)
    assert {name: file for name, file in used.items() if name not in declared("vw")} == {}


def test_what_tests_and_benchmarks_import_is_declared() -> None:
    used = imported("tests", "bench")
    assert {name: file for name, file in used.items() if name not in declared("vw", "dev")} == {}


def test_what_is_declared_is_imported() -> None:
    assert declared() - BROUGHT_ALONG - set(imported(*OURS)) == set()
    assert declared("dev") - BROUGHT_ALONG - STARTED - set(imported(*OURS, "tests", "bench")) == set()


def pins() -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(Version(version))
    return found


@pytest.mark.parametrize("extra", ["", "vw", "dev"])
def test_the_lock_satisfies_what_is_declared(extra: str) -> None:
    locked = pins()
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    wanted = [requirement for line in lines if (requirement := Requirement(line)).name != "fleettwin"]
    assert [
        str(requirement)
        for requirement in wanted
        if not any(
            requirement.specifier.contains(version) for version in locked.get(canonicalize_name(requirement.name), [])
        )
    ] == []


def test_every_pin_of_the_lock_has_a_hash_and_nothing_names_a_source() -> None:
    entries = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert [entry.partition(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|--trusted-host| @ ", LOCK) == []


def test_every_data_file_in_a_package_is_shipped() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]
    done = subprocess.run(["git", "ls-files", *sorted(OURS)], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git repository: what belongs to the tree is not known")
    data = [Path(name) for name in done.stdout.splitlines() if not name.endswith(".py")]
    shipped = {package: {pattern.removeprefix("**/*") for pattern in listed} for package, listed in patterns.items()}
    assert [str(path) for path in data if path.suffix not in shipped.get(path.parts[0], set())] == []


def test_bare_make_lists_every_target_with_a_line() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert phony is not None
    listed = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[:2] for line in listed.splitlines()] == [["make", target] for target in phony.group(1).split()]
    assert all(len(line.split()) > 2 for line in listed.splitlines())


def test_the_make_commands_of_the_readme_exist() -> None:
    named = set(re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= targets


def test_containers_and_jars_are_of_the_same_kafka() -> None:
    pom = (ROOT / "deploy/kafka/pom.xml").read_text(encoding="utf-8")
    compose = (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8")
    assert re.findall(r"<kafka.version>(.+)</kafka.version>", pom) == re.findall(r"image: apache/kafka:(\S+)", compose)


def test_every_version_that_is_deployed_is_pinned() -> None:
    poms = [path.read_text(encoding="utf-8") for path in ROOT.glob("deploy/*/pom.xml")]
    versions = [version for pom in poms for version in re.findall(r"<(?:[\w.]+\.)?version>([^$<]+)</", pom)]
    images = re.findall(r"image: \S+:(\S+)", (ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
    assert len(poms) == 2
    assert len(versions) > 5
    assert images
    assert [each for each in versions + images if not re.fullmatch(r"[\d.]+(?:\.Final)?", each)] == []
