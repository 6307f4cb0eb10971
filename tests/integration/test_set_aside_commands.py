"""`fleettwin set-aside`, and `status` that counts what is there."""

from contextlib import closing
from typing import Any, Final
from uuid import UUID

from adapters.avro.telemetry import TelemetryCodec
from adapters.postgres.datastore import Datastore
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.set_aside import PostgresSetAside
from adapters.set_aside import SetAside
from domain.signals import SignalBatch
from domain.units import Micros
from domain.vin import Vin
from tests.support.batches import T0, sample
from tests.support.command_line import VIN_KEY, CommandLine
from tests.support.events import registry
from tests.support.given import VIN

SECOND: Final = 1_000_000
LONG: Final = SetAside.of(
    "telemetry/3#5f0c2a91", 17, "why not", b"key \xff", b"\0\1text\x1b[2J" + bytes(2_000), Micros(SECOND)
)
BARE: Final = SetAside.of("telemetry/0#5f0c2a91", 1, "it has no key", None, None, Micros(2 * SECOND))


def set_aside(database: str | None, *records: SetAside, **bounds: Any) -> None:
    assert database is not None
    PostgresEventLog.open(database).close()
    with closing(Datastore(database)) as datastore:
        PostgresSetAside(datastore, **bounds).add(records)


def test_what_is_set_aside_is_listed_and_shown(fleettwin: CommandLine) -> None:
    assert fleettwin.run("set-aside", "list").stdout == "nothing is set aside\n"
    assert fleettwin.run("set-aside", "list", "--json").json == []
    set_aside(fleettwin.database, LONG, BARE)

    listed = fleettwin.run("set-aside", "list", "--json").json
    assert listed == [
        {
            "source": "telemetry/0#5f0c2a91",
            "position": 1,
            "reason": "it has no key",
            "key": None,
            "bytes": 0,
            "setAsideAt": "1970-01-01T00:00:02+00:00",
            "waitsFor": None,
        },
        {
            "source": "telemetry/3#5f0c2a91",
            "position": 17,
            "reason": "why not",
            "key": "key \\xff",
            "bytes": 2_010,
            "setAsideAt": "1970-01-01T00:00:01+00:00",
            "waitsFor": None,
        },
    ]
    for source in ("telemetry/3#5f0c2a91", "telemetry/3"):
        shown = fleettwin.run("set-aside", "show", source, "17", "--json").json
        assert shown == {**listed[1], "value": (LONG.value or b"").hex()}
    for found in (("list",), ("show", "telemetry/3", "17")):
        said = fleettwin.run("set-aside", *found).stdout
        assert "why not" in said
        assert "1970-01-01 00:00:01 " in said


def test_bytes_are_shown_as_hexadecimal_and_as_what_of_them_is_text(fleettwin: CommandLine) -> None:
    set_aside(fleettwin.database, LONG, BARE)
    lines = fleettwin.run("set-aside", "show", "telemetry/3", "17").stdout.splitlines()
    assert "00000000  00 01 74 65 78 74 1b 5b 32 4a 00 00 00 00 00 00  ..text.[2J......" in lines
    assert lines[-1] == "… and 1498 bytes more"
    assert fleettwin.run("set-aside", "show", "telemetry/0", "1").stdout.splitlines()[-1] == "it has no value"


def test_a_record_that_is_not_there_is_bad_input(fleettwin: CommandLine) -> None:
    set_aside(fleettwin.database, LONG)
    nowhere = "no such record is set aside; see `fleettwin set-aside list`"
    for source, position in (("telemetry/3", "18"), ("telemetry/3#5f0c2a91", "18"), ("telemetry/3#", "17")):
        said = fleettwin.run("set-aside", "show", source, position).complaint
        assert said == f"fleettwin: {source} {position}: {nowhere}"


def test_of_a_topic_that_was_made_anew_the_record_is_named_with_the_id(fleettwin: CommandLine) -> None:
    other = LONG._replace(source="telemetry/3#11111111", reason="another")
    set_aside(fleettwin.database, LONG, other)
    assert fleettwin.run("set-aside", "show", "telemetry/3", "17").complaint == (
        "fleettwin: telemetry/3 17: that is in 2 topics of this name;"
        " say which: telemetry/3#11111111 or telemetry/3#5f0c2a91"
    )
    shown = fleettwin.run("set-aside", "show", other.source, "17", "--json").json
    assert (shown["source"], shown["reason"]) == (other.source, "another")


def test_the_help_names_a_record_as_the_list_does(fleettwin: CommandLine) -> None:
    assert LONG.source in fleettwin.run("set-aside", "show", "--help").stdout


def test_status_counts_what_is_set_aside(fleettwin: CommandLine) -> None:
    assert "set aside" not in fleettwin.run("status").stdout
    assert fleettwin.run("status", "--json").json["setAside"] == 0
    set_aside(fleettwin.database, LONG, BARE)
    assert "records set aside: 2 (fleettwin set-aside list)" in fleettwin.run("status").stdout
    assert fleettwin.run("status", "--json").json["setAside"] == 2


def waiting(vehicle_id: UUID, sequence: int) -> SetAside:
    batch = SignalBatch(vehicle_id, "drive", sequence, T0, (sample("Vehicle.Speed", sequence, 50.0),))
    value = TelemetryCodec(registry()).encode(batch)
    key = str(vehicle_id).encode()
    return SetAside.of("telemetry/3#5f0c2a91", 20 + sequence, "unreadable", key, value, Micros(SECOND), vehicle_id)


def test_what_waits_for_a_vehicle_is_listed_counted_and_taken_up_again(fleettwin: CommandLine) -> None:
    known = Vin.parse(VIN).vehicle_id(VIN_KEY.encode())
    assert fleettwin.run("set-aside", "retry").stdout == "nothing is set aside\n"
    set_aside(fleettwin.database, waiting(known, 1), waiting(known, 2), BARE)
    assert f"unreadable; waits for {known}" in fleettwin.run("set-aside", "list").stdout
    status = fleettwin.run("status", "--json").json
    assert (status["setAside"], status["waitedFor"]) == (3, 1)
    assert "vehicles that they wait for: 1" in fleettwin.run("status").stdout

    retried = fleettwin.run("set-aside", "retry")
    assert (retried.status, retried.stdout) == (1, "3 still set aside\n")  # nobody has registered it


def test_what_is_not_kept_is_listed_by_its_reason(fleettwin: CommandLine) -> None:
    set_aside(fleettwin.database, LONG, BARE, BARE._replace(position=7), kept_max=1)
    *_, counted = fleettwin.run("set-aside", "list", "--json").json
    assert counted == {
        "source": "telemetry/0#5f0c2a91",
        "reason": "it has no key",
        "records": 2,
        "firstPosition": 1,
        "lastPosition": 7,
        "firstAt": "1970-01-01T00:00:02+00:00",
        "setAsideAt": "1970-01-01T00:00:02+00:00",
    }
    assert "2 not kept: it has no key" in fleettwin.run("set-aside", "list").stdout
    assert fleettwin.run("status", "--json").json["setAside"] == 3


def test_what_is_discarded_is_gone(fleettwin: CommandLine) -> None:
    vehicle_id = UUID(int=1)
    set_aside(fleettwin.database, LONG, BARE, waiting(vehicle_id, 1), waiting(vehicle_id, 2), kept_max=1)
    assert fleettwin.run("set-aside", "discard", "telemetry/3", "17").stdout == "1 discarded\n"
    assert fleettwin.run("set-aside", "discard", "--all").stdout == "1 discarded\n"
    assert fleettwin.run("set-aside", "discard", "--vehicle", str(vehicle_id)).stdout == "2 discarded\n"
    assert fleettwin.run("set-aside", "list", "--json").json == []


def test_what_is_to_be_discarded_has_to_be_said(fleettwin: CommandLine) -> None:
    unsaid = "set-aside discard: does not say what; give SOURCE and POSITION, or --vehicle, or --all"
    for said in ((), ("telemetry/3",), ("telemetry/3", "17", "--all"), ("--all", "--vehicle", "x")):
        assert fleettwin.run("set-aside", "discard", *said).complaint == f"fleettwin: {unsaid}"
    for vehicle in ("x", str(UUID(int=1))):
        complaint = fleettwin.run("set-aside", "discard", "--vehicle", vehicle).complaint
        assert complaint == f"fleettwin: {vehicle}: no batch waits for such a vehicle; see `fleettwin set-aside list`"
