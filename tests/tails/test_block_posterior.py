"""The posterior of block maxima: against integrals on a grid, and whether its intervals hold the truth."""

import numpy as np
import pytest
from scipy import stats

from core.tails.block_maxima import Blocks
from core.tails.block_posterior import block_posterior, log_posterior
from core.tails.posterior import PRIOR_DEVIATION


def blocks(shape: float, b: int, seed: int, hidden: int = 0) -> Blocks:
    """b blocks of 10; the lowest `hidden` have no hit, and the next one's maximum as their limit."""
    maxima = np.sort(np.asarray(stats.genextreme.rvs(-shape, -2.0, 0.4, size=b, random_state=seed)))
    known = np.arange(b) >= hidden
    return Blocks(np.where(known, maxima, maxima[hidden]), np.full(b, 10.0), known)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "b", "hidden"), [(0.3, 12, 0), (-0.3, 12, 4), (0.0, 60, 20)])
def test_draws_have_the_moments_of_a_grid(shape: float, b: int, hidden: int) -> None:
    given = blocks(shape, b, seed=1, hidden=hidden)
    drawn = block_posterior(given, 4_000)
    table = np.array([[one.shape, one.location, np.log(one.scale)] for one in drawn])
    axes = [
        np.linspace(max(m - 6 * s, -0.5), m + 6 * s, 81)
        if n == 0
        else np.linspace(m - 6 * s, m + 6 * s, 81)
        for n, (m, s) in enumerate(zip(table.mean(0), table.std(0), strict=True))
    ]
    points = np.array(np.meshgrid(*axes, indexing="ij")).reshape(3, -1).T
    log_density = np.concatenate(
        [log_posterior(given, part) for part in np.array_split(points, 20)]
    )
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mean = weight @ points
    deviation = np.sqrt(weight @ (points - mean) ** 2)
    np.testing.assert_allclose(table.mean(0), mean, atol=0.08 * deviation.max())
    np.testing.assert_allclose(table.std(0), deviation, rtol=0.08)


def test_the_posterior_is_the_density_times_the_prior() -> None:
    given = blocks(0.2, 15, seed=2)
    theta = np.array([[0.1, -1.9, -0.8], [-0.2, -2.1, -1.0]])
    expected = [
        stats.genextreme.logpdf(given.maxima, -xi, at, np.exp(log)).sum()
        + stats.norm.logpdf(xi, 0, PRIOR_DEVIATION)
        for xi, at, log in theta
    ]
    assert np.diff(log_posterior(given, theta)) == pytest.approx(np.diff(expected))
    assert log_posterior(given, np.array([[-0.51, -2.0, -1.0]]))[0] == -np.inf


@pytest.mark.study
def test_intervals_hold_parameters_drawn_from_the_prior() -> None:
    """With the truth drawn from the prior, a 90% interval holds it in 90% of cases, whatever the data."""
    generator = np.random.default_rng(5)
    inside = []
    for seed in range(300):
        xi = generator.normal(0, PRIOR_DEVIATION)
        if not -0.45 < xi < 0.95:
            continue
        drawn = block_posterior(blocks(xi, 15, seed), 400, seed)
        found = [[one.shape, float(one.score_at(np.log(0.002)))] for one in drawn]
        low, high = np.quantile(found, [0.05, 0.95], axis=0)
        truth = np.array([xi, -2.0 + 0.4 * np.expm1(-xi * np.log(-10 * np.log1p(-0.002))) / xi])
        inside.append((low <= truth) & (truth <= high))
    share = np.mean(inside, axis=0)
    assert ((share > 0.85) & (share < 0.95)).all(), share
