"""What an executor is: workers that hold a model each, and do tasks in any order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.executors.worker import Outcome, WorkItem

LOOK_EVERY = 0.1  # seconds between two looks for a cancel while a worker is waited for


@dataclass(frozen=True)
class Done:
    """A task that has come to an end. error: why it has no outcome, in one sentence; empty if it has."""

    name: str
    outcome: Outcome | None = None
    error: str = ""


class Executor(Protocol):
    """Does tasks elsewhere. A worker that dies costs what it had in hand: that is done again."""

    @property
    def workers(self) -> int:
        """How many tasks are done at once."""
        ...

    @property
    def shares_disk(self) -> bool:
        """Whether its workers see the files of this machine."""
        ...

    @property
    def shares(self) -> Sequence[float]:
        """How much each worker has done of its task, 0..1; of those of whom that is known."""
        ...

    def submit(self, name: str, task: WorkItem) -> None:
        """Hands a task over. name: what its end is told under; each is used once at a time."""
        ...

    def collect(self, timeout: float) -> Sequence[Done]:
        """Returns what has come to an end since the last call; waits at most `timeout` seconds for it."""
        ...

    def everywhere(self, task: WorkItem) -> Sequence[Outcome]:
        """Has all workers that may differ do a task, and returns what they answer.

        Raises:
            TailscopeError: one could not.
        """
        ...

    def close(self) -> None:
        """Ends the workers."""
        ...
