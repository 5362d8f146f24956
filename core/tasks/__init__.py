"""Work in the background, and how far any long work is: one progress type and one way to cancel."""

from core.tasks.callback import steps_of_call
from core.tasks.cancel import (
    Cancellation,
    CancelledError,
    cancelled_by,
    check_cancelled,
    woken_by_cancel,
)
from core.tasks.progress import (
    Beat,
    Pace,
    Partial,
    Progress,
    Result,
    Steps,
    at_once,
    mapped,
    named,
    outcome_last,
    part_of,
    result_of,
    timed,
)
from core.tasks.task import FINISHED, Registry, Snapshot, Task, TaskStatus

__all__ = [
    "FINISHED",
    "Beat",
    "Cancellation",
    "CancelledError",
    "Pace",
    "Partial",
    "Progress",
    "Registry",
    "Result",
    "Snapshot",
    "Steps",
    "Task",
    "TaskStatus",
    "at_once",
    "cancelled_by",
    "check_cancelled",
    "mapped",
    "named",
    "outcome_last",
    "part_of",
    "result_of",
    "steps_of_call",
    "timed",
    "woken_by_cancel",
]
