"""Does tasks in this process, one after the other."""

from collections import deque
from collections.abc import Sequence

from core.errors import TailscopeError
from core.executors.base import Done
from core.executors.worker import Outcome, Worker, WorkItem


class SerialExecutor:
    """An executor that is this process itself."""

    workers = 1

    def __init__(self) -> None:
        self._worker = Worker()
        self._waiting: deque[tuple[str, WorkItem]] = deque()

    def submit(self, name: str, task: WorkItem) -> None:
        """Puts a task in line."""
        self._waiting.append((name, task))

    def collect(self, timeout: float) -> Sequence[Done]:
        """Does the next task."""
        if not self._waiting:
            return ()
        name, task = self._waiting.popleft()
        try:
            return (Done(name, self._worker.do(task)),)
        except TailscopeError as error:
            return (Done(name, error=str(error)),)
        except Exception as error:  # as in the other executors, a query that fails stops no other
            return (Done(name, error=f"a worker stopped on an unexpected error: {error!r}"),)

    def everywhere(self, task: WorkItem) -> Sequence[Outcome]:
        """Does a task at once. Raises: TailscopeError."""
        return (self._worker.do(task),)

    def close(self) -> None:
        """Lets go of the model."""
        self._waiting.clear()
        self._worker = Worker()
