"""What runs in a worker process. Quick to import: first of all, a worker learns to end with its parent."""

import multiprocessing
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.sharedctypes import Synchronized, SynchronizedArray

    from core.executors.worker import Outcome, Worker, WorkItem

# The worker that this process is, alone.
_self: "list[Worker]" = []
# Says how much of its task is done, to the parent.
_tell: "list[Callable[[float], None]]" = []


def begin(shares: "SynchronizedArray[float]", places: "Synchronized[int]", threads: int) -> None:
    """Makes this process a worker that ends with its parent.

    shares: where each worker writes how much of its task is done. places: how many of them are taken.
    threads: for a large model, where the user has set no number.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    with places.get_lock():
        place, places.value = places.value, places.value + 1

    def tell(share: float) -> None:
        shares[place] = share

    if place < len(shares):
        _tell.append(tell)


def answer(task: "WorkItem") -> "Outcome":
    """Does a task in this process. Raises: TailscopeError."""
    from core.executors.worker import Worker

    if not _self:
        _self.append(Worker(*_tell))
    for tell in _tell:
        tell(0.0)
    return _self[0].do(task)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
