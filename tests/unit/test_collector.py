"""The collector of cyclic garbage: held by batches of any thread, never for long, and as before afterwards."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from adapters.collector import BATCH_EVENTS, EVENTS_MAX, WHOLE_EVERY, Collector, settle


class Node:
    """Something that can be in a cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def enabled() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_it_stands_still_until_the_last_holder_is_done() -> None:
    collector = Collector()

    with collector.held():
        with collector.held():
            assert not gc.isenabled()
        assert not gc.isenabled()

    assert gc.isenabled()


def test_a_batch_that_fails_lets_go() -> None:
    collector = Collector()

    with pytest.raises(ValueError, match="unfoldable"), collector.held():
        raise ValueError("unfoldable")

    assert gc.isenabled()


def test_who_has_turned_it_off_finds_it_off() -> None:
    gc.disable()

    with Collector().held():
        pass

    assert not gc.isenabled()


def test_cycles_are_collected_though_somebody_always_holds_it() -> None:
    collector = Collector()
    node = Node()
    gone = weakref.ref(node)

    with collector.held():
        del node
        for _ in range(EVENTS_MAX // BATCH_EVENTS - 1):
            with collector.held():
                pass
        assert gone() is not None
        with collector.held():
            pass
        assert gone() is None


def test_who_holds_it_for_long_tells_what_has_passed() -> None:
    collector = Collector()
    node = Node()
    gone = weakref.ref(node)

    with collector.held(0):
        del node
        collector.passed(EVENTS_MAX - 1)
        assert gone() is not None
        collector.passed(1)
        assert gone() is None
        assert not gc.isenabled()


def test_what_is_there_when_a_process_has_settled_is_not_walked_through_any_more() -> None:
    node = Node()
    try:
        settle()

        assert all(each is not node for each in gc.get_objects())
    finally:
        gc.unfreeze()
    assert any(each is node for each in gc.get_objects())


def test_what_has_grown_old_is_collected_now_and_then_only() -> None:
    collector = Collector()
    node = Node()
    gc.collect()  # it is of the oldest generation from here on
    gone = weakref.ref(node)

    with collector.held(0):
        del node
        for _ in range(WHOLE_EVERY - 1):
            collector.passed(EVENTS_MAX)
        assert gone() is not None
        collector.passed(EVENTS_MAX)
        assert gone() is None
