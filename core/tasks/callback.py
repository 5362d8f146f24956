"""Calls that take long and report by calling back, as steps like any other work."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from queue import Empty, SimpleQueue

from core.tasks.cancel import Cancellation, CancelledError, cancelled_by, check_cancelled
from core.tasks.progress import Partial, Progress, Result, Steps

LOOK_EVERY = 0.1  # seconds between two looks for a cancel

Show = Callable[[Progress[Partial]], None]


def steps_of_call(call: Callable[[Show[Partial]], Result]) -> Steps[Partial, Result]:
    """Yields the progress that a call shows, and returns its result.

    The call has a thread of its own, so that a cancel acts at once, even while a server is silent. The thread
    ends the next time that the call shows progress or looks for a cancel.
    """
    shown: SimpleQueue[Progress[Partial] | None] = SimpleQueue()
    ended: Future[Result] = Future()
    cancellation = Cancellation()

    def show(progress: Progress[Partial]) -> None:
        check_cancelled()
        shown.put(progress)

    def run() -> None:
        with cancelled_by(cancellation):
            try:
                ended.set_result(call(show))
            except (Exception, CancelledError) as error:
                ended.set_exception(error)
            finally:
                shown.put(None)

    thread = threading.Thread(target=copy_context().run, args=(run,), daemon=True)
    thread.start()
    try:
        while (progress := _next(shown)) is not None:
            yield progress
        return ended.result()
    finally:
        cancellation.request()


def _next(shown: SimpleQueue[Progress[Partial] | None]) -> Progress[Partial] | None:
    """Returns the next progress, None at the end. Raises: CancelledError."""
    while True:
        try:
            return shown.get(timeout=LOOK_EVERY)
        except Empty:
            check_cancelled()
