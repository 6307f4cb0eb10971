"""A Kafka cluster of one or several brokers below a folder, for tests and for a machine without a cluster.

Any number of processes of a user may share it. Each that has started it with `start()` holds shared locks (flock(2))
for as long as it lives: the last one to stop stops the brokers; if all are killed, the keeper does, a small process
beside the brokers that waits for the locks. Started with `start(owned=False)`, the brokers stay until `stop_brokers`.
"""

import contextlib
import fcntl
import json
import os
import random
import shutil
import socket
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from adapters.kafka import keeper
from adapters.kafka.broker import HOST, Broker, Ports, refusal
from adapters.kafka.client import Connection
from adapters.kafka.distribution import Distribution
from adapters.kafka.held_process import HeldProcess, stop_all
from adapters.kafka.keeper import OWNERS_LOCK, stop_brokers
from domain.errors import BadInputError

START_TIMEOUT_S: Final = 120  # recovery after a crash included
JVM: Final = ("-Xms256m", "-Xmx1g")
JVM_QUICK_START: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # two thirds of the time to start

_POLL_S: Final = 0.05
_BOOTSTRAP_TIMEOUT_MS: Final = 2_000
_START_FAILURES_MAX: Final = 3  # where ports are chosen freely, one may be taken by others in the meantime
_PORT_IN_USE: Final = "Address already in use"
# Below the ports that Linux and macOS give to outgoing connections: a client that tries to reach a stopped broker could
# be given the very port that it tries, connect to itself, and keep the broker from ever coming back.
_FREE_PORTS: Final = range(20_000, 30_000)
_ROOT: Final = Path(__file__).parents[2]


class Cluster:
    """Brokers below `folder`, all of them on this machine.

    With `fresh`, a start that finds none of them running begins with empty storage. Without `ports`, any that are free
    are taken and kept. `settings` are added to those of each broker. Every method that starts something raises
    BadInputError when that cannot be.
    """

    def __init__(
        self,
        folder: Path,
        distribution: Distribution,
        *,
        brokers: int = 1,
        ports: Sequence[Ports] = (),
        settings: Mapping[str, str] | None = None,
        jvm: tuple[str, ...] = JVM,
        fresh: bool = False,
    ) -> None:
        assert brokers > 0
        assert len(ports) in {0, brokers}
        self.folder = folder.expanduser().absolute()
        self.brokers: tuple[Broker, ...] = ()
        self._distribution = distribution
        self._count = brokers
        self._fixed_ports = tuple(ports)
        self._settings = dict(settings or {})
        self._jvm = jvm
        self._fresh = fresh
        self._locks: list[IO[bytes]] = []
        self._started_by = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """What a client is given, once the cluster has been started."""
        assert self.brokers
        return ",".join(broker.address for broker in self.brokers)

    def start(self, *, owned: bool = True) -> Sequence[int]:
        """Make all brokers run and answer; takes up those that run already. Return the numbers of the others."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._one_at_a_time():
                if owned and not self._locks:
                    self._hold()
                return self._run()
        except OSError as error:
            self._release()
            raise refusal(error.strerror or str(error), Path(error.filename or self.folder)) from error
        except BaseException:
            self._release()
            raise

    def stop(self) -> None:
        """Leave the cluster; the last one to leave stops it. A forked child leaves nothing."""
        if not self._locks or self._started_by != os.getpid():
            return
        try:
            # The lock is refused while others use the cluster.
            with self._one_at_a_time(), contextlib.suppress(BlockingIOError):
                fcntl.flock(self._locks[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
                stop_brokers(self.folder)
        finally:
            self._release()

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until a client sees every broker; at once an error when one has ended instead."""
        deadline = time.monotonic() + timeout_s
        for broker in self.brokers:
            while not _listens(broker.address):
                self._give_up_if_ended(deadline)
                time.sleep(_POLL_S)
        while not self._all_seen():
            self._give_up_if_ended(deadline)
            time.sleep(_POLL_S)

    # --- locks --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        with (self.folder / "start.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _hold(self) -> None:
        """Be counted as a user: the keeper waits for one lock, the last to leave tries the other."""
        for name in (OWNERS_LOCK, "in-use.lock"):
            lock = (self.folder / name).open("ab")
            self._locks.append(lock)
            fcntl.flock(lock, fcntl.LOCK_SH)  # waits for a keeper that is stopping the brokers
        self._started_by = os.getpid()

    def _release(self) -> None:
        while self._locks:
            self._locks.pop().close()  # gives the lock back

    # --- steps of a start ---------------------------------------------------------------------------------------------

    def _run(self) -> Sequence[int]:
        found = self._found()
        any_runs = any(broker.running for broker in self._brokers(found)) if found else False
        if self._fresh and not any_runs:
            for folder in self.folder.glob("broker-*"):
                shutil.rmtree(folder)
            found = None
        if found and self._fixed_ports and not any_runs:
            found = (found[0], self._fixed_ports)
        if self._locks:
            self._start_keeper()
        for failures in range(1, _START_FAILURES_MAX + 1):
            cluster_id, ports = found or (_new_cluster_id(), self._fixed_ports or free_ports(self._count))
            self._write(cluster_id, ports)
            self.brokers = self._brokers((cluster_id, ports))
            stopped = [broker for broker in self.brokers if not broker.running]
            try:
                self._start_brokers(stopped, cluster_id)
                self.wait_ready()
            except BaseException as error:  # Ctrl-C is one: what does not answer yet is not left behind
                stop_all([broker.process for broker in stopped], keeper.STOP_TIMEOUT_S)
                port_in_use = isinstance(error, BadInputError) and _PORT_IN_USE in error.what
                if self._fixed_ports or any_runs or not port_in_use or failures == _START_FAILURES_MAX:
                    raise
                found = (cluster_id, free_ports(self._count))
            else:
                return [broker.number for broker in stopped]
        raise AssertionError  # the last attempt returns or raises

    def _start_brokers(self, stopped: Sequence[Broker], cluster_id: str) -> None:
        for broker in stopped:
            for address in broker.addresses:
                if _listens(address):
                    raise refusal(f"{_PORT_IN_USE}: {address}", broker.folder)
        with ThreadPoolExecutor(self._count) as pool:
            list(pool.map(lambda broker: broker.prepare(cluster_id), stopped))
        for broker in stopped:
            broker.start()

    def _start_keeper(self) -> None:
        process = HeldProcess(self.folder / "keeper.pid")
        if process.running:
            return
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", keeper.__name__, str(self.folder)]
        process.start(command, self.folder / "keeper.log", {**os.environ, "PYTHONPATH": path})

    def _brokers(self, found: tuple[str, tuple[Ports, ...]]) -> tuple[Broker, ...]:
        _, ports = found
        return tuple(
            Broker(self.folder / f"broker-{number}", self._distribution, number, ports, self._settings, self._jvm)
            for number in range(1, self._count + 1)
        )

    def _found(self) -> tuple[str, tuple[Ports, ...]] | None:
        """Return id and ports of the cluster that is here already."""
        try:
            said: dict[str, Any] = json.loads((self.folder / "cluster.json").read_text())
        except FileNotFoundError:
            return None
        ports = tuple(Ports(*pair) for pair in said["ports"])
        if len(ports) != self._count:
            what = f"holds a cluster of {len(ports)} brokers, not of {self._count}"
            raise BadInputError(what, where=str(self.folder), remedy="give each number of brokers a folder of its own")
        return said["cluster_id"], ports

    def _write(self, cluster_id: str, ports: tuple[Ports, ...]) -> None:
        draft = self.folder / "cluster.json.new"
        draft.write_text(json.dumps({"cluster_id": cluster_id, "ports": ports}))
        draft.rename(self.folder / "cluster.json")

    # --- readiness ----------------------------------------------------------------------------------------------------

    def _all_seen(self) -> bool:
        try:
            with Connection(self.bootstrap_servers, _BOOTSTRAP_TIMEOUT_MS).administration() as client:
                seen = client.describe_cluster()["brokers"]
        except BadInputError:
            return False
        return len([each for each in seen if not each.get("is_fenced")]) == len(self.brokers)

    def _give_up_if_ended(self, deadline: float) -> None:
        for broker in self.brokers:
            if not broker.running:
                raise refusal(broker.complaint(), broker.folder)
        if time.monotonic() > deadline:
            raise refusal("it does not answer in time", self.folder)


def _listens(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_BOOTSTRAP_TIMEOUT_MS / 1_000).close()
    except OSError:
        return False
    return True


def free_ports(brokers: int) -> tuple[Ports, ...]:
    """Return ports that nobody uses now."""
    ports = random.SystemRandom()
    found: list[int] = []
    while len(found) < 2 * brokers:
        port = ports.choice(_FREE_PORTS)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind((HOST, port))
            if port not in found:
                found.append(port)
    return tuple(Ports(*found[at : at + 2]) for at in range(0, 2 * brokers, 2))


def _new_cluster_id() -> str:
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
