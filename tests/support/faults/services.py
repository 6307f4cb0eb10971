"""A broker and a PostgreSQL of our own, which may be killed, and a link of its own to both for every client."""

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.kafka.broker import HOST, Broker
from adapters.kafka.cluster import JVM_QUICK_START, Cluster, free_ports
from adapters.kafka.distribution import Distribution
from adapters.postgres.server import EmbeddedServer
from tests.support.faults.schedule import Service
from tests.support.tcp_proxy import Link, TcpProxy

POLL_S: Final = 0.02
GONE_WITHIN_S: Final = 10.0
GONE: Final = ("", "Z")  # states of a process; Z: it has ended, and its parent has not asked how
FROZEN: Final = ("T", *GONE)
_numbers = itertools.count(1)


class Services:
    """Runs both below a folder, as a context; several runs may use them one after the other.

    Each client has a listener of the broker, advertised at the port of its link, so that it is sent nowhere else; who
    checks goes to the broker and the database directly.
    """

    def __init__(self, folder: Path, distribution: Distribution, clients: Sequence[str]) -> None:
        own, *of_clients = free_ports(1 + len(clients))  # two for each client: its listener, and its link
        self._ports = dict(zip(clients, of_clients, strict=True))
        listeners = {f"LINK{number}": ports for number, ports in enumerate(of_clients, start=1)}
        plain = f"PLAINTEXT://{HOST}:{own.client}"
        settings = {
            "listeners": ",".join(
                [
                    plain,
                    f"CONTROLLER://{HOST}:{own.controller}",
                    *(f"{name}://{HOST}:{ports.client}" for name, ports in listeners.items()),
                ]
            ),
            "advertised.listeners": ",".join(
                [plain, *(f"{name}://{HOST}:{ports.controller}" for name, ports in listeners.items())]
            ),
            "listener.security.protocol.map": ",".join(
                f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *listeners)
            ),
            # A transaction of a relay that was killed is aborted soon after its 10 s: who reads does not wait longer.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        }
        self._cluster = Cluster(
            folder / "kafka", distribution, ports=[own], settings=settings, jvm=JVM_QUICK_START, fresh=True
        )
        self._home = folder
        self._database = EmbeddedServer(folder)
        self._proxy = TcpProxy()
        self._stack = ExitStack()
        self._links: dict[tuple[str, Service], Link] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._proxy)
            stack.enter_context(self._cluster)
            stack.enter_context(self._database)
            where = conninfo_to_dict(self._database.conninfo())
            socket_path = f"{where['host']}/.s.PGSQL.{where['port']}"
            for client, ports in self._ports.items():
                self._links[client, Service.BROKER] = self._proxy.link((HOST, ports.client), ports.controller)
                self._links[client, Service.DATABASE] = self._proxy.link(socket_path)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def broker_log(self) -> Path:
        """What the broker has logged since it was started last."""
        return self._cluster.folder / "broker-1" / "server.log"

    def link(self, client: str, service: Service) -> Link:
        """Return the way of a client."""
        return self._links[client, service]

    @property
    def bootstrap_servers(self) -> str:
        """The broker without a proxy."""
        return self._cluster.bootstrap_servers

    def new_database(self) -> str:
        """Make an empty database, and return its name."""
        name = f"faults_{next(_numbers)}"
        with psycopg.connect(self._database.conninfo(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def conninfo(self, database: str) -> str:
        """Return the connection string of a database, without a proxy."""
        return self._database.conninfo(database)

    def settings_of(self, client: str, database: str) -> dict[str, str]:
        """Return the settings with which a client goes its own way to both."""
        user = conninfo_to_dict(self._database.conninfo())["user"]
        port = self._links[client, Service.DATABASE].port
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self._links[client, Service.BROKER].port}",
            # The server speaks over a Unix socket, where there is nothing to encrypt.
            "DATABASE_URL": make_conninfo(
                host=HOST, port=port, user=user, dbname=database, sslmode="disable", gssencmode="disable"
            ),
        }

    # --- faults -------------------------------------------------------------------------------------------------------

    def stop_broker(self) -> None:
        """Stop it as an operator does."""
        self._broker.stop()

    def kill_broker(self) -> None:
        """End it with SIGKILL."""
        self._broker.kill()

    def freeze_broker(self) -> None:
        """Let it hang."""
        self._broker.freeze()

    def thaw_broker(self) -> None:
        """Let it go on."""
        self._broker.thaw()

    def start_broker(self) -> None:
        """Start it again, and wait until it answers."""
        self._broker.start()
        self._cluster.wait_ready()

    def stop_database(self) -> None:
        """Stop it as an operator does: sessions end, what is not committed is undone."""
        self._database.stop()

    def kill_database(self) -> None:
        """End its first process with SIGKILL: the others notice and go."""
        pid = self._postmaster
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + GONE_WITHIN_S
        while _lives(pid):
            assert time.monotonic() < deadline, "PostgreSQL outlives SIGKILL"
            time.sleep(POLL_S)
        self._database.stop()  # lets go of what is gone

    def freeze_database(self) -> None:
        """Let all of its processes hang; the first one first, so that no more come."""
        pid = self._postmaster
        os.kill(pid, signal.SIGSTOP)
        while running := [each for each in (pid, *_children(pid)) if _state(each) not in FROZEN]:
            for each in running:
                with contextlib.suppress(ProcessLookupError):  # it was about to end
                    os.kill(each, signal.SIGSTOP)
            time.sleep(POLL_S)

    def thaw_database(self) -> None:
        """Let all of its processes go on."""
        pid = self._postmaster
        for each in (*_children(pid), pid):
            os.kill(each, signal.SIGCONT)

    def start_database(self) -> None:
        """Start it again, and wait until it answers."""
        self._database.start()

    @property
    def _postmaster(self) -> int:
        return int((self._home / "postgres/data/postmaster.pid").read_text().splitlines()[0])

    @property
    def _broker(self) -> Broker:
        (broker,) = self._cluster.brokers
        return broker


def _lives(pid: int) -> bool:
    """Whether a process is more than an entry that waits for its parent."""
    return _state(pid) not in GONE


def _state(pid: int) -> str:
    """Return the letter of a process's state, none for one that is gone."""
    return next(iter(_stat(pid)), "")


def _stat(pid: int) -> list[str]:
    """Return what proc(5) says of a process from its state and its parent on, nothing of one that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _children(pid: int) -> list[int]:
    return [int(each.name) for each in Path("/proc").glob("[0-9]*") if _stat(int(each.name))[1:2] == [str(pid)]]
