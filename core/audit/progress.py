"""How far an audit is: rows that are finished, and answers, which its pace is measured in."""

from dataclasses import dataclass

from core.audit.rows import AuditRow
from core.audit.spec import AuditSpec
from core.tasks import Progress


@dataclass(frozen=True)
class AuditStep:
    """What an audit has done by one step.

    rows: finished since the step before. finished, total: rows, queries times models. drawn, stored: answers
    so far, drawn now and read from the store. computed: those drawn now, and of the shards in hand what is
    computed; a part of an answer counts.
    """

    rows: tuple[AuditRow, ...]
    finished: int
    total: int
    drawn: int
    stored: int
    computed: float = 0.0


def audit_progress(
    spec: AuditSpec, step: AuditStep, spent: int, message: str = ""
) -> Progress[AuditStep]:
    """Returns the progress in answers; its total is the most that can be left.

    spent: answers of the rows that are finished.
    """
    answers = max(step.drawn, step.computed) + step.stored
    left = (step.total - step.finished) * answers_a_query(spec) - max(answers - spent, 0)
    return Progress(
        answers, answers + max(left, 0), "answers", step.stored, message=message, partial=step
    )


def answers_a_query(spec: AuditSpec) -> int:
    """Returns how many answers a query and model takes at most, the likeliest one counted."""
    direct = spec.monte_carlo_samples
    if spec.method == "mc":
        return 1 + (direct or spec.samples)
    return 1 + spec.samples + direct


def answers_of(row: AuditRow) -> int:
    """Returns how many answers a finished row has taken."""
    direct = row.monte_carlo
    counted = 0 if direct is None or direct is row.estimate else direct.samples
    return 1 + (row.estimate.samples if row.estimate else 0) + counted
