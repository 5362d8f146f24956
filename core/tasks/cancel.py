"""The one way to cancel: a task's watcher requests it, loops that take long look for it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class CancelledError(BaseException):
    """Ends the work of a cancelled task. No `Exception`, so that work which outlives errors ends too."""


class Cancellation:
    """The one way to cancel: set by a watcher, read by the work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = threading.Event()
        self._wake: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        """Whether the work is to end early."""
        return self._requested.is_set()

    def request(self) -> None:
        """Ends the work at its next check, and ends waits that were begun under `woken_by_cancel`."""
        with self._lock:
            self._requested.set()
            wake, self._wake = self._wake, []
        for act in wake:
            act()

    @contextmanager
    def waking(self, act: Callable[[], None]) -> Iterator[None]:
        """Calls `act` once if cancelling is requested meanwhile, or has been."""
        with self._lock:
            late = self._requested.is_set()
            if not late:
                self._wake.append(act)
        if late:
            act()
        try:
            yield
        finally:
            with self._lock:
                if act in self._wake:
                    self._wake.remove(act)


# Of the task that this thread runs. Long loops lie many calls below the task, under protocols of others.
_CURRENT: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


@contextmanager
def cancelled_by(cancellation: Cancellation) -> Iterator[None]:
    """Has this thread's work look at this cancellation."""
    before = _CURRENT.set(cancellation)
    try:
        yield
    finally:
        _CURRENT.reset(before)


def check_cancelled() -> None:
    """Raises CancelledError if this thread runs a task that is cancelled; for loops that take long."""
    cancellation = _CURRENT.get()
    if cancellation is not None and cancellation.requested:
        raise CancelledError


@contextmanager
def woken_by_cancel(act: Callable[[], None]) -> Iterator[None]:
    """Calls `act`, from another thread, if this thread's task is cancelled meanwhile; for long waits."""
    cancellation = _CURRENT.get()
    if cancellation is None:
        yield
        return
    with cancellation.waking(act):
        yield
