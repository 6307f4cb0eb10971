"""A process that goes on without the one that started it, and that anyone finds again.

Its file holds its pid, and the process itself holds a lock (flock(2)) on that file for as long as it lives: whether it
runs is asked of the kernel, and a pid that was given to another process since is never taken for it.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

POLL_S: Final = 0.02
_KILL_TIMEOUT_S: Final = 10  # a killed process is gone as soon as the kernel has taken its memory back
_LOOK_TIMEOUT_S: Final = 5  # others hold the lock for the blink of an eye, to see whether it is free

# The first shell leaves the second behind and goes; that one writes its pid and becomes the process, so that none runs
# without a pid, even if we are interrupted here. Of what it inherits, the process keeps the lock, and no terminal.
_BECOME: Final = """'echo $$ >"$0" && exec "$@"'"""
_LEAVE_BEHIND: Final = f'output=$1; shift; /bin/sh -c {_BECOME} "$@" >>"$output" 2>&1 </dev/null &'


class HeldProcess:
    """A process known by the file that it holds."""

    def __init__(self, pid_file: Path) -> None:
        self._pid_file = pid_file

    def start(self, command: Sequence[str], output: Path, environment: Mapping[str, str]) -> None:
        """Start the command, which must not run yet; what it says goes to the end of `output`."""
        with self._pid_file.open("ab") as held:
            deadline = time.monotonic() + _LOOK_TIMEOUT_S
            while not _locked(held.fileno(), fcntl.LOCK_EX):
                assert time.monotonic() < deadline, f"{self._pid_file} is held: the process runs"
                time.sleep(POLL_S)
            held.truncate(0)  # whoever looks now shall not find the pid of the last one
            subprocess.run(  # noqa: S603  # our own command with arguments of our own
                ["/bin/sh", "-c", _LEAVE_BEHIND, "sh", str(output), str(self._pid_file), *command],
                check=True,
                cwd=self._pid_file.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # out of reach of Ctrl-C in our terminal
                pass_fds=[held.fileno()],
            )

    @property
    def running(self) -> bool:
        """Whether it lives; a frozen one does."""
        try:
            with self._pid_file.open("rb") as held:
                return not _locked(held.fileno(), fcntl.LOCK_SH)
        except FileNotFoundError:
            return False

    @property
    def pid(self) -> int:
        """The id of the process, or of the last one if none runs."""
        deadline = time.monotonic() + _LOOK_TIMEOUT_S
        while not (text := self._pid_file.read_text()):
            assert time.monotonic() < deadline, f"{self._pid_file} stays empty"
            time.sleep(POLL_S)
        return int(text)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it does not run."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, deadline: float) -> bool:
        """Wait until it has ended, or until the monotonic clock shows `deadline`; return whether it has."""
        while self.running:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def kill(self) -> None:
        """Kill it (SIGKILL) and wait until it is gone."""
        self.signal(signal.SIGKILL)
        gone = self.wait(time.monotonic() + _KILL_TIMEOUT_S)
        assert gone, f"process {self.pid} outlives SIGKILL"


def stop_all(processes: Sequence[HeldProcess], timeout_s: float) -> None:
    """Ask all to stop at the same time (SIGTERM), wait, and kill those that do not."""
    for process in processes:
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGCONT)  # a frozen one hears of it
    deadline = time.monotonic() + timeout_s
    for process in processes:
        if not process.wait(deadline):
            process.kill()


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
