"""What block maxima and a prior on the shape leave possible, as draws."""

import numpy as np
from scipy import special, stats

from core.tails.block_maxima import (
    BlockMaxima,
    Blocks,
    gev_by_likelihood,
    gev_for_mean_size,
    log_likelihood,
)
from core.tails.pareto import SHAPE_RANGE
from core.tails.posterior import PRIOR_DEVIATION
from core.tails.sample import Array

# Draws of the proposal, which is moved to the posterior's mean and covariance between the rounds.
ROUNDS = (2_000, 2_000, 8_000)
# Heavier tails than the posterior's, so that no draw gets a large weight.
FREEDOM = 5


def block_posterior(blocks: Blocks, count: int, seed: int = 0) -> list[BlockMaxima]:
    """Returns distributions of the blocks' maxima drawn from their posterior.

    The prior is normal in the shape, and flat in the location and the logarithm of the scale. The draws are
    those of a t distribution, resampled by their importance (Smith & Gelfand 1992); the proposal adapts to
    them first (Cappe et al. 2004).
    """
    generator = np.random.default_rng(seed)
    shape, location, scale = gev_by_likelihood(blocks, PRIOR_DEVIATION)
    middle = np.array([shape, location, np.log(scale)])
    # Standard errors of about the right size: of a Gumbel sample's.
    b = int(blocks.known.sum())
    spread = np.diag([0.2**2 / (1 + 0.2**2 * b), 1.2 * scale**2 / b, 0.7 / b])
    for size in ROUNDS:
        proposal = stats.multivariate_t(middle, spread * 1.3, df=FREEDOM)
        draws = np.atleast_2d(proposal.rvs(size, random_state=generator))
        log_weight = log_posterior(blocks, draws) - proposal.logpdf(draws)
        weight = special.softmax(log_weight)
        middle = weight @ draws
        apart = draws - middle
        # The second keeps the first rounds' covariance from falling on few draws.
        spread = (weight[:, None] * apart).T @ apart + spread / size
    # Evenly spaced: the same numbers of each draw but for rounding.
    places = (np.arange(count) + generator.uniform()) / count
    chosen = np.searchsorted(np.cumsum(weight), places).clip(max=len(draws) - 1)
    generator.shuffle(chosen)
    return [
        gev_for_mean_size(blocks, xi, at, float(np.exp(log_scale)))
        for xi, at, log_scale in draws[chosen].tolist()
    ]


def log_posterior(blocks: Blocks, theta: Array) -> Array:
    """Returns the log-posterior but for a constant, (n,). theta: (n, 3) shape, location, log scale."""
    shape = theta[:, 0]
    inside = (SHAPE_RANGE[0] <= shape) & (shape <= SHAPE_RANGE[1]) & (np.abs(theta[:, 2]) < 50)
    kept = np.where(inside[:, None], theta, 0.0)
    found = log_likelihood(blocks, *kept.T) - shape**2 / (2 * PRIOR_DEVIATION**2)
    return np.asarray(np.where(inside, found, -np.inf))
