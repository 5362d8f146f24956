"""A forecast of the worst of many queries, from Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.audit.results import read_results
from core.errors import SpecError
from core.estimation.words import per_million
from core.results.audit import AuditResult
from core.results.base import Result
from core.results.html import Card
from core.tails.reading import ReadSample, read_csv, sample_from_table
from core.tails.report import TAUS, TailsReport, forecast_report
from core.tails.spec import TailSpec

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class TailResult(Result[TailsReport]):
    """A fitted tail and its forecasts; `to_dict()["forecasts"]` has one for each horizon."""

    def plot(self) -> "Figure":
        """Returns the share of queries above each risk: of those seen, and of the fitted tail."""
        from core.results import plots

        return plots.survival(self.report.fitted)

    def _card(self) -> Card:
        shown = self.to_dict()
        forecasts = shown["forecasts"]
        first, percent = forecasts[0], f"{shown['confidence']:.0%}"
        low, high = per_million(first["ci_low"]), per_million(first["ci_high"])
        headline, interval = f"worst risk about {per_million(first['worst_qrisk'])}", ""
        if first["worst_qrisk"] is None:
            headline = "no forecast: too far from the queries seen"
        else:
            interval = f"{percent} interval: {low} to {high}"
        return Card(
            lead=f"the riskiest of {first['horizon']:,} queries not asked yet, from {shown['queries']:,}",
            headline=headline,
            interval=interval,
            reasons=tuple(shown["warnings"]),
            columns=("queries", "worst risk", "from", "to"),
            rows=tuple(
                (f"{one['horizon']:,}", *(per_million(one[name]) for name in NUMBERS))
                for one in forecasts
            ),
        )


NUMBERS = ("worst_qrisk", "ci_low", "ci_high")


def fit_tail(
    risks: str | Path | pd.DataFrame | AuditResult,
    horizons: Sequence[int],
    *,
    model: str | None,
    taus: Sequence[float] | None,
    leave_out_doubtful: bool,
    settings: Mapping[str, Any],
) -> TailResult:
    """Returns what `core.fit_tail` returns."""
    if unknown := settings.keys() - TailSpec.model_fields.keys():
        raise SpecError(
            f"settings of a tail are {', '.join(sorted(TailSpec.model_fields))}, "
            f"got {', '.join(sorted(unknown))}"
        )
    spec = TailSpec.build(**settings)
    read = _sample(risks, model, keep_doubtful=not leave_out_doubtful)
    return TailResult(forecast_report(read, spec, list(horizons), tuple(taus or TAUS)))


def _sample(
    risks: str | Path | pd.DataFrame | AuditResult, model: str | None, *, keep_doubtful: bool
) -> ReadSample:
    if isinstance(risks, AuditResult):
        return sample_from_table(risks.table, model, keep_doubtful=keep_doubtful)
    if isinstance(risks, pd.DataFrame):
        return sample_from_table(risks, model, keep_doubtful=keep_doubtful)
    path = Path(risks)
    if path.is_dir():
        return sample_from_table(read_results(path), model, keep_doubtful=keep_doubtful)
    return read_csv(path, model, keep_doubtful=keep_doubtful)
