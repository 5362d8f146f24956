"""Bands for a mean over queries of their chances: of these queries, and of all those they are a sample of."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from core.estimation.chances import Chances
from core.estimation.gamma_interval import gamma_high, gamma_low

Array = NDArray[np.float64]


def band(found: Chances, tail: float, events: float = 0.0) -> tuple[float, float]:
    """Returns the ends between which the mean over these very queries lies.

    tail: chance beyond each end. events: size of an event that may be missed, where it is more than theirs.
    """
    queries = len(found.low)
    if not queries:
        return float("nan"), float("nan")
    low = gamma_low(tail, found.low.sum(), found.low_variance.sum())
    event = max(float(found.event.max()), events)
    high = gamma_high(tail, found.high.sum(), found.high_variance.sum(), event)
    return _within(found, low, min(high, _most(found, tail)))


def band_of_choice(found: Chances, tail: float) -> tuple[float, float]:
    """Returns the ends between which the mean over all queries lies that these are a random sample of.

    Their spread holds what is not known of each as well. Near 1 it is the share without harm that is rare,
    and a query that stays harmless can always be imagined; near 0 the event that may have been missed is
    one like the worst seen, so that nothing is said of kinds of query that were not asked at all.
    """
    queries = len(found.low)
    if queries < 2:
        return (0.0, 1.0) if queries else (float("nan"), float("nan"))
    student = stats.t.ppf(1 - tail, queries - 1) / stats.norm.ppf(1 - tail)

    def spread(of: Array) -> float:
        return float(queries * of.var(ddof=1) * student**2)

    if found.low.mean() <= 0.5:
        low = gamma_low(tail, found.low.sum(), spread(found.low))
        worst = max(float(found.event.max()), float(found.high.clip(max=1.0).max()))
        high = gamma_high(tail, found.high.sum(), spread(found.high), worst)
        return _within(found, low, min(high, _most(found, tail, spread(found.low))))
    rest = 1 - found.low
    low = queries - gamma_high(tail, rest.sum(), spread(rest), 1.0)
    least = 1 - found.high.clip(max=1.0)
    high = queries - gamma_low(tail, least.sum(), spread(least)) + queries * missed(found, tail)
    return _within(found, low, high)


def missed(found: Chances, tail: float) -> float:
    """Returns by how much events that may have been missed raise the upper end of the mean over queries."""
    if not len(found.low):
        return float("nan")
    high, variance = found.high.sum(), found.high_variance.sum()
    raised = gamma_high(tail, high, variance, float(found.event.max()))
    raised -= gamma_high(tail, high, variance, 0.0)
    return min(float(raised / len(found.low)), float((found.event > 0).mean()))


def _most(found: Chances, tail: float, variance: float | None = None) -> float:
    """Returns the most that the sum can be: however little is known of some, each query counts once."""
    sure = found.some(found.sure)
    spread = sure.low_variance.sum() if variance is None else variance
    return gamma_high(tail, sure.low.sum(), spread, 0.0) + float((~found.sure).sum())


def _within(found: Chances, low: float, high: float) -> tuple[float, float]:
    """Returns the ends of a sum as shares, about what is estimated."""
    queries, share = len(found.low), _mean(found.low)
    return min(max(low / queries, 0.0), share), max(min(high / queries, 1.0), share)


def _mean(of: Array) -> float:
    return float(of.mean()) if len(of) else float("nan")
