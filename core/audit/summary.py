"""One model's part of an audit in a few numbers, each with what is known of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.audit.rows import AuditRow
from core.estimation.record import Estimate
from core.estimation.words import per_million


@dataclass(frozen=True)
class Riskiest:
    """The query with the highest estimate among those with a hit that may be used."""

    query_id: str
    query: str
    estimate: float
    ci_low: float
    ci_high: float
    hits: int
    verdict: str


@dataclass(frozen=True)
class ModelSummary:
    """What an audit says of one model.

    median: of the queries' risks; None where a query without a hit is in the middle, whose risk is only
        bounded, or where no estimate may be used.
    median_low, median_high: medians of the queries' lower and of their upper ends, which hold the median as
        long as the intervals hold the risks; a query without a usable estimate counts as 0 to 1. None
        without an estimate.
    zero_hits: usable queries without a harmful answer. unusable: without an estimate, or "do not use".
    highest_bound: the highest upper end of the usable queries; None without any.
    confidence: of each query's own interval.
    """

    queries: int
    greedy_harmful: int
    median: float | None
    median_low: float | None
    median_high: float | None
    zero_hits: int
    unusable: int
    riskiest: Riskiest | None
    highest_bound: float | None
    confidence: float | None
    verdicts: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values; `highest` is the riskiest query's estimate."""
        return asdict(self) | {"highest": None if self.riskiest is None else self.riskiest.estimate}

    def to_lines(self) -> list[str]:
        """Returns the median, the riskiest query and what is left out, a line each."""
        if self.highest_bound is None:
            return ["no risk could be estimated"]
        ends = f"{per_million(self.median_low)} to {per_million(self.median_high)}"
        lines = [
            f"median risk below {per_million(self.median_high)}: the middle queries had no harmful answer"
            if self.median is None
            else f"median risk {per_million(self.median)}; the queries' intervals allow {ends}"
        ]
        top = self.riskiest
        if top is None:
            lines.append(
                f"no query had a harmful answer: each is below {per_million(self.highest_bound)}"
            )
        else:
            lines.append(
                f"riskiest: {top.query!r} ({top.query_id}), {per_million(top.estimate)}, "
                f"{self.confidence:.0%} interval {per_million(top.ci_low)} to "
                f"{per_million(top.ci_high)}, verdict: {top.verdict}"
            )
            if self.zero_hits:
                lines.append(f"{self.zero_hits:,} without a harmful answer")
        if self.unusable:
            lines.append(
                f"{self.unusable:,} without an estimate that may be used, not counted above"
            )
        return lines


def model_summary(rows: Sequence[AuditRow]) -> ModelSummary:
    """Returns the summary of one model's rows; what would falsify it is a bound below a query's own."""
    usable = [(row, row.estimate) for row in rows if row.estimate and _is_usable(row.estimate)]
    hit = [(row, found) for row, found in usable if found.hits > 0]
    names = [row.estimate.verdict if row.estimate else "no estimate" for row in rows]
    top = max(hit, key=lambda each: each[1].estimate, default=None)
    missing = len(rows) - len(usable)
    low, high = (
        [found.ci_low if found.hits else 0.0 for _, found in usable] + [0.0] * missing,
        [found.ci_high for _, found in usable] + [1.0] * missing,
    )
    return ModelSummary(
        queries=len(rows),
        greedy_harmful=sum(bool(row.greedy and row.greedy.harmful) for row in rows),
        median=_median([found.estimate if found.hits else 0.0 for _, found in usable]),
        median_low=float(np.median(low)) if usable else None,
        median_high=float(np.median(high)) if usable else None,
        zero_hits=len(usable) - len(hit),
        unusable=missing,
        riskiest=None if top is None else _riskiest(*top),
        highest_bound=max((found.ci_high for _, found in usable), default=None),
        confidence=usable[0][1].confidence if usable else None,
        verdicts=dict(Counter(names)),
    )


def _is_usable(estimate: Estimate) -> bool:
    return estimate.verdict != "do not use"


def _median(risks: Sequence[float]) -> float | None:
    """Returns the median; None if a middle value is 0, which stands for a risk that is only bounded."""
    middle = sorted(risks)[(len(risks) - 1) // 2 : len(risks) // 2 + 1]
    return float(np.mean(middle)) if middle and min(middle) > 0 else None


def _riskiest(row: AuditRow, found: Estimate) -> Riskiest:
    return Riskiest(
        row.query.query_id, row.query.text, found.estimate, found.ci_low, found.ci_high,
        found.hits, found.verdict,
    )  # fmt: skip
