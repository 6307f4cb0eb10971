"""The API as a partner meets it: a vehicle, and a page of 50, with their three models, of a fleet of 100,000.

Each server has one core; the database and who asks have the others.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.server import EmbeddedServer
from bench.api_server import environment_of, started
from bench.http_load import Load, load
from bench.partner_fleet import BRANDS, VEHICLES, fill, vin_of
from bench.report import ROOT, Result
from domain.errors import BadInputError

CLIENTS: Final = 16
SECONDS: Final = 4.0
WARM_UP_S: Final = 2.0
ROUNDS: Final = 3
PAGES: Final = 20
VEHICLES_ASKED: Final = 200
BAR: Final = 1.0  # not slower than the peer
BRAND: Final = BRANDS[0]
PEER: Final = ROOT / "bench" / "peers" / "postgraphile"
POINTS: Final = "1000000000"  # as much as there is

_VALUE: Final = "{ value unit status capturedAt }"
_TWIN: Final = f"""id vin brand
    navigation {{ latitude {_VALUE} longitude {_VALUE} speed {_VALUE} heading {_VALUE} }}
    media {{ title {_VALUE} source {_VALUE} volume {_VALUE} }}
    diagnostics {{ odometer {_VALUE} stateOfCharge {_VALUE} fuelLevel {_VALUE} ignition {_VALUE} }}"""
_ROWS: Final = "{ path number text quality capturedAt }"
_TABLES: Final = f"vehicleId vin brand navigation {_ROWS} media {_ROWS} diagnostics {_ROWS}"


class Candidate(NamedTuple):
    """A server that is measured, and how it is asked the two questions."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    vehicle: str  # a document with the variable vin
    page: str  # one with the variable after
    token: str | None = None


class Asked(NamedTuple):
    """What a server did with each of the two questions."""

    vehicle: Load
    page: Load


def run() -> Sequence[Result]:
    """Ask the compiled way, the ordinary one, and PostGraphile over the same tables, all under row-level security.

    Ours verifies a token, counts points and puts on record who was shown personal data before it answers; the peer
    gives rows as they are.
    """
    node = PEER / "node_modules" / ".bin" / "node"
    if not node.exists():
        remedy = "install it with `npm ci --prefix bench/peers/postgraphile` (npm comes with Node.js)"
        raise BadInputError("PostGraphile is not here", where=str(PEER.relative_to(ROOT)), remedy=remedy)
    core, *others = sorted(os.sched_getaffinity(0))
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        os.sched_setaffinity(0, others or [core])  # the database inherits it
        opened.callback(os.sched_setaffinity, 0, [core, *others])
        server = opened.enter_context(EmbeddedServer(folder / "database"))
        fill(server.conninfo())
        candidates = _candidates(folder, server.conninfo(), node)
        workers = [
            opened.enter_context(
                started(each.arguments, each.environment, each.folder, folder / f"{each.name}.log", [core])
            )
            for each in candidates
        ]
        found: dict[str, list[Asked]] = {each.name: [] for each in candidates}
        for _ in range(ROUNDS):
            for each, (worker, port) in zip(candidates, workers, strict=True):
                found[each.name].append(_asked(each, port))
                worker.check()
    ours, ordinary, peer = (found[each.name] for each in candidates)
    version = json.loads((PEER / "package.json").read_text())["dependencies"]["postgraphile"]
    return [*_compared(f"postgraphile {version}", peer, ours), *_compared("ordinary execution", ordinary, ours)]


def _candidates(folder: Path, conninfo: str, node: Path) -> list[Candidate]:
    environment = environment_of(folder / "home", conninfo, QUERY_POINTS=POINTS, QUERY_POINTS_RESTORED=POINTS)
    token = _token(environment)
    vehicle = f"query ($vin: String!) {{ vehicle(vin: $vin) {{ {_TWIN} }} }}"
    edges = f"edges {{ node {{ {_TWIN} }} }} pageInfo {{ endCursor }}"
    page = f"query ($after: String) {{ vehicles(first: 50, after: $after) {{ {edges} }} }}"
    ours = [
        Candidate(way, [sys.executable, "-m", "bench.partner_server", way], environment, ROOT, vehicle, page, token)
        for way in ("compiled", "ordinary")
    ]
    of_database = conninfo_to_dict(conninfo)
    of_peer = {
        **{name: value for name, value in environment.items() if not name.startswith("FLEETTWIN_")},
        "NODE_ENV": "production",
        "GRAPHILE_ENV": "production",
        "PGHOST": str(of_database["host"]),
        "PGPORT": str(of_database["port"]),
        "PGUSER": str(of_database["user"]),
        "PGDATABASE": str(of_database["dbname"]),
        "BRANDS": BRAND,
        "PORT": "0",
    }
    nodes = f"nodes {{ {_TABLES} }} pageInfo {{ endCursor }}"
    peer = Candidate(
        "PostGraphile",
        [str(node), "server.js"],
        of_peer,
        PEER,
        f"query ($vin: String!) {{ directoryByVin(vin: $vin) {{ {_TABLES} }} }}",
        f"query ($after: Cursor) {{ allDirectories(first: 50, after: $after) {{ {nodes} }} }}",
    )
    return [*ours, peer]


def _token(environment: Mapping[str, str]) -> str:
    scopes = [word for name in ("navigation", "media", "diagnostics") for word in ("--scope", f"{name}:read")]
    program = "from adapters.cli import main; main()"
    command = [sys.executable, "-c", program, "token", "--brand", BRAND, *scopes, "--valid", "1d"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _asked(candidate: Candidate, port: int) -> Asked:
    step = VEHICLES // VEHICLES_ASKED // len(BRANDS) * len(BRANDS)  # of the brand of the token only
    vehicles = [
        _request(candidate, port, candidate.vehicle, {"vin": vin_of(number * step)}) for number in range(VEHICLES_ASKED)
    ]
    pages, cursor = [], None
    for _ in range(PAGES):
        pages.append(_request(candidate, port, candidate.page, {"after": cursor}))
        cursor = _end_of_page(port, pages[-1])
    return Asked(_measured(port, vehicles), _measured(port, pages))


def _measured(port: int, requests: Sequence[bytes]) -> Load:
    load(port, requests, CLIENTS, WARM_UP_S, _is_whole)
    return load(port, requests, CLIENTS, SECONDS, _is_whole)


def _is_whole(answer: bytes) -> bool:
    """Whether an answer has the values of a vehicle."""
    return b" 200 " in answer[:20] and b'"errors"' not in answer and b"52.42" in answer and b"DAB" in answer


def _request(candidate: Candidate, port: int, document: str, variables: Mapping[str, Any]) -> bytes:
    body = json.dumps({"query": document, "variables": variables}).encode()
    headers = {
        "host": f"127.0.0.1:{port}",
        "content-type": "application/json",
        "accept": "application/json",
        "content-length": str(len(body)),
    }
    if candidate.token is not None:
        headers["authorization"] = f"Bearer {candidate.token}"
    lines = ["POST /graphql HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def _end_of_page(port: int, request: bytes) -> str:
    """Return the cursor of the last vehicle of a page."""
    answers: list[bytes] = []

    def keep(answer: bytes) -> bool:
        answers.append(answer)
        return True

    load(port, [request], 1, 0.0, keep)
    (page,) = json.loads(answers[0].partition(b"\r\n\r\n")[2])["data"].values()
    cursor: str = page["pageInfo"]["endCursor"]
    return cursor


def _compared(peer_name: str, peer: Sequence[Asked], ours: Sequence[Asked]) -> list[Result]:
    """Return the best of the rounds of each."""
    results = []
    for place, what in enumerate(
        ("one vehicle with its three models", "a page of 50 vehicles with their three models")
    ):
        of_peer, of_ours = [each[place] for each in peer], [each[place] for each in ours]
        name = f"{what}, of {VEHICLES:,}"
        rates = Result(
            name=name,
            unit="requests/s",
            peer_name=peer_name,
            peer=max(each.rate for each in of_peer),
            ours=max(each.rate for each in of_ours),
            bar=BAR,
        )
        p99s = Result(
            name=f"{name}, p99",
            unit="ms",
            peer_name=peer_name,
            peer=min(each.p99_ms for each in of_peer),
            ours=min(each.p99_ms for each in of_ours),
            bar=BAR,
            lower_is_better=True,
        )
        results += [rates, p99s]
    return results
