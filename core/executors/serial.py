"""Does tasks in this process, one after the other, each in a thread: whoever waits can look up meanwhile."""

import threading
from collections import deque
from collections.abc import Sequence
from contextvars import copy_context
from queue import Empty, SimpleQueue

from core.errors import TailscopeError
from core.executors.base import LOOK_EVERY, Done
from core.executors.worker import Outcome, Worker, WorkItem
from core.tasks import Cancellation, CancelledError, cancelled_by, check_cancelled


class SerialExecutor:
    """An executor that is this process itself."""

    workers = 1
    shares_disk = True

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, WorkItem]] = deque()
        self._running: tuple[str, _Call] | None = None
        self._share = 0.0
        self._worker = Worker(self._tell)
        self._cancellation = Cancellation()

    @property
    def shares(self) -> tuple[float, ...]:
        """How much of the task in hand is done."""
        return (self._share,)

    def submit(self, name: str, task: WorkItem) -> None:
        """Puts a task in line."""
        self._waiting.append((name, task))

    def collect(self, timeout: float) -> Sequence[Done]:
        """Begins the next task, if none is in hand, and waits for its end."""
        if self._running is None:
            if not self._waiting:
                return ()
            name, task = self._waiting.popleft()
            self._running = name, self._begin(task)
        name, call = self._running
        if not call.ended(timeout):
            return ()
        self._running = None
        try:
            return (Done(name, call.outcome()),)
        except TailscopeError as error:
            return (Done(name, error=str(error)),)
        except Exception as error:  # as in the other executors, a query that fails stops no other
            return (Done(name, error=f"a worker stopped on an unexpected error: {error!r}"),)

    def everywhere(self, task: WorkItem) -> Sequence[Outcome]:
        """Does a task, while no other is in hand. Raises: TailscopeError."""
        call = self._begin(task)
        while not call.ended(LOOK_EVERY):
            check_cancelled()
        return (call.outcome(),)

    def close(self) -> None:
        """Lets go of the model, and of the task in hand at its next token."""
        self._cancellation.request()
        self._cancellation = Cancellation()
        self._waiting.clear()
        self._running = None
        self._worker = Worker(self._tell)

    def _begin(self, task: WorkItem) -> "_Call":
        self._share = 0.0
        return _Call(self._worker, task, self._cancellation)

    def _tell(self, share: float) -> None:
        self._share = share


class _Call:
    """A task being done. cancellation: ends it; nobody hears of it any more."""

    def __init__(self, worker: Worker, task: WorkItem, cancellation: Cancellation) -> None:
        self._ended: SimpleQueue[Outcome | Exception] = SimpleQueue()
        self._found: Outcome | Exception | None = None
        arguments = worker, task, cancellation
        run = copy_context().run
        threading.Thread(target=run, args=(self._do, *arguments), daemon=True).start()

    def ended(self, timeout: float) -> bool:
        """Returns whether it ends within so many seconds."""
        try:
            self._found = self._ended.get(timeout=timeout)
        except Empty:
            return False
        return True

    def outcome(self) -> Outcome:
        """Returns what an ended task has given. Raises: its error."""
        if isinstance(self._found, Exception):
            raise self._found
        assert self._found is not None, "the task has ended"
        return self._found

    def _do(self, worker: Worker, task: WorkItem, cancellation: Cancellation) -> None:
        with cancelled_by(cancellation):
            try:
                self._ended.put(worker.do(task))
            except Exception as error:  # raised again where the outcome is asked for
                self._ended.put(error)
            except CancelledError:
                return
