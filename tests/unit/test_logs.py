"""The log: one line an entry, with its fields, and without a VIN."""

import io
import json
import logging
import re
import threading
from collections.abc import Iterator
from typing import Any, Final

import pytest
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyAssignmentExecutor
from kafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError
from kafka.future import Future
from kafka.net.selector import NetworkSelector

from adapters.logs import log_to
from domain.vin import Vin

VIN: Final = "WVWZZZE1ZTP000042"
LOG: Final = logging.getLogger("adapters.something")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("adapters")
    before = root.handlers[:], root.level, ours.level, threading.excepthook
    found = io.StringIO()
    for handler in before[0]:
        root.removeHandler(handler)
    yield found
    root.handlers[:], threading.excepthook = before[0], before[3]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.getLogger("kafka.net").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


def told(stream: io.StringIO) -> str:
    (line,) = stream.getvalue().splitlines()
    return line


def test_an_entry_is_a_line_of_keys_and_values(stream: io.StringIO) -> None:
    log_to("logfmt", stream)
    LOG.warning("%s waits", "media v1", extra={"projection": "media v1", "position": 7, "other": "not asked for"})
    time, _, rest = told(stream).partition(" ")
    assert re.fullmatch(r"timestamp=20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time)
    assert rest == ('level=warning logger=adapters.something event="media v1 waits" projection="media v1" position=7')


def test_an_entry_is_json_where_that_is_wanted(stream: io.StringIO) -> None:
    log_to("json", stream)
    LOG.warning("set aside", extra={"partition": "telemetry/3", "position": 7, "vehicle_id": "an id"})
    entry = json.loads(told(stream))
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "level": "warning",
        "logger": "adapters.something",
        "event": "set aside",
        "partition": "telemetry/3",
        "position": 7,
        "vehicle_id": "an id",
    }


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_no_vin_gets_out(form: str, stream: io.StringIO) -> None:
    log_to(form, stream)
    try:
        Vin.parse(f"{VIN}?")
    except Exception:
        LOG.exception("of %s, b'%s', _%s", VIN, VIN, VIN, extra={"vehicle_id": VIN, "position": 2**56})
    LOG.warning("%r %s %s", b"\xff" + VIN.encode(), f"%2F{VIN}", VIN.lower())
    line = stream.getvalue()
    assert VIN not in line.upper()
    assert "of (VIN), b'(VIN)', _(VIN)" in line
    assert "%2F(VIN) (VIN)" in line
    assert "InvalidVinError" in line
    assert str(2**56) in line  # 17 digits


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_what_others_say_makes_no_second_line_and_moves_no_cursor(form: str, stream: io.StringIO) -> None:
    log_to(form, stream)
    LOG.warning("a\nb\rc\x1b[2Jd\u2028e")
    assert not set(told(stream)) & {"\r", "\x1b", "\u2028"}


def test_libraries_are_heard_from_warnings_on_and_we_from_information_on(stream: io.StringIO) -> None:
    log_to("logfmt", stream)
    logging.getLogger("kafka.coordinator").info("chatter")
    LOG.debug("detail")
    LOG.info("news")
    assert "event=news" in told(stream)


def test_a_thread_that_ends_with_an_error_is_in_the_log(stream: io.StringIO) -> None:
    log_to("logfmt", stream)

    def fail() -> Any:
        raise ValueError(VIN)

    thread = threading.Thread(target=fail, name="fails")
    thread.start()
    thread.join()
    line = told(stream)
    assert 'level=critical logger=adapters.logs event="the thread fails has ended with an error"' in line
    assert "ValueError: (VIN)" in line


def test_what_the_client_of_kafka_says_of_its_connections_is_left_to_us(stream: io.StringIO) -> None:
    log_to("json", stream)
    logging.getLogger("kafka.net.transport").error("Connection lost")
    logging.getLogger("kafka.coordinator").error("told")
    assert json.loads(told(stream))["event"] == "told"


def test_that_a_broker_is_not_reached_is_left_to_us_too(stream: io.StringIO) -> None:
    log_to("json", stream)
    cluster, fetcher = logging.getLogger("kafka.cluster"), logging.getLogger("kafka.consumer.fetcher")
    cluster.error("Metadata refresh: failed %s", KafkaConnectionError("111 ECONNREFUSED"))
    cluster.warning("No node available for metadata refresh - backoff/retry")
    fetcher.error("Fetch to node %s failed: %s", 1, NodeNotReadyError(1))
    fetcher.error("Fetch to node %s failed: %s", 1, KafkaError("told"))
    assert json.loads(told(stream))["event"] == "Fetch to node 1 failed: KafkaError: told"


class Nothing:
    """What a client knows of a cluster at first."""

    def topics(self) -> set[str]:
        return {"telemetry"}

    def partitions_for_topic(self, _: str) -> None:
        return None


def test_that_a_client_knows_nothing_yet_when_it_joins_a_group_is_no_entry(stream: io.StringIO) -> None:
    log_to("json", stream)
    StickyAssignmentExecutor(Nothing(), {})
    logging.getLogger("kafka.coordinator.assignors.sticky.sticky_assignor").warning("No partition is left")
    assert json.loads(told(stream))["event"] == "No partition is left"


def test_of_errors_in_what_follows_a_failure_only_that_of_a_client_that_is_closed_is_no_entry(
    stream: io.StringIO,
) -> None:
    def failing(error: Exception) -> Any:
        def fail(_: object) -> None:
            raise error

        return fail

    log_to("json", stream)
    closed = NetworkSelector()
    closed.close()
    Future().add_errback(lambda _: closed.call_soon_threadsafe(print)).failure(KafkaError("lost"))
    assert stream.getvalue() == ""
    for error in (RuntimeError("of ours"), OSError("NetworkSelector closed!")):
        Future().add_errback(failing(error)).failure(KafkaError("lost"))
    Future().add_callback(failing(RuntimeError("NetworkSelector closed!"))).success(None)
    logging.getLogger("kafka.future").error("Error processing errback")
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [entry["event"] for entry in entries] == [
        *["Error processing errback"] * 2,
        "Error processing callback",
        "Error processing errback",
    ]
    assert "RuntimeError: of ours" in entries[0]["exception"]
