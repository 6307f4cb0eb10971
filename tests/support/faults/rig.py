"""One run: roles under load while a schedule of faults is injected, and then calm until all is at rest."""

import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from adapters.kafka.client import Connection
from adapters.kafka.topics import TELEMETRY, create_topics
from adapters.postgres.event_store import PostgresEventLog
from adapters.vehicle_log import VehicleLog
from domain.fleet import Fleet
from tests.support.command_line import VIN_KEY, CommandLine
from tests.support.events import codec
from tests.support.faults import checks
from tests.support.faults.evidence import Places, TopicReader
from tests.support.faults.load import Load, Sender
from tests.support.faults.roles import PROJECT, REFUSED, ROLES, VISITOR, RoleProcess
from tests.support.faults.schedule import FAULTS_S, Fault, Kind, Schedule, Service
from tests.support.faults.services import Services

SENDER: Final = "sender"
CLIENTS: Final = (*(each.name for each in ROLES), VISITOR.name, SENDER)  # of the services
PARTITIONS: Final = 6
TICK_S: Final = 0.1
READY_WITHIN_S: Final = 90.0
FAULTS_WITHIN_S: Final = 180.0  # the last has ended by then, the slow start of a service included
QUIET_WITHIN_S: Final = 120.0  # after the last fault; a session runs out in 10 s, a connection is waited for for 30
ANSWER_WITHIN_S: Final = 2.0
AFTERMATH_S: Final = 15.0  # in which a start may still find no broker or database
STOPPED: Final = (0,)  # exit status of a role that was asked to stop
STOPPED_AT_START: Final = (0, 2, 130, -signal.SIGTERM)  # and of one that had not begun yet


@dataclass
class Outcome:
    """What came of a schedule."""

    schedule: Schedule
    folder: Path
    findings: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, float] = field(default_factory=dict)
    tails: dict[str, str] = field(default_factory=dict)


class Rig:
    """Runs one schedule on services that several runs share."""

    def __init__(self, services: Services, schedule: Schedule, folder: Path, tell: Callable[[str], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._services = services
        self._schedule = schedule
        self._tell_more = tell
        self.outcome = Outcome(schedule, folder)
        self._load = Load.draw(Random(schedule.load_seed))
        database = services.new_database()
        prefix = f"{database}-"
        self._places = Places(services.conninfo(database), services.bootstrap_servers, prefix, PARTITIONS)
        settings = {"KAFKA_TOPIC_PREFIX": prefix, "KAFKA_PARTITIONS": str(PARTITIONS), "PORT": "0"}
        self._fleettwin = CommandLine(folder / "home", self._places.conninfo, settings)
        self._processes: dict[str, RoleProcess] = {}
        for role in (*ROLES, VISITOR):
            if role.name in schedule.roles or role == VISITOR:
                own = CommandLine(folder / "home", None, settings | services.settings_of(role.name, database))
                self._processes[role.name] = RoleProcess(role, own, folder)
        self._began = time.monotonic()
        self._troubles: list[list[float]] = []  # when a way or a service was troubled: from, to
        self._service_busy = {service: threading.Lock() for service in Service}
        self._hurry = threading.Event()  # faults end at once: the run is given up

    def run(self) -> Outcome:
        """Run it all, and return what was found; nothing of it is left running."""
        created = create_topics(Connection(self._places.bootstrap_servers), PARTITIONS, self._places.topic_prefix)
        assert all(each.created for each in created)
        with closing(PostgresEventLog.open(self._places.conninfo)) as log:
            self._load.register(Fleet(VehicleLog(log, codec()), VIN_KEY.encode()))
        sender = Sender(
            self._load, self._senders_servers(), self._places.topic_prefix + TELEMETRY, PARTITIONS, FAULTS_S
        )
        try:
            for name in self._schedule.roles:
                self._processes[name].start()
            self._await("every role is ready", self._not_ready, READY_WITHIN_S)
            self._began = time.monotonic()
            sender.start()
            self._inject()
            self._settle(sender)
        finally:
            for each in self._processes.values():
                each.kill()
            sender.stop()
            self.outcome.tails = {name: each.tail() for name, each in self._processes.items()}
        return self.outcome

    # --- faults -------------------------------------------------------------------------------------------------------

    def _inject(self) -> None:
        """Let every fault begin at its time, and wait until all have ended."""
        faults = list(self._schedule.faults)
        pending: list[Future[None]] = []
        with ThreadPoolExecutor(len(faults), "fault") as pool:
            try:
                deadline = time.monotonic() + FAULTS_WITHIN_S
                while faults or not all(each.done() for each in pending):
                    assert time.monotonic() < deadline, "the faults do not end"
                    while faults and self._now_s() >= faults[0].at_s:
                        pending.append(pool.submit(self._happen, faults.pop(0)))
                    self._supervise()
                    self._hurry.wait(TICK_S)
            finally:
                self._hurry.set()
        for each in pending:
            each.result()

    def _happen(self, fault: Fault) -> None:
        if fault.service and not fault.roles:
            with self._service_busy[fault.service], self._troubled():
                self._outage(fault)
        elif fault.service:
            with self._troubled():
                self._on_the_way(fault, fault.service)
        else:
            (name,) = fault.roles
            process = self._processes[name]
            with process.busy:
                self._to_process(fault, process)
        self.outcome.injected[fault.kind] += 1
        self._tell(f"ended: {fault}")

    def _outage(self, fault: Fault) -> None:
        ends, starts = {
            Kind.BROKER_RESTART: (self._services.stop_broker, self._services.start_broker),
            Kind.BROKER_CRASH: (self._services.kill_broker, self._services.start_broker),
            Kind.BROKER_FREEZE: (self._services.freeze_broker, self._services.thaw_broker),
            Kind.DATABASE_RESTART: (self._services.stop_database, self._services.start_database),
            Kind.DATABASE_CRASH: (self._services.kill_database, self._services.start_database),
            Kind.DATABASE_FREEZE: (self._services.freeze_database, self._services.thaw_database),
        }[fault.kind]
        self._tell(f"begins: {fault}")
        ends()
        self._hurry.wait(fault.lasts_s)
        starts()

    def _on_the_way(self, fault: Fault, service: Service) -> None:
        links = [self._services.link(name, service) for name in fault.roles]
        match fault.kind:
            case Kind.CUT:
                count = sum(link.cut() for link in links)
                self._tell(f"{fault}: {count} connections")
            case Kind.SWALLOW:
                count = sum(link.swallow() for link in links)
                self._tell(f"{fault}: {count} connections")
            case _:
                self._tell(f"begins: {fault}")
                for link in links:
                    link.stall()
                self._hurry.wait(fault.lasts_s)
                for link in links:
                    link.flow()

    def _to_process(self, fault: Fault, process: RoleProcess) -> None:
        self._tell(f"begins: {fault}{'' if process.ready else ' (not ready)'}")
        match fault.kind:
            case Kind.KILL:
                self._kill(fault, process)
                self._hurry.wait(fault.lasts_s)
                process.start()
            case Kind.RESTART:
                self._stop(process)
                process.start()
            case Kind.VISIT:
                self._visit(fault, process)
            case _:
                process.freeze()
                self._hurry.wait(fault.lasts_s)
                process.thaw()

    def _kill(self, fault: Fault, process: RoleProcess) -> None:
        """Kill a role, if it should be while it waits for an answer: when that comes, or after a while without one."""
        if not fault.answers:
            process.kill()
            return
        link = self._services.link(process.role.name, fault.answers_of)
        sprung = link.trap(fault.answers).wait(ANSWER_WITHIN_S)
        process.kill()
        link.disarm()
        self._tell(f"{process.role.name} is killed {'waiting for an answer' if sprung else 'idle'}")
        self.outcome.injected["killed while it waited for an answer"] += sprung

    def _visit(self, fault: Fault, process: RoleProcess) -> None:
        """Let another one come, and go when a process has hung for a while."""
        visitor = self._processes[VISITOR.name]
        with visitor.busy:
            visitor.start()
            while not visitor.ready and visitor.status is None and not self._hurry.wait(TICK_S):
                pass
            self._hurry.wait(fault.lasts_s)
            process.freeze()
            self._hurry.wait(fault.lasts_s)
            self._stop(visitor)
            process.thaw()

    def _stop(self, process: RoleProcess) -> None:
        """Ask a role to stop, which it must do well."""
        asked, allowed = time.monotonic(), STOPPED if process.ready else STOPPED_AT_START
        status = process.stop()
        took_s = time.monotonic() - asked
        self.outcome.numbers["slowest stop, s"] = max(took_s, self.outcome.numbers.get("slowest stop, s", 0.0))
        if status is None:
            self._find(f"processes: {process.role.name} does not end within {took_s:.0f} s of SIGTERM")
        elif status not in allowed:
            self._find(f"processes: {process.role.name} was asked to stop and ended with status {status}")

    @contextmanager
    def _troubled(self) -> Iterator[None]:
        span = [time.monotonic(), float("inf")]
        self._troubles.append(span)
        try:
            yield
        finally:
            span[1] = time.monotonic()

    # --- supervision --------------------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        """Look for roles that have ended by themselves; one that found no service at its start is started again."""
        for process in self._processes.values():
            if not process.busy.acquire(blocking=False):
                continue
            try:
                if process.status is not None:
                    self._ended(process, process.status)
            finally:
                process.busy.release()

    def _ended(self, process: RoleProcess, status: int) -> None:
        name, said = process.role.name, process.said().decode(errors="replace")
        troubled = any(
            begin <= time.monotonic() and process.started_at <= end + AFTERMATH_S for begin, end in self._troubles
        )
        last = said.splitlines()[-1] if said else "it said nothing"
        if status == REFUSED and not process.ready and troubled and "Traceback" not in said:
            self._tell(f"{name} finds no service at its start, and is started again: {last}")
            self.outcome.injected["start refused"] += 1
        else:
            self._find(f"processes: {name} ended by itself with status {status}: {last}")
        process.kill()
        process.start()

    def _await(self, what: str, missing: Callable[[], str | None], within_s: float) -> bool:
        """Wait until nothing is missing; return whether that came."""
        deadline = time.monotonic() + within_s
        pause = threading.Event()
        while (lacking := missing()) is not None:
            if time.monotonic() > deadline:
                self._find(f"rest: not so within {within_s:.0f} s: {what}; {lacking}")
                return False
            self._supervise()
            pause.wait(TICK_S)
        return True

    def _not_ready(self) -> str | None:
        waiting = [name for name, each in self._processes.items() if each.runs and not each.ready]
        return f"{', '.join(waiting)} are not" if waiting else None

    # --- the end ------------------------------------------------------------------------------------------------------

    def _settle(self, sender: Sender) -> None:
        """Wait until all is at rest, stop the roles, and check."""
        self._tell("the last fault has ended")
        began = time.monotonic()
        with closing(TopicReader(self._places)) as reader:
            if self._await("all is at rest", lambda: self._not_at_rest(sender, reader), QUIET_WITHIN_S):
                self.outcome.numbers["at rest after, s"] = time.monotonic() - began
                self._tell("all is at rest")
                if self._schedule.crashes_at_rest:
                    self._happen(Fault(self._now_s(), Kind.DATABASE_CRASH, (), Service.DATABASE))
                    self._await("all is at rest again", lambda: self._not_at_rest(sender, reader), QUIET_WITHIN_S)
                if self._await("every role is ready", self._not_ready, READY_WITHIN_S):
                    for each in self._processes.values():
                        if each.runs:
                            self._stop(each)
            for each in self._processes.values():
                each.abort()  # one that still runs has something to tell
            if not self._await("no transaction is open", lambda: self._not_read(reader), QUIET_WITHIN_S):
                for state in self._places.open_transactions():
                    self._tell(state)
            self._check(reader, sender)
        if self.outcome.findings:
            shutil.copy(self._services.broker_log, self.outcome.folder)

    def _not_at_rest(self, sender: Sender, reader: TopicReader) -> str | None:
        if not sender.done:
            return f"{sender.confirmed} batches are confirmed, the last complaint is {sender.complaints[-1:]}"
        if (consumed := self._places.consumed()) != (ends := self._places.telemetry_ends()):
            return f"telemetry was taken up to {consumed} of {ends}"
        last = self._places.last_position()
        if (published := reader.read()) < last:
            return f"{published} of {last} events are published, relays are at {self._places.relayed()}"
        if self._projects and set(projected := self._places.projected().values()) != {last}:
            return f"projections are at {list(projected)} of {last}"
        return None

    def _not_read(self, reader: TopicReader) -> str | None:
        committed, written = (
            self._places.ends("vehicle-events", level) for level in ("read_committed", "read_uncommitted")
        )
        if committed != written:
            return f"committed up to {committed}, written up to {written}"
        return None if reader.read_to(committed) else "the topic is not read to its end"

    def _check(self, reader: TopicReader, sender: Sender) -> None:
        stored = self._places.stored()
        findings = [
            *checks.check_batches(self._places, self._load),
            *checks.check_log(stored, self._load),
            *checks.check_topic(stored, reader.records, PARTITIONS),
            *checks.check_relays(self._places, stored),
        ]
        if self._projects:
            with closing(PostgresEventLog.open(self._places.conninfo)) as log:
                findings += checks.check_read_models(self._fleettwin.status(), log)
        for name, process in self._processes.items():
            if process.starts and b"Traceback (most" in process.log.read_bytes():
                findings.append(f"processes: {name} says a traceback")
        for finding in findings:
            self._find(finding)
        self.outcome.numbers |= {
            "batches": len(self._load.batches),
            "sent again": sender.repeated,
            "records of telemetry": sum(self._places.telemetry_ends().values()),
            "events": len(stored),
            "starts": sum(each.starts for each in self._processes.values()),
            "seconds": self._now_s(),
        }

    # --- small things -------------------------------------------------------------------------------------------------

    @property
    def _projects(self) -> bool:
        return any(each.role.arguments == PROJECT for each in self._processes.values())

    def _senders_servers(self) -> str:
        if self._schedule.sends_through_proxy:
            return f"127.0.0.1:{self._services.link(SENDER, Service.BROKER).port}"
        return self._places.bootstrap_servers

    def _now_s(self) -> float:
        return time.monotonic() - self._began

    def _find(self, finding: str) -> None:
        self._tell(f"! {finding}")
        self.outcome.findings.append(finding)

    def _tell(self, what: str) -> None:
        line = f"{self._now_s():7.1f} s  {what}"
        self.outcome.journal.append(line)
        self._tell_more(line)
