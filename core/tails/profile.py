"""Profile-likelihood intervals: of the generalised Pareto tail and its levels, and of block maxima."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import optimize, stats

from core.tails.block_maxima import Blocks, gev_by_likelihood, log_likelihood
from core.tails.pareto import (
    SHAPE_RANGE,
    ParetoTail,
    best_scale,
    pareto_by_likelihood,
    pareto_log_likelihood,
)
from core.tails.sample import Array

GevParameter = Literal["shape", "location", "scale"]
# Finite, so that a search may subtract two.
IMPOSSIBLE = 1e100
GEV_PARAMETERS: tuple[GevParameter, ...] = ("shape", "location", "scale")


def shape_interval(
    excesses: Array, confidence: float = 0.95, independent: float = 1.0
) -> tuple[float, float]:
    """Returns the shapes that the likelihood does not reject; at most SHAPE_RANGE, where it is cut.

    excesses: (k,) over the threshold, scores, above 0. independent: the share of them that is not a rewording
    of another; the likelihood is raised to this power.
    """
    best_shape, _ = pareto_by_likelihood(excesses)

    def profile(shape: float) -> float:
        return pareto_log_likelihood(excesses, shape, best_scale(excesses, shape))

    return _ends(profile, best_shape, *SHAPE_RANGE, confidence, independent)


def scale_interval(
    excesses: Array, confidence: float = 0.95, independent: float = 1.0
) -> tuple[float, float]:
    """Returns the scales that the likelihood does not reject. Arguments as for `shape_interval`."""
    _, scale = pareto_by_likelihood(excesses)

    def profile(log_scale: float) -> float:
        return _best_shape(excesses, lambda shape: math.exp(log_scale))

    middle = math.log(scale)
    low, high = _ends(profile, middle, middle - 3, middle + 3, confidence, independent)
    return math.exp(low), math.exp(high)


def level_interval(
    excesses: Array, tail: ParetoTail, n: float, confidence: float = 0.95, independent: float = 1.0
) -> tuple[float, float]:
    """Returns the scores of the level exceeded once in n that the likelihood does not reject.

    The share above the threshold is taken as known (Coles 2001, section 4.3.3). Other arguments as for
    `shape_interval`.

    Raises:
        ValueError: a level at or below the threshold, n <= 1 / rate.
    """
    times = n * tail.rate
    if times <= 1:
        raise ValueError(f"n must be above 1 / rate = {1 / tail.rate:g}, got {n:g}")
    shape, scale = pareto_by_likelihood(excesses)

    def stretch(one: float) -> float:
        # (times^shape - 1) / shape: how many scales above the threshold the level lies.
        return math.log(times) if abs(one) < 1e-9 else math.expm1(one * math.log(times)) / one

    def profile(log_level: float) -> float:
        return _best_shape(excesses, lambda one: math.exp(log_level) / stretch(one))

    middle = math.log(scale * stretch(shape))
    low, high = _ends(profile, middle, middle - 4, middle + 6, confidence, independent)
    return tail.threshold + math.exp(low), tail.threshold + math.exp(high)


def gev_interval(
    blocks: Blocks, parameter: GevParameter, confidence: float = 0.95
) -> tuple[float, float]:
    """Returns the values of a parameter of the blocks' maxima that the likelihood does not reject."""
    shape, location, scale = gev_by_likelihood(blocks)
    best = np.array([shape, location, math.log(scale)])
    held = GEV_PARAMETERS.index(parameter)
    others = [place for place in range(3) if place != held]
    # Where the best of all is impossible, a tail of shape 0 is not: it has no end.
    starts = [best, np.array([0.0, location, best[2]]), np.array([0.0, location, best[2] + 1])]

    def profile(value: float) -> float:
        def loss(free: Array) -> float:
            theta = np.insert(free, held, value)
            if not SHAPE_RANGE[0] <= theta[0] <= SHAPE_RANGE[1] or abs(theta[2]) > 50:
                return IMPOSSIBLE
            return min(-float(log_likelihood(blocks, *theta[:, None])[0]), IMPOSSIBLE)

        first: Array = min((start[others] for start in starts), key=loss)
        found = optimize.minimize(
            loss, first, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-7}
        )
        return -float(found.fun)

    middle = float(best[held])
    reach = {"shape": math.inf, "location": 4 * scale, "scale": 2.0}[parameter]
    low, high = middle - reach, middle + reach
    if parameter == "shape":
        low, high = SHAPE_RANGE
    low, high = _ends(profile, middle, low, high, confidence, 1.0)
    return (math.exp(low), math.exp(high)) if parameter == "scale" else (low, high)


def _best_shape(excesses: Array, scale_of: Callable[[float], float]) -> float:
    """Returns the largest likelihood over the shapes, with the scale that goes with each."""
    top = float(excesses.max())

    def loss(shape: float) -> float:
        scale = scale_of(shape)
        # Before the point where a score lies beyond the end, the log-likelihood falls without limit.
        if shape < 0 and 1 + shape * top / scale <= 1e-12:
            return 1e9 * (1 - shape * top / scale)
        return -pareto_log_likelihood(excesses, shape, scale)

    grid = np.linspace(*SHAPE_RANGE, 31)
    losses = [loss(float(shape)) for shape in grid]
    best = int(np.argmin(losses))
    bounds = (float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)]))
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    return -min(float(found.fun), losses[best])


def _ends(
    profile: Callable[[float], float],
    best: float,
    low: float,
    high: float,
    confidence: float,
    independent: float,
) -> tuple[float, float]:
    """Returns where a profile falls half a chi-squared quantile below its top, or the range's ends."""
    drop = float(stats.chi2.ppf(confidence, 1)) / 2 / independent
    goal = profile(best) - drop

    def above_goal(value: float) -> float:
        return max(profile(value), -1e300) - goal

    def end(limit: float) -> float:
        if above_goal(limit) >= 0 or best == limit:
            return limit
        return float(optimize.brentq(above_goal, best, limit, xtol=1e-6))

    return end(low), end(high)
