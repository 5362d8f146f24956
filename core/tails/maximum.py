"""The worst of n queries not seen yet, with the estimates' noise taken out and with it left in."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.tails.analysis import FittedTail
from core.tails.deconvolution import deconvolved_shares, noise_variances
from core.tails.exceedance import fit_censoring_factors, uses_deconvolution
from core.tails.forecast import Forecast, forecast
from core.tails.predictor import Predictor
from core.tails.sample import Array, to_risk

# The variance of the noise in a tail over the square of the tail's mean excess, both in scores. To add noise
# once more shows what it did the first time where it is not much larger: up to 2, the interval held the worst
# of as many queries in 99% of 91 log-normal worlds, from 2 to 5 in 83% of 46, above that in 68% of 138.
NOTHING_BUT_NOISE = 2.0


def corrected_forecasts(fitted: FittedTail, n: Sequence[float]) -> tuple[Forecast, Forecast]:
    """Returns forecasts with the estimates' noise taken out, and with it left in.

    The interval of the first includes both: the correction is itself uncertain, and the interval without the
    noise is too narrow by itself (benchmarks/tails.py, noise). The second differs from the first in level,
    median, low and high only. Raises: as `forecast`.
    """
    corrected = forecast(fitted.sample, fitted.predictor, n, fitted.spec.confidence)
    tail = (1 - fitted.spec.confidence) / 2
    within_support = corrected.n <= corrected.supported
    ends, left_in = (
        np.where(within_support, quantiles, np.nan)
        for quantiles in maximum_quantiles(fitted, corrected.n, [tail, 0.5, 1 - tail])
    )
    corrected = replace(
        corrected, low=np.minimum(ends[0], left_in[0]), high=np.maximum(ends[2], left_in[2])
    )
    if not fitted.noise_taken_out:
        return corrected, corrected
    shown = fitted.as_estimated.shown
    level = np.where(within_support, to_risk(shown.score_at(-np.log(corrected.n))), np.nan)
    low, median, high = left_in
    return corrected, replace(corrected, level=level, median=median, low=low, high=high)


def maximum_quantiles(fitted: FittedTail, n: Array, shares: Sequence[float]) -> tuple[Array, Array]:
    """Returns quantiles of the worst of n, risks, (len(shares), len(n)): noise taken out, and left in.

    Below the median as if no query whose answers were too few to tell belonged to the tail, above it as if
    all did (`censoring_factors`). Where a tail may be nothing but noise, what lies below the median goes down
    to what the risks themselves are sure to reach: they may be all but alike.
    """
    least, most = (
        float(one[0]) for one in fit_censoring_factors(fitted, np.array([fitted.fit.threshold]))
    )
    times = np.array([least if share < 0.5 else most if share > 0.5 else 1.0 for share in shares])

    def quantiles(predictor: Predictor) -> Array:
        found = np.empty((len(shares), len(n)))
        for each in np.unique(times):
            rows = np.flatnonzero(times == each)
            sizes = np.maximum(n * each, 1.0)
            found[rows] = predictor.worst(sizes, [shares[row] for row in rows.tolist()])
        # Computed apart, they may cross where factors are all but 1.
        return np.asarray(np.maximum.accumulate(found, axis=0))

    found = quantiles(fitted.predictor)
    if noise_explains_tail(fitted):
        known = deconvolved_shares(fitted.sample, fitted.spec.confidence)
        for row, share in enumerate(shares):
            if share < 0.5:
                sure = known.surely_reached(-np.expm1(np.log(share) / n))
                found[row] = np.minimum(found[row], to_risk(sure))
    if not fitted.noise_taken_out:
        return found, found
    return found, quantiles(fitted.as_estimated)


def noise_explains_tail(fitted: FittedTail) -> bool:
    """Returns whether the estimates' noise would make a tail like the fitted one of risks that are alike."""
    if not uses_deconvolution(fitted):
        return False
    sample = fitted.sample
    tail = sample.take(~sample.censored & (sample.score >= fitted.fit.threshold))
    excess = float((tail.score - fitted.fit.threshold).mean())
    # A score's slope in the logarithm of its risk.
    noise = float((noise_variances(tail) / np.log(tail.risk) ** 2).mean())
    return noise > NOTHING_BUT_NOISE * excess**2
