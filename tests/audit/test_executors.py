"""Worker processes: killed, broken, poisoned; what they had in hand is done all the same."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from cache import MemoryStore
from core.audit.driver import Audit
from core.audit.leases import Leases
from core.audit.results import in_table_order, table
from core.errors import TailscopeError
from core.executors import processes
from core.executors.processes import ProcessExecutor
from core.executors.serial import SerialExecutor
from core.executors.worker import DrawRows, GetFingerprint, JudgeRows
from tests.audit.audits import (
    assert_same_table,
    run_audit,
    small_spec,
    some_queries,
    without_times,
)


@pytest.fixture
def executor() -> Iterator[ProcessExecutor]:
    one = ProcessExecutor(2)
    yield one
    one.close()


def pids(executor: ProcessExecutor) -> list[int]:
    return list(executor._pool._processes or {})


@pytest.mark.study
def test_workers_that_are_killed_cost_nothing_but_time(executor: ProcessExecutor) -> None:
    spec, queries, store = small_spec(), some_queries(5), MemoryStore()
    rows, killed = [], 0
    with Leases(store) as leases:
        audit = Audit(spec, queries, executor, store, leases)
        for event in audit.run():
            rows += event.partial.rows
            if killed < 2 and event.partial.drawn > 400 * killed and pids(executor):
                os.kill(pids(executor)[-1], signal.SIGKILL)
                killed += 1
    assert killed == 2
    assert event.partial.drawn == 5 * 301
    found = without_times(table(in_table_order(rows, spec, queries)))
    assert_same_table(found, run_audit(spec, queries, SerialExecutor()).table)
    before = pids(executor)
    executor.close()
    until = time.monotonic() + 20
    while any(_runs(pid) for pid in before) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(_runs(pid) for pid in before)


@pytest.mark.slow
def test_a_task_that_kills_its_worker_does_not_kill_for_ever(
    executor: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MAX_DEATHS", 2)
    executor.submit("poison", Poison())
    found = []
    while not found:
        found += executor.collect(1.0)
    assert [(done.name, done.outcome) for done in found] == [("poison", None)]
    assert found[0].error == "2 workers died over this"
    (answer,) = executor.everywhere(
        GetFingerprint(small_spec().request(small_spec().models[0], "a"))
    )
    assert isinstance(answer, str), "it goes on with other tasks"


@pytest.mark.slow
def test_workers_that_always_die_are_given_up(
    executor: ProcessExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MAX_BREAKS", 1)
    with pytest.raises(TailscopeError, match=r"died 2 times in a row.*use fewer workers"):
        executor.everywhere(Poison())


@pytest.mark.slow
def test_an_unexpected_error_is_a_row_and_no_end(executor: ProcessExecutor) -> None:
    for one in (executor, SerialExecutor()):
        one.submit("bad", JudgeRows(None, None, None))  # type: ignore[arg-type]
        found = []
        while not found:
            found += one.collect(1.0)
        assert found[0].error.startswith("a worker stopped on an unexpected error: AttributeError")


class Poison(DrawRows):
    """A task that its worker does not survive."""

    def __init__(self) -> None:
        pass

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (1,)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
