"""Results kept and made ahead: once each, never in the way of who waits, and within their bound."""

import threading
import time

import pytest

from core.errors import SpecError
from core.tails.memo import Prefetcher, SingleFlightCache


def test_a_result_is_made_once_whoever_asks() -> None:
    kept, made, begun = SingleFlightCache(10), [], threading.Event()

    def make() -> int:
        begun.set()
        time.sleep(0.2)
        made.append(1)
        return 7

    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(kept.get("a", make))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [7] * 5
    assert len(made) == 1


def test_the_longest_unused_go_when_they_cost_too_much() -> None:
    kept = SingleFlightCache(10)
    for name in "abc":
        kept.get(name, str, 4)
    assert [name in kept for name in "abc"] == [False, True, True]
    kept.get("b", str, 4)
    kept.get("d", str, 4)
    assert [name in kept for name in "bcd"] == [True, False, True]
    kept.get("huge", str, 99)
    assert [name in kept for name in ("b", "d", "huge")] == [False, False, True]


def test_of_a_failure_nothing_is_kept() -> None:
    kept = SingleFlightCache(10)

    def refuse() -> None:
        raise SpecError("no")

    for _ in range(2):
        with pytest.raises(SpecError, match="no"):
            kept.get("a", refuse)
    assert kept.get("a", lambda: 3) == 3


def test_what_nobody_waits_for_waits_for_those_who_do() -> None:
    kept, order, go = SingleFlightCache(10), [], threading.Event()

    def slow() -> None:
        go.wait(10)
        order.append("asked")

    asked = threading.Thread(target=lambda: kept.get("asked", slow))
    asked.start()
    while kept._waiting == 0:
        time.sleep(0.01)
    ahead = threading.Thread(
        target=lambda: kept.get("ahead", lambda: order.append("ahead"), ahead=True)
    )
    ahead.start()
    time.sleep(0.2)
    assert order == []
    go.set()
    asked.join(10)
    ahead.join(10)
    assert order == ["asked", "ahead"]


def test_who_asks_for_what_is_being_made_ahead_gets_that() -> None:
    kept, begun, go, made = SingleFlightCache(10), threading.Event(), threading.Event(), []

    def make() -> str:
        begun.set()
        go.wait(10)
        made.append(1)
        return "made"

    ahead = threading.Thread(target=lambda: kept.get("a", make, ahead=True))
    ahead.start()
    begun.wait(10)
    threading.Timer(0.1, go.set).start()
    assert kept.get("a", make) == "made"
    assert len(made) == 1
    ahead.join(10)


def test_new_tasks_take_the_place_of_the_owners_old_ones() -> None:
    ahead, begun, go, done = Prefetcher(), threading.Event(), threading.Event(), []

    def first() -> None:
        begun.set()
        go.wait(10)
        done.append("first")

    def refused() -> None:
        done.append("refused")
        raise SpecError("no")

    ahead.want("one", [first, lambda: done.append("old")])
    begun.wait(10)
    ahead.want("one", [refused, lambda: done.append("new")])
    ahead.want("two", [lambda: done.append("other")])
    go.set()
    ahead.join(10)
    assert done == ["first", "refused", "other", "new"]
    # The thread has ended, and begins again.
    ahead.want("one", [lambda: done.append("again")])
    ahead.join(10)
    assert done[-1] == "again"
