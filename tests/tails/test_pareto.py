"""The generalised Pareto tail: against scipy and pyextremes on the same data, and its limits."""

import numpy as np
import pandas as pd
import pytest
from pyextremes.models import MLE
from scipy import stats

from core.errors import SpecError
from core.tails.pareto import (
    SHAPE_RANGE,
    ParetoTail,
    best_scales,
    fit_pareto,
    pareto_by_likelihood,
    pareto_by_moments,
    pareto_likelihoods,
    pareto_log_likelihood,
)
from tests.tails.samples import SCALE, censored_below, gumbel_scores, pareto_excesses, sample_of

SHAPES = (-0.3, 0.0, 0.3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("k", [50, 200, 1000])
def test_likelihood_agrees_with_scipy(shape: float, k: int) -> None:
    over = pareto_excesses(shape, k, seed=k)
    found = pareto_by_likelihood(over)
    theirs = stats.genpareto.fit(over, floc=0)
    assert found == pytest.approx((theirs[0], theirs[2]), abs=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_likelihood_agrees_with_pyextremes(shape: float) -> None:
    over = pareto_excesses(shape, 150, seed=7)
    times = pd.date_range("2001-01-01", periods=len(over), freq="D")
    model = MLE(
        extremes=pd.Series(over, index=times), distribution="genpareto",
        distribution_kwargs={"floc": 0},
    )  # fmt: skip
    theirs = model.fit_parameters
    assert pareto_by_likelihood(over) == pytest.approx((theirs["c"], theirs["scale"]), abs=1e-3)
    # And so do the levels.
    tail = ParetoTail(*pareto_by_likelihood(over), 1.0, 0.0, len(over))
    level = float(model.get_return_value(1e-3, None)[0])
    assert float(tail.score_at(np.log(1e-3))) == pytest.approx(level, rel=5e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_recover_with_the_right_sign(shape: float) -> None:
    found = pareto_by_moments(pareto_excesses(shape, 100_000, seed=3))
    assert found == pytest.approx((shape, SCALE), abs=0.02)
    # The first two probability-weighted moments are matched: sigma/(1-xi), sigma/(2(2-xi)).
    over = pareto_excesses(shape, 300, seed=4)
    xi, scale = pareto_by_moments(over)
    assert scale / (1 - xi) == pytest.approx(over.mean())
    pairs = np.minimum(over[:, None], over[None, :])[np.triu_indices(300, 1)]
    assert scale / (2 - xi) == pytest.approx(pairs.mean(), rel=1e-9)


def test_shape_is_kept_in_range() -> None:
    # Evenly spread excesses: the likelihood has no maximum, it grows towards shape -1.
    shape, scale = pareto_by_likelihood(np.linspace(0.01, 1, 60))
    assert shape == SHAPE_RANGE[0]
    assert scale == pytest.approx(best_scales(np.linspace(0.01, 1, 60)[None], -0.5)[0])
    heavy = pareto_excesses(2.5, 200, seed=1)
    assert pareto_by_likelihood(heavy)[0] == SHAPE_RANGE[1]


def test_many_at_once_are_each() -> None:
    over = np.array([pareto_excesses(shape, 40, seed=n) for n, shape in enumerate(SHAPES)])
    shapes, scales = pareto_likelihoods(over, rounds=8, points=11)
    for row in range(3):
        assert (shapes[row], scales[row]) == pytest.approx(pareto_by_likelihood(over[row]))


@pytest.mark.parametrize("shape", SHAPES)
def test_tail_and_its_inverse(shape: float) -> None:
    tail = ParetoTail(shape, SCALE, 0.1, -1.0, 30)
    levels = np.array([-1.0, -0.9, -0.5, -0.2])
    theirs = np.log(0.1) + stats.genpareto.logsf(levels + 1.0, shape, scale=SCALE)
    np.testing.assert_allclose(tail.log_survival(levels), theirs, rtol=1e-9)
    np.testing.assert_allclose(tail.score_at(theirs), levels, rtol=1e-9)
    end = float(tail.score_at(-np.inf))
    assert end == pytest.approx(-1.0 + SCALE / 0.3) if shape < 0 else end == np.inf


def test_log_likelihood_is_scipys() -> None:
    over = pareto_excesses(0.2, 30)
    for shape in (-0.2, 0.0, 1e-10, 0.4):
        theirs = stats.genpareto.logpdf(over, shape, scale=2.0).sum()
        assert pareto_log_likelihood(over, shape, 2.0) == pytest.approx(theirs, rel=1e-7)
    assert pareto_log_likelihood(over, -1.0, float(over.max()) / 2) == -np.inf


def test_rate_counts_the_censored() -> None:
    whole = sample_of(gumbel_scores(200))
    cut = censored_below(whole, float(np.quantile(whole.score, 0.5)))
    threshold = float(np.quantile(whole.score, 0.8))
    assert fit_pareto(cut, threshold).rate == pytest.approx(0.2)
    assert fit_pareto(cut, threshold).shape == fit_pareto(whole, threshold).shape


def test_a_threshold_above_every_point_is_refused() -> None:
    with pytest.raises(SpecError, match=r"0 estimates lie above the threshold.*lower it"):
        fit_pareto(sample_of(gumbel_scores(50)), 10.0)
    with pytest.raises(SpecError, match="method must be one of ml, pwm, exponential, got 'mm'"):
        fit_pareto(sample_of(gumbel_scores(50)), -2.5, "mm")


@pytest.mark.parametrize("true", [-0.4, 0.0, 0.9])
@pytest.mark.parametrize("k", [5, 200])
def test_the_best_scale_of_every_shape_is_the_likeliest(true: float, k: int) -> None:
    over = pareto_excesses(true, k, seed=k)
    shapes = np.linspace(-0.5, 1.0, 16)
    for shape, scale in zip(shapes, best_scales(over[None], shapes), strict=True):
        best = pareto_log_likelihood(over, shape, scale)
        for factor in (0.99, 1.01):
            assert pareto_log_likelihood(over, shape, scale * factor) < best
    rows = np.array([over, over * 2])
    assert best_scales(rows, 0.1)[1] == pytest.approx(2 * best_scales(rows, 0.1)[0])
