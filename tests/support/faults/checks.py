"""What must be true when a run is at rest: nothing lost, nothing doubled, everywhere the same."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from adapters.clock import now
from adapters.event_log import StoredRecord
from adapters.kafka.partition import partition_of
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.projecting import Projecting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import RecordLog, VehicleLog
from domain.events import TelemetryGapDetected
from domain.fleet import Fleet
from domain.units import MICROS_PER_SECOND
from projections.digest import digest
from tests.support.command_line import VIN_KEY
from tests.support.events import codec
from tests.support.faults.evidence import Places, Published, TopicReader
from tests.support.faults.load import Load

Told = tuple[int, str, bytes]  # version, type and bytes of an event


def calm(load: Load) -> dict[UUID, list[Told]]:
    """Return the events that a load makes where nothing goes wrong: in one process, in memory."""
    log = MemoryEventLog(now)
    fleet = Fleet(VehicleLog(log, codec()), VIN_KEY.encode())
    load.register(fleet)
    for piece in load.pieces():
        fleet.take(piece)
    return by_vehicle(log.read(0, log.last_position()))


def by_vehicle(records: Sequence[StoredRecord]) -> dict[UUID, list[Told]]:
    """Return what each vehicle's events say, in the order of the log."""
    found: dict[UUID, list[Told]] = {}
    for each in records:
        found.setdefault(each.originator_id, []).append((each.version, each.topic, each.state))
    return found


def check_batches(places: Places, load: Load) -> Iterator[str]:
    """Find batches that were not taken exactly once, as far as streams and partitions tell."""
    taken = places.progress(load)
    for vehicle_id, streams in load.progress.items():
        wrong = [name for name, progress in streams.items() if taken[vehicle_id].get(name) != progress]
        if wrong or taken[vehicle_id].keys() != streams.keys():
            yield f"batches: streams of {vehicle_id} are not complete: {wrong[:3] or list(taken[vehicle_id])}"
    consumed, ends = places.consumed(), places.telemetry_ends()
    if consumed != ends:
        yield f"positions: telemetry was read up to {consumed}, and ends at {ends}"
    if sum(ends.values()) < len(load.batches):
        yield f"topic: {sum(ends.values())} batches are in it, {len(load.batches)} were confirmed"
    aside = places.rows("SELECT source, position, reason FROM set_aside")
    if aside:
        yield f"batches: {len(aside)} are set aside, the first: {aside[0]}"


def check_log(stored: Sequence[StoredRecord], load: Load) -> Iterator[str]:
    """Find what makes the log another one than that of a calm run."""
    positions = [each.position for each in stored]
    if positions != list(range(1, len(stored) + 1)):
        yield f"log: positions are not 1 to {len(stored)}: {positions[-1]} is the last"
    if any(later.recorded_at < earlier.recorded_at for earlier, later in pairwise(stored)):
        yield "log: recorded_at goes down"
    gaps = sum(each.topic == TelemetryGapDetected.TOPIC for each in stored)
    if gaps:
        yield f"log: {gaps} gaps of telemetry are on record, and there was none"
    found, wanted = by_vehicle(stored), calm(load)
    for vehicle_id in sorted(wanted.keys() | found.keys()):
        ours, calms = found.get(vehicle_id, []), wanted.get(vehicle_id, [])
        if ours != calms:
            at = next((n for n, (a, b) in enumerate(zip(ours, calms, strict=False)) if a != b), len(calms))
            yield (
                f"log: {vehicle_id} has {len(ours)} events, in a calm run {len(calms)}; from the {at + 1}. on"
                f" {[told[:2] for told in ours[at : at + 2]]} instead of {[told[:2] for told in calms[at : at + 2]]}"
            )


def check_topic(stored: Sequence[StoredRecord], published: Sequence[Published], partitions: int) -> Iterator[str]:
    """Find what makes the topic of events another thing than the log."""
    wanted: dict[bytes, list[Published]] = {}
    for each in stored:
        record = as_published(each, partitions)
        wanted.setdefault(record.key, []).append(record)
    found = TopicReader.of_vehicles(published)
    for key in sorted(wanted.keys() | found.keys()):
        ours, logs = found.get(key, []), wanted.get(key, [])
        if ours != logs:
            counts = Counter(dict(each.headers).get("version", b"") for each in ours)
            doubled = [version.decode() for version, count in counts.items() if count > 1]
            at = next(
                (n for n, (a, b) in enumerate(zip(ours, logs, strict=False)) if a != b), min(len(ours), len(logs))
            )
            differs = (
                f"the {at + 1}. is another one" if at < len(ours) else f"those from the {len(ours) + 1}. on are missing"
            )
            yield (
                f"topic: {key.decode()} (partition {logs[0].partition if logs else '?'}) has {len(ours)} records of"
                f" {len(logs)} events; {differs}; doubled versions: {doubled[:5] or 'none'}"
            )


def check_relays(places: Places, stored: Sequence[StoredRecord]) -> Iterator[str]:
    """Find relays that say that they have published what there is not."""
    newest = stored[-1].position if stored else 0
    beyond = {number: position for number, position in places.relayed().items() if not 0 < position <= newest}
    if beyond:
        yield f"positions: relays say that they have published up to {beyond}, the log ends at {newest}"


def check_read_models(status: Mapping[str, Any], log: RecordLog) -> Iterator[str]:
    """Find read models that are not what the log says; `status` is what the command of that name tells of them."""
    store = MemoryReadModels()
    Projecting(lambda: PROJECTIONS, VehicleLog(log, codec()), store, now).catch_up()
    folded = {(each.name, each.version): digest(store, each) for each in PROJECTIONS}
    lacking = folded.keys() - {(each["name"], each["version"]) for each in status["projections"]}
    if lacking:
        yield f"read models: there are none of {sorted(lacking)}"
    for each in status["projections"]:
        name = f"{each['name']} v{each['version']}"
        if each["lag"] or each["parked"]:
            yield f"read models: {name} lags by {each['lag']} events, {each['parked']} vehicles are parked"
        if each["digest"] != folded[each["name"], each["version"]]:
            yield f"read models: {name} is not the fold of the log"


def as_published(stored: StoredRecord, partitions: int) -> Published:
    """Return the record that an event must be: written down here once more, not asked of the relay."""
    key = str(stored.originator_id).encode()
    headers: Mapping[str, str] = {
        "ce_specversion": "1.0",
        "ce_id": f"{stored.originator_id}/{stored.version}",
        "ce_source": "fleettwin",
        "ce_type": stored.topic,
        "ce_subject": str(stored.originator_id),
        "ce_time": datetime.fromtimestamp(stored.recorded_at / MICROS_PER_SECOND, UTC).isoformat(),
        "content-type": "application/avro",
        "version": str(stored.version),
        "position": str(stored.position),
    }
    return Published(
        partition_of(key, partitions),
        stored.recorded_at // 1_000,
        key,
        tuple((name, value.encode()) for name, value in headers.items()),
        stored.state,
    )
