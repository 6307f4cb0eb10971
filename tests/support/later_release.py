"""A release to come, in which the odometer is told in kilometres: what replaces an event whose meaning changes.

`OdometerAdvanced` of this release is `vehicle.odometer_advanced.v1` and has `odometer_m`. The next one has
`vehicle.odometer_advanced.v2` with `odometer_km` in its place; its folds know nothing of metres.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from adapters import parquet_export, project_worker
from adapters.avro import lock
from adapters.avro.codec import AvroCodec
from adapters.avro.registry import SCHEMAS, SchemaRegistry
from adapters.graphql import events as graphql_events
from adapters.graphql import scopes
from domain import catch_up, paths, state, upcasts
from domain import events as e
from domain.signals import Quality
from domain.state import Known
from domain.upcasts import Fields, Upcast
from projections.diagnostics.model import DiagnosticsSignalRow
from projections.diagnostics.projector import DIAGNOSTICS
from projections.projection import Recorded, Rows
from projections.signal_rows import tell
from tests.support.events import event_fields

Former: Final = e.OdometerAdvanced


@dataclass(frozen=True, kw_only=True)
class OdometerAdvanced(e.StreamEvent):
    """The odometer shows more than before."""

    TOPIC = "vehicle.odometer_advanced.v2"

    odometer_km: float


EVENT_TYPES: Final = tuple(OdometerAdvanced if each is Former else each for each in e.EVENT_TYPES)


def in_kilometres(fields: Fields) -> Fields:
    """Return the fields of an `OdometerAdvanced` of the first topic as the second has them."""
    told = {name: value for name, value in fields.items() if name != "odometer_m"}
    return told | {"odometer_km": fields["odometer_m"] / 1_000}


def as_told_later(event: e.VehicleEvent) -> e.VehicleEvent:
    """Return an event as the later release would have told it in the first place."""
    if not isinstance(event, Former):
        return event
    told = {name: getattr(event, name) for name in event_fields(Former) if name != "odometer_m"}
    return OdometerAdvanced(
        originator_id=event.originator_id,
        originator_version=event.originator_version,
        odometer_km=event.odometer_m / 1_000,
        **told,
    )


def write_schemas(folder: Path) -> SchemaRegistry:
    """Write the schemas of the later release, with examples and lock, into a folder; return them."""
    shutil.copytree(SCHEMAS, folder)
    former, later = folder / "v1" / "OdometerAdvanced.avsc", folder / "v1" / "OdometerAdvancedV2.avsc"
    schema = json.loads(former.read_text(encoding="utf-8"))
    schema |= {"name": later.stem, "topic": OdometerAdvanced.TOPIC}
    schema["fields"][-1] = {"name": "odometer_km", "type": "double", "doc": "What the odometer shows, km."}
    later.write_text(json.dumps(schema), encoding="utf-8")
    examples = json.loads(former.with_suffix(".examples.json").read_text(encoding="utf-8"))
    later.with_suffix(".examples.json").write_text(json.dumps([*map(in_kilometres, examples)]), encoding="utf-8")
    assert lock.main(["--update"], folder) == 0
    assert lock.main(["--check"], folder) == 0
    return SchemaRegistry.load(folder)


def _fold_state(s: state.VehicleState, x: OdometerAdvanced) -> None:
    lane = s.lane(x.stream_id)
    s.know(lane, paths.ODOMETER, Known(x.captured_at, x.stream_id, x.sequence, x.odometer_km * 1_000, Quality.OK))
    s.seen(lane, x.captured_at)


def _fold_rows(recorded: Recorded, x: OdometerAdvanced, rows: Rows) -> None:
    tell(rows, DiagnosticsSignalRow, recorded, paths.ODOMETER, x.odometer_km * 1_000, x.captured_at)


@contextmanager
def later_release(folder: Path) -> Iterator[AvroCodec]:
    """Make the running code that of the later release for a while; give its codec."""
    registry = write_schemas(folder)
    with pytest.MonkeyPatch.context() as patch:
        tables: list[tuple[Any, Any]] = [
            (state.FOLDS, _fold_state),
            (DIAGNOSTICS.folds, _fold_rows),
            (catch_up._TOLD_BY, catch_up._TOLD_BY[Former]),
            (scopes._OF_EVENT, scopes._OF_EVENT[Former]),
        ]
        for table, entry in tables:
            patch.delitem(table, Former)
            patch.setitem(table, OdometerAdvanced, entry)
        patch.setattr(e, "OdometerAdvanced", OdometerAdvanced)
        for module in (e, parquet_export, project_worker, graphql_events):
            patch.setattr(module, "EVENT_TYPES", EVENT_TYPES)
        patch.setattr(graphql_events, "TOPICS", tuple(each.TOPIC for each in EVENT_TYPES))
        patch.setitem(upcasts.UPCASTS, Former.TOPIC, Upcast(OdometerAdvanced.TOPIC, in_kilometres))
        yield AvroCodec(registry, EVENT_TYPES)
