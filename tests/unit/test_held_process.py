"""A process that outlives its starter is found again, stopped, frozen and killed; one that has gone is not mistaken."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.kafka.held_process import HeldProcess, stop_all
from adapters.kafka.keeper import OWNERS_LOCK, STOP_TIMEOUT_S, main

WAIT_S = 30
STUBBORN = ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]
Starter = Callable[[str, list[str]], HeldProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Give what starts a command as a process of that name; all are killed in the end."""
    started = []

    def run(name: str, command: list[str]) -> HeldProcess:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        process = HeldProcess(folder / "pid")
        process.start(command, folder / "output", os.environ)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()


def test_a_process_runs_from_its_start_to_its_end(start: Starter, tmp_path: Path) -> None:
    assert not HeldProcess(tmp_path / "one" / "pid").running
    process = start("one", ["sleep", "600"])
    found = HeldProcess(tmp_path / "one" / "pid")
    assert (process.running, found.running, found.pid) == (True, True, process.pid)
    process.kill()
    assert (process.running, found.running) == (False, False)
    assert start("one", ["sleep", "600"]).running, "the same name may be used again"


def test_a_process_outlives_the_one_that_started_it(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from adapters.kafka.held_process import HeldProcess
HeldProcess(Path(sys.argv[1])).start(["sleep", "600"], Path(sys.argv[2]), os.environ)
"""
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "pid"), str(tmp_path / "output")], check=True, env=environment
    )
    process = HeldProcess(tmp_path / "pid")
    assert process.running
    process.kill()
    assert not process.running


def test_the_pid_of_one_that_has_gone_is_never_signalled(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        (tmp_path / "pid").write_text(str(other.pid))
        process = HeldProcess(tmp_path / "pid")
        assert not process.running
        stop_all([process], 0)
        process.kill()
        assert other.poll() is None
        other.kill()


def test_a_frozen_process_runs_and_hears_that_it_shall_stop(start: Starter) -> None:
    process = start("one", ["sleep", "600"])
    process.signal(signal.SIGSTOP)
    assert process.running
    stop_all([process], WAIT_S)
    assert not process.running


def test_one_that_does_not_listen_is_killed(start: Starter, tmp_path: Path) -> None:
    process = start("one", STUBBORN)
    output, deadline = tmp_path / "one/output", time.monotonic() + WAIT_S
    while not output.exists() or output.read_text() != "deaf\n":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stop_all([process], 0.2)
    assert not process.running


def test_what_a_process_says_is_kept(start: Starter, tmp_path: Path) -> None:
    process = start("one", ["sh", "-c", "echo said; echo complained >&2"])
    assert process.wait(time.monotonic() + WAIT_S)
    assert (tmp_path / "one/output").read_text() == "said\ncomplained\n"


def test_the_keeper_stops_brokers_that_nobody_uses(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brokers = [start(f"broker-{number}", ["sleep", "600"]) for number in (1, 2)]
    (tmp_path / OWNERS_LOCK).touch()
    monkeypatch.setattr(sys, "argv", ["keeper", str(tmp_path)])
    monkeypatch.setattr(os, "closerange", lambda *_: None)  # this process goes on
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    began = time.monotonic()
    main()
    assert [broker.running for broker in brokers] == [False, False]
    assert time.monotonic() - began < STOP_TIMEOUT_S
