"""Background jobs: progress, pause, resume, cancel, failure; snapshots never change under their reader."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from core.errors import NumericsError
from core.runs.job import Job
from core.tasks import Registry


@dataclass(frozen=True)
class FakeDrawn:
    rows: int

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True)
class FakeShard:
    drawn: FakeDrawn


def shards(count: int, gate: threading.Semaphore | None = None) -> Iterator[FakeShard]:
    for _ in range(count):
        if gate is not None:
            gate.acquire()
        yield FakeShard(FakeDrawn(10))


def eventually(condition) -> bool:
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_runs_all_arms_to_the_end() -> None:
    job = Job("a", {"is": (20, shards(2)), "mc": (50, shards(5))})
    job.start()
    snapshot = job.wait(5)
    assert snapshot.status == "done"
    assert {name: arm.done for name, arm in snapshot.arms.items()} == {"is": 20, "mc": 50}
    assert snapshot.seconds_left == 0.0


def test_pause_holds_and_resume_goes_on() -> None:
    gate = threading.Semaphore(1)
    job = Job("a", {"mc": (40, shards(4, gate))})
    job.start()
    assert eventually(lambda: job.snapshot().arms["mc"].done == 10)
    job.pause()
    gate.release(3)
    time.sleep(0.05)
    # The shard in flight when the pause came may still finish; no other one starts.
    assert job.snapshot().arms["mc"].done <= 20
    assert job.snapshot().status == "paused"
    job.resume()
    assert job.wait(5).arms["mc"].done == 40


def test_cancel_keeps_what_is_drawn() -> None:
    gate = threading.Semaphore(2)
    job = Job("a", {"mc": (40, shards(4, gate))})
    job.start()
    assert eventually(lambda: job.snapshot().arms["mc"].done == 20)
    job.cancel()
    gate.release(2)
    snapshot = job.wait(5)
    assert snapshot.status == "cancelled"
    assert 20 <= snapshot.arms["mc"].done < 40


def test_a_paused_job_can_be_cancelled() -> None:
    job = Job("a", {"mc": (40, shards(4, threading.Semaphore(1)))})
    job.pause()
    job.start()
    job.cancel()
    assert job.wait(5).status == "cancelled"


def test_a_failure_is_a_sentence_and_keeps_the_shards() -> None:
    def failing() -> Iterator[FakeShard]:
        yield FakeShard(FakeDrawn(10))
        raise NumericsError("the model returned NaN")

    job = Job("a", {"mc": (40, failing())})
    job.start()
    snapshot = job.wait(5)
    assert (snapshot.status, snapshot.message) == ("failed", "the model returned NaN")
    assert snapshot.arms["mc"].done == 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_error_is_told_too() -> None:
    def failing() -> Iterator[FakeShard]:
        raise ZeroDivisionError
        yield

    job = Job("a", {"mc": (40, failing())})
    job.start()
    snapshot = job.wait(5)
    assert snapshot.status == "failed"
    assert "unexpected" in snapshot.message


def test_snapshots_are_frozen_in_time() -> None:
    gate = threading.Semaphore(1)
    job = Job("a", {"mc": (20, shards(2, gate))})
    job.start()
    assert eventually(lambda: job.snapshot().arms["mc"].done == 10)
    early = job.snapshot()
    gate.release()
    assert job.wait(5).version > early.version
    assert early.arms["mc"].done == 10


def test_the_registry_starts_a_job_once() -> None:
    registry: Registry[Job] = Registry()
    made = []

    def make() -> Job:
        job = Job("a", {"mc": (20, shards(2))})
        made.append(job)
        return job

    first = registry.start("a", make)
    assert registry.start("a", make) is first
    assert registry.get("a") is first
    assert registry.get("b") is None
    first.wait(5)
    assert registry.start("a", make) is first
    assert len(made) == 1
