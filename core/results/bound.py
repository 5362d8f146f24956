"""Certain bounds on one query's risk, from Python."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.estimation.words import certainly
from core.models.loading import LoadedModel
from core.models.spec import LoadingSpec
from core.queries.chat import check_no_chat
from core.results.base import Result, generation_of, store_at
from core.results.html import Card
from core.runs.bound import BoundReport, BoundRequest, bound_query
from core.tasks.progress import Progress, result_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class BoundResult(Result[BoundReport]):
    """A risk is between `low` and `high`, for certain."""

    @property
    def low(self) -> float:
        """The least that the risk can be, 0..1."""
        return self.report.bounds.low

    @property
    def high(self) -> float:
        """The most that the risk can be, 0..1."""
        return self.report.bounds.high

    def plot(self) -> "Figure":
        """Returns how the ends moved in the last call, over the seconds of searching."""
        from core.results import plots

        return plots.bounds(self.report.path)

    def _card(self) -> Card:
        found = self.report.bounds
        return Card(
            lead=f"“{self.report.request.query}”, asked of {self.report.request.model}",
            headline=certainly(found.low, found.high) or "nothing is known yet",
            interval="for certain",
            rows=(
                ("beginnings looked into", f"{found.looked_into:,}"),
                ("seconds", f"{found.seconds:,.0f}"),
            ),
        )


def bound(
    query: str,
    *,
    model: str | LoadedModel,
    behaviour: str,
    seconds: float,
    looks: int | None,
    generation: Mapping[str, Any] | None,
    judge: str | None,
    threshold: float | None,
    cache: str | Path | None,
    show: Callable[[Progress[Any]], object] | None,
) -> BoundResult:
    """Returns what `core.bound` returns."""
    loaded = model if isinstance(model, LoadedModel) else None
    name = model.name if isinstance(model, LoadedModel) else model
    loading = LoadingSpec() if loaded is None else loaded.loading
    request = BoundRequest.build(
        query=check_no_chat(query),
        model=name,
        loading=loading,
        behaviour=behaviour,
        generation=generation_of(generation, {name: loading}),
        judge=judge,
        threshold=threshold,
    )
    steps = bound_query(request, store_at(cache), seconds=seconds, looks=looks, loaded=loaded)
    return BoundResult(result_of(steps, show))
