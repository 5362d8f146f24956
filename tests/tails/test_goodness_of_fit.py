"""Goodness of fit: scipy's statistics, p-values that are uniform, and power."""

import numpy as np
import pytest
from scipy import stats

from core.tails.goodness_of_fit import excess_goodness_of_fit, independent_excesses
from core.tails.pareto import pareto_by_likelihood
from tests.tails.samples import pareto_excesses, sample_of


@pytest.mark.slow
def test_statistics_and_p_values_are_scipys() -> None:
    over = pareto_excesses(0.15, 50, seed=4)
    found = excess_goodness_of_fit(over, simulations=999)
    shape, scale = pareto_by_likelihood(over)
    cdf = stats.genpareto(shape, scale=scale).cdf
    assert found.cramer == pytest.approx(stats.cramervonmises(over, cdf).statistic)
    z = np.sort(cdf(over))
    k = len(z)
    terms = [(2 * i + 1) * (np.log(z[i]) + np.log(1 - z[k - 1 - i])) for i in range(k)]
    assert found.anderson == pytest.approx(-k - sum(terms) / k)
    theirs = stats.goodness_of_fit(
        stats.genpareto, over, known_params={"loc": 0}, statistic="ad", n_mc_samples=99,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert found.anderson == pytest.approx(theirs.statistic, abs=5e-3)
    # 99 simulations: two and a half standard errors of a share.
    assert found.anderson_p == pytest.approx(theirs.pvalue, abs=0.13)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [-0.3, 0.2])
def test_p_values_of_true_tails_are_uniform(shape: float) -> None:
    found = [
        excess_goodness_of_fit(pareto_excesses(shape, 40, seed), simulations=99, seed=seed)
        for seed in range(200)
    ]
    for p in (
        np.array([one.anderson_p for one in found]),
        np.array([one.cramer_p for one in found]),
    ):
        assert p.mean() == pytest.approx(0.5, abs=0.06)
        assert (p <= 0.1).mean() == pytest.approx(0.1, abs=0.055)


def test_another_tail_is_rejected() -> None:
    generator = np.random.default_rng(5)
    over = np.concatenate([generator.normal(1.0, 0.05, 60), generator.normal(3.0, 0.05, 60)])
    assert excess_goodness_of_fit(over).anderson_p < 0.01
    heavy = pareto_excesses(0.6, 300, seed=6)
    assert excess_goodness_of_fit(heavy, exponential=True).anderson_p < 0.01
    assert excess_goodness_of_fit(heavy).anderson_p > 0.05


def test_rewordings_are_one_excess() -> None:
    sample = sample_of(np.array([1.0, 2.0, 3.0, 4.0]), group=["a", "a", "b", "c"])
    assert sorted(independent_excesses(sample, 1.5)) == pytest.approx([0.5, 1.5, 2.5])
    assert sorted(independent_excesses(sample, 0.5)) == pytest.approx([1.5, 2.5, 3.5])
