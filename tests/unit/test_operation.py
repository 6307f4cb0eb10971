"""What a process answers about itself, over HTTP too."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.heartbeat import SILENT_S_MAX, Heartbeat
from adapters.lag import KafkaLag, Lag, Observation, ProjectionLag, RelayLag, relay_trouble
from adapters.operation import Answer, Operation
from adapters.operation_server import REQUESTS_MAX, answering
from adapters.twins import ProjectionPosition
from adapters.watch import LOOK_AGE_S_MAX, Watch
from domain.errors import BadInputError, StoreError
from domain.units import Micros
from tests.support.clocks import Clock

PATIENCE_S: Final = 30
SEEN: Final = Observation(
    Micros(5_000_000),
    7,
    [ProjectionLag(ProjectionPosition("media", 1, 3, 2), Lag(4, 1.5))],
    9,
    KafkaLag(Lag(6, 2.5), {"telemetry/0": 11}),
    RelayLag(Lag(2, 3.5), {"0": 5}),
)


class Bench:
    """A process with one loop, and what its look at database and cluster shows."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.shown: Observation | Exception = SEEN
        self.heartbeat = Heartbeat("relay", self.clock)
        self.watch = Watch(self.look, self.clock)
        self.operation = Operation([self.heartbeat], self.watch, relay_trouble)

    def look(self) -> Observation:
        if isinstance(self.shown, Exception):
            raise self.shown
        return self.shown

    def told(self, path: str) -> tuple[int, Any]:
        answer = self.operation.answer(path, "")
        assert answer is not None
        return answer.status, json.loads(answer.body)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_process_is_healthy_while_its_loop_comes_round(bench: Bench) -> None:
    assert bench.told("/health") == (200, {"status": "up"})
    bench.clock.at += SILENT_S_MAX + 1
    reason = "relay has not come round for 61 s, which is more than 60"
    assert bench.told("/health") == (503, {"status": "hangs", "reason": reason})
    bench.heartbeat.beat()
    assert bench.told("/health") == (200, {"status": "up"})


def test_a_process_whose_work_stands_still_is_not_ready(bench: Bench) -> None:
    bench.heartbeat.beat()
    bench.watch.once()
    trouble: list[str] = ["1 of 2 partitions are held back: no more can wait"]
    operation = Operation([bench.heartbeat], bench.watch, lambda _: trouble[0] if trouble else None)

    answer = operation.answer("/ready", "")
    assert answer is not None
    assert (answer.status, json.loads(answer.body)["reason"]) == (503, trouble.pop())
    answer = operation.answer("/ready", "")
    assert answer is not None
    assert answer.status == 200


def test_a_process_is_ready_when_its_loop_has_begun_and_everybody_answers(bench: Bench) -> None:
    def not_ready(reason: str) -> tuple[int, Any]:
        return 503, {"status": "not ready", "reason": reason}

    assert bench.told("/ready") == not_ready("nobody has looked at the database yet")
    bench.watch.once()
    assert bench.told("/ready") == not_ready("relay has not begun")
    bench.heartbeat.beat()
    assert bench.told("/ready") == (200, {"status": "ready"})

    bench.shown = StoreError("the read models do not answer")
    bench.watch.once()
    assert bench.told("/ready") == not_ready("the read models do not answer")
    bench.shown = SEEN._replace(kafka=None, kafka_problem="127.0.0.1:1: no Kafka answers there")
    bench.watch.once()
    assert bench.told("/ready") == not_ready("Kafka does not answer: 127.0.0.1:1: no Kafka answers there")
    bench.shown = SEEN
    bench.watch.once()
    assert bench.told("/ready")[0] == 200

    bench.clock.at += LOOK_AGE_S_MAX + 1
    assert bench.told("/ready") == not_ready("database and Kafka have not answered for 31 s")


def test_a_process_that_gets_nowhere_is_not_ready_though_everybody_answers(bench: Bench) -> None:
    bench.heartbeat.beat()
    for relay, reason in (
        (RelayLag(Lag(2, 99.0, 59.0), {"0": 5, "1": 3}), None),
        (
            RelayLag(Lag(2, 99.0, 61.0), {"0": 5, "1": 3}),
            "what comes after position 3 of the log has waited for 61 s to be published",
        ),
        (RelayLag(Lag(0, 0.0), {"0": 9, "1": 9}, "the topic is ahead of the log"), "the topic is ahead of the log"),
    ):
        bench.shown = SEEN._replace(relay=relay)
        bench.watch.once()
        found = (503, {"status": "not ready", "reason": reason}) if reason else (200, {"status": "ready"})
        assert bench.told("/ready") == found
        assert bench.told("/health")[0] == 200
        with bench.operation.observing():
            ahead = metrics(bench.operation)["fleettwin_relay_topic_ahead", ""]
        assert ahead == (relay.trouble is not None)


def test_a_look_that_fails_by_a_mistake_of_ours_is_told_and_not_the_last(bench: Bench) -> None:
    bench.heartbeat.beat()
    bench.shown = RuntimeError("surprise")
    bench.watch.once()
    assert bench.told("/ready")[0] == 503
    bench.shown = SEEN
    bench.watch.once()
    assert bench.told("/ready")[0] == 200


def metrics(operation: Operation, accept: str = "") -> dict[tuple[str, str], float]:
    answer = operation.answer("/metrics", accept)
    assert answer is not None
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def observed(found: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    return {key: value for key, value in found.items() if key[0].startswith(SHOWN)}


SHOWN: Final = (
    *("fleettwin_log", "fleettwin_observed", "fleettwin_parked", "fleettwin_set_aside_records", "fleettwin_kafka"),
    *("fleettwin_projection_position", "fleettwin_projection_lag", "fleettwin_telemetry", "fleettwin_relay_lag"),
    *("fleettwin_relay_published_position", "fleettwin_relay_topic_ahead"),
)


def test_the_metrics_show_what_was_seen_and_nothing_that_is_not_known_any_more(bench: Bench) -> None:
    with bench.operation.observing():
        bench.watch.once()
        assert observed(metrics(bench.operation)) == {
            ("fleettwin_observed_timestamp_seconds", ""): 5.0,
            ("fleettwin_log_position", ""): 7,
            ("fleettwin_projection_position", "media v1"): 3,
            ("fleettwin_projection_lag_events", "media v1"): 4,
            ("fleettwin_projection_lag_seconds", "media v1"): 1.5,
            ("fleettwin_parked_vehicles", "media v1"): 2,
            ("fleettwin_set_aside_records", ""): 9,
            ("fleettwin_kafka_answers", ""): 1,
            ("fleettwin_telemetry_consumed_position", "telemetry/0"): 11,
            ("fleettwin_telemetry_lag_records", ""): 6,
            ("fleettwin_telemetry_lag_seconds", ""): 2.5,
            ("fleettwin_relay_published_position", "0"): 5,
            ("fleettwin_relay_topic_ahead", ""): 0,
            ("fleettwin_relay_lag_events", ""): 2,
            ("fleettwin_relay_lag_seconds", ""): 3.5,
        }
        bench.shown = SEEN._replace(kafka=None, kafka_problem="down")
        bench.watch.once()
        left = observed(metrics(bench.operation))
        assert left["fleettwin_kafka_answers", ""] == 0
        assert left["fleettwin_log_position", ""] == 7
        assert not any(name.startswith("fleettwin_telemetry") for name, _ in left)
        assert left["fleettwin_relay_lag_seconds", ""] == 3.5  # else nobody would be told of what waits now

        bench.shown = bench.shown._replace(relay=None)
        bench.watch.once()
        left = observed(metrics(bench.operation))
        assert not any(name.startswith(("fleettwin_telemetry", "fleettwin_relay")) for name, _ in left)

        bench.clock.at += LOOK_AGE_S_MAX + 1
        assert observed(metrics(bench.operation)) == {}
    assert "fleettwin_ingest_records_total" in {name for name, _ in metrics(bench.operation)}


def test_openmetrics_is_given_to_whoever_asks_for_it(bench: Bench) -> None:
    answer = bench.operation.answer("/metrics", "application/openmetrics-text; version=1.0.0")
    assert answer is not None
    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith(b"# EOF\n")


# --- HTTP -------------------------------------------------------------------------------------------------------------


@contextmanager
def served(bench: Bench) -> Iterator[str]:
    with answering("127.0.0.1", 0, bench.operation.answer) as address:
        yield address


def test_the_answers_over_http(bench: Bench) -> None:
    with served(bench) as address:
        answer = httpx.get(f"{address}/health?verbose=1")
        assert (answer.status_code, answer.json()) == (200, {"status": "up"})
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert httpx.get(f"{address}/ready").status_code == 503
        assert httpx.get(f"{address}/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
        assert httpx.get(f"{address}/").status_code == 404
        head = httpx.head(f"{address}/health")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "16")
        assert httpx.post(f"{address}/health").status_code == 501


def test_more_requests_at_once_than_there_are_threads_are_closed_and_later_ones_answered() -> None:
    answered, waiting = threading.Event(), threading.Semaphore(0)

    def slowly(path: str, _: str) -> Answer | None:
        if path == "/slow":
            waiting.release()
            answered.wait(PATIENCE_S)
        return Answer(200, "text/plain", b"done")

    with answering("127.0.0.1", 0, slowly) as address:
        asking = [threading.Thread(target=httpx.get, args=(f"{address}/slow",)) for _ in range(REQUESTS_MAX)]
        for thread in asking:
            thread.start()
        for _ in asking:
            assert waiting.acquire(timeout=PATIENCE_S)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{address}/quick", timeout=PATIENCE_S)
        answered.set()
        for thread in asking:
            thread.join()
        assert httpx.get(f"{address}/quick", timeout=PATIENCE_S).text == "done"


def test_a_client_that_says_nothing_does_not_keep_the_server_from_ending(bench: Bench) -> None:
    with socket.socket() as silent:
        with served(bench) as address:
            silent.connect(("127.0.0.1", int(address.rpartition(":")[2])))
            assert httpx.get(f"{address}/health").status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/health")


def test_a_port_that_is_taken_and_a_host_that_is_none_are_bad_input(bench: Bench) -> None:
    with served(bench) as address:
        port = int(address.rpartition(":")[2])
        with (
            pytest.raises(
                BadInputError, match=rf"127\.0\.0\.1: port {port} cannot be bound \(Address already in use\)"
            ),
            answering("127.0.0.1", port, bench.operation.answer),
        ):
            pass
    with pytest.raises(BadInputError, match="cannot be bound"), answering("192.0.2.1", 0, bench.operation.answer):
        pass
    with answering("::1", 0, bench.operation.answer) as address:
        assert httpx.get(f"{address}/health").status_code == 200
