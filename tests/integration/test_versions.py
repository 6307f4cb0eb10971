"""Versions of projections beside each other on a real database: filled, compared, shown, proved."""

import itertools
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from io import StringIO
from types import SimpleNamespace
from typing import Any, Final

import psycopg
import pytest
from rich.console import Console

from adapters import demo, projecting, rebuild, versions_commands
from adapters.clock import now
from adapters.postgres.projection_versions import PostgresProjectionVersions
from adapters.postgres.read_models import PostgresReadModels
from adapters.postgres.twin_reader import PostgresTwins
from adapters.projecting import advance
from adapters.projection_versions import VersionState, at_version, followed_projections, named
from adapters.rebuild import Filler, Job, chunks, filler
from adapters.twins import ANY_VEHICLE, PageOf
from adapters.vehicle_log import VehicleLog
from adapters.versions_commands import Budget, events_left
from domain import events as e
from domain.errors import BadInputError
from projections.digest import digest
from projections.navigation.model import TripRow
from tests.support import halving_release
from tests.support.command_line import CommandLine, Finished
from tests.support.twins import CODEC, SECOND, T0, World, full_car, postgres_world

VEHICLES: Final = 6


@pytest.fixture
def world(fresh_database: str) -> Iterator[World]:
    with postgres_world(fresh_database, *(full_car(number) for number in range(VEHICLES))) as made:
        yield made


def ids(world: World) -> list[Any]:
    return sorted(entry.vehicle_id for entry in world.log.vehicles())


def ingest(fleettwin: CommandLine, number: int = 0) -> None:
    maps = [word for name in demo.MAPPINGS for word in ("--map", name)]
    with demo.recording() as path:
        fleettwin.ingest(path, "--vin", f"WVWZZZE1ZTP{number:06d}", "--any-vin", *maps)


@pytest.mark.parametrize("name", ["navigation", "media", "diagnostics"])
def test_a_version_that_was_killed_while_it_was_filled_goes_on_and_is_the_same(
    world: World, fresh_database: str, name: str
) -> None:
    live, beside = named(name), at_version(named(name), 2)
    world.models.prepare(beside)
    job = Job(name, 2, 0, world.log.last_position())
    with filler(fresh_database) as first:
        next(iter(first.fill(job, ids(world)[:3])))  # and no more
    assert world.models.versions(beside, ids(world))
    with filler(fresh_database) as second:
        for chunk in chunks(ids(world)):
            assert sum(second.fill(job, chunk))
    assert digest(world.models, beside) == digest(world.models, live)


def test_a_reader_sees_one_version_to_its_end_and_the_next_reader_the_other(world: World, fresh_database: str) -> None:
    versions, beside = PostgresProjectionVersions(fresh_database), at_version(named("navigation"), 2)
    world.models.prepare(beside)  # empty: whoever reads it sees nothing
    twins = PostgresTwins(fresh_database).open()
    try:
        with twins.reading() as before:
            assert before.trips(ids(world), PageOf(1))
            versions.switch("navigation", 2, 1)
            assert before.trips(ids(world), PageOf(2))
            assert before.signals(ids(world), [], [""])
            with twins.reading() as after:
                assert not after.trips(ids(world), PageOf(1))
                first = after.positions().projections[0]
                assert (first.name, first.version) == ("navigation", 2)
                assert len(after.vehicles(10, None, ANY_VEHICLE)) == VEHICLES
        versions.switch("navigation", 1, 2)
        with twins.reading() as again:
            assert again.trips(ids(world), PageOf(1))
        followed = [(each.name, each.version) for each in followed_projections(versions)]
        assert followed == [("navigation", 1), ("navigation", 2), ("media", 1), ("diagnostics", 1)]
    finally:
        twins.close()


def test_a_version_is_discarded_when_no_view_is_open_that_may_show_it(
    world: World, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions, live = PostgresProjectionVersions(fresh_database), named("navigation")
    world.models.prepare(at_version(live, 2))
    with closing(PostgresTwins(fresh_database).open()) as twins:
        with twins.reading() as read:
            assert len(read.vehicles(10, None, ANY_VEHICLE)) == VEHICLES  # and nothing of a projection so far
            versions.switch("navigation", 2, 1)
            with monkeypatch.context() as patched:
                patched.setattr("adapters.postgres.projection_versions.VIEWS_END_S", 0.3)
                with pytest.raises(BadInputError, match=r"may show it .*; try again when they have ended"):
                    versions.discard(live)
            assert read.trips(ids(world), PageOf(1))
            discarding = threading.Thread(target=versions.discard, args=(live,))
            discarding.start()
            with twins.reading() as later:  # waits for nothing
                assert later.positions().projections[0].version == 2
            assert read.signals(ids(world), [], [""])
            assert discarding.is_alive()
        discarding.join(60)
        assert not discarding.is_alive()
    with psycopg.connect(fresh_database) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE starts_with(tablename, 'navigation_v1_')"
        ).fetchone()
    assert tables == (0,)


def test_what_is_read_at_one_moment_is_of_the_version_that_is_shown_then(world: World, fresh_database: str) -> None:
    versions, live = PostgresProjectionVersions(fresh_database), named("navigation")
    world.models.prepare(at_version(live, 2))  # empty
    assert isinstance(world.models, PostgresReadModels)
    with world.models.reading(live) as before:
        versions.switch("navigation", 2, 1)
        with world.models.reading(live) as after:
            assert (after.projection.version, after.position, list(after.of(TripRow))) == (2, 0, [])
        assert (before.projection.version, before.position) == (1, world.log.last_position())
        assert {row.vehicle_id for row in before.of(TripRow)} == {*ids(world)}


def test_whoever_follows_a_version_that_is_discarded_does_not_make_it_anew(
    world: World, fresh_database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "adapters.projecting")
    monkeypatch.setattr(projecting, "LOOKED_S", 3_600.0)  # what is remembered of the versions is old
    versions, (live, beside) = (
        PostgresProjectionVersions(fresh_database),
        (named("media"), at_version(named("media"), 2)),
    )
    world.models.prepare(beside)
    versions.begin(VersionState("media", 2, False, 0))
    versions.ready("media", 2)
    feed = VehicleLog(world.log, CODEC)
    following = projecting.Projecting(lambda: followed_projections(versions), feed, world.models, now)
    following.start(world.log.wait)
    try:
        versions.switch("media", 2, 1)
        discarding = threading.Thread(target=versions.discard, args=(live,))
        discarding.start()
        car = full_car(90)
        for number in itertools.count(500):  # while it is discarded, and once afterwards
            at_it = discarding.is_alive()
            car.play(T0 + number * SECOND, f"title {number}")
            world.append(car)
            if not at_it:
                break
        ending = following._threads[live.id]
        ending.join(60)
        assert not ending.is_alive()
    finally:
        following.stop()
    following.catch_up()
    assert versions_left(fresh_database, "media") == {2}
    assert world.models.position(beside) == world.log.last_position()
    said = [each.getMessage() for each in caplog.records if each.levelname != "INFO" or live.id in each.getMessage()]
    assert said == ["media v1 was discarded, and is not followed any more"]


def versions_left(database: str, name: str) -> set[int]:
    """Return the versions of a projection that there is anything of."""
    kept = ("projection_positions", "projection_versions", "projection_vehicles", "projection_sources")
    with psycopg.connect(database) as connection:
        found = [
            *connection.execute(
                " UNION ".join(f"SELECT version FROM {each} WHERE projection = %(name)s" for each in kept).encode(),
                {"name": name},
            ).fetchall(),
            *connection.execute(
                "SELECT substring(tablename FROM '_v([0-9]+)_')::int FROM pg_tables WHERE starts_with(tablename, %s)",
                [f"{name}_v"],
            ).fetchall(),
        ]
    return {version for (version,) in found}


def test_rebuild_compare_switch_and_rollback_on_the_command_line(fleettwin: CommandLine) -> None:
    ingest(fleettwin)
    before = fleettwin.run("status", "--digest", "--json").json["projections"]
    assert fleettwin.run("rebuild", "navigation", "--version", "2", "--workers", "2").status == 0
    assert fleettwin.run("compare", "navigation", "1", "2").stdout.strip() == "no difference"
    assert fleettwin.run("switch", "navigation", "2").status == 0
    ingest(fleettwin, 1)  # the one that was shown before goes on, too
    shown = fleettwin.run("status", "--digest", "--json").json["projections"]
    assert [(each["name"], each["version"]) for each in shown] == [
        ("navigation", 2), ("media", 1), ("diagnostics", 1), ("navigation", 1)
    ]  # fmt: skip
    assert {each["lag"] for each in shown} == {0}
    digests = {(each["name"], each["version"]): each["digest"] for each in shown}
    assert digests["navigation", 1] == digests["navigation", 2] != before[0]["digest"]
    assert fleettwin.run("verify").status == 0
    assert fleettwin.run("rollback", "navigation").status == 0
    assert fleettwin.run("switch", "navigation", "2").status == 0
    assert fleettwin.run("discard", "navigation", "1").status == 0  # which is the one that the code names
    for arguments in (("compare", "navigation", "1", "2"), ("switch", "navigation", "1")):
        assert fleettwin.run(*arguments).complaint.startswith("fleettwin: navigation 1: there is no such version; ")
    assert "no version was shown before" in fleettwin.run("rollback", "navigation").complaint
    assert fleettwin.run("rebuild", "navigation", "--version", "1").status == 0
    assert fleettwin.run("switch", "navigation", "1").status == 0
    assert fleettwin.run("discard", "navigation", "2").status == 0
    assert len(fleettwin.run("status", "--json").json["projections"]) == len(before)


def first_halved(fleettwin: CommandLine) -> tuple[int, int]:
    """Return version and position of the event at which the two folds part."""
    found = fleettwin.run("events", "WVWZZZE1ZTP000000", "--type", e.TrackExtended.TOPIC, "--json").json
    return min((each["version"], each["position"]) for each in found if each["version"] > halving_release.WHOLE_UNTIL)


def trip_distance(compared: Finished) -> Any:
    assert compared.status == 1, compared
    (found,) = (each for each in json.loads(compared.stdout) if each["table"] == "trips")
    assert (found["field"], found["left"]) == ("distance_m", pytest.approx(2 * found["right"]))
    return found


def test_a_release_that_keeps_the_former_fold_names_the_event_at_which_the_two_part(
    fleettwin: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(fleettwin)
    first = first_halved(fleettwin)
    monkeypatch.setenv(halving_release.KEEPS, "1")
    later = replace(fleettwin, program=(sys.executable, "-c", halving_release.PROGRAM_TEXT))
    assert later.run("rebuild", "navigation", "--version", "2").status == 0
    found = trip_distance(later.run("compare", "navigation", "1", "2", "--json"))
    assert (found["firstEvent"]["version"], found["firstEvent"]["position"]) == first
    assert found["firstEvent"]["recordedAt"]
    assert found["lastEvent"]["version"] > first[0]
    assert f"version {first[0]}, position {first[1]}" in later.run("compare", "navigation", "1", "2").stdout
    ingest(later, 1)  # the version of before goes on as it was
    assert later.run("verify").status == 0
    assert fleettwin.run("verify").status == 0


def test_the_past_is_folded_as_what_is_shown_is(fleettwin: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def distances(program: CommandLine) -> list[float]:
        """Return the distance of the trip as it is, and as it was when the log was as it is."""
        trips = "{ navigation { trips(first: 1) { edges { node { distanceM } } } } }"
        position = fleettwin.run("status", "--json").json["logPosition"]
        vin = "WVWZZZE1ZTP000000"
        answer = program.run(
            "query",
            "-",
            stdin=f'{{ now: vehicle(vin: "{vin}") {trips} was: vehicle(vin: "{vin}", position: {position}) {trips} }}',
        )
        return [each["navigation"]["trips"]["edges"][0]["node"]["distanceM"] for each in answer.json["data"].values()]

    ingest(fleettwin)
    (whole, _) = distances(fleettwin)
    monkeypatch.setenv(halving_release.KEEPS, "1")
    later = replace(fleettwin, program=(sys.executable, "-c", halving_release.PROGRAM_TEXT))
    assert later.run("rebuild", "navigation", "--version", "2").status == 0
    assert distances(later) == [whole, whole]
    assert later.run("switch", "navigation", "2").status == 0
    assert distances(later) == [pytest.approx(whole / 2)] * 2
    assert later.run("rollback", "navigation").status == 0
    assert distances(later) == [whole, whole]


def test_a_release_without_the_former_fold_says_that_the_first_event_is_not_known(fleettwin: CommandLine) -> None:
    ingest(fleettwin)
    later = replace(fleettwin, program=(sys.executable, "-c", halving_release.PROGRAM_TEXT))
    assert later.run("rebuild", "navigation", "--version", "2").status == 0
    found = trip_distance(later.run("compare", "navigation", "1", "2", "--json"))
    assert found["firstEvent"] is None
    assert "navigation v1" in found["firstEventUnknown"]
    assert "navigation v2" not in found["firstEventUnknown"]
    screen = later.run("compare", "navigation", "1", "2").stdout
    assert "not known" in screen
    assert f"version {found['lastEvent']['version']}, position {found['lastEvent']['position']}" in screen


def test_what_a_part_does_not_hold_is_told_in_a_line_and_is_no_difference(fleettwin: CommandLine) -> None:
    for number in range(2):
        ingest(fleettwin, number)
    half = fleettwin.run("status", "--json").json["logPosition"] // 4
    only = ("--vehicles", "WVWZZZE1ZTP000001")
    assert fleettwin.run("rebuild", "navigation", "--version", "2", *only).status == 0
    assert fleettwin.run("rebuild", "navigation", "--version", "3", "--from", str(half)).status == 0
    compared = fleettwin.run("compare", "navigation", "1", "2", "--json")
    assert (compared.json, compared.stderr) == (
        [], "navigation v2: filled for 1 of 2 vehicles, the others are not compared\n"
    )  # fmt: skip
    compared = fleettwin.run("compare", "navigation", "3", "1")
    assert (compared.status, compared.stdout) == (0, "no difference\n")
    assert compared.stderr.startswith(f"navigation v3: filled after position {half}; ")
    rows = int(compared.stderr.rpartition("rows that differ only because of that are no differences: ")[2])
    assert rows > 0
    later = replace(fleettwin, program=(sys.executable, "-c", halving_release.PROGRAM_TEXT))
    assert later.run("rebuild", "navigation", "--version", "4", "--from", str(half)).status == 0
    assert later.run("compare", "navigation", "1", "4").status == 1


def test_a_row_that_the_log_does_not_say_is_found_with_its_event(fleettwin: CommandLine) -> None:
    ingest(fleettwin)
    assert fleettwin.run("rebuild", "navigation", "--version", "2").status == 0
    with psycopg.connect(fleettwin.database or "") as connection:
        connection.execute("UPDATE navigation_v1_trips SET distance_m = distance_m + 1")
        ((version, position),) = connection.execute(
            "SELECT event_version, position FROM navigation_v1_trips"
        ).fetchall()
    finished = fleettwin.run("verify", "--json")
    assert finished.status == 1
    navigation, *others = json.loads(finished.stdout)
    assert [each["equal"] for each in (navigation, *others)] == [False, True, True]
    first = navigation["first"]
    event = first["lastEvent"]
    assert (first["table"], first["field"], event["version"], event["position"]) == (
        "trips", "distance_m", version, position
    )  # fmt: skip
    assert first["firstEvent"] is None
    assert "this program does not fold the log to what navigation v1 has there" in first["firstEventUnknown"]
    assert first["left"] == first["right"] + 1
    head = next(line for line in fleettwin.run("verify").stdout.splitlines() if "first event" in line)
    assert [each.strip() for each in head.split("┃")][5:7] == ["kept", "the log says"]
    compared = fleettwin.run("compare", "navigation", "1", "2", "--json")
    assert compared.status == 1
    (difference,) = json.loads(compared.stdout)
    assert (difference["field"], difference["left"]) == ("distance_m", first["left"])
    screen = fleettwin.run("compare", "navigation", "1", "2").stdout
    assert "distance_m" in screen
    assert "1 difference\n" in screen
    assert "first event not known: this program does not fold" in screen


def test_the_digest_of_a_position_that_is_past_is_what_it_was(fleettwin: CommandLine) -> None:
    ingest(fleettwin)
    before = {each["projection"]: each for each in fleettwin.run("verify", "--json").json}
    position = before["media"]["position"]
    same = fleettwin.run("verify", "--position", str(position), "--json").json
    assert [each["equal"] for each in same] == [True] * 3
    ingest(fleettwin, 1)
    past = fleettwin.run("verify", "--position", str(position), "--json").json
    assert {each["projection"]: each["told"] for each in past} == {name: each["kept"] for name, each in before.items()}
    assert [each["equal"] for each in past] == [None] * 3
    assert "what the log says; the rows are elsewhere" in fleettwin.run("verify", "--position", "1").stdout


def test_a_vehicle_that_a_projection_has_left_out_is_found(fleettwin: CommandLine) -> None:
    ingest(fleettwin)
    with psycopg.connect(fleettwin.database or "") as connection:
        connection.execute("DELETE FROM media_v1_plays; DELETE FROM media_v1_signals")
        connection.execute("DELETE FROM projection_vehicles WHERE projection = 'media'")
    finished = fleettwin.run("verify", "--projection", "media", "--json")
    (media,) = json.loads(finished.stdout)
    assert (finished.status, media["equal"], media["first"]["left"]) == (1, False, None)


def test_what_a_version_lacks_although_it_has_passed_it_is_a_difference(world: World, fleettwin: CommandLine) -> None:
    compared = ("compare", "media", "1", "2")
    assert fleettwin.run("rebuild", "media", "--version", "2").status == 0
    lacking, parked, *_ = ids(world)
    world.write(full_car(90))  # version 2 has not come there: it is behind, as it may be
    assert fleettwin.run(*compared).stdout == "no difference\n"
    beside, last = at_version(named("media"), 2), world.models.versions(named("media"), ids(world))
    with psycopg.connect(fleettwin.database or "") as connection:
        for vehicle_id in (lacking, parked):
            connection.execute("DELETE FROM media_v2_plays WHERE vehicle_id = %s", [vehicle_id])
            connection.execute("DELETE FROM media_v2_signals WHERE vehicle_id = %s", [vehicle_id])
            connection.execute(
                "DELETE FROM projection_vehicles WHERE projection = 'media' AND version = 2 AND vehicle_id = %s",
                [vehicle_id],
            )
        connection.execute(
            "INSERT INTO parked_vehicles (projection, version, vehicle_id, event_version, position, error, attempts,"
            " parked_at, newest_version) VALUES ('media', 2, %s, 1, 1, 'none', 1, 0, %s)",
            [parked, last[parked]],
        )
    finished = fleettwin.run(*compared, "--json")
    assert finished.status == 1
    (found,) = json.loads(finished.stdout)
    assert (found["vehicleId"], found["table"], found["key"]) == (str(lacking), "projection_vehicles", [])
    assert (found["field"], found["left"], found["right"]) == ("last_version", last[lacking], 0)
    assert (found["firstEvent"]["version"], found["lastEvent"]["version"]) == (1, last[lacking])
    screen = fleettwin.run(*compared)
    assert (screen.status, "last_version" in screen.stdout) == (1, True)
    assert found["lastEvent"]["position"] <= world.models.position(beside)


def test_what_is_parked_is_told_beside_what_was_proved(world: World, fleettwin: CommandLine) -> None:
    first, second, *_ = ids(world)
    with psycopg.connect(fleettwin.database or "") as connection:
        for vehicle_id in (first, second):
            connection.execute(
                "INSERT INTO parked_vehicles (projection, version, vehicle_id, event_version, position, error,"
                " attempts, parked_at, newest_version) VALUES ('media', 1, %s, 1, 1, 'none', 1, 0, 1)",
                [vehicle_id],
            )
    assert {each["projection"]: each["parked"] for each in fleettwin.run("verify", "--json").json} == {
        "navigation": 0, "media": 2, "diagnostics": 0
    }  # fmt: skip
    said = fleettwin.run("verify").stdout
    assert said.count("as the log says; 2 vehicles parked") == 1
    assert said.count("parked") == 1


def test_a_rollback_goes_back_from_what_it_has_seen_to_be_shown(
    world: World, fleettwin: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = PostgresProjectionVersions(fleettwin.database or "")
    for version in ("2", "3"):
        assert fleettwin.run("rebuild", "media", "--version", version).status == 0
    versions.switch("media", 2, 1)
    shown = versions_commands.shown_version
    twin: Any = SimpleNamespace(versions=versions, read_models=world.models)

    def seen_before_another_switches(twin: Any, name: str) -> Any:
        found = shown(twin, name)
        if found.version == 2:
            versions.switch("media", 3, 2)
        return found

    monkeypatch.setattr(versions_commands, "shown_version", seen_before_another_switches)
    with pytest.raises(BadInputError, match="another version than 2 is shown by now"):
        versions_commands.rollback(twin, "media")
    assert versions.shown()["media"].version == 3


def test_a_row_of_a_vehicle_that_nobody_knows_is_found(fleettwin: CommandLine) -> None:
    ingest(fleettwin)
    with psycopg.connect(fleettwin.database or "") as connection:
        connection.execute("UPDATE navigation_v1_destinations SET vehicle_id = gen_random_uuid()")
    assert fleettwin.run("verify", "--projection", "navigation").status == 1


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("rebuild", "nav", "--version", "2"), "nav"),
        (("rebuild", "media", "--version", "2", "--max-live-lag", "-1"), "--max-live-lag"),
        (("rebuild", "navigation", "--version", "1"), "navigation --version 1"),
        (("rebuild", "navigation", "--version", "0"), "--version"),
        (("rebuild", "navigation", "--version", "2", "--workers", "0"), "--workers"),
        (("rebuild", "navigation", "--version", "2", "--from", "1000000"), "--from"),
        (("rebuild", "navigation", "--version", "2", "--from", "-1"), "--from"),
        (("rebuild", "navigation", "--version", "2", "--from", "2999-01-01T00:00:00Z"), "--from"),
        (("rebuild", "navigation", "--version", "2", "--from", "yesterday"), "--from"),
        (("rebuild", "navigation", "--version", "2", "--vehicles", "WVWZZZE1ZTP999999"), "VIN WVWZZZE1ZTP999999"),
        (("compare", "navigation", "1", "2"), "navigation 2"),
        (("switch", "navigation", "2"), "navigation 2"),
        (("switch", "navigation", "1"), "navigation 1"),
        (("rollback", "navigation"), "navigation"),
        (("compare", "navigation", "0", "1"), "navigation 0"),
        (("switch", "navigation", "0"), "navigation 0"),
        (("discard", "navigation", "0"), "navigation 0"),
        (("discard", "navigation", "1"), "navigation 1"),
        (("discard", "navigation", "2"), "navigation 2"),
        (("verify", "--projection", "nav"), "nav"),
        (("verify", "--position", "1000000"), "--position"),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(
    other_fleettwin: CommandLine, arguments: tuple[str, ...], where: str
) -> None:
    finished = other_fleettwin.run(*arguments)
    assert finished.status == 2
    assert finished.complaint.startswith(f"fleettwin: {where}: ")
    assert other_fleettwin.run("status").status == 0  # and the tables are there
    with psycopg.connect(other_fleettwin.database or "") as connection:
        assert connection.execute("SELECT count(*) FROM projection_versions").fetchone() == (0,)
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'navigation_v2%'")
        assert tables.fetchone() == (0,)


def test_a_version_that_is_filled_in_parts_is_compared_and_not_shown(fleettwin: CommandLine) -> None:
    for number in range(2):
        ingest(fleettwin, number)
    half = fleettwin.run("status", "--json").json["logPosition"] // 2
    twice = ("--vehicles", "WVWZZZE1ZTP000001", "--vehicles", "wvwzzze1ztp000001")
    assert " of 1 vehicle, " in fleettwin.run("rebuild", "media", "--version", "2", *twice).stdout
    assert fleettwin.run("compare", "media", "1", "2").status == 0
    assert fleettwin.run("rebuild", "media", "--version", "3", "--from", str(half)).status == 0
    events = [
        each for number in range(2) for each in fleettwin.run("events", f"WVWZZZE1ZTP{number:06d}", "--json").json
    ]
    (recorded_at,) = {each["recordedAt"] for each in events if each["position"] == half}
    last = max(each["position"] for each in events if each["recordedAt"] == recorded_at)
    assert fleettwin.run("rebuild", "media", "--version", "4", "--from", recorded_at).status == 0
    assert fleettwin.run("rebuild", "media", "--version", "5", "--from", str(last)).status == 0
    assert fleettwin.run("compare", "media", "4", "5").status == 0
    beside = fleettwin.run("status", "--json").json["beside"]
    assert [(each["version"], each["filled"], each["afterPosition"], each["vehicles"]) for each in beside] == [
        (2, True, 0, 1), (3, True, half, None), (4, True, last, None), (5, True, last, None)
    ]  # fmt: skip
    screen = fleettwin.run("status").stdout
    assert "media v2" in screen
    assert "a part, to compare" in screen
    assert fleettwin.run("switch", "media", "2").status == 2
    assert fleettwin.run("switch", "media", "3").status == 2
    assert fleettwin.run("rebuild", "media", "--version", "3").status == 2


@pytest.mark.parametrize("workers", ["1", "2"])
def test_only_the_vehicles_that_are_named_are_filled(world: World, fleettwin: CommandLine, workers: str) -> None:
    entries = sorted(world.log.vehicles(), key=lambda entry: entry.vehicle_id)
    named_ones = entries[0], entries[3], entries[-1]
    only = [word for each in named_ones for word in ("--vehicles", each.vin)]
    told = fleettwin.run("rebuild", "media", "--version", "2", "--workers", workers, *only).stdout
    filled = world.models.versions(at_version(named("media"), 2), ids(world))
    assert filled.keys() == {each.vehicle_id for each in named_ones}
    assert f"has {sum(filled.values())} events of 3 vehicles, " in told


def test_what_is_left_to_be_filled_is_known_before(world: World, fresh_database: str) -> None:
    end, (one, other, *_) = world.log.last_position(), ids(world)
    of_both = sum(world.models.versions(named("media"), [one, other]).values())
    beside = at_version(named("media"), 2)
    world.models.prepare(beside)
    whole = VersionState("media", 2, False, end)
    assert events_left(world.models, named("media"), whole, ids(world)) == end
    assert events_left(world.models, named("media"), whole._replace(from_position=end - 5), ids(world)) == 5
    assert events_left(world.models, named("media"), whole._replace(vehicle_ids=[one, other]), [one, other]) == of_both
    with filler(fresh_database) as first:
        done = sum(first.fill(Job("media", 2, 0, end, apart=True), [one]))
    assert events_left(world.models, named("media"), whole, ids(world)) == end - done
    left = events_left(world.models, named("media"), whole._replace(vehicle_ids=[one, other]), [one, other])
    assert left == of_both - done


def test_a_rebuild_that_waits_for_long_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said, clock, lag = StringIO(), [100.0], [6]
    monkeypatch.setattr(versions_commands, "err", Console(file=said, width=200))
    monkeypatch.setattr(versions_commands, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    over = Budget(lambda: lag[0], named("media"), 5)
    for _ in range(20):
        clock[0] += 1
        assert over()
    lag[0] = 5
    clock[0] += 1
    assert not over()
    assert said.getvalue().splitlines() == [
        "waits: media v1 is 6 events behind the log, and --max-live-lag allows 5; is there a process that follows it?"
    ]


@pytest.mark.parametrize("live", [True, False])
def test_who_fills_beside_others_rests_while_events_come_in(
    world: World, fresh_database: str, monkeypatch: pytest.MonkeyPatch, *, live: bool
) -> None:
    monkeypatch.setattr(rebuild, "PAGE_EVENTS_BESIDE", 7)
    clock = itertools.count(0.0, 2.0)
    rests: list[float] = []
    monkeypatch.setattr(rebuild, "time", SimpleNamespace(monotonic=lambda: next(clock)))  # a page takes 2 s
    beside = at_version(named("navigation"), 2)
    world.models.prepare(beside)
    job = Job("navigation", 2, 0, world.log.last_position(), share=0.5)
    car = full_car(90)
    with filler(fresh_database) as one:
        one.rest = rests.append
        for pages, _ in enumerate(one.fill(job, ids(world)), start=1):
            if live:
                car.trip(500 + pages, T0 + pages * 3600 * SECOND)
                world.write(car)
    assert pages > 3
    assert rests == ([2.0] * pages if live else [])
    assert digest(world.models, beside) == digest(world.models, named("navigation")) or live


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who listens on the other end of a socket")
def test_the_server_does_what_gives_way_with_a_low_priority(fresh_database: str) -> None:
    with filler(fresh_database, 19) as one, filler(fresh_database) as other:
        assert (_priority(one), _priority(other)) == ({19}, {0})


def _priority(one: Filler) -> set[int]:
    """Return the priority of the server's processes for both connections."""
    with one.store._connection() as store, one.log._records.datastore.get_connection() as log:  # type: ignore[attr-defined]  # their processes
        processes = [store.info.backend_pid, log.execute("SELECT pg_backend_pid() AS pid").fetchone()["pid"]]
        return {os.getpriority(os.PRIO_PROCESS, process) for process in processes}


def test_live_events_go_on_while_a_version_is_filled(world: World, fresh_database: str) -> None:
    live, beside = named("navigation"), at_version(named("navigation"), 2)
    world.models.prepare(beside)
    job = Job("navigation", 2, 0, world.log.last_position())
    car = full_car(90)
    began = threading.Event()

    def write() -> None:
        for number in range(20):
            car.trip(500 + number, T0 + number * 3600 * SECOND)
            world.write(car)
            began.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert began.wait(30)
    with filler(fresh_database) as one:
        for chunk in chunks(ids(world)):
            for _ in one.fill(job, chunk):
                pass
    thread.join()
    versions = PostgresProjectionVersions(fresh_database)
    versions.begin(VersionState("navigation", 2, False, job.until_position))
    versions.ready("navigation", 2)
    assert world.models.position(beside) == job.until_position
    advance(beside, VehicleLog(world.log, CODEC), world.models, now, world.log.last_position())
    assert digest(world.models, beside) == digest(world.models, live)
