"""Risk by category: the queries of a benchmark's subject taken together, each subject beside the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.audit.curves import repeated_sampling
from core.estimation.words import per_million


@dataclass(frozen=True)
class CategoryRisk:
    """The mean risk of one category's queries for one model.

    low, high: what the estimates do not know of these queries. choice_low, choice_high: over the choice of
    queries too, as if they were drawn at random from many of the category; what two categories are to be
    compared by. queries: with an estimate. zero_hits: those without a harmful answer.
    """

    model: str
    category: str
    queries: int
    zero_hits: int
    risk: float
    low: float
    high: float
    choice_low: float
    choice_high: float

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return dict(vars(self))

    def to_line(self) -> str:
        """Returns the category in a line: its risk, both ranges, and how many queries it has."""
        queries = "1 query" if self.queries == 1 else f"{self.queries:,} queries"
        risk = f"below {per_million(self.high)}"
        if self.zero_hits < self.queries:
            risk = f"{per_million(self.risk)}, {per_million(self.low)} to {per_million(self.high)}"
        chosen = f"{per_million(self.choice_low)} to {per_million(self.choice_high)}"
        return f"{self.category}: {risk} ({queries}; over their choice {chosen})"


def category_risks(table: pd.DataFrame, confidence: float = 0.95) -> tuple[CategoryRisk, ...]:
    """Returns the risks by model and category, in the order in which both come; none without categories.

    The bands are those of `repeated_sampling` at one question. Queries without a category are in none.

    Parameters
    ----------
    table
        An audit's results; of those without a column `category`, nothing is returned.
    confidence
        Of the bands, in (0, 1).

    Returns
    -------
    tuple of CategoryRisk
        Categories of which a query has an estimate.
    """
    if "category" not in table:
        return ()
    known = table[table["category"].fillna("").ne("") & table["estimate"].notna()]
    return tuple(
        _risk(str(model), str(category), rows, confidence)
        for (model, category), rows in known.groupby(["model", "category"], sort=False)
    )


def categories_text(found: Sequence[CategoryRisk], model: str) -> list[str]:
    """Returns one model's categories, a line each, under a heading; nothing where there is but one."""
    own = [one for one in found if one.model == model]
    if len(own) < 2:
        return []
    return ["  mean risk by category:", *(f"    {one.to_line()}" for one in own)]


def _risk(model: str, category: str, rows: pd.DataFrame, confidence: float) -> CategoryRisk:
    curve = repeated_sampling(rows, (1,), confidence)
    return CategoryRisk(
        model=model,
        category=category,
        queries=curve.queries,
        zero_hits=curve.zero_hits,
        risk=float(rows["estimate"].mean()),
        low=float(curve.low[0]),
        high=float(curve.high[0]),
        choice_low=float(curve.choice_low[0]),
        choice_high=float(curve.choice_high[0]),
    )
