"""A browser for the tests of the console: Debian's Chromium, driven by playwright-core, which npm brings.

Each scenario is a function of a module in tests/console; it runs in a process of Node of its own. Where a machine lacks
something of it the tests are skipped, and fail if CI=true.
"""

import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn

from adapters.access import Access, Scope, TokenRefusedError
from adapters.console.app import AsgiApp, with_console
from adapters.graphql.app import NO_LIMITS, Live, build_app
from adapters.graphql.port import Doorkeeper, Operations, Twins
from adapters.graphql.tide import Wait, no_news
from tests.support.lacking import lacking
from tests.support.twins import CATALOGUE, CODEC, REGISTRY, Car, World

ROOT: Final = Path(__file__).parents[2]
SCENARIOS: Final = ROOT / "tests/console"
CACHE: Final = ROOT / "build/console-tests"
PACKAGES: Final = ("package.json", "package-lock.json")
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
INSTALL_TIMEOUT_S: Final = 300
SCENARIO_TIMEOUT_S: Final = 120
STARTS_WITHIN_S: Final = 30


class Browser:
    """Runs scenarios, one after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, scenario: str, base: str, **arguments: Any) -> Any:
        """Run a scenario, "module.function", against a server; return what it returns. It fails the test otherwise."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(
            json.dumps({"scenario": scenario, "base": base, "arguments": arguments}),
            file=self._process.stdin,
            flush=True,
        )
        watchdog = threading.Timer(SCENARIO_TIMEOUT_S, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            pytest.fail(f"{scenario}: the browser is gone, or took more than {SCENARIO_TIMEOUT_S} s", pytrace=False)
        answer = json.loads(line)
        if "failure" in answer:
            pytest.fail(f"{scenario}: {answer['failure'][-3000:]}", pytrace=False)
        return answer["result"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Give a browser."""
    with started_browser() as started:
        yield started


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Start a browser, and end it."""
    node, npm = shutil.which("node"), shutil.which("npm")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not (node and npm and program):
        lacking("no browser to test the console with: install Node 20 or later with npm, and Chromium, on the path")
    CACHE.mkdir(parents=True, exist_ok=True)
    content = b"".join((SCENARIOS / name).read_bytes() for name in PACKAGES)
    installed = CACHE / hashlib.sha256(content).hexdigest()[:12]
    with (CACHE / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists():
            _install(npm, installed)
    environment = os.environ | {"CONSOLE_TEST_MODULES": f"{installed}/", "CONSOLE_TEST_BROWSER": program}
    with subprocess.Popen(
        [node, str(SCENARIOS / "run.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        yield Browser(process)
        assert process.stdin is not None
        process.stdin.close()  # which ends it


def _install(npm: str, installed: Path) -> None:
    unfinished = installed.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name in PACKAGES:
        shutil.copy(SCENARIOS / name, unfinished)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        done = subprocess.run(
            command, cwd=unfinished, capture_output=True, check=False, timeout=INSTALL_TIMEOUT_S, text=True
        )
    except subprocess.TimeoutExpired as error:
        lacking(f"no browser to test the console with: npm does not end: {error}")
    if done.returncode != 0:
        lacking(f"no browser to test the console with: npm cannot install what drives it: {done.stderr[:300]}")
    unfinished.rename(installed)


@contextmanager
def console_of(
    twins: Twins, doorkeeper: Doorkeeper | None = None, operations: Operations | None = None
) -> Iterator[str]:
    """Serve twins with the console on a free port of this machine; give the address."""
    with served(console_app(twins, doorkeeper, operations)) as address:
        yield address


def console_app(
    twins: Twins,
    doorkeeper: Doorkeeper | None = None,
    operations: Operations | None = None,
    wait: Wait = no_news,
) -> AsgiApp:
    """Return a server of twins with the console; `wait`: for events."""
    limits = NO_LIMITS._replace(operations=operations, live=Live(wait))
    return with_console(build_app(twins, CATALOGUE, CODEC.decode, REGISTRY, doorkeeper=doorkeeper, limits=limits))


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[str]:
    """Serve an application on a port of this machine; give its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STARTS_WITHIN_S)
            assert not thread.is_alive()


@contextmanager
def changing(
    world: World, car: Car, change: Callable[[], object], doorkeeper: Doorkeeper | None = None
) -> Iterator[str]:
    """Serve a world in which a car tells something as soon as `/changed` is asked for."""

    def changed() -> None:
        change()
        world.write(car)

    with asked_at("/changed", changed, console_app(world.twins, doorkeeper, wait=world.log.wait)) as address:
        yield address


@contextmanager
def asked_at(path: str, change: Callable[[], object], console: AsgiApp) -> Iterator[str]:
    """Serve a console, beside which something changes as soon as a path is asked for."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == path:
            change()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await console(scope, receive, send)

    with served(app) as address:
        yield address


class Keeper:
    """Lets in who bears the name of a brand."""

    required = True

    def __init__(self, *scopes: Scope) -> None:
        self._scopes = frozenset(scopes)

    def remembered(self, _: str) -> Access | None:
        return None

    def verify(self, token: str) -> Access:
        if not token.startswith("token-of-"):
            raise TokenRefusedError("the token is not valid")
        return Access("console", "somebody", frozenset({token.removeprefix("token-of-")}), self._scopes, metered=False)
