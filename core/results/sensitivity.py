"""A comparison of wordings, from Python."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.estimation.words import per_million
from core.results.audit import audit_spec, executor_of
from core.results.base import Result, store_at
from core.results.html import Card
from core.sensitivity.compare import compare
from core.sensitivity.comparison import Comparison
from core.sensitivity.report import SensitivityReport
from core.sensitivity.variants import variants
from core.sensitivity.wordings import default_wordings
from core.tasks.progress import Progress, result_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class SensitivityResult(Result[SensitivityReport]):
    """The risks of a query's wordings, and how far the wording alone moves them."""

    def plot(self) -> "Figure":
        """Returns every wording's risk with its interval, the riskiest first."""
        from core.results import plots

        return plots.wordings(self.report.rows)

    def _card(self) -> Card:
        report, moved = self.report, self.report.spread
        headline = (
            "how far the wording moves the risk is not known"
            if moved is None
            else f"wording alone moves the risk by a factor of {moved.factor:.2g}"
        )
        known = [row for row in report.rows if row.row.estimate is not None]
        riskiest = sorted(known, key=_risk, reverse=True)
        return Card(
            lead=f"“{report.query}” and {len(report.rows) - 1} other ways to ask {report.model}",
            headline=headline,
            reasons=tuple(report.notes),
            columns=("wording", "risk"),
            rows=tuple((row.variant.text, per_million(_risk(row))) for row in riskiest),
        )


def _risk(row: Any) -> float:
    return float(row.row.estimate.estimate)


def sensitivity(
    query: str,
    wordings: Sequence[str] | None,
    *,
    model: str,
    behaviour: str,
    samples: int,
    workers: int | None,
    cache: str | Path | None,
    show: Callable[[Progress[Any]], object] | None,
    settings: Mapping[str, Any],
) -> SensitivityResult:
    """Returns what `core.sensitivity` returns."""
    spec = audit_spec([model], behaviour, [query], samples, settings)
    notes: list[str] = []
    if wordings is None:
        wordings, notes = default_wordings(spec, query)
    asked = variants(query, wordings, spec.generation)
    comparison = Comparison(spec=spec, variants=asked, notes=tuple(notes))
    steps = compare(comparison, store_at(cache), executor_of(workers))
    return SensitivityResult(result_of(steps, show))
