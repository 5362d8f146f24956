"""The spread of true log risks between wordings, by a likelihood that those without a hit are part of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, optimize, special, stats

from core.estimation.record import Estimate

Array = NDArray[np.float64]
# Spreads looked at, in decades. The first is a quarter of a percent of a risk and stands for none.
SPREADS = np.geomspace(1e-3, 100.0, 50)
# A relative error below 1e-3 is rounding here, and costs digits.
MOST_EVENTS = 1e6
# Up to here it is none.
NONE = float(SPREADS[1])
# A wording without a hit has a loose bound if the others' exposure is so many times its own.
SEARCHED_LESS = 3.0
NODES, _WEIGHTS = special.roots_hermite(15)
LOG_WEIGHTS = np.log(_WEIGHTS) + NODES**2
MEAN_NODES, MEAN_WEIGHTS = special.roots_hermite(9)
NEWTON_STEPS = 40
# How far off the peak, in widths, does no harm: it only places the nodes.
NEAR = 0.05
# exp of more overflows; what has so large an exponent there is no mass left.
LARGEST_LOG = 700.0


@dataclass(frozen=True, eq=False)
class PoissonLikelihood:
    """What each wording says of its true risk r: the likelihood r^events exp(-exposure r).

    events: (n,) 1 / relative error^2, which for plain counts is the number of hits, and less where few hits
    differ in weight (`_unevenness`); 0 without a hit.
    exposure: (n,) events / estimate, so that the estimate is the likeliest risk. Without a hit it is
    -log(1 - confidence) / bound, so that the bound is what it claims.
    """

    events: Array
    exposure: Array

    @property
    def loose(self) -> int:
        """The number of wordings without a hit that were searched far less than those with hits."""
        known = self.events > 0
        return int((self.exposure[~known] < np.median(self.exposure[known]) / SEARCHED_LESS).sum())

    def alike(self) -> "PoissonLikelihood":
        """Returns what the wordings say if those without a hit were searched as well as the others.

        A bound rests on the target's own draws; the proposals found nothing either, which bounds nothing and
        yet tells that the risk is likely lower.
        """
        usual = np.median(self.exposure[self.events > 0])
        least = np.where(self.events > 0, 0.0, usual)
        return replace(self, exposure=np.maximum(self.exposure, least))


def evidence(estimates: Sequence[Estimate]) -> PoissonLikelihood:
    """Returns what estimates say of their true risks."""
    known = [one for one in estimates if one.hits > 0]
    seen = [1 / max((one.standard_error / one.estimate) ** 2, 1 / MOST_EVENTS) for one in known]
    uneven = _unevenness([one.hits for one in known], seen)
    events_of_hits = iter(
        k * one.hits / (one.hits + uneven - 1) for k, one in zip(seen, known, strict=True)
    )
    events, exposure = [], []
    for one in estimates:
        events.append(next(events_of_hits) if one.hits > 0 else 0.0)
        free = -math.log1p(-one.confidence) / one.upper_bound_free
        exposure.append(events[-1] / one.estimate if one.hits > 0 else free)
    return PoissonLikelihood(np.array(events), np.array(exposure))


def _unevenness(hits: Sequence[int], events: Sequence[float]) -> float:
    """Returns the mean of hits' squared weights over the square of their mean, by all wordings together.

    The error of h hits knows of 1 + (h - 1) / u events on average, not of h / u: of a single hit one, however
    far weights differ. So an estimate's events are to be multiplied by h / (h + u - 1).
    """
    more, less = sum(hits) - len(hits), sum(events) - len(events)
    return max(more / less, 1.0) if more > 0 and less > 0 else 1.0


def likeliest(likelihood: PoissonLikelihood, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the spread between wordings, a standard deviation in decades, and its interval's upper end.

    The likeliest by the restricted likelihood, which for many hits is Paule & Mandel's (1982). The upper end
    is where the deviance is as large as that of normal values of that many degrees of freedom at the same
    end: so for many hits it is the Q profile's (Viechtbauer 2007), however few the wordings.

    likelihood: of two or more wordings with a hit.
    """
    logs = np.log(SPREADS)
    deviance = -2 * restricted(likelihood, SPREADS)
    spline = interpolate.CubicSpline(logs, deviance - deviance.min())

    def curve(at: float) -> float:
        return float(spline(at))

    best = int(deviance.argmin())
    around = float(logs[max(best - 1, 0)]), float(logs[min(best + 1, len(logs) - 1)])
    top = float(optimize.minimize_scalar(curve, bounds=around, method="bounded").x)
    spare = int((likelihood.events > 0).sum()) - 1
    wanted = curve(top) + _upper_rise(spare, (1 - confidence) / 2)
    high = last = float(logs[-1])
    if curve(last) > wanted:
        high = float(optimize.brentq(lambda at: curve(at) - wanted, top, last))
    return math.exp(top) if math.exp(top) > NONE else 0.0, math.exp(high)


def lowest(likelihood: PoissonLikelihood, confidence: float = 0.95) -> float:
    """Returns the lower end of the spread's interval by the Q profile (Viechtbauer 2007), in decades.

    Of the wordings with a hit alone: those without would only move it up. The likelihood's own end is nearer
    to the truth where hits count alike, and too high where few hits differ in weight; this one seldom is.
    """
    known = likelihood.events > 0
    events, exposure = likelihood.events[known], likelihood.exposure[known]
    logs = np.log10(events / exposure)
    within = special.polygamma(1, events) / math.log(10) ** 2
    wanted = float(stats.chi2.ppf((1 + confidence) / 2, len(logs) - 1))

    def excess(spread: float) -> float:
        weight = 1 / (within + spread**2)
        mean = (weight * logs).sum() / weight.sum()
        return float((weight * (logs - mean) ** 2).sum()) - wanted

    if excess(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(excess, 0.0, float(SPREADS[-1])))


def _upper_rise(spare: int, tail: float) -> float:
    """Returns the restricted deviance, of normal values, at the upper end of their standard deviation."""
    ratio = float(stats.chi2.ppf(tail, spare)) / spare
    return spare * (ratio - 1 - math.log(ratio))


def restricted(likelihood: PoissonLikelihood, spreads: Array) -> Array:
    """Returns (T,) the log restricted likelihood at each spread, the mean log risk integrated out.

    True log risks are normal around an unknown mean. Both integrals, over each true log risk and over the
    mean, are of log-concave functions: adaptive Gauss-Hermite (Liu & Pierce 1994).

    spreads: (T,) in decades, above 0. likelihood: with at least one hit.
    """
    tau = (spreads * math.log(10))[:, None]
    mean, precision = _peak(likelihood, tau)
    width = 1 / np.sqrt(precision)
    heights = [
        _at(likelihood, tau, mean + math.sqrt(2) * width * node)[0] + node**2 for node in MEAN_NODES
    ]
    total = special.logsumexp(np.array(heights), axis=0, b=MEAN_WEIGHTS[:, None])
    return np.asarray(total + np.log(math.sqrt(2) * width[:, 0]))


def _peak(likelihood: PoissonLikelihood, tau: Array) -> tuple[Array, Array]:
    """Returns (T, 1) the most likely mean log risk at each spread, and minus the curvature there."""
    start = np.log(likelihood.events.sum() / likelihood.exposure.sum())
    mean = np.full_like(tau, start)
    for _ in range(NEWTON_STEPS):
        _, slope, precision = _at(likelihood, tau, mean)
        step = (slope / precision)[:, None]
        limit = 1.0 + tau
        mean = mean + np.clip(step, -limit, limit)
        if np.all(np.abs(step) * np.sqrt(precision)[:, None] < NEAR):
            break
    return mean, _at(likelihood, tau, mean)[2][:, None]


def _at(likelihood: PoissonLikelihood, tau: Array, mean: Array) -> tuple[Array, Array, Array]:
    """Returns (T,) the log-likelihood at a mean log risk for each spread, its slope, minus its curvature."""
    log_exposure = np.log(likelihood.exposure)
    pulled = mean + tau**2 * likelihood.events
    # Where k - a e^u - (u - mean) / tau^2 is 0.
    mode = pulled - special.wrightomega(pulled + log_exposure + 2 * np.log(tau))
    width = 1 / np.sqrt(np.exp(mode + log_exposure) + tau**-2)
    log_risk = mode[..., None] + math.sqrt(2) * width[..., None] * NODES
    away = (log_risk - mean[..., None]) / tau[..., None]
    height = (
        likelihood.events[:, None] * (log_risk + log_exposure[:, None])
        - np.exp(np.minimum(log_risk + log_exposure[:, None], LARGEST_LOG))
        - away**2 / 2
        + LOG_WEIGHTS
    )
    top = height.max(-1, keepdims=True)
    share = np.exp(height - top)
    total = share.sum(-1)
    first = (share * away).sum(-1) / total
    second = (share * away**2).sum(-1) / total
    value = top[..., 0] + np.log(total) + np.log(width / tau) - math.log(math.pi) / 2
    slope = (first / tau).sum(-1)
    curvature = ((1 - (second - first**2)) / tau**2).sum(-1)
    return value.sum(-1), slope, curvature
