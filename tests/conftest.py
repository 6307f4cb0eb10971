"""What holds for every test: Hypothesis' profiles, a clean environment, golden files."""

import os
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.database import DirectoryBasedExampleDatabase

# Found examples are kept for the next run, but outside the tree.
_HYPOTHESIS_HOME = Path(tempfile.gettempdir()) / f"fleettwin-hypothesis-{os.getuid()}"
set_hypothesis_home_dir(_HYPOTHESIS_HOME)

# `ci` tries the same examples in every run, so that a red build is red again when it is looked at; `local` tries new
# ones each time and prints what replays a failure. No deadline: a shared machine is slow now and then.
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile(
    "local", deadline=None, database=DirectoryBasedExampleDatabase(_HYPOTHESIS_HOME / "examples"), print_blob=True
)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden files, compare nothing")


@pytest.hookimpl(tryfirst=True)  # before markers choose
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"bootstrap_servers", "kafka_distribution"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("broker")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let all tests that lack a broker be one line of the summary: it folds what was skipped at one place."""
    report = yield
    if report.skipped and item.get_closest_marker("broker") and isinstance(report.longrepr, tuple):
        report.longrepr = ("broker", 0, report.longrepr[2])
    return report


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("FLEETTWIN_") and name != "FLEETTWIN_TEST_DATA":
            monkeypatch.delenv(name)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Return a check that a text is exactly what a golden file holds; a missing file fails.

    `make golden` writes the files instead; the difference in version control is the review.
    """

    def check(path: Path, text: str) -> None:
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists():
            pytest.fail(f"{path.name} is missing: `make golden` writes it")
        else:
            assert text == path.read_text(encoding="utf-8")

    return check
