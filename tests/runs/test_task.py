"""A run's task: shards of each arm in turn, each at its own pace, cancelled or failed with what is drawn."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from core.errors import NumericsError
from core.runs.task import RunSnapshot, RunTask, run_task
from core.tasks import Progress, Registry


@dataclass(frozen=True)
class FakeDrawn:
    rows: int
    stored: bool = False

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True)
class FakeShard:
    drawn: FakeDrawn


@dataclass(frozen=True)
class FakeEvent:
    message: str


def shards(
    count: int, gate: threading.Semaphore | None = None, *, stored: int = 0
) -> Iterator[FakeShard]:
    for number in range(count):
        if gate is not None:
            gate.acquire()
        yield FakeShard(FakeDrawn(10, stored=number < stored))


def done(task: RunTask) -> dict[str, int]:
    return drawn(task.snapshot())


def drawn(snapshot: RunSnapshot) -> dict[str, int]:
    return {name: int(arm.done) for name, arm in snapshot.progress.partial.arms.items()}


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_an_unstarted_run_shows_its_arms() -> None:
    task = run_task({"is": (20, shards(2)), "mc": (50, shards(5))})
    progress = task.snapshot().progress
    assert (progress.done, progress.total, progress.seconds_left) == (0, 70, None)
    assert [arm.total for arm in progress.partial.arms.values()] == [20, 50]


def test_runs_all_arms_to_the_end_in_turn() -> None:
    order: list[str] = []

    def named(name: str, count: int) -> Iterator[FakeShard]:
        for shard in shards(count):
            order.append(name)
            yield shard

    snapshot = run_task({"is": (20, named("is", 2)), "mc": (50, named("mc", 5))}).start().wait(5)
    assert snapshot.status == "done"
    assert drawn(snapshot) == {"is": 20, "mc": 50}
    assert snapshot.result == snapshot.progress.partial
    assert snapshot.progress.seconds_left == 0.0
    assert order == ["is", "mc", "is", "mc", "mc", "mc", "mc"]


def test_each_arm_has_its_own_pace() -> None:
    def slow() -> Iterator[FakeShard]:
        for shard in shards(10):
            time.sleep(0.05)
            yield shard

    gate = threading.Semaphore(2)
    task = run_task({"slow": (100, slow()), "fast": (100, shards(10, gate))}).start()
    assert eventually(lambda: done(task) == {"slow": 20, "fast": 20} or done(task)["slow"] == 30)
    arms = task.snapshot().progress.partial.arms
    task.cancel()
    gate.release(9)
    task.wait(5)
    slow_left, fast_left = arms["slow"].seconds_left, arms["fast"].seconds_left
    assert slow_left is not None
    assert fast_left is not None
    assert slow_left > 10 * fast_left
    assert slow_left == pytest.approx(0.4, rel=0.5)


def test_stored_answers_say_nothing_of_the_pace() -> None:
    gate = threading.Semaphore(3)
    task = run_task({"mc": (100, shards(10, gate, stored=3))}).start()
    assert eventually(lambda: done(task)["mc"] == 30)
    arm = task.snapshot().progress.partial.arms["mc"]
    assert (arm.stored, arm.seconds_left) == (30, None)
    gate.release(1)
    assert eventually(lambda: done(task)["mc"] == 40)
    assert task.snapshot().progress.seconds_left is not None
    task.cancel()
    gate.release(9)
    task.wait(5)


def test_pause_holds_and_resume_continues() -> None:
    gate = threading.Semaphore(1)
    task = run_task({"mc": (40, shards(4, gate))}).start()
    assert eventually(lambda: done(task)["mc"] == 10)
    task.pause()
    gate.release(3)
    time.sleep(0.05)
    # The shard in flight when the pause came may still finish; no other one starts.
    assert done(task)["mc"] <= 20
    assert task.snapshot().status == "paused"
    task.resume()
    assert drawn(task.wait(5)) == {"mc": 40}


def test_cancel_keeps_what_is_drawn() -> None:
    gate = threading.Semaphore(2)
    task = run_task({"mc": (40, shards(4, gate))}).start()
    assert eventually(lambda: done(task)["mc"] == 20)
    task.cancel()
    gate.release(2)
    snapshot = task.wait(5)
    assert (snapshot.status, snapshot.result) == ("cancelled", None)
    assert 20 <= drawn(snapshot)["mc"] < 40


def test_a_failure_is_a_sentence_and_keeps_the_shards() -> None:
    def failing() -> Iterator[FakeShard]:
        yield FakeShard(FakeDrawn(10))
        raise NumericsError("the model returned NaN")

    snapshot = run_task({"mc": (40, failing())}).start().wait(5)
    assert (snapshot.status, snapshot.error) == ("failed", "the model returned NaN")
    assert drawn(snapshot) == {"mc": 10}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_error_is_a_sentence_too() -> None:
    def failing() -> Iterator[FakeShard]:
        raise ZeroDivisionError
        yield

    snapshot = run_task({"mc": (40, failing())}).start().wait(5)
    assert snapshot.status == "failed"
    assert snapshot.error.startswith("the run stopped on an unexpected error")


def test_notices_of_the_store_are_kept_in_order() -> None:
    events = iter([[], [FakeEvent("the disk is full")], [FakeEvent("kept in memory")]])
    snapshot = run_task({"mc": (30, shards(3))}, lambda: next(events)).start().wait(5)
    assert snapshot.progress.partial.notices == ("the disk is full", "kept in memory")


def test_two_watchers_see_the_same_and_snapshots_stay_as_they_are() -> None:
    gate = threading.Semaphore(1)
    task = run_task({"mc": (20, shards(2, gate))}).start()
    assert eventually(lambda: done(task)["mc"] == 10)
    early, other = task.snapshot(), task.snapshot()
    assert (early.version, early.progress) == (other.version, other.progress)
    gate.release()
    assert task.wait(5).version > early.version
    assert drawn(early) == {"mc": 10}


def test_a_finished_run_is_kept_and_a_cancelled_one_is_begun_anew() -> None:
    registry: Registry = Registry()
    made: list[RunTask] = []

    def make() -> RunTask:
        made.append(run_task({"mc": (20, shards(2))}))
        return made[-1]

    first = registry.start("a", make, keep_finished=True)
    first.wait(5)
    assert registry.start("a", make, keep_finished=True) is first
    assert len(made) == 1
    gate = threading.Semaphore(0)
    stuck = registry.start("b", lambda: run_task({"mc": (20, shards(2, gate))}), keep_finished=True)
    stuck.cancel()
    gate.release(2)
    stuck.wait(5)
    assert registry.start("b", make, keep_finished=True) is made[1]
    made[1].wait(5)


def test_answers_of_a_shard_in_hand_are_shown_and_then_replaced_by_it() -> None:
    head, whole = FakeShard(FakeDrawn(4)), FakeShard(FakeDrawn(10))
    gate = threading.Semaphore(0)

    def source() -> Iterator[FakeShard | Progress[FakeShard | None]]:
        for each in (Progress(2.5, 10), Progress(6.5, 10, partial=head), whole):
            gate.acquire()
            yield each

    task = run_task({"mc": (10, source())}).start()
    for at, kept in ((2.5, ()), (6.5, (head,)), (10, (whole,))):
        gate.release()
        assert eventually(lambda at=at: task.snapshot().progress.done == at)
        arm = task.snapshot().progress.partial.arms["mc"]
        assert (arm.done, arm.partial) == (at, kept)
        assert arm.seconds_left is not None
    assert task.wait(5).status == "done"


def test_a_shard_is_finished_before_another_arm_begins() -> None:
    order: list[str] = []

    def source(name: str) -> Iterator[FakeShard | Progress[FakeShard | None]]:
        for each in (Progress(5.0, 10), FakeShard(FakeDrawn(10))):
            order.append(name)
            yield each

    assert run_task({name: (10, source(name)) for name in "ab"}).start().wait(5).status == "done"
    assert order == ["a", "a", "b", "b"]
