"""A router's own composer takes our subgraph, beside others that add to a vehicle by either key."""

import json
import subprocess
from pathlib import Path

import pytest

from adapters.graphql.federation import subgraph_sdl
from adapters.graphql.sdl import text
from tests.support.node import NodeProject

COMPOSING_S_MAX = 120

pytestmark = pytest.mark.node


@pytest.fixture
def router(tmp_path: Path) -> NodeProject:
    return NodeProject("federation", tmp_path)


def composed(sdl: str, router: NodeProject) -> tuple[list[str], str | None]:
    """Return the errors of composing a subgraph with two others, and what they make together."""
    (router.folder / "subgraph.graphql").write_text(sdl, encoding="utf-8")
    command = ["node", "compose.mjs", "subgraph.graphql"]
    done = subprocess.run(
        command, cwd=router.folder, capture_output=True, text=True, timeout=COMPOSING_S_MAX, check=False
    )
    found = json.loads(done.stdout)
    assert done.returncode == bool(found["errors"]), done.stderr
    return found["errors"], found["supergraph"]


def test_it_composes(router: NodeProject) -> None:
    errors, supergraph = composed(subgraph_sdl(text()), router)
    assert errors == []
    assert supergraph is not None
    vehicle = supergraph.partition("type Vehicle implements Node")[2].partition("\n}")[0]
    assert '@join__type(graph: TWINS, key: "id")' in vehicle
    assert '@join__type(graph: TWINS, key: "vin")' in vehicle
    for field in ("nextService: String @join__field(graph: GARAGE)", "policy: String @join__field(graph: INSURER)"):
        assert field in vehicle


def test_without_its_keys_it_does_not(router: NodeProject) -> None:
    errors, _ = composed(subgraph_sdl(text()).replace('@key(fields: "vin")', ""), router)
    assert errors
