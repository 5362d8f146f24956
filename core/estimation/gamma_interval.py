"""Intervals for a sum of rare events of unequal size."""

from scipy import optimize, stats


def gamma_quantile(level: float, mean: float, variance: float) -> float:
    """Returns the quantile of the gamma variable with this mean and variance; the mean if it is sure."""
    if mean <= 0 or variance <= 0:
        return max(mean, 0.0)
    return float(stats.gamma.ppf(level, mean**2 / variance, scale=variance / mean))


def gamma_low(tail: float, mean: float, variance: float) -> float:
    """Returns the lower end that the truth is below with chance `tail` (Fay & Feuer 1997, eq. 4).

    A sum of Poisson counts times weights is near a gamma variable; with equal weights the end is exact.
    """
    return gamma_quantile(tail, mean, variance)


def gamma_high(tail: float, mean: float, variance: float, event: float) -> float:
    """Returns the upper end that the truth is above with chance `tail` (Fay & Feuer 1997, eq. 5, mid-P).

    event: size of the largest event that may yet have been missed; what is seen may be one such event
    short. The exact end counts it whole and holds more often than it says; half way between with it and
    without (mid-P; Lancaster 1961) holds as often. Where nothing was seen the exact end stands: it is the
    bound shown beside each query.
    """
    whole = gamma_quantile(1 - tail, mean + event, variance + event**2)
    if mean <= 0 or event <= 0:
        return whole
    without = gamma_quantile(1 - tail, mean, variance)

    def excess(end: float) -> float:
        return (
            _cumulative(end, mean, variance) + _cumulative(end, mean + event, variance + event**2)
        ) / 2 - (1 - tail)

    if excess(without) >= 0 or excess(whole) <= 0:
        return max(without, whole)
    return float(optimize.brentq(excess, without, whole))


def _cumulative(end: float, mean: float, variance: float) -> float:
    if variance <= 0:
        return float(end >= mean)
    return float(stats.gamma.cdf(end, mean**2 / variance, scale=variance / mean))
