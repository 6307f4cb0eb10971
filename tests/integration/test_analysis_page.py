"""What docs/analysis.md tells to do is done, in its order; what it says that this prints is what it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.command_line import PROGRAM, ROOT, TIMEOUT_S, CommandLine

PAGE: Final = (ROOT / "docs/analysis.md").read_text(encoding="utf-8")
BLOCK: Final = re.compile(r"^```(sh|python)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """Code of the page, and what it says that this prints (None: nothing is said)."""

    language: str
    code: str
    printed: str | None


BLOCKS: Final = [Block(language, code, printed or None) for language, code, printed in BLOCK.findall(PAGE)]
COMMANDS: Final = [each for each in BLOCKS if each.language == "sh"]
SNIPPETS: Final = [each for each in BLOCKS if each.language == "python"]


def commands_done(folder: Path, database: str) -> dict[str, str]:
    """Do what the page begins with; return the environment in which that was done."""
    programs = folder / "bin"
    programs.mkdir()
    for name, words in (("fleettwin", PROGRAM), ("python", PROGRAM[:1])):
        quoted = " ".join(f"'{word}'" for word in words)
        (programs / name).write_text(f'#!/bin/sh\nexec {quoted} "$@"\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    environment = CommandLine(folder / "home", database).environment()
    environment |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONIOENCODING": "utf-8"}
    for block in COMMANDS:
        assert run(["sh", "-e", "-c", block.code], folder, environment)
    return environment


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return what a command prints that ends well and complains of nothing."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert (done.returncode, done.stderr) == (0, ""), command
    return done.stdout


def test_the_page_has_three_analyses_each_with_a_tool_of_its_own_and_what_it_prints() -> None:
    said = [each for each in SNIPPETS if each.printed]
    assert [re.findall(r"^import (\w+)", each.code, re.MULTILINE) for each in said] == [
        ["duckdb"],
        ["polars"],
        ["pandas"],
    ]
    assert len(SNIPPETS) == PAGE.count("```python") == len(said) + 3
    assert len(said) == PAGE.count("```text")
    assert len(COMMANDS) == PAGE.count("```sh") == 1


@pytest.mark.slow
def test_every_snippet_prints_what_the_page_says(tmp_path: Path, fresh_database: str) -> None:
    environment = commands_done(tmp_path, fresh_database)
    for snippet in SNIPPETS:
        said = run([sys.executable, "-W", "error", "-c", snippet.code], tmp_path, environment)
        printed = "".join(f"{line.rstrip()}\n" for line in said.rstrip().splitlines())
        assert len(printed.splitlines()) > 5  # rows, not an empty table
        assert snippet.printed in (None, printed)
