"""Fixed-sample confidence intervals for a probability: plain draws, and weighted draws."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from core.estimation.weights import LogWeights

# How far above the largest weight the next hit may lie, in spreads of upper log-weights; measured
# on log-normal (sigma 0..2) and Pareto (1.5, 2.2) weights. At 0 the upper end misses four times too
# often with 10 to 50 hits of sigma 1.5; from 1 on, intervals of many hits get needlessly wide.
NEXT_HIT_SPREADS = 0.5
NEXT_HIT_SPREADS_FEW = 1.5
# A relative error of 1e-5 is rounding, not knowledge.
MAX_EVENTS = 1e10
# One more row may not pull the lower end's centre below half of the value.
MAX_FALL = 0.5


@dataclass(frozen=True)
class Interval:
    """A two-sided interval inside [0, 1] and the name of its method."""

    low: float
    high: float
    method: str


def clopper_pearson(hits: int, n: int, confidence: float = 0.95) -> Interval:
    """Returns the exact two-sided binomial interval (Clopper & Pearson 1934).

    Both tails keep alpha/2, at zero hits too: with alpha at zero hits the coverage would fall to
    93.8% (near n*P = 3). No data gives [0, 1].

    Parameters
    ----------
    hits : int
        Harmful answers.
    n : int
        All answers, drawn independently from the target.
    confidence : float in (0, 1)
        Level of the interval.

    Returns
    -------
    Interval
        Ends of the probability of a hit.

    Raises
    ------
    ValueError
        A confidence outside (0, 1), or hits outside 0..n.

    References
    ----------
    Clopper & Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the
    binomial".

    Examples
    --------
    >>> interval = clopper_pearson(3, 100)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.0062, 0.0852)
    """
    alpha = 1 - check_confidence(confidence)
    _check_hits(hits, n)
    low = float(special.betaincinv(hits, n - hits + 1, alpha / 2)) if hits > 0 else 0.0
    high = float(special.betainccinv(hits + 1, n - hits, alpha / 2)) if hits < n else 1.0
    return Interval(low, high, "Clopper-Pearson")


def clopper_pearson_upper(hits: int, n: int, confidence: float = 0.95) -> float:
    """Returns the exact one-sided upper bound; about 3/n at zero hits, 1 without data.

    Parameters
    ----------
    hits, n, confidence
        As for `clopper_pearson`; all of 1 - confidence lies above the bound.

    Returns
    -------
    float in 0..1
        Bound on the probability of a hit.

    Raises
    ------
    ValueError
        A confidence outside (0, 1), or hits outside 0..n.

    References
    ----------
    Clopper & Pearson (1934), as for `clopper_pearson`.

    Examples
    --------
    >>> round(clopper_pearson_upper(0, 1000), 4)
    0.003
    """
    alpha = 1 - check_confidence(confidence)
    _check_hits(hits, n)
    return float(special.betainccinv(hits + 1, n - hits, alpha)) if hits < n else 1.0


def weighted_interval(
    event_weights: LogWeights, confidence: float = 0.95, largest_possible: float = math.inf
) -> Interval:
    """Returns an interval for E[w*h]; at equal weights, Clopper-Pearson; at rare hits, Fay-Feuer.

    Let y = sum w*h / n and B = sum w^2*h / sum w*h, the weight that a typical share of the sum
    carries. Then y/B = k/n with k = ESS of w*h, and the sample variance of y/B is that of a
    binomial share, (k/n)(1 - k/n)/n. So y is treated as B times a binomial share with k hits in n,
    k not whole, and gets Clopper & Pearson's beta quantiles. As there, the upper end asks about one
    more hit (Fay & Feuer 1997, whose gamma interval for weighted Poisson sums is the limit of
    k/n -> 0); `next_hit_factor` gives its weight. A Poisson variance would over-cover common hits.

    What would falsify it: coverage well off the nominal level (tests/estimation measures it), or
    any difference from the two closed forms at its limits. Known limit: mass that no row has
    reached is in no fixed-sample interval built on what was seen; the verdict watches for that.

    Parameters
    ----------
    event_weights : LogWeights
        (n,) values of w*h, zero where there is no hit; at least one hit.
    confidence : float in (0, 1)
        Level of the interval.
    largest_possible : float
        A known bound on the weights, n/n_target for balance weights.

    Returns
    -------
    Interval
        Ends of E[w*h], cut at 1.

    Raises
    ------
    ValueError
        A confidence outside (0, 1), or no hit (nothing is known about the weights then).

    References
    ----------
    Clopper & Pearson (1934), as for `clopper_pearson`.
    Fay & Feuer (1997), "Confidence intervals for directly standardized rates: a method based on the gamma
    distribution".

    Examples
    --------
    Three hits of weight 1/1000 in 100 rows: a thousandth of `clopper_pearson(3, 100)`.

    >>> import numpy as np
    >>> hit = np.arange(100) < 3
    >>> interval = weighted_interval(LogWeights(np.full(100, np.log(1e-3))).where(hit))
    >>> round(interval.low * 1000, 4), round(interval.high * 1000, 4)
    (0.0062, 0.0852)
    """
    alpha = 1 - check_confidence(confidence)
    k, n = event_weights.ess, len(event_weights)
    if k == 0:
        raise ValueError("a weighted interval needs at least one hit, got 0")
    scale = math.exp(event_weights.log_largest)
    # In units of the largest weight: the sum of w*h, and below that of its square.
    total = 1 / event_weights.largest_share
    squares = total * total / k
    low = squares / total * special.betaincinv(k, n + 1 - k, alpha / 2)
    hits = int(np.count_nonzero(event_weights.values > -np.inf))
    extra = min(next_hit_factor(event_weights, hits), max(largest_possible / scale, 1.0))
    total, squares = total + extra, squares + extra * extra
    k = total * total / squares
    share = special.betainccinv(k, n + 1 - k, alpha / 2) if k < n + 1 else 1.0
    high = squares / total * share
    return Interval(min(scale * float(low), 1.0), min(scale * float(high), 1.0), "weighted beta")


def gamma_interval(
    value: float, standard_error: float, lowest: float, highest: float, confidence: float = 0.95
) -> Interval:
    """Returns Fay & Feuer's (1997) interval for a mean whose error is known, however it was reached.

    The estimate is treated as a gamma variable of its own mean and variance: (value/error)^2
    effective events, whole or not. The upper end asks about one more hit. A mean with control
    variates may also be too high for want of one more row far below; the lower end asks about that.

    Parameters
    ----------
    value, standard_error : float
        The mean and its error, both probabilities above 0.
    lowest, highest : float
        How far one more row could move the value down and up.
    confidence : float in (0, 1)
        Level of the interval.

    Returns
    -------
    Interval
        Ends of the mean, cut at 1.

    Raises
    ------
    ValueError
        A confidence outside (0, 1), or a value or a standard error not above 0.

    References
    ----------
    Fay & Feuer (1997), as for `weighted_interval`.

    Examples
    --------
    16 effective events, (8/2)^2, and nothing that one more row could move:

    >>> interval = gamma_interval(8e-6, 2e-6, lowest=0.0, highest=0.0)
    >>> round(interval.low * 1e6, 2), round(interval.high * 1e6, 2)
    (4.57, 12.37)
    """
    alpha = 1 - check_confidence(confidence)
    if not (value > 0 and standard_error > 0):
        raise ValueError(f"value and error must be above 0, got {value} and {standard_error}")

    def quantile(level: float, moved: float) -> float:
        mean, variance = value + moved, standard_error**2 + moved**2
        events = min(mean * mean / variance, MAX_EVENTS)
        return min(float(mean * special.gammaincinv(events, level) / events), 1.0)

    low = quantile(alpha / 2, -min(lowest, MAX_FALL * value))
    return Interval(low, quantile(1 - alpha / 2, highest), "weighted gamma")


def next_hit_factor(event_weights: LogWeights, hits: float) -> float:
    """Returns the weight to allow one more hit, in units of the largest one seen; at least 1.

    hits: the number of hits, or of effective ones where many small weights say nothing of the large.

    Fay & Feuer give it the largest weight there is, which is known for their strata. Here larger
    ones exist than were seen, the more so the fewer hits and the wider their weights. So it lies
    above the largest by a multiple of the upper half's spread of log-weights. The multiple was set
    by measured coverage; its effect dies away as hits grow in number, and at equal weights it is 0.
    """
    spreads = NEXT_HIT_SPREADS + NEXT_HIT_SPREADS_FEW / math.sqrt(hits)
    return math.exp(spreads * event_weights.upper_spread)


def check_confidence(confidence: float) -> float:
    """Returns the confidence level if it lies strictly between 0 and 1.

    Raises:
        ValueError: otherwise.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be above 0 and below 1, got {confidence}")
    return confidence


def _check_hits(hits: int, n: int) -> None:
    if not 0 <= hits <= n:
        raise ValueError(f"hits must be in 0..{n}, got {hits}")
