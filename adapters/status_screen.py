"""How far everything is, and what was set aside: for programs, and for people."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from adapters.clock import iso_time
from adapters.lag import Lag, Observation
from adapters.projection_versions import VersionState
from adapters.set_aside import Counted, SetAside
from adapters.tables import Rows

SET_ASIDE_LISTED_MAX: Final = 1_000
DUMPED_BYTES_MAX: Final = 512  # for people; JSON has all that is kept
_DUMP_WIDTH: Final = 16


def status_data(
    seen: Observation, digests: Mapping[tuple[str, int], str], kept: Iterable[VersionState]
) -> dict[str, Any]:
    """Return how far log, projections and, where it is used, Kafka are; and versions that do not follow the log."""
    found: dict[str, Any] = {
        "logPosition": seen.log_position,
        "projections": [
            {
                "name": of.name,
                "version": of.version,
                "position": of.position,
                **_lag(lag),
                "parked": of.parked,
                **({"digest": digests[of.name, of.version]} if digests else {}),
            }
            for of, lag in seen.projections
        ],
        "beside": [
            {
                "name": each.projection,
                "version": each.version,
                "filled": each.ready,
                "afterPosition": each.from_position,
                "untilPosition": each.until_position,
                "vehicles": None if each.vehicle_ids is None else len(each.vehicle_ids),
            }
            for each in kept
            if each.partial or not each.ready
        ],
        "setAside": seen.set_aside,
        "waitedFor": seen.waited_for,
    }
    if seen.kafka and seen.relay:
        found["kafka"] = {
            "answers": True,
            "telemetry": {**_lag(seen.kafka.telemetry), "consumed": dict(seen.kafka.consumed)},
            "relay": {
                **_lag(seen.relay.lag),
                "published": dict(seen.relay.published),
                **({"trouble": seen.relay.trouble} if seen.relay.trouble else {}),
            },
        }
    elif seen.kafka_problem:
        found["kafka"] = {"answers": False, "reason": seen.kafka_problem, "telemetry": None, "relay": None}
    return found


def status_screen(found: Mapping[str, Any]) -> RenderableType:
    """Return it as lines and a table."""
    columns = ("position", "lag", "parked", "digest")
    shown = [name for name in columns if any(name in projection for projection in found["projections"])]
    table = Rows(("projection", *shown))
    for projection in found["projections"]:
        name = f"{projection['name']} v{projection['version']}"
        cells = {**projection, "lag": _waiting(projection)}
        table.add_row(name, *(str(cells[column]) for column in shown))
    lines = [f"the log is at position {found['logPosition']}", *_kafka_lines(found.get("kafka"), found["logPosition"])]
    if found["setAside"]:
        waited_for = f", vehicles that they wait for: {found['waitedFor']:,}" if found["waitedFor"] else ""
        lines.append(f"records set aside: {found['setAside']:,} (fleettwin set-aside list){waited_for}")
    return Group(*map(Text, lines), table, *([_beside_table(found["beside"])] if found["beside"] else []))


def _beside_table(beside: Iterable[Mapping[str, Any]]) -> RenderableType:
    table = Rows(("version beside", "state", "positions", "vehicles"))
    for each in beside:
        part = each["afterPosition"] > 0 or each["vehicles"] is not None
        state = "a part, to compare" if part else "whole"
        vehicles = "all" if each["vehicles"] is None else str(each["vehicles"])
        positions = f"{each['afterPosition'] + 1}–{each['untilPosition']}"
        name = f"{each['name']} v{each['version']}"
        table.add_row(name, state if each["filled"] else "not filled yet", positions, vehicles)
    return table


def set_aside_data(record: SetAside) -> dict[str, Any]:
    """Return what is known of a record, without its bytes."""
    return {
        "source": record.source,
        "position": record.position,
        "reason": record.reason,
        "key": None if record.key is None else record.key.decode("ascii", "backslashreplace"),
        "bytes": record.length,
        "setAsideAt": iso_time(record.set_aside_at),
        "waitsFor": None if record.waits_for is None else str(record.waits_for),
    }


def counted_data(counted: Counted) -> dict[str, Any]:
    """Return what is known of records that are not kept."""
    return {
        "source": counted.source,
        "reason": counted.reason,
        "records": counted.records,
        "firstPosition": counted.first_position,
        "lastPosition": counted.last_position,
        "firstAt": iso_time(counted.first_at),
        "setAsideAt": iso_time(counted.last_at),
    }


def set_aside_screen(found: Iterable[Mapping[str, Any]]) -> RenderableType:
    """Return records that were set aside as a table."""
    rows = list(found)
    if not rows:
        return Text("nothing is set aside")
    table = Rows(("source", "position", "set aside", "bytes", "reason"), "set aside")
    for each in rows:
        at, reason = _time(each["setAsideAt"]), each["reason"]
        if "records" in each:
            position = f"{each['firstPosition']}–{each['lastPosition']}"
            table.add_row(each["source"], position, at, "", f"{each['records']:,} not kept: {reason}")
        else:
            reason += f"; waits for {each['waitsFor']}" if each["waitsFor"] else ""
            table.add_row(each["source"], str(each["position"]), at, str(each["bytes"]), reason)
    return table


def record_data(record: SetAside) -> dict[str, Any]:
    """Return what is known of a record, with as much of its bytes as is kept."""
    return {**set_aside_data(record), "value": None if record.value is None else record.value.hex()}


def record_screen(found: Mapping[str, Any]) -> RenderableType:
    """Return one record: what is known of it, and its first bytes."""
    table = Rows(("", ""), f"{found['source']}, position {found['position']}", header=False)
    table.add_row("reason", found["reason"])
    table.add_row("key", "none" if found["key"] is None else found["key"])
    table.add_row("bytes", str(found["bytes"]))
    table.add_row("set aside", _time(found["setAsideAt"]))
    if found["value"] is None:
        return Group(table, Text("it has no value"))
    value = bytes.fromhex(found["value"])[:DUMPED_BYTES_MAX]
    more = found["bytes"] - len(value)
    return Group(table, *map(Text, _dump(value)), *([Text(f"… and {more} bytes more")] if more else []))


def _dump(value: bytes) -> Iterable[str]:
    """Give lines of offset, bytes in hexadecimal, and what of them is ASCII."""
    for at in range(0, len(value), _DUMP_WIDTH):
        row = value[at : at + _DUMP_WIDTH]
        text = "".join(chr(byte) if chr(byte).isprintable() and byte < 0x7F else "." for byte in row)  # noqa: PLR2004
        yield f"{at:08x}  {row.hex(' '):<{3 * _DUMP_WIDTH}} {text}"


def _time(text: str) -> str:
    """Return an RFC 3339 time, UTC, to the second."""
    return text[:19].replace("T", " ")


def _lag(lag: Lag) -> dict[str, Any]:
    return {"lag": lag.waiting, "lagSeconds": round(lag.seconds, 3)}


def _kafka_lines(kafka: Mapping[str, Any] | None, log_position: int) -> list[str]:
    if kafka is None:
        return []
    if not kafka["answers"]:
        return [
            f"Kafka does not answer: {kafka['reason']}",
            "telemetry: records that are not taken yet: unknown",
            f"relay: events that are not published yet: unknown, {log_position:,} of the log at most",
        ]
    return [
        f"telemetry: records that are not taken yet: {_waiting(kafka['telemetry'])}",
        f"relay: {kafka['relay'].get('trouble') or 'events that are not published yet: ' + _waiting(kafka['relay'])}",
    ]


def _waiting(lag: Mapping[str, Any]) -> str:
    """Return how much waits, and since when."""
    if not lag["lag"]:
        return "0"
    return f"{lag['lag']} (oldest: {timedelta(seconds=round(lag['lagSeconds']))})"
