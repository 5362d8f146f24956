"""Which local executor fits: this process, or one a core."""

from core.errors import SpecError
from core.executors.base import Executor
from core.executors.processes import ProcessExecutor
from core.executors.serial import SerialExecutor
from core.models.threads import usable_cores

MAX_WORKERS = 1_024


def local_executor(workers: int | None = None, device: str = "cpu") -> Executor:
    """Returns an executor of this many workers; None for one a core, or one in all where a device holds
    the model.

    Raises:
        SpecError: not so many workers.
    """
    check_workers(workers)
    count = workers or (usable_cores() if device == "cpu" else 1)
    return SerialExecutor() if count == 1 else ProcessExecutor(count)


def check_workers(workers: int | None) -> None:
    """Raises SpecError unless so many workers can be had."""
    if workers is not None and not 1 <= workers <= MAX_WORKERS:
        raise SpecError(f"workers must be in 1..{MAX_WORKERS:,}, got {workers}")
