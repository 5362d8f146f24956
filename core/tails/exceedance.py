"""Exceedance: the share of queries above a risk, and the chance that the worst of n is, noise taken out."""

import numpy as np

from core.tails.analysis import FittedTail
from core.tails.deconvolution import SPREAD_BY_NOISE, deconvolved_shares, spread_by_noise
from core.tails.sample import Array, censoring_factors, to_score
from core.tails.simex import has_noise
from core.tails.tail import SplicedTail


def uses_deconvolution(fitted: FittedTail) -> bool:
    """Returns whether the shares below the tail's start are those of the risks and not of the estimates."""
    sample = fitted.sample
    has_bulk = isinstance(fitted.fit, SplicedTail) and not fitted.predictor.of_blocks
    corrected = has_bulk and fitted.spec.noise_corrected and has_noise(sample)
    return bool(corrected) and spread_by_noise(sample) >= SPREAD_BY_NOISE


def shares_above(fitted: FittedTail, score: Array) -> tuple[Array, Array, Array]:
    """Returns the share of queries above each level, and its interval, (k,); nan if it is not known.

    Above the tail's start the interval includes the one with the noise left in, and everywhere what the
    queries without a hit leave undecided (`censoring_factors`). score: levels, (k,).
    """
    confidence, start = fitted.spec.confidence, fitted.fit.threshold
    value, low, high = fitted.predictor.shares_above(score, confidence)
    if fitted.noise_taken_out:
        _, other_low, other_high = fitted.as_estimated.shares_above(score, confidence)
        low, high = np.minimum(low, other_low), np.maximum(high, other_high)
    if uses_deconvolution(fitted):
        # Of the tail there is no more than of the queries above its start.
        deconvolved = deconvolved_shares(fitted.sample, confidence).at(np.minimum(score, start))
        value, low, high = (
            np.where(score < start, known, np.minimum(known, tail))
            for known, tail in zip(deconvolved, (value, low, high), strict=True)
        )
    least, most = fit_censoring_factors(fitted, np.minimum(score, start))
    return value, low * least, np.minimum(high * most, 1.0)


def chances_above(fitted: FittedTail, n: float, taus: Array) -> Array:
    """Returns the chance that the worst of n queries lies above each risk, (k,)."""
    found = fitted.predictor.chances_above(n, taus)
    if not uses_deconvolution(fitted):
        return found
    score, start = to_score(taus), fitted.fit.threshold
    share, _, _ = deconvolved_shares(fitted.sample, fitted.spec.confidence).at(
        np.minimum(score, start)
    )
    known = -np.expm1(n * np.log1p(-np.minimum(share, 1 - 1e-12)))
    return np.asarray(np.where(score < start, known, np.minimum(known, found)))


def fit_censoring_factors(fitted: FittedTail, score: Array) -> tuple[Array, Array]:
    """Returns `censoring_factors` for the fits that rest on `kaplan_meier`, 1 for the others."""
    if fitted.fit.name in ("lognormal", "gev") or not fitted.sample.censored.any():
        return np.ones(len(score)), np.ones(len(score))
    return censoring_factors(fitted.sample, score)
