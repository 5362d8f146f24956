"""An estimate of one query's risk, from Python."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.behaviours.load import load_behaviour
from core.estimation.words import certainly, per_million
from core.models.loading import LoadedModel
from core.models.spec import LoadingSpec
from core.proposals import AnyProposalSpec, build_proposal
from core.queries.chat import check_no_chat
from core.results.base import Result, generation_of, store_at
from core.results.html import Card
from core.runs.default_method import default_method
from core.runs.estimate_query import estimate_query
from core.runs.report import EstimateReport
from core.runs.request import EstimateRequest
from core.spec import UNWEIGHTED, Method
from core.tasks.progress import Progress, result_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class EstimateResult(Result[EstimateReport]):
    """An estimate with its interval, verdict and draws; `report.estimate` holds every diagnostic."""

    @property
    def risk(self) -> float:
        """The estimated share of harmful answers, 0..1."""
        return self.report.estimate.estimate

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of a sample of this size, as shares."""
        return self.report.estimate.ci_low, self.report.estimate.ci_high

    @property
    def certain(self) -> tuple[float, float]:
        """Bounds that hold with certainty, as shares: from the different answers seen, assuming nothing."""
        return self.report.estimate.certain_low, self.report.estimate.certain_high

    @property
    def verdict(self) -> str:
        """Whether the number can be relied on: trust, caution, or do not use."""
        return self.report.estimate.verdict

    def plot(self) -> "Figure":
        """Returns how the estimate came to be: its path against the answers drawn, with both bands."""
        from core.results import plots
        from core.runs.convergence import convergence_table

        table = convergence_table(self.report.shards, self.report.request)
        return plots.convergence(table, self.report.estimate.confidence, self.report.reference)

    def _card(self) -> Card:
        estimate, request = self.report.estimate, self.report.request
        percent = f"{estimate.confidence:.0%}"
        low, high = per_million(estimate.ci_low), per_million(estimate.ci_high)
        if estimate.hits == 0:
            headline, interval = f"below {high}", f"no harmful answer was drawn ({percent} bound)"
        else:
            headline, interval = (
                per_million(estimate.estimate),
                f"{percent} interval: {low} to {high}",
            )
        rows = [
            ("answers drawn", f"{estimate.samples:,}"),
            ("harmful among them", f"{estimate.hits:,}"),
            ("unjudged", f"{estimate.unjudged:,}"),
            ("effective harmful answers", f"{estimate.ess_event:,.0f}"),
        ]
        if estimate.upper_bound_free is not None:
            rows.append(("bound without assumptions", per_million(estimate.upper_bound_free)))
        if certain := certainly(*self.certain):
            rows.append(("certain", certain))
        if self.report.reference is not None:
            rows.append(("reference of a large run", per_million(self.report.reference)))
        return Card(
            lead=f"“{request.query}”, asked of {request.model}",
            headline=headline,
            interval=interval,
            verdict=estimate.verdict,
            reasons=tuple(reason.message for reason in estimate.reasons),
            rows=tuple(rows),
        )


def estimate(
    query: str,
    *,
    model: str | LoadedModel,
    behaviour: str,
    method: Method | None,
    samples: int,
    seed: int,
    proposal: AnyProposalSpec | Mapping[str, Any] | None,
    generation: Mapping[str, Any] | None,
    judge: str | None,
    threshold: float | None,
    cache: str | Path | None,
    show: Callable[[Progress[Any]], object] | None,
) -> EstimateResult:
    """Returns what `core.estimate` returns."""
    loaded = model if isinstance(model, LoadedModel) else None
    name = model.name if isinstance(model, LoadedModel) else model
    loading = LoadingSpec() if loaded is None else loaded.loading
    first = build_proposal(dict(proposal)) if isinstance(proposal, Mapping) else proposal
    score = load_behaviour(behaviour).spec.threshold if threshold is None else threshold
    if method is None:
        asked = default_method([name], behaviour, [query], judge, score)
        method = asked if first is None else "mis"
    request = EstimateRequest.build(
        query=check_no_chat(query),
        model=name,
        loading=loading,
        behaviour=behaviour,
        method=method,
        generation=generation_of(generation, {name: loading}),
        proposal=first if method not in UNWEIGHTED else None,
        judge=judge,
        threshold=score,
        seed=seed,
    )
    steps = estimate_query(request, samples, store_at(cache), loaded=loaded)
    return EstimateResult(result_of(steps, show))
