"""The proxy that faults are injected with: it passes every byte, until it is told not to."""

import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.tcp_proxy import BUFFER_BYTES, HOST, Link, TcpProxy

PATIENCE_S: Final = 20
MUCH: Final = random.Random(1).randbytes(40 * BUFFER_BYTES)  # more than all buffers on the way hold
NOT_FOR_S: Final = 0.3  # in which nothing may come; what is wrong comes within a millisecond


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(PATIENCE_S)
        yield listener


@pytest.fixture
def link(server: socket.socket) -> Iterator[Link]:
    with TcpProxy() as proxy:
        yield proxy.link(server.getsockname())


def connected(link: Link, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection through the proxy."""
    client = socket.create_connection((HOST, link.port), timeout=PATIENCE_S)
    behind, _ = server.accept()
    behind.settimeout(PATIENCE_S)
    return client, behind


def all_of(source: socket.socket, length: int) -> bytes:
    found = bytearray()
    while len(found) < length and (more := source.recv(BUFFER_BYTES)):
        found += more
    return bytes(found)


def nothing_comes(source: socket.socket) -> bool:
    source.settimeout(NOT_FOR_S)
    try:
        source.recv(1)
    except TimeoutError:
        return True
    finally:
        source.settimeout(PATIENCE_S)
    return False


def test_bytes_pass_in_both_directions_and_a_reply_may_be_larger_than_the_buffer(
    link: Link, server: socket.socket
) -> None:
    client, behind = connected(link, server)
    with client, behind:
        client.sendall(b"question")
        assert all_of(behind, 8) == b"question"
        sender = threading.Thread(target=behind.sendall, args=(MUCH,))
        sender.start()
        assert all_of(client, len(MUCH)) == MUCH
        sender.join()
        assert link.connections == 1


def sent_until_it_waits(client: socket.socket) -> int:
    """Send without end; return after how many bytes nobody took more."""
    client.settimeout(NOT_FOR_S)
    sent = 0
    while sent < 100 * len(MUCH):
        try:
            sent += client.send(MUCH)
        except TimeoutError:
            break
    return sent


def test_who_sends_faster_than_the_other_reads_has_to_wait(link: Link, server: socket.socket) -> None:
    client, behind = connected(link, server)
    with client, behind:
        assert 0 < sent_until_it_waits(client) < 100 * len(MUCH)


def test_one_direction_may_end_before_the_other(link: Link, server: socket.socket) -> None:
    client, behind = connected(link, server)
    with client, behind:
        client.sendall(b"last")
        client.shutdown(socket.SHUT_WR)
        assert all_of(behind, 5) == b"last"  # and then the end
        sender = threading.Thread(target=behind.sendall, args=(MUCH,))
        sender.start()
        assert all_of(client, len(MUCH)) == MUCH
        sender.join()
        behind.close()
        assert client.recv(1) == b""


def test_cut_resets_both_sides_and_the_next_connection_is_good(link: Link, server: socket.socket) -> None:
    client, behind = connected(link, server)
    with client, behind:
        client.sendall(b"x")
        assert all_of(behind, 1) == b"x"
        assert link.cut() == 1
        for side in (client, behind):
            with pytest.raises(ConnectionResetError):
                side.recv(1)
    client, behind = connected(link, server)
    with client, behind:
        behind.sendall(b"y")
        assert all_of(client, 1) == b"y"


def test_stalled_no_byte_passes_and_afterwards_every_one(link: Link, server: socket.socket) -> None:
    client, behind = connected(link, server)
    with client, behind:
        link.stall()
        link.stall()
        client.sendall(b"to")
        behind.sendall(b"back")
        assert nothing_comes(behind)
        link.flow()
        assert nothing_comes(client)
        link.flow()
        assert (all_of(behind, 2), all_of(client, 4)) == (b"to", b"back")


def test_stalled_a_new_connection_waits_and_one_that_waits_can_be_cut(link: Link, server: socket.socket) -> None:
    link.stall()
    with socket.create_connection((HOST, link.port), timeout=PATIENCE_S) as client:
        client.sendall(b"first")
        server.settimeout(NOT_FOR_S)
        with pytest.raises(TimeoutError):
            server.accept()
        server.settimeout(PATIENCE_S)
        link.flow()
        behind, _ = server.accept()
        with behind:
            behind.settimeout(PATIENCE_S)
            assert all_of(behind, 5) == b"first"
            link.stall()
            assert link.cut() == 1
            with pytest.raises(ConnectionResetError):
                client.recv(1)


def test_a_question_arrives_and_its_answer_is_swallowed(link: Link, server: socket.socket) -> None:
    client, behind = connected(link, server)
    with client, behind:
        assert link.swallow() == 1
        client.sendall(b"commit")
        assert all_of(behind, 6) == b"commit"
        behind.sendall(b"done")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    client, behind = connected(link, server)
    with client, behind:
        behind.sendall(b"done")
        assert all_of(client, 4) == b"done"


def test_a_trap_springs_at_one_answer_and_holds_it_back(link: Link, server: socket.socket) -> None:
    client, behind = connected(link, server)
    with client, behind:
        sprung = link.trap(2)
        behind.sendall(b"1")
        assert all_of(client, 1) == b"1"
        client.sendall(b"question")
        assert all_of(behind, 8) == b"question"
        assert not sprung.is_set()
        behind.sendall(b"2")
        assert sprung.wait(PATIENCE_S)
        assert nothing_comes(client)
        link.disarm()
        behind.sendall(b"3")
        assert all_of(client, 2) == b"23"
        link.trap(1)
        link.disarm()
        behind.sendall(b"4")
        assert all_of(client, 1) == b"4"


def test_a_server_that_is_not_there_is_a_connection_that_is_reset(server: socket.socket) -> None:
    with TcpProxy() as proxy:
        link = proxy.link(server.getsockname())
        server.close()
        with pytest.raises(ConnectionResetError), socket.create_connection((HOST, link.port), PATIENCE_S) as client:
            client.recv(1)


def test_a_server_may_listen_on_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with TcpProxy() as proxy, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        link = proxy.link(path)
        with socket.create_connection((HOST, link.port), timeout=PATIENCE_S) as client:
            client.sendall(b"x")
            behind, _ = listener.accept()
            with behind:
                assert behind.recv(1) == b"x"
