"""The whole path on one machine: from telemetry in Kafka to an answer of GraphQL; how many batches, and how soon."""

import math
import os
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.avro.telemetry import TOPIC, TelemetryCodec
from adapters.clock import now
from adapters.kafka.telemetry_producer import TelemetryProducer
from adapters.kafka.topics import TELEMETRY
from adapters.postgres.event_store import PostgresEventLog
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from bench.distributed import (
    PARTITIONS,
    PATIENCE_S,
    VIN_KEY,
    Asking,
    Rig,
    Worker,
    cpu_s,
    cpu_with_children_s,
    rig,
    wait_for,
)
from bench.driven import (
    BATCH_S,
    BATCHES,
    Drive,
    as_driven_by,
    assigned,
    captured_last,
    first_batch,
    simulated_drives,
    vehicle_id_of,
    vins,
    with_probe,
)
from bench.graphql_client import GraphqlClient
from bench.paced import Load, Told, send
from bench.report import Result
from domain.errors import StoreError
from domain.events import VolumeChanged
from domain.fleet import Fleet
from domain.units import MICROS_PER_SECOND, Micros
from domain.vin import Vin
from projections.ports import END_VERSION

VEHICLES: Final = 600  # each with the `BATCHES` of a drive: 60,000
SENT_AT_ONCE: Final = 1_000
BAR: Final = 2_000  # batches/s, on two cores, everything included
WARM_UP_S: Final = 10.0
MEASURED_S: Final = 65.0
LOAD_VEHICLES: Final = BAR // 2 * BATCH_S
PROBES_EVERY: Final = 50  # vehicles
BAR_MS: Final = 500.0  # for 99 of 100, from measured to visible
ASKED_S: Final = 0.05  # between two questions: what is measured is too late by so much at most
STAGES: Final = ("measured to telemetry", "telemetry to log", "log to vehicle-events", "vehicle-events to visible")

Costs = Mapping[str, float]


class Followed(NamedTuple):
    """When a probe came by."""

    captured_at: Micros
    confirmed_at: Micros
    recorded_at: Micros
    published_at: Micros
    visible_at: Micros


def run() -> Sequence[Result]:
    """Take 60,000 batches of simulated cars as fast as it goes, then half of the wanted rate as they are made.

    One process each of `run ingest`, `run relay`, `run project` and `serve --no-project`. What is printed besides says
    where the time goes.
    """
    drives = simulated_drives()
    samples = sum(len(batch.samples) for drive in drives for batch in drive) / sum(map(len, drives))
    with rig() as opened:
        sent, last = _fill(opened, drives)
        with _twin(opened) as twin:
            rate, costs = twin.take(sent, last)
            events = twin.asking.number("SELECT count(*) FROM stored_events") - VEHICLES
            _print_costs(costs, sent, f"of {samples:.1f} samples, {events / sent:.2f} events each")
            load = Load(BAR // 2, LOAD_VEHICLES, WARM_UP_S + MEASURED_S, VEHICLES + 1, PROBES_EVERY)
            twin.start(drives, load, sent)
            followed, costs = twin.follow(drives, load)
            _print_costs(costs, round(MEASURED_S * load.batches_a_second), "at a steady rate")
    _print_stages(followed)
    total_ms = _sorted_ms(followed, 0, -1)
    what = f"{load.batches_a_second:,} batches/s of {load.vehicles:,} vehicles, measured to visible"
    return [
        Result(
            name=f"telemetry to GraphQL, {sent:,} batches of {samples:.0f} samples, {events:,} events",
            unit="batches/s",
            ours=rate,
            bar=BAR,
        ),
        Result(name=f"{what}, 50 %", unit="ms", ours=_quantile(total_ms, 0.5), bar=BAR_MS, lower_is_better=True),
        Result(name=f"{what}, 99 %", unit="ms", ours=_quantile(total_ms, 0.99), bar=BAR_MS, lower_is_better=True),
    ]


class _Twin(NamedTuple):
    """The processes, and how to ask them."""

    opened: Rig
    asking: Asking
    client: GraphqlClient
    workers: dict[str, Worker]
    stack: ExitStack

    def take(self, sent: int, last: Mapping[str, Micros]) -> tuple[float, Costs]:
        """Let the telemetry be taken; return the batches a second until all is visible, and seconds of processors."""
        workers = self.workers
        workers["ingest"] = self.stack.enter_context(self.opened.started("run", "ingest"))
        wait_for(lambda: self._consumed() > 0, *workers.values())
        first, began_s, before = self._consumed(), time.perf_counter(), self._costs(workers)
        wait_for(lambda: self._consumed() >= sent, *workers.values())
        missing = set(last)

        def all_visible() -> bool:
            found = self.client.captured(sorted(missing))
            missing.difference_update([vin for vin, at in found.items() if at >= last[vin]])
            return not missing

        wait_for(all_visible, *workers.values())
        took_s, after = time.perf_counter() - began_s, self._costs(workers)
        return (sent - first) / took_s, {name: after[name] - before[name] for name in after}

    def start(self, drives: Sequence[Drive], load: Load, sent: int) -> None:
        """Let the vehicles of a load send their first batches, each with all that the car has, and wait for these."""
        chosen = vins(load.first_number, load.vehicles)
        _register(self.opened, chosen)
        pairs = assigned(drives, chosen)
        with closing(_producer(self.opened)) as producer:
            for first in range(0, len(pairs), SENT_AT_ONCE):
                producer.send([first_batch(vin, drive) for vin, drive in pairs[first : first + SENT_AT_ONCE]])
        workers = self.workers.values()
        wait_for(lambda: self._consumed() >= sent + len(chosen), *workers)
        until = self.asking.number("SELECT max(notification_id) FROM stored_events")
        wait_for(lambda: self.asking.published() >= until, *workers)
        end = self.asking.end()
        wait_for(lambda: all(self.asking.folded(each) >= end for each in PROJECTIONS), *workers)

    def follow(self, drives: Sequence[Drive], load: Load) -> tuple[list[Followed], Costs]:
        """Send telemetry at a steady rate; return when each probe came by, and seconds of processors meanwhile.

        Both without the time of warming up.
        """
        receive, told = get_context("spawn").Pipe(duplex=False)
        published: list[tuple[Micros, int]] = []  # when the relay was where in the log
        stopping = threading.Event()
        watch = threading.Thread(target=self._watch, args=(published, stopping), name="watch", daemon=True)
        servers = self.opened.cluster.bootstrap_servers
        watch.start()
        try:
            with self.opened.beside("fleet", send, servers, drives, load, told) as fleet:
                seen, costs = self._see(receive, fleet)
        finally:
            stopping.set()
            watch.join()
        begin = min(told.probe.captured_at for told in seen) + round(WARM_UP_S * MICROS_PER_SECOND)
        return [each for each in self._followed(seen, published) if each.captured_at >= begin], costs

    def _see(self, receive: Pipe, fleet: Worker) -> tuple[dict[Told, Micros], Costs]:
        """Return when each probe was visible first, and the costs while there were more to come."""
        waiting: defaultdict[str, list[Told]] = defaultdict(list)
        seen: dict[Told, Micros] = {}
        workers = {**self.workers, "fleet (load)": fleet, "benchmark (load)": Worker("", os.getpid(), bool, Path())}
        more, began_s = True, math.inf
        before: Costs = {}
        after: Costs = {}
        while more or waiting:
            if time.monotonic() - began_s > PATIENCE_S:
                raise StoreError(f"{len(waiting)} probes have not become visible within {PATIENCE_S:.0f} s")
            lives = fleet.running()
            while more and receive.poll():
                told = receive.recv()
                began_s = min(began_s, time.monotonic())
                more = told is not None
                for each in told or ():
                    waiting[each.probe.vin].append(each)
            if not more:
                after = after or self._costs(workers)
            elif not lives:
                fleet.check()
            elif not before and time.monotonic() - began_s >= WARM_UP_S:
                before = self._costs(workers)
            if waiting:
                self._look(waiting, seen)
            time.sleep(ASKED_S)
        return seen, {name: after[name] - before[name] for name in after}

    def _look(self, waiting: defaultdict[str, list[Told]], seen: dict[Told, Micros]) -> None:
        """Move what is visible from `waiting` to `seen`."""
        found = self.client.captured(list(waiting))
        at = now()
        for vin, captured_at in found.items():
            seen.update({each: at for each in waiting[vin] if each.probe.captured_at <= captured_at})
            waiting[vin] = [each for each in waiting[vin] if each.probe.captured_at > captured_at]
            if not waiting[vin]:
                del waiting[vin]

    def _watch(self, published: list[tuple[Micros, int]], stopping: threading.Event) -> None:
        with self.opened.asking() as asking:
            while not stopping.wait(ASKED_S):
                position = asking.published()
                published.append((now(), position))

    def _followed(self, seen: Mapping[Told, Micros], published: Sequence[tuple[Micros, int]]) -> Iterator[Followed]:
        """Look up in the log when each probe was written there: each has changed the volume."""
        positions = [position for _, position in published]
        by_vin: defaultdict[str, list[Told]] = defaultdict(list)
        for told in seen:
            by_vin[told.probe.vin].append(told)
        with closing(PostgresEventLog.open(self.opened.conninfo)) as records:
            log = VehicleLog(records, AvroCodec(SchemaRegistry.load()))
            for vin, of_vehicle in by_vin.items():
                history = log.history(vehicle_id_of(Vin.parse(vin)), 0, END_VERSION)
                recorded = {each.event.captured_at: each for each in history if isinstance(each.event, VolumeChanged)}
                for told in of_vehicle:
                    at = told.probe.captured_at
                    position, recorded_at, _ = recorded[at]
                    place = min(bisect_left(positions, position), len(published) - 1)
                    yield Followed(at, told.confirmed_at, recorded_at, published[place][0], seen[told])

    def _consumed(self) -> int:
        return self.asking.number("SELECT coalesce(sum(position), 0)::bigint FROM consumed_positions")

    def _costs(self, workers: Mapping[str, Worker]) -> Costs:
        return {
            **{name: worker.cpu_s for name, worker in workers.items()},
            "broker": cpu_s(self.opened.broker_pid),
            "postgres": cpu_with_children_s(self.opened.postgres_pid),
        }


@contextmanager
def _twin(opened: Rig) -> Iterator[_Twin]:
    """Start everything but what takes telemetry."""
    with ExitStack() as stack:
        started = {
            "relay": stack.enter_context(opened.started("run", "relay")),
            "project": stack.enter_context(opened.started("run", "project")),
            "serve": stack.enter_context(opened.started("serve", "--no-project")),
        }
        asking = stack.enter_context(opened.asking())
        client = GraphqlClient(started["serve"])
        wait_for(lambda: asking.published() >= VEHICLES, *started.values())  # they are registered
        yield _Twin(opened, asking, client, started, stack)


def _fill(opened: Rig, drives: Sequence[Drive]) -> tuple[int, dict[str, Micros]]:
    """Send the drives of all vehicles; return how many batches, and when the last of each vehicle was captured."""
    chosen = assigned(drives, vins(1, VEHICLES))
    _register(opened, [vin for vin, _ in chosen])
    newest = max(captured_last(batch) for drive in drives for batch in drive)
    shift_us = now() - newest - MICROS_PER_SECOND
    driven = {vin.text: as_driven_by(vin, drive, shift_us) for vin, drive in chosen}
    for batches in driven.values():
        batches[-1] = with_probe(batches[-1], captured_last(batches[-1]))
    mixed = [batch for turn in range(BATCHES) for batch in (batches[turn] for batches in driven.values())]
    with closing(_producer(opened)) as producer:
        for first in range(0, len(mixed), SENT_AT_ONCE):
            producer.send(mixed[first : first + SENT_AT_ONCE])
    return len(mixed), {vin: captured_last(batches[-1]) for vin, batches in driven.items()}


def _producer(opened: Rig) -> TelemetryProducer:
    encode = TelemetryCodec(SchemaRegistry.load()).encode
    return TelemetryProducer(opened.connection, TELEMETRY, PARTITIONS, encode, TOPIC)


def _register(opened: Rig, vehicles: Sequence[Vin]) -> None:
    with closing(PostgresEventLog.open(opened.conninfo)) as records:
        fleet = Fleet(VehicleLog(records, AvroCodec(SchemaRegistry.load())), VIN_KEY.encode())
        for vin in vehicles:
            fleet.register(vin, brand="Volkswagen", model="ID.3", at=now())


def _print_costs(costs: Costs, batches: int, what: str) -> None:
    table = Table(title=f"{batches:,} batches {what}", title_justify="left")
    table.add_column("process")
    table.add_column("processor, ms a batch", justify="right")
    for name, seconds in sorted(costs.items(), key=lambda each: -each[1]):
        table.add_row(name, f"{seconds / batches * 1_000:.3f}")
    table.add_row("all", f"{sum(costs.values()) / batches * 1_000:.3f}")
    Console().print(table)


def _print_stages(followed: Sequence[Followed]) -> None:
    table = Table(title=f"{len(followed):,} probes", title_justify="left")
    table.add_column("stage")
    table.add_column("50 %, ms", justify="right")
    table.add_column("99 %, ms", justify="right")
    for number, stage in enumerate((*STAGES, "measured to visible")):
        begin, end = (number, number + 1) if number < len(STAGES) else (0, -1)
        values = _sorted_ms(followed, begin, end)
        table.add_row(stage, f"{_quantile(values, 0.5):.0f}", f"{_quantile(values, 0.99):.0f}")
    Console().print(table)


def _sorted_ms(followed: Sequence[Followed], begin: int, end: int) -> list[float]:
    return sorted((each[end] - each[begin]) / 1_000 for each in followed)


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]
