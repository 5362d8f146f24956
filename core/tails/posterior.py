"""The generalised Pareto tail with a prior on its shape: a few dozen estimates say little of it."""

import math
from dataclasses import dataclass

import numpy as np

from core.errors import SpecError
from core.tails.pareto import FEWEST_EXCEEDANCES, SHAPE_RANGE, ParetoTail, best_scales
from core.tails.scores import Array, TailSample, survival_from

# Shapes of scores lie around 0, which is the line of Jones et al.; 95% of them within 0.4.
PRIOR_DEVIATION = 0.2
SHAPES = 61
SCALES = 41


@dataclass(frozen=True, eq=False)
class ParetoPosterior:
    """What the k largest and the prior say of the tail.

    mean: the tail of the posterior mean. shapes, scales, probability: a grid, all (cells,). independent: how
    many of the exceedances are no rewordings of another, of how many such queries in all.
    """

    mean: ParetoTail
    shapes: Array
    scales: Array
    probability: Array
    independent: int
    queries: int

    def draws(self, count: int, seed: int = 0) -> list[ParetoTail]:
        """Returns tails drawn from the posterior, the share above the threshold with its own doubt."""
        generator = np.random.default_rng(seed)
        cells = generator.choice(len(self.shapes), size=count, p=self.probability)
        apart = self.queries - self.independent
        shares = generator.beta(self.independent + 0.5, apart + 0.5, size=count)
        # The mean stays what the sample says, censored queries included.
        rates = np.minimum(shares * self.mean.rate * self.queries / self.independent, 1.0)
        return [
            ParetoTail(
                float(self.shapes[cell]), float(self.scales[cell]), float(rate),
                self.mean.threshold, self.mean.exceedances,
            )
            for cell, rate in zip(cells, rates, strict=True)
        ]  # fmt: skip


def pareto_posterior(sample: TailSample, largest: int) -> ParetoPosterior:
    """Returns the posterior of the tail of the k largest; the next one is the threshold.

    The prior is normal in the shape and flat in the logarithm of the scale. Rewordings of a query count for
    as much as one: the likelihood is raised to their share.

    Raises:
        SpecError: fewer known scores than that, or too few for a tail.
    """
    known, reached = survival_from(sample)
    if not FEWEST_EXCEEDANCES <= largest < len(known):
        raise SpecError(
            f"largest must be in {FEWEST_EXCEEDANCES}..{len(known) - 1} (the queries with a hit, but one), "
            f"got {largest}"
        )
    threshold = float(known[largest])
    over = known[known > threshold] - threshold
    if len(over) < FEWEST_EXCEEDANCES:
        raise SpecError(
            f"{len(over)} estimates lie above the threshold, and a tail needs {FEWEST_EXCEEDANCES}; lower it"
        )
    above = ~sample.censored & (sample.score > threshold)
    independent = len(np.unique(sample.group[above]))
    shapes, scales, probability = _grid(over, independent / len(over))
    mean = ParetoTail(
        float(probability @ shapes),
        math.exp(float(probability @ np.log(scales))),
        float(reached[len(over) - 1]),
        threshold,
        len(over),
    )
    queries = len(np.unique(sample.group))
    return ParetoPosterior(
        mean, shapes, scales, probability, independent, max(queries, independent)
    )


def _grid(over: Array, weight: float) -> tuple[Array, Array, Array]:
    """Returns shapes, scales and probabilities, (SHAPES * SCALES,). weight: of the likelihood."""
    k = len(over)
    shapes = np.linspace(*SHAPE_RANGE, SHAPES)
    middle = best_scales(over[None], shapes, rounds=3)
    # Four standard errors to either side, at the scale's expected information.
    reach = 4 * math.sqrt(2 / (k * weight))
    scales = middle[:, None] * np.exp(np.linspace(-reach, reach, SCALES))
    xi = np.where(np.abs(shapes) < 1e-9, 1e-9, shapes)[:, None]
    inside = xi[:, :, None] * over / scales[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.log1p(np.maximum(inside, -1.0)).sum(2)
        likelihood = -k * np.log(scales) - (1 / xi + 1) * total
    likelihood = np.where(inside.min(2) <= -1, -np.inf, likelihood)
    log_posterior = weight * likelihood - shapes[:, None] ** 2 / (2 * PRIOR_DEVIATION**2)
    probability = np.exp(log_posterior - log_posterior.max())
    probability /= probability.sum()
    every = np.broadcast_to(shapes[:, None], scales.shape)
    return every.ravel(), scales.ravel(), probability.ravel()
