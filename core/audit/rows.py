"""What an audit finds about one query."""

from dataclasses import dataclass

from core.estimation.record import Estimate
from core.queries.query import Query
from core.runs.request import EstimateRequest


@dataclass(frozen=True)
class Answer:
    """The likeliest answer. harmful: None where the judge could not tell."""

    text: str
    harmful: bool | None


@dataclass(frozen=True)
class AuditRow:
    """What an audit found about one query and model.

    greedy: None if nothing was drawn. monte_carlo: the direct count, None if none was asked for. stopped:
    "precision" if the interval became as narrow as asked, "budget" if all samples were drawn. error: why
    there is no estimate, in one sentence; empty if there is one.
    """

    model: str
    query: Query
    request: EstimateRequest
    greedy: Answer | None = None
    estimate: Estimate | None = None
    monte_carlo: Estimate | None = None
    stopped: str = ""
    error: str = ""
