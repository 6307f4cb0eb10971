"""A drive through the whole path in memory, told as text that a person can read: one line a value.

A line is the time in seconds after the first frame, what it is, value and unit. Left out is what says nothing of the
drive: when it was received, positions and versions, batches; ids are numbered in the order in which they are told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SchemaRegistry
from adapters.graphql.execution import Api
from adapters.ingest import CanJob, Ingest
from adapters.jobs import can_dbcs, mapping_of
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.memory.twin_reader import MemoryTwinReader
from adapters.projecting import Projecting
from adapters.signals.catalogue import load_catalogue
from adapters.summary import Summary
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain import events as e
from domain.fleet import Fleet
from domain.signals import Quality
from domain.units import Micros
from domain.vin import Vin
from projections.projection import Projection, Row, row_spec
from tests.support.events import whole_history

RECEIVED_AT: Final = Micros(1_783_000_000_000_000)  # 2026-07-02T13:46:40Z, after every drive
KEY: Final = b"a key for tests, and only for tests"
CATALOGUE: Final = load_catalogue()
UNITS: Final = {"deg": "deg", "m": "m", "s": "s", "km": "km", "kmh": "km/h", "kwh": "kWh", "percent": "percent"}
LEFT_OUT: Final = frozenset(
    {
        *("originator_id", "originator_version", "captured_at", "received_at", "stream_id", "sequence"),
        *("vehicle_id", "event_version", "position"),
    }
)
FIX_COLUMNS: Final = ("fix_captured_at", "latitude_deg", "longitude_deg", "heading_deg", "speed_kmh", "altitude_m")
DIFFERENCES_SHOWN: Final = 20


class Line(NamedTuple):
    """One value; `at` is None where it has no time of its own."""

    at: Micros | None
    name: str
    value: str


class DriveRun:
    """One recording of one car, ingested and projected."""

    def __init__(self, recording: Path, vin: str, brand: str, model: str, mappings: Sequence[str]) -> None:
        records, codec = MemoryEventLog(lambda: RECEIVED_AT), AvroCodec(SchemaRegistry.load())
        log = VehicleLog(records, codec)
        fleet = Fleet(log, KEY)
        mapping = mapping_of(mappings, CATALOGUE)
        parsed = Vin.parse(vin)
        job = CanJob.of(recording, mapping, can_dbcs(mapping, []), parsed, None)

        def register() -> UUID:
            return fleet.register(parsed, brand=brand, model=model, at=RECEIVED_AT)

        self.summary: Summary = Ingest(fleet, lambda: RECEIVED_AT).can(job, register, lambda _: None)
        self.events = whole_history(log, parsed.vehicle_id(KEY))
        self._models = MemoryReadModels()
        Projecting(lambda: PROJECTIONS, log, self._models, lambda: RECEIVED_AT).catch_up()
        self._api = Api(MemoryTwinReader(records, self._models), CATALOGUE, codec.decode)
        began_at = job.recording.statistics.first_captured_at
        assert began_at is not None
        self._began_at = began_at
        self._ids: dict[UUID, int] = {}

    def ask(self, document: str) -> Any:
        """Return the data that answer a GraphQL document, which must have no error."""
        answer = self._api.execute(document, {})
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def texts(self) -> dict[str, str]:
        """Return the events and each read model as text, by name."""
        told = {"events": self._text(line for event in self.events for line in self._event(event))}
        return told | {projection.name: self._text(self._rows(projection)) for projection in PROJECTIONS}

    def _text(self, lines: Iterator[Line]) -> str:
        return "".join(f"{self._seconds(line.at):>12}  {line.name}  {line.value}".rstrip() + "\n" for line in lines)

    def _seconds(self, at: Micros | None) -> str:
        return "" if at is None else f"{(at - self._began_at) / 1e6:.3f} s"

    # --- events -----------------------------------------------------------------------------------------------------

    def _event(self, event: e.VehicleEvent) -> Iterator[Line]:
        name = type(event).__name__
        at = None if isinstance(event, e.VehicleRegistered) else event.captured_at
        yield Line(at, name, "")
        if isinstance(event, e.SignalsSampled | e.LateSamplesRecorded):
            changed = event.changed if isinstance(event, e.SignalsSampled) else [True] * len(event.path)
            for path, sampled_at, value, quality, is_new in zip(
                event.path, event.sampled_at, event.value, event.quality, changed, strict=True
            ):
                yield Line(sampled_at, path, _measured(path, value, quality) + ("" if is_new else "  (confirmed)"))
            return
        is_track = isinstance(event, e.TrackExtended)
        for field in fields(event):
            value = getattr(event, field.name)
            left_out = field.name in LEFT_OUT or (is_track and field.name in FIX_COLUMNS)
            if not left_out and (field.name, value) != ("clock_offset_us", 0):
                yield Line(at, f"{name}.{field.name}", self._value(field.name, value))
        if is_track:
            yield from self._fixes(event)

    # --- read models ------------------------------------------------------------------------------------------------

    def _rows(self, projection: Projection) -> Iterator[Line]:
        for row_type in projection.row_types:
            for row in self._models.rows(projection, row_type):
                yield from self._row(row)

    def _row(self, row: Row) -> Iterator[Line]:
        spec, told = row_spec(type(row)), row._asdict()  # type: ignore[attr-defined]  # a NamedTuple
        if spec.table == "signals":
            path = told["path"]
            yield Line(told["captured_at"], path, _measured(path, row.value, told["quality"]))  # type: ignore[attr-defined]
            return
        if spec.table == "tracks":
            yield from self._fixes(row)
            return
        keys = [self._value(key, told[key]) for key in spec.key if key not in LEFT_OUT]
        name = " ".join([spec.table, *keys])
        at = told.get("captured_at", told.get("started_at"))
        for column, value in told.items():
            if column not in LEFT_OUT | set(spec.key):
                yield Line(at, f"{name}.{column}", self._value(column, value))

    def _fixes(self, told: Any) -> Iterator[Line]:
        for at, *place in zip(*(getattr(told, column) for column in FIX_COLUMNS), strict=True):
            values = (_number(column, value) for column, value in zip(FIX_COLUMNS[1:], place, strict=True))
            yield Line(at, "fix", ", ".join(values))

    def _value(self, name: str, value: Any) -> str:
        if isinstance(value, UUID):
            return f"id {self._ids.setdefault(value, len(self._ids) + 1)}"
        if isinstance(value, list):
            return f"[{', '.join(self._value(name, item) for item in value)}]"
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key}: {_plain(item)}" for key, item in sorted(value.items())) + "}"
        if isinstance(value, int) and not isinstance(value, bool) and name.endswith(("_at", "_until")):
            return self._seconds(Micros(value))
        return _number(name, value)


def _number(name: str, value: Any) -> str:
    return f"{_plain(value)} {UNITS.get(name.rpartition('_')[2], '') if isinstance(value, float) else ''}".rstrip()


def _measured(path: str, value: Any, quality: int) -> str:
    if quality != Quality.OK:
        return Quality(quality).name
    unit = CATALOGUE.fact(path, where=path).unit if isinstance(value, int | float) else None
    return f"{_plain(value)} {unit or ''}".rstrip()


def _plain(value: Any) -> str:
    """Return a value; of a number nine digits, which every machine computes alike."""
    if value is None:
        return "–"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def differences(expected: str, actual: str) -> list[str]:
    """Return what changed, a line each, the first `DIFFERENCES_SHOWN` of them and how many there are."""
    old, new = ([_split(line) for line in text.splitlines()] for text in (expected, actual))
    found: list[str] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        gone, come = old[a:b], new[c:d]
        for line in list(gone):
            twin = next((other for other in come if other[:2] == line[:2]), None)
            if twin:
                found.append(f"t={line[0] or '–'} {line[1]}: {line[2]} → {twin[2]}")
                gone.remove(line)
                come.remove(twin)
        found += [f"t={at or '–'} {name}: {value} is not told any more" for at, name, value in gone]
        found += [f"t={at or '–'} {name}: {value} is new" for at, name, value in come]
    more = len(found) - DIFFERENCES_SHOWN
    return [*found[:DIFFERENCES_SHOWN], f"and {more} more"] if more > 0 else found


def _split(line: str) -> tuple[str, str, str]:
    name, _, value = line[12:].strip().partition("  ")
    return line[:12].strip(), name, value
