"""The number of CPU threads for a model."""

import os

import torch

# Below this, a matrix product ends before a second thread wakes up; on a busy machine, waiting for one made
# an embedded model ten times slower.
SMALL_PARAMETERS = 20_000_000


def usable_cores() -> int:
    """Returns the number of cores that this process may use: fewer than the machine has, in a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_fitting_threads(parameters: int) -> int:
    """Sets this process's number of CPU threads for a model of this size and returns it.

    One for a small model, else one a usable core, but no more than OMP_NUM_THREADS allows.
    """
    threads = 1 if parameters < SMALL_PARAMETERS else min(usable_cores(), _allowed())
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    return threads


def _allowed() -> int:
    """Returns the user's own limit, OMP_NUM_THREADS; of a list, one number a level, the first counts."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else usable_cores()
