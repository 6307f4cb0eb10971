"""A router's own composer takes our subgraph, beside others that add to a vehicle by either key."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from adapters.graphql.federation import subgraph_sdl
from adapters.graphql.sdl import text

FOLDER = Path(__file__).parents[1] / "clients" / "federation"
COMPOSING_S_MAX = 120

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(
        not ((FOLDER / "node_modules").is_dir() and shutil.which("node")),
        reason="needs Node.js and `npm ci` in tests/clients/federation",
    ),
]


def composed(sdl: str, folder: Path) -> tuple[list[str], str | None]:
    """Return the errors of composing a subgraph with two others, and what they make together."""
    file = folder / "subgraph.graphql"
    file.write_text(sdl, encoding="utf-8")
    command = ["node", "compose.mjs", str(file)]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=COMPOSING_S_MAX, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == bool(found["errors"]), done.stderr
    return found["errors"], found["supergraph"]


def test_it_composes(tmp_path: Path) -> None:
    errors, supergraph = composed(subgraph_sdl(text()), tmp_path)
    assert errors == []
    assert supergraph is not None
    vehicle = supergraph.partition("type Vehicle implements Node")[2].partition("\n}")[0]
    assert '@join__type(graph: TWINS, key: "id")' in vehicle
    assert '@join__type(graph: TWINS, key: "vin")' in vehicle
    for field in ("nextService: String @join__field(graph: GARAGE)", "policy: String @join__field(graph: INSURER)"):
        assert field in vehicle


def test_without_its_keys_it_does_not(tmp_path: Path) -> None:
    errors, _ = composed(subgraph_sdl(text()).replace('@key(fields: "vin")', ""), tmp_path)
    assert errors
