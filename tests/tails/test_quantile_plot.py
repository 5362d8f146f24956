"""The quantile plot: a tail of its own kind stays in the band so often as it says, another leaves it."""

import numpy as np
import pytest
from scipy import stats

from core.tails.analysis import fit_tail
from core.tails.goodness_of_fit import independent_excesses
from core.tails.quantile_plot import QuantilePlot, quantile_plot
from core.tails.sample import Array, to_score
from core.tails.spec import TailSpec
from tests.tails.samples import gumbel_scores, sample_of


def above(excesses: Array, **choices: object) -> QuantilePlot:
    """Returns the plot of queries half of which lie at these excesses over -2, the rest below it."""
    k = len(excesses)
    scores = np.concatenate([-2 + excesses, np.linspace(-4, -2, k)])
    spec = TailSpec.build(bootstraps=50, largest=k, **choices)
    found = quantile_plot(fit_tail(sample_of(scores), spec))
    assert found is not None
    return found


@pytest.mark.study
@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_of_its_own_kind_it_stays_inside_so_often(shape: float) -> None:
    shares = [
        above(stats.genpareto.rvs(shape, scale=0.4, size=40, random_state=seed)).inside.mean()
        for seed in range(60)
    ]
    assert 0.93 <= np.mean(shares) <= 0.97


@pytest.mark.study
def test_a_line_through_an_exponential_tail_stays_inside() -> None:
    shares = [
        above(stats.expon.rvs(scale=0.4, size=40, random_state=seed), fit="gumbel").inside.mean()
        for seed in range(60)
    ]
    assert 0.93 <= np.mean(shares) <= 0.97


def test_another_kind_leaves_it() -> None:
    """Two clusters are no generalised Pareto tail, and a heavy tail no Gumbel one."""
    generator = np.random.default_rng(1)
    clusters = np.concatenate([generator.uniform(0.3, 0.35, 30), generator.uniform(1.5, 1.6, 30)])
    assert above(clusters).inside.mean() < 0.5
    heavy = stats.genpareto.rvs(0.8, scale=0.3, size=80, random_state=2)
    assert above(heavy, fit="gumbel").inside.mean() < 0.6
    assert above(heavy).inside.mean() > 0.85


def test_expected_are_the_quantiles_of_the_fit() -> None:
    """An exponential's medians by hand: -scale log(1 - the Beta median), from the start up."""
    excesses = np.sort(stats.expon.rvs(scale=0.4, size=30, random_state=5))
    found = above(excesses, fit="gumbel")
    start = -2 + excesses[0]
    over = excesses[1:] - excesses[0]
    ranks = np.arange(1, 30)
    places = stats.beta.median(ranks, 30 - ranks)
    assert to_score(found.expected) == pytest.approx(start - over.mean() * np.log1p(-places))
    assert to_score(found.seen) == pytest.approx(start + over)
    assert (found.low < found.expected).all()
    assert (found.expected < found.high).all()


def test_wordings_count_once() -> None:
    scores = gumbel_scores(60)
    sample = sample_of(np.repeat(scores, 2), group=[f"g{n // 2}" for n in range(120)])
    fitted = fit_tail(sample, TailSpec.build(bootstraps=50, largest=60))
    found = quantile_plot(fitted)
    assert found is not None
    assert len(found.seen) == len(independent_excesses(sample, fitted.fit.threshold)) == 30


@pytest.mark.parametrize("fit", ["gev", "lognormal", "empirical"])
def test_fits_without_a_start_have_none(fit: str) -> None:
    fitted = fit_tail(sample_of(gumbel_scores(60)), TailSpec.build(bootstraps=50, fit=fit))
    assert quantile_plot(fitted) is None


def test_too_few_have_none() -> None:
    fitted = fit_tail(sample_of(gumbel_scores(60)), TailSpec.build(bootstraps=50, largest=7))
    assert quantile_plot(fitted) is None
