"""The posterior of a Pareto tail: the likelihood where there is much of it, the prior where there is none."""

import numpy as np
import pytest
from scipy import integrate, stats

from core.errors import SpecError
from core.tails.pareto import fit_pareto_largest
from core.tails.posterior import PRIOR_DEVIATION, pareto_posterior
from tests.tails.samples import SCALE, gumbel_scores, pareto_excesses, sample_of


@pytest.mark.slow
def test_means_are_those_of_an_integral() -> None:
    over = pareto_excesses(0.2, 15, seed=2)
    scores = np.concatenate([[-2.0], -2.0 + over, -2.0 - np.arange(1, 10)])
    found = pareto_posterior(sample_of(scores), 15)

    def weight(log_scale: float, shape: float) -> float:
        density = stats.genpareto.logpdf(over, shape, scale=np.exp(log_scale)).sum()
        return float(np.exp(density + stats.norm.logpdf(shape, 0, PRIOR_DEVIATION)))

    def mean(of) -> float:
        middle = np.log(over.mean())
        return float(integrate.dblquad(
            lambda log, xi: of(log, xi) * weight(log, xi), -0.5, 1.0, middle - 2.5, middle + 2.5,
            epsabs=0, epsrel=1e-3,
        )[0])  # fmt: skip

    whole = mean(lambda log, xi: 1.0)
    assert found.mean.shape == pytest.approx(mean(lambda log, xi: xi) / whole, abs=5e-3)
    assert np.log(found.mean.scale) == pytest.approx(mean(lambda log, xi: log) / whole, abs=5e-3)


def test_many_exceedances_drown_the_prior() -> None:
    scores = -2.0 + pareto_excesses(0.3, 4000, seed=3)
    sample = sample_of(scores)
    found = pareto_posterior(sample, 3999).mean
    likeliest = fit_pareto_largest(sample, 3999)
    assert found.shape == pytest.approx(likeliest.shape, abs=0.01)
    assert found.scale == pytest.approx(SCALE, rel=0.05)


def test_rewordings_bring_the_prior_back() -> None:
    scores = -2.0 + pareto_excesses(0.5, 200, seed=4)
    alone = pareto_posterior(sample_of(scores), 100)
    order = np.argsort(np.argsort(scores))
    worded = pareto_posterior(sample_of(scores, group=[f"g{n // 20}" for n in order]), 100)
    assert abs(worded.mean.shape) < 0.7 * abs(alone.mean.shape)


def test_refusals() -> None:
    with pytest.raises(SpecError, match=r"largest must be in 5..39"):
        pareto_posterior(sample_of(gumbel_scores(40)), 40)
