"""What a worker has in hand: told while it is done, ended by a cancel, and not lost when it is killed."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import core.search.cross_entropy as cross_entropy
from cache import MemoryStore, open_store
from core.audit.progress import AuditStep, audit_progress
from core.audit.spec import AuditModel, AuditSpec
from core.executors.serial import SerialExecutor
from core.executors.worker import GetFingerprint, Prepare, Worker
from core.proposals import SteerSpec
from core.runs.defaults import known_for, remember_default
from core.runs.request import EstimateRequest
from core.search.surface import Surface
from core.spec import GenerationSpec
from core.tasks import Cancellation, CancelledError, cancelled_by, check_cancelled

REQUEST = EstimateRequest(query="a question", method="mis")
TASK = GetFingerprint(REQUEST)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes a worker's task take for ever, half done from the start; says when it has ended."""
    ended: list[str] = []

    def do(self: Worker, task: object) -> str:
        self._told(0.5)
        try:
            while True:
                check_cancelled()
                time.sleep(0.005)
        finally:
            ended.append("ended")

    monkeypatch.setattr(Worker, "do", do)
    return ended


def eventually(condition: Any) -> bool:
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_a_task_in_hand_says_how_far_it_is_and_ends_with_its_executor(endless: list[str]) -> None:
    executor = SerialExecutor()
    executor.submit("one", TASK)
    assert executor.collect(0.05) == ()
    assert executor.shares == (0.5,)
    assert executor.collect(0.01) == ()
    executor.close()
    assert eventually(lambda: endless == ["ended"])


def test_a_cancel_ends_the_wait_for_all_workers_at_once(endless: list[str]) -> None:
    executor, cancellation = SerialExecutor(), Cancellation()
    began = time.monotonic()
    with cancelled_by(cancellation), cancellation.waking(lambda: None):
        cancellation.request()
        with pytest.raises(CancelledError):
            executor.everywhere(TASK)
    assert time.monotonic() - began < 1.0
    executor.close()
    assert eventually(lambda: endless == ["ended"])


def test_answers_in_hand_count_and_do_not_count_twice() -> None:
    spec = AuditSpec(models=(AuditModel(name="aster"),), samples=500)
    in_hand = audit_progress(spec, AuditStep((), 0, 2, 250, 10, computed=300.5), spent=0)
    assert in_hand.done == 310.5
    assert in_hand.total == 2 * 501
    handed_over = audit_progress(spec, AuditStep((), 0, 2, 500, 10, computed=500.0), spent=0)
    assert handed_over.done == 510


def test_a_pilot_that_is_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def surface_steps(
        loaded: Any, proposals: Any, grid: Any, query: str, *_: Any, **__: Any
    ) -> Any:
        yield from ()
        if len(asked) == 2:
            asked.append("killed")
            raise KeyboardInterrupt
        asked.append(query)
        values = np.ones((len(grid.rungs), len(grid.alphas), len(grid.switches)))
        return Surface(values, values, values, 0.1, 400, 100, 40, 1, 50.0)

    monkeypatch.setattr(cross_entropy, "surface_steps", surface_steps)
    task = Prepare(REQUEST.model_copy(update={"model": "aster"}), None, store=tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        Worker().do(task)
    prepared = Worker().do(task)
    assert prepared.measured is not None
    assert asked.count("killed") == 1
    assert len(asked) == 7
    assert len(set(asked)) == 7, "no query of the pilot is asked twice"
    assert list(open_store(tmp_path / "store").keys("search/"))


def test_a_default_belongs_to_the_settings_it_was_measured_under() -> None:
    store, short = MemoryStore(), GenerationSpec(max_new_tokens=12, temperature=0.7)
    weak, strong = SteerSpec(strength=1.0), SteerSpec(strength=2.0)
    remember_default("weights", "misuse", weak, store, short)
    assert known_for("weights", "misuse", store, short) == weak
    assert known_for("weights", "misuse", store) is None
    assert known_for("weights", "misuse", store, GenerationSpec(max_new_tokens=13)) is None
    remember_default("weights", "misuse", strong, store, GenerationSpec())
    assert known_for("weights", "misuse", store) == strong
    assert known_for("weights", "misuse", store, short) == weak
    assert known_for("weights", "misuse", store, GenerationSpec(max_new_tokens=13)) == strong
