"""A secret that is made when it is first needed, and kept in a file that only its owner can read."""

import os
from collections.abc import Callable
from pathlib import Path

from domain.errors import BadInputError


def kept_secret(path: Path, name: str, make: Callable[[], str]) -> str:
    """Return what the file holds; where there is none, make it. Raises BadInputError where it cannot be kept."""
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = path.with_suffix(f".{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_text(make())
            try:
                os.link(draft, path)  # whoever comes first makes it; the others find it whole
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        what = f"the {name} cannot be kept ({error.strerror})"
        raise BadInputError(
            what, where=str(path), remedy="set FLEETTWIN_HOME to a folder that you can write"
        ) from error
