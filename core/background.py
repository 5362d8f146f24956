"""One generator of progress events run in a thread: for work that ends in a result, not in shards."""

import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from core.errors import TailscopeError

Event = TypeVar("Event")


class Task(Generic[Event]):
    """Runs through a generator's events in the background; watchers read the last one."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._lock = threading.Lock()
        self._last: Event | None = None
        self._error = ""
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, name="task", daemon=True)

    def start(self) -> "Task[Event]":
        """Begins the work; returns the task itself."""
        self._thread.start()
        return self

    def cancel(self) -> None:
        """Ends the work after the step in flight."""
        self._cancelled = True

    @property
    def running(self) -> bool:
        """Whether the thread is still at work."""
        return self._thread.is_alive()

    @property
    def cancelled(self) -> bool:
        """Whether the work was told to end early."""
        return self._cancelled

    @property
    def last(self) -> Event | None:
        """The last event so far."""
        with self._lock:
            return self._last

    @property
    def error(self) -> str:
        """Why the work ended without a result, in one sentence; empty if it did not."""
        with self._lock:
            return self._error

    def wait(self, timeout: float | None = None) -> None:
        """Returns when the work has ended, or after `timeout` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            for event in self._events:
                with self._lock:
                    self._last = event
                if self._cancelled:
                    return
        except TailscopeError as error:
            with self._lock:
                self._error = str(error)
        except Exception as error:
            # A thread has nobody to raise to: whoever watches must learn why it stopped.
            with self._lock:
                self._error = f"the work stopped on an unexpected error: {error!r}"
            raise


class TaskRegistry(Generic[Event]):
    """Tasks by name. Starting one that is at work returns it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[str, Task[Event]] = {}

    def get(self, name: str) -> Task[Event] | None:
        """Returns the task, or None."""
        with self._lock:
            return self._tasks.get(name)

    def start(self, name: str, make: Callable[[], Iterator[Event]]) -> Task[Event]:
        """Returns the task under this name, made and started now unless it is at work."""
        with self._lock:
            task = self._tasks.get(name)
            if task is None or not task.running:
                task = self._tasks[name] = Task(make()).start()
            return task

    def forget(self, name: str) -> None:
        """Lets go of a task that has ended, for what it found has been deleted."""
        with self._lock:
            task = self._tasks.get(name)
            if task is not None and not task.running:
                del self._tasks[name]
