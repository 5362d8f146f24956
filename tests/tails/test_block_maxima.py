"""Block maxima: against scipy and pyextremes, and blocks of unequal size."""

import numpy as np
import pandas as pd
import pytest
from pyextremes.models import MLE
from scipy import stats

from core.errors import SpecError
from core.tails.block_maxima import (
    BlockMaxima,
    Blocks,
    blocks_of,
    checked_blocks,
    fit_block_maxima,
    gev_by_likelihood,
    gev_by_moments,
)
from tests.tails.samples import gumbel_scores, sample_of


def alike(maxima: np.ndarray, size: float = 1.0) -> Blocks:
    """Blocks of one size, all with a hit."""
    return Blocks(maxima, np.full(len(maxima), size), np.ones(len(maxima), dtype=bool))


@pytest.mark.parametrize("shape", [-0.25, 0.0, 0.25])
def test_likelihood_agrees_with_scipy_and_pyextremes(shape: float) -> None:
    maxima = np.asarray(stats.genextreme.rvs(-shape, -2.0, 0.4, size=200, random_state=5))
    found = gev_by_likelihood(alike(maxima))
    c, location, scale = stats.genextreme.fit(maxima)
    assert found == pytest.approx((-c, location, scale), abs=1e-3)
    times = pd.date_range("2001-01-01", periods=200, freq="YS")
    model = MLE(
        extremes=pd.Series(maxima, index=times), distribution="genextreme", distribution_kwargs={}
    )
    theirs = model.fit_parameters
    assert found == pytest.approx((-theirs["c"], theirs["loc"], theirs["scale"]), abs=1e-3)


@pytest.mark.parametrize("shape", [-0.25, 0.0, 0.25])
def test_moments_recover(shape: float) -> None:
    maxima = np.asarray(stats.genextreme.rvs(-shape, -2.0, 0.4, size=50_000, random_state=6))
    assert gev_by_moments(maxima) == pytest.approx((shape, -2.0, 0.4), abs=0.02)


def test_unequal_blocks_are_taken_as_they_are() -> None:
    """Half of the blocks hold 2 queries, half 38. Taken as 20 each, the location is far off."""
    generator = np.random.default_rng(8)
    size = np.array([2, 38] * 400)
    maxima = [
        stats.gumbel_r.rvs(-3.0, 0.4, size=n, random_state=generator).max() for n in size.tolist()
    ]
    blocks = Blocks(np.array(maxima), size.astype(float), np.ones(800, dtype=bool))
    fit = fit_block_maxima(blocks, "ml")
    assert fit.block == 20
    assert fit.location == pytest.approx(-3.0 + 0.4 * np.log(20), abs=0.05)
    assert fit.scale == pytest.approx(0.4, abs=0.03)
    assert fit.shape == pytest.approx(0.0, abs=0.06)
    equal = fit_block_maxima(blocks, "pwm")
    assert abs(equal.scale - 0.4) > 0.1


@pytest.mark.parametrize("shape", [-0.25, 0.0, 0.25])
def test_one_query_is_the_root_of_a_block(shape: float) -> None:
    tail = BlockMaxima(shape, -2.0, 0.4, 8.0, -3.0, 40)
    levels = np.array([-2.2, -1.5, -1.0])
    f = stats.genextreme.cdf(levels, -shape, -2.0, 0.4)
    np.testing.assert_allclose(np.exp(tail.log_survival(levels)), 1 - f ** (1 / 8), rtol=1e-9)
    np.testing.assert_allclose(tail.score_at(tail.log_survival(levels)), levels, rtol=1e-9)


def test_blocks_are_groups_or_drawn_by_lot() -> None:
    scores = gumbel_scores(100)
    alone = blocks_of(sample_of(scores))
    assert alone.size.tolist() == [10.0] * 10
    assert alone.known.all()
    # A file may be sorted: blocks of its neighbours would be all alike within, and far apart.
    ordered = blocks_of(sample_of(np.sort(scores)))
    np.testing.assert_array_equal(np.sort(ordered.maxima), np.sort(alone.maxima))
    assert np.ptp(ordered.maxima) < 0.7 * np.ptp(scores)
    grouped = blocks_of(sample_of(scores, group=[f"g{n % 20}" for n in range(100)]))
    assert grouped.size.tolist() == [5.0] * 20


def test_blocks_without_a_hit_lie_below_their_limit() -> None:
    """Half of the blocks have no hit, and are known to lie below the median. Left out, all is too high."""
    generator = np.random.default_rng(9)
    maxima = np.asarray(stats.gumbel_r.rvs(-2.0, 0.4, size=600, random_state=generator))
    known = maxima > np.median(maxima)
    seen = np.where(known, maxima, np.median(maxima))
    fit = fit_block_maxima(Blocks(seen, np.ones(600), known), "ml")
    assert (fit.shape, fit.location, fit.scale) == pytest.approx((0.0, -2.0, 0.4), abs=0.08)
    left_out = fit_block_maxima(alike(maxima[known]), "ml")
    assert left_out.location > -1.8


def test_the_prior_holds_the_shape_of_few_blocks() -> None:
    maxima = np.asarray(stats.genextreme.rvs(-0.6, -2.0, 0.4, size=12, random_state=3))
    free, held = (fit_block_maxima(alike(maxima), method) for method in ("ml", "posterior"))
    assert 0 < held.shape < free.shape - 0.1
    many = np.asarray(stats.genextreme.rvs(-0.3, -2.0, 0.4, size=5_000, random_state=3))
    assert fit_block_maxima(alike(many)).shape == pytest.approx(0.3, abs=0.03)


def test_few_blocks_are_refused() -> None:
    with pytest.raises(SpecError, match="at least 10 groups or blocks with a hit, got 3"):
        checked_blocks(alike(gumbel_scores(3)))
    with pytest.raises(SpecError, match="are equal"):
        checked_blocks(alike(np.ones(12)))
    with pytest.raises(SpecError, match="method must be one of posterior, ml, pwm, got 'bayes'"):
        fit_block_maxima(alike(gumbel_scores(12)), "bayes")
