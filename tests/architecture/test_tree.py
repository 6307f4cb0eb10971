"""The tree: what it must not hold, and that nothing in it is left over."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import grimp
import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("domain", "projections", "adapters", "schemas")

UNWANTED: Final = {
    "a path of somebody's machine": r"(?<![\w.~-])/(?:work|root|home/\w+|Users/\w+)/\w",
    "a host of a package registry": (
        r"(?i)\b(?:pypi\.(?:org|python)|pythonhosted\.|npmjs\.|repo\d?\.mave[n]|artifactor[y]|devp[i])\b"
    ),
    "a note of work left to do": r"\b(?:TO[D]O|FIX[M]E|HA[C]K)\b",
    "the number of an issue": r"(?i)\b(?:issue|ticket|pull request|closes|fixes)\s+#?\d+\b|\bgh-\d+\b",
}
BACKWARDS: Final = {  # an example of each, so written that this file holds none
    "a path of somebody's machine": "seton/nna/emoh/ ees",
    "a host of a package registry": "elpmis/gro.ipyp//:sptth",
    "a note of work left to do": "retal siht od :ODOT #",
    "the number of an issue": "21# sexif",
}


@cache
def tracked() -> tuple[Path, ...]:
    """Return every file under version control."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git repository: what belongs to the tree is not known")
    return tuple(ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file())


def findings(pattern: str) -> list[str]:
    found = []
    for path in tracked():
        if path.name.endswith(".min.js") or "vendor" in path.parts:
            continue  # made by others, shipped as it is: `VENDORED.md` beside it says which
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text
        for number, line in enumerate(text.splitlines(), start=1):
            if match := re.search(pattern, line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match.group()}")
    return found


@pytest.mark.parametrize("what", UNWANTED)
def test_no_file_holds(what: str) -> None:
    assert findings(UNWANTED[what]) == []


@pytest.mark.parametrize("what", UNWANTED)
def test_what_no_file_may_hold_would_be_found(what: str) -> None:
    assert re.search(UNWANTED[what], BACKWARDS[what][::-1])


def test_no_package_under_tests_can_hide_one_of_ours() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_test_file_is_in_a_folder_that_says_its_kind() -> None:
    kinds = {"console", "unit", "property", "contract", "simulation", "faults", "golden", "architecture", "integration"}
    stray = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if path.relative_to(ROOT / "tests").parts[0] not in kinds
    ]
    assert stray == []


def entry_points() -> set[str]:
    """Return the modules that are started and not imported: console scripts, and `python -m` in the Makefile."""
    scripts = re.findall(r'^\w+ = "([\w.]+):\w+"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    started = re.findall(r"python -m ([\w.]+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    return {*scripts, *started}


def test_every_module_is_imported_by_another() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    started = entry_points()  # `adapters.memory` is there for tests and for programs of others
    used = {
        module
        for module in graph.modules
        if module in started
        or module.startswith("adapters.memory.")
        or module.endswith(".__main__")
        or graph.find_modules_that_directly_import(module)
    }
    packages = {module.rpartition(".")[0] for module in graph.modules}
    assert graph.modules - packages - used - set(PACKAGES) == set()


def test_every_setting_is_documented() -> None:
    settings = {
        name
        for path in (ROOT / "adapters").rglob("*.py")
        for name in re.findall(r"\bFLEETTWIN_[A-Z][A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    documented = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert {name for name in settings if name not in documented} == set()
