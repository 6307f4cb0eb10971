"""Whatever a person writes into a mapping file, it loads or it is refused with one clear line."""

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.signals.catalogue import load_catalogue
from adapters.signals.entries import DBC_BLOCKS, OWN_BLOCK
from adapters.signals.mapping import load_mapping
from domain.errors import BadInputError

CATALOGUE = load_catalogue()
PATHS = ("Vehicle.Speed", "Vehicle.Body.Hood.IsOpen", "Vehicle.LowVoltageSystemState", "Vehicle.TraveledDistance")
KEYS = (
    *("signal", "message", "transform", "math", "mapping", "from", "to", "unit", "multiplexer", "value", "interval_ms"),
    *(
        "deadband",
        "landmarks",
        "valid",
        "invalid",
        "inputs",
        "valid_when",
        "fallback",
        "row",
        "obd2",
        "pid",
        "uds",
        "did",
        "text",
    ),
    *("first", "bytes", "bus", "heartbeat_ms", "dbc", "platform", "datatype"),
)
WORDS = st.sampled_from(["x", "x * 2", "V", "utf-8", "km", "m/s", "ON", "float", "", "10000000000000000000000"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
BLOCKS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5)
ENTRIES = st.dictionaries(st.sampled_from((*DBC_BLOCKS, OWN_BLOCK, "datatype", "unit")), BLOCKS | VALUES, max_size=4)
DOCUMENTS = st.dictionaries(st.sampled_from((*PATHS, OWN_BLOCK)), ENTRIES | VALUES, max_size=3)


def load(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(text, encoding="utf-8")
    refused = refusal(path)
    if refused is not None:
        assert "\n" not in str(refused)
        assert str(path) in refused.where


def refusal(path: Path) -> BadInputError | None:
    try:
        load_mapping(path, CATALOGUE)
    except BadInputError as refused:
        return refused
    return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DOCUMENTS)
def test_any_structure_loads_or_is_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    load(tmp_path, json.dumps(document))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_text_loads_or_is_refused(tmp_path: Path, text: str) -> None:
    load(tmp_path, text)
