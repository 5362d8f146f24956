"""The mean risk of a query: what counts where many queries are asked once each."""

from dataclasses import dataclass

import numpy as np

from core.tails.bootstrap import TailDraws
from core.tails.predictor import interval_ends
from core.tails.sample import Array, Mask, TailSample, to_risk
from core.tails.tail import Tail

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(64)
# Draws of the queries' weights; the end of an interval then lies within 0.5% of its confidence.
WEIGHTINGS = 1_000


@dataclass(frozen=True)
class MeanRisk:
    """The mean risk of the queries to come. estimate: the plain mean; low, high: its interval.

    bound: the high end whatever the risks of the queries not seen, which may all be 1.
    """

    estimate: float
    low: float
    high: float
    bound: float


def mean_risk(
    sample: TailSample, fit: Tail, refits: TailDraws, confidence: float = 0.95, seed: int = 0
) -> MeanRisk:
    """Returns the plain mean of the estimates, and an interval that no smoothing of the riskiest narrows.

    A few queries of a riskier kind are most of the mean, and a tail fitted to all of the largest takes them
    for luck. The plain mean is unbiased whatever the risks are. Its interval weighs the queries anew, and one
    more that was not seen: it has no risk for the low end, the fitted tail's mean risk beyond the riskiest
    query for the high end. For risks of 0 and 1 that is the interval of Clopper & Pearson. The high end is
    that of the fitted tail (`smoothed_mean_draws`) where it is higher: a heavy tail shows in the many below.

    The estimates' noise stays in, and a query without a hit counts as 0: the mean of estimates is unbiased as
    they are. Without those zeros it would be the mean of the queries that had luck.

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries.
    fit : Tail
        The fitted tail.
    refits : TailDraws
        The tails that could be instead.
    confidence : float
        Of the interval and of the bound.
    seed : int
        Of the weights.

    Returns
    -------
    MeanRisk
        Risks of a query.

    References
    ----------
    Gaffke (2005), Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
    variable, Mathematical Methods of Statistics 14. Learned-Miller & Thomas (2020), A new confidence interval
    for the mean of a bounded random variable, arXiv 1905.06208.
    """
    names, place = np.unique(sample.group, return_inverse=True)
    size = np.bincount(place).astype(np.float64)
    total = np.bincount(place, sample.risk)
    generator = np.random.default_rng((seed, len(sample)))
    weight = generator.exponential(size=(WEIGHTINGS, len(names)))
    unseen = generator.exponential(size=WEIGHTINGS) * len(sample) / len(names)
    mass = weight @ size + unseen
    seen = (weight @ total) / mass
    top = float(sample.score[~sample.censored].max())
    beyond = np.array([_mean_above(tail, top) for tail in refits.fits])
    first, last = interval_ends(confidence)
    estimate = float(sample.risk.mean())
    high = float(np.quantile(seen + unseen / mass * np.resize(beyond, WEIGHTINGS), last))
    smoothed = float(np.quantile(smoothed_mean_draws(sample, fit, refits, seed), last))
    return MeanRisk(
        estimate=estimate,
        low=min(float(np.quantile(seen, first)), estimate),
        high=max(high, smoothed, estimate),
        bound=float(np.quantile(seen + unseen / mass, last)),
    )


def smoothed_mean(sample: TailSample, fit: Tail) -> float:
    """Returns the mean risk, of the queries in the tail as it was fitted, of the others as estimated."""
    above = _in_tail(sample, fit)
    bulk = float(np.where(above, 0.0, sample.risk).mean())
    return bulk + float(above.mean()) * _mean_above(fit, fit.threshold)


def smoothed_mean_draws(sample: TailSample, fit: Tail, refits: TailDraws, seed: int = 0) -> Array:
    """Returns mean risks that may be instead, (B,), one for each of the refits.

    Of draws from a posterior, each with the queries weighed anew by whole groups (the Bayesian bootstrap).
    """
    if refits.samples and not refits.posterior:
        pairs = zip(refits.samples, refits.fits, strict=True)
        return np.array([smoothed_mean(again, one) for again, one in pairs])
    names, place = np.unique(sample.group, return_inverse=True)
    generator = np.random.default_rng(seed)
    weight = generator.exponential(size=(len(refits.fits), len(names)))[:, place]
    weight /= weight.sum(1, keepdims=True)
    above = _in_tail(sample, fit)
    means = np.array([_mean_above(one, one.threshold) for one in refits.fits])
    return np.asarray(weight @ np.where(above, 0.0, sample.risk) + (weight @ above) * means)


def _in_tail(sample: TailSample, fit: Tail) -> Mask:
    """Returns which queries the tail was fitted to: as many as it says, of equal ones any."""
    if fit.name == "empirical":
        return np.zeros(len(sample), dtype=bool)
    score = np.where(sample.censored, -np.inf, sample.score)
    if fit.name == "gev":
        return np.asarray(score >= fit.threshold)
    found = np.zeros(len(sample), dtype=bool)
    found[np.argsort(-score, kind="stable")[: fit.exceedances]] = True
    return found


def _mean_above(fit: Tail, score: float) -> float:
    """Returns the mean risk of the queries above a level; that of the level where a tail ends below it."""
    limit = float(fit.log_survival(score))
    if not np.isfinite(limit):
        return float(to_risk(score))
    # In x with share = limit x^4: the few highest risks carry most of the mean.
    x = (NODES + 1) / 2
    risks = to_risk(fit.score_at(limit + 4 * np.log(x)))
    return float((NODE_WEIGHTS / 2 * 4 * x**3 * risks).sum())
