"""`fleettwin set-aside`, and `status` that counts what is there."""

from contextlib import closing
from typing import Final

from adapters.postgres.datastore import Datastore
from adapters.postgres.event_store import PostgresEventLog
from adapters.postgres.set_aside import PostgresSetAside
from adapters.set_aside import SetAside
from domain.units import Micros
from tests.support.command_line import CommandLine

SECOND: Final = 1_000_000
LONG: Final = SetAside.of(
    "telemetry/3#5f0c2a91", 17, "why not", b"key \xff", b"\0\1text\x1b[2J" + bytes(2_000), Micros(SECOND)
)
BARE: Final = SetAside.of("telemetry/0#5f0c2a91", 1, "it has no key", None, None, Micros(2 * SECOND))


def set_aside(database: str | None, *records: SetAside) -> None:
    assert database is not None
    PostgresEventLog.open(database).close()
    with closing(Datastore(database)) as datastore:
        PostgresSetAside(datastore).add(records)


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
        },
        {
            "source": "telemetry/3#5f0c2a91",
            "position": 17,
            "reason": "why not",
            "key": "key \\xff",
            "bytes": 2_010,
            "setAsideAt": "1970-01-01T00:00:01+00:00",
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
