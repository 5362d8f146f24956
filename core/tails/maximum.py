"""The worst of n queries not seen yet, with the estimates' noise taken out and with it left in."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.tails.analysis import FittedTail
from core.tails.deconvolution import noise_variances, true_shares
from core.tails.exceedance import left_open, takes_noise_out
from core.tails.forecast import Forecast, Predictor, forecast
from core.tails.sample import Array, to_risk

# The variance of the noise in a tail over the square of the tail's mean excess, both in scores. To add noise
# once more shows what it did the first time where it is not much larger: up to 2, the interval held the worst
# of as many queries in 99% of 91 log-normal worlds, from 2 to 5 in 83% of 46, above that in 68% of 138.
NOTHING_BUT_NOISE = 2.0


def forecasts(fitted: FittedTail, n: Sequence[float]) -> tuple[Forecast, Forecast]:
    """Returns forecasts with the estimates' noise taken out, and the worst of n with it left in.

    The interval of the first spans both: what is taken out is itself uncertain, and the interval without it
    alone is too narrow (benchmarks/tails.py, noise). Of the second only level, median, low and high are its
    own; it goes as far as the first. Raises: as `forecast`.
    """
    told = forecast(fitted.sample, fitted.predictor, n, fitted.spec.confidence)
    tail = (1 - fitted.spec.confidence) / 2
    found, left_in = (
        np.where(told.n <= told.supported, one, np.nan)
        for one in worst_of_n(fitted, told.n, [tail, 0.5, 1 - tail])
    )
    told = replace(
        told, low=np.minimum(found[0], left_in[0]), high=np.maximum(found[2], left_in[2])
    )
    if fitted.predictor.shown is fitted.fit:
        return told, told
    level = np.where(
        told.n <= told.supported, to_risk(fitted.fit.score_at(-np.log(told.n))), np.nan
    )
    low, median, high = left_in
    return told, replace(told, level=level, median=median, low=low, high=high)


def worst_of_n(fitted: FittedTail, n: Array, shares: Sequence[float]) -> tuple[Array, Array]:
    """Returns risks that the worst of n lies below so often, (len(shares), len(n)): noise taken out, left in.

    Below the median as if no query whose answers were too few to tell belonged to the tail, above it as if
    all did (`in_doubt`). Where a tail may be nothing but noise, what lies below the median goes down to what
    the risks themselves are sure to reach: they may be all but alike.
    """
    least, most = (float(one[0]) for one in left_open(fitted, np.array([fitted.fit.threshold])))
    times = [least if share < 0.5 else most if share > 0.5 else 1.0 for share in shares]

    def quantiles(predictor: Predictor) -> Array:
        worst = {each: predictor.worst(np.maximum(n * each, 1.0)) for each in set(times)}
        pairs = zip(shares, times, strict=True)
        return np.array([predictor.quantiles(worst[each], [share])[0] for share, each in pairs])

    found = quantiles(fitted.predictor)
    if is_nothing_but_noise(fitted):
        known = true_shares(fitted.sample, fitted.spec.confidence)
        for row, share in enumerate(shares):
            if share < 0.5:
                sure = known.surely_reached(-np.expm1(np.log(share) / n))
                found[row] = np.minimum(found[row], to_risk(sure))
    if fitted.predictor.shown is fitted.fit:
        return found, found
    return found, quantiles(fitted.as_estimated)


def is_nothing_but_noise(fitted: FittedTail) -> bool:
    """Returns whether the estimates' noise would make a tail like the fitted one of risks that are alike."""
    if not takes_noise_out(fitted):
        return False
    sample = fitted.sample
    tail = sample.take(~sample.censored & (sample.score >= fitted.fit.threshold))
    excess = float((tail.score - fitted.fit.threshold).mean())
    # A score's slope in the logarithm of its risk.
    noise = float((noise_variances(tail) / np.log(tail.risk) ** 2).mean())
    return noise > NOTHING_BUT_NOISE * excess**2
