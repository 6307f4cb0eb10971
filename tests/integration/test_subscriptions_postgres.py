"""Subscriptions over PostgreSQL and real connections: nothing lost, nothing twice, whoever writes and however often a
reader comes back.
"""

import itertools
import json
import random
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection, connect

from adapters.access import Access, Scope
from adapters.graphql.app import NO_LIMITS, AsgiApp, Live, build_app
from adapters.graphql.ids import cursor_of
from adapters.graphql.socket import TIMES, SocketTimes
from adapters.graphql.streams import Patience
from adapters.graphql.subscription import LOG
from adapters.postgres.event_store import PostgresEventLog
from tests.support.command_line import CommandLine, serving
from tests.support.databases import database, fresh_database, new_database, server
from tests.support.served import Porter, served
from tests.support.small_drives import petrol_drive
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, SECOND, T0, Car, World, full_car, postgres_world

__all__ = ["database", "fresh_database", "server"]

PATIENCE_S: Final = 120
BRANDS: Final = ("Audi", "Skoda")
WRITERS: Final = 3  # of each brand
QUERY: Final = "subscription ($after: String) { events(after: $after) { cursor node { position vehicleId data } } }"


def accesses() -> dict[str, Access]:
    return {brand: Access(brand, brand, frozenset({brand}), frozenset(Scope)) for brand in BRANDS}


def app_of(world: World, times: SocketTimes = TIMES) -> AsgiApp:
    limits = NO_LIMITS._replace(live=Live(world.log.wait, times))
    doorkeeper = Porter(accesses())
    return build_app(world.twins, CATALOGUE, CODEC.decode, REGISTRY, doorkeeper=doorkeeper, limits=limits, hosts=None)


@contextmanager
def socket_of(port: int, brand: str) -> Iterator[ClientConnection]:
    """Give a WebSocket of a brand, on which operations can begin."""
    with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=["graphql-transport-ws"]) as connection:  # type: ignore[list-item]
        connection.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {brand}"}}))
        assert json.loads(connection.recv(PATIENCE_S)) == {"type": "connection_ack"}
        yield connection


def over_socket(port: int, brand: str, after: str | None, count: int) -> list[Any]:
    """Return the next events of a brand, as many as asked for, over a WebSocket that is then dropped."""
    with socket_of(port, brand) as connection:
        payload = {"query": QUERY, "variables": {"after": after}}
        connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        return [json.loads(connection.recv(PATIENCE_S))["payload"]["data"]["events"] for _ in range(count)]


def over_events(port: int, brand: str, after: str | None, count: int) -> list[Any]:
    """Return the next events of a brand, as many as asked for, of a response that is then dropped."""
    found: list[Any] = []
    headers = {"accept": "text/event-stream", "authorization": f"Bearer {brand}"}
    body = {"query": QUERY, "variables": {"after": after}}
    address = f"http://127.0.0.1:{port}/graphql"
    with httpx.stream("POST", address, json=body, headers=headers, timeout=PATIENCE_S) as response:
        for line in response.iter_lines():
            if len(found) == count:
                break
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: "))["data"]["events"])
    return found


def write(conninfo: str, car: Car, written: int, seed: int, count: int, begin: threading.Barrier) -> None:
    """Append what a car tells after the version that is `written`, in pieces, beside others who do the same."""
    dice = random.Random(seed)
    with closing(PostgresEventLog.open(conninfo)) as log:
        begin.wait(PATIENCE_S)
        while count:
            for _ in range(min(count, dice.randint(1, 5))):
                car.play(T0 + 100 * 3600 * SECOND + count, f"piece {count}")
                count -= 1
            events, entries = car.after(written)
            log.append(events, (), entries)
            written = len(car.events)


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), of_each=st.integers(1, 40))
def test_with_concurrent_writers_and_readers_that_come_back_each_brand_has_its_part_of_the_log(
    server: Any, seed: int, of_each: int
) -> None:
    dice = random.Random(seed)
    cars = [full_car(number, brand=BRANDS[number % 2]) for number in range(1, 2 * WRITERS + 1)]
    with new_database(server) as conninfo, postgres_world(conninfo, *cars[:2]) as world, served(app_of(world)) as port:
        begin = threading.Barrier(len(cars) + len(BRANDS))
        found: dict[str, list[Any]] = {brand: [] for brand in BRANDS}

        def read(brand: str, steps: list[tuple[bool, int]]) -> None:
            wanted = sum(len(car.events) + of_each for car in cars if car.entry.brand == brand)
            begin.wait(PATIENCE_S)
            while len(found[brand]) < wanted:
                over, count = steps[len(found[brand]) % len(steps)]
                after = found[brand][-1]["cursor"] if found[brand] else None
                take = over_socket if over else over_events
                found[brand] += take(port, brand, after, min(count, wanted - len(found[brand])))

        totals = {car.vin: len(car.events) for car in cars}
        assert all(totals.values())
        threads = [
            threading.Thread(
                target=write,
                args=(conninfo, car, len(car.events) * (car in cars[:2]), dice.randrange(2**32), of_each, begin),
            )
            for car in cars
        ]
        for brand in BRANDS:
            steps = [(dice.random() < 0.5, dice.choice([1, 20, 60, 200])) for _ in range(7)]
            threads.append(threading.Thread(target=read, args=(brand, steps)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        records = world.log.read(0, 100_000)
        for brand in BRANDS:
            own = {car.id for car in cars if car.entry.brand == brand}
            expected = [each.position for each in records if each.originator_id in own]
            assert [each["node"]["position"] for each in found[brand]] == expected
            assert all(each["node"]["data"] is not None for each in found[brand])
        assert len(records) == sum(len(each) for each in found.values())


def test_a_reader_that_reads_nothing_is_cut_off_and_slows_nobody(fresh_database: str) -> None:
    cars = [full_car(number, brand="Audi") for number in range(1, 60)]
    patience = SocketTimes(patience=Patience(stalled_s=1.0, cut_s=1.0))
    with postgres_world(fresh_database, *cars) as world, served(app_of(world, patience), 8_192) as port:
        body = json.dumps({"query": QUERY}).encode()
        head = (
            "POST /graphql HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nauthorization: Bearer Audi\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            stuck.connect(("127.0.0.1", port))
            stuck.sendall(head.encode() + body)
            count = world.log.last_position()
            # Others go on until it is given up: whoever reads again before that could do so for good.
            given_up_at = time.monotonic() + 2 * patience.patience.stalled_s
            for take in itertools.cycle((over_socket, over_events)):
                found = take(port, "Audi", None, count)
                assert [each["node"]["position"] for each in found] == list(range(1, count + 1))
                if take is over_events and time.monotonic() > given_up_at:
                    break
            stuck.settimeout(PATIENCE_S)
            stuck.recv(1)
            received = b""
            while part := stuck.recv(1_000_000):
                received += part
            positions = [int(each.split(b",")[0]) for each in received.split(b'"position":')[1:]]
            assert positions == list(range(1, len(positions) + 1))  # what did come is without a gap
            assert len(positions) < count or b"READER_TOO_SLOW" in received


@pytest.mark.parametrize("cars", [1, 60])  # all that is told goes into the buffers between, or it does not
def test_a_reader_of_a_socket_that_answers_no_ping_is_told_where_to_go_on(fresh_database: str, cars: int) -> None:
    patience = SocketTimes(patience=Patience(stalled_s=0.5, cut_s=PATIENCE_S))
    pings = {"ws_ping_interval": 0.2, "ws_ping_timeout": 0.2, "ws_per_message_deflate": False}
    fleet = [full_car(number, brand="Audi") for number in range(1, cars + 1)]
    with (
        postgres_world(fresh_database, *fleet) as world,
        served(app_of(world, patience), 8_192, **pings) as port,
        socket.socket() as stuck,
    ):
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stuck.settimeout(PATIENCE_S)
        stuck.connect(("127.0.0.1", port))
        stuck.sendall(
            b"GET /graphql HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"sec-websocket-protocol: graphql-transport-ws\r\nauthorization: Bearer Audi\r\n\r\n"
        )
        assert stuck.recv(12) == b"HTTP/1.1 101"
        for message in (
            {"type": "connection_init"},
            {"type": "subscribe", "id": "1", "payload": {"query": QUERY}},
        ):
            text = json.dumps(message).encode()
            stuck.sendall(
                b"\x81" + bytes([0x80 | len(text)] if len(text) < 126 else [0xFE, 0, len(text)]) + bytes(4) + text
            )
        time.sleep(2.0)  # what is tested: longer than a reader may take nothing, and than pings may be unanswered
        received = b""
        while part := stuck.recv(1_000_000):
            received += part
        positions = [int(each.split(b",")[0]) for each in received.split(b'"position":')[1:]]
        assert positions == list(range(1, len(positions) + 1))
        (error,) = re.findall(rb'"code":"READER_TOO_SLOW".*?"cursor":"([^"]+)"', received)
        assert error.decode() == cursor_of(LOG, positions[-1])
        assert received.endswith(struct.pack("!H", 1013) + b"no ping was answered in time")


def test_a_server_that_is_stopped_tells_its_readers_where_to_go_on(fleettwin: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "drive.log"
    path.write_text(petrol_drive())
    fleettwin.ingest(path, "--vin", "WVWZZZE1ZTP000042", "--brand", "Audi", "--map", "obd2")
    headers = {"accept": "text/event-stream"}
    with serving(fleettwin) as (process, address):
        end = httpx.post(address, json={"query": "{ status { logPosition cursor } }"}).json()["data"]["status"]
        over_ws = connect(address.replace("http", "ws"), subprotocols=["graphql-transport-ws"])  # type: ignore[list-item]
        streaming = httpx.stream("POST", address, json={"query": QUERY}, headers=headers, timeout=PATIENCE_S)
        with over_ws as connection, streaming as response:
            connection.send(json.dumps({"type": "connection_init"}))
            connection.recv(PATIENCE_S)
            connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": QUERY}}))
            for _ in range(end["logPosition"]):
                connection.recv(PATIENCE_S)
            data, stopped = [], False
            for line in response.iter_lines():
                data += [json.loads(line.removeprefix("data: "))] if line.startswith("data: ") else []
                if len(data) == end["logPosition"] and not stopped:
                    process.send_signal(signal.SIGINT)
                    stopped = True
            (error,) = data[-1]["errors"]
            assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
            assert error["extensions"]["cursor"] == end["cursor"]
            with pytest.raises(Exception, match="1012"):
                connection.recv(PATIENCE_S)
            assert connection.close_code == 1012
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0


@pytest.mark.parametrize("size", [100, 300_000])
def test_a_message_that_is_too_large_closes_the_socket(fleettwin: CommandLine, size: int) -> None:
    with (
        serving(fleettwin) as (_, address),
        connect(address.replace("http", "ws"), subprotocols=["graphql-transport-ws"]) as connection,  # type: ignore[list-item]
    ):
        connection.send(json.dumps({"type": "ping", "payload": {"x": "x" * size}}))
        if size < 1_000:
            assert json.loads(connection.recv(PATIENCE_S)) == {"type": "pong"}
        else:
            with pytest.raises(Exception, match="1009"):
                connection.recv(PATIENCE_S)
