"""Projections that several processes move, and versions that come and go meanwhile."""

import logging
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Self
from uuid import UUID

import pytest

from adapters import projecting
from adapters.clock import now
from adapters.heartbeat import SILENT_S_MAX, Heartbeat
from adapters.logged_folding import LoggedRunner
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.projecting import CONFLICTS_TOLD, Projecting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.errors import PositionConflictError, StoreError, VersionGoneError
from projections.digest import digest
from projections.projection import Projection
from tests.support.clocks import Clock
from tests.support.events import codec, example_events
from tests.support.read_side import kept_of, put_back


@pytest.mark.parametrize(("conflicts", "told"), [(CONFLICTS_TOLD - 1, 0), (2 * CONFLICTS_TOLD, 1)])
def test_that_others_do_the_same_work_all_the_time_is_said_once(
    conflicts: int, told: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    met, waited = [0], threading.Event()

    class Overtaken(LoggedRunner):
        def step(self, *_: int) -> int:
            met[0] += 1
            if met[0] <= conflicts:
                raise PositionConflictError("overtaken")
            return 0

    def wait(after_position: int, timeout_ms: int) -> int:
        waited.set()
        threading.Event().wait(timeout_ms / 100_000)
        return after_position

    monkeypatch.setattr("adapters.projecting.LoggedRunner", Overtaken)
    log = VehicleLog(MemoryEventLog(now), codec())
    following = Projecting(lambda: PROJECTIONS[:1], log, MemoryReadModels(), now)
    with caplog.at_level(logging.INFO):
        following.start(wait)
        assert waited.wait(60)
        following.stop()
    said = [each.getMessage() for each in caplog.records if each.name == "adapters.projecting"]
    assert [each.startswith("other processes fold into navigation v1, too,") for each in said] == [True] * told


FIRST, SECOND = PROJECTIONS[0], replace(PROJECTIONS[0], version=2)


class Followed:
    """Versions that a process follows; how often their loops come round can be waited for."""

    def __init__(self, *versions: Projection, looked_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(projecting, "LOOKED_S", looked_s)
        self.versions: Sequence[Projection] = versions
        self.hangs: str | None = None  # the thread that does
        self.hung = threading.Event()
        self.log, self.store, self.clock = VehicleLog(MemoryEventLog(now), codec()), MemoryReadModels(), Clock()
        self.heartbeat = Heartbeat(FIRST.name, self.clock)
        self.projecting = Projecting(self.followed, self.log, self.store, now)
        self._rounds: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(0))
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        self.projecting.start(self.wait, {FIRST.name: self.heartbeat})
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.projecting.stop()

    def followed(self) -> Sequence[Projection]:
        found = self.versions
        self._rounds["versions"].release()
        return found

    def wait(self, after_position: int, timeout_ms: int) -> int:
        name = threading.current_thread().name
        self._rounds[name].release()
        if name == self.hangs:
            self.hung.set()
            self._ending.wait()
        self._ending.wait(timeout_ms / 100_000)
        return after_position

    def come_round(self, name: str) -> None:
        """Wait until a loop that may be anywhere has gone through a whole round."""
        rounds = self._rounds[name]
        while rounds.acquire(blocking=False):
            pass
        for _ in range(3):
            assert rounds.acquire(timeout=60)

    def ended(self, projection: Projection) -> None:
        thread = self.projecting._threads[projection.id]
        thread.join(60)
        assert not thread.is_alive()


def test_the_version_that_is_shown_beats_when_the_former_one_is_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    with Followed(FIRST, SECOND, looked_s=0.01, monkeypatch=monkeypatch) as following:
        following.come_round(FIRST.id)
        following.versions = [SECOND, FIRST]  # it is switched
        following.come_round("versions")
        following.versions = [SECOND]  # and what was shown before is discarded
        following.store.discard(FIRST)
        following.ended(FIRST)
        following.come_round("versions")
        following.clock.at += SILENT_S_MAX + 1
        following.come_round(SECOND.id)
        assert following.heartbeat.complaint() is None


def test_a_version_that_is_shown_and_hangs_is_found_though_another_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with Followed(SECOND, FIRST, looked_s=0.01, monkeypatch=monkeypatch) as following:
        following.hangs = SECOND.id
        assert following.hung.wait(60)
        following.clock.at += SILENT_S_MAX + 1
        following.come_round(FIRST.id)
        assert following.heartbeat.complaint() is not None


def test_who_begins_while_the_database_is_away_follows_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    following = Followed(FIRST, looked_s=0.01, monkeypatch=monkeypatch)
    away = iter([True, True])

    def followed() -> Sequence[Projection]:
        if next(away, False):
            msg = "the versions of projections cannot be reached"
            raise StoreError(msg)
        return following.followed()

    following.projecting = replace(following.projecting, followed=followed)
    with following:
        following.log.append(example_events())
        following.come_round(FIRST.id)
    assert following.store.position(FIRST) == following.log.last_position()


def test_whoever_follows_a_version_that_is_discarded_ends_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "adapters.projecting")
    with Followed(FIRST, SECOND, looked_s=3_600, monkeypatch=monkeypatch) as following:
        following.log.append(example_events())
        following.come_round(FIRST.id)
        following.store.discard(FIRST)  # and it is not known yet that it is not to be followed
        following.log.append([replace(example_events()[0], originator_id=UUID(int=7))])
        following.ended(FIRST)
        following.come_round(SECOND.id)
        following.projecting.catch_up()
    assert following.projecting.retry() == 0
    assert following.projecting.take_up(FIRST.name, 1, UUID(int=7)) is None
    with pytest.raises(VersionGoneError):
        following.store.position(FIRST)
    said = [(each.levelname, each.getMessage(), each.__dict__["projection"]) for each in caplog.records]
    assert said == [("INFO", f"{FIRST.id} was discarded, and is not followed any more", FIRST.id)] * 2  # and `catch_up`
    assert following.store.position(SECOND) == following.log.last_position()


def test_what_the_database_has_lost_while_nothing_happened_is_folded_again() -> None:
    projection, rows, expected = PROJECTIONS[0], MemoryReadModels(), MemoryReadModels()
    log = VehicleLog(MemoryEventLog(now), codec())
    log.append(example_events())
    end = log.last_position()
    Projecting(lambda: [projection], log, expected, now).catch_up()
    before, lost, again = kept_of(rows), threading.Event(), threading.Event()

    def wait(after_position: int, timeout_ms: int) -> int:
        (again if lost.is_set() else lost).set()
        if not again.is_set():
            put_back(rows, before)
        threading.Event().wait(timeout_ms / 100_000)
        return after_position

    following = Projecting(lambda: [projection], log, rows, now)
    following.start(wait)
    assert again.wait(60)
    following.stop()
    assert rows.position(projection) == end
    assert digest(rows, projection) == digest(expected, projection)
