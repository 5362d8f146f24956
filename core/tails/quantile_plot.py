"""The quantile plot: the riskiest queries against what the fitted kind of tail would have them be."""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from core.tails.analysis import FittedTail
from core.tails.automatic_threshold import FEWEST_TESTED
from core.tails.goodness_of_fit import independent_excesses
from core.tails.pareto import pareto_by_likelihood, pareto_likelihoods
from core.tails.sample import Array, Mask, to_risk
from core.tails.spec import LINES

SIMULATIONS = 499


@dataclass(frozen=True, eq=False)
class QuantilePlot:
    """Risks above the tail's start, ascending, (k,).

    expected: the median of each under the fit. seen: what was found. low, high: where each lies so often
    (confidence) if the tail is of this kind.
    """

    expected: Array
    seen: Array
    low: Array
    high: Array
    confidence: float

    @property
    def inside(self) -> Mask:
        """Where what was found lies within its band."""
        return np.asarray((self.low <= self.seen) & (self.seen <= self.high))


def quantile_plot(fitted: FittedTail, simulations: int = SIMULATIONS) -> QuantilePlot | None:
    """Returns the points and their band; None for a fit without a tail of its own, or too few above it.

    As `goodness_of_fit` tests it: the largest of each group, against the best tail of this kind for them.
    The band is that of samples of this tail, each under its own fit.
    """
    if fitted.fit.name not in (*LINES, "pot"):
        return None
    start = fitted.fit.threshold
    excesses = np.sort(independent_excesses(fitted.sample, start))
    if len(excesses) < FEWEST_TESTED - 1:
        return None
    exponential = fitted.fit.name in LINES
    shape, scale = (0.0, float(excesses.mean())) if exponential else pareto_by_likelihood(excesses)
    tail = (1 - fitted.spec.confidence) / 2
    ranks = np.arange(1, len(excesses) + 1)
    # The i-th smallest of k has a Beta(i, k + 1 - i) place in the distribution.
    middle = stats.beta.ppf(0.5, ranks, len(excesses) + 1 - ranks)
    places = _places(len(excesses), shape, scale, exponential, simulations, fitted.spec.seed)
    low, high = np.quantile(places, [tail, 1 - tail], axis=0)

    def risk(place: Array) -> Array:
        return to_risk(start + _excess(place, shape, scale))

    return QuantilePlot(
        risk(np.asarray(middle)),
        to_risk(start + excesses),
        risk(low),
        risk(high),
        fitted.spec.confidence,
    )


def _places(
    k: int, shape: float, scale: float, exponential: bool, simulations: int, seed: int
) -> Array:
    """Returns (simulations, k): where each of a sample's points lies in the tail fitted to that sample."""
    generator = np.random.default_rng(seed)
    uniform = generator.uniform(size=(simulations, k))
    draws = np.sort(_excess(uniform, shape, scale), axis=1)
    if exponential:
        return np.asarray(-np.expm1(-draws / draws.mean(1, keepdims=True)))
    shapes, scales = pareto_likelihoods(draws)
    inside = np.maximum(1 + shapes[:, None] * draws / scales[:, None], 1e-12)
    flat = np.abs(shapes[:, None]) < 1e-9
    log_survival = np.where(
        flat, -draws / scales[:, None], -np.log(inside) / np.where(flat, 1.0, shapes[:, None])
    )
    return np.asarray(np.clip(-np.expm1(log_survival), 0.0, 1 - 1e-15))


def _excess(place: Array, shape: float, scale: float) -> Array:
    """Returns the excess below which this share of a generalised Pareto tail lies."""
    # (1 - p)^-shape - 1 over shape, and -log(1 - p) where the shape is 0.
    return np.asarray(scale * special.boxcox(1 / (1 - place), shape))
