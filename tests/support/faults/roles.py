"""The processes of a run: started, killed, frozen and asked to stop, and never to end by themselves."""

import signal
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.command_line import CommandLine

READY: Final = b"Ctrl-C stops"  # each role says so when it begins
REFUSED: Final = 2  # exit status of a command that finds no broker or no database when it starts
STOPPED_WITHIN_S: Final = 60.0
KILLED_WITHIN_S: Final = 10.0
SHOWN_LINES: Final = 15


class Role(NamedTuple):
    """A process of a distributed twin: what it is called here, and the arguments of `fleettwin`."""

    name: str
    arguments: tuple[str, ...]


INGEST: Final = ("run", "ingest")
RELAY: Final = ("run", "relay")
PROJECT: Final = ("run", "project")

FIRST_RELAY: Final = "relay-1"
SECOND_RELAY: Final = "relay-2"  # that some runs have
VISITOR: Final = Role("relay-visitor", RELAY)  # that comes and goes while the first one hangs
ROLES: Final = (
    Role("ingest-1", INGEST),
    Role("ingest-2", INGEST),
    Role(FIRST_RELAY, RELAY),
    Role(SECOND_RELAY, RELAY),
    Role("project-1", PROJECT),
    Role("project-2", PROJECT),
)


class RoleProcess:
    """A role that runs, or is to be started again; what it says goes into a file."""

    def __init__(self, role: Role, command_line: CommandLine, folder: Path) -> None:
        self.role = role
        self.busy = threading.RLock()  # held by whatever is done to the process
        self.starts = 0
        self.log: Final = folder / f"{role.name}.log"
        self.started_at = 0.0  # monotonic
        self._command_line = command_line
        self._process: subprocess.Popen[str] | None = None
        self._stack = ExitStack()
        self._log_begin = 0  # of what the present process says

    @property
    def runs(self) -> bool:
        """Whether it was started, and not ended by us since."""
        return self._process is not None

    @property
    def status(self) -> int | None:
        """The exit status of one that has ended by itself."""
        return None if self._process is None else self._process.poll()

    @property
    def ready(self) -> bool:
        """Whether it has said that it works."""
        return READY in self.said()

    def said(self) -> bytes:
        """Return what the present process has said."""
        return self.log.read_bytes()[self._log_begin :] if self.log.exists() else b""

    def tail(self) -> str:
        """Return the last lines, of processes before it too."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-SHOWN_LINES:])

    def start(self) -> None:
        """Start it; returns before it is ready."""
        assert self._process is None
        with self.log.open("ab") as said:
            said.write(f"--- start {self.starts + 1}\n".encode())
            said.flush()
            self._log_begin = said.tell()
            self._process = self._stack.enter_context(self._command_line.started(*self.role.arguments, said=said))
        self.starts += 1
        self.started_at = time.monotonic()

    def kill(self) -> None:
        """End it with SIGKILL, frozen or not."""
        if self._process is not None:
            self._process.kill()
        self._forget()

    def stop(self) -> int | None:
        """Ask it to stop (SIGTERM), and return its exit status; None: it has not ended in time, and was killed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            status: int | None = self._process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            status = None
        self.kill()
        return status

    def abort(self) -> None:
        """End it, with what each of its threads was doing in its log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGABRT)
            try:
                self._process.wait(KILLED_WITHIN_S)
            finally:
                self.kill()

    def freeze(self) -> None:
        """Let it hang (SIGSTOP)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _forget(self) -> None:
        self._process = None
        self._stack.close()
