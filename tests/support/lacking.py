"""What a test does where a machine lacks something: it is skipped with one line that says what, and fails in CI."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn

import pytest

CI: Final = os.environ.get("CI") == "true"
ROOT: Final = Path(__file__).parents[2]


def lacking(what: str) -> NoReturn:
    """Skip a test, or fail it in CI; `what` says what to install."""
    if CI:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def run_without_programs(tests: list[str], empty: Path, ci: str, kafka: str = "") -> "subprocess.CompletedProcess[str]":
    """Run tests with a path to programs that is an empty folder; `kafka` is the cluster that they are given.

    Their temporary files are beside that folder: pytest shuts others out of the place where they usually are, and this
    run's PostgreSQL servers, which root runs as another user, are below it.
    """
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={empty}-temporary", *tests],
        cwd=ROOT,
        env=os.environ | {"PATH": str(empty), "CI": ci, "FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS": kafka},
        capture_output=True,
        text=True,
        check=False,
    )
