"""Programs in JavaScript that use libraries of others, installed as their lock file says, once for all runs."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.support.lacking import ROOT, lacking

CLIENTS: Final = ROOT / "tests" / "clients"
NODE_MIN: Final = 20
INSTALLED_WITHIN_S: Final = 300
_CACHE: Final = Path(tempfile.gettempdir()) / f"fleettwin-clients-{os.getuid()}"


def installed(name: str) -> Path:
    """Return a folder with the programs of `tests/clients` of this name and what they need, or skip the test."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        lacking(f"needs node {NODE_MIN} or later, with npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < NODE_MIN:
        lacking(f"needs node {NODE_MIN} or later, not {version.strip()}")
    source = CLIENTS / name
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.iterdir()) if path.is_file()))
    folder = _CACHE / f"{name}-{digest.hexdigest()[:16]}"
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several workers one installs
        if not folder.exists():
            part = Path(tempfile.mkdtemp(dir=_CACHE))
            shutil.copytree(source, part, dirs_exist_ok=True)
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(
                command, cwd=part, capture_output=True, text=True, check=False, timeout=INSTALLED_WITHIN_S
            )
            if done.returncode != 0:
                shutil.rmtree(part)
                lacking(f"needs a registry of npm: {done.stderr.strip().partition(chr(10))[0]}")
            part.rename(folder)
    return folder
