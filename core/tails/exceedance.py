"""How many queries lie above a risk, and how likely the worst of n does: with the noise taken out."""

import numpy as np

from core.tails.analysis import FittedTail
from core.tails.deconvolution import SPREAD_BY_NOISE, spread_by_noise, true_shares
from core.tails.sample import Array, in_doubt, to_score
from core.tails.simex import has_noise
from core.tails.tail import Spliced


def takes_noise_out(fitted: FittedTail) -> bool:
    """Returns whether the shares below the tail's start are those of the risks and not of the estimates."""
    sample = fitted.sample
    fits = isinstance(fitted.fit, Spliced) and not fitted.predictor.of_blocks
    wanted = fits and fitted.spec.noise_corrected and has_noise(sample)
    return bool(wanted) and spread_by_noise(sample) >= SPREAD_BY_NOISE


def shares_above(fitted: FittedTail, score: Array) -> tuple[Array, Array, Array]:
    """Returns the share of queries above each level, and its interval, (k,); nan if it is not known.

    Above the tail's start the interval spans that with the noise left in; everywhere what queries without a
    hit leave open (`in_doubt`).
    """
    confidence, start = fitted.spec.confidence, fitted.fit.threshold
    value, low, high = fitted.predictor.shares_above(score, confidence)
    if fitted.predictor.shown is not fitted.fit:
        _, other_low, other_high = fitted.as_estimated.shares_above(score, confidence)
        low, high = np.minimum(low, other_low), np.maximum(high, other_high)
    if takes_noise_out(fitted):
        # Of the tail there is no more than of the queries above its start.
        found = true_shares(fitted.sample, confidence).at(np.minimum(score, start))
        value, low, high = (
            np.where(score < start, known, np.minimum(known, tail))
            for known, tail in zip(found, (value, low, high), strict=True)
        )
    least, most = left_open(fitted, np.minimum(score, start))
    return value, low * least, np.minimum(high * most, 1.0)


def chances_above(fitted: FittedTail, n: float, taus: Array) -> Array:
    """Returns the chance that the worst of n queries lies above each risk, (k,)."""
    found = fitted.predictor.chances_above(n, taus)
    if not takes_noise_out(fitted):
        return found
    score, start = to_score(taus), fitted.fit.threshold
    share, _, _ = true_shares(fitted.sample, fitted.spec.confidence).at(np.minimum(score, start))
    known = -np.expm1(n * np.log1p(-np.minimum(share, 1 - 1e-12)))
    return np.asarray(np.where(score < start, known, np.minimum(known, found)))


def left_open(fitted: FittedTail, score: Array) -> tuple[Array, Array]:
    """Returns `in_doubt` for the fits that take their share from `kaplan_meier`; 1 for the others."""
    if fitted.fit.name in ("lognormal", "gev") or not fitted.sample.censored.any():
        return np.ones(len(score)), np.ones(len(score))
    return in_doubt(fitted.sample, score)
