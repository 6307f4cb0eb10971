"""Drives of real cars become trips with a track: from a GPS logger beside OBD-II, and from tracks of a phone app."""

import csv
import gzip
import json
import random
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from asammdf import MDF

from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.server import EmbeddedServer
from adapters.postgres.snapshots import PostgresSnapshots, fetch_from
from adapters.snapshotting import Snapshotting
from domain.legs import MOVING_KMH
from domain.trips import JOIN_GAP_US
from domain.units import MICROS_PER_SECOND
from tests.support.command_line import CommandLine
from tests.support.databases import new_database
from tests.support.recordings import recording
from tests.support.twins import CODEC

pytestmark = pytest.mark.recordings

SEAT = "VSSZZZ5FZHR000000"
SEAT_BY_OBD = "VSSZZZ5FZHR000001"
SEAT_BY_GNSS = "VSSZZZ5FZHR000002"


# --- one car with OBD-II and a GPS module on the bus ------------------------------------------------------------------


@pytest.fixture(scope="module")
def seat(database: str, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The session three times: as a user would have it, by OBD-II alone, and by GPS alone."""
    fleettwin = CommandLine(tmp_path_factory.mktemp("seat") / "home", database)
    files, gnss = seat_files(), ("--map", "gnss", "--dbc", recording("seat-obd2-gps-mf4", "canmod-gps.dbc"))
    summaries = fleettwin.ingest(*files, "--vin", SEAT, "--brand", "seat", "--map", "obd2", *gnss)
    assert sum(summary["frames"] for summary in summaries) == 292_097
    fleettwin.ingest(*files, "--vin", SEAT_BY_OBD, "--map", "obd2")
    fleettwin.ingest(*files, "--vin", SEAT_BY_GNSS, *gnss)
    return fleettwin


def seat_files() -> list[Path]:
    return sorted(recording("seat-obd2-gps-mf4").glob("*.MF4"))


def trips_of(fleettwin: CommandLine, vin: str) -> list[dict[str, Any]]:
    edges = fleettwin.state(vin)["navigation"]["trips"]["edges"]
    return [edge["node"] for edge in edges]


def speeds(fleettwin: CommandLine, vin: str) -> list[tuple[int, float]]:
    """Every speed that was told, by time."""
    return sorted(
        (at, value)
        for event in fleettwin.events(vin)
        if event["type"] == "vehicle.signals_sampled.v1"
        for path, at, value in zip(*(event["data"][name] for name in ("path", "sampled_at", "value")), strict=True)
        if path == "Vehicle.Speed" and value is not None
    )


def module_distance_m() -> float:
    """What the GPS module itself counted over all files; it starts again from zero where it was reset."""
    counted: list[float] = []
    dbc = recording("seat-obd2-gps-mf4", "canmod-gps.dbc")
    for path in seat_files():
        with MDF(path) as file, file.extract_bus_logging({"CAN": [(dbc, 2)]}) as decoded:
            counted += np.asarray(decoded.get("DistanceTrip").samples, float).tolist()
    return sum(now - before if now >= before else now for before, now in pairwise([0.0, *counted]))


def test_a_session_of_five_files_is_one_trip_with_a_track(seat: CommandLine) -> None:
    (trip,) = trips_of(seat, SEAT)
    assert trip["ended"]
    assert trip["distanceM"] == pytest.approx(module_distance_m(), rel=0.02)
    assert trip["durationS"] == pytest.approx(39.5 * 60, rel=0.02)

    points = trip["track"]["points"]
    assert trip["track"]["pointCount"] == len(points) > 1_000
    assert [point["capturedAt"] for point in points] == sorted(point["capturedAt"] for point in points)
    assert all(55.8 < point["latitude"] < 56.2 and 9.7 < point["longitude"] < 10.3 for point in points)  # near Aarhus
    assert trip["startedAt"] <= points[0]["capturedAt"] <= points[-1]["capturedAt"]


def test_obd_and_gps_agree_on_speed_and_distance(seat: CommandLine) -> None:
    by_obd, by_gnss = speeds(seat, SEAT_BY_OBD), speeds(seat, SEAT_BY_GNSS)
    times = [at for at, _ in by_obd]
    differences = []
    for at, gnss_kmh in by_gnss:
        after = bisect_left(times, at)
        if 0 < after < len(times) and times[after] - times[after - 1] <= 3 * MICROS_PER_SECOND:
            obd_kmh = np.interp(at, times[after - 1 : after + 1], [kmh for _, kmh in by_obd[after - 1 : after + 1]])
            differences.append(abs(gnss_kmh - obd_kmh))
    assert len(differences) > 500
    assert np.median(differences) < 1.5
    assert np.quantile(differences, 0.95) < 3
    assert max(differences) < 6

    (obd,), (gnss,) = trips_of(seat, SEAT_BY_OBD), trips_of(seat, SEAT_BY_GNSS)
    assert obd["distanceM"] == pytest.approx(gnss["distanceM"], rel=0.04)  # a speedometer shows a little too much


# --- tracks of a phone app --------------------------------------------------------------------------------------------


class Track(NamedTuple):
    """One line of the index of the tracks."""

    begin: datetime
    end: datetime
    length_km: float | None
    path: Path


def tracks() -> dict[str, list[Track]]:
    """The tracks of each vehicle, by begin; vehicles are named by a VIN made up from their number."""
    found = defaultdict(list)
    with recording("envirocar-tracks", "index.csv").open() as index:
        for row in csv.DictReader(index):
            found[row["vehicle_id"]].append(
                Track(
                    datetime.fromisoformat(row["begin_utc"]),
                    datetime.fromisoformat(row["end_utc"]),
                    float(row["length_km"]) if row["length_km"] else None,
                    recording("envirocar-tracks", f"{row['track_id']}.json.gz"),
                )
            )
    return {f"WVWZZZ1KZBW00000{number}": sorted(found[vehicle]) for number, vehicle in enumerate(sorted(found))}


def drives(known: list[Track]) -> list[Track]:
    """Tracks without those that were uploaded before under another name: same vehicle, begin and length."""
    return list({(track.begin, track.length_km): track for track in reversed(known)}.values())[::-1]


def driven(track: Track) -> tuple[datetime, datetime]:
    """When the car first and last went faster than a person walks."""
    with gzip.open(track.path) as file:
        points = [feature["properties"] for feature in json.load(file)["features"]]
    times = [
        datetime.fromisoformat(point["time"])
        for point in points
        for said in [point["phenomenons"].get("Speed") or point["phenomenons"]["GPS Speed"]]
        if said["value"] >= MOVING_KMH
    ]
    return min(times), max(times)


def ingested(fleettwin: CommandLine, order: random.Random | str) -> dict[str, int]:
    """Ingest the tracks of all vehicles in an order; return the known drives of each."""
    known = {}
    for vin, of_vehicle in tracks().items():
        paths = [track.path for track in of_vehicle]
        if isinstance(order, random.Random):
            order.shuffle(paths)
        elif order == "reversed":
            paths.reverse()
        summaries = fleettwin.ingest(*paths, "--vin", vin, "--map", "envirocar")
        known[vin] = sum(summary["knownDrives"] for summary in summaries)
    return known


@pytest.fixture(scope="module")
def fleet(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with new_database(server) as conninfo:
        fleettwin = CommandLine(tmp_path_factory.mktemp("fleet") / "home", conninfo)
        known = ingested(fleettwin, "as driven")
        assert sum(known.values()) == 2
        assert known == {vin: len(of_vehicle) - len(drives(of_vehicle)) for vin, of_vehicle in tracks().items()}
        yield fleettwin


def test_57_tracks_of_5_vehicles_become_a_trip_each_but_those_uploaded_twice(fleet: CommandLine) -> None:
    assert [len(of_vehicle) for of_vehicle in tracks().values()] == [1, 8, 8, 32, 8]
    total = 0
    for vin, of_vehicle in tracks().items():
        expected, found = drives(of_vehicle), trips_of(fleet, vin)
        # No two drives follow each other so closely that they would be one trip.
        assert all((b.begin - a.end).total_seconds() > JOIN_GAP_US / MICROS_PER_SECOND for a, b in pairwise(expected))
        assert len(found) == len(expected)
        for trip, track in zip(found, expected, strict=True):
            said = (datetime.fromisoformat(trip["startedAt"]), datetime.fromisoformat(trip["endedAt"]))
            assert all(abs(there - here).total_seconds() <= 10 for there, here in zip(said, driven(track), strict=True))
            assert track.begin <= said[0] < said[1] <= track.end
            assert trip["ended"]
            assert trip["track"]["pointCount"] > 0
            if track.length_km is not None:
                assert trip["distanceM"] == pytest.approx(track.length_km * 1000, rel=0.03)
        total += len(found)
    assert total == 55
    vehicles = fleet.query("{ vehicles(first: 10) { edges { node { vin } } } }")["vehicles"]["edges"]
    assert len(vehicles) == 5


@pytest.mark.slow
@pytest.mark.parametrize("order", ["reversed", "shuffled 1", "shuffled 2"])
def test_the_order_of_files_changes_nothing(fleet: CommandLine, fleettwin: CommandLine, order: str) -> None:
    known = ingested(fleettwin, random.Random(order) if order.startswith("shuffled") else order)
    assert sum(known.values()) == 2
    for vin in tracks():
        assert fleettwin.state(vin) == fleet.state(vin)


# --- history ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("projection", ["navigation", "media", "diagnostics"])
def test_real_drives_are_rebuilt_as_they_are_live(fleet: CommandLine, projection: str) -> None:
    assert fleet.run("rebuild", projection, "--version", "2", "--workers", "2").status == 0
    assert fleet.run("compare", projection, "1", "2").status == 0
    assert fleet.run("verify", "--projection", projection).status == 0
    (live, rebuilt) = (each["digest"] for each in fleet.status()["projections"] if each["name"] == projection)
    assert live == rebuilt
    assert fleet.run("discard", projection, "2").status == 0


def test_the_past_of_real_drives_is_the_same_with_snapshots_and_without(fleet: CommandLine) -> None:
    asked = [
        ("show", vin, "--as-of", at.isoformat(), "--json")
        for vin, of_vehicle in tracks().items()
        for at in (of_vehicle[len(of_vehicle) // 2].begin, of_vehicle[-1].end)
    ]
    before = [fleet.run(*each).json for each in asked]
    log = PostgresEventLog.open(fleet.database or "")
    with closing(log):
        made = Snapshotting(log, CODEC.decode, PostgresSnapshots(fetch_from(log.datastore))).catch_up(threading.Event())
    assert made
    assert [fleet.run(*each).json for each in asked] == before


def test_real_drives_are_the_same_in_another_store(fleet: CommandLine, server: EmbeddedServer, tmp_path: Path) -> None:
    assert fleet.run("export", "events", "--out", tmp_path).status == 0
    with new_database(server) as conninfo:
        other = CommandLine(tmp_path / "home", conninfo)
        assert other.run("import", tmp_path).status == 0
        assert other.status() == fleet.status()
