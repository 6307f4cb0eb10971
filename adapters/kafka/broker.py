"""One Kafka broker below a folder of its own: KRaft, broker and controller in one, loopback only.

Java is run in that folder and told the names of files in it, never their path: a comma, a percent sign or a letter
that is not ASCII would mean something else to the settings of Kafka or of its log.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from adapters.kafka.distribution import Distribution
from adapters.kafka.held_process import HeldProcess, stop_all
from adapters.kafka.keeper import STOP_TIMEOUT_S
from domain.errors import BadInputError

HOST: Final = "127.0.0.1"

_FORMAT_TIMEOUT_S: Final = 120
_FORMAT_JVM: Final = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m")
_PROPERTIES: Final = "server.properties"
_LOG_PROPERTIES: Final = "log4j2.properties"
_DATA: Final = "data"
_LOG_MARKS: Final = ("FATAL", "ERROR", "Exception", "Error:")
_SAID_CHARACTERS_MAX: Final = 300

# The log is limited: ten megabytes, and the ten before.
_LOG_SETTINGS: Final = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = server.log
appender.file.filePattern = server.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %c{1} %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 1
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
"""


class Ports(NamedTuple):
    """Where clients come in, and where controllers talk to each other."""

    client: int
    controller: int


class Addresses(NamedTuple):
    """The same with their host."""

    client: str
    controller: str


@dataclass(frozen=True)
class Broker:
    """A broker; `number` counts from 1, and `ports` are those of all brokers of its cluster."""

    folder: Path
    distribution: Distribution
    number: int
    ports: tuple[Ports, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    jvm: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Where clients come in."""
        return self.addresses.client

    @property
    def addresses(self) -> Addresses:
        """Where it listens."""
        return Addresses(*(f"{HOST}:{port}" for port in self.ports[self.number - 1]))

    @property
    def process(self) -> HeldProcess:
        """The process, whoever started it."""
        return HeldProcess(self.folder / "pid")

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process.running

    def prepare(self, cluster_id: str) -> None:
        """Write its settings, and format its storage unless that has been done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / _PROPERTIES).write_text(
            "".join(f"{name}={value}\n" for name, value in self._all_settings().items())
        )
        (self.folder / _LOG_PROPERTIES).write_text(_LOG_SETTINGS)
        formatted = self.folder / "formatted"
        if formatted.exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)  # of a start that was killed half-way
        done = subprocess.run(  # noqa: S603  # our own arguments
            self._command(
                *("kafka.tools.StorageTool", "format", "-c", _PROPERTIES),
                f"--cluster-id={cluster_id}",  # which may begin with a minus
                jvm=_FORMAT_JVM,
            ),
            check=False,
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_FORMAT_TIMEOUT_S,
            start_new_session=True,
        )
        if done.returncode:
            raise refusal(_last_complaint(done.stdout), self.folder)
        formatted.touch()

    def start(self) -> None:
        """Start it; returns before it answers."""
        self._output.write_text("")
        self._log.unlink(missing_ok=True)
        command = self._command("kafka.Kafka", _PROPERTIES, jvm=(*self.jvm, "-XX:ErrorFile=crash.log"))
        self.process.start(command, self._output, _environment())

    def stop(self) -> None:
        """Stop it as an operator does: it hands its partitions over and closes its files."""
        stop_all([self.process], STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End it as a crash does (SIGKILL)."""
        self.process.kill()

    def freeze(self) -> None:
        """Let it hang (SIGSTOP)."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.signal(signal.SIGCONT)

    def complaint(self) -> str:
        """Return what it said last that sounds like the reason of its end."""
        said = [path.read_text(errors="replace") for path in (self._output, self._log) if path.exists()]
        return _last_complaint("\n".join(said))

    @property
    def _data(self) -> Path:
        return self.folder / _DATA

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    @property
    def _output(self) -> Path:
        return self.folder / "output.log"

    def _command(self, main: str, *arguments: str, jvm: tuple[str, ...]) -> list[str]:
        return self.distribution.command(main, *arguments, jvm=(*jvm, f"-Dlog4j2.configurationFile={_LOG_PROPERTIES}"))

    def _all_settings(self) -> dict[str, str]:
        own = self.ports[self.number - 1]
        voters = [f"{number}@{HOST}:{ports.controller}" for number, ports in enumerate(self.ports, start=1)]
        replicas = min(3, len(self.ports))
        in_sync = max(1, replicas - 1)
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.number),
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{HOST}:{own.client},CONTROLLER://{HOST}:{own.controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{own.client}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": _DATA,
            "auto.create.topics.enable": "false",  # `fleettwin topics create` does
            "min.insync.replicas": str(in_sync),
            "offsets.topic.replication.factor": str(replicas),
            "offsets.topic.num.partitions": "10",  # of 50, which only take time on one machine
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": str(in_sync),
            "transaction.state.log.num.partitions": "10",
            "group.initial.rebalance.delay.ms": "0",
            # A broker that was killed is let in again when its last session has run out: 3 s of 9.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            **self.settings,
        }


def refusal(why: str, where: Path) -> BadInputError:
    """Return the error of brokers that do not run."""
    return BadInputError(
        f"the Kafka broker does not run: {why}",
        where=str(where),
        remedy="see its server.log and output.log, or set FLEETTWIN_KAFKA_BOOTSTRAP_SERVERS to a cluster of your own",
    )


def _environment() -> dict[str, str]:
    """Return ours, with complaints in English and the names of files in UTF-8."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _last_complaint(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    found = [line for line in lines if any(mark in line for mark in _LOG_MARKS) and not line.startswith("at ")]
    return (found or lines or ["it gave no reason"])[-1][:_SAID_CHARACTERS_MAX]
