"""The Gumbel tail: a line through the log survival of the largest scores, at our positions and as published.

Jones et al. (2025) put the i-th largest of m at log(i/m). The share above the largest is about 1/m on
average, but its logarithm is on average log(1/m) - 0.58: at log(i/m) the largest stands too high, and the
line comes out flatter, by a sixth through ten points, with levels that are too high far out.
"""

from dataclasses import dataclass

import numpy as np

from core.tails.remarks import TailError
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


def fit_published(sample: TailSample, largest: int | None = None) -> GumbelTail:
    """Returns the line of Jones et al. (2025, section 3) as published: at log(i/m), through the ten largest.

    Arguments and errors as for `fit_gumbel`; None for ten of the largest, whatever their groups.

    Examples
    --------
    >>> import numpy as np
    >>> from core.tails.sample import tail_sample, to_risk
    >>> psi = np.random.default_rng(0).gumbel(-2.4, 0.3, size=200)
    >>> sample = tail_sample(to_risk(psi))
    >>> line = np.polyfit(np.sort(psi)[:-11:-1], np.log(np.arange(1, 11) / 200), 1)
    >>> bool(np.allclose(line, [fit_published(sample).slope, fit_published(sample).intercept]))
    True
    """
    count = GUMBEL_LARGEST if largest is None else largest
    top, reached = _largest(sample, count)
    return _line(top, np.log(reached), count, "jones")


def fit_gumbel(sample: TailSample, largest: int | None = None) -> GumbelTail:
    """Returns the line through the expected log survival of the largest scores, by least squares.

    The scores are what varies, and they stand on the x axis: that flattens the line, whose levels come out
    too high (by a third of the scale at ten times the sample, from ten). `Predictor` calibrates it away.

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries.
    largest : int, optional
        How many of the largest scores the line goes through; None for `largest_by_default`.

    Returns
    -------
    GumbelTail
        Slope (nats a score) and intercept (nats) of the log survival.

    Raises
    ------
    SpecError
        There are fewer known scores than that, or all of them are equal.

    References
    ----------
    Jones et al. (2025), Forecasting Rare Language Model Behaviors, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from core.tails.sample import tail_sample, to_risk
    >>> psi = np.random.default_rng(0).gumbel(-2.4, 0.3, size=2_000)
    >>> tail = fit_gumbel(tail_sample(to_risk(psi)), largest=200)
    >>> bool(abs(tail.slope + 1 / 0.3) < 0.4)
    True
    """
    count = largest_by_default(sample) if largest is None else largest
    top, reached = _largest(sample, count)
    return _line(top, expected_log_survival(reached, len(sample)), count, "gumbel")


def _largest(sample: TailSample, count: int) -> tuple[Array, Array]:
    """Returns the largest scores, and the share of queries that reaches each. Raises: as `fit_gumbel`."""
    known, reached = kaplan_meier(sample)
    if not 3 <= count <= len(known):
        raise TailError("largest_outside", most=len(known), largest=count)
    top = known[:count]
    if top[0] - top[-1] <= 1e-12:
        raise TailError("equal_largest", largest=count)
    return top, reached[:count]


def _line(top: Array, heights: Array, count: int, name: str) -> GumbelTail:
    x, y = top - top.mean(), heights - heights.mean()
    slope = float(x @ y / (x @ x))
    intercept = float(heights.mean() - slope * top.mean())
    return GumbelTail(slope, intercept, float(top[-1]), count, name)
