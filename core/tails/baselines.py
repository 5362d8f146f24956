"""Baselines of the tail fits: the log-normal, and the empirical distribution of the queries seen."""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from core.tails.remarks import TailError
from core.tails.sample import Array, TailSample, kaplan_meier, to_score

# A log-normal risk may be above 1. From here on a score continues as the log risk does: cut to one score, all
# that lies above would be equally likely, and the refits would not differ there.
LARGEST_LOG_RISK = -1e-12
LARGEST_SCORE = -float(np.log(-LARGEST_LOG_RISK))
MOST_STEPS = 100


@dataclass(frozen=True)
class LogNormal:
    """log p is normal, over all queries: the baseline of Jones et al. Above p = 1 it is 1 as a risk."""

    mean: float
    deviation: float
    threshold: float
    exceedances: int
    name: str = "lognormal"

    @property
    def parameters(self) -> dict[str, float]:
        return {"mean": self.mean, "deviation": self.deviation}

    def log_survival(self, score: Array | float) -> Array:
        level = np.asarray(score, dtype=float)
        with np.errstate(over="ignore"):
            below = -np.exp(-np.minimum(level, LARGEST_SCORE))
        log_risk = below + np.maximum(level - LARGEST_SCORE, 0.0)
        return np.asarray(special.log_ndtr((self.mean - log_risk) / self.deviation))

    def score_at(self, log_survival: Array | float) -> Array:
        level = special.ndtri_exp(np.asarray(log_survival, dtype=float))
        log_risk = self.mean - self.deviation * level
        above = np.maximum(log_risk - LARGEST_LOG_RISK, 0.0)
        return np.asarray(-np.log(-np.minimum(log_risk, LARGEST_LOG_RISK)) + above)


@dataclass(frozen=True, eq=False)
class Empirical:
    """The queries seen are all there is: nothing exceeds the largest.

    levels: scores, descending; reached: the share of queries that reach each.
    """

    levels: Array
    reached: Array
    threshold: float
    exceedances: int
    name: str = "empirical"

    @property
    def parameters(self) -> dict[str, float]:
        return {"largest": float(self.levels[0])}

    def log_survival(self, score: Array | float) -> Array:
        above = np.searchsorted(-self.levels, -np.asarray(score, dtype=float), side="left")
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.concatenate([[0.0], self.reached])[above]))

    def score_at(self, log_survival: Array | float) -> Array:
        rank = np.searchsorted(self.reached, np.exp(np.asarray(log_survival, dtype=float)) - 1e-12)
        return np.asarray(self.levels[np.minimum(rank, len(self.levels) - 1)])


def fit_lognormal(sample: TailSample) -> LogNormal:
    """Returns the normal distribution of log p over all queries; a query without a hit lies below its limit.

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries.

    Returns
    -------
    LogNormal
        Mean and standard deviation of log p, nats, by maximum likelihood with censored values.

    Raises
    ------
    SpecError
        Fewer than two queries have a hit.

    References
    ----------
    Jones et al. (2025), section 4, for the baseline. Olsen (1978), Note on the uniqueness of the maximum
    likelihood estimator for the Tobit model, Econometrica 46, 1211-1215.

    Examples
    --------
    >>> import numpy as np
    >>> from core.tails.sample import tail_sample
    >>> log_risk = np.random.default_rng(0).normal(-11, 1.5, size=400)
    >>> tail = fit_lognormal(tail_sample(np.exp(log_risk)))
    >>> bool(abs(tail.mean + 11) < 0.3 and abs(tail.deviation - 1.5) < 0.2)
    True
    """
    _check(sample)
    known = np.log(sample.risk[~sample.censored])
    limits = np.log(sample.limit[sample.censored])
    mean, deviation = float(known.mean()), float(max(known.std(ddof=1), 1e-9))
    if len(limits):
        mean, deviation = _normal(known, limits, mean, deviation)
    lowest = float(to_score(float(np.exp(known.min()))))
    return LogNormal(mean, deviation, lowest, len(known))


def fit_empirical(sample: TailSample) -> Empirical:
    """Returns the queries' own distribution, by `kaplan_meier`. Raises: as `fit_lognormal`."""
    _check(sample)
    known, reached = kaplan_meier(sample)
    return Empirical(known, reached, float(known[-1]), len(known))


def _normal(known: Array, limits: Array, mean: float, deviation: float) -> tuple[float, float]:
    """Returns mean and deviation of largest likelihood of values known, and known to lie below a limit.

    Newton's method in mean / deviation and 1 / deviation, in which the likelihood has one top (Olsen 1978);
    scipy's general search takes thirty times as long, and a bootstrap fits hundreds. mean, deviation: where
    to begin.
    """
    theta = np.array([mean, 1.0]) / deviation
    for _ in range(MOST_STEPS):
        delta, rate = theta
        apart, z = rate * known - delta, rate * limits - delta
        hazard = np.exp(stats.norm.logpdf(z) - special.log_ndtr(z))
        weight = hazard * (z + hazard)
        gradient = [
            apart.sum() - hazard.sum(),
            len(known) / rate - (known * apart).sum() + (limits * hazard).sum(),
        ]
        cross = known.sum() + (limits * weight).sum()
        curve = [
            [len(known) + weight.sum(), -cross],
            [
                -cross,
                len(known) / rate**2 + (known**2).sum() + (limits**2 * weight).sum(),
            ],
        ]
        step = np.linalg.solve(curve, gradient)
        # The rate stays positive.
        step *= min(1.0, 0.5 * rate / max(abs(step[1]), 1e-300))
        theta = theta + step
        if np.abs(step).max() < 1e-10 * np.abs(theta).max():
            break
    return float(theta[0] / theta[1]), float(1 / theta[1])


def _check(sample: TailSample) -> None:
    hits = int((~sample.censored).sum())
    if hits < 2:
        raise TailError("too_few_hits_for_distribution", hits=hits)
