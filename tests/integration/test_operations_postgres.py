"""What whoever operates the platform sees and has done through the API, on a real database, beside the command line."""

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import psycopg
import pytest

from adapters import version_pages
from adapters.access import OPERATOR, Access, Scope
from adapters.graphql.ids import vehicle_id_of
from adapters.postgres.projection_versions import PostgresProjectionVersions
from adapters.projection_versions import VersionState, at_version, named
from adapters.rebuild import Job, filler
from domain import events as e
from tests.support.command_line import CommandLine, serving
from tests.support.operated import Operated
from tests.support.twins import T0, Car, full_car, postgres_world

AUDI, SKODA = full_car(1, brand="Audi"), full_car(2, brand="Skoda")
READ, WRITE = Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE
PATIENCE_S: Final = 60
EVERYTHING: Final = frozenset(Scope)
PARKED: Final = """{ operations { parked(first: 100) { edges { node {
    projection version vehicleId type eventVersion position error attempts parkedAt event { type } } } } } }"""
RETRY: Final = """mutation ($projection: String!, $version: Int!, $id: ID!) {
    retryParked(projection: $projection, version: $version, vehicleId: $id) { outcome parked { attempts } } }"""
VERSIONS: Final = """{ operations { projections {
    projection version shown state position lag parked vehicles filled toFill afterPosition untilPosition } } }"""
DIGEST: Final = """query ($projection: String!, $version: Int!, $after: String, $prove: Boolean!) { operations {
    digest(projection: $projection, version: $version, after: $after, prove: $prove) {
        complete endCursor digest told rows vehicles fromPosition position leftOut } } }"""
COMPARISON: Final = """query ($left: Int!, $right: Int!, $after: String) { operations {
    comparison(projection: "navigation", left: $left, right: $right, first: 2, after: $after) {
        vehicles vehiclesCompared notCompared pageInfo { hasNextPage endCursor }
        edges { cursor node { table key field left right withheld firstEventUnknown vehicle { vin brand }
            firstEvent { version position } lastEvent { version position } } } } } }"""


def cars() -> list[Car]:
    return [full_car(1, brand="Audi"), full_car(2, brand="Skoda"), full_car(3, brand="Audi")]


@pytest.fixture
def operated(fleettwin: CommandLine) -> Iterator[Operated]:
    """Give three cars in the database of the command line."""
    assert fleettwin.database is not None
    with postgres_world(fleettwin.database) as world:
        made = Operated(world)
        made.write(*cars())
        yield made


def access(*brands: str, scopes: frozenset[Scope] = EVERYTHING) -> Access:
    return Access("a client", "somebody", frozenset(brands), scopes)


def asked(operated: Operated, document: str, who: Access = OPERATOR, **variables: Any) -> Any:
    body = operated.api.answer(document, variables, access=who, may_change=True).body
    assert "errors" not in body, body["errors"]
    return body["data"].get("operations", body["data"])


def parked(operated: Operated, who: Access = OPERATOR) -> list[dict[str, Any]]:
    return [edge["node"] for edge in asked(operated, PARKED, who)["parked"]["edges"]]


# --- parked events ----------------------------------------------------------------------------------------------------


def written(database: str, state: bytes) -> bytes:
    """Write other bytes in the place of an Audi's newest event, and return those that were there."""
    of = [AUDI.id, len(AUDI.events) + 1]
    where = "WHERE originator_id = %s AND originator_version = %s"
    with psycopg.connect(database) as connection:
        found = connection.execute(f"SELECT state FROM stored_events {where}", of).fetchone()
        connection.execute(f"UPDATE stored_events SET state = %s {where}", [state, *of])
    assert found
    return bytes(found[0])


@pytest.fixture
def damaged(operated: Operated, fleettwin: CommandLine) -> tuple[Operated, bytes]:
    """Give a world in which an event of an Audi has bytes that nobody can read; and those that it should have."""
    audi = full_car(1, brand="Audi")
    known = len(audi.events)
    audi.play(T0 + 10**12, "The newest")
    events, _ = audi.after(known)
    operated.world.log.append(events, (), ())
    right = written(str(fleettwin.database), b"\x00\x00\x00\xff\xff")
    operated.write()
    return operated, right


def test_a_real_parked_event_is_told_as_the_command_line_does(
    damaged: tuple[Operated, bytes], fleettwin: CommandLine
) -> None:
    told = parked(damaged[0])
    listed = fleettwin.run("parked", "list", "--json").json
    assert len(told) == 3
    assert [
        {
            "projection": f"{each['projection']} v{each['version']}",
            "vehicleId": vehicle["vehicleId"],
            "version": each["eventVersion"],
            **{name: each[name] for name in ("position", "attempts", "error")},
            "parkedAt": vehicle["parkedAt"],
        }
        for each, vehicle in zip(told, listed, strict=True)
    ] == listed
    assert {each["vehicleId"] for each in told} == {vehicle_id_of(AUDI.id)}
    assert {each["type"] for each in told} == {e.TrackStarted.TOPIC}
    assert [each["event"] for each in told] == [None] * 3  # nobody can read it


def test_a_parked_event_is_the_brands_alone_and_so_is_its_retry(
    damaged: tuple[Operated, bytes], fleettwin: CommandLine
) -> None:
    operated, right = damaged
    written(str(fleettwin.database), right)
    assert parked(operated, access("Skoda")) == []
    assert [each["shown"] and each["parked"] for each in asked(operated, VERSIONS, access("Skoda"))["projections"]] == [
        *(0, 0, 0)
    ]
    of = {"projection": "media", "version": 1, "id": vehicle_id_of(AUDI.id)}
    assert asked(operated, RETRY, access("Skoda"), **of)["retryParked"] == {"outcome": "NOT_PARKED", "parked": None}
    assert len(parked(operated, access("Audi"))) == 3
    assert asked(operated, RETRY, access("Audi"), **of)["retryParked"] == {"outcome": "TAKEN_UP", "parked": None}
    assert {each["projection"] for each in parked(operated)} == {"navigation", "diagnostics"}
    for name in ("navigation", "diagnostics"):
        asked(operated, RETRY, access("Audi"), **{**of, "projection": name})
    assert fleettwin.run("parked", "list", "--json").json == []
    assert fleettwin.run("verify").status == 0


def test_what_is_not_mended_stays_parked(damaged: tuple[Operated, bytes]) -> None:
    of = {"projection": "navigation", "version": 1, "id": vehicle_id_of(AUDI.id)}
    found = asked(damaged[0], RETRY, access("Audi"), **of)["retryParked"]
    assert found == {"outcome": "STILL_PARKED", "parked": {"attempts": 2}}


# --- versions ---------------------------------------------------------------------------------------------------------


def test_a_version_tells_how_far_it_is_filled(operated: Operated, fleettwin: CommandLine) -> None:
    database, beside = str(fleettwin.database), at_version(named("navigation"), 2)
    versions, end = PostgresProjectionVersions(database), operated.world.log.last_position()
    operated.world.models.prepare(beside)
    versions.begin(VersionState("navigation", 2, False, end))
    limited = VersionState("media", 7, False, end, 0, [SKODA.id])
    operated.world.models.prepare(at_version(named("media"), 7))
    versions.begin(limited)
    versions.ready("media", 7)
    with filler(database) as one:
        list(one.fill(Job("navigation", 2, 0, end), [AUDI.id]))

    def seen(who: Access = OPERATOR) -> dict[tuple[str, int], dict[str, Any]]:
        return {(each["projection"], each["version"]): each for each in asked(operated, VERSIONS, who)["projections"]}

    assert list(seen()) == [("navigation", 1), ("navigation", 2), ("media", 1), ("media", 7), ("diagnostics", 1)]
    filling, shown, part = seen()["navigation", 2], seen()["navigation", 1], seen()["media", 7]
    assert (filling["state"], filling["shown"], filling["position"], filling["lag"]) == ("FILLING", False, None, None)
    assert (filling["filled"], filling["toFill"], filling["untilPosition"]) == (len(AUDI.events), end, end)
    assert (shown["state"], shown["shown"], shown["position"], shown["lag"]) == ("FOLLOWING", True, end, 0)
    assert (part["state"], part["vehicles"], part["filled"]) == ("PART", 1, None)
    of_skoda = seen(access("Skoda"))
    assert ("media", 7) not in of_skoda  # it names vehicles
    assert (of_skoda["navigation", 2]["filled"], of_skoda["navigation", 2]["toFill"]) == (0, len(SKODA.events))


def digest_of(
    operated: Operated, name: str, who: Access = OPERATOR, *, version: int = 1, prove: bool = False
) -> list[dict[str, Any]]:
    """Return every page of a digest."""
    pages: list[dict[str, Any]] = []
    while not pages or not pages[-1]["complete"]:
        after = pages[-1]["endCursor"] if pages else None
        variables = {"projection": name, "version": version, "after": after, "prove": prove}
        pages.append(asked(operated, DIGEST, who, **variables)["digest"])
    return pages


@pytest.mark.parametrize("page_s", [version_pages.PAGE_S, -1.0])
def test_the_digest_is_that_of_the_command_line_however_many_pages_it_takes(
    operated: Operated, fleettwin: CommandLine, monkeypatch: pytest.MonkeyPatch, page_s: float
) -> None:
    monkeypatch.setattr(version_pages, "PAGE_S", page_s)
    told = {each["name"]: each["digest"] for each in fleettwin.run("status", "--digest", "--json").json["projections"]}
    proved = {each["projection"]: each for each in fleettwin.run("verify", "--json").json}
    for name in ("navigation", "media", "diagnostics"):
        for prove in (False, True):
            pages = digest_of(operated, name, prove=prove)
            assert len(pages) > 3 if page_s < 0 else len(pages) == 1
            last = pages[-1]
            assert last["digest"] == told[name]
            assert last["told"] == (told[name] if prove else None)
            assert (last["rows"], last["vehicles"]) == (proved[name]["rows"], 3)
            assert last["fromPosition"] == last["position"] == proved[name]["position"]


def test_a_digest_is_of_the_tokens_vehicles_and_a_proof_finds_what_the_log_does_not_say(
    operated: Operated, fleettwin: CommandLine
) -> None:
    whole, own = (digest_of(operated, "media", who)[-1] for who in (OPERATOR, access("Audi")))
    assert (whole["vehicles"], own["vehicles"]) == (3, 2)
    assert whole["digest"] != own["digest"]
    with psycopg.connect(str(fleettwin.database)) as connection:
        connection.execute("UPDATE media_v1_plays SET title = 'never played' WHERE vehicle_id = %s", [AUDI.id])
    proved = digest_of(operated, "media", prove=True)[-1]
    assert proved["digest"] != proved["told"] == whole["digest"]


@pytest.mark.parametrize("name", ["navigation", "media", "diagnostics"])
def test_a_part_is_proved_by_what_it_was_filled_with(
    operated: Operated, fleettwin: CommandLine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    begin = ("--from", str(operated.world.log.last_position() // 2))
    parts = {2: ("--vehicles", AUDI.vin), 3: begin, 4: ("--vehicles", SKODA.vin, *begin)}
    for version, arguments in parts.items():
        assert fleettwin.run("rebuild", name, "--version", str(version), *arguments).status == 0
    operated.write(full_car(4))

    def proved(version: int) -> bool:
        (last,) = (page for page in digest_of(operated, name, version=version, prove=True) if page["complete"])
        assert last["vehicles"] <= (1 if "--vehicles" in parts[version] else 4)
        return bool(last["rows"] and last["digest"] == last["told"])

    assert [proved(version) for version in parts] == [True] * 3
    with monkeypatch.context() as patched:
        patched.setattr(version_pages, "PAGE_S", -1.0)
        assert [proved(version) for version in parts] == [True] * 3
    with psycopg.connect(str(fleettwin.database)) as connection:
        moved = f"UPDATE {name}_v2_signals SET position = position + 1 WHERE vehicle_id = %s"
        connection.execute(moved, [AUDI.id])
        connection.execute(f"DELETE FROM {name}_v3_signals")
        strange = f"INSERT INTO {name}_v4_signals SELECT * FROM {name}_v1_signals WHERE vehicle_id = %s"
        connection.execute(strange, [AUDI.id])  # which it is not for
    for version in parts:
        (page,) = digest_of(operated, name, version=version, prove=True)
        assert page["digest"] != page["told"], version


def differences(operated: Operated, who: Access = OPERATOR) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return every difference, and the pages in which they came."""
    pages: list[dict[str, Any]] = []
    while not pages or pages[-1]["pageInfo"]["hasNextPage"]:
        after = pages[-1]["pageInfo"]["endCursor"] if pages else None
        pages.append(asked(operated, COMPARISON, who, left=1, right=2, after=after)["comparison"])
    return [edge["node"] for page in pages for edge in page["edges"]], pages


@pytest.fixture
def beside(operated: Operated, fleettwin: CommandLine) -> Operated:
    """Give a world with a second version of navigation, which tells two cars' trips otherwise."""
    assert fleettwin.run("rebuild", "navigation", "--version", "2").status == 0
    with psycopg.connect(str(fleettwin.database)) as connection:
        for vehicle_id in (AUDI.id, SKODA.id):
            connection.execute(
                "UPDATE navigation_v2_trips SET distance_m = distance_m / 2 WHERE vehicle_id = %s", [vehicle_id]
            )
        connection.execute("DELETE FROM navigation_v2_destinations WHERE vehicle_id = %s", [AUDI.id])
    return operated


@pytest.mark.parametrize("page_s", [version_pages.PAGE_S, -1.0])
def test_the_comparison_is_that_of_the_command_line(
    beside: Operated, fleettwin: CommandLine, monkeypatch: pytest.MonkeyPatch, page_s: float
) -> None:
    monkeypatch.setattr(version_pages, "PAGE_S", page_s)
    compared = fleettwin.run("compare", "navigation", "1", "2", "--json")
    assert compared.status == 1
    expected = json.loads(compared.stdout)
    found, pages = differences(beside)
    assert len(found) == len(expected) == 7
    for one, other in zip(found, expected, strict=True):
        assert one["vehicle"] == {"vin": other["vin"], "brand": other["brand"]}
        for name in ("table", "key", "field", "left", "right", "firstEventUnknown"):
            assert one[name] == other[name], name
        for name in ("firstEvent", "lastEvent"):
            assert one[name] == (other[name] and {at: other[name][at] for at in ("version", "position")})
        assert one["withheld"] is None
    assert sum(page["vehiclesCompared"] for page in pages) == 3
    assert {page["vehicles"] for page in pages} == {3}
    assert len({edge["cursor"] for page in pages for edge in page["edges"]}) == 7


def test_a_comparison_is_of_the_tokens_vehicles_and_tells_values_to_those_who_may_see_them(beside: Operated) -> None:
    found, _ = differences(beside, access("Skoda"))
    assert {each["vehicle"]["brand"] for each in found} == {"Skoda"}
    assert len(found) == 3
    assert all(each["left"] for each in found)
    hidden, _ = differences(beside, access("Skoda", scopes=frozenset({READ})))
    assert [each["key"] for each in hidden] == [each["key"] for each in found]
    assert {(each["left"], each["right"]) for each in hidden} == {(None, None)}
    assert {each["withheld"] for each in hidden} == {
        "the token lacks the scopes navigation:history and navigation:read"
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('comparison(projection: "navigation", left: 1, right: 9, first: 1) { vehicles }', "navigation 9: there is no"),
        ('comparison(projection: "nothing", left: 1, right: 1, first: 1) { vehicles }', "nothing: there is no such"),
        ('comparison(projection: "media", left: 1, right: 1, first: 0) { vehicles }', "first: a page of 0"),
        ('digest(projection: "media", version: 0) { digest }', "media 0: there is no such version"),
        ('digest(projection: "media", version: 1, after: "x") { digest }', "after: 'x' is no cursor"),
    ],
)
def test_what_cannot_be_is_told(operated: Operated, document: str, message: str) -> None:
    body = operated.api.answer(f"{{ operations {{ {document} }} }}", access=OPERATOR).body
    (error,) = body["errors"]
    assert error["message"].startswith(message)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


def test_a_vehicle_with_too_long_a_history_is_left_out_and_named(
    beside: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_pages, "EVENTS_MAX", 3)
    found = asked(
        beside,
        '{ operations { comparison(projection: "navigation", left: 1, right: 2, first: 9) {'
        " edges { cursor } leftOut } } }",
    )["comparison"]
    assert found == {"edges": [], "leftOut": [vehicle_id_of(each) for each in sorted([AUDI.id, SKODA.id])]}
    (page,) = digest_of(beside, "navigation", prove=True)
    assert len(page["leftOut"]) == 3


# --- as it is served --------------------------------------------------------------------------------------------------


def test_a_server_tells_its_stages_and_takes_up_what_is_parked(
    damaged: tuple[Operated, bytes], fleettwin: CommandLine
) -> None:
    written(str(fleettwin.database), damaged[1])
    stages = "{ operations { problem observedAt stages { name waiting oldestWaitsS } } }"
    of = {"projection": "media", "version": 1, "id": vehicle_id_of(AUDI.id)}
    with serving(fleettwin) as (process, address):
        seen: dict[str, Any] = {"observedAt": None}
        end_s = time.monotonic() + PATIENCE_S
        while seen["observedAt"] is None and time.monotonic() < end_s:
            seen = httpx.post(address, json={"query": stages}).json()["data"]["operations"]
        retried = httpx.post(address, json={"query": RETRY, "variables": of}).json()["data"]["retryParked"]
        by_get = httpx.get(address, params={"query": RETRY, "variables": json.dumps(of)})
        process.terminate()
        assert process.stderr is not None
        log = process.stderr.read()
    assert [(each["name"], each["waiting"], each["oldestWaitsS"]) for each in seen["stages"]] == [
        (f"{name} v1", 0, 0.0) for name in ("navigation", "media", "diagnostics")
    ]
    assert retried == {"outcome": "TAKEN_UP", "parked": None}
    assert by_get.status_code == 405
    (line,) = [each for each in log.splitlines() if "taken up again" in each]
    assert "client development" in line
    assert str(AUDI.id) in line
