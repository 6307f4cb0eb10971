"""A server of GraphQL as a process of its own, on the cores that a benchmark gives it, or all."""

import os
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.distributed import STOP_TIMEOUT_S, VIN_KEY, Worker, wait_for
from bench.report import ROOT

_AT: Final = re.compile(r"http://127\.0\.0\.1:(\d+)/graphql")


@contextmanager
def started(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, said: Path, cores: Collection[int] = ()
) -> Iterator[tuple[Worker, int]]:
    """Start a server in a folder, and give it with the port that it has said; it is stopped in the end.

    What it says goes to the file `said`.
    """
    with (
        said.open("w") as output,
        subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=folder
        ) as process,
    ):
        try:
            if cores:
                os.sched_setaffinity(process.pid, cores)
            worker = Worker(said.stem, process.pid, lambda: process.poll() is None, said)
            wait_for(lambda: _AT.search(said.read_text()) is not None, worker)
            found = _AT.search(said.read_text())
            assert found is not None
            yield worker, int(found[1])
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def environment_of(home: Path, conninfo: str, **settings: str) -> dict[str, str]:
    """Return the environment of a server of fleettwin on a free port: none of the caller's settings, but these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FLEETTWIN_", "PG"))}
    ours = {"HOME": str(home), "DATABASE_URL": conninfo, "PORT": "0", "VIN_KEY": VIN_KEY, **settings}
    return {**inherited, "PYTHONPATH": str(ROOT), **{f"FLEETTWIN_{name}": value for name, value in ours.items()}}
