"""What must be true once a run is at rest, whatever went wrong in it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from adapters.event_log import StoredRecord
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.vehicle_log import VehicleLog
from domain.events import TelemetryGapDetected
from domain.fleet import Fleet
from domain.signals import SignalBatch
from domain.units import Micros
from domain.vin import Vin
from projections.diagnostics.model import DiagnosticsSignalRow, TroubleCodeRow, WarningRow
from projections.digest import digest
from projections.media.model import MediaSignalRow, PlayRow
from projections.navigation.model import DestinationRow, NavigationSignalRow, TrackRow, TripRow, merge_track
from projections.ports import ReadModelStore
from projections.projection import Projection, Row
from projections.runner import Runner
from tests.support.batches import T0
from tests.support.events import codec, whole_history
from tests.support.read_side import everything, without_bookkeeping
from tests.support.simulation.actors import KEY
from tests.support.simulation.world import World

SIGNALS: Final = (NavigationSignalRow, MediaSignalRow, DiagnosticsSignalRow)
HISTORY: Final = (*SIGNALS, TripRow, TroubleCodeRow, DestinationRow, PlayRow)
SHOWN_MAX: Final = 3  # differences of one kind

Tables = Mapping[type[Row], Mapping[UUID, Sequence[Any]]]


def check(world: World) -> list[str]:
    """Return what is wrong, a line each."""
    return [
        *world.watch.findings,
        *_log_is_whole(world),
        *_nothing_is_lost(world),
        *_what_is_missing_is_on_record(world),
        *_nothing_is_doubled(world),
        *_live_is_rebuilt(world),
        *_disorder_does_not_show(world),
    ]


def _records(log: MemoryEventLog) -> Mapping[UUID, list[StoredRecord]]:
    records: defaultdict[UUID, list[StoredRecord]] = defaultdict(list)
    for record in log.read(0, log.last_position()):
        records[record.originator_id].append(record)
    return records


def _log_is_whole(world: World) -> Iterator[str]:
    """Versions are 1, 2, 3 …, positions too, and `recorded_at` never goes down."""
    records = world.log.read(0, world.log.last_position())
    if [record.position for record in records] != list(range(1, len(records) + 1)):
        yield "the log: positions have a hole"
    if any(one.recorded_at > next_.recorded_at for one, next_ in pairwise(records)):
        yield "the log: recorded_at goes down"
    for vehicle_id, some in _records(world.log).items():
        if [record.version for record in some] != list(range(1, len(some) + 1)):
            yield f"the log: the versions of {vehicle_id} have a hole"


def _nothing_is_lost(world: World) -> Iterator[str]:
    """Of each stream exactly that is taken which came, and exactly that is missing which did not."""
    for vehicle_id, sent in world.sent.items():
        progress = world.log.progress_of(vehicle_id)
        for stream_id, batches in sent.streams.items():
            came = sent.arrives(stream_id)
            told = progress.pop(stream_id, None)
            taken = {each for each in range(1, told.last_sequence + 1) if told.has(each)} if told else set()
            if taken != came:
                yield f"{vehicle_id} {stream_id}: {sorted(came)} came, {sorted(taken)} are taken"
            if told and told.final != any(batch.final and batch.sequence in came for batch in batches):
                yield f"{vehicle_id} {stream_id}: final is {told.final}"
        if progress:
            yield f"{vehicle_id}: nobody has sent {sorted(progress)}"


def _what_is_missing_is_on_record(world: World) -> Iterator[str]:
    """Each gap is told by one event, when the first batch after it is taken."""
    for vehicle_id, taken in world.takings.taken.items():
        last: defaultdict[str, int] = defaultdict(int)
        expected = []
        for batch, _ in taken:
            before = last[batch.stream_id]
            if batch.sequence > before + 1:
                expected.append((batch.stream_id, before + 1, batch.sequence - 1))
            last[batch.stream_id] = max(before, batch.sequence)
        events = whole_history(VehicleLog(world.log, codec()), vehicle_id)
        gaps = [event for event in events if isinstance(event, TelemetryGapDetected)]
        told = [(gap.stream_id, gap.first_missing, gap.last_missing) for gap in gaps]
        if sorted(told) != sorted(expected):
            yield f"{vehicle_id}: the gaps are {expected}, told are {told}"


def _nothing_is_doubled(world: World) -> Iterator[str]:
    """The log holds what one worker writes that never fails and takes each batch once, in the order in which they were.

    An order of its own for each vehicle: how vehicles are mixed is nobody's promise.
    """
    batches = {vehicle_id: [each.batch for each in taken] for vehicle_id, taken in world.takings.taken.items()}
    calm, stormy = _records(_taken_calmly(world, batches)), _records(world.log)
    for vehicle_id in sorted(calm.keys() | stormy.keys()):
        ours, theirs = ([each[2:5] for each in log.get(vehicle_id, [])] for log in (stormy, calm))
        if ours != theirs:
            place = next((n for n, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), None)
            place = min(len(ours), len(theirs)) if place is None else place
            yield (
                f"{vehicle_id}: the log is not what a worker writes that never fails: {len(ours)} events, not"
                f" {len(theirs)}; event {place + 1} is {_event(ours, place)}, not {_event(theirs, place)}"
            )


def _event(records: Sequence[Any], place: int) -> str:
    if place >= len(records):
        return "not there"
    version, topic, state = records[place]
    return str(codec().decode(topic, state, UUID(int=0), version))


def _taken_calmly(world: World, batches: Mapping[UUID, Sequence[SignalBatch]]) -> MemoryEventLog:
    """Return the log of a fleet that takes batches while nothing goes wrong."""
    log = MemoryEventLog(lambda: T0)
    fleet = Fleet(VehicleLog(log, codec()), KEY)
    for entry in world.log.vehicles():
        fleet.register(Vin.parse(entry.vin), brand=entry.brand, model=entry.model, at=entry.registered_at)
    for vehicle_id, some in batches.items():
        assert vehicle_id in {entry.vehicle_id for entry in world.log.vehicles()}
        fleet.take(some)
    return log


def _projected(log: MemoryEventLog, projections: Iterable[Projection]) -> MemoryReadModels:
    store, feed = MemoryReadModels(), VehicleLog(log, codec())
    for projection in projections:
        Runner(projection, feed, store, lambda: T0).run_until(log.last_position())
    return store


def _live_is_rebuilt(world: World) -> Iterator[str]:
    """The read models are what the log says: row by row, and by their digests."""
    rebuilt = _projected(world.log, world.parts.projections)
    live, told = everything(world.store), everything(rebuilt)
    differing = [key for key in live.keys() | told.keys() if live.get(key) != told.get(key)]
    for key in sorted(differing, key=repr)[:SHOWN_MAX]:
        yield f"live is not rebuilt: {key}: {live.get(key)}, not {told.get(key)}"
    for projection in world.parts.projections:
        if digest(world.store, projection) != digest(rebuilt, projection):
            yield f"live is not rebuilt: the digests of {projection.id} differ"
        ids = list(world.sent)
        if world.store.versions(projection, ids) != rebuilt.versions(projection, ids):
            yield f"live is not rebuilt: {projection.id} has folded other versions"


def _disorder_does_not_show(world: World) -> Iterator[str]:
    """A fleet that takes the same batches stream by stream, each in order, ends the same: as far as that is promised.

    Where each stream was taken in its own order, the whole history is the same. Where it was not, the current values
    are, of cars whose clock was right and whose streams did not tell of the same time.
    """
    in_order: dict[UUID, list[SignalBatch]] = {}
    for vehicle_id, taken in world.takings.taken.items():
        names = list(world.sent[vehicle_id].streams)
        in_order[vehicle_id] = sorted(
            (each.batch for each in taken), key=lambda batch: (names.index(batch.stream_id), batch.sequence)
        )
    calm = _tables(_projected(_taken_calmly(world, in_order), world.parts.projections))
    live = _tables(world.store)
    for vehicle_id, sent in world.sent.items():
        if _each_in_its_own_order(world, vehicle_id):
            world.chance.happened["vehicles: all in order"] += 1
            whole = all(
                batches[-1].final and batches[-1].sequence in sent.arrives(name)
                for name, batches in sent.streams.items()
            )
            ours, theirs = (_history(tables, vehicle_id, ended=whole) for tables in (live, calm))
        elif not sent.wrong_clock and sent.one_after_the_other:
            world.chance.happened["vehicles: in disorder"] += 1
            ours, theirs = (_current(tables, vehicle_id) for tables in (live, calm))
        else:
            continue
        for what in ours:
            if ours[what] != theirs[what]:
                yield f"{vehicle_id}: disorder shows in {what}: {_difference(ours[what], theirs[what])}"


def _each_in_its_own_order(world: World, vehicle_id: UUID) -> bool:
    last: defaultdict[str, int] = defaultdict(int)
    for batch, _ in world.takings.taken[vehicle_id]:
        if batch.sequence < last[batch.stream_id]:
            return False
        last[batch.stream_id] = batch.sequence
    return True


def _tables(store: ReadModelStore) -> Tables:
    tables: defaultdict[type[Row], defaultdict[UUID, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in everything(store).values():
        tables[type(row)][row.vehicle_id].append(row)
    return tables


def _history(tables: Tables, vehicle_id: UUID, *, ended: bool) -> dict[str, Any]:
    """Return what the read models say of a vehicle, without where it was read."""
    told: dict[str, Any] = {}
    for table in HISTORY:
        rows = tables.get(table, {}).get(vehicle_id, ())
        if table is TripRow and not ended:  # whose trip may go on does depend on who spoke last
            rows = [row._replace(ended=False, end_reason=None) for row in rows]
        told[table.__name__] = sorted(map(without_bookkeeping, rows), key=repr)
    pieces = tables.get(TrackRow, {}).get(vehicle_id, ())
    told["track"] = merge_track(list(pieces), Micros(0), Micros(2**62))
    return told | {"warnings": _raised(tables, vehicle_id)}


def _current(tables: Tables, vehicle_id: UUID) -> dict[str, Any]:
    """Return the current values."""
    rows = [row for table in SIGNALS for row in tables.get(table, {}).get(vehicle_id, ())]
    codes = tables.get(TroubleCodeRow, {}).get(vehicle_id, ())
    return {
        "signals": sorted((row.path, row.value, row.quality) for row in rows),
        "codes held": sorted((row.ecu, row.service, row.code, row.failure_type) for row in codes if row.held),
        "warnings": _raised(tables, vehicle_id),
    }


def _raised(tables: Tables, vehicle_id: UUID) -> list[str]:
    return sorted(row.warning for row in tables.get(WarningRow, {}).get(vehicle_id, ()) if row.raised)


def _difference(ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    more, less = ([each for each in one if each not in other] for one, other in ((ours, theirs), (theirs, ours)))
    return f"{more[:SHOWN_MAX]}, in order {less[:SHOWN_MAX]}"
