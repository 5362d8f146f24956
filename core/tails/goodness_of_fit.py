"""Goodness of fit: could these excesses come from a generalised Pareto tail at all?"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.tails.pareto import pareto_by_likelihood, pareto_likelihoods
from core.tails.sample import Array, TailSample

SIMULATIONS = 499


@dataclass(frozen=True)
class Fitness:
    """Anderson-Darling and Cramer-von-Mises statistics, their p-values, and how many excesses were tested."""

    anderson: float
    anderson_p: float
    cramer: float
    cramer_p: float
    excesses: int


def independent_excesses(sample: TailSample, threshold: float) -> Array:
    """Returns each group's largest excess over the threshold: rewordings of a query are not independent."""
    known = ~sample.censored & (sample.score > threshold)
    names, place = np.unique(sample.group[known], return_inverse=True)
    largest = np.full(len(names), -np.inf)
    np.maximum.at(largest, place, sample.score[known] - threshold)
    return largest


def fitness(
    over: Array, simulations: int = SIMULATIONS, seed: int = 0, exponential: bool = False
) -> Fitness:
    """Returns how well a generalised Pareto tail fits, with p-values by simulation.

    As `scipy.stats.goodness_of_fit` does it: samples of the fitted tail are fitted anew, and the p-value is
    (1 + those as far off) / (1 + simulations). All samples are fitted at once, which is 100 times faster.

    over: (k,), above 0. exponential: the shape is held at 0.
    """
    k = len(over)
    generator = np.random.default_rng(seed)
    shape, scale = (0.0, float(over.mean())) if exponential else pareto_by_likelihood(over)
    draws = stats.genpareto.isf(generator.uniform(size=(simulations, k)), shape)
    if exponential:
        shapes, scales = np.zeros(simulations), draws.mean(1)
    else:
        shapes, scales = pareto_likelihoods(draws)
    found = _statistics(over[None], np.array([shape]), np.array([scale]))[:, 0]
    null = _statistics(draws, shapes, scales)
    anderson_p, cramer_p = (
        float((1 + (null[which] >= found[which]).sum()) / (1 + simulations)) for which in (0, 1)
    )
    return Fitness(float(found[0]), anderson_p, float(found[1]), cramer_p, k)


def _statistics(over: Array, shape: Array, scale: Array) -> Array:
    """Returns (2, samples): A^2 and W^2 of each sample under its own fit (D'Agostino & Stephens 1986)."""
    ordered = np.sort(over, axis=1) / scale[:, None]
    k = over.shape[1]
    xi = np.where(np.abs(shape) < 1e-9, 1e-9, shape)[:, None]
    # At the largest of a tail with an end, rounding may pass it.
    log_survival = -np.log(np.maximum(1 + xi * ordered, 1e-15)) / xi
    log_survival = np.clip(log_survival, -700, -1e-15)
    below = -np.expm1(log_survival)
    odd = 2 * np.arange(1, k + 1) - 1
    anderson = -k - (odd * (np.log(below) + log_survival[:, ::-1])).sum(1) / k
    cramer = 1 / (12 * k) + ((below - odd / (2 * k)) ** 2).sum(1)
    return np.array([anderson, cramer])
