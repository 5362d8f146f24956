"""What runs in a worker process. Quick to import: first of all, a worker learns to end with its parent."""

import multiprocessing
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.executors.worker import Outcome, Worker, WorkItem

# The worker that this process is, alone.
_self: "list[Worker]" = []


def begin() -> None:
    """Makes this process a worker that ends with its parent."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def answer(task: "WorkItem") -> "Outcome":
    """Does a task in this process. Raises: TailscopeError."""
    from core.executors.worker import Worker

    if not _self:
        _self.append(Worker())
    return _self[0].do(task)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
