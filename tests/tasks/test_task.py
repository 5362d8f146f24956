"""Tasks: result, pause, resume, cancel between and within steps, failure, watchers; and the registry."""

import threading
import time
from collections.abc import Callable

import pytest

from core.errors import TailscopeError
from core.tasks import (
    Cancellation,
    CancelledError,
    Progress,
    Registry,
    Steps,
    Task,
    cancelled_by,
    check_cancelled,
    steps_of_call,
    woken_by_cancel,
)


def counting(total: int, gate: threading.Semaphore | None = None) -> Steps[int, str]:
    for done in range(1, total + 1):
        if gate is not None:
            gate.acquire()
        yield Progress(done, total, "steps", partial=done)
    return "the result"


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_a_task_ends_in_its_result() -> None:
    end = Task(counting(3)).start().wait(5)
    assert (end.status, end.result, end.error, end.finished) == ("done", "the result", "", True)
    assert (end.progress.done, end.progress.total, end.progress.partial) == (3, 3, 3)
    assert end.progress.seconds_left == 0.0


def test_before_the_first_step_the_first_progress_is_shown() -> None:
    task = Task(counting(2), first=Progress(0, 2, "steps", partial=0))
    assert task.snapshot().progress.partial == 0
    assert (task.snapshot().version, task.snapshot().finished) == (0, False)
    task.start().wait(5)


def test_a_pause_holds_until_resumed_and_does_not_count() -> None:
    gate, paused = threading.Semaphore(1), threading.Event()
    task = Task(counting(3, gate), on_pause=paused.set).start()
    assert eventually(lambda: task.snapshot().progress.done == 1)
    task.pause()
    gate.release(2)
    assert paused.wait(5), "the work is told that it pauses"
    held = task.snapshot()
    time.sleep(0.3)
    assert task.snapshot().progress.done == held.progress.done < 3
    assert (held.status, task.running) == ("paused", True)
    task.resume()
    end = task.wait(5)
    assert end.status == "done"
    assert end.progress.seconds is not None
    assert end.progress.seconds < 0.25


def test_a_paused_task_can_be_cancelled() -> None:
    task = Task(counting(3, threading.Semaphore(1)))
    task.pause()
    task.start().cancel()
    assert task.wait(5).status == "cancelled"


def test_cancelled_means_cancelled_and_closes_the_work() -> None:
    closed = threading.Event()

    def work() -> Steps[int, str]:
        try:
            return (yield from counting(1_000_000))
        finally:
            closed.set()

    task = Task(work()).start()
    assert eventually(lambda: task.snapshot().progress.done > 3)
    assert not task.cancelling
    task.cancel()
    end = task.wait(5)
    assert (end.status, end.result, end.error) == ("cancelled", None, "")
    assert 3 < end.progress.done < 1_000_000
    assert task.cancelling
    assert closed.is_set()
    assert not task.running
    # An ended task stays as it ended.
    task.pause()
    task.resume()
    assert task.snapshot().status == "cancelled"


def test_a_cancel_acts_within_a_step() -> None:
    begun = threading.Event()

    def work() -> Steps[None, None]:
        yield Progress(0, 1)
        begun.set()
        while True:
            try:
                check_cancelled()
            except Exception as error:
                raise AssertionError("work that outlives errors would go on") from error
            time.sleep(0.005)

    task = Task(work()).start()
    assert begun.wait(5)
    task.cancel()
    assert task.wait(5).status == "cancelled"


def test_a_cancel_wakes_a_wait() -> None:
    stop, begun = threading.Event(), threading.Event()

    def work() -> Steps[None, bool]:
        yield Progress(0, 1)
        with woken_by_cancel(stop.set):
            begun.set()
            return stop.wait(20)

    task = Task(work()).start()
    assert begun.wait(5)
    task.cancel()
    assert task.wait(5).finished
    assert stop.is_set()


def test_checks_pass_outside_a_task_and_in_one_that_continues() -> None:
    check_cancelled()
    with woken_by_cancel(lambda: pytest.fail("nobody has cancelled")):
        check_cancelled()
    cancellation, woken = Cancellation(), []
    with cancelled_by(cancellation):
        check_cancelled()
        cancellation.request()
        with pytest.raises(CancelledError):
            check_cancelled()
        with woken_by_cancel(lambda: woken.append("at once")):
            assert woken == ["at once"], "also if it was cancelled before"
    check_cancelled()


def test_a_call_that_calls_back_is_steps_like_any_other() -> None:
    def call(show: Callable[[Progress[None]], None]) -> str:
        for done in range(3):
            show(Progress(done, 2, "bytes"))
        return "the file"

    end = Task(steps_of_call(call)).start().wait(5)
    assert (end.status, end.result) == ("done", "the file")
    assert (end.progress.done, end.progress.unit) == (2, "bytes")


def test_a_call_is_cancelled_while_it_is_silent_and_ends_at_its_next_word() -> None:
    begun, speak, ended = threading.Event(), threading.Event(), threading.Event()

    def call(show: Callable[[Progress[None]], None]) -> None:
        begun.set()
        try:
            speak.wait(20)
            show(Progress(1, 2))
            pytest.fail("the call continues")
        finally:
            ended.set()

    task = Task(steps_of_call(call)).start()
    assert begun.wait(5)
    task.cancel()
    assert task.wait(5).status == "cancelled"
    assert not ended.is_set()
    speak.set()
    assert ended.wait(5)


def test_a_call_that_fails_fails_its_task() -> None:
    def call(show: object) -> None:
        raise TailscopeError("no luck")

    end = Task(steps_of_call(call)).start().wait(5)
    assert (end.status, end.error) == ("failed", "no luck")


def test_a_failure_is_one_sentence_and_keeps_the_progress() -> None:
    def failing() -> Steps[int, str]:
        yield Progress(1, 2, partial=1)
        raise TailscopeError("no luck")

    end = Task(failing()).start().wait(5)
    assert (end.status, end.error, end.result, end.progress.done) == ("failed", "no luck", None, 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_error_names_the_work() -> None:
    def failing() -> Steps[int, str]:
        yield Progress(1, 2, partial=1)
        raise ZeroDivisionError("by zero")

    end = Task(failing(), what="the sum").start().wait(5)
    assert end.error == "the sum stopped on an unexpected error: ZeroDivisionError('by zero')"


def test_watchers_see_the_same_and_a_step_in_flight_has_its_time() -> None:
    gate = threading.Semaphore(1)
    task = Task(counting(2, gate)).start()
    assert eventually(lambda: task.snapshot().progress.done == 1)
    time.sleep(0.1)
    one, other = task.snapshot(), task.snapshot()
    assert (one.version, one.status, one.progress) == (other.version, other.status, other.progress)
    assert one.step_seconds >= 0.1
    gate.release()
    end = task.wait(5)
    assert end.version > one.version
    assert one.progress.done == 1, "a snapshot stays as it is"


def test_the_registry_starts_a_task_once() -> None:
    registry: Registry[int, str] = Registry()
    gate = threading.Semaphore(0)
    first = registry.start("a", lambda: Task(counting(2, gate)))
    assert registry.start("a", lambda: pytest.fail("made twice")) is first
    assert (registry.get("a"), registry.get("b")) == (first, None)
    second = registry.start("b", lambda: Task(counting(2, gate)))
    assert registry.running() == ["b", "a"]
    registry.forget("a")
    assert registry.get("a") is first, "what runs is not forgotten"
    gate.release(4)
    first.wait(5), second.wait(5)
    assert registry.running() == []
    for name in ("b", "a"):
        registry.start(name, lambda: Task(counting(2, gate)))
    assert registry.running() == ["a", "b"], "the last started first, however often it was started"
    gate.release(4)
    for name in ("b", "a"):
        ended = registry.get(name)
        assert ended is not None
        ended.wait(5)
    registry.forget("a")
    assert registry.get("a") is None


def test_the_registry_keeps_a_finished_task_only_where_asked_to() -> None:
    registry: Registry[int, str] = Registry()
    first = registry.start("a", lambda: Task(counting(1)))
    first.wait(5)
    assert registry.start("a", lambda: pytest.fail("kept"), keep_finished=True) is first
    again = registry.start("a", lambda: Task(counting(1)))
    assert again is not first
    again.wait(5)
