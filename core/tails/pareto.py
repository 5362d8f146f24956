"""Peaks over a threshold: the generalised Pareto tail, by maximum likelihood or by moments."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from core.errors import SpecError
from core.tails.remarks import TailError
from core.tails.sample import Array, TailSample, kaplan_meier

# Outside, the likelihood has no maximum (below) or the mean is infinite (above): Coles & Dixon (1999).
SHAPE_RANGE = (-0.5, 1.0)
FEWEST_EXCEEDANCES = 5
METHODS = ("ml", "pwm", "exponential")
# Of Newton's method; near the pole each doubles the distance from it.
MOST_STEPS = 60


@dataclass(frozen=True)
class ParetoTail:
    """P(score > u + y) = rate * (1 + shape * y / scale)^(-1/shape), the generalised Pareto tail.

    shape: xi of Coles (2001, eq. 4.2); scipy's genpareto has it as c.
    """

    shape: float
    scale: float
    rate: float
    threshold: float
    exceedances: int
    name: str = "pot"

    @property
    def parameters(self) -> dict[str, float]:
        return {"shape": self.shape, "scale": self.scale, "rate": self.rate}

    def log_survival(self, score: Array | float) -> Array:
        standardized = np.maximum(np.asarray(score, dtype=float) - self.threshold, 0.0) / self.scale
        if abs(self.shape) < 1e-9:
            return np.asarray(math.log(self.rate) - standardized)
        with np.errstate(divide="ignore"):
            tail = special.log1p(np.maximum(self.shape * standardized, -1.0)) / self.shape
        return np.asarray(math.log(self.rate) - tail)

    def score_at(self, log_survival: Array | float) -> Array:
        log_share = np.minimum(np.asarray(log_survival, dtype=float) - math.log(self.rate), 0.0)
        with np.errstate(over="ignore"):
            # (share^-shape - 1) / shape, for any size of share.
            flat = abs(self.shape) < 1e-9
            standardized = -log_share if flat else np.expm1(-self.shape * log_share) / self.shape
        return np.asarray(self.threshold + self.scale * standardized)


def fit_pareto(sample: TailSample, threshold: float, method: str = "ml") -> ParetoTail:
    """Returns the generalised Pareto tail above a threshold.

    Parameters
    ----------
    sample : TailSample
        Estimated risks of m queries.
    threshold : float
        The score from which the tail holds.
    method : {"ml", "pwm", "exponential"}
        Maximum likelihood with the shape kept in -0.5..1, probability-weighted moments, which behave better
        below about 50 exceedances, or an exponential tail (the shape is 0).

    Returns
    -------
    ParetoTail
        Shape, scale (a score) and rate, the share of queries above the threshold.

    Raises
    ------
    SpecError
        Fewer than five known scores lie above the threshold, or the method is unknown.

    References
    ----------
    Coles (2001), chapter 4. Grimshaw (1993), Technometrics 35, 185-191. Hosking & Wallis (1987),
    Technometrics 29, 339-349.

    Examples
    --------
    >>> import numpy as np
    >>> from core.tails.sample import tail_sample, to_risk
    >>> psi = np.random.default_rng(0).exponential(0.3, size=1_000) - 2.4
    >>> tail = fit_pareto(tail_sample(to_risk(psi)), threshold=-2.0)
    >>> bool(abs(tail.shape) < 0.2 and abs(tail.scale - 0.3) < 0.06)
    True
    """
    known, reached = kaplan_meier(sample)
    excesses = known[known > threshold] - threshold
    if len(excesses) < FEWEST_EXCEEDANCES:
        raise TailError("too_few_exceedances", exceedances=len(excesses), fewest=FEWEST_EXCEEDANCES)
    if method == "pwm":
        shape, scale = pareto_by_moments(excesses)
    elif method == "ml":
        shape, scale = pareto_by_likelihood(excesses)
    elif method == "exponential":
        shape, scale = 0.0, float(excesses.mean())
    else:
        raise SpecError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    return ParetoTail(shape, scale, float(reached[len(excesses) - 1]), threshold, len(excesses))


def fit_pareto_largest(sample: TailSample, largest: int, method: str = "ml") -> ParetoTail:
    """Returns the tail of the k largest; the next one is the threshold. Raises: as `fit_pareto`."""
    known, _ = kaplan_meier(sample)
    if largest >= len(known):
        raise SpecError(
            f"largest must be below {len(known)} (the queries with a hit), got {largest}"
        )
    return fit_pareto(sample, float(known[largest]), method)


def pareto_by_likelihood(excesses: Array) -> tuple[float, float]:
    """Returns shape and scale of largest likelihood, the shape in SHAPE_RANGE. excesses: (k,), above 0."""
    shapes, scales = pareto_likelihoods(excesses[None], rounds=8, points=11)
    return float(shapes[0]), float(scales[0])


def pareto_likelihoods(excesses: Array, rounds: int = 3, points: int = 9) -> tuple[Array, Array]:
    """Returns shapes and scales of largest likelihood of many samples at once, (samples,).

    Given ratio = shape / scale, the best shape is mean(log(1 + ratio y)), which leaves one unknown (Grimshaw
    1993). It is searched on a grid, then finer and finer around the best.

    excesses: (samples, k), above 0. rounds, points: of the grids, and in each.
    """
    mean, top = excesses.mean(1, keepdims=True), excesses.max(1, keepdims=True)

    def losses(ratios: Array) -> tuple[Array, Array]:
        shape = np.log1p(ratios[:, :, None] * excesses[:, None, :]).mean(2)
        flat = np.abs(ratios * mean) < 1e-9
        scale = np.where(flat, mean, shape / np.where(flat, 1.0, ratios))
        # Below the range the likelihood grows without limit.
        return np.where(shape >= SHAPE_RANGE[0], np.log(scale) + shape, np.inf), shape

    # Dense near 0 on both sides, where most tails lie.
    negative = -(1 - 1e-6) / top * np.linspace(1, 0.02, 16)
    positive = np.geomspace(1e-2, 1e4, 26) / mean
    grid = np.concatenate([negative, np.zeros_like(mean), positive], axis=1)
    steps = np.linspace(0, 1, points)
    rows = np.arange(len(excesses))
    for _ in range(rounds):
        best = np.argmin(losses(grid)[0], axis=1)
        low = grid[rows, np.maximum(best - 1, 0)][:, None]
        high = grid[rows, np.minimum(best + 1, grid.shape[1] - 1)][:, None]
        grid = low + (high - low) * steps
    loss, shape = losses(grid)
    best = np.argmin(loss, axis=1)
    ratio, shapes = grid[rows, best], shape[rows, best]
    flat = np.abs(ratio * mean[:, 0]) < 1e-9
    scales = np.where(flat, mean[:, 0], shapes / np.where(flat, 1.0, ratio))
    low, high = SHAPE_RANGE
    for row in np.flatnonzero(shapes > high):
        shapes[row], scales[row] = high, best_scale(excesses[row], high)
    near = np.flatnonzero(shapes < low + 1e-2)
    if len(near):
        for row, scale in zip(near, best_scales(excesses[near], low), strict=True):
            held = pareto_log_likelihood(excesses[row], low, float(scale))
            if held > pareto_log_likelihood(excesses[row], float(shapes[row]), float(scales[row])):
                shapes[row], scales[row] = low, scale
    return shapes, scales


def pareto_log_likelihood(excesses: Array, shape: float, scale: float) -> float:
    """Returns the log-likelihood of excesses, nats; -inf where one lies beyond the tail's end."""
    if abs(shape) < 1e-9:
        return float(-len(excesses) * math.log(scale) - excesses.sum() / scale)
    inside = shape * excesses / scale
    if inside.min() <= -1:
        return -math.inf
    return float(-len(excesses) * math.log(scale) - (1 / shape + 1) * np.log1p(inside).sum())


def best_scale(excesses: Array, shape: float) -> float:
    """Returns the scale of largest likelihood at a given shape. excesses: (k,)."""
    return float(best_scales(excesses[None], shape)[0])


def best_scales(excesses: Array, shape: float | Array) -> Array:
    """Returns scales of largest likelihood at given shapes, (n,).

    excesses: (n, k), or (1, k) for all shapes. shape: one, or (n,).

    The best scale s makes the mean of (1 + shape) y / (s + shape y) equal to 1. As a function of 1/s it is
    concave or convex as the shape is positive or negative; Newton's steps from its outer side never miss.
    """
    k = excesses.shape[1]
    xi = np.broadcast_to(
        np.asarray(shape, dtype=float).reshape(-1), (max(len(excesses), np.size(shape)),)
    )
    mean, top = excesses.mean(1), excesses.max(1)
    inverse = 1 / ((1 + xi) * mean)
    # Beyond the pole a point would lie past the end of the tail; this near to it the mean is above 1.
    pole = 1 / np.maximum(-xi * top, 1e-300)
    near = np.minimum(0.5, (1 + xi) / np.maximum(-xi * k, 1e-300)) / 2
    inverse = np.minimum(inverse, pole * (1 - near))
    for _ in range(MOST_STEPS):
        # y / (1 + shape y / s), and its derivative by 1/s.
        part = excesses / (1 + (xi * inverse)[:, None] * excesses)
        value = (1 + xi) * inverse * part.mean(1) - 1
        slope = (1 + xi) * (part * part / excesses).mean(1)
        step = value / slope
        inverse = inverse - step
        if (np.abs(step) <= 1e-12 * inverse).all():
            break
    return np.asarray(1 / inverse)


def pareto_by_moments(excesses: Array) -> tuple[float, float]:
    """Returns shape and scale by probability-weighted moments (Hosking & Wallis 1987, eq. 6)."""
    ordered = np.sort(excesses)
    k = len(ordered)
    first = float(ordered.mean())
    weights = (k - 1 - np.arange(k)) / (k - 1)  # unbiased for 1 - F
    second = float((weights * ordered).mean())
    spread = first - 2 * second
    shape = min(2 - first / spread, SHAPE_RANGE[1])
    if shape < 0:
        # No point may lie beyond the end of the tail; the mean is kept.
        reach = float(ordered[-1]) * (1 + 1e-9)
        shape = max(shape, -first / (reach - first)) if reach > first else shape
    return shape, first * (1 - shape)
