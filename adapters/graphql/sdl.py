"""Writes the schema to its file, or checks it: `python -m adapters.graphql.sdl [--check | --release] [--breaking]`.

`schemas/graphql/schema.graphql` is the schema of the code; `released.graphql` beside it is that of the last release,
which clients build on. A change that takes from them what they may rely on is refused, unless `--breaking` is given.
"""

import argparse
import sys
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import schemas
from adapters.graphql.compatibility import breaking_changes
from adapters.graphql.schema import SCHEMA

FOLDER: Final = Path(schemas.__file__).parent / "graphql"
CURRENT: Final = "schema.graphql"
RELEASED: Final = "released.graphql"
COMMAND: Final = "python -m adapters.graphql.sdl"


def text() -> str:
    """Return the schema as text."""
    return SCHEMA.as_str() + "\n"


def main(arguments: list[str], folder: Path = FOLDER, today: date | None = None) -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write the GraphQL schema to its file.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing: fail if the file is not the schema")
    what.add_argument("--release", action="store_true", help="write it as what clients build on from now on, too")
    parser.add_argument("--breaking", action="store_true", help="allow what breaks clients of the last release")
    options = parser.parse_args(arguments)
    breaking = _breaking(folder / RELEASED, today or datetime.now(UTC).date())
    for change in breaking:
        _say(f"{CURRENT}: breaks clients: {change}")
    if breaking and not options.breaking:
        _say(
            "deprecate it with the day of its removal, add beside it what to use, and remove it after that day; or give"
            f" --breaking{'' if options.check else ': nothing is written'}"
        )
        return 1
    if options.check:
        return _check(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CURRENT).write_text(text(), encoding="utf-8")
    if options.release:
        head = f"# The schema of release {version('fleettwin')}: {COMMAND} --release wrote it.\n\n"
        (folder / RELEASED).write_text(head + text(), encoding="utf-8")
    return 0


def _breaking(released: Path, today: date) -> list[str]:
    if not released.exists():
        return []
    return breaking_changes(released.read_text(encoding="utf-8"), text(), today)


def _check(folder: Path) -> int:
    current = folder / CURRENT
    if not current.exists() or current.read_text(encoding="utf-8") != text():
        _say(f"{CURRENT} is not the schema of the code; run {COMMAND}")
        return 1
    if not (folder / RELEASED).exists():
        _say(f"{RELEASED}, the schema of the last release, is missing; bring it back, or run {COMMAND} --release")
        return 1
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
