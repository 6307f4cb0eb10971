"""What is said of projections that several processes move."""

import logging
import threading

import pytest

from adapters.clock import now
from adapters.logged_folding import LoggedRunner
from adapters.memory.event_store import MemoryEventLog
from adapters.memory.read_models import MemoryReadModels
from adapters.projecting import CONFLICTS_TOLD, Projecting
from adapters.twins import PROJECTIONS
from adapters.vehicle_log import VehicleLog
from domain.errors import PositionConflictError
from projections.digest import digest
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
