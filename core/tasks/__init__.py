"""Work in the background: started once, watched by many, paused, resumed and cancelled.

A work's thread writes only to its own record under a lock; whoever watches reads copies. Nothing here knows
about pages.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Generic, Literal, Self, TypeVar

from core.errors import TailscopeError
from core.tasks.cancel import (
    Cancellation,
    CancelledError,
    cancelled_by,
    check_cancelled,
    woken_by_cancel,
)
from core.tasks.progress import Pace, Partial, Progress, Result, Steps, part_of, result_of, timed

__all__ = [
    "FINISHED",
    "Cancellation",
    "CancelledError",
    "Pace",
    "Partial",
    "Progress",
    "Registry",
    "Result",
    "Steps",
    "Task",
    "Work",
    "WorkStatus",
    "cancelled_by",
    "check_cancelled",
    "part_of",
    "result_of",
    "timed",
    "woken_by_cancel",
]

WorkStatus = Literal["running", "paused", "cancelled", "done", "failed"]
FINISHED: frozenset[WorkStatus] = frozenset({"cancelled", "done", "failed"})


class Work(ABC):
    """Something done in a thread of its own. what: its name in the sentence that tells of a failure."""

    what = "the work"

    def __init__(self, message: str = "") -> None:
        self._lock = threading.Lock()
        self._going, self._cancelled = threading.Event(), threading.Event()
        self._going.set()
        self._status: WorkStatus = "running"
        self._message = message
        self._version = 0
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    @abstractmethod
    def _work(self) -> WorkStatus:
        """Does the work, and returns how it ended."""

    def start(self) -> Self:
        """Begins the work; returns itself."""
        self._thread.start()
        return self

    def pause(self) -> None:
        """Stops after the step in flight until `resume`."""
        self._change("paused", only_from="running")
        self._going.clear()

    def resume(self) -> None:
        """Goes on after `pause`."""
        self._change("running", only_from="paused")
        self._going.set()

    def cancel(self) -> None:
        """Ends the work after the step in flight; what is done stays."""
        self._cancelled.set()
        self._going.set()

    @property
    def running(self) -> bool:
        """Whether the thread is still at work, or paused."""
        return self._thread.is_alive()

    @property
    def settled(self) -> bool:
        """Whether whoever wants this work is given it as it is; if not, it is begun anew."""
        return self.running

    def join(self, timeout: float | None = None) -> None:
        """Returns when the work has ended, or after `timeout` seconds."""
        self._thread.join(timeout)

    def _change(
        self, status: WorkStatus, message: str = "", *, only_from: WorkStatus | None = None
    ) -> None:
        with self._lock:
            if self._status in FINISHED or (only_from and self._status != only_from):
                return
            self._status, self._message = status, message
            self._version += 1

    def _run(self) -> None:
        try:
            self._change(self._work())
        except TailscopeError as error:
            self._change("failed", str(error))
        except Exception as error:
            # A thread has nobody to raise to: whoever watches must learn why it stopped.
            self._change("failed", f"{self.what} stopped on an unexpected error: {error!r}")
            raise


AnyWork = TypeVar("AnyWork", bound=Work)
Event = TypeVar("Event")


class Registry(Generic[AnyWork]):
    """Works by name. Starting one that is at work returns it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[str, AnyWork] = {}

    def get(self, name: str) -> AnyWork | None:
        """Returns the work, at work or ended, or None."""
        with self._lock:
            return self._works.get(name)

    def start(self, name: str, make: Callable[[], AnyWork]) -> AnyWork:
        """Returns the work under this name, made and started now unless it is settled."""
        with self._lock:
            work = self._works.get(name)
            if work is None or not work.settled:
                work = self._works[name] = make().start()
            return work

    def at_work(self) -> list[AnyWork]:
        """Returns the works that are at work or paused, the last begun first."""
        with self._lock:
            return [work for work in reversed(self._works.values()) if work.running]

    def forget(self, name: str) -> None:
        """Lets go of a work that has ended, for what it found has been deleted."""
        with self._lock:
            work = self._works.get(name)
            if work is not None and not work.running:
                del self._works[name]


class Task(Work, Generic[Event]):
    """Runs through a generator's events, for work that ends in a result; watchers read the last one."""

    def __init__(self, events: Iterator[Event]) -> None:
        super().__init__()
        self._events = events
        self._last: Event | None = None

    @property
    def cancelled(self) -> bool:
        """Whether the work was told to end early."""
        return self._cancelled.is_set()

    @property
    def last(self) -> Event | None:
        """The last event so far."""
        with self._lock:
            return self._last

    @property
    def error(self) -> str:
        """Why the work ended without a result, in one sentence; empty if it did not."""
        with self._lock:
            return self._message if self._status == "failed" else ""

    def _work(self) -> WorkStatus:
        for event in self._events:
            with self._lock:
                self._last = event
            if self._cancelled.is_set():
                return "cancelled"
        return "done"
