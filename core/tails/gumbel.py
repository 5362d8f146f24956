"""The Gumbel tail: a line through the log survival of the largest scores (Jones et al. 2025)."""

from dataclasses import dataclass

import numpy as np

from core.errors import SpecError
from core.tails.sample import Array, TailSample, expected_log_survival, kaplan_meier

GUMBEL_LARGEST = 10
# Of rewordings of few queries, more would be the bulk and no tail.
LARGEST_SHARE = 0.3


@dataclass(frozen=True)
class GumbelTail:
    """log P(score > psi) = slope * psi + intercept, slope below 0 (Jones et al. 2025, section 3)."""

    slope: float
    intercept: float
    threshold: float
    exceedances: int
    name: str = "gumbel"

    @property
    def parameters(self) -> dict[str, float]:
        return {"slope": self.slope, "intercept": self.intercept}

    def log_survival(self, score: Array | float) -> Array:
        level = np.asarray(score, dtype=float)
        return np.asarray(np.minimum(self.slope * level + self.intercept, 0.0))

    def score_at(self, log_survival: Array | float) -> Array:
        return np.asarray((np.asarray(log_survival, dtype=float) - self.intercept) / self.slope)


def largest_by_default(sample: TailSample) -> int:
    """Returns how many of the largest to fit: ten, or as many as it takes to see ten groups.

    The ten largest of 40 queries in 8 wordings are two or three queries said again. At most three in
    ten, and never fewer than ten.
    """
    known = np.flatnonzero(~sample.censored)
    order = known[np.argsort(-sample.score[known], kind="stable")]
    _, first = np.unique(sample.group[order], return_index=True)
    needed = np.sort(first)[min(GUMBEL_LARGEST, len(first)) - 1] + 1
    most = max(GUMBEL_LARGEST, int(LARGEST_SHARE * len(known)))
    return int(min(max(needed, GUMBEL_LARGEST), most, len(known)))


def fit_gumbel(sample: TailSample, largest: int | None = None) -> GumbelTail:
    """Returns the line through the log survival of the largest scores, by least squares.

    The scores are what varies, and they stand on the x axis: that flattens the line, whose levels come out
    too high (by a third of the scale at ten times the sample, from ten). `Predictor` calibrates it away.

    largest: how many; None for `largest_by_default`.

    Raises:
        SpecError: fewer known scores than that, or all of them equal.
    """
    known, reached = kaplan_meier(sample)
    count = largest_by_default(sample) if largest is None else largest
    if not 3 <= count <= len(known):
        raise SpecError(
            f"largest must be in 3..{len(known)} (the queries with a hit), got {count}; "
            "audit more queries, or fit fewer of the largest"
        )
    top = known[:count]
    if top[0] - top[-1] <= 1e-12:
        raise SpecError(
            f"the {count} largest estimates are equal, and a line needs different ones; raise largest"
        )
    heights = expected_log_survival(reached[:count], len(sample))
    x, y = top - top.mean(), heights - heights.mean()
    slope = float(x @ y / (x @ x))
    intercept = float(heights.mean() - slope * top.mean())
    return GumbelTail(slope, intercept, float(top[-1]), count)
