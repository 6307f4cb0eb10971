"""Programs of Node.js that a folder below tests/clients holds, run with the packages that its lock names."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.support.lacking import ROOT, lacking

CLIENTS: Final = ROOT / "tests/clients"
TIMEOUT_S: Final = 300
_KEPT: Final = Path(tempfile.gettempdir()) / f"fleettwin-tests-{os.getuid()}" / "node"  # for the next run


class NodeProject:
    """A folder of programs, copied, beside the packages that they import."""

    def __init__(self, name: str, folder: Path) -> None:
        if not (shutil.which("node") and shutil.which("npm")):
            lacking("install Node.js 20 or later, with npm, and have both on the path")
        self.folder = folder / name
        shutil.copytree(CLIENTS / name, self.folder, ignore=shutil.ignore_patterns("node_modules"))
        (self.folder / "node_modules").symlink_to(_installed(CLIENTS / name) / "node_modules")

    def run(self, *command: str) -> str:
        """Return what a command prints that ends well."""
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _installed(project: Path) -> Path:
    """Return a folder with the packages that the lock of a project names; they are brought once."""
    lock = (project / "package-lock.json").read_bytes()
    folder = _KEPT / hashlib.sha256(lock).hexdigest()
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / "lock").open("ab") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = _KEPT / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(project / name, unfinished)
            command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(command, cwd=unfinished, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            unfinished.rename(folder)
    return folder
