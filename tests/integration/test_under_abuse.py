"""A real server under load and abuse: slow clients, clients that go, a database that goes, an end while it answers."""

import json
import re
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from adapters.http_connections import HEAD_S
from adapters.postgres.server import EmbeddedServer
from tests.support.command_line import CommandLine, serving
from tests.support.locks import standing_still, waiting
from tests.support.running import running
from tests.support.small_drives import petrol_drive

VIN: Final = "WVWZZZE1ZTP000042"
PATIENCE_S: Final = 120
SLOW_CLIENTS: Final = 200
SAMPLES: Final = 40
SLOWER_MAX: Final = 8  # times as slow as without slow clients; the machine has other things to do, too
LIKE_SQL: Final = re.compile(
    r"Traceback|File \"|psycopg|SELECT|FROM |directory|statement_timeout|SQLSTATE", re.IGNORECASE
)
ASKED: Final = {
    "query": f'{{ vehicle(vin: "{VIN}") {{ vin navigation {{ speed {{ value }} }} }} status {{ logPosition }} }}'
}
COMPILED: Final = {
    "query": f'{{ vehicle(vin: "{VIN}") {{ vin navigation {{ speed {{ value }} }} }} }}'
}  # if asked often
EITHER_WAY: Final = pytest.mark.parametrize("asked", [ASKED, COMPILED], ids=["ordinary", "compiled"])
MUCH: Final = {"query": "{ __schema { types { " + " ".join(f"a{n}: description" for n in range(40)) + " } } }"}


@pytest.fixture
def driven(fleettwin: CommandLine, tmp_path: Path) -> CommandLine:
    """Give a command line that knows a car."""
    return ingested(fleettwin, tmp_path)


def ingested(fleettwin: CommandLine, folder: Path) -> CommandLine:
    path = folder / "drive.log"
    path.write_text(petrol_drive())
    fleettwin.ingest(path, "--vin", VIN, "--brand", "Audi", "--map", "obd2")
    return fleettwin


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def request_bytes(asked: Any) -> tuple[bytes, bytes]:
    """Return head and body of a request."""
    body = json.dumps(asked).encode()
    head = f"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n", body


def connected(address: str, receive_bytes: int = 0) -> socket.socket:
    """Return a connection, of which the kernel keeps so many bytes for its reader; 0: as many as usual."""
    parts = urlsplit(address)
    client = socket.socket()
    try:
        if receive_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.settimeout(PATIENCE_S)
        client.connect((parts.hostname, parts.port))
    except OSError:
        client.close()
        raise
    return client


def rest_of(client: socket.socket) -> bytes:
    """Return what a connection still gives, to its end."""
    found = bytearray()
    try:
        while part := client.recv(65_536):
            found += part
    except ConnectionError:
        pass
    return bytes(found)


def times_s(client: httpx.Client, address: str) -> list[float]:
    found = []
    for _ in range(SAMPLES):
        begun = time.perf_counter()
        response = client.post(address, json=ASKED)
        found.append(time.perf_counter() - begun)
        assert (response.status_code, response.json()["data"]["vehicle"]["vin"]) == (200, VIN)
    return found


@pytest.mark.slow
def test_slow_clients_do_not_slow_others_and_are_cut_off(driven: CommandLine) -> None:
    head, body = request_bytes(ASKED)
    whole = b"".join(request_bytes(MUCH))
    with serving(driven) as (_, address), httpx.Client(timeout=PATIENCE_S) as client, ExitStack() as opened:
        alone = times_s(client, address)
        heads: list[socket.socket] = []
        bodies: list[socket.socket] = []
        readers: list[socket.socket] = []
        for number in range(SLOW_CLIENTS):
            kind = (heads, bodies, readers)[number % 3]
            slow = opened.enter_context(connected(address, receive_bytes=4_096))
            slow.sendall((head[:30], head + body[:10], whole)[number % 3])
            kind.append(slow)
        begun = time.monotonic()
        among = times_s(client, address)
        assert time.monotonic() - begun < HEAD_S  # they were all there
        for slow in heads:
            assert rest_of(slow) == b""
        for slow in bodies:
            assert rest_of(slow).startswith(b"HTTP/1.1 408 ")
        for slow in readers:  # who takes its time, but takes it
            assert slow.recv(20).startswith(b"HTTP/1.1 200 ")
        after = times_s(client, address)
    assert statistics.median(among) < SLOWER_MAX * statistics.median(alone)
    assert statistics.median(after) < SLOWER_MAX * statistics.median(alone)


@pytest.mark.slow
def test_the_times_of_a_server_as_it_is_started_are_in_force(driven: CommandLine) -> None:
    """A request ends, and so does a connection on which there is none."""
    database = driven.database
    assert database is not None
    with serving(driven) as (_, address), connected(address) as idle, ThreadPoolExecutor() as threads:
        idle.sendall(b"".join(request_bytes({"query": "{ __typename }"})))
        assert idle.recv(20).startswith(b"HTTP/1.1 200 ")
        left = threads.submit(rest_of, idle)
        ask_often(address, COMPILED)
        with standing_still(database):
            answers = [threads.submit(httpx.post, address, json=each, timeout=PATIENCE_S) for each in (ASKED, COMPILED)]
            for each in answers:
                (error,) = each.result().json()["errors"]
                assert (each.result().status_code, error["extensions"]["code"]) == (503, "TIMEOUT")
        assert left.result(PATIENCE_S).endswith(b'{"data":{"__typename":"Query"}}')


def ask_often(address: str, asked: Any) -> None:
    """Ask until it is compiled, if it is."""
    for _ in range(3):
        assert httpx.post(address, json=asked, timeout=PATIENCE_S).json()["data"]["vehicle"]["vin"] == VIN


@EITHER_WAY
def test_a_client_that_goes_takes_its_statement_with_it_and_no_other(driven: CommandLine, asked: Any) -> None:
    database = driven.database
    assert database is not None
    with serving(driven) as (_, address), connected(address) as stays:
        ask_often(address, asked)
        with standing_still(database):
            stays.sendall(b"".join(request_bytes(asked)))
            until(lambda: waiting(database) == 1)
            with connected(address) as goes:
                goes.sendall(b"".join(request_bytes(asked)))
                until(lambda: waiting(database) == 2)
            until(lambda: waiting(database) == 1)
        assert stays.recv(20).startswith(b"HTTP/1.1 200 ")


@EITHER_WAY
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_ends_finishes_what_it_answers(driven: CommandLine, number: signal.Signals, asked: Any) -> None:
    database = driven.database
    assert database is not None
    with serving(driven) as (process, address), ThreadPoolExecutor() as threads:
        ask_often(address, asked)
        with standing_still(database):
            answers = [threads.submit(httpx.post, address, json=asked, timeout=PATIENCE_S) for _ in range(4)]
            until(lambda: waiting(database) == len(answers))
            process.send_signal(number)
            until(lambda: refuses(address))
        for answer in answers:
            assert answer.result().json()["data"]["vehicle"]["vin"] == VIN
        _, complaint = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in complaint
    assert process.returncode in (0, -number, 128 + number)


def refuses(address: str) -> bool:
    try:
        connected(address).close()
    except OSError:
        return True
    return False


@EITHER_WAY
@pytest.mark.slow
def test_a_database_that_restarts_under_load_is_told_of_and_then_all_is_well(tmp_path: Path, asked: Any) -> None:
    """No answer is lost, wrong, or tells of our inside; the server is the same process all the time."""
    with EmbeddedServer(tmp_path / "own") as database:
        fleettwin = ingested(CommandLine(tmp_path / "home", database.conninfo()), tmp_path)
        answers: list[httpx.Response] = []
        lock = threading.Lock()

        def load(stopping: threading.Event) -> None:
            with httpx.Client(timeout=PATIENCE_S) as client:
                while not stopping.is_set():
                    response = client.post(address, json=asked)
                    with lock:
                        answers.append(response)

        def newest(count: int) -> list[httpx.Response]:
            with lock:
                return answers[-count:]

        def good(count: int = 20) -> bool:
            found = newest(count)
            return len(found) == count and all(each.status_code == 200 for each in found)

        with serving(fleettwin) as (process, address), ExitStack() as loads:
            log = process.stderr
            assert log is not None
            loads.enter_context(running(lambda _: [None for _ in log]))  # a full pipe would hold the server up
            loads.callback(process.kill)
            for _ in range(4):
                loads.enter_context(running(load))
            until(good)
            database.stop()
            until(lambda: all(each.status_code == 503 for each in newest(8)))
            database.start()
            until(good)
            assert process.poll() is None
    for each in answers:
        assert_is_told(each)


def assert_is_told(response: httpx.Response) -> None:
    assert not LIKE_SQL.search(response.text), response.text
    if response.status_code == 200:
        assert response.json()["data"]["vehicle"]["vin"] == VIN
    else:
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert {each["extensions"]["code"] for each in response.json()["errors"]} == {"SERVICE_UNAVAILABLE"}
