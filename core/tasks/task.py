"""Work in the background: started once, watched by many, paused, resumed and cancelled.

A task's thread writes to the task's own record under a lock; whoever watches reads snapshots. Nothing here
knows about pages.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Self

from core.errors import TailscopeError
from core.tasks.cancel import Cancellation, CancelledError, cancelled_by, check_cancelled
from core.tasks.progress import Partial, Progress, Result, Steps, timed

TaskStatus = Literal["running", "paused", "cancelled", "done", "failed"]
FINISHED: frozenset[TaskStatus] = frozenset({"cancelled", "done", "failed"})


@dataclass(frozen=True)
class Snapshot(Generic[Partial, Result]):
    """A task at one moment; later changes do not show in it.

    result: None unless the task is done. error: why it failed, in one sentence, empty if it did not.
    version: grows with every change, so that a watcher may skip what it has seen. step_seconds: how long the
    step in flight has taken.
    """

    status: TaskStatus
    progress: Progress[Partial]
    result: Result | None
    error: str
    version: int
    step_seconds: float

    @property
    def finished(self) -> bool:
        """Whether the task has ended, in whatever way."""
        return self.status in FINISHED


class Task(Generic[Partial, Result]):
    """Runs through steps in a thread of its own.

    what: its name in the sentence about an unexpected error. first: the progress before the first step.
    on_pause: called in the task's thread before it waits for `resume` or `cancel`.
    """

    def __init__(
        self,
        steps: Steps[Partial, Result],
        *,
        what: str = "the work",
        first: Progress[Partial] | None = None,
        on_pause: Callable[[], object] | None = None,
    ) -> None:
        self._steps, self._what, self._on_pause = steps, what, on_pause
        self._lock = threading.Lock()
        self._resumed, self._cancellation = threading.Event(), Cancellation()
        self._resumed.set()
        self._status: TaskStatus = "running"
        self._progress: Progress[Partial] = first or Progress()
        self._result: Result | None = None
        self._error = ""
        self._version = 0
        self._step_began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=what, daemon=True)

    def start(self) -> Self:
        """Begins the work; returns itself."""
        self._step_began = time.monotonic()
        self._thread.start()
        return self

    def pause(self) -> None:
        """Stops after the step in flight until `resume`."""
        with self._lock:
            if self._status == "running" and not self.cancelling:
                self._resumed.clear()
                self._set_status("paused")

    def resume(self) -> None:
        """Continues after `pause`."""
        with self._lock:
            if self._status == "paused":
                self._set_status("running")
        self._resumed.set()

    def cancel(self) -> None:
        """Ends the work, within the step in flight where that looks for it; what is done stays."""
        self._cancellation.request()
        self._resumed.set()

    @property
    def running(self) -> bool:
        """Whether the thread is alive: at work, paused, or ending."""
        return self._thread.is_alive()

    @property
    def cancelling(self) -> bool:
        """Whether the work has been cancelled, and has ended or will at its next check."""
        return self._cancellation.requested

    def wait(self, timeout: float | None = None) -> Snapshot[Partial, Result]:
        """Returns the last snapshot once the work has ended, or one after `timeout` seconds."""
        self._thread.join(timeout)
        return self.snapshot()

    def snapshot(self) -> Snapshot[Partial, Result]:
        """Returns where the work stands."""
        with self._lock:
            return Snapshot(
                self._status,
                self._progress,
                self._result,
                self._error,
                self._version,
                time.monotonic() - self._step_began,
            )

    def _run(self) -> None:
        try:
            with cancelled_by(self._cancellation):
                result = self._follow()
        except CancelledError:
            self._end("cancelled")
        except TailscopeError as error:
            self._end("failed", str(error))
        except Exception as error:
            # A thread has nobody to raise to: whoever watches must learn why it stopped.
            self._end("failed", f"{self._what} stopped on an unexpected error: {error!r}")
            raise
        else:
            with self._lock:
                self._result = result
                self._set_status("done")

    def _follow(self) -> Result:
        steps = timed(self._steps)
        try:
            while True:
                self._hold()
                try:
                    progress = next(steps)
                except StopIteration as end:
                    result: Result = end.value
                    return result
                with self._lock:
                    self._progress = progress
                    self._step_began = time.monotonic()
                    self._version += 1
        finally:
            self._steps.close()

    def _hold(self) -> None:
        """Returns when the next step may begin. Raises: CancelledError."""
        if not self._resumed.is_set() and not self._cancellation.requested:
            if self._on_pause is not None:
                self._on_pause()
            self._resumed.wait()
            with self._lock:
                self._step_began = time.monotonic()
        check_cancelled()

    def _end(self, status: TaskStatus, error: str = "") -> None:
        with self._lock:
            self._error = error
            self._set_status(status)

    def _set_status(self, status: TaskStatus) -> None:
        """Called under the lock."""
        self._status = status
        self._version += 1


class Registry(Generic[Partial, Result]):
    """Tasks by name. Starting one that is running returns it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[str, Task[Partial, Result]] = {}

    def get(self, name: str) -> Task[Partial, Result] | None:
        """Returns the task, running or ended, or None."""
        with self._lock:
            return self._tasks.get(name)

    def start(
        self, name: str, make: Callable[[], Task[Partial, Result]], *, keep_finished: bool = False
    ) -> Task[Partial, Result]:
        """Returns the running task under this name, else one made and started now.

        A task that was cancelled counts as running until its step ends.

        keep_finished: Returns the finished task if its inputs are unchanged, else starts a new one; the name
        stands for all inputs. One that was cancelled or failed is started anew.
        """
        with self._lock:
            task = self._tasks.get(name)
            kept = task is not None and (
                task.running or (keep_finished and task.snapshot().status == "done")
            )
            if task is None or not kept:
                task = make().start()
                # Taken out first, so that the order is that of the last start.
                self._tasks.pop(name, None)
                self._tasks[name] = task
            return task

    def running(self) -> list[str]:
        """Returns the names of the tasks that are running or paused, the last begun first."""
        with self._lock:
            return [name for name, task in reversed(self._tasks.items()) if task.running]

    def forget(self, name: str) -> None:
        """Lets go of a task that has ended, when its results have been deleted."""
        with self._lock:
            task = self._tasks.get(name)
            if task is not None and not task.running:
                del self._tasks[name]
