"""Where the real recordings are; a test that needs one skips with a message where it is absent."""

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
RECORDINGS = Path(os.environ.get("FLEETTWIN_TEST_DATA", str(_ROOT.parent / "shared" / "data")))


def recording(*parts: str) -> Path:
    """Return the path of a real recording, or skip the running test."""
    path = RECORDINGS.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"real recording {'/'.join(parts)} is absent: set FLEETTWIN_TEST_DATA to the folder that holds it")
    return path
