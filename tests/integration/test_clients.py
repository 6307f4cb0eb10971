"""Clients and judges that are not ours: what partners build with works with our server and our schema."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport

from tests.support.command_line import CommandLine, serving
from tests.support.lacking import ROOT, run_without_programs
from tests.support.node import NodeProject
from tests.support.small_drives import petrol_drive

VINS: Final = ["WVWZZZE1ZTP000042", "WVWZZZE1ZTP000043"]
OTHER_VIN: Final = "WVWZZZE1ZTP000044"
AUDITS: Final = 61
PATIENCE_S: Final = 120
SCOPES: Final = [f"{name}:read" for name in ("navigation", "media", "diagnostics", "events")]


class Served:
    """A server, and the token of a brand that has two vehicles there."""

    def __init__(self, fleettwin: CommandLine, address: str, token: str) -> None:
        self.fleettwin = fleettwin
        self.address = address
        self.token = token

    def post(self, body: Any) -> httpx.Response:
        """Ask with the token."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.post(self.address, json=body, headers=headers, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def served(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    fleettwin = CommandLine(folder / "home", database, {"TOKEN_KEYS": "development"})
    path = folder / "drive.log"
    path.write_text(petrol_drive())
    for vin, brand in ((VINS[0], "Audi"), (VINS[1], "Audi"), (OTHER_VIN, "Skoda")):
        fleettwin.ingest(path, "--vin", vin, "--brand", brand, "--map", "obd2")
    token = fleettwin.run("token", "--brand", "Audi", *(word for each in SCOPES for word in ("--scope", each))).stdout
    with serving(fleettwin) as (_, address):
        yield Served(fleettwin, address, token.strip())


def test_every_audit_of_graphql_http_passes(fleettwin: CommandLine, tmp_path: Path) -> None:
    with serving(fleettwin) as (_, address):
        results = json.loads(NodeProject("audits", tmp_path).run("node", "audit.mjs", address))
    assert [each for each in results if each["status"] != "ok"] == []
    assert len(results) == AUDITS


@pytest.mark.parametrize("client", ["urql", "apollo"])
def test_a_client_of_the_browser_reads_pages_errors_and_asks_by_hash(
    served: Served, client: str, tmp_path: Path
) -> None:
    project = NodeProject("consumers", tmp_path)
    found = json.loads(project.run("node", f"{client}.mjs", served.address, served.token, VINS[0]))
    assert found["vehicle"]["vin"] == VINS[0]
    assert found["vehicle"]["navigation"]["speed"] | {"__typename": None, "value": None} == {
        "__typename": None,
        "value": None,
        "unit": "km/h",
        "status": "OK",
    }
    assert sorted(found["vins"]) == VINS
    assert found["wrong"] == {"codes": ["UNKNOWN_SIGNAL"], "vin": VINS[0]}
    assert found["unknown"] == ["GRAPHQL_VALIDATION_FAILED"]
    assert (found["byHash"], found["inUrl"]) == (VINS[0], VINS[0])
    by_hash, with_text = found["sent"]  # the hash alone; as that is not registered, with the document
    assert by_hash == {"method": "POST", "hasText": False, "hasHash": True}
    assert with_text == {"method": "POST", "hasText": True, "hasHash": True}
    assert found["sentInUrl"][0] == {"method": "GET", "hasText": False, "hasHash": True}


def test_relays_compiler_takes_our_schema_and_what_it_persists_is_asked_by_hash(served: Served, tmp_path: Path) -> None:
    project = NodeProject("consumers", tmp_path)
    shutil.copy(ROOT / "schemas/graphql/schema.graphql", project.folder)
    project.run("node", "node_modules/relay-compiler/cli.js", "relay.config.json")
    persisted = project.folder / "persisted.json"
    served.fleettwin.run("documents", "register", persisted)
    documents = json.loads(persisted.read_text())
    by_name = {text.split("(")[0].removeprefix("query ").strip(): sha256 for sha256, text in documents.items()}
    page = served.post({"documentId": by_name["FleetQuery"], "variables": {"count": 100}}).json()
    assert sorted(edge["node"]["vin"] for edge in page["data"]["vehicles"]["edges"]) == VINS
    id_ = page["data"]["vehicles"]["edges"][0]["node"]["id"]
    again = served.post({"documentId": by_name["FleetVehicleQuery"], "variables": {"id": id_}}).json()
    assert again["data"]["node"]["navigation"]["speed"]["status"] == "OK"


def test_gql_of_python_takes_our_schema_and_reads(served: Served) -> None:
    headers = {"authorization": f"Bearer {served.token}"}
    transport = HTTPXTransport(served.address, headers=headers, timeout=PATIENCE_S)
    with Client(transport=transport, fetch_schema_from_transport=True) as session:
        asked = gql("query ($vin: String!) { vehicle(vin: $vin) { vin navigation { speed { value unit } } } }")
        asked.variable_values = {"vin": VINS[0]}
        found = session.execute(asked)
        assert found["vehicle"]["vin"] == VINS[0]
        assert session.client.schema is not None
        with pytest.raises(TransportQueryError) as refused:
            session.execute(gql(f'{{ vehicle(vin: "{VINS[0]}") {{ signal(path: "Vehicle.Sped") {{ value }} }} }}'))
    assert refused.value.errors is not None
    assert refused.value.errors[0]["extensions"]["code"] == "UNKNOWN_SIGNAL"


@pytest.mark.parametrize(("ci", "told", "status"), [("", "1 skipped", 0), ("true", "1 error", 1)])
def test_without_node_a_test_is_skipped_and_in_ci_it_fails(ci: str, told: str, status: int, tmp_path: Path) -> None:
    test = f"{__file__}::{test_of_node.__name__}"
    done = run_without_programs([test], tmp_path, ci)
    assert done.returncode == status, done.stdout
    assert told in done.stdout
    assert "install Node.js 20 or later, with npm, and have both on the path" in done.stdout


@pytest.fixture
def audits(tmp_path: Path) -> NodeProject:
    return NodeProject("audits", tmp_path)


def test_of_node(audits: NodeProject) -> None:
    assert audits.run("node", "--print", "1") == "1\n"
