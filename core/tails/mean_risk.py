"""The mean risk of a query: what counts where many queries are asked once each."""

import numpy as np

from core.tails.bootstrap import TailDraws
from core.tails.sample import Array, Mask, TailSample, to_risk
from core.tails.tail import Tail

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(64)


def mean_risk(sample: TailSample, fit: Tail) -> float:
    """Returns the mean risk, of the queries in the tail as it was fitted, of the others as estimated.

    The estimates' noise stays in, and a query without a hit counts as 0: the mean of estimates is unbiased
    as they are. Without those zeros it would be the mean of the queries that had luck.
    """
    above = _in_tail(sample, fit)
    bulk = float(np.where(above, 0.0, sample.risk).mean())
    return bulk + float(above.mean()) * _mean_above(fit)


def mean_risk_draws(sample: TailSample, fit: Tail, refits: TailDraws, seed: int = 0) -> Array:
    """Returns mean risks that may be instead, (B,), one for each of the refits.

    Of draws from a posterior, each with the queries weighed anew by whole groups (the Bayesian bootstrap).
    """
    if refits.samples and not refits.posterior:
        pairs = zip(refits.samples, refits.fits, strict=True)
        return np.array([mean_risk(again, one) for again, one in pairs])
    names, place = np.unique(sample.group, return_inverse=True)
    generator = np.random.default_rng(seed)
    weight = generator.exponential(size=(len(refits.fits), len(names)))[:, place]
    weight /= weight.sum(1, keepdims=True)
    above = _in_tail(sample, fit)
    means = np.array([_mean_above(one) for one in refits.fits])
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


def _mean_above(fit: Tail) -> float:
    """Returns the mean risk of the queries in a tail."""
    limit = float(fit.log_survival(fit.threshold))
    # In x with share = limit x^4: the few highest risks carry most of the mean.
    x = (NODES + 1) / 2
    risks = to_risk(fit.score_at(limit + 4 * np.log(x)))
    return float((NODE_WEIGHTS / 2 * 4 * x**3 * risks).sum())
