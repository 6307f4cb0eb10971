"""Whatever docs/partners.md tells to ask is asked, of a server that knows the vehicle of the page.

A block of GraphQL may begin with a comment that is JSON: its variables. Of a subscription the first thing that it tells
of the past is read.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from adapters import demo
from adapters.graphql.ids import cursor_of
from tests.support.command_line import ROOT, CommandLine, serving

PAGE: Final = (ROOT / "docs/partners.md").read_text(encoding="utf-8")
VIN: Final = demo.VIN
BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS: Final = BLOCK.findall(PAGE)
SHELL: Final = "".join(code for language, code in BLOCKS if language == "sh")
DOCUMENTS: Final = [code for language, code in BLOCKS if language == "graphql"]
SUBSCRIPTIONS: Final = [each for each in DOCUMENTS if re.search(r"^subscription\b", each, re.MULTILINE)]
QUERIES: Final = [each for each in DOCUMENTS if each not in SUBSCRIPTIONS]
SENT: Final = [json.loads(body) for body in re.findall(r"-d '(\{.*\})'", SHELL)]  # by curl
PATIENCE_S: Final = 120


@pytest.fixture(scope="module")
def server_and_token(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Give the address of a server, and a token as the page begins with it."""
    folder = tmp_path_factory.mktemp("partners")
    fleettwin = CommandLine(folder / "home", database, {"TOKEN_KEYS": "development"})
    maps = [word for mapping in demo.MAPPINGS for word in ("--map", mapping)]
    with demo.recording() as path:
        fleettwin.ingest(path, "--vin", demo.VIN, "--brand", demo.BRAND, "--model", demo.MODEL, *maps)
    tokens = [
        fleettwin.run(*words.split())
        for words in re.findall(r"^TOKEN=\$\(fleettwin (token .*)\)$", SHELL, re.MULTILINE)
    ]
    (token,) = tokens
    with serving(fleettwin) as (_, address):
        yield address, token.stdout.strip()


def asked(server_and_token: tuple[str, str], body: Any, accept: str = "application/json") -> httpx.Response:
    address, token = server_and_token
    headers = {"authorization": f"Bearer {token}", "accept": accept}
    return httpx.post(address, json=body, headers=headers, timeout=PATIENCE_S)


def variables_of(document: str) -> Any:
    found = re.match(r"# (\{.*\})\n", document)
    return json.loads(found.group(1)) if found else {}


def test_the_page_has_queries() -> None:
    assert len(QUERIES) >= 6
    assert len(SUBSCRIPTIONS) >= 2
    assert {"subscription" in each["query"] for each in SENT} == {True, False}
    assert VIN in PAGE


@pytest.mark.parametrize("document", QUERIES)
def test_every_query_of_the_page_is_answered(server_and_token: tuple[str, str], document: str) -> None:
    response = asked(server_and_token, {"query": document, "variables": variables_of(document)})
    answer = response.json()
    assert "errors" not in answer
    assert "withheld" not in answer["extensions"]
    assert all(value is not None for value in answer["data"].values())


@pytest.mark.parametrize("document", [each for each in QUERIES if "vehicles(" in each and "$after" in each])
def test_a_whole_fleet_comes_as_the_page_says(server_and_token: tuple[str, str], document: str) -> None:
    response = asked(server_and_token, {"query": document}, "application/x-ndjson")
    edge, end = map(json.loads, response.text.splitlines())
    assert edge["node"]["vin"] == VIN
    assert end["end"] == {"vehicles": 1}
    assert end["extensions"]["requestId"] == response.headers["x-request-id"]


@pytest.mark.parametrize("body", [each for each in SENT if "subscription" not in each["query"]])
def test_what_curl_sends_is_answered(server_and_token: tuple[str, str], body: Any) -> None:
    answer = asked(server_and_token, body).json()
    assert "errors" not in answer
    assert answer["data"]["vehicles"]["edges"][0]["node"]["vin"] == VIN


@pytest.mark.parametrize(
    "body",
    [{"query": each} for each in SUBSCRIPTIONS] + [each for each in SENT if "subscription" in each["query"]],
)
def test_every_subscription_of_the_page_tells_what_has_happened(server_and_token: tuple[str, str], body: Any) -> None:
    address, token = server_and_token
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "text/event-stream",
        "last-event-id": cursor_of("the log", 0),
    }
    with httpx.stream("POST", address, json=body, headers=headers, timeout=PATIENCE_S) as response:
        told = next(line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: {"))
    answer = json.loads(told)
    assert "errors" not in answer
    assert VIN in told


def test_every_command_that_issues_a_token_does(tmp_path: Path, database: str) -> None:
    fleettwin = CommandLine(tmp_path / "home", database)
    commands = re.findall(r"^fleettwin (token .*)$", SHELL, re.MULTILINE)
    assert len(commands) >= 2
    for words in commands:
        done = fleettwin.run(*[each.strip('"') for each in re.findall(r'"[^"]*"|\S+', words)])
        assert done.status == 0, done.stderr
