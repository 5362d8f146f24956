"""The generalised Pareto tail with a prior on its shape: a few dozen estimates say little of it."""

import math
from dataclasses import dataclass

import numpy as np

from core.errors import SpecError
from core.tails.pareto import FEWEST_EXCEEDANCES, SHAPE_RANGE, ParetoTail, best_scales
from core.tails.remarks import TailError
from core.tails.sample import Array, TailSample, kaplan_meier

# Shapes of scores lie around 0, which is the line of Jones et al.; 95% of them within 0.4.
PRIOR_DEVIATION = 0.2
SHAPES = 25
SCALES = 21
# Shapes less likely than this, nats below the best, are left out: five deviations of a normal posterior.
LEAST = -12.5


@dataclass(frozen=True, eq=False)
class Grid:
    """Probabilities of shapes and scales, (s, z). shapes: (s,), evenly spaced. middle: (s,) the logarithm of
    each shape's best scale. steps: (z,), evenly spaced around it, the same for every shape.
    """

    shapes: Array
    middle: Array
    steps: Array
    probability: Array

    @property
    def log_scales(self) -> Array:
        """(s, z)."""
        return np.asarray(self.middle[:, None] + self.steps)

    def draws(self, count: int, generator: np.random.Generator) -> tuple[Array, Array]:
        """Returns shapes and scales, (count,), even within a cell."""
        cells = generator.choice(self.probability.size, size=count, p=self.probability.ravel())
        row, column = np.unravel_index(cells, self.probability.shape)
        within = generator.uniform(-0.5, 0.5, size=(2, count))
        shapes = self.shapes[row] + within[0] * (self.shapes[1] - self.shapes[0])
        shapes = np.clip(shapes, *SHAPE_RANGE)
        steps = self.steps[column] + within[1] * (self.steps[1] - self.steps[0])
        return shapes, np.exp(np.interp(shapes, self.shapes, self.middle) + steps)


@dataclass(frozen=True, eq=False)
class ParetoPosterior:
    """What the k largest and the prior say of the tail.

    mean: the tail of the posterior mean.
    """

    mean: ParetoTail
    grid: Grid

    def draws(self, rates: Array, generator: np.random.Generator) -> list[ParetoTail]:
        """Returns tails drawn from the posterior. rates: (n,) the share above the threshold of each."""
        shapes, scales = self.grid.draws(len(rates), generator)
        return [
            ParetoTail(shape, scale, rate, self.mean.threshold, self.mean.exceedances)
            for shape, scale, rate in zip(
                shapes.tolist(), scales.tolist(), rates.tolist(), strict=True
            )
        ]


def pareto_posterior(sample: TailSample, largest: int) -> ParetoPosterior:
    """Returns the posterior of the tail of the k largest; the next one is the threshold.

    The prior is normal in the shape and flat in the logarithm of the scale. Rewordings of a query count for
    as much as one: the likelihood is raised to their share.

    Raises:
        SpecError: fewer known scores than that, or too few for a tail.
    """
    known, reached = kaplan_meier(sample)
    if not FEWEST_EXCEEDANCES <= largest < len(known):
        raise SpecError(
            f"largest must be in {FEWEST_EXCEEDANCES}..{len(known) - 1} (the queries with a hit, but one), "
            f"got {largest}"
        )
    threshold = float(known[largest])
    excesses = known[known > threshold] - threshold
    if len(excesses) < FEWEST_EXCEEDANCES:
        raise TailError("too_few_exceedances", exceedances=len(excesses), fewest=FEWEST_EXCEEDANCES)
    above = ~sample.censored & (sample.score > threshold)
    independent = len(np.unique(sample.group[above]))
    grid = _grid(excesses, independent / len(excesses))
    mean = ParetoTail(
        float(grid.probability.sum(1) @ grid.shapes),
        math.exp(float((grid.probability * grid.log_scales).sum())),
        float(reached[len(excesses) - 1]),
        threshold,
        len(excesses),
    )
    return ParetoPosterior(mean, grid)


def _grid(excesses: Array, weight: float) -> Grid:
    """Returns the posterior where there is any. weight: of the likelihood."""
    shapes = np.linspace(*SHAPE_RANGE, SHAPES)
    best = _log_posterior(excesses, shapes, np.log(best_scales(excesses[None], shapes)), weight)
    likely = np.flatnonzero(best > best.max() + LEAST)
    # One more to either side: the best of the coarse shapes may lie well below the best of all.
    ends = shapes[max(likely[0] - 1, 0)], shapes[min(likely[-1] + 1, SHAPES - 1)]
    shapes = np.linspace(*ends, SHAPES)
    middle = np.log(best_scales(excesses[None], shapes))
    # Four standard errors to either side, at the scale's expected information.
    reach = 4 * math.sqrt(2 / (len(excesses) * weight))
    steps = np.linspace(-reach, reach, SCALES)
    found = _log_posterior(excesses, shapes[:, None], middle[:, None] + steps, weight)
    probability = np.exp(found - found.max())
    return Grid(shapes, middle, steps, probability / probability.sum())


def _log_posterior(excesses: Array, shapes: Array, log_scales: Array, weight: float) -> Array:
    """Returns the log-posterior but for a constant, nats; -inf where an excess lies beyond the end."""
    xi = np.where(np.abs(shapes) < 1e-9, 1e-9, shapes)
    inside = (xi * np.exp(-log_scales))[..., None] * excesses
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.log1p(np.maximum(inside, -1.0)).sum(-1)
        likelihood = -len(excesses) * log_scales - (1 / xi + 1) * total
    likelihood = np.where(inside.min(-1) <= -1, -np.inf, likelihood)
    return np.asarray(weight * likelihood - shapes**2 / (2 * PRIOR_DEVIATION**2))
